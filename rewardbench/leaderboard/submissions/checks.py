"""Check a submission: its fields, suite, items and figures, and whether its scores were copied from other models."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Literal, TypeGuard

from rewardbench import metrics, results
from rewardbench.engine.loop import score
from rewardbench.leaderboard.profiles import layout_of, profile_of
from rewardbench.leaderboard.rows import TOLERANCE
from rewardbench.leaderboard.submissions.bounded import check_answers
from rewardbench.leaderboard.submissions.consistency import LEAST_CONSISTENT, consistency
from rewardbench.leaderboard.submissions.copies import are_ranked_together, find_likeness
from rewardbench.leaderboard.submissions.fields import BASELINE_NAMES, SubmittedManifest, SubmittedSummary
from rewardbench.leaderboard.submissions.reparse import check_facts, has_answers, known_protocol
from rewardbench.leaderboard.submissions.similarity import Difficulty
from rewardbench.leaderboard.submissions.submission import Submission
from rewardbench.models.fingerprint import digest
from rewardbench.results import SummaryJson, object_field, stated
from rewardbench.results.scored import ModelScores
from rewardbench.results.types import EstimateJson
from rewardbench.scorers.baselines import Baseline
from rewardbench.scorers.judge.protocols import JudgeProtocol
from rewardbench.types import Suite

Kind = Literal["refused", "flagged", "noted"]


@dataclass(frozen=True)
class ReviewFinding:
    """A problem of a submission."""

    kind: Kind
    """Refused if the result cannot be right, flagged if a maintainer has to decide, noted if nobody has to."""
    message: str
    until_rerun: bool = False
    """Whether a re-run that agrees resolves it."""
    alike: tuple[str, ...] = ()
    """Models that are ranked with the submission, and that its scores may be made from."""


def check(
    submission: Submission,
    suite: Suite,
    others: Iterable[ModelScores] = (),
    names: Iterable[str] = (),
    difficulty: Difficulty | None = None,
) -> list[ReviewFinding]:
    """Return the problems of a submission: of its fields, else of its suite, else of its items and figures.

    Args:
        submission: the two files.
        suite: the suite in its current revision.
        others: results of the same suite, which it may be copied from.
        names: names of the models in the store.
        difficulty: difficulty of the items for all stored models; by default for the others.

    Raises:
        InputError: if its scores cannot be read.
    """
    reasons = submission.problems or list(_check_suite(submission.summary, suite))
    if reasons:
        return _findings("refused", reasons)
    summary, scored = submission.summary, submission.scored
    reasons = [*_check_items(scored, suite), *_check_scores(scored), *_check_fingerprint(summary.manifest)]
    if not reasons:
        reasons += _check_figures(submission.record, scored, suite)
        reasons += _check_baseline(summary, scored, suite)
    protocol = known_protocol(object_field(submission.record["manifest"], "fingerprint").get("protocol"))
    if not reasons and protocol and has_answers(submission.record):
        reasons += check_facts(submission.record, protocol)
        reasons += check_answers(submission.path)
    doubts = [
        *_check_judge(submission.record, protocol),
        *_find_lookalikes(summary.model, names),
        *_check_size(summary),
    ]
    copies = list(_find_copies(summary.manifest, scored, suite, list(others), difficulty))
    inconsistent = list(_check_consistency(summary, scored, suite))
    return _findings("refused", reasons) + copies + inconsistent + _findings("flagged", doubts)


def _findings(kind: Kind, messages: Iterable[str]) -> list[ReviewFinding]:
    return [ReviewFinding(kind, message) for message in messages]


def _check_suite(summary: SubmittedSummary, suite: Suite) -> Iterator[str]:
    if summary.suite != suite.name:
        yield f"it is of the suite {ascii(summary.suite)[:60]}, not of {suite.name}"
    elif summary.revision != suite.revision:
        revision = ascii(summary.revision)[1:-1][:80]
        yield f"it is of {suite.name}@{revision}, but the current revision is {suite.revision[:40]}: score it again"


def _check_items(scored: ModelScores, suite: Suite) -> Iterator[str]:
    """Yield how ids, completions, subsets or groups differ from the items of the suite."""
    expected_items = {item.id: item for item in suite.items}
    counts = Counter(item.id for item in scored.suite.items)
    missing, foreign = sorted(expected_items.keys() - counts.keys()), sorted(counts.keys() - expected_items.keys())
    if missing:
        yield f"{len(missing)} items of the suite are missing, such as {missing[0]!a}"
    if foreign:
        yield f"{len(foreign)} items are not in the suite, such as {ascii(foreign[0])[:60]}"
    for item, item_scores in zip(scored.suite.items, scored.items, strict=True):
        expected = expected_items.get(item.id)
        if expected is None:
            continue
        if len(item_scores.scores) != len(expected.completions) or item.num_correct != expected.num_correct:
            actual = f"{len(item_scores.scores)} scores, {item.num_correct} of right completions"
            yield f"item {expected.id} has {actual}, unlike the suite"
            return
        if (item.subset, item.group) != (expected.subset, expected.group):
            yield f"item {expected.id} is in another subset or group than in the suite"
            return


def _check_scores(scored: ModelScores) -> Iterator[str]:
    """Yield a score that is not finite without a reason, an implausible one, and whether all scores are the same."""
    finite: list[float] = []
    constant_items = True
    for item_scores in scored.items:
        for value in item_scores.scores:
            if isfinite(value):
                finite.append(value)
            elif not item_scores.reason:
                yield f"item {ascii(item_scores.id)[:60]} has the score {value}, and no reason for it"
                return
        constant_items = constant_items and len(set(item_scores.scores)) == 1
    largest = max(finite, key=abs, default=0.0)
    if abs(largest) > 1e12:
        yield f"a score is {largest:.3g}, which no model gives"
    if len(set(finite)) < 2:
        yield "all scores are the same"
    elif constant_items:
        yield "within every item all scores are the same"


LIMITS_TOLERANCE = 0.005
"""Maximum difference of the limits of an interval: their method may change between versions."""


DRAWN_OR_LIMITS = (" low", " high", " floor", " floor_high", "temperature_low", "temperature_high")
"""Ends of the names of figures that depend on random draws, or are limits of an interval."""


def _check_figures(record: SummaryJson, scored: ModelScores, suite: Suite) -> Iterator[str]:
    """Yield which stated figures do not follow from the items by the rules of the suite."""
    result = results.assemble(suite, scored.model, str(record["model_type"]), scored.items, {})
    if record.get("calibration"):
        result = results.with_calibration(result, suite)
    summary = results.to_summary(result)
    if "order_inconsistency" not in record:  # as in results of earlier versions
        summary.pop("order_inconsistency", None)
    summary = _without_unstated(summary, record)
    stated_figures, recomputed = _figures(record), _figures(summary)
    for name in [*stated_figures, *(recomputed.keys() - stated_figures.keys())]:
        figure, expected = stated_figures.get(name), recomputed.get(name)
        tolerance = LIMITS_TOLERANCE if name.endswith(DRAWN_OR_LIMITS) else TOLERANCE
        if not _agree(figure, expected, tolerance):
            label = ascii(name)[1:-1][:60]
            yield f"{label} is stated as {_format(figure)}, but the items give {_format(expected)}"
    yield from _check_gap(record, scored, suite)


def _without_unstated(summary: SummaryJson, record: SummaryJson) -> SummaryJson:
    """Return the figures without the self-preference of a judge if it is not stated, since it depends on the name."""
    if "biases" not in summary:
        return summary
    stated_names = {bias["name"] for bias in record.get("biases", ())}
    biases = [bias for bias in summary["biases"] if bias["name"] in stated_names | REQUIRED_BIASES]
    return {**summary, "biases": biases}


REQUIRED_BIASES = {"position_bias", "verbosity_preference"}


def _figures(summary: SummaryJson) -> dict[str, object]:
    """Return each figure of a summary that follows from its items, with a name for messages."""
    figures: dict[str, object] = {"num_prompts": summary.get("num_prompts"), "accuracy": summary.get("accuracy")}
    estimates: dict[str, EstimateJson] = {
        "score": summary["score"],
        "accuracy_estimate": summary["accuracy_estimate"],
    }
    if order := summary.get("order_inconsistency"):
        estimates["order_inconsistency"] = order
    lists: dict[str, list[EstimateJson]] = {
        "sections": summary["sections"],
        "mirrors": summary["mirrors"],
        "mirror_subsets": summary.get("mirror_subsets", []),
        "subsets": summary["subsets"],
        "turn": list(summary.get("turn", {}).values()),
        "breakdowns": list(summary.get("breakdowns", {}).values()),
    }
    if "biases" in summary:
        lists["biases"] = summary["biases"]
    for name, rung in summary.get("reach", {}).items():
        figures[f"reach, {name}"] = rung
    for name, figure in (*summary.get("turn", {}).items(), *summary.get("breakdowns", {}).items()):
        figures[f"name of {name}"] = figure["name"]
    for kind, members in lists.items():
        figures[f"number of {kind}"] = len(members)
        for estimate in members:
            estimates[f"{kind}, {estimate['name']}"] = estimate
    for name, estimate in estimates.items():
        for key, value in estimate.items():
            figures[name if key == "value" else f"{name}, {key}"] = value
    extra: object = summary.get("extra_results")
    for name, value in (extra if isinstance(extra, dict) else {"form": extra}).items():
        figures[f"extra_results, {name}"] = value
    for name, part in (summary.get("calibration") or {}).items():
        for key, value in (part if isinstance(part, dict) else {"": part}).items():
            figures[f"calibration, {name} {key}".strip()] = value
    return figures


def _agree(figure: object, expected: object, tolerance: float) -> bool:
    """Return True if two figures are equal, or are numbers that differ by at most the tolerance."""
    if _is_moderate(figure) and _is_moderate(expected):
        return abs(figure - expected) <= tolerance
    return type(figure) is type(expected) and figure == expected


def _is_moderate(value: object) -> TypeGuard[int | float]:
    """Return True if a value is a number whose differences can be computed."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15


def _check_gap(record: SummaryJson, scored: ModelScores, suite: Suite) -> Iterator[str]:
    """Yield impossible figures of a gap.

    The figure of the suite is recomputed. The fresh scores are not submitted: of them only what must hold is checked.
    """
    figures = {figure["name"]: figure for figure in record["gap"]}
    if not figures:
        return
    expected = asdict(metrics.gap(suite, scored.items, suite, scored.items)[0])
    for field, value in expected.items():
        tolerance = LIMITS_TOLERANCE if field in ("low", "high") else TOLERANCE
        if not _agree(figures["core"].get(field), value, tolerance):
            label = "gap, core" if field == "value" else f"gap, core, {field}"
            yield f"{label}, is stated as {_format(figures['core'].get(field))}, but the items give {_format(value)}"
            return
    core, fresh, gap = (figures[name]["value"] for name in ("core", "fresh", "gap"))
    if core is not None and fresh is not None and gap is not None and not _agree(core - fresh, gap, TOLERANCE):
        yield f"gap is stated as {_format(gap)}, which is not core minus fresh"
    if figures["gap"]["n"] != figures["fresh"]["n"]:
        yield "gap and fresh are of different numbers of mirrors"
    for name in ("fresh", "gap"):
        low, value, high = figures[name]["low"], figures[name]["value"], figures[name]["high"]
        if not (low is None or value is None or high is None or low <= value <= high):
            yield f"gap, {name}, is outside its interval"


def _format(figure: object) -> str:
    if figure is None:
        return "nothing"
    return f"{figure:.6f}" if isinstance(figure, float) else ascii(figure)[:40]


def _check_judge(record: SummaryJson, protocol: JudgeProtocol | None) -> Iterator[str]:
    """Yield why the scores of a judge cannot be recomputed from its answers."""
    if record["model_type"] not in metrics.JUDGE_TYPES:
        return
    if protocol is None:
        yield "its judge protocol is not one of this package, so its scores were not recomputed from its answers"
    elif not has_answers(record):
        yield "it has no raw answers of the judge, so its scores were not recomputed"


def _check_baseline(summary: SubmittedSummary, scored: ModelScores, suite: Suite) -> Iterator[str]:
    """Recompute the scores of a Baseline, and yield an item whose scores differ."""
    if summary.model_type != "Baseline":
        return
    fingerprint = summary.manifest.fingerprint
    kind, seed = fingerprint.get("kind"), fingerprint.get("seed")
    if kind not in BASELINE_NAMES or (summary.model in BASELINE_NAMES and summary.model != kind):
        yield f"it is of type Baseline, but its fingerprint does not name it as one of {', '.join(BASELINE_NAMES)}"
        return
    run = score(suite.items, Baseline(str(kind), seed if type(seed) is int else 0))
    expected = {item.id: item.scores for item in run.items}
    for item in scored.items:
        if not _same_scores(item.scores, expected[item.id]):
            yield f"item {item.id} has other scores than {kind} gives it"
            return


def _same_scores(scores: Sequence[float], expected: Sequence[float]) -> bool:
    """Return True if scores agree wherever the expected one is finite."""
    for value, expected_value in zip(scores, expected, strict=True):
        if isfinite(expected_value) and not abs(value - expected_value) <= TOLERANCE:
            return False
    return True


def _check_fingerprint(manifest: SubmittedManifest) -> Iterator[str]:
    """Yield whether the fingerprint is missing, or has another hash than stated."""
    if not isinstance(manifest.fingerprint, dict) or not manifest.fingerprint:
        yield "its manifest has no fingerprint, so it is unknown what produced these scores"
    elif manifest.fingerprint_sha256 != digest(manifest.fingerprint):
        yield "its fingerprint_sha256 does not match its fingerprint"


def _find_copies(
    manifest: SubmittedManifest,
    scored: ModelScores,
    suite: Suite,
    others: Sequence[ModelScores],
    difficulty: Difficulty | None,
) -> Iterator[ReviewFinding]:
    """Yield which models the scores may be made from, and which have the same name or fingerprint.

    A likeness that a stated relation explains, such as that of two quantisations, is noted but not flagged. Both
    kinds of findings name the models, since the submission has no rank of its own then.
    """
    stated = manifest.fingerprint if isinstance(manifest.fingerprint, dict) else {}
    fingerprint, members = manifest.fingerprint_sha256, stated.get("members")
    likenesses = find_likeness(scored, suite, others, members if isinstance(members, list) else (), difficulty)
    names = {name for likeness in likenesses for name in likeness.names}
    ranked = {other.model for other in others if are_ranked_together(scored, other)} & names
    same: set[str] = set()
    for other in others:
        alike = tuple({other.model} & ranked)
        if fingerprint and fingerprint == other.fingerprint:
            difference = "and the same scores" if other.model in names else "but other scores"
            same.add(other.model)
            message = f"it has the fingerprint of {other.model}, which is in the store, {difference}"
            yield ReviewFinding("flagged", message, alike=alike)
        elif other.model == scored.model and other.protocol == scored.protocol:
            same.add(other.model)
            yield ReviewFinding("flagged", f"the store has another model named {other.model}", alike=alike)
    for likeness in likenesses:
        sources = tuple(name for name in likeness.names if name in ranked)
        if likeness.relation:
            effect = ": it has no rank of its own" if sources else ""
            yield ReviewFinding("noted", f"{likeness.sentence}, {likeness.relation}{effect}", alike=sources)
        elif not set(likeness.names) <= same:
            yield ReviewFinding("flagged", likeness.sentence, alike=sources)


def _check_consistency(summary: SubmittedSummary, scored: ModelScores, suite: Suite) -> Iterator[ReviewFinding]:
    """Yield whether the scores depend on no text, as random numbers and numbers made from the labels do."""
    if summary.model_type == "Baseline":
        return
    value = consistency(profile_of(scored, layout_of(suite)))
    if value is not None and value < LEAST_CONSISTENT:
        message = (
            "its scores depend on no text: items with the same responses and nearly the same prompt have unrelated "
            f"mean scores (correlation {value:.2f}; those of models have at least .5)"
        )
        yield ReviewFinding("flagged", message, until_rerun=True)


def _check_size(summary: SubmittedSummary) -> Iterator[str]:
    """Yield whether the stated size differs from the size in the name of the model."""
    count = summary.manifest.model.parameters if summary.manifest.model else None
    if count and not stated.fits_name(count, summary.model):
        yield f"the size in its name does not fit a model of {count:,} parameters"


def _find_lookalikes(model: str, names: Iterable[str]) -> Iterator[str]:
    """Yield the names that look like the name of the model."""
    for name in sorted(set(names)):
        if name != model and are_lookalikes(name, model):
            yield f"its name looks like that of {ascii(name)[1:-1][:120]}"


_ALIKE = str.maketrans("0o1li|_.", "oollll--")


def are_lookalikes(name: str, other: str) -> bool:
    """Return True if two names look alike, or are the same for a file system that ignores case.

    >>> are_lookalikes("Org/Model", "org/model"), are_lookalikes("org/rn-1", "org/m_l"), are_lookalikes("a", "b")
    (True, True, False)
    """
    return _normalize(name) == _normalize(other)


def _normalize(name: str) -> str:
    """Return a name with each group of look-alike characters replaced by one of them."""
    return name.lower().replace("rn", "m").replace("vv", "w").translate(_ALIKE)


def verdict_of(findings: Sequence[ReviewFinding]) -> str:
    """Return the verdict on a submission: refused, flagged or passed.

    >>> verdict_of([ReviewFinding("flagged", "x")]), verdict_of([])
    ('flagged', 'passed')
    """
    kinds = {finding.kind for finding in findings}
    return "refused" if "refused" in kinds else "flagged" if "flagged" in kinds else "passed"
