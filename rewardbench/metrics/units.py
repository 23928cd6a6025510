"""Units: what a mean counts by each metric. An item, a mirror, or a group's turn pairs.

`pair` counts items, by their credit. `mirror` counts groups: 1 if every item of the group is right, else 0. This is the
consistency of contrast sets (Gardner et al. 2020) and the group score of Winoground (Thrush et al. 2022). A scorer that
ignores the prompt gets 0; independent coin flips give 25 % of mirrors.

`turn` counts groups too, by the mean over their turn pairs (see `turns`): a scorer that ignores the prompt gets .5.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from math import isnan, nan
from typing import NamedTuple

from rewardbench import stats
from rewardbench.metrics.grading import GradedItem
from rewardbench.metrics.turns import turn_credits
from rewardbench.types import Estimate, Metric


class Unit(NamedTuple):
    """An item or a group; it is tied, unscored or truncated if one of its items (for ties: turn pairs) is.

    `credit` is NaN if no item is labelled.
    """

    credit: float
    cluster: Hashable
    tied: bool
    unscored: bool
    truncated: bool


def item_units(items: Sequence[GradedItem]) -> list[Unit]:
    """Return a unit for each item."""
    units: list[Unit] = []
    for item in items:
        credit = item.credit if item.is_labelled else nan
        units.append(Unit(credit, item.cluster, item.tied, item.unscored, item.truncated))
    return units


def mirror_units(groups: Iterable[Sequence[GradedItem]]) -> list[Unit]:
    """Return a unit for each group: 1 if every labelled item of it is right."""
    units: list[Unit] = []
    for group in groups:
        credit, tied = nan, False
        for item in group:
            tied = tied or item.tied
            if item.is_labelled:
                credit = 0.0 if credit == 0 or item.credit != 1 else 1.0
        units.append(_group_unit(group, credit, tied))
    return units


def turn_units(groups: Iterable[Sequence[GradedItem]]) -> list[Unit]:
    """Return a unit for each group that has turn pairs: the mean of their credits."""
    units: list[Unit] = []
    for group in groups:
        credits = turn_credits(group)
        if credits:
            units.append(_group_unit(group, sum(credits) / len(credits), 0.5 in credits))
    return units


MEANINGS: Mapping[Metric, str] = {
    "pair": "items with the right response scored above the wrong one",
    "mirror": (
        "mirrors with every item right, as in contrast sets and Winoground's group score; "
        "ignoring the prompt gives 0, independent coin flips 25"
    ),
    "turn": (
        "mirrors whose margins sum above 0: the preference turns with the prompt, whatever its bias; "
        "ignoring the prompt gives exactly 50"
    ),
}
"""What each metric counts, and what scorers without knowledge get, in percent."""

GROUP_UNITS: Mapping[Metric, Callable[[Iterable[Sequence[GradedItem]]], list[Unit]]] = {
    "mirror": mirror_units,
    "turn": turn_units,
}
"""The units of the metrics that count groups."""


def group_items(items: Sequence[GradedItem]) -> list[list[GradedItem]]:
    """Group items by mirror (or square, or style group), in the order in which the groups first occur."""
    groups: dict[Hashable, list[GradedItem]] = {}
    for item in items:
        groups.setdefault(item.group, []).append(item)
    return list(groups.values())


def _group_unit(group: Sequence[GradedItem], credit: float, tied: bool) -> Unit:
    unscored = truncated = False
    for item in group:
        unscored = unscored or item.unscored
        truncated = truncated or item.truncated
    return Unit(credit, group[0].cluster, tied, unscored, truncated)


def mean_of_units(units: Sequence[Unit]) -> stats.Mean | None:
    """Compute the mean credit, clustered; None if no unit is labelled."""
    credits: list[float] = []
    clusters: list[Hashable] = []
    for unit in units:
        if not isnan(unit.credit):
            credits.append(unit.credit)
            clusters.append(unit.cluster)
    return stats.mean(credits, clusters) if credits else None


def estimate(name: str, mean: stats.Mean | None, units: Sequence[Unit], section: str = "") -> Estimate:
    """Build an estimate from a mean and the units that it counts."""
    n = ties = unscored = truncated = 0
    for unit in units:
        n += not isnan(unit.credit)
        ties += unit.tied
        unscored += unit.unscored
        truncated += unit.truncated
    return Estimate(
        name=name,
        n=n,
        value=mean.value if mean else None,
        low=mean.low if mean else None,
        high=mean.high if mean else None,
        ties=ties,
        unscored=unscored,
        truncated=truncated,
        section=section,
    )
