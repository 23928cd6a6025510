"""Sums of steps with random signs, for the permutation tests that cannot enumerate all signs."""

from __future__ import annotations

from functools import cache, lru_cache

import numpy as np

MOST_BITS = 5_000
"""Number of steps beyond which the positive signs of equal steps are drawn as one number."""
WORD = 16
"""Random bits in a word, each of which is the sign of a step."""
CELLS = 10**7
"""Random numbers in memory at a time."""


def sampled_p_value(steps: np.ndarray, observed: float, draws: int, seed: int) -> float:
    """Estimate the p-value from random signs; the observed assignment counts as a sample, so that p is never 0."""
    sizes, counts = np.unique(steps.round(12 - int(np.ceil(np.log10(steps.max())))), return_counts=True)
    limit = observed * (1 - 1e-9)
    if 4 * len(sizes) < len(steps):
        return (int((np.abs(_draw_sums(sizes, counts, draws, seed)) >= limit).sum()) + 1) / (draws + 1)
    random = np.random.default_rng(seed)
    rows = max(1, CELLS // len(steps))
    extreme, remaining = 0, draws
    while remaining:
        samples = min(rows, remaining)
        sums = (random.integers(0, 2, (samples, len(steps)), dtype=np.int8) * 2.0 - 1.0) @ steps
        extreme += int((np.abs(sums) >= limit).sum())
        remaining -= samples
    return (extreme + 1) / (draws + 1)


def _draw_sums(sizes: np.ndarray, counts: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """Sum steps with random signs: [draws].

    Args:
        sizes: sizes of steps: [groups].
        counts: number of steps of each size: [groups].
        draws: number of sums.
        seed: seed of the signs.
    """
    sums = np.full(draws, -float(sizes @ counts))
    if counts.sum() > MOST_BITS:
        random = np.random.default_rng(seed)
        for size, count in zip(sizes.tolist(), counts.tolist(), strict=True):
            sums += 2.0 * size * random.binomial(count, 0.5, draws)
        return sums
    lengths = -(-counts // WORD)
    words = _draw_words(seed, 1 << int(lengths.sum() - 1).bit_length(), draws)
    start = 0
    for size, count, length in zip(sizes.tolist(), counts.tolist(), lengths.tolist(), strict=True):
        ones = _count_ones(words[start] >> (length * WORD - count)).astype(np.uint16)
        for full in words[start + 1 : start + length]:
            ones += _count_ones(full)
        sums += 2.0 * size * ones
        start += length
    return sums


@lru_cache(maxsize=4)
def _draw_words(seed: int, words: int, draws: int) -> np.ndarray:
    """Draw random bits, once for all tests: [words, draws]."""
    return np.random.default_rng(seed).integers(0, 2**WORD, (words, draws), dtype=np.uint16)


def _count_ones(words: np.ndarray) -> np.ndarray:
    """Return the number of bits that are 1 in each word."""
    has_count = hasattr(np, "bitwise_count")  # since numpy 2
    ones: np.ndarray = np.bitwise_count(words) if has_count else _ones_of_each_word()[words]
    return ones


@cache
def _ones_of_each_word() -> np.ndarray:
    """Return the number of bits that are 1 in each of the numbers that a word can be, in their order."""
    bits = np.unpackbits(np.arange(2**WORD, dtype=np.uint16).view(np.uint8)).reshape(-1, WORD)
    ones: np.ndarray = bits.sum(axis=1, dtype=np.uint8)
    return ones
