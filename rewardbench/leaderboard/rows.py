"""Compute the rows of a leaderboard from stored results.

Figures are recomputed from the per-item scores by the rules of the suite, so a row does not depend on what its author
states.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from rewardbench import results, stats
from rewardbench.comparison.compare import choose_metric
from rewardbench.errors import InputError
from rewardbench.leaderboard.types import MEASURED, STATED, VERIFIED, Credits, Figure, LeaderboardRow
from rewardbench.metrics import (
    JUDGE_TYPES,
    GradedItem,
    GradedSuite,
    ItemFacts,
    SuiteMeans,
    break_down,
    completion_hashes,
    facts_of,
    grade,
    judge_biases,
    score_interval,
)
from rewardbench.results import JsonObject, SummaryJson, stated
from rewardbench.results.judges import judge_of
from rewardbench.results.schema import StatedDifference, StatedFigure
from rewardbench.results.scored import ModelScores, hash_of_ids, read_scored
from rewardbench.store.base import Store
from rewardbench.store.verdicts import ALIKE, GAP, check_verdict, read_verdict
from rewardbench.suites import load_embedded
from rewardbench.suites.registry import find_spec
from rewardbench.types import Estimate, Item

LONGEST_TEXT = 300
"""Maximum number of characters of a text of a row; longer ones are cut."""
LONGEST_COMMAND = 4_000
LARGEST_SUMMARY = 4 * 2**20
"""Maximum size of a summary in bytes; submissions have a lower limit."""
MOST_FIGURES = 1_000
"""Maximum number of stated figures in a list."""
TOLERANCE = 1e-6
"""Maximum difference between a stated figure and the recomputed one."""


def compute_row(store: Store, key: str, mark: str) -> tuple[LeaderboardRow, Credits]:
    """Compute the row of a result, and the credits of its model.

    Raises:
        InputError: if it is not a result.
    """
    if key.encode("utf-8", "replace").decode() != key:
        raise InputError(f"The name {ascii(key)[:80]} is not UTF-8: rename the file.")
    path = store.path(key)
    size = path.stat().st_size
    if size > LARGEST_SUMMARY:
        raise InputError(f"{path} was not read: it has {size:,} bytes, and a summary has at most {LARGEST_SUMMARY:,}.")
    summary = results.read_summary(path)
    with results.translate_parse_errors(path):
        row = _stated_row(key, mark, summary)
        if summary.get(results.OUTPUTS_HASH) is None:
            if row.score.value is None:
                raise InputError(f"{path} has neither per-item scores nor a score that can be read.")
            return row, Credits()
        scored = read_by_known_rules(path, row.suite, row.revision)
        if scored is None:
            return replace(row, badge="self-reported", note=OTHER_REVISION), Credits()
        verdict = read_verdict(store, key)
        verified, note = check_verdict(verdict, summary)
        recomputed, credits = _recompute(row, scored, verified, note)
        if recomputed.is_verified:
            recomputed = _with_verdict(recomputed, verdict)
        return recomputed, credits


def _with_verdict(row: LeaderboardRow, verdict: JsonObject) -> LeaderboardRow:
    """Return a verified row with what its verdict states: who checked it, which models it is like, and the gap."""
    names = verdict.get(ALIKE)
    alike = ", ".join(filter(None, map(stated.plain_name, names))) if isinstance(names, list) else ""
    note = f"{row.note} Its scores may be made from those of {alike}, so it has no rank of its own.".strip()
    row = replace(row, checked_by=stated.plain_name(verdict.get("by")), alike=alike, note=note if alike else row.note)
    gap = _read_figures(verdict, GAP, [])
    return replace(row, gap=gap, gap_source=MEASURED) if gap else row


OTHER_REVISION = "Scored on another revision of the suite, whose rules are unknown here: figures are shown as stated."
STOPPED = "The run stopped at a limit of cost or requests: the items that the judge has not seen count as wrong."
SCORE_DIFFERS = "The stated score does not follow from the per-item scores: the recomputed score is shown."


def _stated_row(key: str, mark: str, summary: SummaryJson) -> LeaderboardRow:
    """Return a row with the figures that a summary states; figures that cannot be read are named in its note."""
    manifest = summary["manifest"]
    model = manifest.get("model")
    if not isinstance(model, dict):
        model = {}
    environment = manifest.get("environment")
    size, fingerprint = model.get("parameters"), manifest.get("fingerprint_sha256")
    unread: list[str] = []
    sections = _read_figures(summary, "sections", unread)
    subsets = _read_figures(summary, "subsets", unread)
    mirrors = _read_figures(summary, "mirrors", unread)
    gap = _read_figures(summary, "gap", unread)
    score = _read_figures({"score": [summary.get("score")]}, "score", unread)
    biases = _read_figures(summary, "biases", unread)
    judge = judge_of(manifest)
    stopped = STOPPED if judge and judge.stopped else ""
    stated_order = summary.get("order_inconsistency")
    order = _read_figures({"order_inconsistency": stated_order and [stated_order]}, "order_inconsistency", unread)
    left_out = f"Left out, because it cannot be read: {', '.join(unread)}." if unread else ""
    return LeaderboardRow(
        key=key,
        mark=mark,
        model=_clean(summary["model"]),
        model_type=_model_type(summary.get("model_type")),
        suite=_clean(summary["suite"]),
        revision=_clean(summary["revision"]),
        ids="",
        metric="mirror" if mirrors else "pair",
        score=score[0] if score else Figure("score", None),
        sections=mirrors or sections,
        subsets=subsets,
        gap=gap,
        gap_source=STATED if gap else "",
        badge="published" if manifest.get("published") else "self-reported",
        note=" ".join(filter(None, (left_out, stopped))),
        parameters=size if stated.is_parameter_count(size) else None,
        license=_clean(model.get("license") if stated.is_license(model.get("license")) else ""),
        date=_clean(summary.get("date") if stated.is_day(summary.get("date")) else ""),
        command=_clean(manifest.get("command") if stated.is_command(manifest.get("command")) else "", LONGEST_COMMAND),
        fingerprint=_clean(fingerprint) if isinstance(fingerprint, str) else "",
        base_model=stated.base_model_of(manifest),
        software=stated.plain_name(environment.get("rewardbench") if isinstance(environment, dict) else ""),
        weights=stated.weights_of(manifest),
        order_inconsistency=order[0] if order else None,
        protocol=_clean(judge.name) if judge else "",
        biases=biases,
        requests=judge.requests if judge else None,
        failures=judge.failed if judge else None,
        cost=judge.cost if judge else None,
    )


def _read_figures(summary: JsonObject, name: str, unread: list[str]) -> tuple[Figure, ...]:
    """Return a list of figures of a summary; if one of them cannot be read, none, and add the name to `unread`."""
    values = summary.get(name)
    record_type = StatedDifference if name in ("gap", "biases") else StatedFigure
    try:
        if isinstance(values, list) and len(values) <= MOST_FIGURES:
            return tuple(_to_figure(record_type.model_validate(value)) for value in values)
    except (ValueError, ArithmeticError):
        pass
    if values is not None:
        unread.append(name)
    return ()


def _clean(value: object, longest: int = LONGEST_TEXT) -> str:
    """Return an untrusted value as text of bounded length, without lone surrogates and invisible characters."""
    text = str(value)[:longest].encode("utf-8", "replace").decode()
    if text.isascii() and text.isprintable():
        return text
    return "".join("\ufffd" if stated.has_hidden(character) or character in "\n\t" else character for character in text)


def _model_type(value: object) -> str:
    """Return a kind of model if it is one that this package writes, or a plain word of a plug-in; else `Other`."""
    if not value:
        return ""
    return str(value) if stated.is_model_type(value) or _is_word(value) else "Other"


def _is_word(value: object) -> bool:
    """Return True for a text like `Custom` or `Log-probabilities`, which cannot be read as a statement."""
    return isinstance(value, str) and bool(re.fullmatch("[A-Za-z-]{1,24}", value)) and "verif" not in value.lower()


def _to_figure(record: StatedFigure) -> Figure:
    n = record.n if isinstance(record.n, int) else None
    return Figure(_clean(record.name), record.value, record.low, record.high, n)


@dataclass(frozen=True)
class KnownSuite:
    """An embedded suite, with what many results of it share."""

    items: Mapping[str, Item]
    """Items by id, with the hashes of their completions, which take long to compute."""
    facts: Mapping[str, ItemFacts]
    """Facts of the items by id."""
    ids_hash: str
    """Hash of all ids, see `hash_of_ids`."""

    def contains(self, items: Iterable[Item]) -> bool:
        """Return True if all items are those of the suite, and not just like them."""
        return all(self.items.get(item.id) is item for item in items)


@lru_cache(maxsize=8)
def _prepare(name: str) -> KnownSuite:
    suite = load_embedded(name)
    items = [replace(item, completion_hashes=completion_hashes(item)) for item in suite.items]
    facts = facts_of(replace(suite, items=items))
    by_id = {item.id: item for item in items}
    return KnownSuite(by_id, {known.id: known for known in facts}, hash_of_ids(items))


def _known_suite(suite: str, revision: str) -> KnownSuite | None:
    """Return an embedded suite; None for another suite, or another revision of it."""
    spec = find_spec(suite)
    if spec is None or not spec.embedded or load_embedded(spec.name).revision != revision:
        return None
    return _prepare(spec.name)


def read_by_known_rules(path: Path, suite: str, revision: str) -> ModelScores | None:
    """Read the scores of a model, with the rules of a known suite; see `with_known_rules`.

    Raises:
        InputError: if they cannot be read.
    """
    known = _known_suite(suite, revision)
    return with_known_rules(read_scored(path, known_items=known.items if known else {}), suite, revision)


def with_known_rules(scored: ModelScores, suite: str, revision: str) -> ModelScores | None:
    """Return scores with the rules of a known suite instead of those in their file.

    Args:
        scored: the scores.
        suite: name of the suite; if it is unknown, the rules of the file apply.
        revision: revision of the suite.

    Returns:
        The scores, or None if the suite is embedded in this package in another revision.
    """
    spec = find_spec(suite)
    if spec is None:
        return scored
    if spec.embedded:
        known = _known_suite(suite, revision)
        if known is None:
            return None
        return replace(scored, suite=replace(load_embedded(spec.name), items=_known_items(scored, known)))
    subsets = dict.fromkeys(item.subset for item in scored.suite.items)
    known_suite = replace(
        scored.suite,
        name=spec.name,
        rules={name: spec.rules[name] for name in subsets if name in spec.rules},
        section_weights=spec.section_weights,
        headline=spec.headline,
        cluster_by=spec.cluster_by,
        breakdowns=spec.breakdowns,
    )
    return replace(scored, suite=known_suite)


def _known_items(scored: ModelScores, suite: KnownSuite) -> tuple[Item, ...]:
    """Return the items of scores as the suite has them: what matches them and groups them is not taken from a file."""
    if suite.contains(scored.suite.items):
        return tuple(scored.suite.items)
    items: list[Item] = []
    for item in scored.suite.items:
        suite_item = suite.items.get(item.id, item)
        is_same = (len(suite_item.completions), suite_item.num_correct) == (len(item.completions), item.num_correct)
        items.append(suite_item if is_same else item)
    return tuple(items)


def _recompute(
    row: LeaderboardRow, scored: ModelScores, verified: bool, verdict_note: str
) -> tuple[LeaderboardRow, Credits]:
    """Return a row with its figures recomputed from per-item scores, and the credits of the model.

    Args:
        row: the row with the stated figures.
        scored: the scores, with the rules that apply.
        verified: whether a re-run has verified the result.
        verdict_note: note on the re-run, if any.
    """
    known = _known_suite(row.suite, row.revision)
    if known and not known.contains(scored.suite.items):
        known = None
    facts = [known.facts[item.id] for item in scored.suite.items] if known else None
    graded = grade(scored.suite, scored.items, facts)
    measured = GradedSuite(scored.suite, graded).means()
    if not measured.has_total(measured.headline):
        raise InputError(f"{scored.path} has no item with a preference.")
    metric = choose_metric(measured, None)
    ranked = measured.total("turn") if measured.has_total("turn") else measured.total(metric)
    total = measured.total(metric)
    low, high = score_interval(measured)
    agrees = row.score.value is not None and abs(row.score.value - total.value) <= TOLERANCE
    notes = ("" if agrees else SCORE_DIFFERS, verdict_note, row.note)
    recomputed = replace(
        row,
        ids=_hash_of_clusters(scored, ranked, known),
        metric=metric,
        score=Figure("score", total.value, low, high, len(total.weights)),
        sections=_figures_of(measured.section_means(metric)),
        subsets=_figures_of(measured.subset_means("pair")),
        badge=VERIFIED if verified and agrees else "recomputed",
        note=" ".join(filter(None, notes)),
        order_inconsistency=next(
            iter(_figures_of({"order_inconsistency": order} if (order := measured.order_inconsistency) else {})), None
        ),
        biases=_recompute_biases(row, scored),
        turns=_turn_figures(measured),
        breakdowns=tuple(map(_figure_of, break_down(scored.suite, graded))),
    )
    contributions = [ranked.contributions[cluster] for cluster in sorted(ranked.contributions, key=repr)]
    return recomputed, Credits(tuple(contributions), _item_credits(graded))


def _recompute_biases(row: LeaderboardRow, scored: ModelScores) -> tuple[Figure, ...]:
    """Return the biases of a judge: the position bias recomputed, the others as stated, since they need the texts."""
    if row.model_type not in JUDGE_TYPES:
        return ()
    figures = {figure.name: figure for figure in row.biases}
    figures.pop("position_bias", None)
    for bias in judge_biases(scored.suite, scored.items, row.model):
        figures[bias.name] = _figure_of(bias)
    return tuple(sorted(figures.values(), key=lambda figure: figure.name))


def _turn_figures(measured: SuiteMeans) -> tuple[Figure, ...]:
    """Return the turn accuracy over the suite, named `score`, and of each section; empty if there is none."""
    if not measured.has_total("turn"):
        return ()
    total = measured.total("turn")
    low, high = score_interval(measured, "turn")
    figure = Figure("score", total.value, low, high, len(total.weights))
    return (figure, *_figures_of(measured.section_means("turn")))


def _figure_of(estimate: Estimate) -> Figure:
    return Figure(estimate.name, estimate.value, estimate.low, estimate.high, estimate.n)


def _figures_of(means: Mapping[str, stats.Mean]) -> tuple[Figure, ...]:
    figures: list[Figure] = []
    for name, mean in means.items():
        figures.append(Figure(name, mean.value, mean.low, mean.high, len(mean.weights)))
    return tuple(figures)


def _hash_of_clusters(scored: ModelScores, total: stats.Mean, known: KnownSuite | None) -> str:
    """Hash what two rows must share to be compared: items, clusters and their weights."""
    is_complete = known and len(known.items) == len(scored.suite.items)
    ids_hash = known.ids_hash if known and is_complete else hash_of_ids(scored.suite.items)
    weights = sorted((repr(cluster), round(weight, 9)) for cluster, weight in total.weights.items())
    return hashlib.sha256(repr([ids_hash, weights]).encode()).hexdigest()[:16]


def _item_credits(graded: Iterable[GradedItem]) -> tuple[float, ...]:
    """Return the credit of each labelled item, in the order of sorted ids."""
    credits = {item.id: item.credit for item in graded if item.is_labelled}
    return tuple(credits[id] for id in sorted(credits))
