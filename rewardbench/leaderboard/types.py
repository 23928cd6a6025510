"""Types of a leaderboard: its rows, which an index stores and pages show, and the credits behind them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property

from rewardbench.stats import format_rank as format_rank

VERIFIED = "verified"
MEASURED, STATED = "measured by the maintainers", "reported by the submitter"
"""Who says how large the gap to freshly generated mirrors is."""
BASELINE = "Baseline"
"""Type of the baselines."""
BADGES = {
    VERIFIED: "maintainers re-scored a random sample after the submission, and the scores agree",
    "recomputed": "recomputed from the submitted per-item scores, which nobody has checked against the model",
    "self-reported": "totals as the author reported them, without per-item scores",
    "published": "imported from a published table, without per-item scores",
}


PUBLISHED = "published"
"""Revision of the figures of a published table, which does not name the revision of its data."""


@dataclass(frozen=True)
class Figure:
    """A share with its 95% confidence interval, which a published share lacks."""

    name: str
    value: float | None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    """Number of clusters; None if unknown."""


@dataclass(frozen=True)
class LeaderboardRow:
    """A model on a suite. The fields are the columns of an index."""

    key: str
    mark: str
    """Changes when the files of the result change."""
    model: str
    model_type: str
    suite: str
    revision: str
    ids: str
    """Hash of the scored items and their clusters; empty without per-item scores."""
    metric: str
    score: Figure
    sections: tuple[Figure, ...]
    subsets: tuple[Figure, ...]
    gap: tuple[Figure, ...]
    """Mirror accuracy on the suite, on freshly generated mirrors, and the difference; empty if not measured."""
    badge: str
    note: str = ""
    gap_source: str = ""
    """`MEASURED`, `STATED`, or empty without a gap."""
    parameters: int | None = None
    license: str = ""
    date: str = ""
    command: str = ""
    rank_range: tuple[int, int] | None = None
    """Best and worst rank among the verified models of the same items, as `stats.rank_ranges` computes them.

    None for baselines, for rows that are not verified, and for those that are alike to an earlier model.
    """
    base_model: str = ""
    """Hub id of the model from which it was trained, as stated; empty if unknown."""
    alike: str = ""
    """Names of earlier models that the scores may be made from, as the verdict states; empty if there are none."""
    checked_by: str = ""
    """Who ran the model again to verify the scores; empty if they are not verified, or it is unknown."""
    software: str = ""
    """Version of rewardbench that scored it, as stated; empty if unknown."""
    weights: str = ""
    """Commit of the weights on the Hub, or their SHA-256, as stated; empty if unknown."""
    fingerprint: str = ""
    """Hash of everything that decides the scores, as the author states it; empty if unknown."""
    order_inconsistency: Figure | None = None
    """Of pairwise and listwise models, the share of items whose preferred completion changes with the order."""
    protocol: str = ""
    """Protocol of a judge, as `results.judges.JudgeRecord.name`; empty for other models."""
    biases: tuple[Figure, ...] = ()
    """Of judges: the position bias, recomputed from per-item scores, and the other biases as they are stated."""
    requests: int | None = None
    """Of judges, as stated: requests that were sent."""
    failures: int | None = None
    """Of judges, as stated: answers without a verdict."""
    cost: float | None = None
    """Of judges, as stated: in dollars."""
    turns: tuple[Figure, ...] = ()
    """Turn accuracy, recomputed from per-item scores: over the suite (named `score`), and of each section; or empty."""
    breakdowns: tuple[Figure, ...] = ()
    """The score by rung or level, recomputed from per-item scores, named as in `Result.breakdowns`; or empty."""

    @property
    def turn(self) -> Figure | None:
        """The turn accuracy over the suite, by which its table is sorted and ranked; None if there is none."""
        return self.turns[0] if self.turns else None

    @property
    def is_baseline(self) -> bool:
        """Whether it is a baseline, which has no rank."""
        return self.model_type == BASELINE

    @property
    def is_ranked(self) -> bool:
        """Whether it has a rank if its items are known: verified, no baseline, and not made from another model."""
        return self.is_verified and not self.is_baseline and not self.alike

    @property
    def is_verified(self) -> bool:
        """Whether maintainers have scored a sample again, with the same scores."""
        return self.badge == VERIFIED


@dataclass(frozen=True)
class Credits:
    """Credits of a model on a suite."""

    by_cluster: tuple[float, ...] = ()
    """Contribution of each cluster to the figure that is ranked (turn accuracy if there is any, else the score), in the
    order of sorted clusters."""
    by_item: tuple[float, ...] = ()
    """Credit of each item with a preference, in the order of sorted ids."""


@dataclass(frozen=True)
class Board:
    """All rows of a store at one time."""

    rows: tuple[LeaderboardRow, ...]
    built: float
    """Seconds since 1970."""
    offline: str = ""
    """Why the rows may be outdated; empty if they are current."""
    skipped: Mapping[str, str] = field(default_factory=dict)
    """Files that have no row, by key: the mark of the file, a space, and the reason."""

    @property
    def left_out(self) -> dict[str, str]:
        """The reason why a file of the store has no row, by key."""
        return {key: reason.partition(" ")[2] for key, reason in sorted(self.skipped.items())}

    def of(self, suite: str, protocol: str | None = None, place_baselines: bool = False) -> tuple[LeaderboardRow, ...]:
        """Return the rows of a suite: verified rows, then other rows, then baselines, each best first.

        Args:
            suite: name of the suite.
            protocol: only judges of this protocol, or with "" only models that are no judges; None: all.
            place_baselines: sort baselines among the verified rows, or among the other rows if none is verified.
        """
        rows = [row for row in self.rows if row.suite == suite and protocol in (None, row.protocol)]
        has_ranks = any(row.is_verified and not row.is_baseline for row in rows)

        def order(row: LeaderboardRow) -> tuple[float | str, ...]:
            if row.is_baseline:
                group = 2 if not place_baselines else 0 if has_ranks else 1
            else:
                group = 0 if row.is_verified else 1
            turn = (row.turn.value or 0.0) if row.turn else -1.0
            return group, -turn, -(row.score.value or 0.0), row.model.lower()

        return tuple(sorted(rows, key=order))

    def protocols(self, suite: str) -> tuple[str, ...]:
        """Return the protocols of a suite's judges, each of which has a table of its own; "" is the other models'.

        The other models come first, then the protocols with most judges.
        """
        counts = Counter(row.protocol for row in self.rows if row.suite == suite)
        return tuple(sorted(counts, key=lambda name: (name != "", -counts[name], name)))

    @cached_property
    def suites(self) -> tuple[str, ...]:
        """The suites that have rows: core first, then by number of rows."""
        counts = Counter(row.suite for row in self.rows)
        return tuple(sorted(counts, key=lambda name: (name != "core", -counts[name], name)))


def age(board: Board, now: float) -> str:
    """Return when the rows were built, as a date and as an age.

    >>> age(Board((), 0.0), 7200.0)
    '1970-01-01 00:00 UTC, 2 hours ago'
    """
    seconds = max(0.0, now - board.built)
    steps = ((86400, "day"), (3600, "hour"), (60, "minute"))
    size, unit = next(((size, unit) for size, unit in steps if seconds >= size), (1, "second"))
    count = int(seconds // size)
    when = datetime.fromtimestamp(board.built, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f"{when}, {count} {unit}{'' if count == 1 else 's'} ago"
