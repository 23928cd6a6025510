"""Find out which stored models the scores of a submission may be made from, in a sentence for a maintainer each."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from rewardbench.leaderboard.profiles import Profile, layout_of, profile_of
from rewardbench.leaderboard.sketches import SketchTable, sketch_of
from rewardbench.leaderboard.submissions.mixtures import copied_sections, find_mixture, find_vote
from rewardbench.leaderboard.submissions.nearest import nearest_models
from rewardbench.leaderboard.submissions.similarity import (
    ALIKE,
    FEWEST,
    LEAST_RANK,
    LEAST_UNSIGNED,
    MOST_DIFFERING,
    MOST_LOST,
    TYPICAL,
    DecisionComparison,
    Difficulty,
    Resemblance,
    difficulty_of,
    resemble,
)
from rewardbench.results.model_names import owner_of
from rewardbench.results.scored import ModelScores
from rewardbench.types import Suite

MOST_EXACT = 80
"""Maximum number of results that are all compared exactly."""
LEAST_RELATED = 0.5
"""Minimum share of related models in a mixture that a relation explains."""
SIGNIFICANT = 0.001
"""Maximum p-value at which gained decisions are more than lost ones."""


@dataclass(frozen=True)
class Likeness:
    """Stored models that a submission resembles more than separately trained models resemble each other."""

    names: tuple[str, ...]
    sentence: str
    shares: tuple[float, ...] = (1.0,)
    """Share of each model."""
    is_gain: bool = False
    """Whether decisions were gained that noise does not explain: then no relation explains the likeness."""
    relation: str = ""
    """How the models are related, as the results state; empty if no relation explains the likeness."""


def find_likeness(
    scored: ModelScores,
    suite: Suite,
    others: Iterable[ModelScores],
    members: Sequence[str] = (),
    difficulty: Difficulty | None = None,
) -> list[Likeness]:
    """Return which models the scores of a result may be made from: single ones, else a mixture.

    Args:
        scored: the result.
        suite: its suite; items that the result lacks are unknown.
        others: results of the same suite.
        members: fingerprints of the models that the result states to combine.
        difficulty: difficulty of the items, in the order of `layout_of`; by default that for the others.
    """
    layout = layout_of(suite)
    target = profile_of(scored, layout)
    results = list(others)
    profiles = [profile_of(other, layout) for other in results]
    difficulty = difficulty or difficulty_of(profiles, layout)
    likenesses = likenesses_of(target, _nearest(target, profiles), difficulty)
    alike = {name for likeness in likenesses for name in likeness.names}
    relations = {other.model: stated_relation(scored, other, alike) for other in results}
    combined = {other.model for other in results if other.fingerprint and other.fingerprint in members}
    explained: list[Likeness] = []
    for likeness in likenesses:
        relation = relations.get(likeness.names[0], "")
        if set(likeness.names) <= combined:
            relation = "which its manifest states as members"
        elif related_share(likeness, [name for name, text in relations.items() if text]) < LEAST_RELATED:
            relation = ""
        explained.append(replace(likeness, relation="" if likeness.is_gain else relation))
    return explained


def stated_relation(scored: ModelScores, other: ModelScores, alike: Collection[str] = ()) -> str:
    """Return the relation that explains why two results are alike; empty if there is none.

    A relation needs no proof, since a result that is alike to an earlier one has no rank of its own. It names that
    model: a base model that both were trained from explains nothing, unless the result is alike to the base model too.

    Args:
        scored: a result.
        other: an earlier result.
        alike: names of all models that the result is alike to.
    """
    owner, base = owner_of(scored.model).casefold(), scored.base_model.casefold()
    if owner and owner == owner_of(other.model).casefold():
        return "a model of the same organization"
    if base and base == other.model.casefold():
        return "which it states as its base model"
    if base and base == other.base_model.casefold() and base in {name.casefold() for name in alike}:
        return f"which is made from {other.base_model} as well"
    return ""


def are_ranked_together(scored: ModelScores, other: ModelScores) -> bool:
    """Return True if two results are of the same items and judge protocol, so that their ranks depend on each other."""
    first, second = scored.suite, other.suite
    return (first.name, first.revision, scored.protocol) == (second.name, second.revision, other.protocol)


def related_share(likeness: Likeness, related: Iterable[str]) -> float:
    """Return the share of the models of a likeness that are related to the result.

    Args:
        likeness: the likeness.
        related: names of the related models.
    """
    names = set(related)
    return sum(share for name, share in zip(likeness.names, likeness.shares, strict=True) if name in names)


def _nearest(target: Profile, profiles: Sequence[Profile]) -> Sequence[Profile]:
    """Return the profiles to compare exactly: all, or those chosen by their sketches if they are many."""
    if len(profiles) <= MOST_EXACT:
        return profiles
    keys = [str(n) for n in range(len(profiles))]
    table = SketchTable(keys, list(map(sketch_of, profiles)), target.layout)
    return [profiles[int(key)] for key in nearest_models(target, table)]


def likenesses_of(target: Profile, others: Sequence[Profile], difficulty: Difficulty) -> list[Likeness]:
    """Return which models a profile resembles, whatever their relations: single ones, else a mixture.

    Args:
        target: the profile.
        others: the stored models.
        difficulty: difficulty of the items.
    """
    likenesses: list[Likeness] = []
    if len(target.layout.items) < FEWEST:
        return likenesses
    for other in others:
        likeness = _likeness_of_copy(resemble(target, other, difficulty), other.name)
        if likeness:
            likenesses.append(likeness)
    mixture = None if likenesses else _find_any_mixture(target, others, difficulty)
    return [mixture] if mixture else likenesses


def _likeness_of_copy(resemblance: Resemblance, name: str) -> Likeness | None:
    """Return the likeness of a copy of one model; None if it is not more alike than honest models are."""
    decisions = resemblance.decisions
    if is_corrected(resemblance):
        sentence = (
            f"its mistakes are those of {name} except for {decisions.gained} corrected ones: "
            f"it is wrong on {decisions.lost} items that {name} decides rightly, where "
            f"{decisions.expected_lost:.0f} are expected of another model"
        )
        return Likeness((name,), sentence, is_gain=True)
    if resemblance.correlation >= ALIKE:
        return Likeness(
            (name,), f"its scores are those of {name} plus noise (correlation {resemblance.correlation:.5f})"
        )
    if resemblance.typical >= TYPICAL:
        return Likeness(
            (name,), f"most of its scores are those of {name} (typical correlation {resemblance.typical:.5f})"
        )
    if decisions.differing_share <= MOST_DIFFERING:
        return Likeness((name,), f"its decisions are those of {name}: {_describe_decisions(decisions)}")
    return None


def is_corrected(resemblance: Resemblance) -> bool:
    """Return True if a model is another one with mistakes corrected."""
    decisions = resemblance.decisions
    if not is_gain(decisions.gained, decisions.lost):
        return False
    is_subset = decisions.lost_share <= MOST_LOST and decisions.gained_rank >= LEAST_RANK
    return is_subset or resemblance.unsigned >= LEAST_UNSIGNED


def is_gain(gained: int, lost: int) -> bool:
    """Return True if significantly more decisions are gained than lost."""
    from scipy.stats import binom

    return gained > lost and float(binom.sf(gained - 1, gained + lost, 0.5)) < SIGNIFICANT


def _describe_decisions(decisions: DecisionComparison) -> str:
    differing, expected = decisions.differing, decisions.expected_differing
    return f"{differing} of {decisions.items} differ, where {expected:.0f} are expected of another model"


def _find_any_mixture(target: Profile, others: Sequence[Profile], difficulty: Difficulty) -> Likeness | None:
    """Return the mixture of models that explains the scores or the decisions of a model; None if there is none."""
    mixture = find_mixture(target, others)
    if mixture:
        names = tuple(name for name, _ in mixture.shares)
        sources = f"a mixture of {_describe_shares(mixture.shares)}" if len(names) > 1 else f"those of {names[0]}"
        sentence = f"its scores are {sources} plus noise (typical correlation {mixture.typical:.5f})"
        return Likeness(names, sentence, tuple(share for _, share in mixture.shares))
    vote = find_vote(target, others, difficulty)
    if vote:
        names = tuple(name for name, _ in vote.shares)
        sentence = f"its decisions are a vote of {_describe_shares(vote.shares)}: "
        return Likeness(
            names, sentence + _describe_decisions(vote.comparison), tuple(share for _, share in vote.shares)
        )
    copied = copied_sections(target, others, difficulty)
    if copied:
        sources = ", ".join(f"{section} from {name}" for section, name in copied.items())
        names = tuple(dict.fromkeys(copied.values()))
        return Likeness(names, f"its sections are copied: {sources}", (1 / len(names),) * len(names))
    return None


def _describe_shares(shares: Sequence[tuple[str, float]]) -> str:
    return " and ".join(f"{100 * share:.0f}% {name}" for name, share in shares[:4])
