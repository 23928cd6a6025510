"""A submission and what is known in, findings out: the fields, the suite, the items, the arithmetic, the copies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, Literal

from rewardbench import metrics, results
from rewardbench.engine.loop import score
from rewardbench.errors import InputError
from rewardbench.leaderboard.refresh import AGREES
from rewardbench.leaderboard.submissions import fields
from rewardbench.leaderboard.submissions.similarity import (
    ALIKE,
    SAME_MISTAKES,
    Margins,
    correlation,
    margins_of,
    mixture,
    shared_mistakes,
)
from rewardbench.models.fingerprint import digest
from rewardbench.results import parquet, stated
from rewardbench.results.scored import Scored, read_scored
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


def check(path: Path, suite: Suite, others: Iterable[Scored] = (), names: Iterable[str] = ()) -> list[Finding]:
    """All that is wrong with the result at `path`, in the order in which it was looked for.

    Args:
        path: of its summary, with the table of its scores beside it.
        suite: the data that it should be of, in the revision that is in force.
        others: results of the same suite, from whom it may be copied.
        names: of the models that are there already.

    Raises: InputError where it cannot be read at all.
    """
    told = refuse_broken(path)
    found = [Finding("refused", what) for what in fields.complaints(told)]
    if found:
        return found
    found = [Finding("refused", what) for what in _of_the_suite(told, suite)]
    if found:
        return found
    scored = read_scored(path, scores_only=True)
    wrong = [*_items(scored, suite), *_scores(scored), *_fingerprint(told)]
    if not wrong:
        wrong += [*_arithmetic(told, scored, suite), *_baseline(told, scored, suite)]
    found = [Finding("refused", what) for what in wrong]
    flagged = (*_copies(told, scored, others), *_lookalikes(told, names), *_size(told))
    return found + [Finding("flagged", what) for what in flagged]


def refuse_broken(path: Path) -> dict[str, Any]:
    """The summary of a result whose two files are whole and of a size that a result has.

    Raises: InputError where they are not.
    """
    told = fields.read(path)
    rows = [place for place in (results.outputs_path(path), results.table_path(path)) if place.is_file()]
    for place in rows:
        size, most = place.stat().st_size, parquet.MOST_BYTES
        if place.suffix == ".jsonl":
            most = parquet.MOST_LINES_BYTES
        if size > most:
            raise InputError(f"{place.name} has {size:,} bytes, and scores have at most {most:,}: it was not read.")
    if not rows or results.sha256_of(rows[0]) != told.get(results.OUTPUTS_HASH):
        raise InputError(f"The scores beside {path.name} are not those that its {results.OUTPUTS_HASH} names.")
    return told


def _of_the_suite(told: Mapping[str, Any], suite: Suite) -> Iterator[str]:
    if told["suite"] != suite.name:
        yield f"it is of the suite {ascii(told['suite'])[:60]}, not of {suite.name}"
    elif told["revision"] != suite.revision:
        stated = ascii(told["revision"])[1:-1][:80]
        yield f"it is of {suite.name}@{stated}, and {suite.revision[:40]} is in force: score it again"


def _items(scored: Scored, suite: Suite) -> Iterator[str]:
    """The ids must be exactly the suite's, once, with as many completions, subsets and groups as there."""
    wanted = {item.id: item for item in suite.items}
    counts = Counter(item.id for item in scored.suite.items)
    missing, foreign = sorted(wanted.keys() - counts.keys()), sorted(counts.keys() - wanted.keys())
    if missing:
        yield f"{len(missing)} items of the suite are missing, such as {missing[0]!a}"
    if foreign:
        yield f"{len(foreign)} items are not in the suite, such as {ascii(foreign[0])[:60]}"
    for item, found in zip(scored.suite.items, scored.items, strict=True):
        own = wanted.get(item.id)
        if own is None:
            continue
        if len(found.scores) != len(own.completions) or item.num_correct != own.num_correct:
            given = f"{len(found.scores)} scores, {item.num_correct} of right completions"
            yield f"item {own.id} has {given}, unlike the suite"
            return
        if (item.subset, item.group) != (own.subset, own.group):
            yield f"item {own.id} stands in another subset or group than in the suite"
            return


def _scores(scored: Scored) -> Iterator[str]:
    """Finite where no reason says why not, and not all the same."""
    finite: list[float] = []
    for one in scored.items:
        bad = [score for score in one.scores if not isfinite(score)]
        if bad and not one.reason:
            yield f"item {ascii(one.id)[:60]} has the score {bad[0]}, and no reason for it"
            return
        finite += [score for score in one.scores if isfinite(score)]
    if any(abs(score) > 1e12 for score in finite):
        yield f"a score is {max(finite, key=abs):.3g}, which no model gives"
    if len(set(finite)) < 2:
        yield "all scores are the same"
    elif all(len(set(one.scores)) == 1 for one in scored.items):
        yield "within every item all scores are the same"


LIMITS = 0.005
"""Within which stated limits of an interval must be those recomputed: their method may change with the version."""


def _arithmetic(told: Mapping[str, Any], scored: Scored, suite: Suite) -> Iterator[str]:
    """Say which stated figures do not follow from the items by the suite's own rules."""
    result = results.assemble(suite, "", "", scored.items, {})
    stated_figures, counted = _figures(told), _figures(results.to_json(result))
    for name in [*stated_figures, *(counted.keys() - stated_figures.keys())]:
        one, other = stated_figures.get(name), counted.get(name)
        if not _agree(one, other, LIMITS if name.endswith((" low", " high")) else AGREES):
            yield f"{ascii(name)[1:-1][:60]} is stated as {_said(one)}, and the items give {_said(other)}"
    yield from _built_gap(told, scored, suite)


def _figures(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Return every figure of a summary that follows from its items, by a name for it."""
    figures = {name: summary.get(name) for name in ("num_prompts", "accuracy")}
    estimates = {name: summary[name] for name in ("score", "accuracy_estimate")}
    for kind in ("sections", "mirrors", "subsets"):
        figures[f"number of {kind}"] = len(summary[kind])
        estimates |= {f"{kind}, {one['name']}": one for one in summary[kind]}
    for name, estimate in estimates.items():
        figures |= {name if key == "value" else f"{name}, {key}": value for key, value in estimate.items()}
    extra = summary.get("extra_results")
    named = extra if isinstance(extra, dict) else {"form": extra}
    return figures | {f"extra_results, {name}": value for name, value in named.items()}


def _agree(one: Any, other: Any, tolerance: float) -> bool:
    """Return True if two figures are equal, numbers within a tolerance."""
    numbers = all(type(value) in (int, float) and abs(value) < 1e15 for value in (one, other))
    return abs(one - other) <= tolerance if numbers else type(one) is type(other) and one == other


def _built_gap(told: Mapping[str, Any], scored: Scored, suite: Suite) -> Iterator[str]:
    """Say which figures against a fresh draw cannot be: that on the suite is recomputed, and the gap must follow."""
    if not told["gap"]:
        return
    values = {one["name"]: one["value"] for one in told["gap"]}
    built = metrics.gap(suite, scored.items, suite, scored.items)[0].value
    if not _agree(values["core"], built, AGREES):
        yield f"gap, core, is stated as {_said(values['core'])}, and the items give {_said(built)}"
    elif None not in values.values() and not _agree(values["core"] - values["fresh"], values["gap"], AGREES):
        yield f"gap is stated as {_said(values['gap'])}, which is not core less fresh"


def _said(figure: Any) -> str:
    if figure is None:
        return "nothing"
    return f"{figure:.6f}" if isinstance(figure, float) else ascii(figure)[:40]


def _baseline(told: Mapping[str, Any], scored: Scored, suite: Suite) -> Iterator[str]:
    """Say where a Baseline's scores are not those of the baseline that its fingerprint names: they are recomputed."""
    if told["model_type"] != "Baseline":
        return
    fingerprint = told["manifest"]["fingerprint"]
    known, seed = [f"baseline/{rule}" for rule in BASELINES], fingerprint.get("seed")
    kind = fingerprint.get("kind")
    if kind not in known or (told["model"] in known and told["model"] != kind):
        yield f"it is of type Baseline, and its fingerprint does not name it as one of {', '.join(known)}"
        return
    run = score(suite.items, Baseline(str(kind), seed if type(seed) is int else 0))
    expected = {one.id: one.scores for one in run.items}
    for one in scored.items:
        pairs = zip(one.scores, expected[one.id], strict=True)
        if any(isfinite(theirs) and not abs(ours - theirs) <= AGREES for ours, theirs in pairs):
            yield f"item {one.id} has other scores than {kind} gives it"
            return


def _fingerprint(told: Mapping[str, Any]) -> Iterator[str]:
    """The hash must be that of what it names, which must be there."""
    manifest = told["manifest"]
    fingerprint = manifest.get("fingerprint")
    if not isinstance(fingerprint, dict) or not fingerprint:
        yield "its manifest has no fingerprint: what gave these scores is not known"
    elif manifest.get("fingerprint_sha256") != digest(fingerprint):
        yield "its fingerprint_sha256 is not that of its fingerprint"


def _copies(told: Mapping[str, Any], scored: Scored, others: Iterable[Scored]) -> Iterator[str]:
    """Say whose scores these may be, and which model they say to be that is there already."""
    fingerprint = told["manifest"].get("fingerprint_sha256")
    own, known = margins_of(scored), []
    copied = False
    for other in others:
        theirs = margins_of(other)
        likeness = _likeness(own, theirs)
        copied = copied or bool(likeness)
        if fingerprint and fingerprint == other.fingerprint:
            same = "the same scores as" if likeness else "other scores than"
            yield f"it has the fingerprint of {other.model}, which is there already, and {same} that"
        elif other.model == scored.model:
            yield f"there is another model named {other.model} already"
        elif likeness:
            yield likeness.format(other.model)
        known.append((other.model, theirs))
    blend = None if copied else mixture(own, known)
    if blend:
        parts = " and ".join(f"{100 * share:.0f} % {name}" for name, share in blend.parts[:4])
        yield f"its scores are those of {parts}, but for noise (residual {100 * blend.unexplained:.1f} % of the spread)"


def _likeness(own: Margins, theirs: Margins) -> str:
    """Return in what two models are more alike than models that were trained apart; {} stands for the other's name."""
    if (alike := correlation(own, theirs)) >= ALIKE:
        return f"its scores are those of {{}} but for noise (correlation {alike:.5f})"
    if (alike := shared_mistakes(own, theirs)) >= SAME_MISTAKES:
        return f"its mistakes are those of {{}} (at least {100 * alike:.0f} % of them are shared)"
    return ""


def _size(told: Mapping[str, Any]) -> Iterator[str]:
    """Say where the stated size is not that in the model's name."""
    about = told["manifest"].get("model") or {}
    if (count := about.get("parameters")) and not stated.fits_name(count, told["model"]):
        yield f"its name does not fit a model of {count:,} parameters"


def _lookalikes(told: Mapping[str, Any], names: Iterable[str]) -> Iterator[str]:
    """A name that the eye takes for another's."""
    own = told["model"]
    for name in sorted(set(names)):
        if name != own and are_lookalikes(name, own):
            yield f"its name is easily taken for that of {ascii(name)[1:-1][:120]}"


_ALIKE = str.maketrans("0o1li|_.", "oollll--")


def are_lookalikes(one: str, other: str) -> bool:
    """Return True if the eye, or a file system that knows no case, takes one name for the other.

    >>> are_lookalikes("Org/Model", "org/model"), are_lookalikes("org/rn-1", "org/m_l"), are_lookalikes("a", "b")
    (True, True, False)
    """
    return _seen(one) == _seen(other)


def _seen(name: str) -> str:
    return name.lower().replace("rn", "m").replace("vv", "w").translate(_ALIKE)


def verdict_of(findings: Sequence[Finding]) -> str:
    """refused, flagged or passed.

    >>> verdict_of([Finding("flagged", "x")]), verdict_of([])
    ('flagged', 'passed')
    """
    kinds = {one.kind for one in findings}
    return "refused" if "refused" in kinds else "flagged" if kinds else "passed"
