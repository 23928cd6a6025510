"""The ties subset: mirrors whose prompts have several right answers each, with a reference question for each prompt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypedDict

from rewardbench.builders.mirrors import EDIT_KEY, read_each
from rewardbench.types import Message, Messages
from rewardbench.verifiers import Cell


class TiesRow(TypedDict):
    """A prompt with its right and wrong answers, as a row of a dataset."""

    id: str
    """`tied:` or `ref:` before the name of the mirror and the half."""
    subset: str
    group: str
    origin: str
    prompt: list[Message]
    chosen: list[str]
    rejected: list[str]


@dataclass(frozen=True)
class Reference:
    """Two questions with the same possible answers, of which one is right for each."""

    completions: tuple[str, ...]
    a: Messages
    right_a: int
    """Index of the right answer to question `a`."""
    b: Messages
    right_b: int
    """Index of the right answer to question `b`."""


@dataclass(frozen=True)
class TiesMirror:
    """Two prompts that differ in one detail, and two sets of answers.

    All answers in `p` are right for prompt `a` and wrong for `b`; all in `q` are right for `b` and wrong for `a`.
    """

    group: str
    edit: str
    a: Messages
    b: Messages
    p: tuple[str, ...]
    q: tuple[str, ...]
    ref: Reference
    subset: str = "ties"
    check: Mapping[str, Any] = field(default_factory=dict)
    """A Python expression over the response `r` for each of the four prompts: a, b, ref_a, ref_b."""

    def rows(self) -> Iterator[TiesRow]:
        """Yield its two rows with tied answers, then its two reference rows."""
        yield self._row("tied", "a", self.a, self.p, self.q)
        yield self._row("tied", "b", self.b, self.q, self.p)
        yield self._reference_row("a", self.ref.a, self.ref.right_a)
        yield self._reference_row("b", self.ref.b, self.ref.right_b)

    def _reference_row(self, half: str, prompt: Messages, right: int) -> TiesRow:
        answers = self.ref.completions
        wrong = [answer for n, answer in enumerate(answers) if n != right]
        return self._row("ref", half, prompt, [answers[right]], wrong)

    def _row(self, kind: str, half: str, prompt: Messages, right: Sequence[str], wrong: Sequence[str]) -> TiesRow:
        return {
            "id": f"{kind}:{self.group}-{half}",
            "subset": self.subset,
            "group": self.group,
            "origin": "written",
            "prompt": list(prompt),
            "chosen": list(right),
            "rejected": list(wrong),
        }

    def to_json(self) -> dict[str, object]:
        """Return the JSON object that `read_ties` reads."""
        fields: dict[str, object] = {}
        for name, value in asdict(self).items():
            if value:
                fields[EDIT_KEY if name == "edit" else name] = value
        return fields

    def cells(self) -> Iterator[Cell]:
        """Yield every answer of every row, to be checked against the row's prompt."""
        for row in self.rows():
            kind, half = row["id"].split(":")[0], row["id"][-1]
            check = {"holds": self.check[half if kind == "tied" else f"ref_{half}"]}
            for response in row["chosen"]:
                yield Cell(row["id"], check, response, True)
            for response in row["rejected"]:
                yield Cell(row["id"], check, response, False)


def read_ties(path: Path) -> list[TiesMirror]:
    """Read a file of ties mirrors, one JSON object per line.

    Raises:
        InputError: if the file cannot be read, or a line is not a ties mirror.
    """
    return read_each(path, _from_json, "a ties mirror")


def _from_json(value: Mapping[str, Any]) -> TiesMirror:
    fields = {**value, "edit": value[EDIT_KEY], "ref": _reference(value["ref"])}
    del fields[EDIT_KEY]
    for name in ("a", "b", "p", "q"):
        fields[name] = tuple(fields[name])
    return TiesMirror(**fields)


def _reference(value: Mapping[str, Any]) -> Reference:
    fields = dict(value)
    for name in ("completions", "a", "b"):
        fields[name] = tuple(fields[name])
    return Reference(**fields)
