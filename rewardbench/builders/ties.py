"""Ties in twins: two prompts over two sets of answers, each set right for one; and a reference question for each."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rewardbench.builders.mirrors import read_lines
from rewardbench.errors import InputError
from rewardbench.types import Messages
from rewardbench.verifiers import Cell


@dataclass(frozen=True)
class Reference:
    """Two questions over the same answers, each with one right answer: their positions are `right_a`, `right_b`."""

    completions: tuple[str, ...]
    a: Messages
    right_a: int
    b: Messages
    right_b: int


@dataclass(frozen=True)
class TieTwin:
    """All of `p` are right for `a` and wrong for `b`; all of `q` the other way round."""

    group: str
    edit: str
    a: Messages
    b: Messages
    p: tuple[str, ...]
    q: tuple[str, ...]
    ref: Reference
    subset: str = "ties"
    check: Mapping[str, Any] = field(default_factory=dict)
    """An expression over the response `r` for each of the four prompts: a, b, ref_a, ref_b."""

    def rows(self) -> Iterator[dict[str, Any]]:
        """Two tied items and their two reference items, under ids that say which belong together."""
        for half, prompt, right, wrong in self._tied():
            yield self._row(f"tied:{self.group}-{half}", prompt, right, wrong)
        for half, prompt, at in (("a", self.ref.a, self.ref.right_a), ("b", self.ref.b, self.ref.right_b)):
            others = [text for n, text in enumerate(self.ref.completions) if n != at]
            yield self._row(f"ref:{self.group}-{half}", prompt, [self.ref.completions[at]], others)

    def _tied(self) -> Iterator[tuple[str, Messages, tuple[str, ...], tuple[str, ...]]]:
        yield "a", self.a, self.p, self.q
        yield "b", self.b, self.q, self.p

    def _row(self, id: str, prompt: Messages, right: Any, wrong: Any) -> dict[str, Any]:
        return {
            "id": id,
            "subset": self.subset,
            "group": self.group,
            "origin": "written",
            "prompt": list(prompt),
            "chosen": list(right),
            "rejected": list(wrong),
        }

    def to_json(self) -> dict[str, Any]:
        """What `read_ties` reads."""
        value = {"hinge" if name == "edit" else name: field for name, field in asdict(self).items()}
        return {name: held for name, held in value.items() if held}

    def cells(self) -> Iterator[Cell]:
        """Every answer against the prompt of its row."""
        for row in self.rows():
            kind, half = row["id"].split(":")[0], row["id"][-1]
            check = {"holds": self.check[half if kind == "tied" else f"ref_{half}"]}
            for name in ("chosen", "rejected"):
                for response in row[name]:
                    yield Cell(row["id"], check, response, name == "chosen")


def read_ties(path: Path) -> list[TieTwin]:
    """The twins of a file, one JSON object a line. Raises InputError where a line is not one."""
    twins = []
    for n, line in enumerate(read_lines(path), 1):
        try:
            twins.append(_from_json(json.loads(line)))
        except (ValueError, TypeError, KeyError) as error:
            raise InputError(f"{path}, line {n} is not a twin of ties: {error}.") from error
    return twins


def _from_json(value: Mapping[str, Any]) -> TieTwin:
    ref = value["ref"]
    lists = {name: tuple(value[name]) for name in ("a", "b", "p", "q")}
    reference = {**ref, **{name: tuple(ref[name]) for name in ("completions", "a", "b")}}
    fields = {**value, **lists, "edit": value["hinge"], "ref": Reference(**reference)}
    del fields["hinge"]
    return TieTwin(**fields)
