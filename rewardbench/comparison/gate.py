"""The regression check in the CI of reward model training: a baseline and a candidate in, a verdict out.

One-sided 95 % bounds, paired and clustered. A drop is a regression where its lower bound exceeds what is allowed, and
passes where its upper bound is below that; a floor is broken where the candidate's upper bound lies under it. What
lies between is inconclusive, and says how many items would decide. A test that cannot say no says nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf, isfinite
from typing import Literal
from xml.etree import ElementTree

from rewardbench import stats
from rewardbench.comparison.compare import Metric, choose_metric, measured, pair_up
from rewardbench.console.terminal import listed, printable
from rewardbench.errors import InputError
from rewardbench.metrics import Measured
from rewardbench.results.scored import Scored, same_scores

Verdict = Literal["pass", "regression", "inconclusive"]
MAX_DROP = 0.03
ONE_SIDED = 0.9
"""Coverage of the two-sided interval whose ends are one-sided 95 % bounds."""


@dataclass(frozen=True)
class Limits:
    """What is allowed: drops of the score and of sections, and floors of sections (or of the score)."""

    max_drop: float = MAX_DROP
    sections: Mapping[str, float] = field(default_factory=dict)
    floors: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, value in (("max_drop", self.max_drop), *self.sections.items(), *self.floors.items()):
            if not 0 <= value <= 1:
                raise InputError(f"The limit of {name} is {value}: it must be a share from 0 to 1.")


@dataclass(frozen=True)
class Check:
    """One rule: `value` is a drop (of the candidate under the baseline) or, of a floor, the candidate's own figure."""

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
    """What the figures are shares of: right items (pair), or mirrors in which every item is right."""
    needed: int | None = None
    """Items such as these that would decide, where so many do not; None where no number would."""


@dataclass(frozen=True)
class Gate:
    """The verdict, and each check that made it."""

    baseline: str
    candidate: str
    suite: str
    revision: str
    metric: Metric
    verdict: Verdict
    checks: tuple[Check, ...]
    sections: Mapping[Metric, Mapping[str, float]] = field(default_factory=dict)
    """The candidate's figure of each section by each metric, as its report prints them."""


MEASURES: Mapping[Metric, str] = {"pair": "accuracy", "mirror": "mirror accuracy"}
"""What a figure by a metric is called wherever it is printed."""


def title(check: Check) -> str:
    """Name the figure that a check is about.

    >>> title(Check("Safety", "floor", 0.6, 0.5, 0.5, 0.5, 0.4, 0.6, "regression", 10, "mirror"))
    'Safety mirror accuracy'
    """
    return f"{check.name} {MEASURES[check.metric]}"


def judge(baseline: Scored, candidate: Scored, limits: Limits | None = None, metric: Metric | None = None) -> Gate:
    """Whether the candidate is worse than the baseline by more than is allowed.

    Raises: InputError where the two cannot be paired, or a section does not exist.
    """
    limits = limits or Limits()
    baseline, candidate = pair_up(baseline, candidate)
    before, after = measured(baseline), measured(candidate)
    metric = choose_metric(before, metric)
    same = same_scores(baseline, candidate)

    def means(name: str) -> tuple[stats.Mean, stats.Mean]:
        return _mean(before, name, metric), _mean(after, name, metric)

    drops = {"score": limits.max_drop, **limits.sections}
    checks = [_drop(name, limit, *means(name), same) for name, limit in drops.items()]
    checks += [_floor(name, limit, *means(name)) for name, limit in limits.floors.items()]
    checks = [replace(check, metric=metric) for check in checks]
    return Gate(
        baseline=baseline.model,
        candidate=candidate.model,
        suite=baseline.suite.name,
        revision=baseline.suite.revision,
        metric=metric,
        verdict=worst([check.verdict for check in checks]),
        checks=tuple(checks),
        sections={kind: {name: mean.value for name, mean in after.present(kind).items()} for kind in MEASURES},
    )


def worst(verdicts: Sequence[Verdict]) -> Verdict:
    """A regression anywhere is one; else what is undecided anywhere is.

    >>> worst(["pass", "inconclusive"]), worst(["inconclusive", "regression", "pass"])
    ('inconclusive', 'regression')
    """
    order: tuple[Verdict, ...] = ("regression", "inconclusive")
    return next((verdict for verdict in order if verdict in verdicts), "pass")


def _mean(found: Measured, name: str, metric: Metric) -> stats.Mean:
    """Raises: InputError for a section that has no figure."""
    if name == "score":
        return found.total(metric)
    sections = found.present(metric)
    if name not in sections:
        raise InputError(f"There is no section {name!r} to check by {metric}: there are {listed(sections)}, and score.")
    return sections[name]


def _drop(name: str, limit: float, before: stats.Mean, after: stats.Mean, same: bool) -> Check:
    drop = stats.paired(before, after, ONE_SIDED)
    low, high = (0.0, 0.0) if same else (drop.low, drop.high)  # one model twice: there is nothing to doubt
    verdict: Verdict = "regression" if low > limit else "pass" if same or high < limit else "inconclusive"
    return _check(name, "drop", limit, before, after, (drop.value, low, high), verdict, drop.error)


def _floor(name: str, limit: float, before: stats.Mean, after: stats.Mean) -> Check:
    low, high = stats.bounds(after, ONE_SIDED)
    verdict: Verdict = "regression" if high < limit else "pass" if after.value >= limit else "inconclusive"
    error = (high - low) / 2 / stats.normal(ONE_SIDED)
    return _check(name, "floor", limit, before, after, (after.value, low, high), verdict, error)


def _check(
    name: str,
    kind: Literal["drop", "floor"],
    limit: float,
    before: stats.Mean,
    after: stats.Mean,
    found: tuple[float, float, float],
    verdict: Verdict,
    error: float,
) -> Check:
    """A check as figures; `found` is its value with both bounds, `error` the value's standard error."""
    value, low, high = found
    items = len(after.mass)
    needed = stats.items_needed(items, error, limit - value) if verdict == "inconclusive" else inf
    more = round(needed) if isfinite(needed) else None
    return Check(name, kind, limit, before.value, after.value, value, low, high, verdict, items, needed=more)


def sentence(check: Check) -> str:
    """A check in words."""
    what = f"{title(check)} {'fell by' if check.value >= 0 else 'rose by'} {100 * abs(check.value):.2f} points"
    bounds = f"95 % bounds {100 * check.low:+.2f} and {100 * check.high:+.2f}"
    if check.kind == "floor":
        what, bounds = f"{title(check)} is {100 * check.value:.2f}", f"{100 * check.low:.2f} to {100 * check.high:.2f}"
    rule = f"{'floor' if check.kind == 'floor' else 'allowed'} {100 * check.limit:.2f}"
    more = f"; about {check.needed:,} would decide" if check.needed else ""
    return f"{what} ({bounds}; {rule}; n {check.items:,}{more})"


def to_markdown(gate: Gate) -> str:
    """A summary for people, as CI systems show it."""
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
        more = f" (about {check.needed:,} items would decide)" if check.needed else ""
        lines.append(f"| {_cell(title(check))} {check.kind} | {numbers} | {marks[check.verdict]}{more} |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    """Return a name that cannot break out of its place in markdown."""
    return "".join(" " if c in "|`<>[]" else c for c in printable(" ".join(text.split())))


def to_junit(gate: Gate, inconclusive_fails: bool) -> bytes:
    """A test suite in JUnit's XML, a test case a check; what is inconclusive is skipped, or fails where it shall."""
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
    """Return text without the characters that XML cannot hold."""
    return "".join(c for c in printable(text) if ord(c) not in (0xFFFE, 0xFFFF))
