"""Regression gate for the CI of reward model training: judge a candidate against a baseline.

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
from rewardbench.comparison.compare import Metric, choose_metric, compute_means, pair_up
from rewardbench.console.terminal import listed, printable
from rewardbench.errors import InputError
from rewardbench.metrics import SuiteMeans
from rewardbench.results.scored import ModelScores, same_scores

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
        for name, value in (("max_drop", self.max_drop), *self.sections.items(), *self.floors.items()):
            if not 0 <= value <= 1:
                raise InputError(f"The limit of {name} is {value}: it must be a share from 0 to 1.")


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
    """Share of right items (pair), or of mirrors in which every item is right."""
    needed: int | None = None
    """Estimated number of items that would decide an inconclusive check; None if no number would."""


@dataclass(frozen=True)
class Gate:
    """The verdict with its checks."""

    baseline: str
    candidate: str
    suite: str
    revision: str
    metric: Metric
    verdict: Verdict
    checks: tuple[Check, ...]
    sections: Mapping[Metric, Mapping[str, float]] = field(default_factory=dict)
    """The candidate's score of each section by each metric, as its report prints them."""


MEASURES: Mapping[Metric, str] = {"pair": "accuracy", "mirror": "mirror accuracy"}
"""Display name of each metric."""


def title(check: Check) -> str:
    """Name the score that is checked.

    >>> title(Check("Safety", "floor", 0.6, 0.5, 0.5, 0.5, 0.4, 0.6, "regression", 10, "mirror"))
    'Safety mirror accuracy'
    """
    return f"{check.name} {MEASURES[check.metric]}"


def judge(
    baseline: ModelScores, candidate: ModelScores, limits: Limits | None = None, metric: Metric | None = None
) -> Gate:
    """Check whether the candidate is worse than the baseline by more than the limits allow.

    Args:
        baseline: result of the baseline model.
        candidate: result of the candidate on the same items.
        limits: largest drops and floors; by default those of `Limits`.
        metric: `pair` (items) or `mirror`; by default the suite's headline.

    Raises:
        InputError: if the two cannot be paired, or a section does not exist.
    """
    limits = limits or Limits()
    baseline, candidate = pair_up(baseline, candidate)
    baseline_means, candidate_means = compute_means(baseline), compute_means(candidate)
    metric = choose_metric(baseline_means, metric)
    identical = same_scores(baseline, candidate)

    def means(name: str) -> tuple[stats.Mean, stats.Mean]:
        return _mean(baseline_means, name, metric), _mean(candidate_means, name, metric)

    drops = {"score": limits.max_drop, **limits.sections}
    checks = [_drop(name, limit, *means(name), identical) for name, limit in drops.items()]
    checks += [_floor(name, limit, *means(name)) for name, limit in limits.floors.items()]
    checks = [replace(check, metric=metric) for check in checks]
    sections: dict[Metric, dict[str, float]] = {}
    for kind in MEASURES:
        sections[kind] = {name: mean.value for name, mean in candidate_means.present(kind).items()}
    return Gate(
        baseline=baseline.model,
        candidate=candidate.model,
        suite=baseline.suite.name,
        revision=baseline.suite.revision,
        metric=metric,
        verdict=worst([check.verdict for check in checks]),
        checks=tuple(checks),
        sections=sections,
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
    sections = means.present(metric)
    if name not in sections:
        raise InputError(f"There is no section {name!r} to check by {metric}: there are {listed(sections)}, and score.")
    return sections[name]


def _drop(name: str, limit: float, baseline: stats.Mean, candidate: stats.Mean, identical: bool) -> Check:
    drop = stats.paired(baseline, candidate, ONE_SIDED)
    low, high = (0.0, 0.0) if identical else (drop.low, drop.high)  # identical scores: no uncertainty
    verdict: Verdict = "regression" if low > limit else "pass" if identical or high < limit else "inconclusive"
    return _check(name, "drop", limit, baseline, candidate, (drop.value, low, high), verdict, drop.error)


def _floor(name: str, limit: float, baseline: stats.Mean, candidate: stats.Mean) -> Check:
    low, high = stats.bounds(candidate, ONE_SIDED)
    verdict: Verdict = "regression" if high < limit else "pass" if candidate.value >= limit else "inconclusive"
    error = (high - low) / 2 / stats.normal(ONE_SIDED)
    return _check(name, "floor", limit, baseline, candidate, (candidate.value, low, high), verdict, error)


def _check(
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


def to_markdown(gate: Gate) -> str:
    """Format a gate as a Markdown summary, as CI systems show it."""
    measure = MEASURES[gate.metric]
    marks = {"pass": "✅ pass", "regression": "❌ regression", "inconclusive": "❔ inconclusive"}
    lines = [
        f"### Reward model gate: {marks[gate.verdict]}",
        "",
        f"`{_cell(gate.candidate)}` against `{_cell(gate.baseline)}` on {_cell(gate.suite)}, by {measure}",
        "",
        "| check | baseline | candidate | change | one-sided 95 % bounds | limit | n | verdict |",
        "|---|--:|--:|--:|--:|--:|--:|---|",
    ]
    for check in gate.checks:
        floor = check.kind == "floor"
        change = 100 * (check.candidate - check.baseline)
        bounds = (check.low, check.high) if floor else (-check.high, -check.low)
        numbers = " | ".join(
            [
                f"{100 * check.baseline:.2f}",
                f"{100 * check.candidate:.2f}",
                f"{change:+.2f}",
                "{:.2f} … {:.2f}".format(*(100 * bound for bound in bounds)),
                f"{'≥ ' if floor else '−'}{100 * check.limit:.2f}",
                f"{check.items:,}",
            ]
        )
        hint = f" (about {check.needed:,} items would decide)" if check.needed else ""
        lines.append(f"| {_cell(title(check))} {check.kind} | {numbers} | {marks[check.verdict]}{hint} |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    """Escape a name for a cell of a Markdown table."""
    return "".join(" " if c in "|`<>[]" else c for c in printable(" ".join(text.split())))


def to_junit(gate: Gate, inconclusive_fails: bool) -> bytes:
    """Format a gate as JUnit XML, one test case per check; an inconclusive check is skipped, or fails on request."""
    failed = {"regression", "inconclusive"} if inconclusive_fails else {"regression"}
    counts = {
        "tests": len(gate.checks),
        "failures": sum(check.verdict in failed for check in gate.checks),
        "skipped": sum(check.verdict not in {*failed, "pass"} for check in gate.checks),
    }
    root = ElementTree.Element("testsuite", {"name": "rewardbench gate", **{k: str(v) for k, v in counts.items()}})
    for check in gate.checks:
        case = ElementTree.SubElement(root, "testcase", classname=f"rewardbench.{check.kind}", name=_xml(title(check)))
        if check.verdict in failed:
            ElementTree.SubElement(case, "failure", message=_xml(sentence(check)), type=check.verdict)
        elif check.verdict != "pass":
            ElementTree.SubElement(case, "skipped", message=_xml(sentence(check)))
        ElementTree.SubElement(case, "system-out").text = _xml(sentence(check))
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True))


def _xml(text: str) -> str:
    """Remove the characters that XML cannot hold."""
    return "".join(c for c in printable(text) if ord(c) not in (0xFFFE, 0xFFFF))
