"""The square: four prompts with four responses, each right for one prompt only; it gives four best-of-4 items."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypedDict

from rewardbench.builders.mirrors import EDIT_KEY, make_cell, template_of
from rewardbench.types import Message, Messages
from rewardbench.verifiers import Cell


class BestOfRow(TypedDict):
    """A prompt with one right and three wrong responses, as a row of a dataset."""

    id: str
    subset: str
    group: str
    origin: str
    template: str
    rung: int
    prompt: list[Message]
    chosen: list[str]
    rejected: list[str]


@dataclass(frozen=True)
class Square:
    """Four prompts that differ in one detail, and four responses: response i is right for prompt i only."""

    subset: str
    edit: str
    """The differing detail of the prompts, in one line."""
    prompts: tuple[Messages, ...]
    responses: tuple[str, ...]
    check: Mapping[str, Any] = field(default_factory=dict)
    """Data of the verifier: its `kind`, and for each prompt, by its position ("0", "1", ...), what must hold."""
    source: Mapping[str, Any] = field(default_factory=dict)
    """Builder, template, seed, index and rung."""
    group: str = ""
    """Its name in a suite, the cluster of its rows."""

    def rows(self) -> Iterator[BestOfRow]:
        """Yield a row for each prompt."""
        for n, (prompt, right) in enumerate(zip(self.prompts, self.responses, strict=True)):
            yield {
                "id": f"{self.group}-{n + 1}",
                "subset": self.subset,
                "group": self.group,
                "origin": "built",
                "template": template_of(self.source),
                "rung": self.source["rung"],
                "prompt": list(prompt),
                "chosen": [right],
                "rejected": [response for response in self.responses if response != right],
            }

    def cells(self) -> Iterator[Cell]:
        """Yield its sixteen cells: every response against every prompt."""
        for n, prompt in enumerate(self.prompts):
            for position, response in enumerate(self.responses):
                yield make_cell(f"{self.group}-{n + 1}", self.check[str(n)], response, position == n, prompt)

    def to_json(self) -> dict[str, object]:
        """Return the JSON object that `square_from_json` reads."""
        values = {
            "group": self.group,
            "subset": self.subset,
            EDIT_KEY: self.edit,
            "prompts": self.prompts,
            "responses": self.responses,
            "check": self.check,
            "source": self.source,
        }
        return {name: value for name, value in values.items() if value}


def square_from_json(value: Mapping[str, Any]) -> Square:
    """Return the square of a JSON object that `Square.to_json` wrote.

    Raises:
        TypeError: if it has an unknown field, or lacks a required one.
        KeyError: if it lacks a required field.
    """
    fields = {**value, "edit": value[EDIT_KEY], "responses": tuple(value["responses"])}
    del fields[EDIT_KEY]
    fields["prompts"] = tuple(tuple(prompt) for prompt in value["prompts"])
    return Square(**fields)
