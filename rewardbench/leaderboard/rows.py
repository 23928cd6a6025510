"""Compute the row of a stored result: figures recomputed from the items by the suite's rules, and a badge."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from rewardbench import results, stats
from rewardbench.comparison.compare import choose_metric
from rewardbench.errors import InputError
from rewardbench.leaderboard.types import Earned, Figure, Row
from rewardbench.metrics import credit, measure, rule_of, score_interval
from rewardbench.results import stated
from rewardbench.results.schema import StatedDifference, StatedFigure
from rewardbench.results.scored import Scored, hash_of_ids, read_scored
from rewardbench.store.base import Store
from rewardbench.store.verdicts import read_verdict, standing
from rewardbench.suites import load_embedded
from rewardbench.suites.registry import find_spec

LONGEST_TEXT = 10_000
AGREES = 1e-6
"""Within which stated figures must follow from the items."""


def row_of(store: Store, key: str, mark: str) -> tuple[Row, Earned]:
    """Return a result as a row, recomputed from its items by the suite's own rules if the suite is known here.

    Raises: InputError for what is no result.
    """
    path = store.path(key)
    summary = results.read_summary(path)
    with results.whole(path):
        row = _stated(key, mark, summary)
        if summary.get(results.OUTPUTS_HASH) is None:
            if row.score.value is None:
                raise InputError(f"{path} has neither scores of its items nor a score that can be read.")
            return row, Earned()
        scored = trusted(read_scored(path), row.suite, row.revision)
        if scored is None:
            return replace(row, badge="self-reported", note=OTHER_REVISION), Earned()
        return _counted(row, scored, *standing(read_verdict(store, key), summary))


LISTS = ("sections", "subsets", "mirrors", "gap")
OTHER_REVISION = "Of a revision of the suite whose rules are not known here: its figures stand as they were stated."


def _stated(key: str, mark: str, summary: Mapping[str, Any]) -> Row:
    """Return what a summary says, without a look at its items.

    A field that cannot be read is left out, and named in the note: no field that a result can do without hides its row.
    """
    manifest = summary["manifest"]
    model = manifest.get("model") if isinstance(manifest.get("model"), dict) else {}
    size, fingerprint = model.get("parameters"), manifest.get("fingerprint_sha256")
    score = _figures([summary.get("score")])
    lists = {name: _figures(summary.get(name), signed=name == "gap") for name in LISTS}
    unread = [name for name, figures in lists.items() if figures is None and summary.get(name) is not None]
    unread += [] if score else ["score"]
    mirrors = lists["mirrors"]
    return Row(
        key=key,
        mark=mark,
        model=_text(summary["model"]),
        model_type=_text(summary.get("model_type") or ""),
        suite=_text(summary["suite"]),
        revision=_text(summary["revision"]),
        ids="",
        metric="mirror" if mirrors else "pair",
        score=score[0] if score else Figure("score", None),
        sections=mirrors or lists["sections"] or (),
        subsets=lists["subsets"] or (),
        gap=lists["gap"] or (),
        badge="published" if manifest.get("published") else "self-reported",
        note=f"Cannot be read, and was left out: {', '.join(unread)}." if unread else "",
        parameters=size if stated.is_parameter_count(size) else None,
        license=_text(model.get("license") if stated.is_license(model.get("license")) else ""),
        date=_text(summary.get("date") or ""),
        command=_text(manifest.get("command") if stated.is_command(manifest.get("command")) else ""),
        fingerprint=_text(fingerprint) if isinstance(fingerprint, str) else "",
    )


def _figures(values: Any, signed: bool = False) -> tuple[Figure, ...] | None:
    """Return a list of figures, or None if one of them cannot be read; differences are `signed`."""
    record_type = StatedDifference if signed else StatedFigure
    if not isinstance(values, list):
        return None
    try:
        return tuple(_figure(record_type.model_validate(value)) for value in values)
    except (ValueError, ArithmeticError):
        return None


def _text(value: Any) -> str:
    """Return an untrusted text that can be written: without halves of characters, and bounded."""
    return str(value)[:LONGEST_TEXT].encode("utf-8", "replace").decode()


def _figure(record: StatedFigure) -> Figure:
    n = record.n if isinstance(record.n, int) else None
    return Figure(_text(record.name), record.value, record.low, record.high, n)


def trusted(scored: Scored, suite: str, revision: str) -> Scored | None:
    """Return scores with the rules of the suite that they name, whatever their file says of its rules.

    Data that is no known suite counts as its file says. None if the suite is embedded, and of another revision here.
    """
    spec = find_spec(suite)
    if spec is None:
        return scored
    if spec.embedded:
        embedded = load_embedded(spec.name)
        if embedded.revision != revision:
            return None
        return replace(scored, suite=replace(embedded, items=scored.suite.items))
    rules = {
        name: spec.rules[name] for name in dict.fromkeys(i.subset for i in scored.suite.items) if name in spec.rules
    }
    known_suite = replace(
        scored.suite,
        name=spec.name,
        rules=rules,
        section_weights=spec.section_weights,
        headline=spec.headline,
    )
    return replace(scored, suite=known_suite)


def _counted(row: Row, scored: Scored, verified: bool, verdict: str) -> tuple[Row, Earned]:
    """Return a row with its figures recomputed from the items; `verdict` is a note on what a re-run found."""
    measured = measure(scored.suite, scored.items)
    if measured.totals[measured.headline] is None:
        raise InputError(f"{scored.path} holds no item with a preference.")
    metric = choose_metric(measured, None)
    total = measured.total(metric)
    low, high = score_interval(measured)
    agrees = row.score.value is not None and abs(row.score.value - total.value) <= AGREES
    counted = replace(
        row,
        ids=_hash_of_clusters(scored, total),
        metric=metric,
        score=replace(_of("score", total), low=low, high=high),
        sections=tuple(_of(name, mean) for name, mean in measured.section_means(metric).items()),
        subsets=tuple(_of(name, mean) for name, mean in measured.subsets.items() if mean),
        badge="verified" if verified and agrees else "recomputed",
        note=" ".join(filter(None, ("" if agrees else UNLIKE_ITEMS, verdict, row.note))),
    )
    return counted, Earned(_parts(total), credits_of(scored))


UNLIKE_ITEMS = "The score that its author stated does not follow from the items: this one does."


def _hash_of_clusters(scored: Scored, total: stats.Mean) -> str:
    """Hash what two rows must share to be paired: items, clusters and their weights."""
    weights = sorted((repr(cluster), round(weight, 9)) for cluster, weight in total.weights.items())
    return hashlib.sha256(repr([hash_of_ids(scored.suite.items), weights]).encode()).hexdigest()[:16]


def _of(name: str, mean: stats.Mean) -> Figure:
    return Figure(name, mean.value, mean.low, mean.high, len(mean.weights))


def _parts(mean: stats.Mean) -> tuple[float, ...]:
    return tuple(mean.contributions[cluster] for cluster in sorted(mean.contributions, key=repr))


def credits_of(scored: Scored) -> tuple[float, ...]:
    """Return the credit of each item with a preference, in the order of sorted ids."""
    by_id = {item_scores.id: item_scores.scores for item_scores in scored.items}
    items = sorted((item for item in scored.suite.items if item.has_preference), key=lambda item: item.id)
    return tuple(credit(item, by_id[item.id], rule_of(scored.suite, item.subset)) for item in items)


def ranked(rows: Sequence[Row], earned: Mapping[str, Earned]) -> list[Row]:
    """Rows with their ranks: one more than the number of models that are significantly better.

    Only rows of the same items can be tested against each other: of a suite the largest such group has ranks, and rows
    of other revisions or of a part of the suite have none (0). One without items stands by its score among all.
    """
    ahead: dict[str, int] = {}
    for suite in {row.suite for row in rows}:
        mine = [row for row in rows if row.suite == suite]
        group = _main_group([row for row in mine if row.ids])
        if group:
            counts = stats.significantly_worse([earned[row.key].parts for row in group]).sum(1)
            ahead |= {row.key: int(count) for row, count in zip(group, counts, strict=True)}
        scores = [row.score.value for row in mine if row.score.value is not None]
        bare = [row for row in mine if not row.ids and row.score.value is not None]
        ahead |= {row.key: sum(score > (row.score.value or 0.0) for score in scores) for row in bare}
    return [
        replace(row, rank=1 + ahead[row.key], better=ahead[row.key]) if row.key in ahead else replace(row, rank=0)
        for row in rows
    ]


def _main_group(rows: Sequence[Row]) -> list[Row]:
    """Return the largest group of rows of the same items; of equal ones that of the latest revision."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.ids].append(row)
    return max(groups.values(), key=lambda group: (len(group), group[0].revision), default=[])
