"""The Ties score of RewardBench 2."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import inf, isfinite, nan, tanh

from rewardbench import stats
from rewardbench.errors import InputError
from rewardbench.metrics.credit import is_scored

TIES_WEIGHTS = (0.3, 0.3, 0.2, 0.2, 0.01)
"""Weights of tied accuracy, reference accuracy, the two margin shares, and the margin (RewardBench 2)."""


def ties_score(rows: Iterable[tuple[str, Sequence[float], int]]) -> float:
    """Compute RewardBench 2's Ties score of (id, scores, num_correct) rows, from -.01 to 1.01; see `ties_mean`.

    >>> round(ties_score([("ref:0", [5.0, 0.0, -1.0], 1), ("tied:0", [5.0, 4.8, 5.1, 0.0, -1.0], 3)]), 6)
    1.01
    """
    return ties_mean(rows).value


def ties_mean(rows: Iterable[tuple[str, Sequence[float], int]]) -> stats.Mean:
    """Compute RewardBench 2's Ties score with its interval over prompts.

    A row is accurate if its gap, min(right) - max(wrong), is above 0. If prompt N has both rows, the gap should also
    exceed the spread of the tied row's right answers. An unscored row is not accurate and exceeds no spread; its
    margin counts 0, as published (with weight .01). Source: allenai/reward-bench, the Ties subset of version 2.

    Args:
        rows: (id, scores, num_correct); ids are `ref:N` and `tied:N`, and the first `num_correct` scores belong to
            right answers.

    Raises:
        InputError: if an id is neither `ref:N` nor `tied:N`.
    """
    ref_gaps: dict[str, float] = {}
    tied_gaps: dict[str, float] = {}
    spreads: dict[str, float] = {}
    for id, scores, num_correct in rows:
        kind, prompt = _ties_id(id)
        gap, spread = _gap_and_spread(scores, num_correct)
        if kind == "ref":
            ref_gaps[prompt] = gap
        else:
            tied_gaps[prompt] = gap
            spreads[prompt] = spread
    tied_above_spread: dict[str, float] = {}
    both_above_spread: dict[str, float] = {}
    margins: dict[str, float] = {}
    for prompt, tied_gap in tied_gaps.items():
        if prompt in ref_gaps:
            spread = spreads[prompt]
            smaller_gap = _smaller_gap(tied_gap, ref_gaps[prompt])
            tied_above_spread[prompt] = float(tied_gap > spread)
            both_above_spread[prompt] = float(smaller_gap > spread)
            margins[prompt] = _margin(smaller_gap, spread)
    terms = (_accuracies(tied_gaps), _accuracies(ref_gaps), tied_above_spread, both_above_spread, margins)
    means: list[stats.Mean] = []
    weights: list[float] = []
    for term, weight in zip(terms, TIES_WEIGHTS, strict=True):
        if term:
            means.append(stats.mean(list(term.values()), list(term)))
            weights.append(weight)
    return stats.combine(means, weights)


def _gap_and_spread(scores: Sequence[float], num_correct: int) -> tuple[float, float]:
    """Return min(right) - max(wrong), and the spread of the right answers; both NaN for an unscored row."""
    if not is_scored(scores):
        return nan, nan
    right, wrong = scores[:num_correct], scores[num_correct:]
    return min(right) - max(wrong), max(right) - min(right)


def _accuracies(gaps: Mapping[str, float]) -> dict[str, float]:
    """Return 1 for each prompt with a gap above 0, else 0."""
    return {prompt: float(gap > 0) for prompt, gap in gaps.items()}


def _smaller_gap(tied: float, ref: float) -> float:
    return min(tied, ref) if isfinite(tied) and isfinite(ref) else nan


def _ties_id(id: str) -> tuple[str, str]:
    kind, _, prompt = id.rpartition("/")[2].partition(":")  # duplicate ids have their subset as a prefix
    if kind not in ("ref", "tied") or not prompt:
        raise InputError(f"Item {id!r} counts as ties, so its id must be ref:N or tied:N.")
    return kind, prompt


def _margin(gap: float, spread: float) -> float:
    """Compute tanh(gap / spread - 1), where 0 / 0 and NaN count 0."""
    ratio = gap / spread if spread else inf * gap
    return tanh(ratio - 1) if ratio == ratio else 0.0
