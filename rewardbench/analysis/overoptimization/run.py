"""Run the analysis of over-optimization, and its toy with a planted cliff."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np

from rewardbench.analysis.candidate_inputs import CandidateOptions, read_gold_pool
from rewardbench.analysis.figures import COLOURS, GREY, MARKS, label_axes, legend_name
from rewardbench.analysis.options import OptionHelp
from rewardbench.analysis.overoptimization.toy import toy_candidates
from rewardbench.analysis.report import Report, ReportTable, Value, parse_bars
from rewardbench.analysis.selection import best_of_n, by_size, choose_ns, kl_bound, limits, resample_curves
from rewardbench.comparison.compare import ComparedResult
from rewardbench.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TOY_SEEDS, TOY_PROMPTS, TOY_CANDIDATES = 15, 12, 4_000
MOST_DRAWN = 6
"""Maximum number of curves in the picture."""

LABELS = {
    "single": "single score (average)",
    "ensemble: mean": "mean of the scores",
    "ensemble: wco": "lowest score (WCO)",
    "ensemble: uwo": "mean - λ variance (UWO)",
}
"""Labels of the picture."""


@dataclass(frozen=True)
class OveroptimizationOptions(CandidateOptions):
    """Options of the analysis."""

    variance_weight: Annotated[
        float, OptionHelp("Weight λ of the variance in the ensemble rule mean - λ variance", min=0)
    ] = 0.5
    toy: Annotated[bool, OptionHelp("Use the built-in simulation instead of a file")] = False


@dataclass(frozen=True)
class GaoFit:
    """Gain in gold reward as a function of d, the root of the KL divergence.

    Attributes:
        alpha: the slope at the start.
        beta: how fast it falls.
        r_squared: share of the curve's variance that the fit explains; NaN if the curve is flat.
        peak: the d at which the fit is highest; infinite if it does not fall.
    """

    alpha: float
    beta: float
    r_squared: float
    peak: float


def fit_gao(d: np.ndarray, gain: np.ndarray, form: Literal["bon", "rl"] = "bon") -> GaoFit:
    """Fit R = d (α - β d), for best-of-n, or R = d (α - β log d), for RL, by least squares.

    Gao, Schulman and Hilton 2023 (arXiv 2210.10760). Both are linear in α and β.

    >>> d = np.array([0.0, 1.0, 2.0, 3.0])
    >>> fit = fit_gao(d, d * (2 - 0.5 * d))
    >>> round(fit.alpha, 6), round(fit.beta, 6), round(fit.peak, 6)
    (2.0, 0.5, 2.0)

    Args:
        d: the root of the KL divergence, at least 0: [points].
        gain: gold reward minus that at d = 0: [points].
        form: the function.
    """
    positive = np.where(d > 0, d, 1.0)
    design = np.stack([d, -d * (d if form == "bon" else np.log(positive))], axis=1)
    (alpha, beta), *_ = np.linalg.lstsq(design, gain, rcond=None)
    residuals = gain - design @ np.array([alpha, beta])
    total = float(((gain - gain.mean()) ** 2).sum())
    r_squared = 1 - float(residuals @ residuals) / total if total > 1e-20 else float("nan")
    peak = float("inf")
    if beta > 0:
        with np.errstate(over="ignore"):
            peak = float(max(alpha, 0.0) / (2 * beta) if form == "bon" else np.exp(alpha / beta - 1))
    return GaoFit(float(alpha), float(beta), r_squared, peak)


def standardize(scores: np.ndarray) -> np.ndarray:
    """Scale each member's scores to mean 0 and variance 1, so that members weigh the same: [members, ...]."""
    flat = scores.reshape(len(scores), -1)
    spread = flat.std(1)
    scaled = (flat - flat.mean(1)[:, None]) / np.where(spread > 0, spread, 1.0)[:, None]
    return np.asarray(scaled.reshape(scores.shape))


def combine_scores(scores: np.ndarray, variance_weight: float = 0.5) -> dict[str, np.ndarray]:
    """Combine standardized scores of several reward models (Coste et al. 2024, arXiv 2310.02743).

    Args:
        scores: standardized scores: [members, ...].
        variance_weight: λ of uncertainty-weighted optimisation.

    Returns:
        `mean`; `wco`, the lowest (worst-case optimisation); `uwo`, mean - λ variance; each [...].
    """
    mean = scores.mean(0)
    return {"mean": mean, "wco": scores.min(0), "uwo": mean - variance_weight * scores.var(0)}


@dataclass(frozen=True)
class OptimizationCurve:
    """Gold and proxy reward of best-of-n by one score, averaged over prompts: each [points].

    Attributes:
        name: the score, `single` (the mean of the curves of all scores) or an ensemble.
        gold: gain in gold reward over n = 1.
        low: lower 95 % limit of it.
        high: upper 95 % limit of it.
        proxy: gain in the score, in its standard deviations.
        fit: the fit for best-of-n.
        drop_low: lower 95 % limit of the gold reward at its peak minus that at the largest n.
        drop_high: upper limit of it.
    """

    name: str
    gold: np.ndarray
    low: np.ndarray
    high: np.ndarray
    proxy: np.ndarray
    fit: GaoFit
    drop_low: float
    drop_high: float

    @property
    def drop(self) -> float:
        """Return the highest gain minus that at the largest n."""
        return float(self.gold.max() - self.gold[-1])


def analyze(inputs: Sequence[ComparedResult], options: OveroptimizationOptions) -> Report:
    """Fit the gold reward of best-of-n against the KL divergence, for each score and for ensembles of them.

    Args:
        inputs: one file of candidates with one or several scores, or results of items with three completions or more.
        options: see OveroptimizationOptions.

    Raises:
        InputError: if the inputs cannot be read, or have no gold reward.
    """
    if options.toy:
        if inputs:
            raise InputError(f"--toy makes its own candidates: leave out {inputs[0]}.")
        return _toy_report(TOY_SEEDS, options)
    source = read_gold_pool(inputs, options.gold, options.reference, options.max_n, options.score)
    scores = standardize(np.stack(list(source.pool.scores.values())))
    named = dict(zip(source.pool.scores, scores, strict=True))
    if len(named) > 1:
        for name, combined in combine_scores(scores, options.variance_weight).items():
            named[f"ensemble: {name}"] = combined
    ns = choose_ns(source.largest_n)
    clusters = source.pool.cluster_indices()
    prompts = source.pool.by_prompt()
    curves: list[OptimizationCurve] = []
    total = np.zeros((2, len(prompts), len(ns)))
    for name, values in named.items():
        gold, proxy = _prompt_curves(prompts, values, source.pool.gold, ns)
        curves.append(_summarize(name, gold, proxy, clusters, ns, options.seed))
        if name in source.pool.scores:
            total += np.stack([gold, proxy])
    if len(scores) > 1:
        gold, proxy = total / len(scores)
        curves.insert(0, _summarize("single", gold, proxy, clusters, ns, options.seed))
    report = _report(curves, ns, f"{len(source.pool.prompt_ids):,} prompts, gold: {source.gold_name}")
    return replace(report, notes=(*source.notes, *report.notes), sources=source.sources)


def _prompt_curves(
    prompts: Sequence[np.ndarray], proxy: np.ndarray, gold: np.ndarray, ns: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the gold and the proxy curve of each prompt: [prompts, points] each."""
    gold_curves, proxy_curves = np.empty((2, len(prompts), len(ns)))
    for rows, indices in by_size(prompts):
        gold_curves[rows] = best_of_n(proxy[indices], gold[indices], ns)
        proxy_curves[rows] = best_of_n(proxy[indices], proxy[indices], ns)
    return gold_curves, proxy_curves


def _summarize(
    name: str, gold: np.ndarray, proxy: np.ndarray, clusters: np.ndarray, ns: np.ndarray, seed: int
) -> OptimizationCurve:
    """Average curves over prompts, with a bootstrap over clusters, and fit them.

    Args:
        name: name of the curve.
        gold: [prompts, points].
        proxy: [prompts, points], in standard deviations of the score.
        clusters: the cluster of each prompt: [prompts].
        ns: values of n: [points].
        seed: seed of the bootstrap.
    """
    gains = gold - gold[:, :1]
    mean = gains.mean(0)
    if clusters.max() > 0:
        samples = resample_curves(gains, clusters, np.random.default_rng(seed))
    else:
        samples = np.full((1, len(ns)), np.nan)
    low, high = limits(samples)
    drop_low, drop_high = limits(samples[:, int(mean.argmax())] - samples[:, -1])
    proxy_gain = (proxy - proxy[:, :1]).mean(0)
    fit = fit_gao(np.sqrt(kl_bound(ns)), mean)
    return OptimizationCurve(name, mean, low, high, proxy_gain, fit, float(drop_low), float(drop_high))


def _report(curves: Sequence[OptimizationCurve], ns: np.ndarray, where: str) -> Report:
    d = np.sqrt(kl_bound(ns))
    first = curves[0]
    values: dict[str, Value] = {
        "max_n": int(ns[-1]),
        "kl_upper": float(kl_bound(ns)[-1]),
        "gao_alpha": first.fit.alpha,
        "gao_beta": first.fit.beta,
        "gao_r2": first.fit.r_squared,
        "gao_rl_r2": fit_gao(d, first.gold, "rl").r_squared,
        "single_peak_n": int(ns[first.gold.argmax()]),
        "single_peak": float(first.gold.max()),
        "single_at_max": float(first.gold[-1]),
        "single_drop": first.drop,
        "single_drop_low": first.drop_low,
        "single_drop_high": first.drop_high,
    }
    for curve in curves:
        kind = curve.name.removeprefix("ensemble: ")
        if kind != curve.name:
            values[f"{kind}_at_max"] = float(curve.gold[-1])
            values[f"{kind}_gain_at_max"] = float(curve.gold[-1] - first.gold[-1])
            values[f"{kind}_drop"] = curve.drop
    rows: list[list[Value]] = []
    fits: list[list[Value]] = []
    curve_details: dict[str, object] = {}
    for curve in curves:
        fit = curve.fit
        peak = int(ns[curve.gold.argmax()])
        reached = [peak, float(curve.gold.max()), float(curve.gold[-1])]
        rows.append([curve.name, *reached, curve.drop, curve.drop_low, curve.drop_high])
        fits.append([curve.name, fit.alpha, fit.beta, fit.r_squared, fit.peak])
        curve_details[curve.name] = {
            "gold": curve.gold.tolist(),
            "low": curve.low.tolist(),
            "high": curve.high.tolist(),
            "proxy": curve.proxy.tolist(),
        }
    columns = ["score", "peak n", "at peak", "at max n", "drop", "low", "high"]
    fit_columns = ["score", "α", "β", "R²", "highest at d"]
    notes = ["d is the root of log n - (n-1)/n in nats, an upper bound of the KL divergence if scores are equal."]
    if np.isnan(first.low[-1]):
        notes.append("There is one prompt (or cluster of prompts) only, so there are no intervals.")
    return Report(
        name="overoptimization",
        values=values,
        sentence=_sentence(curves, ns),
        tables=[
            ReportTable(f"Gain in gold reward over n = 1; {where}", columns, rows),
            ReportTable("Fit of R = d (α - β d)", fit_columns, fits),
        ],
        draw=lambda figure: _draw(figure, curves, d, where),
        size=(10.0, 5.2),
        details={"n": ns.tolist(), "root_kl": d.tolist(), "curves": curve_details},
        notes=notes,
    )


def _sentence(curves: Sequence[OptimizationCurve], ns: np.ndarray) -> str:
    first = curves[0]
    name = "a single score" if first.name == "single" else first.name
    best = max(curves[1:], key=lambda curve: curve.gold[-1], default=first)
    peak = int(ns[first.gold.argmax()])
    end = ns[-1]
    if first.gold.max() <= 0:
        text = f"Choosing by {name} gains no gold reward at any n up to {end}"
    elif first.drop_low > 0:
        text = f"Stop at n = {peak} with {name}: beyond it the gold reward falls, by {first.drop:.3f} at n = {end}"
    elif first.drop > 0:
        text = (
            f"With {name} the gold reward peaks at n = {peak}; its fall by {first.drop:.3f} at n = {end} is uncertain"
        )
    elif first.low[-1] <= 0:
        text = f"With {name} no gain in gold reward is shown at n = {end}, since the interval contains 0"
    else:
        text = f"There is no over-optimisation up to n = {end}: with {name} the gold reward is highest there"
    if best is first or best.gold[-1] <= first.gold[-1]:
        return f"{text}."
    return f"{text}; {best.name} is {best.gold[-1] - first.gold[-1]:.3f} higher at n = {end}."


def _draw(figure: Figure, curves: Sequence[OptimizationCurve], d: np.ndarray, where: str) -> None:
    """Draw gold and proxy reward against the root of the KL divergence."""
    gold_axes, proxy_axes = figure.subplots(1, 2, width_ratios=(3, 2))
    drawn = [curve for curve in curves if curve.name == "single" or curve.name.startswith("ensemble")] or list(curves)
    smooth = np.linspace(0, d[-1], 200)
    for index, curve in enumerate(drawn[:MOST_DRAWN]):
        colour, mark = COLOURS[index], MARKS[index]
        label = LABELS.get(curve.name, legend_name(curve.name))
        gold_axes.fill_between(d, curve.low, curve.high, color=colour, alpha=0.15, linewidth=0)
        gold_axes.plot(d, curve.gold, mark, color=colour, markersize=4, label=label)
        gold_axes.plot(smooth, smooth * (curve.fit.alpha - curve.fit.beta * smooth), color=colour, linewidth=1.2)
        proxy_axes.plot(d, curve.proxy, marker=mark, color=colour, markersize=4, linewidth=1.2, label=label)
    gold_axes.axhline(0, color=GREY, linewidth=0.8)
    axis = "d = √KL of best-of-n from the base policy (√nats)"
    label_axes(gold_axes, f"Gold reward: {where}"[:80], axis, "Gain over n = 1 (95 % interval; line: d(α - βd))")
    label_axes(
        proxy_axes, "The score that chooses", "d = √KL (√nats)", "Gain over n = 1 (standard deviations of a score)"
    )
    gold_axes.legend(fontsize=9, frameon=False, loc="upper left")


def measure_toy(seeds: int, variance_weight: float = 0.5, candidates: int = TOY_CANDIDATES) -> list[OptimizationCurve]:
    """Measure the toy: each seed trains its own proxies and draws its own prompts; intervals are over seeds.

    Args:
        seeds: number of seeds.
        variance_weight: λ of the ensemble mean - λ variance.
        candidates: number of candidates of a prompt.
    """
    ns = choose_ns(candidates)
    gold_curves: dict[str, list[np.ndarray]] = {}
    proxy_curves: dict[str, list[np.ndarray]] = {}
    for seed in range(seeds):
        raw, gold = toy_candidates(np.random.default_rng(seed), TOY_PROMPTS, candidates)
        scores = standardize(raw)
        singles = np.array([[best_of_n(s, gold, ns).mean(0), best_of_n(s, s, ns).mean(0)] for s in scores])
        seed_curves = {"single": singles.mean(0)}
        for name, combined in combine_scores(scores, variance_weight).items():
            chosen = best_of_n(combined, gold, ns).mean(0)
            seed_curves[f"ensemble: {name}"] = np.stack([chosen, best_of_n(combined, combined, ns).mean(0)])
        for name, (gold_curve, proxy_curve) in seed_curves.items():
            gold_curves.setdefault(name, []).append(gold_curve)
            proxy_curves.setdefault(name, []).append(proxy_curve)
    curves: list[OptimizationCurve] = []
    for name, parts in gold_curves.items():
        proxy = np.stack(proxy_curves[name])
        curves.append(_summarize(name, np.stack(parts), proxy, np.arange(seeds), ns, 0))
    return curves


def _toy_report(seeds: int, options: OveroptimizationOptions, candidates: int = TOY_CANDIDATES) -> Report:
    where = f"toy with a cliff, {seeds} seeds, {candidates:,} candidates"
    return _report(measure_toy(seeds, options.variance_weight, candidates), choose_ns(candidates), where)


def selftest(seeds: int | None = None) -> Report:
    """Analyze the toy: a single proxy must be over-optimised, the worst case of five must resist, the fit must hold."""
    report = _toy_report(seeds or TOY_SEEDS, OveroptimizationOptions())
    values: Mapping[str, Value] = {**report.values, "seeds": seeds or TOY_SEEDS}
    return replace(report, values=values, bars=parse_bars("single_drop>=0.08 wco_gain_at_max>=0.3 gao_r2>=0.98"))
