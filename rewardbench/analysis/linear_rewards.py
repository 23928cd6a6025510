"""Linear reward models on features, trained on labels of pairs."""

from __future__ import annotations

import numpy as np

from rewardbench.metrics.temperature import sigmoid

STEPS = 50
"""Maximum number of Newton steps."""
TOLERANCE = 1e-9
"""Largest change of a weight at which the training has converged."""


def fit_linear(features: np.ndarray, labels: np.ndarray, ridge: float = 1.0) -> np.ndarray:
    """Fit a linear Bradley-Terry model by Newton's method: cross-entropy of labels and σ(margin), with an L2 penalty.

    Args:
        features: features of the first response minus those of the second: [pairs, features].
        labels: whether, or with which probability, the first response is better: [pairs].
        ridge: the penalty is ridge / 2 times the squared norm of the weights.

    Returns:
        The weights: [features].
    """
    weights = np.zeros(features.shape[1])
    penalty = ridge * np.eye(len(weights))
    for _ in range(STEPS):
        predicted = sigmoid(features @ weights)
        gradient = features.T @ (predicted - labels) + ridge * weights
        curvature = (features * (predicted * (1 - predicted))[:, None]).T @ features + penalty
        step = np.linalg.solve(curvature, gradient)
        weights -= step
        if float(np.abs(step).max()) < TOLERANCE:
            break
    return weights
