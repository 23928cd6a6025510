"""The mirror: a minimal pair of prompts with two responses, each right for one prompt only; and its file format."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NotRequired, TypedDict, TypeVar

from rewardbench.builders.draw import Response
from rewardbench.errors import InputError
from rewardbench.types import Message, Messages, Tools
from rewardbench.verifiers import Cell

T = TypeVar("T")

EDIT_KEY = "hinge"
"""Key of the field `edit` in data files."""
TEMPLATE_KEY = "mould"
"""Key of the template's name in the field `source`."""
DIFFERENCE = re.compile(r"\[\[(.*?)\|(.*?)\]\]", re.DOTALL)


class PairRow(TypedDict):
    """A preference pair, as a row of a dataset."""

    id: str
    subset: str
    group: str
    origin: str
    """`built` or `written`."""
    template: str
    """Of a built row: its builder and template, `builder/template`; else empty."""
    rung: NotRequired[int]
    """Of a template with a size: the rung of core-hard, from 1."""
    prompt: list[Message]
    chosen: str | list[Message]
    rejected: str | list[Message]
    tools: NotRequired[list[Mapping[str, Any]]]
    """The functions that the assistant may call."""


@dataclass(frozen=True)
class Mirror:
    """Two prompts that differ in one detail, and two responses; it gives two preference pairs.

    Response `x` is right for prompt `a` and wrong for `b`; `y` is right for `b` and wrong for `a`.
    """

    subset: str
    edit: str
    """The differing detail of the prompts, in one line."""
    a: Messages
    b: Messages
    x: Response
    y: Response
    check: Mapping[str, Any] = field(default_factory=dict)
    """Data of the verifier: its `kind`, and what must hold of a right response to `a` and to `b`. Empty: no check."""
    source: Mapping[str, Any] = field(default_factory=dict)
    """Builder, template, seed and index; empty for a written mirror."""
    group: str = ""
    """Its name in a suite, the cluster of its two rows."""
    tools: Tools = ()

    def swapped(self) -> Mirror:
        """Return this mirror with `a` and `b`, and `x` and `y`, swapped."""
        check = dict(self.check)
        if check:
            check |= {"a": check["b"], "b": check["a"]}
        return replace(self, a=self.b, b=self.a, x=self.y, y=self.x, check=check)

    def rows(self) -> Iterator[PairRow]:
        """Yield its two preference pairs."""
        for half, prompt, chosen, rejected in (("a", self.a, self.x, self.y), ("b", self.b, self.y, self.x)):
            row: PairRow = {
                "id": f"{self.group}-{half}",
                "subset": self.subset,
                "group": self.group,
                "origin": "built" if self.source else "written",
                "template": template_of(self.source),
                "prompt": list(prompt),
                "chosen": _to_json_response(chosen),
                "rejected": _to_json_response(rejected),
            }
            if "rung" in self.source:
                row["rung"] = self.source["rung"]
            if self.tools:
                row["tools"] = list(self.tools)
            yield row

    def cells(self) -> Iterator[Cell]:
        """Yield its four cells: both responses against both prompts."""
        for half, prompt, right, wrong in (("a", self.a, self.x, self.y), ("b", self.b, self.y, self.x)):
            for response in (right, wrong):
                yield make_cell(
                    f"{self.group}-{half}", self.check[half], response, response is right, prompt, self.tools
                )


def template_of(source: Mapping[str, Any]) -> str:
    """Return builder and template of a built row, `builder/template`; empty for a written one."""
    return f"{source['builder']}/{source[TEMPLATE_KEY]}" if source else ""


def make_cell(
    row: str, check: Mapping[str, Any], response: Response, right: bool, prompt: Messages, tools: Tools = ()
) -> Cell:
    """Build the cell of a response and a prompt."""
    calls = () if isinstance(response, str) else response
    content = "\n".join(turn["content"] for turn in prompt)
    return Cell(row, check, response_text(response), right, content, prompt, calls, tools)


def response_text(response: Response) -> str:
    """Return a response as text; one that calls tools as JSON."""
    return response if isinstance(response, str) else json.dumps(response, ensure_ascii=False)


def _to_json_response(response: Response) -> str | list[Message]:
    return response if isinstance(response, str) else list(response)


def chat(*turns: str, system: str = "") -> Messages:
    """Return a conversation: the turns of user and assistant in alternation, after the system message if any.

    >>> chat("Hello", system="Be kind.")
    ({'role': 'system', 'content': 'Be kind.'}, {'role': 'user', 'content': 'Hello'})
    """
    messages = [Message(role="system", content=system)] if system else []
    for n, turn in enumerate(turns):
        messages.append(Message(role=("user", "assistant")[n % 2], content=turn))
    return tuple(messages)


def variants(template: str) -> tuple[str, str]:
    """Return both variants of a text in which `[[left|right]]` marks the differences.

    >>> variants("at [[least|most]] {k} of [[them|those]]")
    ('at least {k} of them', 'at most {k} of those')
    """
    return DIFFERENCE.sub(r"\1", template), DIFFERENCE.sub(r"\2", template)


def from_json(value: Mapping[str, Any]) -> Mirror:
    """Return the mirror of a JSON object that `to_json` wrote.

    Raises:
        TypeError: if it has an unknown field, or lacks a required one.
        KeyError: if it lacks a required field.
    """
    fields = {**value, "edit": value[EDIT_KEY], "a": tuple(value["a"]), "b": tuple(value["b"])}
    del fields[EDIT_KEY]
    for name in ("x", "y"):
        fields[name] = value[name] if isinstance(value[name], str) else tuple(value[name])
    fields["tools"] = tuple(value.get("tools", ()))
    return Mirror(**fields)


def to_json(mirror: Mirror) -> str:
    """Return a mirror as one line of JSON without empty fields."""
    fields = {
        "group": mirror.group,
        "subset": mirror.subset,
        EDIT_KEY: mirror.edit,
        "a": mirror.a,
        "b": mirror.b,
        "x": mirror.x,
        "y": mirror.y,
        "check": mirror.check,
        "source": mirror.source,
        "tools": mirror.tools,
    }
    return json.dumps({name: value for name, value in fields.items() if value}, ensure_ascii=False)


def to_lines(mirrors: Iterable[Mirror]) -> str:
    """Return the content of a file of mirrors, one JSON object per line."""
    return "".join(to_json(mirror) + "\n" for mirror in mirrors)


def read_mirrors(path: Path) -> list[Mirror]:
    """Read a file of mirrors, one JSON object per line.

    Raises:
        InputError: if the file cannot be read, or a line is not a mirror.
    """
    return read_each(path, from_json, "a mirror")


def read_each(path: Path, parse: Callable[[dict[str, Any]], T], noun: str) -> list[T]:
    """Read the lines of a JSONL file, and convert each object.

    Args:
        path: the file.
        parse: converts an object; an error of a missing or unfit field becomes an InputError.
        noun: what a line must be, for that error.

    Raises:
        InputError: if the file cannot be read, or a line cannot be converted.
    """
    values: list[T] = []
    for n, line in enumerate(read_lines(path), 1):
        try:
            values.append(parse(json.loads(line)))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise InputError(f"{path}, line {n} is not {noun}: {error}.") from error
    return values


def read_lines(path: Path) -> list[str]:
    r"""Read the lines of a JSONL file. Only `\n` ends a line: JSON strings may contain other line separators.

    Raises:
        InputError: if the file cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}.") from error
