"""Ask a backend, and cache its answers on disk: one file per stage, one answer per line, found by stage and request."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rewardbench.builders.templates.pink.backends import Backend
from rewardbench.builders.templates.pink.json_values import JsonMapping, as_object, text_field
from rewardbench.errors import InputError
from rewardbench.paths import write_whole

STAGES = ("topics", "pairs", "plans", "dialogues", "critique", "revision")


@dataclass(frozen=True)
class StageAnswer:
    """An answer of a stage, and its provenance."""

    content: JsonMapping
    provenance: JsonMapping
    """Stage, id, ids of the parents, hash of the request, backend, seed."""
    parents: Sequence[StageAnswer] = ()
    """The answers that the request was made from. Equal requests share their content, but not their parents."""

    @property
    def id(self) -> str:
        """The id, by which its children refer to it."""
        return str(self.provenance["id"])

    def chain(self) -> list[StageAnswer]:
        """Return all its ancestors, each before its children, and itself last."""
        ancestors: dict[str, StageAnswer] = {}
        for parent in self.parents:
            for answer in parent.chain():
                ancestors.setdefault(answer.id, answer)
        return [*ancestors.values(), self]


def digest(value: object) -> str:
    """Return the sha256 of a JSON value, regardless of the order of keys.

    >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    True
    """
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def stages_folder(output: Path) -> Path:
    """Return the folder with the answers for an output file."""
    return output.with_name(f"{output.name}.stages")


def read_stage(path: Path) -> list[JsonMapping]:
    """Read the lines of a stage's file; stop at a line that is incomplete."""
    rows: list[JsonMapping] = []
    if not path.exists():
        return rows
    for line in path.read_bytes().splitlines(keepends=True):
        try:
            row = as_object(json.loads(line))
        except ValueError:
            break
        is_complete = line.endswith(b"\n") and "key" in row and isinstance(row.get("answer"), dict)
        if not is_complete:
            break
        rows.append(row)
    return rows


class StageCache:
    """Answers of a backend at a seed; each is asked for once, at most `workers` at a time."""

    def __init__(self, folder: Path, backend: Backend, seed: int, workers: int) -> None:
        if workers < 1:
            raise InputError(f"There must be at least one worker, not {workers}.")
        self.folder, self.backend, self.seed = folder, backend, seed
        self.identity = backend.identity
        self.semaphore = asyncio.Semaphore(workers)
        self.contents: dict[str, JsonMapping] = {}
        self.pending: dict[str, asyncio.Task[JsonMapping]] = {}
        for stage in STAGES:
            self._load(stage)

    def _load(self, stage: str) -> None:
        """Read the finished answers of a stage, and remove an incomplete line from its file."""
        rows = read_stage(self._path(stage))
        write_whole(self._path(stage), "".join(map(_line, rows)))
        for row in rows:
            self.contents[text_field(row, "key")] = as_object(row["answer"])

    def _path(self, stage: str) -> Path:
        return self.folder / f"{stage}.jsonl"

    async def ask(self, stage: str, request: JsonMapping, parents: Sequence[StageAnswer] = ()) -> StageAnswer:
        """Return the answer to a request: from the file if it is there, else from the backend."""
        request_hash = digest(request)
        key = digest([stage, self.identity, self.seed, request_hash])
        provenance = {
            "stage": stage,
            "id": f"{stage}-{key[:12]}",
            "parents": [parent.id for parent in parents],
            "prompt_hash": request_hash,
            "backend": self.identity,
            "seed": self.seed,
        }
        if key not in self.contents:
            if key not in self.pending:
                self.pending[key] = asyncio.create_task(self._ask_backend(stage, key, request, provenance))
            await self.pending[key]
        return StageAnswer(self.contents[key], provenance, parents)

    async def _ask_backend(self, stage: str, key: str, request: JsonMapping, provenance: JsonMapping) -> JsonMapping:
        async with self.semaphore:
            content = await self.backend.answer(stage, request, key)
        with self._path(stage).open("a", encoding="utf-8") as file:
            file.write(_line({**provenance, "key": key, "request": request, "answer": content}))
        self.contents[key] = content
        return content


def _line(row: JsonMapping) -> str:
    return json.dumps(row, ensure_ascii=False) + "\n"


def stages_summary(output: Path) -> dict[str, int]:
    """Return the number of answers per stage for an output file."""
    return {stage: len(read_stage(stages_folder(output) / f"{stage}.jsonl")) for stage in STAGES}
