"""Regression gate for the CI of reward model training: check a candidate against a baseline.

All bounds are one-sided 95 % bounds, paired and clustered. A drop is a regression if its lower bound exceeds the
limit, and passes if its upper bound is below the limit. A floor is broken if the candidate's upper bound is below it.
Anything else is inconclusive, with an estimate of how many items would decide.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf, isfinite
from typing import Literal
from xml.etree import ElementTree

from rewardbench import stats
from rewardbench.comparison.compare import align, choose_metric, compute_means
from rewardbench.console.terminal import listed, printable
from rewardbench.errors import InputError
from rewardbench.metrics import SuiteMeans, pairable
from rewardbench.results.scored import ModelScores
from rewardbench.types import Metric

Verdict = Literal["pass", "regression", "inconclusive"]
MAX_DROP = 0.03
ONE_SIDED = 0.9
"""Coverage of the two-sided interval whose ends are one-sided 95 % bounds."""


@dataclass(frozen=True)
class Limits:
    """Limits of the gate: largest drops of the score and of sections, and floors of sections (or of the score)."""

    max_drop: float = MAX_DROP
    sections: Mapping[str, float] = field(default_factory=dict)
    floors: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, limit in (("max_drop", self.max_drop), *self.sections.items(), *self.floors.items()):
            if not 0 <= limit <= 1:
                raise InputError(f"The limit of {name} is {limit}: it must be a share from 0 to 1.")


@dataclass(frozen=True)
class Check:
    """The check of one limit: `value` is the drop (baseline minus candidate) or, for a floor, the candidate's score."""

    name: str
    kind: Literal["drop", "floor"]
    limit: float
    baseline: float
    candidate: float
    value: float
    low: float
    high: float
    verdict: Verdict
    items: int
    metric: Metric = "pair"
    """What is counted: right items, mirrors in which every item is right, or turn pairs."""
    needed: int | None = None
    """Estimated number of items that would decide an inconclusive check; None if no number would."""


@dataclass(frozen=True)
class Decision:
    """The decision of the gate: its verdict, and the checks that led to it."""

    baseline: str
    candidate: str
    suite: str
    revision: str
    metric: Metric
    verdict: Verdict
    checks: tuple[Check, ...]
    sections: Mapping[Metric, Mapping[str, float]] = field(default_factory=dict)
    """The candidate's score of each section by each metric, as its report prints them."""


MEASURES: Mapping[Metric, str] = {"pair": "accuracy", "mirror": "mirror accuracy", "turn": "turn accuracy"}
"""Display name of each metric."""


def title(check: Check) -> str:
    """Name the score that is checked.

    >>> title(Check("Safety", "floor", 0.6, 0.5, 0.5, 0.5, 0.4, 0.6, "regression", 10, "mirror"))
    'Safety mirror accuracy'
    """
    return f"{check.name} {MEASURES[check.metric]}"


def decide(
    baseline: ModelScores, candidate: ModelScores, limits: Limits | None = None, metric: Metric | None = None
) -> Decision:
    """Check whether the candidate is worse than the baseline by more than the limits allow.

    Args:
        baseline: result of the baseline model.
        candidate: result of the candidate on the same items.
        limits: largest drops and floors; by default those of `Limits`.
        metric: `pair` (items), `mirror` or `turn`; by default the suite's headline.

    Raises:
        InputError: if the two cannot be paired, or a section does not exist.
    """
    limits = limits or Limits()
    baseline, candidate = align(baseline, candidate)
    baseline_means, candidate_means = pairable(compute_means(baseline), compute_means(candidate))
    metric = choose_metric(baseline_means, metric)
    choose_metric(candidate_means, metric)
    identical = _same_scores(baseline, candidate)

    def means_of(name: str) -> tuple[stats.Mean, stats.Mean]:
        return _mean(baseline_means, name, metric), _mean(candidate_means, name, metric)

    checks: list[Check] = []
    for name, limit in {"score": limits.max_drop, **limits.sections}.items():
        checks.append(replace(_check_drop(name, limit, *means_of(name), identical), metric=metric))
    for name, limit in limits.floors.items():
        checks.append(replace(_check_floor(name, limit, *means_of(name)), metric=metric))
    section_scores: dict[Metric, dict[str, float]] = {}
    for each_metric in MEASURES:
        means = candidate_means.section_means(each_metric)
        section_scores[each_metric] = {name: mean.value for name, mean in means.items()}
    return Decision(
        baseline=baseline.model,
        candidate=candidate.model,
        suite=baseline.suite.name,
        revision=baseline.suite.revision,
        metric=metric,
        verdict=worst([check.verdict for check in checks]),
        checks=tuple(checks),
        sections=section_scores,
    )


def worst(verdicts: Sequence[Verdict]) -> Verdict:
    """Return the worst verdict.

    >>> worst(["pass", "inconclusive"]), worst(["inconclusive", "regression", "pass"])
    ('inconclusive', 'regression')
    """
    order: tuple[Verdict, ...] = ("regression", "inconclusive")
    return next((verdict for verdict in order if verdict in verdicts), "pass")


def _mean(means: SuiteMeans, name: str, metric: Metric) -> stats.Mean:
    """Return the mean of a section, or of the score; raise InputError if there is no such section."""
    if name == "score":
        return means.total(metric)
    sections = means.section_means(metric)
    if name not in sections:
        raise InputError(f"There is no section {name!r} to check by {metric}: there are {listed(sections)}, and score.")
    return sections[name]


def _check_drop(name: str, limit: float, baseline: stats.Mean, candidate: stats.Mean, identical: bool) -> Check:
    drop = stats.paired(baseline, candidate, ONE_SIDED)
    low, high = (0.0, 0.0) if identical else (drop.low, drop.high)  # identical scores: no uncertainty
    verdict: Verdict = "regression" if low > limit else "pass" if identical or high < limit else "inconclusive"
    return _make_check(name, "drop", limit, baseline, candidate, (drop.value, low, high), verdict, drop.error)


def _check_floor(name: str, limit: float, baseline: stats.Mean, candidate: stats.Mean) -> Check:
    low, high = stats.bounds(candidate, ONE_SIDED)
    verdict: Verdict = "regression" if high < limit else "pass" if candidate.value >= limit else "inconclusive"
    error = (high - low) / 2 / stats.normal(ONE_SIDED)
    return _make_check(name, "floor", limit, baseline, candidate, (candidate.value, low, high), verdict, error)


def _make_check(
    name: str,
    kind: Literal["drop", "floor"],
    limit: float,
    baseline: stats.Mean,
    candidate: stats.Mean,
    estimate: tuple[float, float, float],
    verdict: Verdict,
    error: float,
) -> Check:
    """Build a check; `estimate` is the value with its bounds, `error` the standard error of the value."""
    value, low, high = estimate
    items = len(candidate.weights)
    estimated = stats.items_needed(items, error, limit - value) if verdict == "inconclusive" else inf
    needed = round(estimated) if isfinite(estimated) else None
    return Check(name, kind, limit, baseline.value, candidate.value, value, low, high, verdict, items, needed=needed)


def sentence(check: Check) -> str:
    """Describe a check in a sentence."""
    change = f"{title(check)} {'fell by' if check.value >= 0 else 'rose by'} {100 * abs(check.value):.2f} points"
    bounds = f"95 % bounds {100 * check.low:+.2f} and {100 * check.high:+.2f}"
    if check.kind == "floor":
        change, bounds = (
            f"{title(check)} is {100 * check.value:.2f}",
            f"{100 * check.low:.2f} to {100 * check.high:.2f}",
        )
    rule = f"{'floor' if check.kind == 'floor' else 'allowed'} {100 * check.limit:.2f}"
    hint = f"; about {check.needed:,} would decide" if check.needed else ""
    return f"{change} ({bounds}; {rule}; n {check.items:,}{hint})"


def to_markdown(decision: Decision) -> str:
    """Format a decision as a Markdown summary, as CI systems show it."""
    measure = MEASURES[decision.metric]
    marks = {"pass": "✅ pass", "regression": "❌ regression", "inconclusive": "❔ inconclusive"}
    lines = [
        f"### Reward model gate: {marks[decision.verdict]}",
        "",
        f"`{_cell(decision.candidate)}` against `{_cell(decision.baseline)}` on {_cell(decision.suite)}, by {measure}",
        "",
        "| check | baseline | candidate | change | one-sided 95 % bounds | limit | n | verdict |",
        "|---|--:|--:|--:|--:|--:|--:|---|",
    ]
    for check in decision.checks:
        is_floor = check.kind == "floor"
        low, high = (check.low, check.high) if is_floor else (-check.high, -check.low)
        hint = f" (about {check.needed:,} items would decide)" if check.needed else ""
        cells = (
            f"{_cell(title(check))} {check.kind}",
            f"{100 * check.baseline:.2f}",
            f"{100 * check.candidate:.2f}",
            f"{100 * (check.candidate - check.baseline):+.2f}",
            f"{100 * low:.2f} … {100 * high:.2f}",
            f"{'≥ ' if is_floor else '−'}{100 * check.limit:.2f}",
            f"{check.items:,}",
            f"{marks[check.verdict]}{hint}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


_MARKUP_TO_BLANK = str.maketrans(dict.fromkeys("|`<>[]", " "))


def _cell(text: str) -> str:
    """Escape a name for a cell of a Markdown table."""
    return printable(" ".join(text.split())).translate(_MARKUP_TO_BLANK)


def to_junit(decision: Decision, inconclusive_fails: bool) -> bytes:
    """Format a decision as JUnit XML, a test case per check; an inconclusive check is skipped, or fails on request."""
    failing = {"regression", "inconclusive"} if inconclusive_fails else {"regression"}
    root = ElementTree.Element("testsuite", {"name": "rewardbench gate", "tests": str(len(decision.checks))})
    failures = skipped = 0
    for check in decision.checks:
        case = ElementTree.SubElement(root, "testcase", classname=f"rewardbench.{check.kind}", name=_xml(title(check)))
        if check.verdict in failing:
            failures += 1
            ElementTree.SubElement(case, "failure", message=_xml(sentence(check)), type=check.verdict)
        elif check.verdict != "pass":
            skipped += 1
            ElementTree.SubElement(case, "skipped", message=_xml(sentence(check)))
        ElementTree.SubElement(case, "system-out").text = _xml(sentence(check))
    root.set("failures", str(failures))
    root.set("skipped", str(skipped))
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True))


def _xml(text: str) -> str:
    """Remove the characters that XML cannot hold."""
    return printable(text).translate({0xFFFE: None, 0xFFFF: None})


def _same_scores(scored: ModelScores, other: ModelScores) -> bool:
    """Return True if two models gave every item the same finite scores, to the last bit."""
    by_id = {item_scores.id: item_scores.scores for item_scores in other.items}
    for item_scores in scored.items:
        if item_scores.scores != by_id.get(item_scores.id) or not all(map(isfinite, item_scores.scores)):
            return False
    return True
