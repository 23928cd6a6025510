"""A submission as a value: its two files, read within limits and parsed once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from rewardbench import results
from rewardbench.errors import InputError
from rewardbench.leaderboard.submissions import fields
from rewardbench.results import parquet
from rewardbench.results.scored import Scored, to_scored


@dataclass(frozen=True)
class Submission:
    """A result that is offered to a store.

    Its two files are intact; whether its fields and scores are right is what `checks.check` finds out.
    """

    path: Path
    """Of its summary, with the scores beside it."""
    record: Mapping[str, Any]
    """The summary as a JSON object, which a store keeps to the byte."""

    @cached_property
    def problems(self) -> list[str]:
        """What is wrong with its fields; empty if `record` is a `fields.SubmittedSummary`."""
        return fields.problems(self.record)

    @cached_property
    def summary(self) -> fields.SubmittedSummary:
        """The summary, typed. Raises: pydantic.ValidationError if there are problems."""
        return fields.SubmittedSummary.model_validate(self.record)

    @cached_property
    def scored(self) -> Scored:
        """The scores of the items, without texts. Raises: InputError if they cannot be read within limits."""
        return to_scored(self.path, self.record, results.read_rows(self.path, self.record, scores_only=True))

    @property
    def fingerprint_hash(self) -> Any:
        """The hash of all that decided the scores, as its author states it."""
        return self.record["manifest"].get("fingerprint_sha256")


def read_submission(path: Path) -> Submission:
    """Read a submission.

    Args:
        path: of its summary, with the scores beside it.

    Raises: InputError if a file is too large, the summary cannot be read, or the scores are not those it names.
    """
    record = fields.read(path)
    usual = (results.outputs_path(path), results.table_path(path))
    places = [place for place in usual if place.is_file()]
    for place in places:
        size = place.stat().st_size
        most = parquet.MOST_LINES_BYTES if place.suffix == ".jsonl" else parquet.MOST_BYTES
        if size > most:
            raise InputError(f"{place.name} has {size:,} bytes, and scores have at most {most:,}: it was not read.")
    if not places or results.sha256_of(places[0]) != record.get(results.OUTPUTS_HASH):
        raise InputError(f"The scores beside {path.name} are not those that its {results.OUTPUTS_HASH} names.")
    return Submission(path, record)
