"""The Ties score of RewardBench 2."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import inf, isfinite, nan, tanh

from rewardbench import stats
from rewardbench.errors import InputError
from rewardbench.metrics.credit import is_scored

TIES_WEIGHTS = (0.3, 0.3, 0.2, 0.2, 0.01)
"""RewardBench 2, Ties: tied accuracy, reference accuracy, the two margin shares, and the margin itself."""


def ties_score(rows: Iterable[tuple[str, Sequence[float], int]]) -> float:
    """RewardBench 2's Ties score of (id, scores, num_correct) rows, from -.01 to 1.01; see `ties_mean`.

    >>> round(ties_score([("ref:0", [5.0, 0.0, -1.0], 1), ("tied:0", [5.0, 4.8, 5.1, 0.0, -1.0], 3)]), 6)
    1.01
    """
    return ties_mean(rows).value


def ties_mean(rows: Iterable[tuple[str, Sequence[float], int]]) -> stats.Mean:
    """RewardBench 2's Ties score with its interval over prompts.

    Ids are `ref:N` and `tied:N`; the first `num_correct` scores are of right answers. An answer set is
    accurate if its gap, min(right) - max(wrong), is above 0. Where prompt N has both rows, the gap should
    also exceed the spread of the tied row's right answers. An unscored row is not accurate and exceeds
    nothing; its margin is 0, as published (a margin that does not exist counts 0, and weighs .01).
    Source: allenai/reward-bench, the Ties subset of version 2.
    """
    gaps: dict[str, dict[str, float]] = {"ref": {}, "tied": {}}
    spreads: dict[str, float] = {}
    for id, scores, num_correct in rows:
        kind, prompt = _ties_id(id)
        right, wrong = list(scores[:num_correct]), list(scores[num_correct:])
        scored = is_scored(scores)
        gaps[kind][prompt] = min(right) - max(wrong) if scored else nan
        if kind == "tied":
            spreads[prompt] = max(right) - min(right) if scored else nan
    tied, ref = gaps["tied"], gaps["ref"]
    both = [n for n in tied if n in ref]
    hard = {n: min(tied[n], ref[n]) if isfinite(tied[n]) and isfinite(ref[n]) else nan for n in both}
    terms: list[dict[str, float]] = [
        {n: float(gap > 0) for n, gap in tied.items()},
        {n: float(gap > 0) for n, gap in ref.items()},
        {n: float(tied[n] > spreads[n]) for n in both},
        {n: float(hard[n] > spreads[n]) for n in both},
        {n: _margin(hard[n], spreads[n]) for n in both},
    ]
    kept = [(stats.mean(list(t.values()), list(t)), w) for t, w in zip(terms, TIES_WEIGHTS, strict=True) if t]
    return stats.combine([m for m, _ in kept], [w for _, w in kept])


def _ties_id(id: str) -> tuple[str, str]:
    kind, _, prompt = id.rpartition("/")[2].partition(":")  # ids that repeat carry their subset in front
    if kind not in ("ref", "tied") or not prompt:
        raise InputError(f"Item {id!r} counts as ties, so its id must be ref:N or tied:N.")
    return kind, prompt


def _margin(gap: float, spread: float) -> float:
    """tanh(gap / spread - 1), where 0 / 0 and NaN count 0."""
    ratio = gap / spread if spread else inf * gap
    return tanh(ratio - 1) if ratio == ratio else 0.0
