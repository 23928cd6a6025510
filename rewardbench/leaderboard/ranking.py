"""Compute the rank ranges of the rows of a leaderboard."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from rewardbench import stats
from rewardbench.leaderboard.types import Credits, LeaderboardRow


def rank_rows(rows: Sequence[LeaderboardRow], credits: Mapping[str, Credits]) -> list[LeaderboardRow]:
    """Return rows with their rank ranges.

    Only verified rows that are no baselines, and not alike to an earlier model, have one, among those of the same
    suite, items and judge protocol. Models are compared by turn accuracy if the suite has any, else by the score.

    Args:
        rows: the rows.
        credits: credits of their models, by key.
    """
    groups: dict[tuple[str, str, str], list[LeaderboardRow]] = defaultdict(list)
    for row in rows:
        if row.is_ranked and row.ids:
            groups[row.suite, row.protocol, row.ids].append(row)
    ranges: dict[str, tuple[int, int]] = {}
    for group in groups.values():
        keys = [row.key for row in group]
        worse = stats.significantly_worse([credits[key].by_cluster for key in keys])
        ranges |= zip(keys, stats.rank_ranges(worse), strict=True)
    return [replace(row, rank_range=ranges.get(row.key)) for row in rows]
