"""Rules by which an ensemble scores an item from the scores of its members.

Scalar rules combine the members' scores of each completion. Voting rules count which completion each member prefers.
The objectives mean, worst case and mean minus variance are those of Coste et al. 2023, "Reward Model Ensembles Help
Mitigate Overoptimization"; voting by several judges is the panel of judges (PoLL) of Verga et al. 2024.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Literal

import numpy as np

from rewardbench.errors import InputError
from rewardbench.metrics import is_scored

if TYPE_CHECKING:
    from numpy.typing import NDArray

RuleName = Literal["mean", "min", "mean-variance", "majority", "plurality-rewardbench"]
VOTING_RULES = ("majority", "plurality-rewardbench")


@dataclass(frozen=True)
class EnsembleRule:
    """How an ensemble scores an item.

    Attributes:
        name: mean; min (worst case); mean-variance (mean minus `penalty` times the population variance over the
            members); majority (the completion that more than half of the members prefer); or plurality-rewardbench
            (the most frequent verdict, as rewardbench 0.1 counts the votes of several judges).
        penalty: weight of the variance, at least 0; 1 if None. Only with mean-variance.
        standardize: whether each member's scores are standardised first. Only with scalar rules.

    Raises:
        InputError: if an option does not belong to the rule, or the penalty is negative or not finite.
    """

    name: RuleName = "mean"
    penalty: float | None = None
    standardize: bool = False

    def __post_init__(self) -> None:
        if self.penalty is not None:
            if self.name != "mean-variance":
                raise InputError(f"--penalty has no effect with --rule {self.name}: pass --rule mean-variance.")
            if not 0 <= self.penalty < inf:
                raise InputError(f"--penalty {self.penalty:g} is not a number of at least 0.")
        if self.standardize and self.votes:
            raise InputError(f"--standardize has no effect with --rule {self.name}, which counts votes: leave it out.")

    @property
    def votes(self) -> bool:
        """Return True if the rule counts votes, False if it combines scores."""
        return self.name in VOTING_RULES

    @property
    def variance_weight(self) -> float:
        """Return the weight of the variance in mean-variance."""
        return 1.0 if self.penalty is None else float(self.penalty)

    @property
    def fingerprint(self) -> dict[str, object]:
        """Return the rule with the parameters that can change its scores."""
        parameters: dict[str, object] = {"rule": self.name}
        if self.name == "mean-variance":
            parameters["penalty"] = self.variance_weight
        if not self.votes:
            parameters["standardize"] = self.standardize
        return parameters

    def describe(self) -> str:
        """Describe the rule in one or two sentences."""
        sentences = {
            "mean": "The score is the mean of the members' scores.",
            "min": "The score is the lowest of the members' scores (worst case).",
            "mean-variance": (
                f"The score is the mean of the members' scores minus {self.variance_weight:g} times their population "
                "variance."
            ),
            "majority": (
                "A completion wins if more than half of the members prefer it; its score is its share of their votes."
            ),
            "plurality-rewardbench": (
                "The most frequent verdict counts, as in rewardbench 0.1: a tie or a failure of a member is a verdict "
                "too, and an item without a winner gets the credit of a random pick."
            ),
        }
        if not self.standardize:
            return sentences[self.name]
        return (
            f"{sentences[self.name]} Each member's scores were standardised first: minus their mean, divided by their "
            "population standard deviation, over all completions of the items that the member scored."
        )


def combine_scores(rule: EnsembleRule, scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Combine the scores of the members by a scalar rule.

    Args:
        rule: the rule.
        scores: [members, completions].

    Returns:
        [completions]

    >>> scores = np.array([[1.0, 4.0], [3.0, 0.0]])
    >>> [combine_scores(EnsembleRule(name), scores).tolist() for name in ("mean", "min", "mean-variance")]
    [[2.0, 2.0], [1.0, 0.0], [1.0, -2.0]]
    """
    with np.errstate(over="ignore", invalid="ignore"):  # scores near the limits of a float
        if rule.name == "min":
            combined = scores.min(axis=0)
        elif rule.name == "mean":
            combined = scores.mean(axis=0)
        else:
            combined = scores.mean(axis=0) - rule.variance_weight * scores.var(axis=0)
    return np.asarray(combined, dtype=np.float64)


def preferred(scores: Sequence[float]) -> int | None:
    """Return the index of the completion with the highest score; None if several have it, or the item is unscored.

    >>> preferred((0.2, 0.7)), preferred((0.5, 0.5)), preferred((float("nan"), 1.0))
    (1, None, None)
    """
    if not is_scored(scores):
        return None
    top = max(scores)
    return scores.index(top) if scores.count(top) == 1 else None


def majority_scores(votes: Sequence[int | None], completions: int) -> tuple[float, ...]:
    """Return the share of votes of each completion if one has more than half of all; else equal scores, a tie.

    Votes of None count for no completion, but they count as members: a failure never helps a completion to win.

    >>> majority_scores((0, 0, 1), 2), majority_scores((0, 1, None), 2)
    ((0.6666666666666666, 0.3333333333333333), (0.5, 0.5))
    """
    counts = [votes.count(index) for index in range(completions)]
    if 2 * max(counts) <= len(votes):
        return (1 / completions,) * completions
    return tuple(count / len(votes) for count in counts)


def plurality_verdict(votes: Sequence[int | None]) -> tuple[int | None, bool]:
    """Return the most frequent verdict, as rewardbench 0.1 votes, and whether it is the only most frequent one.

    None is the verdict "error". Among verdicts with equal counts rewardbench 0.1 takes the first in the order of a
    Python set of strings, which changes from process to process; here the verdict is then None.

    >>> plurality_verdict((0, 0, 1)), plurality_verdict((0, None, None)), plurality_verdict((0, 1, None))
    ((0, True), (None, True), (None, False))
    """
    counts = Counter(votes).most_common(2)
    if len(counts) == 2 and counts[0][1] == counts[1][1]:
        return None, False
    return counts[0][0], True


def verdict_scores(verdict: int | None, completions: int) -> tuple[float, ...]:
    """Return 1 for the winner and 0 for the others; without a winner, equal scores that sum to 1.

    >>> verdict_scores(1, 2), verdict_scores(None, 4)
    ((0.0, 1.0), (0.25, 0.25, 0.25, 0.25))
    """
    if verdict is None:
        return (1 / completions,) * completions
    return tuple(float(index == verdict) for index in range(completions))
