"""Combine stored results of several models on the same items into the result of their ensemble, without any model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from os import PathLike, fspath
from pathlib import Path

from rewardbench import results
from rewardbench.comparison.compare import ComparedResult, Comparison, align, compare, read_compared, with_suite
from rewardbench.comparison.ensemble_rules import EnsembleRule, RuleName
from rewardbench.comparison.ensemble_scores import combine_members, label_of, with_random_ties, with_verdicts
from rewardbench.errors import InputError
from rewardbench.manifest import describe_environment, note_on_ties, note_on_unscored
from rewardbench.metrics import is_scored, labels_steps, summarize
from rewardbench.models.fingerprint import digest
from rewardbench.results.scored import ModelScores
from rewardbench.store import open_run_store
from rewardbench.store.local import reject_model_name
from rewardbench.types import Estimate, ItemScores, Result, Suite

JUDGE = "Generative RM"
"""Start of the model type of judges."""


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
        return open_run_store(fspath(folder)).put(self.result, self.suite)


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
    aligned = _align(list(map(read_compared, members)), rule)
    suite = aligned[0].suite
    if rule.name == "plurality-rewardbench":
        suite = with_random_ties(suite)
        aligned = [with_verdicts(member, suite) for member in aligned]
    items, notes = combine_members(rule, aligned)
    name = name or _choose_name(rule, aligned)
    _check_any_scored(items, aligned)
    fingerprint = {"kind": "Ensemble", **rule.fingerprint, "members": sorted(map(_identify, aligned))}
    manifest: dict[str, object] = {
        "fingerprint": fingerprint,
        "fingerprint_sha256": digest(fingerprint),
        "model": {"model": name},
        "run": {"members": list(map(_member_record, aligned))},
        "environment": describe_environment(),
        "command": "",  # it would contain local paths
        "notes": [*notes, *note_on_unscored(items), *note_on_ties(suite, items)],
    }
    result = results.assemble(suite, name, _model_type(rule, aligned), items, manifest)
    figures = tuple(map(_measure_member, aligned))
    _, best = max(zip(figures, aligned, strict=True), key=lambda pair: _sort_key(pair[0]))
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
    return {"model": label_of(scored), "model_type": scored.model_type, "fingerprint_sha256": _identify(scored)}


def _choose_name(rule: EnsembleRule, members: Sequence[ModelScores]) -> str:
    """Return the name of an ensemble by its members; a slash in their names would make it a path."""
    labels = [label_of(member).replace("/", "--") for member in members]
    return f"ensemble/{rule.name}({', '.join(labels)})"


def _measure_member(scored: ModelScores) -> EnsembleMember:
    estimates = summarize(scored.suite, scored.items)
    return EnsembleMember(scored.model, scored.path, _identify(scored), estimates.score, estimates.accuracy)


def _sort_key(member: EnsembleMember) -> tuple[float, int]:
    """Return the sort key of members: by score, then by the number of scored items."""
    return member.score.value or 0.0, -member.accuracy.unscored
