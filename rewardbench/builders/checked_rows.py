"""Files of preference rows in which every row has its own check, such as the perturbed items of a suite.

`data verify FILE` runs the checks, and `--dataset FILE` scores the rows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rewardbench.builders.build import Tick
from rewardbench.builders.check import Verification, verify
from rewardbench.builders.draw import Response
from rewardbench.builders.mirrors import make_cell, read_each
from rewardbench.types import Message, Messages, Tools
from rewardbench.verifiers import Cell


@dataclass(frozen=True)
class CheckedRow:
    """A prompt with right and wrong responses, and the check of its label."""

    id: str
    prompt: Messages
    right: Sequence[Response]
    wrong: Sequence[Response]
    check: Mapping[str, Any] = field(default_factory=dict)
    """Data of the verifier: its `kind`, and what must hold of a right response. Empty: no check."""
    tools: Tools = ()
    columns: Mapping[str, object] = field(default_factory=dict)
    """Other columns of the file, such as subset and group."""

    @property
    def group(self) -> str:
        """The name of the row in the outcome of a verification."""
        return self.id

    def cells(self) -> Iterator[Cell]:
        """Yield each response, to be checked against the prompt."""
        for responses, is_right in ((self.right, True), (self.wrong, False)):
            for response in responses:
                yield make_cell(self.id, self.check, response, is_right, self.prompt, self.tools)

    def to_json(self) -> dict[str, object]:
        """Return the row of the file; its check is JSON in a string, since checks of several kinds have no schema."""
        row: dict[str, object] = {
            "id": self.id,
            **self.columns,
            "prompt": list(self.prompt),
            "chosen": _responses_to_json(self.right),
            "rejected": _responses_to_json(self.wrong),
        }
        if self.tools:
            row["tools"] = list(self.tools)
        return {**row, "check": json.dumps(self.check, ensure_ascii=False) if self.check else ""}


@dataclass(frozen=True)
class CheckedRows:
    """The rows of a file."""

    rows: Sequence[CheckedRow]

    def size(self) -> int:
        """Return the number of rows."""
        return len(self.rows)

    def verify(self, tick: Tick = lambda: None) -> Verification:
        """Run the checks of all rows; `tick` is called once for each kind of verifier."""
        return verify(self.rows, tick)


def read_checked_rows(path: Path) -> CheckedRows:
    """Read a file of rows with checks, one JSON object per line.

    Raises:
        InputError: if the file cannot be read, or a line is not such a row.
    """
    return CheckedRows(read_each(path, _from_json, "a row with a check, as `rewardbench data perturb` writes them"))


def _from_json(value: Mapping[str, Any]) -> CheckedRow:
    check = json.loads(value["check"]) if value["check"] else {}
    if check and not isinstance(check.get("kind"), str):
        raise KeyError("kind")
    return CheckedRow(
        id=str(value["id"]),
        prompt=tuple(value["prompt"]),
        right=_responses_from_json(value["chosen"]),
        wrong=_responses_from_json(value["rejected"]),
        check=check,
        tools=tuple(value.get("tools", ())),
    )


def _responses_to_json(responses: Sequence[Response]) -> list[str | list[Message]]:
    values: list[str | list[Message]] = []
    for response in responses:
        values.append(response if isinstance(response, str) else list(response))
    return values


def _responses_from_json(values: Sequence[str | Sequence[Message]]) -> list[Response]:
    responses: list[Response] = []
    for value in values:
        responses.append(value if isinstance(value, str) else tuple(value))
    return responses
