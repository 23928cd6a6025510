"""Two models' scores of the same items in, how far they are apart out: differences, tests, and what flipped.

Everything is paired: a cluster (a mirror, or an item of its own) speaks by the difference of what the two earned on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isnan, nan
from typing import Any, Literal

import numpy as np

from rewardbench import stats
from rewardbench.errors import InputError
from rewardbench.metrics import Measured, credit, is_scored, measure, rule_of
from rewardbench.metrics.credit import margin
from rewardbench.results.scored import Scored, hash_of_ids
from rewardbench.types import Item, Suite

Metric = Literal["pair", "mirror"]


@dataclass(frozen=True)
class Contrast:
    """One figure of both models, and the second less the first.

    `wins` and `losses` count the clusters that speak for the second and for the first. `p` is that of the sign-flip
    permutation test (McNemar's exact test where clusters are single items), `adjusted` by Holm over the sections.
    """

    name: str
    first: float
    second: float
    difference: float
    low: float
    high: float
    clusters: int
    wins: int
    losses: int
    p: float
    adjusted: float
    detectable: float
    """Minimum detectable effect at 80 % power; NaN where the differences have no spread to compute it from."""


@dataclass(frozen=True)
class Flip:
    """An item that one model has right and the other has not, with the margins of both: least right less best wrong."""

    item: Item
    section: str
    better: Literal["first", "second"]
    margins: tuple[float, float]


@dataclass(frozen=True)
class Comparison:
    """Everything known of two models on the same items."""

    first: str
    second: str
    suite: str
    revision: str
    metric: Metric
    items: int
    score: Contrast
    sections: tuple[Contrast, ...]
    flips: tuple[Flip, ...]


@dataclass(frozen=True)
class Standing:
    """A model among several: its rank is one more than the number of models that are significantly better."""

    model: str
    score: float
    low: float
    high: float
    clusters: int
    rank: int
    better: tuple[str, ...]
    """The models that are."""


def compare(first: Scored, second: Scored, metric: Metric | None = None) -> Comparison:
    """The second model against the first, by mirrors where the suite counts by them, else by items.

    Raises: InputError where the two do not hold the same items of the same suite.
    """
    first, second = pair_up(first, second)
    ours, theirs = measured(first), measured(second)
    metric = choose_metric(ours, metric)
    other = theirs.present(metric)
    apart = [contrast(name, mean, other[name]) for name, mean in ours.present(metric).items()]
    adjusted = stats.holm([one.p for one in apart])
    return Comparison(
        first=first.model,
        second=second.model,
        suite=first.suite.name,
        revision=first.suite.revision,
        metric=metric,
        items=len(first.items),
        score=total(ours, theirs, metric),
        sections=tuple(replace(one, adjusted=p) for one, p in zip(apart, adjusted, strict=True)),
        flips=tuple(flips(first, second)),
    )


def pair_up(first: Scored, second: Scored) -> tuple[Scored, Scored]:
    """Both, counted alike: a file that knows no suite counts by the rules of the other's.

    Raises: InputError where the items of the two, or the rules that count them, are not the same.
    """
    _refuse_other_items(first, second)
    told = next((one.suite for one in (first, second) if one.knows_suite), None)
    first, second = (one if told is None or one.knows_suite else _counted_by(told, one) for one in (first, second))
    mine, theirs = _terms(first.suite), _terms(second.suite)
    if mine != theirs:
        which = next(part for part in mine if mine[part] != theirs[part])
        raise InputError(
            f"{first.path} and {second.path} cannot be paired: they do not agree on the {which} of their items. "
            "Score both models on one version of the data."
        )
    return first, second


def _counted_by(suite: Suite, scored: Scored) -> Scored:
    found = {one.id: one for one in scored.items}
    return replace(scored, suite=suite, items=tuple(found[item.id] for item in suite.items))


def _terms(suite: Suite) -> dict[str, Any]:
    """What decides how items count, by the name it has in a sentence."""
    subsets = {item.id: item.subset for item in suite.items}
    rules = {subset: rule_of(suite, subset) for subset in set(subsets.values())}
    return {
        "subsets": subsets,
        "groups": {item.id: item.group for item in suite.items},
        "rules": rules,
        "section weights": {rule.section: suite.section_weights.get(rule.section, 1.0) for rule in rules.values()},
        "headline": suite.headline,
    }


def _refuse_other_items(first: Scored, second: Scored) -> None:
    one, other = first.suite, second.suite
    if first.knows_suite and second.knows_suite and (one.name, one.revision) != (other.name, other.revision):
        raise InputError(
            f"{first.path} is of {one.name}@{one.revision[:24]} and {second.path} of {other.name}@"
            f"{other.revision[:24]}: scores of different data cannot be paired. Score both models on one version."
        )
    if hash_of_ids(one.items) != hash_of_ids(other.items):
        mine, theirs = ({item.id for item in suite.items} for suite in (one, other))
        alone = sorted(mine ^ theirs)
        what = (
            f"{len(alone)} items are in one of them only, such as {alone[0]!r}" if alone else "their completions differ"
        )
        raise InputError(f"{first.path} and {second.path} cannot be paired: {what}.")


def choose_metric(found: Measured, asked: Metric | None) -> Metric:
    """What was asked for, or what the suite's headline is. Raises: InputError for mirrors where there are none."""
    if asked == "mirror" and not found.mirror:
        raise InputError("This suite has no mirrors: pass --metric pair.")
    return asked or ("mirror" if found.headline == "mirror" else "pair")


def measured(scored: Scored) -> Measured:
    """Compute the means of a result.

    Raises: InputError if none of its items holds a preference, or none of those has a score.
    """
    found = measure(scored.suite, scored.items)
    if found.totals[found.headline] is None:
        raise InputError(f"{scored.path} holds no item with a preference, so there is nothing to compare.")
    with_preference = {item.id for item in scored.suite.items if item.has_preference}
    if not any(is_scored(one.scores) for one in scored.items if one.id in with_preference):
        raise InputError(
            f"{scored.path} holds no score: each of its {len(with_preference):,} items is unscored, so there is "
            "nothing to compare. Score the model again."
        )
    return found


def contrast(name: str, first: stats.Mean, second: stats.Mean) -> Contrast:
    """Two means as figures, the second less the first."""
    apart = stats.paired(second, first)
    p = stats.sign_flip(apart.steps())
    return Contrast(
        name=name,
        first=first.value,
        second=second.value,
        difference=apart.value,
        low=apart.low,
        high=apart.high,
        clusters=apart.clusters,
        wins=apart.wins,
        losses=apart.losses,
        p=p,
        adjusted=p,
        detectable=stats.detectable(apart.error) if apart.error > 0 else nan,
    )


def power_sentence(score: Contrast) -> str:
    """Describe the minimum detectable effect in a sentence."""
    if score.wins + score.losses == 0:
        return "The two models have the same credit on every cluster: there is no difference to test."
    if isnan(score.detectable):
        return "All differences have the same size, so the minimum detectable effect is unknown."
    gap = f"{100 * score.detectable:.1f} points"
    return f"With this many items, a gap smaller than {gap} would usually go undetected (80 % power)."


def total(first: Measured, second: Measured, metric: Metric) -> Contrast:
    """The contrast of the score, whose interval comes from drawing clusters anew within each section."""
    whole = contrast("score", first.total(metric), second.total(metric))
    theirs = second.present(metric)
    sections = {name: mean for name, mean in first.present(metric).items() if first.weights[name] > 0}
    strata = [stats.paired(theirs[name], mean) for name, mean in sections.items()]
    if whole.wins + whole.losses == 0 or sum(one.clusters for one in strata) != whole.clusters:
        return whole  # nothing differs, or sections share clusters
    low, high = stats.bootstrap(strata, [first.weights[name] for name in sections])
    return replace(whole, low=low, high=high)


def flips(first: Scored, second: Scored) -> list[Flip]:
    """The items that one of two models alone has right; those lost by the widest margin first."""
    theirs = {found.id: found.scores for found in second.items}
    found = []
    for item, scored in zip(first.suite.items, first.items, strict=True):
        rule = rule_of(first.suite, item.subset)
        ours, other = (credit(item, scores, rule) for scores in (scored.scores, theirs[item.id]))
        if item.has_preference and ours != other:
            margins = margin(item, scored.scores), margin(item, theirs[item.id])
            found.append(Flip(item, rule.section, "first" if ours > other else "second", margins))
    return sorted(found, key=_by_width)


def _by_width(flip: Flip) -> tuple[bool, float]:
    """Sort the widest flip first, and those of which a margin is unknown last."""
    width = abs(flip.margins[0] - flip.margins[1])
    return isnan(width), -width


def rank(models: Sequence[Scored], metric: Metric | None = None) -> list[Standing]:
    """Several models, best first. All pairs are tested on the score, with Holm's correction over the pairs."""
    lead = next((one for one in models if one.knows_suite), models[0])
    models = [pair_up(lead, one)[1] for one in models]
    found = [measured(one) for one in models]
    chosen = choose_metric(found[0], metric)
    means = [one.total(chosen) for one in found]
    clusters = list(means[0].parts)
    worse = stats.beaten([[mean.parts[cluster] for cluster in clusters] for mean in means])
    better = [[models[b].model for b in np.flatnonzero(row).tolist()] for row in worse]
    standings = [
        Standing(one.model, mean.value, mean.low, mean.high, len(mean.mass), 1 + len(ahead), tuple(ahead))
        for one, mean, ahead in zip(models, means, better, strict=True)
    ]
    return sorted(standings, key=lambda one: (one.rank, -one.score))
