"""Shard files: a header that says what was scored and how, then a record for each item, as JSON lines.

A shard file is no result: no store lists it, and reading it as one raises InputError.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple, Self

from pydantic import TypeAdapter, ValidationError

from rewardbench.console.strict_json import to_plain
from rewardbench.engine.loop import ScoringRun
from rewardbench.errors import InputError
from rewardbench.evaluation.shards import Shard
from rewardbench.manifest import ScorerFacts, describe_environment
from rewardbench.models.devices import device_name
from rewardbench.models.fingerprint import digest
from rewardbench.results import dump
from rewardbench.results.read import SHARD_SUFFIX, read_item_scores
from rewardbench.results.schema import BaseRecord, NameField, ObjectField, TextField
from rewardbench.results.schema_errors import describe_first_error
from rewardbench.settings import Settings
from rewardbench.store.atomic import DRAFT, DraftFile, describe_write_error
from rewardbench.store.local import safe_name
from rewardbench.types import ItemScores, ScorerReport, Suite

FORMAT = 1
"""Version of the format of shard files."""
LOCAL_SETTINGS = ("batch_size", "batch_tokens", "num_processes", "engine", "cache", "shard")
"""Settings of a run that may differ between its shards: they change no score."""
LOCAL_MODEL_SETTINGS = ("device", "device_map", "max_memory")
"""The same of a model; the kind of its device is in the fingerprint."""
MOST_OPEN_FILES = 100


class CountsRecord(BaseRecord):
    """How the items of a shard were scored, as in `engine.loop.ScoringRun`."""

    token_budget: int
    batches: int
    requests: int
    tokens: int
    computed: int
    layout: TextField
    noise: float | None
    pooled_tokens: dict[TextField, int]
    note_counts: dict[TextField, int]


class ReportRecord(BaseRecord):
    """What the scorer reported after the shard, as in `types.ScorerReport`."""

    notes: list[TextField]
    details: ObjectField
    metadata: ObjectField
    session: ObjectField


class ShardHeader(BaseRecord):
    """The first line of a shard file."""

    shard_format: int
    shard: TextField
    suite: NameField
    revision: NameField
    fresh: NameField | None
    """Revision of the fresh draw that was scored too."""
    model: NameField
    model_type: TextField
    fingerprint: ObjectField
    settings: ObjectField
    """Fields of `Settings`."""
    report: ReportRecord
    counts: CountsRecord
    machine: ObjectField
    """Versions and hardware of the machine."""
    items: int
    """Number of items of the suite in this shard."""
    unscored: int
    records_sha256: TextField = ""

    @property
    def identity(self) -> dict[str, object]:
        """Return what all shards of a run have in common."""
        return {
            "suite": self.suite,
            "revision": self.revision,
            "fresh": self.fresh,
            "model": self.model,
            "model_type": self.model_type,
            "settings": shared_settings(self.settings),
            "fingerprint": self.fingerprint,
        }

    @property
    def facts(self) -> ScorerFacts:
        """Return the facts of the scorer, with what it reported of this shard."""
        report = self.report
        return ScorerFacts(
            self.model,
            self.model_type,
            self.fingerprint,
            ScorerReport(tuple(report.notes), report.details, report.metadata, report.session),
        )


def shared_settings(settings: Mapping[str, object]) -> dict[str, object]:
    """Return settings of a run as JSON without those that may differ between its shards."""
    shared = dict(settings)
    for name in LOCAL_SETTINGS:
        shared.pop(name, None)
    model = shared.get("model")
    if isinstance(model, Mapping):
        model = dict(model)
        for name in LOCAL_MODEL_SETTINGS:
            model.pop(name, None)
        for remote in ("judge", "server"):
            if isinstance(model.get(remote), Mapping):
                model[remote] = {**model[remote], "endpoint": None}
        shared["model"] = model
    return shared


def describe_shard(
    settings: Settings, suite: Suite, fresh: Suite | None, scorer: ScorerFacts, scored: ScoringRun
) -> ShardHeader:
    """Return the header of a shard.

    Args:
        settings: the run, with the shard.
        suite: its data, all items of it.
        fresh: the fresh draw that was scored too.
        scorer: facts of the scorer.
        scored: the scores of the shard's items of the suite.
    """
    counts = {name: value for name, value in vars(scored).items() if name in CountsRecord.model_fields}
    values = to_plain(
        {
            "shard_format": FORMAT,
            "shard": settings.shard,
            "suite": suite.name,
            "revision": suite.revision,
            "fresh": fresh.revision if fresh else None,
            "model": scorer.name,
            "model_type": scorer.model_type,
            "fingerprint": scorer.fingerprint,
            "settings": asdict(settings),
            "report": asdict(scorer.report),
            "counts": counts,
            "machine": describe_machine(scorer.fingerprint),
            "items": len(scored.items),
            "unscored": sum(map(is_unscored, scored.items)),
        }
    )
    return ShardHeader.model_validate(values)


def describe_machine(fingerprint: Mapping[str, object]) -> dict[str, object]:
    """Return versions and hardware of this machine, without its name."""
    import torch

    device = device_name(fingerprint.get("device"))
    return {**describe_environment(), "threads": torch.get_num_threads(), "device": device}


def shard_name(header: ShardHeader) -> str:
    """Return the path of a shard file in its folder; shards of another model, suite or setting have another."""
    name = safe_name(header.model)
    suite = str(safe_name(header.suite, may_be_path=False)).replace("/", "-")
    parts = header.shard.replace("/", "-of-")
    return name.with_name(f"{name.name}.{suite}-{digest(header.identity)[:8]}.{parts}{SHARD_SUFFIX}").as_posix()


def to_record(item_scores: ItemScores, is_fresh: bool) -> dict[str, object]:
    """Return the record of a scored item; `is_fresh` is True for an item of the fresh draw."""
    steps: list[list[float]] = []
    for scores in item_scores.step_scores:
        steps.append(list(map(float, scores)))
    return {**vars(item_scores), "step_scores": steps, "fresh": is_fresh}


def is_unscored(item_scores: ItemScores) -> bool:
    """Return True if an item has no scores, with a reason."""
    return item_scores.reason is not None


@dataclass(frozen=True)
class ShardFile:
    """A shard file and its header."""

    path: Path
    header: ShardHeader

    @classmethod
    def read(cls, path: Path) -> ShardFile:
        """Read the header of a shard file.

        Raises:
            InputError: if it cannot be read, or is no shard file of this version.
        """
        try:
            with path.open("rb") as file:
                values = json.loads(file.readline())
        except OSError as error:
            raise InputError(f"Cannot read the shard {path}: {error.strerror}.") from error
        except (ValueError, RecursionError):
            values = None
        if not isinstance(values, dict) or "shard_format" not in values:
            raise InputError(
                f"{path} is not a shard file: pass the files that rewardbench --shard wrote, or their folder."
            )
        if values["shard_format"] != FORMAT:
            raise InputError(f"{path} has shard format {values['shard_format']}, and this version reads {FORMAT}.")
        try:
            shard_file = cls(path, ShardHeader.model_validate(values))
            Shard.parse(shard_file.header.shard)
        except ValidationError as error:
            raise InputError(f"{path} is damaged ({describe_first_error(error)}): score this shard again.") from error
        return shard_file

    @property
    def shard(self) -> Shard:
        """Return the parts of the run that it holds."""
        return Shard.parse(self.header.shard)

    @property
    def settings(self) -> Settings:
        """Return the settings of its run.

        Raises:
            InputError: if they are not valid.
        """
        try:
            return TypeAdapter(Settings).validate_python(self.header.settings)
        except ValidationError as error:
            raise InputError(
                f"{self.path} is damaged ({describe_first_error(error)}): score this shard again."
            ) from error

    def write(self, records: DraftFile) -> None:
        """Write the file atomically.

        Args:
            records: lines of the records.

        Raises:
            InputError: if it cannot be written.
        """
        header = {**self.header.model_dump(), "records_sha256": records.finish()}
        partial = records.path.with_name(records.path.name.replace(DRAFT, f"shard.{DRAFT}"))
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with partial.open("xb") as file, records.path.open("rb") as lines:
                file.write(dump(header).encode("ascii"))
                shutil.copyfileobj(lines, file)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(self.path)
        except OSError as error:
            raise InputError(describe_write_error(self.path.parent, error)) from error
        finally:
            partial.unlink(missing_ok=True)


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

    def read(self, item_id: str, is_fresh: bool = False) -> ItemScores:
        """Return the scores of an item, with its texts and answers."""
        place = self._places[RecordKey(item_id, is_fresh)]
        if place.path not in self._files:
            if len(self._files) == MOST_OPEN_FILES:
                self._stack.close()
                self._files.clear()
            self._files[place.path] = self._stack.enter_context(place.path.open("rb"))
        file = self._files[place.path]
        file.seek(place.offset)
        record = json.loads(file.readline())
        return replace(read_item_scores(record), answers=tuple(record["answers"]))


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
                yield RecordKey(record["id"], record["fresh"]), _Place(shard.path, offset)
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                raise InputError(f"{shard.path}, line {number}, is no record: score this shard again.") from error
            offset += len(line)
    if records_hash.hexdigest() != shard.header.records_sha256:
        raise InputError(f"{shard.path} is incomplete or was changed: score this shard again.")
