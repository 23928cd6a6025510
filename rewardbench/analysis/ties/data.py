"""Read comparisons with ties: from a stored result, or from a table of battles with scores."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from math import isfinite
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rewardbench.analysis.report import source_of
from rewardbench.analysis.ties.models import LabelledPairs
from rewardbench.comparison.compare import ComparedResult, read_compared
from rewardbench.errors import InputError
from rewardbench.metrics import is_scored, rule_of
from rewardbench.metrics.grading import cluster_of
from rewardbench.paths import home_path
from rewardbench.results.scored import ModelScores
from rewardbench.types import Item

if TYPE_CHECKING:
    from rewardbench.suites.data_row import DataRow
    from rewardbench.suites.labels import LabelReader

TABLES = (".csv", ".tsv", ".parquet", ".jsonl", ".ndjson", ".arrow")
"""File names of tables of battles, all of which but .parquet and .arrow may end in .gz too."""
PROMPTS = ("prompt", "question_id")
"""Columns that name the prompt of a battle; the first that a table has gives the clusters."""
FEWEST = 20
"""Minimum number of ties and of preferences."""


@dataclass(frozen=True)
class LabelledComparisons:
    """Comparisons with ties, and where they come from.

    Attributes:
        model: name of the model, or of the table.
        pairs: the comparisons.
        source: what the report states of the source.
        notes: limits of the data.
    """

    model: str
    pairs: LabelledPairs
    source: Mapping[str, object]
    notes: Sequence[str]


@dataclass
class _Collector:
    """Comparisons that are being read."""

    scores: list[tuple[float, float]]
    outcomes: list[int]
    clusters: list[int]
    names: dict[Hashable, int]

    def add(self, first: float, second: float, outcome: int, cluster: Hashable) -> None:
        self.scores.append((first, second))
        self.outcomes.append(outcome)
        self.clusters.append(self.names.setdefault(cluster, len(self.names)))

    def to_pairs(self) -> LabelledPairs:
        scores = np.array(self.scores, dtype=np.float64).reshape(-1, 2)
        return LabelledPairs(scores, np.array(self.outcomes, dtype=np.int64), np.array(self.clusters, dtype=np.int64))


def read_comparisons(source: ComparedResult, score_columns: tuple[str, str]) -> LabelledComparisons:
    """Read comparisons with ties.

    Args:
        source: a result of data with ties; or a table of battles (.csv, .tsv, .parquet, .jsonl, or a .json list) with
            the scores of both responses, and the columns `winner_model_a`, `winner_model_b` and `winner_tie`, or
            another label of two responses such as `winner` or `likert_7`.
        score_columns: names of the columns of scores in a table.

    Raises:
        InputError: if it cannot be read, or has fewer than `FEWEST` ties or preferences, or no two different scores.
    """
    if isinstance(source, str | PathLike) and _is_table(home_path(fspath(source))):
        labelled = _read_table(home_path(fspath(source)), score_columns)
    else:
        labelled = _read_result(read_compared(source))
    ties = int((labelled.pairs.outcomes == 0).sum())
    preferences = len(labelled.pairs.outcomes) - ties
    where = labelled.source["path"]
    if min(ties, preferences) < FEWEST:
        raise InputError(
            f"{where} has {ties:,} scored ties and {preferences:,} scored preferences; models of ties need at least "
            f"{FEWEST} of both. Score data with ties, such as core or a csv of battles."
        )
    with np.errstate(over="ignore"):
        differences = labelled.pairs.differences
    if not np.isfinite(differences).all():
        raise InputError(f"{where} has scores whose difference is too large for a float: rescale the scores.")
    if not differences.any():
        raise InputError(f"{where} has the same score for both responses of every pair: score it with another model.")
    return labelled


def _is_table(path: Path) -> bool:
    """Return True for a table of battles; a result is a .json file of one object, not of a list."""
    from rewardbench.suites.readers import suffix

    if suffix(path).lower() in TABLES:
        return True
    if path.suffix != ".json" or not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[")


def _read_result(scored: ModelScores) -> LabelledComparisons:
    """Read the labelled ties of a result and its other pairs; without them, the pairs of its Ties subsets."""
    collector = _Collector([], [], [], {})
    has_labels = any(_is_labelled_tie(item) for item in scored.suite.items)
    unscored = 0
    for item, item_scores in zip(scored.suite.items, scored.items, strict=True):
        is_of_ties = rule_of(scored.suite, item.subset).credit == "ties"
        is_pair = len(item.completions) == 2 and (_is_labelled_tie(item) or item.num_correct == 1)
        if not (is_pair if has_labels else is_of_ties):
            continue
        if not is_scored(item_scores.scores):
            unscored += 1
            continue
        cluster = cluster_of(item, scored.suite)
        if has_labels:
            first, second = item_scores.scores
            collector.add(first, second, 1 if item.num_correct else 0, cluster)
            continue
        right, wrong = item_scores.scores[: item.num_correct], item_scores.scores[item.num_correct :]
        for first, second in combinations(right, 2):
            collector.add(first, second, 0, cluster)
        for first, second in product(right, wrong):
            collector.add(first, second, 1, cluster)
    notes = [f"{unscored:,} unscored items were left out."] if unscored else []
    if not has_labels:
        notes.append(
            "Two right answers to a prompt count as a tie, a right and a wrong one as a preference: the share of ties "
            "is that of the data, not of people's judgements."
        )
    return LabelledComparisons(scored.model, collector.to_pairs(), source_of(scored), notes)


def _is_labelled_tie(item: Item) -> bool:
    return len(item.completions) == 2 and item.num_correct == 0 and item.label_strength == 0


def _read_table(path: Path, score_columns: tuple[str, str]) -> LabelledComparisons:
    """Read a table of battles; rows of one prompt share a cluster.

    Raises:
        InputError: if a column is missing, or a label or a score cannot be read.
    """
    from rewardbench.suites.readers import iterate_file
    from rewardbench.suites.turns import Unusable

    collector = _Collector([], [], [], {})
    unscored = 0
    label: LabelReader | None = None
    for number, row in enumerate(iterate_file(path), 1):
        label = label or _find_label(path, row, score_columns)
        try:
            outcome = label.read(row).sign
        except Unusable as reason:
            raise InputError(f"{path}, row {number}: {reason}.") from reason
        first, second = (_read_score(row.get(name), f"{path}, row {number}, {name}") for name in score_columns)
        prompts = [str(row[name]) for name in PROMPTS if row.get(name) not in (None, "")]
        if isfinite(first) and isfinite(second):
            collector.add(first, second, outcome, prompts[0] if prompts else f"row {number}")
        else:
            unscored += 1
    notes = [f"{unscored:,} rows without two finite scores were left out."] if unscored else []
    source = {"path": path.name, "items": len(collector.outcomes) + unscored}
    return LabelledComparisons(path.stem, collector.to_pairs(), source, notes)


def _find_label(path: Path, row: DataRow, score_columns: tuple[str, str]) -> LabelReader:
    """Return the reader of the labels of a table with this first row; the scores are no label.

    Raises:
        InputError: if a column of scores, or every label, is missing.
    """
    from rewardbench.suites.labels import FLAGS, LABEL_READERS

    missing_columns = [name for name in score_columns if name not in row]
    scores = set(score_columns)
    readers = [reader for reader in LABEL_READERS if row.keys() >= {*reader.columns} and not scores & {*reader.columns}]
    if not readers and not missing_columns:
        missing_columns = ["winner"]
    if missing_columns:
        raise InputError(
            f"{path} has no column {missing_columns[0]!r}: a table of battles has {' and '.join(score_columns)}"
            f" (or name them with --score_a and --score_b), and {', '.join(FLAGS)} or winner."
        )
    return readers[0]


def _read_score(value: object, where: str) -> float:
    """Return a score; NaN for an empty cell."""
    text = "" if value is None else str(value).strip()
    try:
        return float(text) if text else float("nan")
    except ValueError as error:
        raise InputError(f"{where}, is {text[:40]!r}: write a number, or leave the cell empty.") from error
