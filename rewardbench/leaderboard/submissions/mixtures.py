"""Find mixtures of stored models: weighted sums of their scores, votes, and other models in other sections.

A mixture is searched for by adding, one at a time, the stored model that explains the most of what the others leave
unexplained, with non-negative weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import isotonic_regression, nnls
from scipy.special import ndtr

from rewardbench.leaderboard.profiles import Profile, ScoreLayout, contrasts, normal_scores
from rewardbench.leaderboard.submissions.similarity import (
    ALIKE,
    MOST_DIFFERING,
    TYPICAL,
    DecisionComparison,
    Difficulty,
    compare_decisions,
    pearson,
    typical_correlation,
)

MOST_RESIDUAL = 0.09
"""Maximum residual of a mixture: root mean square, as a share of the standard deviation of the contrasts."""
WORTH_REFINING = 0.4
"""Maximum residual at which an increasing function of the scores is fitted too."""
LEAST_SHARE = 0.05
"""Minimum share of a model that is named as a component of a mixture."""
FEWEST_MIXED = 300
"""Minimum number of contrasts to which a mixture is fitted."""
TRIMMED = 0.75
"""Share of the contrasts, those with the smallest residuals, that a mixture is fitted to: others may be manipulated."""
LEAST_KNOWN = 0.9
"""Minimum share of the contrasts of a component that are known."""
LEAST_DISTINCT_SCORES = 0.1
"""Minimum share of distinct scores of a result that a mixture is fitted to."""
WORSE = 1.1
"""Factor by which the residual may increase from one of these fits to the next."""
MOST_REFINED = 12
"""Maximum number of times that an increasing function and the weights are fitted in turn."""
MOST_COMPONENTS = 8
LEAST_GAIN = 1e-4
"""Minimum share of the variance that a further component must explain."""
LEAST_COVERED = 0.5
"""Minimum share of the items in sections that are copied from one model each."""


@dataclass(frozen=True)
class Fit:
    """Non-negative weights of some columns."""

    picked: tuple[int, ...]
    weights: np.ndarray
    """Weight of each picked column."""
    target: np.ndarray
    predicted: np.ndarray
    residual: float
    """Root mean square of the smallest residuals, as a share of the standard deviation of the target there."""


@dataclass(frozen=True)
class Mixture:
    """A weighted sum of the scores of other models."""

    shares: tuple[tuple[str, float], ...]
    """Name and share of each component, the largest first."""
    residual: float


@dataclass(frozen=True)
class Vote:
    """A weighted vote of the decisions, or of the margins, of other models."""

    shares: tuple[tuple[str, float], ...]
    comparison: DecisionComparison


def find_mixture(target: Profile, others: Sequence[Profile]) -> Mixture | None:
    """Return the mixture of other models that explains the contrasts of a model up to noise, or None.

    The scores of each model may have been transformed by an increasing function before they were added, and the sum
    after. Results with few distinct scores, such as those of a judge, are left to `find_vote`.
    """
    others = [other for other in others if other.is_known.mean() > LEAST_KNOWN]
    known = np.logical_and.reduce([profile.is_known for profile in (target, *others)])
    count = int(known.sum())
    distinct = len(np.unique(target.values[np.isfinite(target.values)]))
    if count < FEWEST_MIXED or distinct < LEAST_DISTINCT_SCORES * len(target.values) or len(others) < 2:
        return None
    layout = target.layout
    parts: list[np.ndarray] = []
    for other in others:
        parts += increasing_forms(other.values)
    forms = np.column_stack(parts)
    columns = contrasts(forms, layout)[known]
    model_of = np.repeat(np.arange(len(others)), forms.shape[1] // len(others))
    best: Fit | None = None
    for values in (target.values, target.normal_scores, increasing_forms(target.values)[1]):
        fit = fit_weights(contrasts(values, layout)[known], columns)
        if fit and not explains(fit) and fit.residual < WORTH_REFINING:
            fit = _refine(target, forms, known, fit)
        if fit and explains(fit) and (best is None or fit.residual < best.residual):
            best = fit
    shares = _shares(best, model_of, [other.name for other in others]) if best else ()
    return Mixture(shares, best.residual) if best and shares else None


def explains(fit: Fit) -> bool:
    """Return True if a fit leaves noise only, also for the order of the contrasts."""
    return fit.residual <= MOST_RESIDUAL and typical_correlation(fit.target, fit.predicted) >= TYPICAL


def increasing_forms(values: np.ndarray) -> list[np.ndarray]:
    """Return increasing functions of scores, each with a standard deviation of about 1: [completions] each.

    Args:
        values: scores: [completions]; NaN if unknown.
    """
    normal = normal_scores(values, np.zeros(len(values)))
    scaled = (np.nan_to_num(values, nan=float(np.nanmean(values))) - np.nanmean(values)) / (np.nanstd(values) or 1.0)
    bent = np.clip(scaled, -6, 6)
    return [scaled, normal, ndtr(normal), np.exp(bent), -np.exp(-bent)]


def _refine(target: Profile, forms: np.ndarray, known: np.ndarray, fit: Fit) -> Fit:
    """Fit an increasing function of the scores and the weights of the models in turn.

    Args:
        target: the result.
        forms: forms of the scores of the models: [completions, forms].
        known: which contrasts are used: [contrasts].
        fit: weights of the forms.
    """
    scored = np.flatnonzero(np.isfinite(target.values))
    order = scored[np.argsort(target.values[scored], kind="stable")]
    columns = contrasts(forms, target.layout)[known]
    scale = columns.std(0)
    best = fit
    for _ in range(MOST_REFINED):
        picked = list(fit.picked)
        predicted = forms[:, picked] @ (fit.weights / scale[picked])
        goal = predicted.copy()
        goal[order] = isotonic_regression(predicted[order]).x
        trial = fit_weights(contrasts(goal, target.layout)[known], columns)
        if trial is None or trial.residual >= WORSE * fit.residual:
            break
        fit = trial
        best = min(best, fit, key=lambda fit: fit.residual)
        if explains(best):
            break
    return best


def fit_weights(target: np.ndarray, columns: np.ndarray, most: int = MOST_COMPONENTS) -> Fit | None:
    """Fit non-negative weights of a few columns to a target, three times, each time to the smallest residuals.

    Args:
        target: values: [values].
        columns: values of the models: [values, models].
        most: maximum number of columns with a weight.
    """
    scale = columns.std(0)
    scaled = columns / np.where(scale > 0, scale, 1.0)
    if not target.std():
        return None
    picked: list[int] = []
    weights, residuals, explained = np.zeros(0), target, 0.0
    total = float(target @ target)
    for _ in range(most):
        gains = scaled.T @ residuals
        gains[picked] = -np.inf
        gains[scale == 0] = -np.inf
        best = int(np.argmax(gains))
        if gains[best] <= 0:
            break
        trial, norm = nnls(scaled[:, [*picked, best]], target)
        if picked and 1 - norm**2 / total - explained < LEAST_GAIN:
            break
        picked, weights, explained = [*picked, best], trial, 1 - norm**2 / total
        residuals = target - scaled[:, picked] @ weights
    if not picked:
        return None
    used = scaled[:, picked]
    fits = np.ones(len(target), dtype=bool)
    for _ in range(3):
        residuals = np.abs(target - used @ weights)
        fits = residuals <= np.quantile(residuals, TRIMMED)
        weights, _ = nnls(used[fits], target[fits])
    predicted = used @ weights
    spread = float(target[fits].std()) or np.inf
    residual = float(np.sqrt(np.mean((target - predicted)[fits] ** 2))) / spread
    return Fit(tuple(picked), weights, target, predicted, residual)


def _shares(fit: Fit, model_of: np.ndarray, names: Sequence[str]) -> tuple[tuple[str, float], ...]:
    """Return the names and shares of the components of a fit, the largest first, without small ones."""
    sums = np.bincount(model_of[list(fit.picked)], fit.weights, minlength=len(names))
    shares = sums / (sums.sum() or 1.0)
    order = np.argsort(-shares, kind="stable")
    return tuple((names[n], float(shares[n])) for n in order if shares[n] >= LEAST_SHARE)


def find_vote(target: Profile, others: Sequence[Profile], difficulty: Difficulty) -> Vote | None:
    """Return the weighted vote of other models that decides as a model does, or None."""
    if len(others) < 2:
        return None
    goal = target.decisions.astype(float)
    best: Vote | None = None
    names = [other.name for other in others]
    votes = np.column_stack([other.decisions for other in others]).astype(float)
    margins = np.column_stack([_item_margins(other) for other in others])
    for columns in (votes, margins):
        fit = fit_weights(goal, columns, most=6)
        if fit is None:
            continue
        picked = columns[:, fit.picked]
        weights = _separating_weights(goal, picked)
        decisions = np.sign(np.round(picked @ weights, 9)).astype(np.int8)
        comparison = compare_decisions(target.decisions, decisions, difficulty.logits())
        if best is None or comparison.differing_share < best.comparison.differing_share:
            scaled = replace(fit, weights=weights * picked.std(0))
            best = Vote(_shares(scaled, np.arange(len(others)), names), comparison)
    return best if best and best.comparison.differing_share <= MOST_DIFFERING else None


def _item_margins(profile: Profile) -> np.ndarray:
    """Return the margins of the normal scores: [items]; 0 if unknown."""
    normal = Profile("", profile.layout, profile.normal_scores)
    margins: np.ndarray = np.nan_to_num(normal.margins)
    return margins


def _separating_weights(goal: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return the non-negative weights by which columns predict decisions best, by logistic regression."""
    right = (goal[goal != 0] + 1) / 2
    values = columns[goal != 0] / (columns.std(0) + 1e-12)
    weights = np.full(values.shape[1], 0.1)
    penalty = 1e-3 * np.eye(values.shape[1])
    for _ in range(30):
        chance = 1 / (1 + np.exp(-np.clip(values @ weights, -30, 30)))
        gradient = values.T @ (right - chance) - penalty @ weights
        curvature = (values * (chance * (1 - chance))[:, None]).T @ values + penalty
        step = np.linalg.solve(curvature, gradient)
        weights = np.maximum(weights + step * min(1.0, 5 / (np.abs(step).max() + 1e-12)), 0.0)
        if np.abs(step).max() < 1e-4:
            break
    scaled: np.ndarray = weights / (columns.std(0) + 1e-12)
    return scaled


def copied_sections(target: Profile, others: Sequence[Profile], difficulty: Difficulty) -> dict[str, str]:
    """Return the sections that are copied from one model each, with its name; empty if they are few items.

    Args:
        target: the model that may be a copy.
        others: the models that it may be copied from.
        difficulty: difficulty of the items.
    """
    layout = target.layout
    copied: dict[str, str] = {}
    covered = 0
    for n, section in enumerate(layout.sections):
        source = _source_of_section(target, others, difficulty, n)
        if source:
            copied[section] = source
            covered += int((layout.section_of == n).sum())
    return copied if covered >= LEAST_COVERED * len(layout.items) and len(set(copied.values())) > 1 else {}


def _source_of_section(target: Profile, others: Sequence[Profile], difficulty: Difficulty, section: int) -> str:
    """Return the name of the model that a section is copied from; empty if there is none."""
    layout = target.layout
    items = layout.section_of == section
    values = _values_in(layout, section)
    alike: list[tuple[float, Profile]] = []
    agreement: list[tuple[int, Profile]] = []
    for other in others:
        alike.append((pearson(target.contrasts[values], other.contrasts[values]), other))
        agreement.append((int((target.decisions[items] == other.decisions[items]).sum()), other))
    alike.sort(key=lambda pair: -pair[0])
    for correlation, other in alike[:3]:
        typical = typical_correlation(target.contrasts[values], other.contrasts[values])
        if correlation >= ALIKE or typical >= TYPICAL:
            return other.name
    agreement.sort(key=lambda pair: -pair[0])
    for _, other in agreement[:3]:
        logits = difficulty.logits(other)[items]
        comparison = compare_decisions(target.decisions[items], other.decisions[items], logits)
        if comparison.differing_share <= MOST_DIFFERING:
            return other.name
    return ""


def _values_in(layout: ScoreLayout, section: int) -> np.ndarray:
    """Return which contrasts are of items in a section: [contrasts]."""
    is_inside: np.ndarray = layout.section_of[layout.contrast_item] == section
    return is_inside
