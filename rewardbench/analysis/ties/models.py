"""Models of comparisons with ties, fitted to score differences d = score of the first minus score of the second.

- Davidson (1970, doi:10.1080/01621459.1970.10481082): first : tie : second = exp(beta d / 2) : nu : exp(-beta d / 2).
- Rao and Kupper (1967, doi:10.1080/01621459.1967.10482901): P(first) = sigmoid(beta d - log theta), P(second) =
  sigmoid(-beta d - log theta), and a tie otherwise, with theta above 1. This is the proportional-odds logit with
  symmetric cut points.

Ties in reward modelling: Liu, Ge and Zhu 2024, arXiv:2410.05328. Both models are symmetric: which response of a pair is
the first does not matter. Arrays have one value per pair: [pairs].
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import exp, log, sinh

import numpy as np

from rewardbench.metrics.temperature import FloatArray, IntArray, root_mean_square, sigmoid
from rewardbench.stats import COVERAGE, normal

FIRST, TIE, SECOND = 0, 1, 2
"""Columns of the arrays of probabilities."""
_Z = normal(COVERAGE)
_MOST_BETA, _MOST_LOG_NU, _LEAST_LOG_THETA, _MOST_LOG_THETA = 1e4, 25.0, 1e-6, 25.0
"""Bounds of the parameters; beta is that of differences with root mean square 1."""
_STEEP = 20.0
"""A beta above this whose standard error exceeds it is that of outcomes which the scores separate."""


@dataclass(frozen=True)
class LabelledPairs:
    """Pairs of scored responses with their labels.

    Attributes:
        scores: scores of the first and the second response: [pairs, 2].
        outcomes: 1: the first is preferred, -1: the second, 0: a tie: [pairs].
        clusters: number of the cluster of each pair, from 0: [pairs].
    """

    scores: FloatArray
    outcomes: IntArray
    clusters: IntArray

    @property
    def differences(self) -> FloatArray:
        """Score of the first minus score of the second: [pairs]."""
        differences: FloatArray = self.scores[:, 0] - self.scores[:, 1]
        return differences

    @property
    def columns(self) -> IntArray:
        """The column of each pair's label: `FIRST`, `TIE` or `SECOND`: [pairs]."""
        columns: IntArray = 1 - self.outcomes
        return columns

    def select(self, mask: np.ndarray) -> LabelledPairs:
        """Return the pairs for which the mask is true."""
        return LabelledPairs(self.scores[mask], self.outcomes[mask], self.clusters[mask])


@dataclass(frozen=True)
class TieFit:
    """A fitted model of ties.

    Attributes:
        beta: slope of the score difference, in 1 / score.
        tie: nu of Davidson, theta of Rao-Kupper.
        beta_error: standard error from the observed information.
        tie_error: the same of `tie`.
        beta_interval: 95 % interval, robust to correlation within clusters (sandwich variance).
        tie_interval: the same of `tie`, symmetric in its logarithm.
        at_bound: True if the scores separate the outcomes, so that the likelihood grows without limit in a parameter.
    """

    beta: float
    tie: float
    beta_error: float
    tie_error: float
    beta_interval: tuple[float, float]
    tie_interval: tuple[float, float]
    at_bound: bool


def davidson_probabilities(differences: FloatArray, beta: float, nu: float) -> FloatArray:
    """Compute the probabilities of first, tie and second: [pairs, 3].

    >>> davidson_probabilities(np.zeros(1), 1.0, 2.0).round(3).tolist()
    [[0.25, 0.5, 0.25]]
    """
    half = beta * differences / 2
    return _softmax(np.stack([half, np.full_like(half, log(nu)), -half], axis=1))


def rao_kupper_probabilities(differences: FloatArray, beta: float, theta: float) -> FloatArray:
    """Compute the probabilities of first, tie and second: [pairs, 3].

    >>> rao_kupper_probabilities(np.zeros(1), 1.0, 3.0).round(3).tolist()
    [[0.25, 0.5, 0.25]]
    """
    first, second = sigmoid(beta * differences - log(theta)), sigmoid(-beta * differences - log(theta))
    return np.stack([first, (theta**2 - 1) * first * second, second], axis=1)


def _softmax(logits: FloatArray) -> FloatArray:
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: FloatArray = exponentials / exponentials.sum(axis=1, keepdims=True)
    return shares


@dataclass(frozen=True)
class Likelihood:
    """Log-likelihood of two parameters, beta and the logarithm of the tie parameter.

    Attributes:
        total: sum over pairs.
        scores: its derivative by the parameters for each pair: [pairs, 2].
        information: minus the second derivative: [2, 2].
    """

    total: float
    scores: FloatArray
    information: FloatArray


def davidson_likelihood(differences: FloatArray, columns: IntArray, beta: float, log_nu: float) -> Likelihood:
    """Compute the log-likelihood of Davidson's model, a multinomial logit, with its derivatives.

    Args:
        differences: [pairs].
        columns: the label of each pair, `FIRST`, `TIE` or `SECOND`: [pairs].
        beta: slope.
        log_nu: logarithm of nu.
    """
    half = differences / 2
    shares = davidson_probabilities(differences, beta, exp(log_nu))
    mean_half = half * (shares[:, FIRST] - shares[:, SECOND])
    mean_square = half**2 * (shares[:, FIRST] + shares[:, SECOND])
    signs = 1 - columns
    is_tie = (columns == TIE).astype(np.float64)
    cross = float(np.sum(mean_half * shares[:, TIE]))
    tie_variance = float(np.sum(shares[:, TIE] * (1 - shares[:, TIE])))
    return Likelihood(
        total=float(np.log(np.maximum(_pick(shares, columns), 1e-300)).sum()),
        scores=np.stack([half * signs - mean_half, is_tie - shares[:, TIE]], axis=1),
        information=np.array([[float(np.sum(mean_square - mean_half**2)), -cross], [-cross, tie_variance]]),
    )


def rao_kupper_likelihood(differences: FloatArray, columns: IntArray, beta: float, log_theta: float) -> Likelihood:
    """Compute the log-likelihood of the Rao-Kupper model with its derivatives.

    Since P(tie) = (theta² - 1) P(first) P(second), its terms are those of two logits and a constant.

    Args:
        differences: [pairs].
        columns: the label of each pair, `FIRST`, `TIE` or `SECOND`: [pairs].
        beta: slope.
        log_theta: logarithm of theta, above 0.
    """
    is_tie = columns == TIE
    uses_first = ((columns == FIRST) | is_tie).astype(np.float64)
    uses_second = ((columns == SECOND) | is_tie).astype(np.float64)
    first, second = sigmoid(beta * differences - log_theta), sigmoid(-beta * differences - log_theta)
    ties = float(is_tie.sum())
    log_first = -np.logaddexp(0, log_theta - beta * differences)
    log_second = -np.logaddexp(0, log_theta + beta * differences)
    constant = 2 * log_theta + float(np.log1p(-exp(-2 * log_theta)))
    first_score, second_score = uses_first * (1 - first), uses_second * (1 - second)
    theta_scores = -first_score - second_score + is_tie * 2 / (1 - exp(-2 * log_theta))
    first_weight, second_weight = first_score * first, second_score * second
    cross = float(np.sum(differences * (second_weight - first_weight)))
    curvature = float(np.sum(first_weight + second_weight)) + ties / sinh(log_theta) ** 2
    slope_curvature = float(np.sum(differences**2 * (first_weight + second_weight)))
    return Likelihood(
        total=float(np.sum(uses_first * log_first + uses_second * log_second)) + ties * constant,
        scores=np.stack([differences * (first_score - second_score), theta_scores], axis=1),
        information=np.array([[slope_curvature, cross], [cross, curvature]]),
    )


def _pick(shares: FloatArray, columns: IntArray) -> FloatArray:
    """Return the probability of each pair's label: [pairs]."""
    picked: FloatArray = shares[np.arange(len(columns)), columns]
    return picked


def fit_davidson(pairs: LabelledPairs) -> TieFit:
    """Fit Davidson's model by maximum likelihood; `tie` is nu.

    Args:
        pairs: comparisons with at least one tie and one preference, and two different scores.
    """
    start = np.array([1.0, log(2 * _tie_odds(pairs))])
    return _fit(pairs, davidson_likelihood, start, (-_MOST_LOG_NU, _MOST_LOG_NU))


def fit_rao_kupper(pairs: LabelledPairs) -> TieFit:
    """Fit the Rao-Kupper model by maximum likelihood; `tie` is theta.

    Args:
        pairs: comparisons with at least one tie and one preference, and two different scores.
    """
    start = np.array([1.0, log(1 + 2 * _tie_odds(pairs))])
    return _fit(pairs, rao_kupper_likelihood, start, (_LEAST_LOG_THETA, _MOST_LOG_THETA))


def _tie_odds(pairs: LabelledPairs) -> float:
    ties = int((pairs.outcomes == 0).sum())
    return ties / (len(pairs.outcomes) - ties)


def _fit(
    pairs: LabelledPairs,
    likelihood: Callable[[FloatArray, IntArray, float, float], Likelihood],
    start: FloatArray,
    tie_bounds: tuple[float, float],
) -> TieFit:
    """Maximize a likelihood over beta and the logarithm of the tie parameter."""
    from scipy.optimize import minimize

    differences, columns = pairs.differences, pairs.columns
    scale = root_mean_square(differences)
    unit, n = differences / scale, len(differences)

    def loss(parameters: FloatArray) -> tuple[float, FloatArray]:
        value = likelihood(unit, columns, float(parameters[0]), float(parameters[1]))
        return -value.total / n, -value.scores.sum(axis=0) / n

    bounds = [(-_MOST_BETA, _MOST_BETA), tie_bounds]
    options = {"ftol": 1e-15, "gtol": 1e-9, "maxiter": 500}
    best = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x
    beta, log_tie = float(best[0]), float(best[1])
    optimum = likelihood(unit, columns, beta, log_tie)
    covariance = np.linalg.pinv(optimum.information)
    by_cluster = np.stack([np.bincount(pairs.clusters, optimum.scores[:, column]) for column in (0, 1)], axis=1)
    robust = covariance @ (by_cluster.T @ by_cluster) @ covariance
    errors, half_widths = np.sqrt(np.diag(covariance)), _Z * np.sqrt(np.diag(robust))
    near_bound = [min(abs(value - limit) for limit in pair) < 1e-5 for value, pair in zip(best, bounds, strict=True)]
    is_separated = abs(beta) > _STEEP and float(errors[0]) > abs(beta)
    return TieFit(
        beta=beta / scale,
        tie=exp(log_tie),
        beta_error=float(errors[0]) / scale,
        tie_error=float(errors[1]) * exp(log_tie),
        beta_interval=((beta - float(half_widths[0])) / scale, (beta + float(half_widths[0])) / scale),
        tie_interval=(exp(log_tie - float(half_widths[1])), exp(log_tie + float(half_widths[1]))),
        at_bound=any(near_bound) or is_separated,
    )


def fit_bradley_terry(pairs: LabelledPairs) -> float:
    """Fit the slope of the Bradley-Terry model on the pairs without a tie, by maximum likelihood."""
    from scipy.optimize import minimize_scalar

    margins = (pairs.differences * pairs.outcomes)[pairs.outcomes != 0]
    scale = root_mean_square(margins)
    if scale == 0:
        return 0.0

    def loss(beta: float) -> float:
        return float(np.logaddexp(0, -beta * margins / scale).mean())

    best = minimize_scalar(loss, bounds=(-_MOST_BETA, _MOST_BETA), method="bounded", options={"xatol": 1e-7})
    return float(best.x) / scale


PREDICTORS = ("prior", "bt_constant", "both_high", "davidson", "rao_kupper")
"""Names of the predictors of `predict`: three baselines and two models of ties."""


def predict(train: LabelledPairs, test: LabelledPairs) -> dict[str, FloatArray]:
    """Predict the labels of pairs from other pairs.

    - prior: the share of ties, and both sides alike.
    - bt_constant: the Bradley-Terry model with a constant share of ties.
    - both_high: the same, with one share of ties if both scores are high and another one if not; the threshold has the
      highest likelihood of 19 quantiles of the lower score.
    - davidson, rao_kupper: the models of this module.

    Returns:
        For each predictor the probabilities of first, tie and second: [pairs, 3].
    """
    share = _smooth_share(train.outcomes == 0)
    beta = fit_bradley_terry(train)
    wins = sigmoid(beta * test.differences)
    davidson, rao_kupper = fit_davidson(train), fit_rao_kupper(train)
    return {
        "prior": _with_tie_share(np.full(len(wins), share), np.full(len(wins), 0.5)),
        "bt_constant": _with_tie_share(np.full(len(wins), share), wins),
        "both_high": _with_tie_share(_both_high_shares(train, test), wins),
        "davidson": davidson_probabilities(test.differences, davidson.beta, davidson.tie),
        "rao_kupper": rao_kupper_probabilities(test.differences, rao_kupper.beta, rao_kupper.tie),
    }


def _with_tie_share(shares: FloatArray, wins: FloatArray) -> FloatArray:
    return np.stack([(1 - shares) * wins, shares, (1 - shares) * (1 - wins)], axis=1)


def _smooth_share(is_tie: np.ndarray) -> float:
    """Return the share of ties, of one more tie and one more preference, so that it is never 0 or 1."""
    return float((is_tie.sum() + 1) / (len(is_tie) + 2))


def _both_high_shares(train: LabelledPairs, test: LabelledPairs) -> FloatArray:
    """Return the tie share of each pair by whether both scores are above the best threshold."""
    lower, is_tie = train.scores.min(axis=1), train.outcomes == 0
    best_likelihood, best = -np.inf, (0.0, 0.0, 0.0)
    for threshold in np.quantile(lower, np.linspace(0.05, 0.95, 19)):
        is_high = lower >= threshold
        high, low = _smooth_share(is_tie[is_high]), _smooth_share(is_tie[~is_high])
        shares = np.where(is_high, high, low)
        likelihood = float(np.log(np.where(is_tie, shares, 1 - shares)).sum())
        if likelihood > best_likelihood:
            best_likelihood, best = likelihood, (float(threshold), high, low)
    threshold, high, low = best
    return np.where(test.scores.min(axis=1) >= threshold, high, low)


def log_losses(shares: FloatArray, columns: IntArray) -> FloatArray:
    """Compute -log of the probability of each pair's label, at most 690 nats: [pairs]."""
    losses: FloatArray = -np.log(np.maximum(_pick(shares, columns), 1e-300))
    return losses
