"""Names that take turns at the top: for the verdicts of templates whose outcome is who has the most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

from rewardbench.builders.draw import Resample, Rng

DRAWS = 400
"""Groups of four names that are tried."""


def draw_leaders(rng: Rng, outcomes: Sequence[Mapping[str, int]]) -> list[str]:
    """Return as many names as there are outcomes: name n has the most of them in outcome n.

    Of all groups tried, it is the one in which the first two are closest.

    Args:
        rng: random choices.
        outcomes: the total of each name, for each setting.

    Raises:
        Resample: if there are none.
    """
    names, count = list(outcomes[0]), len(outcomes)
    groups = list(combinations(names, 2)) if count == 2 else [tuple(rng.sample(names, count)) for _ in range(DRAWS)]
    candidates: list[tuple[int, list[str]]] = []
    for group in groups:
        leaders: list[str] = []
        gaps: list[int] = []
        for totals in outcomes:
            first, second = sorted(group, key=totals.__getitem__, reverse=True)[:2]
            leaders.append(first)
            gaps.append(totals[first] - totals[second])
        if min(gaps) > 0 and len(set(leaders)) == count:
            candidates.append((max(gaps), leaders))
    if not candidates:
        raise Resample
    return min(candidates)[1]
