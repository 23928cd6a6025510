"""Score texts by a reward model, of which some cannot be scored."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite, nan

from rewardbench.errors import InputError
from rewardbench.scoring import LoadedScorer


def score_completions(scorer: LoadedScorer, prompts: Sequence[str], completions: Sequence[str]) -> list[float]:
    """Return the reward of each completion; NaN where the model gives none.

    Args:
        scorer: the reward model.
        prompts: prompt of each completion.
        completions: the texts.

    Raises:
        InputError: if there are several, and the model scores none of them.
    """
    if not completions:
        return []
    try:
        return scorer.score(list(prompts), list(completions))
    except InputError:
        rewards = [_score_single(scorer, *pair) for pair in zip(prompts, completions, strict=True)]
        if len(rewards) > 1 and not any(map(isfinite, rewards)):
            raise
    return rewards


def _score_single(scorer: LoadedScorer, prompt: str, completion: str) -> float:
    try:
        return scorer.score(prompt, completion)
    except InputError:
        return nan
