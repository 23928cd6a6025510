"""Sums of steps with random signs, for the permutation tests that cannot enumerate all signs."""

from __future__ import annotations

from functools import cache

import numpy as np

DRAWS = 20_000
MOST_BITS = 5_000
"""Number of steps beyond which the positive signs of equal steps are drawn as one number."""
WORD = 16
"""Random bits in a word, each of which is the sign of a step."""
CELLS = 10**7
"""Random numbers in memory at a time."""


def sampled_p_value(steps: np.ndarray, observed: float, seed: int) -> float:
    """Estimate the p-value from random signs; the observed assignment counts as a sample, so that p is never 0."""
    random = np.random.default_rng(seed)
    sizes, counts = np.unique(steps.round(12 - int(np.ceil(np.log10(steps.max())))), return_counts=True)
    grouped = 4 * len(sizes) < len(steps)
    rows = max(1, CELLS // (len(sizes) if grouped else len(steps)))
    extreme, remaining = 0, DRAWS
    while remaining:
        samples = min(rows, remaining)
        if grouped:
            sums = _draw_sums(sizes, counts, samples, random)
        else:
            sums = (random.integers(0, 2, (samples, len(steps)), dtype=np.int8) * 2.0 - 1.0) @ steps
        extreme += int((np.abs(sums) >= observed * (1 - 1e-9)).sum())
        remaining -= samples
    return (extreme + 1) / (DRAWS + 1)


def _draw_sums(sizes: np.ndarray, counts: np.ndarray, samples: int, random: np.random.Generator) -> np.ndarray:
    """Sum steps with random signs: [samples].

    Args:
        sizes: sizes of steps: [groups].
        counts: number of steps of each size: [groups].
        samples: number of sums.
        random: the source of random numbers.
    """
    is_many = counts.sum() > MOST_BITS
    sums = np.zeros(samples)
    for size, count in zip(sizes.tolist(), counts.tolist(), strict=True):
        positives = random.binomial(count, 0.5, samples) if is_many else _count_ones(count, samples, random)
        sums += size * (2.0 * positives - count)
    return sums


def _count_ones(bits: int, samples: int, random: np.random.Generator) -> np.ndarray:
    """Count the ones among random bits: [samples]."""
    words = random.integers(0, 2**WORD, (-(-bits // WORD), samples), dtype=np.uint16)
    words[-1] >>= -bits % WORD
    ones: np.ndarray = _ones()[words].sum(axis=0)
    return ones


@cache
def _ones() -> np.ndarray:
    """Return the number of bits that are 1 in each word."""
    bits = np.unpackbits(np.arange(2**WORD, dtype=np.uint16).view(np.uint8)).reshape(-1, WORD)
    ones: np.ndarray = bits.sum(axis=1, dtype=np.uint8)
    return ones
