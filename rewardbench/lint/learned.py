"""Learned shortcuts: linear models on shallow features, cross-validated by group.

A row is the difference of a right and a wrong response's features, so that a model without intercept predicts exactly
the opposite for the swapped pair. With few rows and very many features, the regression is solved in its dual form.

Rows are limited by the caller, features by hashing, and words by `PART` and `CROSSED`: time and memory are bounded.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rewardbench.lint.arrays import Floats, Hashes, Indices
from rewardbench.lint.shortcuts import distinct_words, item_texts, number_groups
from rewardbench.types import Item

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Features = NDArray[np.int32]
FOLDS, FOLD_SEEDS, REFITS = 5, 5, 200
BUCKETS = 2**18
TFIDF_BUCKETS = 2**20
MANY = 500
"""Number of pairs beyond which one fold assignment and 40 refits are precise enough."""
DENSE, BLOCK = 1 / 32, 4096
"""Share of rows above which a column counts as dense, and the dense columns multiplied at a time."""
MOST_PAIRS = 100
"""Largest number of right-wrong pairs of one item."""
PART = 10_000
"""Characters of a text, from its start, that are used."""
CROSSED = 16_000_000
"""Largest number of word pairs over all rows; longer texts use fewer words, selected by hash."""
STRENGTH = 10.0
"""C of the interaction model, as its rule says."""
PLAIN = 1.0
"""C of TF-IDF, the usual default."""
CLOSE = 1e-4
"""Convergence tolerance, relative to the largest possible weight of a row."""
TIE = 1e-9
"""Margins below this are rounding errors, and count half."""
ONE_SIDED = 1.645


@dataclass(frozen=True)
class FeatureDifferences:
    """Feature differences (right minus wrong) of pairs: inner products [rows, rows], and groups [rows]."""

    gram: Floats
    groups: Indices


@dataclass(frozen=True)
class Learned:
    """Accuracy over held-out folds, and its one-sided 95 % lower bound."""

    accuracy: float
    low: float


def tfidf(items: Sequence[Item]) -> float:
    """Compute the accuracy of a logistic regression on 1-2-gram TF-IDF differences, without the prompt."""
    groups = _pair_groups(items)
    if len(set(groups)) < 2:
        return nan
    right_texts: list[str] = []
    wrong_texts: list[str] = []
    for item in items:
        _, completions = item_texts(item)
        for right, wrong in some_pairs(item):
            right_texts.append(completions[right][:PART])
            wrong_texts.append(completions[wrong][:PART])
    vectors = _tfidf_vectors(right_texts, wrong_texts)
    pairs = len(right_texts)
    return _mean_accuracy(_differences(vectors[:pairs] - vectors[pairs:], groups), PLAIN)


def _tfidf_vectors(right: Sequence[str], wrong: Sequence[str]) -> csr_matrix:
    """Return the TF-IDF vectors of both lists of texts, one after the other; document frequencies count a text once."""
    from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer

    pattern = r"\w+|[^\w\s]"
    counter = HashingVectorizer(
        ngram_range=(1, 2), token_pattern=pattern, n_features=TFIDF_BUCKETS, alternate_sign=False, norm=None
    )
    distinct = sorted({*right, *wrong})
    places = {text: place for place, text in enumerate(distinct)}
    vectors = TfidfTransformer().fit_transform(counter.transform(distinct))
    return vectors[[places[text] for text in (*right, *wrong)]]


def interaction(items: Sequence[Item]) -> Learned:
    """Compute the accuracy of a logistic regression on pairs of a prompt word and a response word.

    Features are binary, hashed to 2^18 buckets, and rows have length 1. The lower bound is the accuracy minus 1.645
    standard deviations of 200 refits in which right and wrong are swapped in random groups.
    """
    groups = _pair_groups(items)
    if len(set(groups)) < 2:
        return Learned(nan, nan)
    words_limit = int((CROSSED / (2 * len(groups))) ** 0.5)
    rows: list[tuple[Features, Features]] = []
    for item in items:
        rows += _crossed_pairs(item, words_limit)
    data = _differences(_normalised(_sparse(rows)), groups)
    accuracy = _mean_accuracy(data, STRENGTH)
    return Learned(accuracy, accuracy - ONE_SIDED * _null_deviation(data))


def _crossed_pairs(item: Item, words_limit: int) -> list[tuple[Features, Features]]:
    """Return the features of the right and of the wrong completion of each pair, each completion computed once."""
    prompt, completions = item_texts(item)
    prompt_words = _word_hashes(prompt, words_limit)
    features: dict[int, Features] = {}
    for pair in some_pairs(item):
        for completion in pair:
            if completion not in features:
                features[completion] = _crossed(prompt_words, _word_hashes(completions[completion], words_limit))
    return [(features[right], features[wrong]) for right, wrong in some_pairs(item)]


def _mean_accuracy(data: FeatureDifferences, strength: float) -> float:
    """Compute the held-out accuracy, averaged over the fold assignments."""
    no_swaps = np.ones((1, len(data.groups)))
    accuracies: list[Floats] = []
    for seed in range(_seeds(data)):
        accuracies.append(_cross_validate(data, _folds(data, seed), no_swaps, strength))
    return float(np.mean(accuracies))


def some_pairs(item: Item) -> list[tuple[int, int]]:
    """List right-wrong pairs in which every completion occurs, at most `MOST_PAIRS`; for Ties not all combinations."""
    num_correct, num_wrong = item.num_correct, len(item.completions) - item.num_correct
    count = min(max(num_correct, num_wrong), MOST_PAIRS)
    return [(n % num_correct, num_correct + n % num_wrong) for n in range(count)]


def group_of(item: Item) -> str:
    """Return what an item shares with others: its group, or else its prompt."""
    return item.group or item_texts(item)[0]


def _pair_groups(items: Sequence[Item]) -> list[str]:
    """Return the group of each right-wrong pair of the items."""
    groups: list[str] = []
    for item in items:
        groups += [group_of(item)] * len(some_pairs(item))
    return groups


def _word_hashes(text: str, limit: int) -> Hashes:
    """Return the hashes of a text's words, at most `limit`: the smallest, so that texts agree on the selection."""
    encoded_words = [word.encode("utf-8", "surrogatepass") for word in distinct_words(text[:PART])]
    hashes = np.array(list(map(zlib.crc32, encoded_words)), np.uint64)
    return np.sort(hashes)[:limit]


def _crossed(prompt: Hashes, response: Hashes) -> Features:
    """Hash each pair of a prompt word and a response word into a feature."""
    prompt_bits, response_bits = prompt * np.uint64(0x9E3779B97F4A7C15), response * np.uint64(0xC2B2AE3D27D4EB4F)
    mixed = prompt_bits[:, None] ^ response_bits[None, :]
    return np.unique((mixed >> np.uint64(40)) % np.uint64(BUCKETS)).astype(np.int32)


def _sparse(rows: Sequence[tuple[Features, Features]]) -> csr_matrix:
    """Compute right minus wrong as a sparse matrix [rows, features]; common features cancel."""
    from scipy.sparse import csr_matrix

    columns: list[Features] = []
    values: list[Floats] = []
    for right, wrong in rows:
        right_only = np.setdiff1d(right, wrong, assume_unique=True)
        wrong_only = np.setdiff1d(wrong, right, assume_unique=True)
        columns.append(np.concatenate([right_only, wrong_only]))
        values.append(np.repeat([1.0, -1.0], [len(right_only), len(wrong_only)]))
    starts = np.cumsum([0, *map(len, columns)])
    return csr_matrix((np.concatenate(values), np.concatenate(columns), starts), shape=(len(rows), BUCKETS))


def _normalised(rows: csr_matrix) -> csr_matrix:
    """Scale each row to length 1."""
    from scipy.sparse import diags
    from scipy.sparse.linalg import norm

    lengths = norm(rows, axis=1)
    return diags(1 / np.where(lengths == 0, 1, lengths)) @ rows


def _differences(rows: csr_matrix, groups: Sequence[str]) -> FeatureDifferences:
    return FeatureDifferences(_gram(rows), number_groups(groups))


def _gram(rows: csr_matrix) -> Floats:
    """Return the inner products of sparse rows [rows, features]: [rows, rows].

    A sparse product takes the square of a column's entries: columns that most rows share are multiplied densely, a
    block at a time.
    """
    entries = np.bincount(rows.indices, minlength=rows.shape[1])
    dense = np.flatnonzero(entries > DENSE * rows.shape[0])
    columns = rows.tocsc()
    gram = np.zeros((rows.shape[0], rows.shape[0]))
    for start in range(0, len(dense), BLOCK):
        block = columns[:, dense[start : start + BLOCK]].toarray()
        gram += block @ block.T
    sparse = columns[:, np.flatnonzero((entries > 0) & (entries <= DENSE * rows.shape[0]))].tocsr()
    return np.asarray(gram + (sparse @ sparse.T).toarray())


def _seeds(data: FeatureDifferences) -> int:
    """Return the number of fold assignments."""
    return 1 if len(data.groups) > MANY else FOLD_SEEDS


def _folds(data: FeatureDifferences, seed: int) -> Indices:
    """Assign each row to a fold: groups are distributed in random order, so that the folds are even."""
    count = int(data.groups.max()) + 1
    fold_of_group = np.empty(count, dtype=np.int64)
    fold_of_group[np.random.default_rng(seed).permutation(count)] = np.arange(count) % FOLDS
    return fold_of_group[data.groups]


def _cross_validate(data: FeatureDifferences, folds: Indices, signs: Floats, strength: float) -> Floats:
    """Compute the held-out accuracy of a fit for each row of `signs` [fits, rows]: 1, or -1 for a swapped pair.

    The accuracy is NaN if there is only one group.
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
    """Fit logistic regressions without intercept, in the span of the rows; return the weights [fits, rows].

    At the optimum each row's weight is the strength times its sign times the probability of its being wrong. The
    curvature is bounded by its largest value, so that one inverse serves all fits (Böhning and Lindsay 1988). Steps
    have momentum, which restarts when the objective rises (O'Donoghue and Candès 2015): otherwise nearly equal rows
    take thousands of steps. Converged fits are not updated.
    """
    inverse = np.linalg.inv(np.eye(len(gram)) + strength / 4 * gram)
    weights = np.zeros_like(signs)
    active = np.arange(len(signs))
    lookahead, previous = weights.copy(), weights.copy()
    lookahead_margins, previous_margins = weights.copy(), weights.copy()
    age = np.zeros((len(signs), 1))
    for _ in range(steps):
        wrong = 1 / (1 + np.exp(np.clip(signs[active] * lookahead_margins, -500, 500)))
        residual = strength * signs[active] * wrong - lookahead
        weights[active] = lookahead
        unconverged = np.abs(residual).max(axis=1) >= CLOSE * strength
        if not unconverged.any():
            break
        updated = lookahead + residual @ inverse
        updated_margins = updated @ gram
        uphill = (residual * (updated_margins - previous_margins)).sum(axis=1, keepdims=True) < 0
        age = np.where(uphill, 0, age + 1)
        momentum = age / (age + 3)
        lookahead = (updated + momentum * (updated - previous))[unconverged]
        lookahead_margins = (updated_margins + momentum * (updated_margins - previous_margins))[unconverged]
        previous, previous_margins = updated[unconverged], updated_margins[unconverged]
        age, active = age[unconverged], active[unconverged]
    return weights


def _null_deviation(data: FeatureDifferences) -> float:
    """Compute the standard deviation of the accuracy under random swaps, averaged over the same folds."""
    rng, seeds = np.random.default_rng(0), _seeds(data)
    refits = REFITS if seeds > 1 else REFITS // 5
    swaps = rng.choice([-1.0, 1.0], size=(refits, int(data.groups.max()) + 1))[:, data.groups]
    accuracies: list[Floats] = []
    for seed in range(seeds):
        accuracies.append(_cross_validate(data, _folds(data, seed), swaps, STRENGTH))
    return float(np.std(np.mean(accuracies, axis=0)))
