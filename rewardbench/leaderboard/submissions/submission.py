"""A submission: the summary and the scores of a result, read within limits."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from rewardbench import results
from rewardbench.errors import InputError
from rewardbench.leaderboard.submissions import fields
from rewardbench.results import SummaryJson, parquet
from rewardbench.results.scored import ModelScores, to_model_scores
from rewardbench.results.types import design_columns


@dataclass(frozen=True)
class Submission:
    """A result that is submitted to a store.

    Its two files can be read; `checks.check` finds out whether its fields and scores are right.
    """

    path: Path
    """Path of the summary; the scores are next to it."""
    record: SummaryJson
    """The summary as a JSON object, which a store copies byte by byte."""

    @cached_property
    def problems(self) -> list[str]:
        """What is wrong with the fields; empty if `record` is a `fields.SubmittedSummary`."""
        return fields.find_problems(self.record)

    @cached_property
    def summary(self) -> fields.SubmittedSummary:
        """The summary as a model.

        Raises:
            pydantic.ValidationError: if there are problems.
        """
        return fields.SubmittedSummary.model_validate(self.record)

    @cached_property
    def scored(self) -> ModelScores:
        """The per-item scores, without texts.

        Raises:
            InputError: if they cannot be read within limits.
        """
        rows = results.read_rows(self.path, self.record, scores_only=True)
        if not all(row["scores"] for row in rows):  # elsewhere the verdict of such a row is taken for its scores
            raise InputError(f"{self.path.name} has a row without scores.")
        return to_model_scores(self.path, self.record, rows)

    @property
    def fingerprint_hash(self) -> object:
        """The hash of everything that decides the scores, as the author states it."""
        return self.record["manifest"].get("fingerprint_sha256")


def read_submission(path: Path) -> Submission:
    """Read a submission.

    Args:
        path: path of its summary; the scores are next to it.

    Raises:
        InputError: if a file is too large, the summary cannot be read, or the scores have another hash than it states.
    """
    record = fields.read_untrusted_summary(path)
    places = list(filter(Path.is_file, (results.outputs_path(path), results.table_path(path))))
    for place in places:
        size = place.stat().st_size
        most = parquet.MOST_LINES_BYTES if place.suffix == ".jsonl" else parquet.MOST_BYTES
        if size > most:
            raise InputError(f"{place.name} was not read: it has {size:,} bytes, and scores have at most {most:,}.")
    if not places or results.sha256_of(places[0]) != record.get(results.OUTPUTS_HASH):
        raise InputError(f"The scores next to {path.name} do not have the {results.OUTPUTS_HASH} that it states.")
    if places[0].suffix == ".parquet":
        names = parquet.unknown_columns(places[0], design_columns(record["manifest"]))
        if names:
            raise InputError(
                f"{places[0].name} was not read: it has columns that no result has, such as {ascii(names[0])[:60]}."
            )
    return Submission(path, record)
