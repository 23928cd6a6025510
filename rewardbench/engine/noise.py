"""Tell whether batching changes scores at this dtype, and which decisions are within that noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rewardbench.types import Item, ItemScores

EXACT = {"float32", "float64"}
"""Dtypes at which batching changes no decision, so that no noise is measured."""


def is_exact(fingerprint: Mapping[str, object]) -> bool:
    """Return True if a scorer computes in full precision, without TF32 and without quantised weights.

    >>> [is_exact({"dtype": kind, "float32_matmul": "highest"}) for kind in ("float64", "float32", "bfloat16")]
    [True, True, False]
    >>> [is_exact({"dtype": kind, "float32_matmul": "high"}) for kind in ("float64", "float32", "bfloat16")]
    [True, False, False]
    """
    dtype = fingerprint.get("dtype", "float32")
    if "quantization" in fingerprint:
        return False
    return dtype in EXACT and (dtype != "float32" or fingerprint.get("float32_matmul", "highest") == "highest")


def count_within_noise(items: Sequence[Item], scores: Sequence[ItemScores], noise: float) -> int:
    """Count the items whose margin is at most twice the noise, so that batching could change the decision.

    Args:
        items: items of a suite.
        scores: their scores, in the same order.
        noise: largest difference between a batched and an unbatched score.
    """
    count = 0
    for item, item_scores in zip(items, scores, strict=True):
        if item_scores.reason is not None or not item.has_preference:
            continue
        right = item_scores.scores[: item.num_correct]
        wrong = item_scores.scores[item.num_correct :]
        count += abs(min(right) - max(wrong)) <= 2 * noise
    return count
