"""A row of a leaderboard, and all of them: what an index keeps and a page shows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

BADGES = {
    "verified": "maintainers re-scored a random sample after the submission, and the scores agree",
    "recomputed": "recomputed from the per-item scores, which nobody has checked against the model",
    "self-reported": "totals without per-item scores, as the author reported them",
    "published": "imported from a published table, without per-item scores",
}


@dataclass(frozen=True)
class Figure:
    """A share with its interval, which a published one has not; `n` counts clusters, or is None where unknown."""

    name: str
    value: float | None
    low: float | None = None
    high: float | None = None
    n: int | None = None


@dataclass(frozen=True)
class Row:
    """A model on a suite, as a leaderboard shows it."""

    key: str
    mark: str
    """Changes whenever the result's files do."""
    model: str
    model_type: str
    suite: str
    revision: str
    ids: str
    """Hash of what was counted, the items and the clusters of the score; empty where there are none."""
    metric: str
    score: Figure
    sections: tuple[Figure, ...]
    subsets: tuple[Figure, ...]
    gap: tuple[Figure, ...]
    """Mirror accuracy on the suite's built mirrors, on fresh ones, and the difference; where that was asked for."""
    badge: str
    note: str = ""
    parameters: int | None = None
    license: str = ""
    date: str = ""
    command: str = ""
    rank: int = 0
    better: int = 0
    """How many models are significantly better; of a row without items, how many have a higher score."""
    fingerprint: str = ""
    """Hash of all that decided the scores, as its author states it; empty where unknown."""


@dataclass(frozen=True)
class Earned:
    """What a model earned: by cluster of the score, and by item; both in the order of sorted names."""

    parts: tuple[float, ...] = ()
    credits: tuple[float, ...] = ()


@dataclass(frozen=True)
class Board:
    """All rows of a store at a time; `offline` says why they may be old, `skipped` which files are no results."""

    rows: tuple[Row, ...]
    built: float
    """Seconds since 1970."""
    offline: str = ""
    skipped: Mapping[str, str] = field(default_factory=dict)
    """By key: the mark of the file, a blank, and why it has no row."""

    @property
    def left_out(self) -> dict[str, str]:
        """By key, in one sentence: why a file of the store has no row."""
        return {key: reason.partition(" ")[2] for key, reason in sorted(self.skipped.items())}

    def of(self, suite: str) -> tuple[Row, ...]:
        """Return a suite's rows, best first."""
        mine = [row for row in self.rows if row.suite == suite]
        return tuple(
            sorted(mine, key=lambda row: (not row.rank, row.rank, -(row.score.value or 0.0), row.model.lower()))
        )

    @property
    def suites(self) -> tuple[str, ...]:
        """The suites that have rows: core first, then by how many they have."""
        counts: dict[str, int] = defaultdict(int)
        for row in self.rows:
            counts[row.suite] += 1
        return tuple(sorted(counts, key=lambda name: (name != "core", -counts[name], name)))


def age(board: Board, now: float) -> str:
    """When the rows were true, in words.

    >>> age(Board((), 0.0), 7200.0)
    '1970-01-01 00:00 UTC, 2 hours ago'
    """
    seconds = max(0.0, now - board.built)
    steps = ((86400, "day"), (3600, "hour"), (60, "minute"))
    size, unit = next(((size, unit) for size, unit in steps if seconds >= size), (1, "second"))
    count = int(seconds // size)
    when = datetime.fromtimestamp(board.built, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f"{when}, {count} {unit}{'' if count == 1 else 's'} ago"
