"""Run the audit on stored results, and report what a person should review first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Annotated

import numpy as np

from rewardbench.analysis.audit.data import AuditData, has_text, read_audit_data
from rewardbench.analysis.audit.figure import draw_audit
from rewardbench.analysis.audit.leaks import Leak, find_leaks
from rewardbench.analysis.audit.misses import Misses, error_correlation, find_misses
from rewardbench.analysis.options import OptionHelp
from rewardbench.analysis.report import Report, ReportTable, Value
from rewardbench.comparison.compare import ComparedResult
from rewardbench.lint.duplicates import find_conflicts, has_identical
from rewardbench.lint.shortcuts import item_texts, number_groups
from rewardbench.types import Item

EXCERPT = 200
"""Characters of a prompt in the JSON file."""
MOST_LEAKS = 12
"""Features on subsets in the table that are not flagged."""


@dataclass(frozen=True)
class AuditOptions:
    """Options of the audit."""

    review: Annotated[int, OptionHelp("Number of pairs to list for review", min=1)] = 60
    min_auc: Annotated[float, OptionHelp("AUC (or 1 - AUC) from which a feature is a leak", min=0.5, max=1)] = 0.65
    dataset: Annotated[
        str | None, OptionHelp("Dataset that was scored, for results without texts or names of response writers")
    ] = None
    seed: Annotated[int, OptionHelp("Random seed of the bootstrap", min=0)] = 0


def analyze(inputs: Sequence[ComparedResult], options: AuditOptions) -> Report:
    """Rank the pairs of a suite whose labels a person should review, and list leaks and conflicts.

    Args:
        inputs: results of at least two models on one suite.
        options: the options.

    Raises:
        InputError: if there are fewer than two models, the results are of different suites, or no item is a pair.
    """
    data = read_audit_data(inputs, options.dataset)
    used = data.informative()
    misses = None
    if len(used) >= 2:
        clusters = number_groups(data.pair_clusters())
        misses = find_misses(data.margins[used], clusters, options.review, options.seed)
    leaks = find_leaks(data.items, data.clusters, options.min_auc) if data.has_texts else []
    with_texts = list(filter(has_text, data.items))
    conflicts = find_conflicts(with_texts)
    identical = list(filter(has_identical, with_texts))
    flagged = [leak for leak in leaks if leak.flagged]
    values = _values(data, used, misses, leaks)
    values |= {"leaks": len(flagged), "conflicts": len(conflicts), "identical": len(identical)}
    review = _review_rows(data, misses, conflicts, identical)
    return Report(
        name="audit",
        values=values,
        sentence=_sentence(data, used, misses, flagged, len(conflicts) + len(identical)),
        tables=(_review_table(review), _leak_table(leaks)),
        draw=lambda figure: draw_audit(figure, misses, leaks, len(data.pairs), len(used)),
        size=(10.0, 4.8),
        details={
            "review": list(map(ReviewRow.to_json, review)),
            "margins": _margin_details(data, misses),
            "features": list(map(asdict, leaks)),
        },
        notes=_notes(data, used, misses),
        sources=data.sources,
    )


def _values(data: AuditData, used: Sequence[int], misses: Misses | None, leaks: Sequence[Leak]) -> dict[str, Value]:
    """Return the figures; estimates are None if no mixture fits the margins."""
    is_scored = ~np.isnan(data.margins)
    is_missed = ~(data.margins > 0)
    fitted = misses if misses and misses.fits else None
    precision_low, precision_high = fitted.precision_interval if fitted else (None, None)
    share_low, share_high = fitted.share_interval if fitted else (None, None)
    return {
        "items": len(data.items),
        "pairs": len(data.pairs),
        "models": len(data.models),
        "models_used": len(used),
        "missed_by_all": int((is_missed.all(axis=0) & is_scored.any(axis=0)).sum()),
        "error_correlation": error_correlation(data.margins),
        "ensemble_accuracy": misses.accuracy if misses else None,
        "review": misses.reviewed if misses else 0,
        "mixture_fits": misses.fits if misses else None,
        "estimated_precision": fitted.precision if fitted else None,
        "estimated_precision_low": precision_low,
        "estimated_precision_high": precision_high,
        "wrong_label_share": fitted.mixture.share if fitted else None,
        "wrong_label_share_low": share_low,
        "wrong_label_share_high": share_high,
        "flagged": int((fitted.probabilities >= 0.5).sum()) if fitted else 0,
        "largest_feature": f"{leaks[0].feature} in {leaks[0].subset}" if leaks else None,
        "leak_auc": leaks[0].size if leaks else None,
    }


@dataclass(frozen=True)
class ReviewRow:
    """An item to review, with the reason; probability and margin are None where models do not rank it."""

    item: Item
    reason: str
    probability: float | None
    margin: float | None

    def to_json(self) -> dict[str, object]:
        """Return the row with the start of the prompt."""
        prompt, completions = item_texts(self.item)
        return {
            "item": self.item.id,
            "subset": self.item.subset,
            "reason": self.reason,
            "probability": self.probability,
            "mean_margin": self.margin,
            "prompt": (prompt or completions[0])[:EXCERPT],
        }


def _review_rows(
    data: AuditData, misses: Misses | None, conflicts: Sequence[Sequence[Item]], identical: Sequence[Item]
) -> list[ReviewRow]:
    """Return what to review: labels that cannot be right first, then the pairs that models miss by most."""
    reasons: dict[str, tuple[Item, str]] = {}
    for item in identical:
        reasons[item.id] = (item, "chosen equals rejected")
    for members in conflicts:
        for item in members:
            reasons.setdefault(item.id, (item, f"same pair, other label: {_others(members, item)}"))
    places: dict[str, int] = {}
    if misses:
        for place, number in enumerate(data.pairs):
            places[data.items[number].id] = place
        for place in misses.order[: misses.reviewed].tolist():
            item = data.items[data.pairs[place]]
            reasons.setdefault(item.id, (item, f"missed by {misses.missed[place]} of {misses.scored[place]} models"))
    rows: list[ReviewRow] = []
    for item, reason in reasons.values():
        probability = mean = None
        if misses and item.id in places:
            mean = float(misses.margins[places[item.id]])
            probability = float(misses.probabilities[places[item.id]]) if misses.fits else None
        rows.append(ReviewRow(item, reason, probability, mean))
    return rows


def _others(members: Sequence[Item], item: Item) -> str:
    """Return the ids of up to three other items of a conflict."""
    others = (other.id for other in members if other is not item)
    return ", ".join(islice(others, 3))


def _review_table(rows: Sequence[ReviewRow]) -> ReportTable:
    columns = ("item", "subset", "reason", "P(wrong)", "mean margin")
    cells: list[tuple[Value, ...]] = []
    for row in rows:
        cells.append((row.item.id, row.item.subset, row.reason, row.probability, row.margin))
    return ReportTable("Items to review", columns, cells)


def _leak_table(leaks: Sequence[Leak]) -> ReportTable:
    """Return the flagged leaks, the features on all items, and the largest ones on subsets."""
    largest = max((leak.items for leak in leaks), default=0)
    remaining = MOST_LEAKS
    rows: list[tuple[Value, ...]] = []
    for leak in leaks:
        if not leak.flagged and leak.items < largest:
            remaining -= 1
            if remaining < 0:
                continue
        flag = "leak" if leak.flagged else ""
        rows.append((leak.feature, leak.subset, leak.items, leak.auc, leak.low, leak.high, flag))
    return ReportTable("AUC of single features", ("feature", "subset", "items", "AUC", "low", "high", ""), rows)


def _margin_details(data: AuditData, misses: Misses | None) -> dict[str, object]:
    """Return the mean margin and the probability of each ranked pair, the lowest first."""
    if misses is None:
        return {}
    order = misses.order
    ids: list[str] = []
    for place in order.tolist():
        ids.append(data.items[data.pairs[place]].id)
    return {
        "ids": ids,
        "mean_margin": misses.margins[order].tolist(),
        "probability": misses.probabilities[order].tolist(),
        "missed": misses.missed[order].tolist(),
        "mixture": {
            "share": misses.mixture.share,
            "mean": misses.mixture.mean,
            "spread": misses.mixture.spread,
            "distance": misses.distance,
            "largest_distance": misses.largest_distance,
        },
    }


def _sentence(
    data: AuditData, used: Sequence[int], misses: Misses | None, flagged: Sequence[Leak], certain: int
) -> str:
    """Return what to do next."""
    if misses is None:
        first = (
            f"Only {len(used)} of {len(data.models)} models prefer the right response more often than chance, so their "
            "errors are no evidence of wrong labels: add stronger models"
        )
    elif not misses.fits:
        first = (
            f"Review the {misses.reviewed} pairs with the lowest margins, but expect hard pairs rather than wrong "
            f"labels: the models together agree with {misses.accuracy:.0%} of the labels, and the share of wrong "
            "labels cannot be estimated, since their margins do not follow the mixture"
        )
    else:
        low, high = misses.precision_interval
        first = (
            f"Review the {misses.reviewed} pairs with the lowest margins: an estimated {misses.precision:.0%} of their "
            f"labels are wrong (95 % interval {low:.0%} to {high:.0%}), if the models share no systematic error"
        )
    second = "no single feature leaks the label"
    if flagged:
        leak = flagged[0]
        second = f"{leak.feature} alone predicts the right response (AUC {leak.size:.2f}, subset: {leak.subset})"
    elif not data.has_texts:
        second = "the results have no texts to check for leaks and conflicts (name the data with --dataset)"
    third = f"; {certain} labels contradict another label or themselves" if certain else ""
    return f"{first}; {second}{third}."


def _notes(data: AuditData, used: Sequence[int], misses: Misses | None) -> list[str]:
    """Return the limits of this run."""
    notes = ["Review the pairs by hand: where models share an error, correct labels also rank high."]
    if misses:
        names = ", ".join(np.array(data.models)[used])
        notes.append(f"Margins of the models above chance were used: {names}.")
        if not misses.fits:
            notes.append(
                f"The margins are {misses.distance:.3f} away from the mixture (Kolmogorov-Smirnov; at most "
                f"{misses.largest_distance:.3f} if it fits), so only the ranking is printed, without P(wrong)."
            )
    if data.repeated:
        notes.append(f"Left out, because an earlier result has the same scores: {', '.join(data.repeated)}.")
    others = len(data.items) - len(data.pairs)
    if others:
        notes.append(f"{others:,} items with more than two completions are checked for leaks and conflicts only.")
    if not data.has_texts:
        notes.append("The results have no texts: pass --dataset to check for leaks and conflicting labels.")
    return notes
