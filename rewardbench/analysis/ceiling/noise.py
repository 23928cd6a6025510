"""Statistics of annotations: agreement, flip rate, ceilings, Krippendorff's alpha, and the model of Dawid and Skene.

A label is right with probability 1 - e, and otherwise one of the other K - 1 labels, each as likely. Two annotators
then agree with probability a = (1 - e)² + e² / (K - 1); for two labels, a = 1 - 2 e (1 - e). A perfect model agrees
with one annotator with probability 1 - e: no model can be expected to score higher against such labels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rewardbench.analysis.ceiling.annotations import Annotations
from rewardbench.errors import InputError
from rewardbench.lint.arrays import Floats, Indices

STEPS = 500
"""Largest number of steps of the EM algorithm."""
SMOOTHING = 0.1
"""Added to each count of a confusion matrix, so that no probability is 0."""


def flip_rate(agreement: float, labels: int = 2) -> float:
    """Compute the share of wrong labels from the share of agreeing pairs of annotators.

    >>> round(flip_rate(0.70), 4), round(flip_rate(0.65), 3), round(flip_rate(0.75), 3), flip_rate(1)
    (0.1838, 0.226, 0.146, 0.0)

    Args:
        agreement: share of pairs of annotators who give an item the same label.
        labels: number of different labels.

    Raises:
        InputError: if annotators agree less often than by chance, 1 / labels.
    """
    if not 1 / labels <= agreement <= 1:
        raise InputError(
            f"An agreement of {agreement:.3f} has no flip rate: with {labels} labels it is from {1 / labels:.3f} to 1."
        )
    return float(flip_rates(np.array([agreement]), labels)[0])


def flip_rates(agreements: Floats, labels: int = 2) -> Floats:
    """Compute `flip_rate` of each agreement; one below chance counts as chance."""
    ratio = (labels - 1) / labels
    return np.asarray(ratio * (1 - np.sqrt(np.maximum(1 - (1 - agreements) / ratio, 0.0))))


def majority_ceiling(flip: float, labels: int = 2) -> float:
    """Compute how often the majority of three annotators is right; three different labels are decided by chance.

    >>> round(majority_ceiling(0.2), 3)
    0.896
    """
    right = 1 - flip
    all_differ = right * flip**2 * (labels - 2) / (labels - 1)
    return right**3 + 3 * right**2 * flip + all_differ


def pair_agreement(counts: Floats) -> tuple[Floats, Floats]:
    """Return the number of agreeing pairs of annotators of each item, and the number of pairs: both [items].

    Args:
        counts: number of annotators who gave each label: [items, labels].
    """
    sizes = counts.sum(axis=1)
    return (counts * (counts - 1)).sum(axis=1) / 2, sizes * (sizes - 1) / 2


def krippendorff_alpha(counts: Floats) -> float:
    """Compute Krippendorff's alpha for nominal labels; 1 is perfect agreement, 0 chance; NaN if all labels are equal.

    1 - observed / expected disagreement, by the coincidences of labels within items; items with one annotator are left
    out (Krippendorff 2011, Computing Krippendorff's Alpha-Reliability).

    Args:
        counts: number of annotators who gave each label: [items, labels].
    """
    counts = counts[counts.sum(axis=1) >= 2]
    sizes = counts.sum(axis=1, keepdims=True)
    agreements = float((counts * (counts - 1) / (sizes - 1)).sum())
    totals = counts.sum(axis=0)
    total = float(totals.sum())
    expected = 1 - float((totals * (totals - 1)).sum()) / (total * (total - 1))
    return 1 - (1 - agreements / total) / expected if expected > 0 else float("nan")


@dataclass(frozen=True)
class DawidSkene:
    """The estimate of the model of Dawid and Skene.

    Attributes:
        posterior: probability of each true label: [items, labels].
        prior: share of each true label: [labels].
        confusion: probability of each given label (last axis) by true label: [annotators, labels, labels].
        steps: number of steps of the EM algorithm.
    """

    posterior: Floats
    prior: Floats
    confusion: Floats
    steps: int

    @property
    def labels(self) -> Indices:
        """Return the number of the most probable label of each item: [items]."""
        return np.asarray(self.posterior.argmax(axis=1), dtype=np.int64)

    @property
    def accuracies(self) -> Floats:
        """Return the probability that each annotator is right: [annotators]."""
        return np.asarray(np.diagonal(self.confusion, axis1=1, axis2=2) @ self.prior)


def dawid_skene(annotations: Annotations, symmetric: bool = False) -> DawidSkene:
    """Estimate true labels, and the confusion matrix of each annotator, by the EM algorithm.

    Source: Dawid and Skene 1979, Maximum Likelihood Estimation of Observer Error-Rates Using the EM Algorithm. The
    first posterior is the share of votes. Time and memory are linear in the number of annotations.

    Args:
        annotations: the annotations.
        symmetric: give each annotator the same accuracy at every true label, and spread the errors evenly. This is for
            labels such as chosen and rejected: where nearly all true labels are the same, the data do not determine how
            often an annotator is right about the other label.
    """
    k, annotators = len(annotations.labels), len(annotations.annotators)
    counts = annotations.counts()
    posterior = counts / counts.sum(axis=1, keepdims=True)
    cells = annotations.annotator * k + annotations.label
    prior, confusion = np.full(k, 1 / k), np.empty((annotators, k, k))
    change, steps = 1.0, 0
    while change > 1e-6 and steps < STEPS:
        steps += 1
        prior = posterior.mean(axis=0)
        for true in range(k):
            sums = np.bincount(cells, posterior[annotations.item, true], minlength=annotators * k)
            confusion[:, true] = sums.reshape(annotators, k) + SMOOTHING
        confusion = _symmetric(confusion) if symmetric else confusion / confusion.sum(axis=2, keepdims=True)
        updated = _posterior(annotations, prior, confusion)
        change = float(np.abs(updated - posterior).max())
        posterior = updated
    return DawidSkene(posterior, prior, confusion, steps)


def _symmetric(counts: Floats) -> Floats:
    """Return confusion matrices with one accuracy for each annotator: [annotators, labels, labels]."""
    k = counts.shape[1]
    accuracies = np.trace(counts, axis1=1, axis2=2) / counts.sum(axis=(1, 2))
    errors = (1 - accuracies)[:, None, None] / max(k - 1, 1)
    return np.asarray(np.where(np.eye(k, dtype=bool), accuracies[:, None, None], errors))


def _posterior(annotations: Annotations, prior: Floats, confusion: Floats) -> Floats:
    """Compute the probability of each true label from the labels of the annotators: [items, labels]."""
    logs = np.log(confusion)[annotations.annotator, :, annotations.label]
    likelihood = np.tile(np.log(np.maximum(prior, 1e-300)), (len(annotations.items), 1))
    for true in range(len(prior)):
        likelihood[:, true] += np.bincount(annotations.item, logs[:, true], minlength=len(annotations.items))
    likelihood -= likelihood.max(axis=1, keepdims=True)
    weights = np.exp(likelihood)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))
