"""The square: four prompts with four responses, each right for one prompt only; it gives four best-of-4 items."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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


def join_square(rows: Sequence[Mapping[str, Any]], check: Mapping[str, Any]) -> Square:
    """Return the square of its rows and the line of `checks/` that describes them."""
    return Square(
        subset=rows[0]["subset"] if rows else "",
        edit=check[EDIT_KEY],
        prompts=tuple(tuple(row["prompt"]) for row in rows),
        responses=tuple(row["chosen"][0] for row in rows),
        check=check["check"],
        source=check["source"],
        group=check["group"],
    )
