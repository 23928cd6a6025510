"""Asks backends, and remembers: one file a stage, a line for every answer, found again by what was asked."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rewardbench.builders.templates.pink.backends import Backend
from rewardbench.errors import InputError
from rewardbench.paths import write_whole

STAGES = ("topics", "pairs", "plans", "dialogues", "critique", "revision")


@dataclass(frozen=True)
class Row:
    """An answer, and where it came from."""

    answer: Mapping[str, Any]
    provenance: Mapping[str, Any]
    """Stage, id, ids of the rows it was made from, hash of what was asked, backend, seed."""
    parents: Sequence[Row] = ()
    """Those who ask alike share an answer, but each has parents of its own."""

    @property
    def id(self) -> str:
        """What its children call it."""
        return str(self.provenance["id"])

    def chain(self) -> list[Row]:
        """All rows that it was made from, each before its children, itself last."""
        found: dict[str, Row] = {}
        for parent in self.parents:
            found |= {row.id: row for row in parent.chain() if row.id not in found}
        return [*found.values(), self]


def digest(value: Any) -> str:
    """The sha256 of a JSON value, whatever the order of its keys.

    >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    True
    """
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def folder_of(output: Path) -> Path:
    """Where the stages of an output wait."""
    return output.with_name(f"{output.name}.stages")


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The whole rows of a stage's file; what follows a line that was cut off is not taken."""
    rows: list[dict[str, Any]] = []
    for line in path.read_bytes().splitlines(keepends=True) if path.exists() else ():
        try:
            row = json.loads(line)
        except ValueError:
            break
        if not line.endswith(b"\n") or not {"key", "answer"} <= row.keys():
            break
        rows.append(row)
    return rows


class Stages:
    """Answers of a backend at a seed: each asked for once, at most `workers` at a time."""

    def __init__(self, folder: Path, backend: Backend, seed: int, workers: int) -> None:
        if workers < 1:
            raise InputError(f"There must be at least one worker, not {workers}.")
        self.folder, self.backend, self.seed = folder, backend, seed
        self.identity = backend.identity
        self.gate = asyncio.Semaphore(workers)
        self.known: dict[str, Mapping[str, Any]] = {}
        self.asked: dict[str, asyncio.Task[Mapping[str, Any]]] = {}
        for stage in STAGES:
            self._take_up(stage)

    def _take_up(self, stage: str) -> None:
        rows = read_rows(self._path(stage))
        write_whole(self._path(stage), "".join(map(_line, rows)))
        self.known |= {row["key"]: row["answer"] for row in rows}

    def _path(self, stage: str) -> Path:
        return self.folder / f"{stage}.jsonl"

    async def ask(self, stage: str, request: Mapping[str, Any], parents: Sequence[Row] = ()) -> Row:
        """The answer to a request, from the file where it stands there, else from the backend."""
        asked = digest(request)
        key = digest([stage, self.identity, self.seed, asked])
        provenance = {
            "stage": stage,
            "id": f"{stage}-{key[:12]}",
            "parents": [row.id for row in parents],
            "prompt_hash": asked,
            "backend": self.identity,
            "seed": self.seed,
        }
        if key not in self.known:
            if key not in self.asked:
                self.asked[key] = asyncio.create_task(self._ask(key, request, provenance))
            await self.asked[key]
        return Row(self.known[key], provenance, parents)

    async def _ask(self, key: str, request: Mapping[str, Any], provenance: Mapping[str, Any]) -> Mapping[str, Any]:
        stage = str(provenance["stage"])
        async with self.gate:
            answer = await self.backend.answer(stage, request, key)
        with self._path(stage).open("a", encoding="utf-8") as file:
            file.write(_line({**provenance, "key": key, "request": request, "answer": answer}))
        self.known[key] = answer
        return answer


def _line(row: Mapping[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False) + "\n"


def stages_summary(output: Path) -> dict[str, int]:
    """How many answers each stage of an output holds."""
    return {stage: len(read_rows(folder_of(output) / f"{stage}.jsonl")) for stage in STAGES}
