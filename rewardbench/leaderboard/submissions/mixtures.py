"""Find mixtures of stored models: weighted sums of their scores, votes, and other models in other sections.

Non-negative weights of the stored models are fitted to a result. The weighted sum explains a mixture up to noise, which
depends on no text. A separately trained model has something of its own, which is about the same for a response to both
prompts of a mirror.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.optimize import isotonic_regression, nnls
from scipy.special import ndtr

from rewardbench.leaderboard.profiles import Profile, ScoreLayout, contrasts, normal_scores
from rewardbench.leaderboard.submissions.consistency import text_correlation
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

EXPLAINED = 0.9975
"""Minimum typical correlation of a result and a sum that explains it. Honest models have up to .9967."""
EXPLAINED_UP_TO_NOISE = 0.94
"""The same if the residuals are noise. Noise of 30% of the spread of the margins leaves about as much."""
MOST_TEXT_CORRELATION = 0.3
"""Maximum `text_correlation` of residuals that are noise. Those of honest models have at least .45."""
WORTH_REFINING = 0.95
"""Minimum typical correlation at which an increasing function of the scores is fitted too."""
LEAST_SHARE = 0.05
"""Minimum share of a model that is named as a component of a mixture."""
FEWEST_MIXED = 300
"""Minimum number of contrasts to which a mixture is fitted."""
TRIMMED = 0.75
"""Share of the contrasts, those with the smallest residuals, that a mixture is fitted to: others may be manipulated."""
FITS = 4
"""Number of these fits, the first of which is to all contrasts."""
LEAST_KNOWN = 0.9
"""Minimum share of the contrasts of a component that are known."""
LEAST_DISTINCT_SCORES = 0.1
"""Minimum share of distinct scores of a result that a mixture is fitted to."""
MOST_REFINED = 40
"""Maximum number of times that an increasing function and the weights are fitted in turn."""
ALL_FORMS_EVERY = 5
"""Each fit whose number is a multiple of this uses all forms, the others only those that have a weight."""
LEAST_COVERED = 0.5
"""Minimum share of the items in sections that are copied from one model each."""


@dataclass(frozen=True)
class ScoreForms:
    """Increasing functions of the scores of some models, of which a result may be a sum."""

    values: np.ndarray
    """Values: [completions, forms]."""
    contrasts: np.ndarray
    """Contrasts, where all models are known: [contrasts, forms]."""
    is_known: np.ndarray
    """Whether a contrast is known for all models: [contrasts]."""
    layout: ScoreLayout


@dataclass(frozen=True)
class Fit:
    """A weighted sum of forms that approximates scores."""

    forms: ScoreForms
    weights: np.ndarray
    """Weight of each form, not negative: [forms]."""
    goal: np.ndarray
    """The scores: [completions]; NaN if unknown."""

    @cached_property
    def predicted(self) -> np.ndarray:
        """The sum: [completions]."""
        used = np.flatnonzero(self.weights)
        predicted: np.ndarray = self.forms.values[:, used] @ self.weights[used]
        return predicted

    @cached_property
    def typical(self) -> float:
        """Typical correlation of the contrasts of the scores and of the sum."""
        both = contrasts(np.column_stack([self.goal, self.predicted]), self.forms.layout)[self.forms.is_known]
        return typical_correlation(both[:, 0], both[:, 1])

    def leaves_noise(self) -> bool:
        """Return True if the residuals depend on no text."""
        correlation = text_correlation(self.goal - self.predicted, self.forms.layout)
        return correlation is not None and correlation <= MOST_TEXT_CORRELATION

    def explains(self) -> bool:
        """Return True if the sum explains the scores up to noise."""
        return self.typical >= EXPLAINED or (self.typical >= EXPLAINED_UP_TO_NOISE and self.leaves_noise())


@dataclass(frozen=True)
class Mixture:
    """A weighted sum of the scores of other models."""

    shares: tuple[tuple[str, float], ...]
    """Name and share of each component, the largest first."""
    typical: float
    """Typical correlation of the contrasts with those of the sum."""


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
    distinct = len(np.unique(target.values[np.isfinite(target.values)]))
    if known.sum() < FEWEST_MIXED or distinct < LEAST_DISTINCT_SCORES * len(target.values) or len(others) < 2:
        return None
    forms = _forms_of(others, known, target.layout)
    fits: list[Fit] = []
    for values in (target.values, target.normal_scores, increasing_forms(target.values)[1]):
        fits.append(_fit(np.where(np.isfinite(target.values), values, np.nan), forms))
    fit = max(fits, key=lambda fit: fit.typical)
    if fit.typical >= WORTH_REFINING and not fit.explains():
        fit = _refine(target, fit)
    if not fit.explains():
        return None
    sums = (fit.weights * forms.values.std(0)).reshape(len(others), -1).sum(1)
    shares = _shares(sums, [other.name for other in others])
    return Mixture(shares, fit.typical) if shares else None


def increasing_forms(values: np.ndarray) -> list[np.ndarray]:
    """Return increasing functions of scores, each with a standard deviation of about 1: [completions] each.

    Args:
        values: scores: [completions]; NaN if unknown.
    """
    normal = normal_scores(values, np.zeros(len(values)))
    scaled = (np.nan_to_num(values, nan=float(np.nanmean(values))) - np.nanmean(values)) / (np.nanstd(values) or 1.0)
    bent = np.clip(scaled, -6, 6)
    return [scaled, normal, ndtr(normal), np.exp(bent), -np.exp(-bent)]


def _forms_of(models: Sequence[Profile], known: np.ndarray, layout: ScoreLayout) -> ScoreForms:
    columns: list[np.ndarray] = []
    for model in models:
        columns += increasing_forms(model.values)
    values = np.column_stack(columns)
    return ScoreForms(values, contrasts(values, layout)[known], known, layout)


def _fit(goal: np.ndarray, forms: ScoreForms, picked: np.ndarray | slice = slice(None)) -> Fit:
    """Fit weights of forms to scores.

    Args:
        goal: the scores: [completions]; NaN if unknown.
        forms: the forms.
        picked: indices of the forms that may have a weight.
    """
    weights = np.zeros(forms.values.shape[1])
    target = contrasts(goal, forms.layout)[forms.is_known]
    weights[picked] = _fit_weights(target, forms.contrasts[:, picked])
    return Fit(forms, weights, goal)


def _refine(target: Profile, fit: Fit) -> Fit:
    """Fit an increasing function of the scores and the weights in turn; return the best fit.

    Args:
        target: the result.
        fit: the fit of the scores.
    """
    scored = np.flatnonzero(np.isfinite(target.values))
    order = scored[np.argsort(target.values[scored], kind="stable")]
    best = fit
    for n in range(MOST_REFINED):
        goal = np.full(len(target.values), np.nan)
        goal[order] = isotonic_regression(fit.predicted[order]).x
        has_all_forms = n % ALL_FORMS_EVERY == 0
        fit = _fit(goal, fit.forms, slice(None) if has_all_forms else np.flatnonzero(fit.weights))
        best = max(best, fit, key=lambda fit: fit.typical)
        if best.explains():
            break
    return best


def _fit_weights(target: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Fit non-negative weights of columns to all values, then to those with the smallest residuals: [columns].

    Args:
        target: values to explain: [values].
        columns: values that explain them: [values, columns].
    """
    scale = columns.std(0)
    scale[scale == 0] = 1.0
    scaled = columns / scale
    fits = np.ones(len(target), dtype=bool)
    weights = np.zeros(columns.shape[1])
    for _ in range(FITS):
        try:
            weights, _ = nnls(scaled[fits], target[fits])
        except RuntimeError:  # rounding can keep it from converging
            break
        used = np.flatnonzero(weights)
        residuals = np.abs(target - scaled[:, used] @ weights[used])
        fits = residuals <= np.quantile(residuals, TRIMMED)
    fitted: np.ndarray = weights / scale
    return fitted


def _shares(sums: np.ndarray, names: Sequence[str]) -> tuple[tuple[str, float], ...]:
    """Return the names and shares of the components of a sum, the largest first, without small ones."""
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
        weights = _separating_weights(goal, columns)
        decisions = np.sign(np.round(columns @ weights, 9)).astype(np.int8)
        comparison = compare_decisions(target.decisions, decisions, difficulty.logits())
        if best is None or comparison.differing_share < best.comparison.differing_share:
            best = Vote(_shares(weights * columns.std(0), names), comparison)
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
