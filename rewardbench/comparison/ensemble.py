"""Combine stored results of several models on the same items into the result of their ensemble, without any model."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import isfinite, nan
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rewardbench import results
from rewardbench.comparison.compare import ComparedResult, Comparison, align, compare, read_compared, with_suite
from rewardbench.comparison.ensemble_rules import (
    EnsembleRule,
    RuleName,
    combine_scores,
    majority_scores,
    plurality_verdict,
    preferred,
    verdict_scores,
)
from rewardbench.errors import InputError
from rewardbench.manifest import describe_environment, note_on_ties, note_on_unscored
from rewardbench.metrics import is_scored, labels_steps, rule_of, summarize
from rewardbench.models.fingerprint import digest
from rewardbench.results.scored import ModelScores
from rewardbench.store import LocalStore, safe_name
from rewardbench.store.local import reject_model_name
from rewardbench.types import Estimate, Item, ItemScores, Result, Suite

if TYPE_CHECKING:
    from numpy.typing import NDArray

JUDGE = "Generative RM"
"""Start of the model type of judges."""
WIDEST = 3.0
"""Ratio of the members' standard deviations above which a note recommends to standardise."""


@dataclass(frozen=True)
class EnsembleMember:
    """A member of an ensemble, with its figures on the items of the ensemble."""

    model: str
    path: Path
    fingerprint: str
    score: Estimate
    accuracy: Estimate


@dataclass(frozen=True)
class Ensemble:
    """The result of an ensemble, with its members."""

    result: Result
    suite: Suite
    members: tuple[EnsembleMember, ...]
    """The members, sorted by name."""
    comparison: Comparison
    """The ensemble (second) compared with its best member (first)."""

    def save(self, folder: str | PathLike[str] = "results/") -> str:
        """Write the result to a folder, as a run does, and return the path of its summary (.json).

        Raises:
            InputError: if the folder cannot be written.
        """
        return LocalStore(fspath(folder)).put(self.result, self.suite)


def ensemble(
    members: Sequence[ComparedResult],
    rule: RuleName | EnsembleRule = "mean",
    *,
    penalty: float | None = None,
    standardize: bool = False,
    name: str | None = None,
) -> Ensemble:
    """Combine results of several models on the same items.

    Args:
        members: the results, in any order: paths of results (.json), or what `evaluate` returns.
        rule: mean, min, mean-variance, majority or plurality-rewardbench; see `EnsembleRule`.
        penalty: weight of the variance in mean-variance; None is 1.
        standardize: standardise each member's scores first.
        name: name of the ensemble; None is ensemble/RULE(member, member, ...).

    Returns:
        The result of the ensemble, its members' figures, and its comparison with the best member; `.save(folder)`
        stores the result.

    Raises:
        InputError: if a result cannot be read, the results are not of the same items, or the rule does not apply.
    """
    if not isinstance(rule, EnsembleRule):
        rule = EnsembleRule(rule, penalty, standardize)
    if name is not None:
        _check_name(name)
    paths = [fspath(member) for member in members if isinstance(member, str | PathLike)]
    aligned = _align(list(map(read_compared, members)), rule)
    suite = aligned[0].suite
    if rule.name == "plurality-rewardbench":
        suite = _with_random_ties(suite)
        aligned = [_with_verdicts(member, suite) for member in aligned]
    items, notes = _combine(rule, aligned)
    command = _format_command(paths, rule, name) if len(paths) == len(members) else ""
    name = name or _choose_name(rule, aligned)
    _check_any_scored(items, aligned)
    fingerprint = {"kind": "Ensemble", **rule.fingerprint, "members": sorted(map(_identify, aligned))}
    manifest: dict[str, object] = {
        "fingerprint": fingerprint,
        "fingerprint_sha256": digest(fingerprint),
        "model": {"model": name},
        "run": {"members": [_member_record(member) for member in aligned]},
        "environment": describe_environment(),
        "command": command,
        "notes": [*notes, *note_on_unscored(items), *note_on_ties(suite, items)],
    }
    result = results.assemble(suite, name, _model_type(rule, aligned), items, manifest)
    figures = tuple(map(_measure_member, aligned))
    best = aligned[_index_of_best(figures)]
    combined = ModelScores(name, suite, items, Path(name), str(manifest["fingerprint_sha256"]))
    return Ensemble(result, suite, figures, compare(best, combined))


def _check_name(name: str) -> None:
    """Check that a name can be stored.

    Raises:
        InputError: if it is empty or reserved.
    """
    if not name.strip():
        raise InputError("--name is empty: pass the name of the ensemble, such as org/ensemble.")
    reject_model_name(name)


# Which results can be members


def _align(members: Sequence[ModelScores], rule: EnsembleRule) -> list[ModelScores]:
    """Sort the members by name, and align them to the suite and the order of the items of the first.

    Raises:
        InputError: if they are too few, an even number where votes are counted, a result twice, of other items, or of
            items that the rule cannot score.
    """
    paths = ", ".join(str(member.path) for member in members)
    if len(members) < 2:
        raise InputError(f"An ensemble has at least 2 members, but there is {paths or 'none'}: pass other results too.")
    if rule.votes and len(members) % 2 == 0:
        raise InputError(
            f"--rule {rule.name} needs an odd number of members, but {paths} are {len(members)}: add or remove one."
        )
    _reject_repeated(members)
    ordered = sorted(members, key=lambda member: (not member.knows_suite, member.model, _identify(member)))
    reference = ordered[0]
    aligned = [reference]
    for member in ordered[1:]:
        aligned.append(with_suite(align(reference, member)[1], reference.suite))
    if labels_steps(reference.suite):
        raise InputError(
            f"{reference.path} is of {reference.suite.name}, which labels steps: an ensemble combines scores of "
            "completions, not of steps."
        )
    if rule.votes:
        _reject_several_right(reference, rule)
    return sorted(aligned, key=lambda member: (member.model, _identify(member)))


def _reject_repeated(members: Sequence[ModelScores]) -> None:
    for first, second in combinations(members, 2):
        if _identify(first) == _identify(second):
            raise InputError(
                f"{first.path} and {second.path} are results of the same model (fingerprint {_identify(first)}), which "
                "would count twice: remove one of them."
            )


def _reject_several_right(scored: ModelScores, rule: EnsembleRule) -> None:
    for item in scored.suite.items:
        if item.num_correct != 1 or len(item.completions) < 2:
            raise InputError(
                f"{scored.path}, item {item.id!r}, has {item.num_correct} right completions of "
                f"{len(item.completions)}, but a vote of --rule {rule.name} is for 1 of several: use --rule mean."
            )


def _identify(scored: ModelScores) -> str:
    """Return the fingerprint of a model; of a file without one, a hash of its scores."""
    if scored.fingerprint:
        return scored.fingerprint
    return "scores:" + digest(sorted([item.id, list(item.scores)] for item in scored.items))


def _label(scored: ModelScores) -> str:
    """Return the name of a member without the path of its folder."""
    return safe_name(scored.model, may_be_path=False).as_posix()


# Scores of the ensemble


def _combine(rule: EnsembleRule, members: Sequence[ModelScores]) -> tuple[tuple[ItemScores, ...], list[str]]:
    """Score all items; return their scores and notes on how they were computed."""
    notes = [rule.describe()]
    scales: list[tuple[float, float]] = []
    undecided = 0
    if not rule.votes:
        scales = list(map(_scale, members))
        if rule.standardize:
            _reject_constant(members, scales)
        else:
            notes += _note_on_scales(members, scales)
            scales = [(0.0, 1.0)] * len(members)
    combined: list[ItemScores] = []
    for index, item in enumerate(members[0].suite.items):
        scores = [member.items[index] for member in members]
        if rule.votes:
            item_scores = _vote(rule, item, members, scores)
            undecided += preferred(item_scores.scores) is None
        else:
            item_scores = _combine_item(rule, item, members, scores, scales)
        combined.append(item_scores)
    if rule.votes:
        notes += _note_on_missing_votes(members)
    if undecided:
        notes.append(f"The votes decide no winner on {undecided:,} of {len(combined):,} items.")
    return tuple(combined), notes


def _combine_item(
    rule: EnsembleRule,
    item: Item,
    members: Sequence[ModelScores],
    scores: Sequence[ItemScores],
    scales: Sequence[tuple[float, float]],
) -> ItemScores:
    """Score an item by a scalar rule; it is unscored if a member has no score.

    Args:
        rule: the rule.
        item: the item.
        members: the members.
        scores: each member's scores of the item.
        scales: what is subtracted from the scores of each member, and what they are divided by.
    """
    reasons = list(_missing(members, scores))
    if reasons:
        return _to_item_scores(item, scores, (nan,) * len(item.completions), "; ".join(reasons))
    values = np.array([item_scores.scores for item_scores in scores], dtype=np.float64)
    scaling = np.array(scales, dtype=np.float64)
    combined = tuple(combine_scores(rule, (values - scaling[:, :1]) / scaling[:, 1:]).tolist())
    return _to_item_scores(item, scores, combined, results.why_unscored(combined))


def _vote(rule: EnsembleRule, item: Item, members: Sequence[ModelScores], scores: Sequence[ItemScores]) -> ItemScores:
    """Score an item by the votes of the members; it is unscored if a failure leaves it without a majority."""
    votes = [preferred(item_scores.scores) for item_scores in scores]
    count = len(item.completions)
    if rule.name == "plurality-rewardbench":
        return _to_item_scores(item, scores, verdict_scores(plurality_verdict(votes)[0], count))
    combined = majority_scores(votes, count)
    reasons = list(_missing(members, scores))
    if reasons and preferred(combined) is None:
        return _to_item_scores(item, scores, (nan,) * count, f"no majority: {'; '.join(reasons)}")
    return _to_item_scores(item, scores, combined)


def _missing(members: Sequence[ModelScores], scores: Sequence[ItemScores]) -> Iterator[str]:
    """Yield why each member that has no score of an item has none."""
    for member, item_scores in zip(members, scores, strict=True):
        if not is_scored(item_scores.scores):
            reason = item_scores.reason or results.why_unscored(item_scores.scores)
            yield f"{_label(member)} has no score: {str(reason).rstrip('.')}"


def _note_on_missing_votes(members: Sequence[ModelScores]) -> Iterator[str]:
    """Yield on how many items each member that lacks scores cast no vote."""
    for member in members:
        count = sum(not is_scored(item_scores.scores) for item_scores in member.items)
        if count:
            yield f"{_label(member)} casts no vote on {count:,} items, of which it has no score."


def _to_item_scores(
    item: Item, scores: Sequence[ItemScores], combined: tuple[float, ...], reason: str | None = None
) -> ItemScores:
    """Return the ensemble's scores of an item, with the texts that the first member read."""
    texts: list[str] = []
    for completion in item.completions:
        texts.append(completion[-1]["content"] if completion else "")
    truncated = any(item_scores.truncated for item_scores in scores)
    return ItemScores(item.id, combined, reason, truncated, texts=scores[0].texts or tuple(texts))


def _scale(scored: ModelScores) -> tuple[float, float]:
    """Return mean and population standard deviation over all completions of the items that a member scored.

    The standard deviation is 0 if all scores are the same, and NaN if there are none.
    """
    values = _finite_scores(scored)
    if not values.size:
        return nan, nan
    with np.errstate(over="ignore", invalid="ignore"):
        deviation = 0.0 if values.min() == values.max() else float(values.std())
        return float(values.mean()), deviation


def _finite_scores(scored: ModelScores) -> NDArray[np.float64]:
    """Return the scores of all completions of the items that a member scored: [completions]."""
    values: list[float] = []
    for item_scores in scored.items:
        if is_scored(item_scores.scores):
            values.extend(item_scores.scores)
    return np.array(values, dtype=np.float64)


def _reject_constant(members: Sequence[ModelScores], scales: Sequence[tuple[float, float]]) -> None:
    for member, (_, deviation) in zip(members, scales, strict=True):
        if not deviation > 0 or not isfinite(deviation):
            reason = "all its scores are the same" if deviation == 0 else "their standard deviation is not finite"
            raise InputError(f"The scores of {member.path} cannot be standardised: {reason}. Leave it out.")


def _note_on_scales(members: Sequence[ModelScores], scales: Sequence[tuple[float, float]]) -> list[str]:
    """Return a note if the members' scores have very different scales, so that one member decides most items."""
    deviations = [deviation if deviation > 0 else nan for _, deviation in scales]
    if not all(map(isfinite, deviations)) or max(deviations) <= WIDEST * min(deviations):
        return []
    widest, narrowest = deviations.index(max(deviations)), deviations.index(min(deviations))
    return [
        f"The scores of {_label(members[widest])} vary most (standard deviation {max(deviations):.3g}), those of "
        f"{_label(members[narrowest])} least ({min(deviations):.3g}): pass --standardize to weight members equally."
    ]


# The compatibility rule of rewardbench 0.1


def _with_random_ties(suite: Suite) -> Suite:
    """Return a suite in which a tie has the credit of a random pick: 1/2 for a pair, 1/4 for one of four.

    The score is by accuracy, since rewardbench 0.1 has no mirrors.
    """
    subsets = [*suite.rules, *(item.subset for item in suite.items)]
    rules = {subset: replace(rule_of(suite, subset), credit="best_of_n") for subset in subsets}
    return replace(suite, rules=rules, headline="accuracy")


def _with_verdicts(scored: ModelScores, suite: Suite) -> ModelScores:
    """Return a member's verdicts as rewardbench 0.1 counts them: without a preference, equal scores."""
    items: list[ItemScores] = []
    for item, item_scores in zip(suite.items, scored.items, strict=True):
        scores = verdict_scores(preferred(item_scores.scores), len(item.completions))
        items.append(replace(item_scores, scores=scores, reason=None))
    return replace(scored, suite=suite, items=tuple(items))


# The result


def _check_any_scored(items: Sequence[ItemScores], members: Sequence[ModelScores]) -> None:
    if not any(is_scored(item_scores.scores) for item_scores in items):
        raise InputError(
            f"None of the {len(items):,} items of {members[0].path} has a score of the ensemble; the first, "
            f"{items[0].id}: {items[0].reason}."
        )


def _model_type(rule: EnsembleRule, members: Sequence[ModelScores]) -> str:
    """Return rewardbench 0.1's type of a panel of judges if judges vote, else Ensemble."""
    is_panel = rule.votes and all(member.model_type.startswith(JUDGE) for member in members)
    return f"{JUDGE} PoLL" if is_panel else "Ensemble"


def _member_record(scored: ModelScores) -> dict[str, str]:
    return {"model": _label(scored), "model_type": scored.model_type, "fingerprint_sha256": _identify(scored)}


def _choose_name(rule: EnsembleRule, members: Sequence[ModelScores]) -> str:
    """Return the name of an ensemble by its members; a slash in their names would make it a path."""
    labels = [_label(member).replace("/", "--") for member in members]
    return f"ensemble/{rule.name}({', '.join(labels)})"


def _format_command(paths: Sequence[str], rule: EnsembleRule, name: str | None) -> str:
    """Return the command that computes the ensemble again; the order of the results has no effect."""
    naming = ["--name", name] if name else []
    return shlex.join(["rewardbench", "ensemble", *sorted(paths), *rule.options, *naming])


def _measure_member(scored: ModelScores) -> EnsembleMember:
    estimates = summarize(scored.suite, scored.items)
    return EnsembleMember(scored.model, scored.path, _identify(scored), estimates.score, estimates.accuracy)


def _index_of_best(members: Sequence[EnsembleMember]) -> int:
    """Return the index of the member with the highest score; of several, the first with the fewest unscored items."""
    keys = [(member.score.value or 0.0, -member.accuracy.unscored, -n) for n, member in enumerate(members)]
    return keys.index(max(keys))
