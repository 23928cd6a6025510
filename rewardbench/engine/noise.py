"""How far the batch moves a score in a short number format, and which decisions lie inside that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rewardbench.types import Item, ItemScores

EXACT = {"float32", "float64"}
"""Formats in which the batch moves no decision; nothing is measured for them."""


def is_exact(fingerprint: Mapping[str, Any]) -> bool:
    """Whether a scorer computes in full precision; float32 does not where matrices are multiplied in TF32.

    >>> [is_exact({"dtype": kind, "float32_matmul": "highest"}) for kind in ("float64", "float32", "bfloat16")]
    [True, True, False]
    >>> [is_exact({"dtype": kind, "float32_matmul": "high"}) for kind in ("float64", "float32", "bfloat16")]
    [True, False, False]
    """
    dtype = fingerprint.get("dtype", "float32")
    return dtype in EXACT and (dtype != "float32" or fingerprint.get("float32_matmul", "highest") == "highest")


def within_noise(items: Sequence[Item], scores: Sequence[ItemScores], noise: float) -> list[str]:
    """Ids of the items whose right and wrong completions are nearer to each other than twice the noise."""
    return [
        item.id
        for item, scored in zip(items, scores, strict=True)
        if scored.reason is None
        and item.has_preference
        and abs(min(scored.scores[: item.num_correct]) - max(scored.scores[item.num_correct :])) <= 2 * noise
    ]
