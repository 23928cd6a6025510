"""Linear models on shallow features, cross-validated by group: what training alone can find without understanding.

A row is the difference of a right and a wrong response's features, so that a model without intercept says of the
swapped pair exactly the opposite. With few rows and very many features, the regression is solved among the rows.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardbench.audit.shallow import texts, words
from rewardbench.types import Item

Floats = NDArray[np.float64]
FOLDS, FOLD_SEEDS, REFITS = 5, 5, 200
BUCKETS = 2**18
MANY = 1000
"""Pairs beyond which the lower bound takes 40 refits on one set of folds: it is narrow there in any case."""
STRENGTH = 10.0
"""C of the interaction model, as its rule says."""
PLAIN = 1.0
"""C of TF-IDF, the usual default."""
CLOSE = 1e-4
"""How near to its optimum a fit must come, as a share of the largest weight a row can have."""
TIE = 1e-9
"""Margins below this are rounding, and count half."""
ONE_SIDED = 1.645


@dataclass(frozen=True)
class Differences:
    """Right minus wrong of every pair: how alike any two rows are [rows, rows], and the group of each row."""

    gram: Floats
    groups: NDArray[np.int64]


@dataclass(frozen=True)
class Learned:
    """Accuracy over held-out folds, and its one-sided 95 % lower bound."""

    accuracy: float
    low: float


def tfidf(items: Sequence[Item]) -> float:
    """Accuracy of a logistic regression on differences of 1-2-gram TF-IDF, blind to the prompt."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    found = [(texts(item)[1], some_pairs(item), group_of(item)) for item in items]
    right = [completions[r] for completions, which, _ in found for r, _ in which]
    wrong = [completions[w] for completions, which, _ in found for _, w in which]
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"\w+|[^\w\s]").fit(sorted({*right, *wrong}))
    rows = vectorizer.transform(right) - vectorizer.transform(wrong)
    data = _differences(rows, [group for _, which, group in found for _ in which])
    return float(np.mean([_cross_validate(data, _folds(data, seed), _ones(data), PLAIN) for seed in range(FOLD_SEEDS)]))


def interaction(items: Sequence[Item]) -> Learned:
    """The same on pairs of a prompt word and a response word, binary and hashed to 2^18 features, rows of length 1.

    The lower bound is the accuracy less 1.645 times the deviation of 200 refits in which right and wrong change
    places in random groups: what such a model reaches where there is nothing to learn.
    """
    rows, groups = [], []
    for item in items:
        prompt, completions = texts(item)
        crossed = [_crossed(words(prompt), words(text)) for text in completions]
        rows += [(crossed[right], crossed[wrong]) for right, wrong in some_pairs(item)]
        groups += [group_of(item)] * len(some_pairs(item))
    data = _differences(_normalised(_sparse(rows)), groups)
    accuracy = float(np.mean([_cross_validate(data, _folds(data, seed), _ones(data)) for seed in range(FOLD_SEEDS)]))
    return Learned(accuracy, accuracy - ONE_SIDED * _null_deviation(data))


def some_pairs(item: Item) -> list[tuple[int, int]]:
    """Right-wrong pairs in which every completion has its turn: of a pair the one, of Ties not all combinations."""
    right, wrong = item.num_correct, len(item.completions) - item.num_correct
    return [(n % right, right + n % wrong) for n in range(max(right, wrong))]


def group_of(item: Item) -> str:
    """What an item shares with others: its group, else its prompt."""
    return item.group or texts(item)[0]


def _crossed(prompt: set[str], response: set[str]) -> NDArray[np.int64]:
    """The features of a prompt with a response: each pair of their words, hashed."""
    left = np.array([zlib.crc32(word.encode()) for word in prompt], dtype=np.uint64)
    right = np.array([zlib.crc32(word.encode()) for word in response], dtype=np.uint64)
    mixed = (left[:, None] * np.uint64(0x9E3779B97F4A7C15)) ^ (right[None, :] * np.uint64(0xC2B2AE3D27D4EB4F))
    return np.unique((mixed >> np.uint64(40)) % np.uint64(BUCKETS)).astype(np.int64)


def _sparse(rows: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]]) -> Any:
    """Right minus wrong as a sparse matrix [rows, features]; what both hold is gone."""
    from scipy.sparse import csr_matrix

    plus = [np.setdiff1d(right, wrong, assume_unique=True) for right, wrong in rows]
    minus = [np.setdiff1d(wrong, right, assume_unique=True) for right, wrong in rows]
    columns = [np.concatenate(both) for both in zip(plus, minus, strict=True)]
    values = [np.repeat([1.0, -1.0], [len(p), len(m)]) for p, m in zip(plus, minus, strict=True)]
    starts = np.cumsum([0, *map(len, columns)])
    return csr_matrix((np.concatenate(values), np.concatenate(columns), starts), shape=(len(rows), BUCKETS))


def _normalised(rows: Any) -> Any:
    from scipy.sparse import diags
    from scipy.sparse.linalg import norm

    lengths = norm(rows, axis=1)
    return diags(1 / np.where(lengths == 0, 1, lengths)) @ rows


def _differences(rows: Any, groups: Sequence[str]) -> Differences:
    _, which = np.unique(np.asarray(groups, dtype=object).astype(str), return_inverse=True)
    return Differences((rows @ rows.T).toarray(), which)


def _ones(data: Differences) -> Floats:
    return np.ones((1, len(data.groups)))


def _folds(data: Differences, seed: int) -> NDArray[np.int64]:
    """The fold of each row: groups are dealt out in random order, so that the folds are even."""
    count = int(data.groups.max()) + 1
    dealt = np.empty(count, dtype=np.int64)
    dealt[np.random.default_rng(seed).permutation(count)] = np.arange(count) % FOLDS
    return dealt[data.groups]


def _cross_validate(data: Differences, folds: NDArray[np.int64], signs: Floats, strength: float = STRENGTH) -> Floats:
    """Held-out accuracy of a fit for each row of `signs` [fits, rows]: 1, or -1 where right and wrong are swapped.

    NaN where there is only one group.
    """
    if len(np.unique(data.groups)) < 2:
        return np.full(len(signs), np.nan)
    right = np.zeros(len(signs))
    for fold in range(FOLDS):
        test, train = folds == fold, folds != fold
        if not test.any() or not train.any():
            continue
        weights = _fit(data.gram[np.ix_(train, train)], signs[:, train], strength)
        margins = (weights @ data.gram[np.ix_(train, test)]) * signs[:, test]
        right += (0.5 + 0.5 * np.sign(np.where(np.abs(margins) < TIE, 0, margins))).sum(1)
    return right / len(folds)


def _fit(gram: Floats, signs: Floats, strength: float, steps: int = 500) -> Floats:
    """Logistic regression without intercept, in the span of its rows: weights [fits, rows].

    At the optimum each row's weight is the strength times its sign times the probability of its being wrong. The
    curvature is bounded by its largest value, so that one inverse serves all fits (Böhning and Lindsay 1988).
    """
    bound = np.linalg.inv(np.eye(len(gram)) + strength / 4 * gram)
    weights = np.zeros_like(signs)
    for _ in range(steps):
        wrong = 1 / (1 + np.exp(np.clip(signs * (weights @ gram), -500, 500)))
        residual = strength * signs * wrong - weights
        if np.abs(residual).max() < CLOSE * strength:
            break
        weights += residual @ bound
    return weights


def _null_deviation(data: Differences) -> float:
    """Deviation of the accuracy where there is nothing to learn, averaged over the same folds."""
    rng, large = np.random.default_rng(0), len(data.groups) > MANY
    refits, seeds = (REFITS // 5, 1) if large else (REFITS, FOLD_SEEDS)
    flips = rng.choice([-1.0, 1.0], size=(refits, int(data.groups.max()) + 1))[:, data.groups]
    accuracies = np.mean([_cross_validate(data, _folds(data, seed), flips) for seed in range(seeds)], axis=0)
    return float(np.std(accuracies))
