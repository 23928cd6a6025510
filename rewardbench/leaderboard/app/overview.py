"""Collect the results of each model over all suites, and measure how the suites agree.

Two results are of one model if they have the same name and judge protocol and their weights do not differ. Names and
weights are stated by whoever submitted a result, so a name alone proves nothing:

- Results that state different weights (commit or hash) are of different models, whatever their name.
- A result that states no weights is of the model with its name, unless several models have that name.
- Verified and published results are placed first, so that a submission neither joins nor divides them, and each score
  keeps its badge. A result that is not verified does not count in the agreement of suites if enough others do.

Names are compared exactly. Submissions under the name of another model, or one that looks like it, are flagged by the
checks, not here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, combinations
from statistics import fmean

import numpy as np

from rewardbench.leaderboard.app.board_page import split_by_revision
from rewardbench.leaderboard.app.chance import guessing_on
from rewardbench.leaderboard.types import PUBLISHED, VERIFIED, Board, Figure, LeaderboardRow
from rewardbench.stats.correlation import RankCorrelation, correlate_ranks

TRUSTED = (VERIFIED, "published")
"""Badges of results that maintainers have scored again, or imported."""
FEWEST_COMMON = 5
"""Minimum number of models that two suites have in common for a correlation."""
MEASURES = {"turn": "turn accuracy", "mirror": "mirror accuracy"}
"""Names of metrics; the others are accuracies."""
_BADGE_ORDER = (*TRUSTED, "recomputed", "self-reported")


@dataclass(frozen=True)
class SuiteColumn:
    """A suite as a column: what its scores measure, and what guessing gets."""

    name: str
    measure: str
    chance: float | None
    """Expected score of independent random scores, from 0 to 1; None if unknown."""


@dataclass
class ModelResults:
    """The results of one model on all suites."""

    name: str
    protocol: str
    weights: list[str]
    """Commits and hashes that its results state."""
    rows: dict[str, list[LeaderboardRow]] = field(default_factory=dict)
    """Its results by suite, the one to show first."""

    @property
    def first_rows(self) -> list[LeaderboardRow]:
        """The result to show on each suite."""
        return [rows[0] for rows in self.rows.values()]

    @property
    def is_baseline(self) -> bool:
        """Whether it is a baseline."""
        return all(row.is_baseline for row in self.first_rows)

    def score(self, suite: str) -> float | None:
        """Return the score on a suite, by the figure that is ranked; None if there is none."""
        rows = self.rows.get(suite)
        return ranked_figure(rows[0]).value if rows else None

    def has_trusted(self, suite: str) -> bool:
        """Return True if the result to show is verified or published."""
        return suite in self.rows and self.rows[suite][0].badge in TRUSTED


@dataclass(frozen=True)
class SuiteAgreement:
    """How two suites order the models that both have scored."""

    first: str
    second: str
    correlation: RankCorrelation
    models: tuple[ModelResults, ...]
    trusted: bool
    """Whether only verified and published results count."""


def ranked_figure(row: LeaderboardRow) -> Figure:
    """Return the figure by which a suite is sorted and ranked: turn accuracy if there is any, else the score."""
    return row.turn or row.score


def describe_suites(board: Board) -> list[SuiteColumn]:
    """Return the suites of a board as columns."""
    columns: list[SuiteColumn] = []
    for suite in board.suites:
        metric = _ranked_metric(board.of(suite))
        columns.append(SuiteColumn(suite, MEASURES.get(metric, "accuracy"), guessing_on(suite).of(metric, "score")))
    return columns


def _ranked_metric(rows: Sequence[LeaderboardRow]) -> str:
    """Return the metric by which rows are ranked."""
    metric = "pair"
    for row in rows:
        if row.turn:
            return "turn"
        if row.ids:
            metric = row.metric
    return metric


def collect_models(board: Board, protocol: str = "") -> list[ModelResults]:
    """Return the models with their results.

    Args:
        board: rows of all suites.
        protocol: protocol of the judges to collect; empty for other models.
    """
    by_name: dict[str, list[ModelResults]] = {}
    for row in sorted(board.rows, key=_trust_order):
        if row.protocol != protocol or ranked_figure(row).value is None:
            continue
        models = by_name.setdefault(row.model, [])
        model = _model_of(row, models)
        if model is None:
            model = ModelResults(row.model, row.protocol, [])
            models.append(model)
        if row.weights and row.weights not in model.weights:
            model.weights.append(row.weights)
        model.rows.setdefault(row.suite, []).append(row)
    models = list(chain.from_iterable(by_name.values()))
    for suite in board.suites:
        _show_main_items(models, board, suite)
    return models


def _trust_order(row: LeaderboardRow) -> tuple[int, bool, str]:
    """Return the sort key in which rows are placed: by badge, those with weights first, then by key."""
    order = _BADGE_ORDER.index(row.badge) if row.badge in _BADGE_ORDER else len(_BADGE_ORDER)
    return order, not row.weights, row.key


def _model_of(row: LeaderboardRow, models: Sequence[ModelResults]) -> ModelResults | None:
    """Return the model of a row among those of its name: the one with its weights, else the only possible one."""
    possible: list[ModelResults] = []
    without_weights: ModelResults | None = None
    for model in models:
        if row.weights and row.weights in model.weights:
            return model
        if not _differs(row.weights, model.weights):
            possible.append(model)
        if not row.weights and not model.weights:
            without_weights = model
    return possible[0] if len(possible) == 1 else without_weights


def _differs(weights: str, others: Iterable[str]) -> bool:
    """Return True if weights differ from others of their kind; a commit (40 digits) and a SHA-256 (64) may agree."""
    return bool(weights) and any(len(other) == len(weights) and other != weights for other in others)


def _show_main_items(models: Sequence[ModelResults], board: Board, suite: str) -> None:
    """Sort the rows of each model on a suite: those of the items that most rows have first, then by trust."""
    ids = main_items(board, suite)
    for model in models:
        if suite in model.rows:
            model.rows[suite].sort(key=lambda row: (not is_comparable(row, ids), *_trust_order(row)))


def main_items(board: Board, suite: str) -> str:
    """Return the hash of the items of a suite's table: of its current revision, those that most rows have.

    Verified rows decide if there are any, so that submissions cannot. Empty if no row has per-item scores.
    """
    rows, _ = split_by_revision(board.of(suite), suite)
    counts: Counter[str] = Counter()
    verified: Counter[str] = Counter()
    for row in rows:
        if row.ids:
            counts[row.ids] += 1
            verified[row.ids] += row.is_verified
    counts = +verified or counts  # + leaves out those without a verified row
    return max(counts, key=lambda ids: (counts[ids], ids), default="")


def is_comparable(row: LeaderboardRow, ids: str) -> bool:
    """Return True if a row is of these items, or of a published table."""
    return row.ids == ids if row.ids else (row.revision == PUBLISHED or not ids)


def sort_models(
    models: Sequence[ModelResults], columns: Sequence[SuiteColumn], suite: str = "", is_ascending: bool = False
) -> list[ModelResults]:
    """Return models in the order of a table, those without a score on the suite last.

    Args:
        models: the models.
        columns: the suites.
        suite: sort by the score on this suite; if empty, models with most verified and published results come first,
            then those with most results, then by the mean score above chance; baselines last. Results that are not
            verified come second, so that submitting to many suites moves nobody to the top.
        is_ascending: lowest score first.
    """
    if suite:
        sign = 1 if is_ascending else -1

        def order(model: ModelResults) -> tuple[bool, float, str]:
            score = model.score(suite)
            return score is None, sign * (score or 0.0), model.name.lower()

        return sorted(models, key=order)
    chances = {column.name: column.chance for column in columns}
    return sorted(models, key=lambda model: _order_of(model, chances))


def _order_of(model: ModelResults, chances: Mapping[str, float | None]) -> tuple[bool, int, int, float, str]:
    distances: dict[bool, list[float]] = {True: [], False: []}
    num_trusted = 0
    for row in model.first_rows:
        is_trusted = row.badge in TRUSTED
        num_trusted += is_trusted
        distance = above_chance(ranked_figure(row).value, chances.get(row.suite))
        if distance is not None:
            distances[is_trusted].append(distance)
    counted = distances[True] or distances[False] or [0.0]
    return model.is_baseline, -num_trusted, -len(model.rows), -fmean(counted), model.name.lower()


def above_chance(value: float | None, chance: float | None) -> float | None:
    """Return a score on the scale on which guessing gets 0 and all right 1; None if one of the two is unknown.

    >>> above_chance(0.75, 0.5), above_chance(0.25, 0.5), above_chance(0.9, None)
    (0.5, -0.5, None)
    """
    if value is None or chance is None or chance >= 1:
        return None
    return (value - chance) / (1 - chance)


def measure_agreement(board: Board, models: Sequence[ModelResults]) -> list[SuiteAgreement]:
    """Measure how each pair of suites orders the models that both have scored, the pair with most models first.

    Baselines, and results on other items than those of a suite's table, do not count. Verified and published results
    alone count if there are enough of them.
    """
    ids = {suite: main_items(board, suite) for suite in board.suites}
    agreements: list[SuiteAgreement] = []
    for first, second in combinations(board.suites, 2):
        common: list[ModelResults] = []
        trusted: list[ModelResults] = []
        for model in models:
            if _counts(model, first, ids) and _counts(model, second, ids):
                common.append(model)
                if model.has_trusted(first) and model.has_trusted(second):
                    trusted.append(model)
        counted = trusted if len(trusted) >= FEWEST_COMMON else common
        if len(counted) >= FEWEST_COMMON:
            correlation = correlate_ranks(_scores(counted, first), _scores(counted, second))
            agreements.append(SuiteAgreement(first, second, correlation, tuple(counted), counted is trusted))
    return sorted(agreements, key=lambda agreement: (-agreement.correlation.n, agreement.first, agreement.second))


def _counts(model: ModelResults, suite: str, ids: Mapping[str, str]) -> bool:
    """Return True if a model is not a baseline and has a result on the items of a suite's table."""
    return not model.is_baseline and suite in model.rows and is_comparable(model.rows[suite][0], ids[suite])


def _scores(models: Sequence[ModelResults], suite: str) -> np.ndarray:
    return np.array([model.score(suite) for model in models], dtype=np.float64)
