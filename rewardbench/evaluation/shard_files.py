"""Shard files: a header that says what was scored and how, then a record for each item, as JSON lines.

A shard file is no result: no store lists it, and reading it as one raises InputError.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from rewardbench.console.strict_json import to_plain
from rewardbench.engine.loop import ScoringRun
from rewardbench.errors import InputError
from rewardbench.evaluation.shards import Shard
from rewardbench.manifest import ScorerFacts, describe_environment
from rewardbench.models.devices import device_name
from rewardbench.models.fingerprint import digest
from rewardbench.results import dump
from rewardbench.results.read import SHARD_SUFFIX
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
    header_sha256: TextField = ""
    """Hash of all other fields."""

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
    return {**describe_environment(fingerprint), "threads": torch.get_num_threads(), "device": device}


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
        with translate_damage(path):
            shard_file = cls(path, ShardHeader.model_validate(values))
            Shard.parse(shard_file.header.shard)
        if values.get("header_sha256") != _hash_header(values):
            raise InputError(f"The header of {path} was changed: score this shard again.")
        return shard_file

    @property
    def shard(self) -> Shard:
        """Return the parts of the run that it holds."""
        return Shard.parse(self.header.shard)

    @property
    def settings(self) -> Settings:
        """Return the settings of its run.

        Raises:
            InputError: if they are not valid, or this version does not know one of them.
        """
        with translate_damage(self.path):
            settings = _settings_adapter().validate_python(self.header.settings)
        unknown = list(unknown_names(self.header.settings, to_plain(asdict(settings))))
        if unknown:
            raise InputError(
                f"{self.path} was scored with settings that this version does not know ({', '.join(unknown)}): merge "
                "with the version of rewardbench that scored it."
            )
        return settings

    def write(self, records: DraftFile) -> None:
        """Write the file atomically.

        Args:
            records: lines of the records.

        Raises:
            InputError: if it cannot be written.
        """
        header = {**self.header.model_dump(), "records_sha256": records.finish()}
        header["header_sha256"] = _hash_header(header)
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


def unknown_names(values: Mapping[str, object], known: Mapping[str, object], prefix: str = "") -> Iterator[str]:
    """Yield the dotted names of the values of nested objects that `known` lacks.

    >>> list(unknown_names({"limit": 3, "model": {"model": "m", "colour": 1}}, {"limit": 3, "model": {"model": "m"}}))
    ['model.colour']
    """
    for name, value in values.items():
        known_value = known.get(name)
        if name not in known:
            yield prefix + name
        elif isinstance(value, Mapping) and isinstance(known_value, Mapping):
            yield from unknown_names(value, known_value, f"{prefix}{name}.")


@cache
def _settings_adapter() -> TypeAdapter[Settings]:
    """Return the validator of settings, which takes 50 ms to build."""
    return TypeAdapter(Settings)


def _hash_header(header: Mapping[str, object]) -> str:
    """Return the SHA-256 of the fields of a header, without that of this hash."""
    fields = {name: value for name, value in header.items() if name != "header_sha256"}
    return hashlib.sha256(dump(fields).encode("ascii")).hexdigest()


@contextmanager
def translate_damage(path: Path) -> Iterator[None]:
    """Context manager: translate errors of reading a shard file to an error that names it.

    Raises:
        InputError: if a value is missing, or is of the wrong type.
    """
    try:
        yield
    except ValidationError as error:
        raise InputError(f"{path} is damaged ({describe_first_error(error)}): score this shard again.") from error
    except (InputError, ValueError, LookupError, TypeError, AttributeError) as error:
        reason = str(error).rstrip(".")
        raise InputError(f"{path} is damaged ({reason}): score this shard again.") from error
