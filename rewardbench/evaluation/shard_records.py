"""Read the records of shard files: the scores of each item, by its id."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple, Self

from rewardbench.errors import InputError
from rewardbench.evaluation.shard_files import ShardFile, translate_damage
from rewardbench.results.read import read_item_scores
from rewardbench.types import Item, ItemScores, Suite

MOST_OPEN_FILES = 100


class RecordKey(NamedTuple):
    """What a record is the scores of: an item of the suite, or of its fresh draw."""

    item_id: str
    is_fresh: bool


class _Place(NamedTuple):
    path: Path
    offset: int


class ShardRecords:
    """Context manager: the records of the shards of a run, which are read on access.

    Args:
        shards: the files; all of each is read once, to check it.

    Raises:
        InputError: if a file is damaged, or two records are of the same item.
    """

    def __init__(self, shards: Sequence[ShardFile]) -> None:
        self._places: dict[RecordKey, _Place] = {}
        self._files: dict[Path, BinaryIO] = {}
        self._stack = ExitStack()
        for shard in shards:
            for key, place in _scan(shard):
                if key in self._places:
                    raise InputError(
                        f"Item {key.item_id} is in {self._places[key].path} and in {place.path}: remove one."
                    )
                self._places[key] = place

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def check(self, suite: Suite, fresh: Suite | None) -> None:
        """Check that there is a record of each item, and no other.

        Raises:
            InputError: if there is not.
        """
        unread = dict.fromkeys(self._places)
        missing: list[str] = []
        for is_fresh, data in ((False, suite), (True, fresh)):
            for item in data.items if data else ():
                if RecordKey(item.id, is_fresh) not in self._places:
                    missing.append(item.id)
                unread.pop(RecordKey(item.id, is_fresh), None)
        if missing:
            raise InputError(
                f"No shard has item {missing[0]} of {suite.name}; {len(missing)} items are missing: score all shards "
                "with this version of rewardbench."
            )
        if unread:
            key = next(iter(unread))
            raise InputError(
                f"{self._places[key].path} has item {key.item_id}, which is not in {suite.name}: remove it."
            )

    def read(self, item: Item, is_fresh: bool = False) -> ItemScores:
        """Return the scores of an item, with its texts and answers.

        Raises:
            InputError: if they are not the scores of its completions.
        """
        place = self._places[RecordKey(item.id, is_fresh)]
        if place.path not in self._files:
            if len(self._files) == MOST_OPEN_FILES:
                self._stack.close()
                self._files.clear()
            self._files[place.path] = self._stack.enter_context(place.path.open("rb"))
        file = self._files[place.path]
        file.seek(place.offset)
        with translate_damage(place.path):
            record = json.loads(file.readline())
            item_scores = replace(read_item_scores(record), answers=tuple(record["answers"]))
            if len(item_scores.scores) not in (0, len(item.completions)):
                raise ValueError(f"item {item.id} has {len(item_scores.scores)} scores")
        return item_scores


def _scan(shard: ShardFile) -> Iterator[tuple[RecordKey, _Place]]:
    """Yield the place of each record of a shard file.

    Raises:
        InputError: if the records are not those that were written.
    """
    records_hash = hashlib.sha256()
    with shard.path.open("rb") as file:
        offset = len(file.readline())
        for number, line in enumerate(file, 2):
            records_hash.update(line)
            try:
                record = json.loads(line)
                yield RecordKey(str(record["id"]), bool(record["fresh"])), _Place(shard.path, offset)
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                raise InputError(f"{shard.path}, line {number}, is no record: score this shard again.") from error
            offset += len(line)
    if records_hash.hexdigest() != shard.header.records_sha256:
        raise InputError(f"{shard.path} is incomplete or was changed: score this shard again.")
