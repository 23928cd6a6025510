"""Check a submission: its fields, its suite, its items, the arithmetic of its figures, and copies of other models."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Literal

from rewardbench import metrics, results
from rewardbench.engine.loop import score
from rewardbench.leaderboard.refresh import AGREES
from rewardbench.leaderboard.submissions.fields import SubmittedManifest, SubmittedSummary
from rewardbench.leaderboard.submissions.similarity import (
    ALIKE,
    SAME_MISTAKES,
    Margins,
    correlation,
    margins_of,
    mixture,
    shared_mistakes,
)
from rewardbench.leaderboard.submissions.submission import Submission
from rewardbench.models.fingerprint import digest
from rewardbench.results import stated
from rewardbench.results.scored import Scored
from rewardbench.scorers.baselines import RULES as BASELINES
from rewardbench.scorers.baselines import Baseline
from rewardbench.types import Suite

Kind = Literal["refused", "flagged"]


@dataclass(frozen=True)
class Finding:
    """What is wrong: refused where it cannot be so, flagged where a person has to look."""

    kind: Kind
    what: str
    until_rerun: bool = False
    """Settled by a re-run that agrees."""


def check(
    submission: Submission, suite: Suite, others: Iterable[Scored] = (), names: Iterable[str] = ()
) -> list[Finding]:
    """Return all that is wrong with a submission: its fields, then its suite, then its items and their arithmetic.

    Args:
        submission: the two files, read.
        suite: the data that it should be of, in the revision that is in force.
        others: results of the same suite, from which it may be copied.
        names: of the models that are there already.

    Raises: InputError if its scores cannot be read at all.
    """
    reasons = submission.problems or list(_of_the_suite(submission.summary, suite))
    if reasons:
        return [Finding("refused", reason) for reason in reasons]
    summary, scored = submission.summary, submission.scored
    reasons = [*_items(scored, suite), *_scores(scored), *_fingerprint(summary.manifest)]
    if not reasons:
        reasons += _arithmetic(submission.record, scored, suite)
        reasons += _baseline(summary, scored, suite)
    findings = [Finding("refused", reason) for reason in reasons]
    doubts = (*_copies(summary.manifest, scored, others), *_lookalikes(summary.model, names), *_size(summary))
    return findings + [Finding("flagged", doubt) for doubt in doubts]


def _of_the_suite(summary: SubmittedSummary, suite: Suite) -> Iterator[str]:
    if summary.suite != suite.name:
        yield f"it is of the suite {ascii(summary.suite)[:60]}, not of {suite.name}"
    elif summary.revision != suite.revision:
        revision = ascii(summary.revision)[1:-1][:80]
        yield f"it is of {suite.name}@{revision}, and {suite.revision[:40]} is in force: score it again"


def _items(scored: Scored, suite: Suite) -> Iterator[str]:
    """Yield why the items are not those of the suite: ids, completions, subsets or groups differ."""
    wanted = {item.id: item for item in suite.items}
    counts = Counter(item.id for item in scored.suite.items)
    missing, foreign = sorted(wanted.keys() - counts.keys()), sorted(counts.keys() - wanted.keys())
    if missing:
        yield f"{len(missing)} items of the suite are missing, such as {missing[0]!a}"
    if foreign:
        yield f"{len(foreign)} items are not in the suite, such as {ascii(foreign[0])[:60]}"
    for item, item_scores in zip(scored.suite.items, scored.items, strict=True):
        expected = wanted.get(item.id)
        if expected is None:
            continue
        if len(item_scores.scores) != len(expected.completions) or item.num_correct != expected.num_correct:
            actual = f"{len(item_scores.scores)} scores, {item.num_correct} of right completions"
            yield f"item {expected.id} has {actual}, unlike the suite"
            return
        if (item.subset, item.group) != (expected.subset, expected.group):
            yield f"item {expected.id} stands in another subset or group than in the suite"
            return


def _scores(scored: Scored) -> Iterator[str]:
    """Finite where no reason says why not, and not all the same."""
    finite: list[float] = []
    for item_scores in scored.items:
        bad = [score for score in item_scores.scores if not isfinite(score)]
        if bad and not item_scores.reason:
            yield f"item {ascii(item_scores.id)[:60]} has the score {bad[0]}, and no reason for it"
            return
        finite += [score for score in item_scores.scores if isfinite(score)]
    if any(abs(score) > 1e12 for score in finite):
        yield f"a score is {max(finite, key=abs):.3g}, which no model gives"
    if len(set(finite)) < 2:
        yield "all scores are the same"
    elif all(len(set(item_scores.scores)) == 1 for item_scores in scored.items):
        yield "within every item all scores are the same"


LIMITS = 0.005
"""Within which stated limits of an interval must be those recomputed: their method may change with the version."""


def _arithmetic(record: Mapping[str, Any], scored: Scored, suite: Suite) -> Iterator[str]:
    """Yield which stated figures do not follow from the items by the suite's own rules."""
    result = results.assemble(suite, "", "", scored.items, {})
    stated_figures, recomputed = _figures(record), _figures(results.to_json(result))
    for name in [*stated_figures, *(recomputed.keys() - stated_figures.keys())]:
        figure, expected = stated_figures.get(name), recomputed.get(name)
        tolerance = LIMITS if name.endswith((" low", " high")) else AGREES
        if not _agree(figure, expected, tolerance):
            yield f"{ascii(name)[1:-1][:60]} is stated as {_shown(figure)}, and the items give {_shown(expected)}"
    yield from _built_gap(record, scored, suite)


def _figures(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Return every figure of a summary that follows from its items, by a name for it."""
    figures = {name: summary.get(name) for name in ("num_prompts", "accuracy")}
    estimates = {name: summary[name] for name in ("score", "accuracy_estimate")}
    for kind in ("sections", "mirrors", "subsets"):
        figures[f"number of {kind}"] = len(summary[kind])
        estimates |= {f"{kind}, {figure['name']}": figure for figure in summary[kind]}
    for name, estimate in estimates.items():
        figures |= {name if key == "value" else f"{name}, {key}": value for key, value in estimate.items()}
    extra = summary.get("extra_results")
    named = extra if isinstance(extra, dict) else {"form": extra}
    return figures | {f"extra_results, {name}": value for name, value in named.items()}


def _agree(figure: Any, expected: Any, tolerance: float) -> bool:
    """Return True if two figures are equal, numbers within a tolerance."""
    numbers = all(type(value) in (int, float) and abs(value) < 1e15 for value in (figure, expected))
    return abs(figure - expected) <= tolerance if numbers else type(figure) is type(expected) and figure == expected


def _built_gap(record: Mapping[str, Any], scored: Scored, suite: Suite) -> Iterator[str]:
    """Yield which figures of a gap cannot be: that on the suite is recomputed, and the difference must follow."""
    if not record["gap"]:
        return
    values = {figure["name"]: figure["value"] for figure in record["gap"]}
    built = metrics.gap(suite, scored.items, suite, scored.items)[0].value
    if not _agree(values["core"], built, AGREES):
        yield f"gap, core, is stated as {_shown(values['core'])}, and the items give {_shown(built)}"
    elif None not in values.values() and not _agree(values["core"] - values["fresh"], values["gap"], AGREES):
        yield f"gap is stated as {_shown(values['gap'])}, which is not core less fresh"


def _shown(figure: Any) -> str:
    if figure is None:
        return "nothing"
    return f"{figure:.6f}" if isinstance(figure, float) else ascii(figure)[:40]


def _baseline(summary: SubmittedSummary, scored: Scored, suite: Suite) -> Iterator[str]:
    """Yield where a Baseline's scores are not those of the baseline that its fingerprint names: they are recomputed."""
    if summary.model_type != "Baseline":
        return
    fingerprint = summary.manifest.fingerprint
    known, seed = [f"baseline/{rule}" for rule in BASELINES], fingerprint.get("seed")
    kind = fingerprint.get("kind")
    if kind not in known or (summary.model in known and summary.model != kind):
        yield f"it is of type Baseline, and its fingerprint does not name it as one of {', '.join(known)}"
        return
    run = score(suite.items, Baseline(str(kind), seed if type(seed) is int else 0))
    expected = {item.id: item.scores for item in run.items}
    for item in scored.items:
        pairs = zip(item.scores, expected[item.id], strict=True)
        if any(isfinite(theirs) and not abs(ours - theirs) <= AGREES for ours, theirs in pairs):
            yield f"item {item.id} has other scores than {kind} gives it"
            return


def _fingerprint(manifest: SubmittedManifest) -> Iterator[str]:
    """Yield why the fingerprint is missing, or is not that of its hash."""
    if not isinstance(manifest.fingerprint, dict) or not manifest.fingerprint:
        yield "its manifest has no fingerprint: what gave these scores is not known"
    elif manifest.fingerprint_sha256 != digest(manifest.fingerprint):
        yield "its fingerprint_sha256 is not that of its fingerprint"


def _copies(manifest: SubmittedManifest, scored: Scored, others: Iterable[Scored]) -> Iterator[str]:
    """Yield whose scores these may be, and which model of the same name or fingerprint is there already."""
    fingerprint = manifest.fingerprint_sha256
    margins, known, copied = margins_of(scored), [], False
    for other in others:
        theirs = margins_of(other)
        likeness = _likeness(margins, theirs)
        copied = copied or bool(likeness)
        if fingerprint and fingerprint == other.fingerprint:
            same = "the same scores as" if likeness else "other scores than"
            yield f"it has the fingerprint of {other.model}, which is there already, and {same} that"
        elif other.model == scored.model:
            yield f"there is another model named {other.model} already"
        elif likeness:
            yield likeness.format(other.model)
        known.append((other.model, theirs))
    blend = None if copied else mixture(margins, known)
    if blend:
        parts = " and ".join(f"{100 * share:.0f} % {name}" for name, share in blend.parts[:4])
        yield f"its scores are those of {parts}, but for noise (residual {100 * blend.unexplained:.1f} % of the spread)"


def _likeness(margins: Margins, theirs: Margins) -> str:
    """Return in what two models are more alike than models that were trained apart; {} stands for the other's name."""
    if (alike := correlation(margins, theirs)) >= ALIKE:
        return f"its scores are those of {{}} but for noise (correlation {alike:.5f})"
    if (alike := shared_mistakes(margins, theirs)) >= SAME_MISTAKES:
        return f"its mistakes are those of {{}} (at least {100 * alike:.0f} % of them are shared)"
    return ""


def _size(summary: SubmittedSummary) -> Iterator[str]:
    """Yield where the stated size is not that in the model's name."""
    count = summary.manifest.model.parameters if summary.manifest.model else None
    if count and not stated.fits_name(count, summary.model):
        yield f"its name does not fit a model of {count:,} parameters"


def _lookalikes(model: str, names: Iterable[str]) -> Iterator[str]:
    """Yield the names that the eye takes for this one."""
    for name in sorted(set(names)):
        if name != model and are_lookalikes(name, model):
            yield f"its name is easily taken for that of {ascii(name)[1:-1][:120]}"


_ALIKE = str.maketrans("0o1li|_.", "oollll--")


def are_lookalikes(name: str, other: str) -> bool:
    """Return True if the eye, or a file system that knows no case, takes one name for the other.

    >>> are_lookalikes("Org/Model", "org/model"), are_lookalikes("org/rn-1", "org/m_l"), are_lookalikes("a", "b")
    (True, True, False)
    """
    return _seen(name) == _seen(other)


def _seen(name: str) -> str:
    return name.lower().replace("rn", "m").replace("vv", "w").translate(_ALIKE)


def verdict_of(findings: Sequence[Finding]) -> str:
    """refused, flagged or passed.

    >>> verdict_of([Finding("flagged", "x")]), verdict_of([])
    ('flagged', 'passed')
    """
    kinds = {finding.kind for finding in findings}
    return "refused" if "refused" in kinds else "flagged" if kinds else "passed"
