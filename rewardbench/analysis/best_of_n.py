"""Best-of-n: how much gold reward a reward model gains by choosing among n completions of a prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from rewardbench.analysis.candidate_inputs import CandidateOptions, GoldPool, read_gold_pool
from rewardbench.analysis.figures import COLOURS, GREY, MARKS, label_axes, legend_name
from rewardbench.analysis.report import Report, ReportTable, Value, parse_bars
from rewardbench.analysis.selection import (
    SelectionCurves,
    best_of_n,
    choose_ns,
    kl_bound,
    kl_of_pool,
    limits,
    measure_selection,
    resample_curves,
    sort_with_ties,
    win_rate_bound,
    win_rates,
    within_prompt_correlation,
    within_prompt_variance,
)
from rewardbench.comparison.compare import ComparedResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SELFTEST_SEEDS = 50
FEWEST_RESAMPLED = 10
"""Minimum number of clusters of prompts for which a bootstrap is of use."""
MOST_DRAWN = 6
"""Maximum number of scores in the picture."""


@dataclass(frozen=True)
class BestOfNOptions(CandidateOptions):
    """Options of the analysis."""


@dataclass(frozen=True)
class ScoreCurves:
    """The curves of one score, averaged over prompts, with 95 % limits (NaN for a single cluster): each [points].

    Attributes:
        name: name of the score.
        curves: the curves of each prompt.
        gold_limits: limits of the gold reward: [2, points].
        gain_limits: limits of the gain in gold reward from n = 1 to the largest n.
        fall_limits: limits of the gold reward at the largest n minus that at the best n.
        variance: the variance of the score within prompts.
        variance_share: its share of the total variance.
        correlation: Spearman's correlation of score and gold within prompts.
    """

    name: str
    curves: SelectionCurves
    gold_limits: np.ndarray
    gain_limits: np.ndarray
    fall_limits: np.ndarray
    variance: float
    variance_share: float
    correlation: float

    @property
    def gold(self) -> np.ndarray:
        """Return the mean gold reward of the best of n: [points]."""
        return np.asarray(self.curves.gold.mean(0))

    @property
    def proxy(self) -> np.ndarray:
        """Return the mean proxy score of the best of n: [points]."""
        return np.asarray(self.curves.proxy.mean(0))


def analyze(inputs: Sequence[ComparedResult], options: BestOfNOptions) -> Report:
    """Estimate gold and proxy reward of best-of-n against n, from candidates or from results.

    Args:
        inputs: one file of candidates (see `candidates.py`), or results of items with three completions or more.
        options: see BestOfNOptions.

    Raises:
        InputError: if the inputs cannot be read, or have no gold reward.
    """
    source = read_gold_pool(inputs, options.gold, options.reference, options.max_n, options.score)
    measured = measure_scores(source, options.seed)
    return _report(source, measured)


def measure_scores(source: GoldPool, seed: int = 0) -> list[ScoreCurves]:
    """Compute the curves of every score, with a bootstrap over clusters of prompts."""
    ns = choose_ns(source.largest_n)
    prompts = source.pool.by_prompt()
    clusters = source.pool.cluster_indices()
    measured: list[ScoreCurves] = []
    for name, scores in source.pool.scores.items():
        curves = measure_selection(prompts, scores, source.pool.gold, ns)
        best = int(curves.gold.mean(0).argmax())
        if clusters.max() > 0:
            samples = resample_curves(curves.gold, clusters, np.random.default_rng(seed))
        else:
            samples = np.full((1, len(ns)), np.nan)
        variance, share = within_prompt_variance(prompts, scores)
        measured.append(
            ScoreCurves(
                name=name,
                curves=curves,
                gold_limits=np.stack(limits(samples)),
                gain_limits=np.stack(limits(samples[:, -1] - samples[:, 0])),
                fall_limits=np.stack(limits(samples[:, -1] - samples[:, best])),
                variance=variance,
                variance_share=share,
                correlation=within_prompt_correlation(prompts, scores, source.pool.gold),
            )
        )
    return measured


def _report(source: GoldPool, measured: Sequence[ScoreCurves]) -> Report:
    pool, ns = source.pool, measured[0].curves.ns
    best = max(measured, key=lambda score: score.gold[-1])
    values: dict[str, Value] = {
        "prompts": len(pool.prompt_ids),
        "candidates": len(pool),
        "max_n": source.largest_n,
        "best_score": best.name,
        "gold_at_1": float(best.gold[0]),
        "gold_at_max": float(best.gold[-1]),
        "gold_gain": float(best.gold[-1] - best.gold[0]),
        "gold_gain_low": float(best.gain_limits[0]),
        "gold_gain_high": float(best.gain_limits[1]),
        "oracle_at_max": float(best.curves.oracle[:, -1].mean()),
        "gain_share": _gain_share(best),
        "gold_peak_n": int(ns[best.gold.argmax()]),
        "proxy_gain": float(best.proxy[-1] - best.proxy[0]),
        "kl_upper": float(kl_bound(ns)[-1]),
        "kl_pool": float(best.curves.kl[:, -1].mean()),
        "win_rate": float(best.curves.wins[:, -1].mean()),
        "win_rate_upper": float(win_rate_bound(ns)[-1]),
        "within_variance": best.variance,
        "within_variance_share": best.variance_share,
        "within_spearman": best.correlation,
    }
    curves: dict[str, object] = {}
    for score in measured:
        curves[score.name] = {
            "gold": score.gold.tolist(),
            "gold_low": score.gold_limits[0].tolist(),
            "gold_high": score.gold_limits[1].tolist(),
            "proxy": score.proxy.tolist(),
            "oracle": score.curves.oracle.mean(0).tolist(),
            "kl_pool": score.curves.kl.mean(0).tolist(),
            "win_rate": score.curves.wins.mean(0).tolist(),
        }
    return Report(
        name="best-of-n",
        values=values,
        sentence=_sentence(best, source),
        tables=[_curve_table(measured, source), _spread_table(measured)],
        draw=lambda figure: _draw(figure, measured, source),
        size=(10.0, 4.6),
        details={"gold": source.gold_name, "n": ns.tolist(), "kl_upper": kl_bound(ns).tolist(), "curves": curves},
        notes=[*source.notes, *_notes(measured, source)],
        sources=source.sources,
    )


def _gain_share(score: ScoreCurves) -> float:
    """Return the gain as a share of that of choosing by the gold reward itself; NaN if that is 0."""
    possible = float((score.curves.oracle[:, -1] - score.curves.oracle[:, 0]).mean())
    return float(score.gold[-1] - score.gold[0]) / possible if possible > 0 else float("nan")


def _sentence(best: ScoreCurves, source: GoldPool) -> str:
    gain = float(best.gold[-1] - best.gold[0])
    share = _gain_share(best)
    if np.isnan(share):
        return "All candidates of a prompt have the same gold reward: best-of-n cannot gain anything here."
    low, high = best.gain_limits
    interval = "" if np.isnan(low) else f" (95 % interval {low:+.3f} to {high:+.3f})"
    doubt = " The interval contains 0: no gain is shown." if low <= 0 <= high else ""
    if high < 0:
        doubt = " A random choice is better: check the sign of the score."
    return (
        f"Choosing the best of {source.largest_n} with {best.name} changes the gold reward by {gain:+.3f}{interval}, "
        f"{100 * share:.0f} % of the gain of an oracle that chooses by gold reward.{doubt}"
    )


def _notes(measured: Sequence[ScoreCurves], source: GoldPool) -> list[str]:
    """Return what limits these figures."""
    notes: list[str] = []
    clusters = len(set(source.pool.clusters or source.pool.prompt_ids))
    if clusters == 1:
        notes.append("There is one prompt (or cluster of prompts) only, so there are no intervals.")
    elif clusters < FEWEST_RESAMPLED:
        notes.append(f"With {clusters} prompts (or clusters) the bootstrap intervals are too narrow: add prompts.")
    for score in measured:
        if score.fall_limits[1] < 0 and score.gold.argmax() > 0:
            peak, fall = int(score.curves.ns[score.gold.argmax()]), score.gold.max() - score.gold[-1]
            notes.append(
                f"{score.name} is over-optimised: beyond n = {peak} the gold reward falls, by {fall:.3f} at "
                f"n = {source.largest_n}. See `rewardbench analyze overoptimization`."
            )
        if score.variance == 0:
            notes.append(f"{score.name} gives all candidates of a prompt the same score: it chooses at random.")
    return notes


def _curve_table(measured: Sequence[ScoreCurves], source: GoldPool) -> ReportTable:
    """Tabulate the curves at the powers of 2 and the largest n."""
    rows: list[list[Value]] = []
    for score in measured:
        for point, n in enumerate(score.curves.ns):
            if n & (n - 1) and n != source.largest_n:
                continue
            rows.append(
                [
                    score.name,
                    int(n),
                    float(score.gold[point]),
                    float(score.gold_limits[0, point]),
                    float(score.gold_limits[1, point]),
                    float(score.proxy[point]),
                    float(kl_bound(score.curves.ns)[point]),
                    float(score.curves.kl[:, point].mean()),
                    float(score.curves.wins[:, point].mean()),
                ]
            )
    columns = ["score", "n", "gold", "low", "high", "proxy", "KL at most", "KL of pool", "win rate"]
    title = f"Best-of-n over {len(source.pool.prompt_ids):,} prompts; gold: {source.gold_name}; KL in nats"
    return ReportTable(title, columns, rows)


def _spread_table(measured: Sequence[ScoreCurves]) -> ReportTable:
    rows: list[list[Value]] = []
    for score in measured:
        rows.append([score.name, score.variance, score.variance_share, score.correlation])
    return ReportTable(
        "Spread of the score among the candidates of a prompt",
        ["score", "variance within prompts", "share of total", "Spearman with gold"],
        rows,
    )


def _draw(figure: Figure, measured: Sequence[ScoreCurves], source: GoldPool) -> None:
    """Draw the gold reward and the standardized proxy score against n."""
    gold_axes, proxy_axes = figure.subplots(1, 2)
    oracle = measured[0].curves.oracle.mean(0)
    ns = measured[0].curves.ns
    gold_axes.plot(ns, oracle, color=GREY, linestyle="--", label="gold itself (best possible)")
    for index, score in enumerate(measured[:MOST_DRAWN]):
        style = {"color": COLOURS[index], "marker": MARKS[index], "markersize": 4, "label": legend_name(score.name)}
        gold_axes.plot(ns, score.gold, **style)
        gold_axes.fill_between(ns, *score.gold_limits, color=COLOURS[index], alpha=0.2, linewidth=0)
        spread = float(np.std(source.pool.scores[score.name])) or 1.0
        proxy_axes.plot(ns, (score.proxy - score.proxy[0]) / spread, **style)
    ticks = choose_ticks(source.largest_n)
    label_axes(gold_axes, f"Gold reward, n = {len(source.pool.prompt_ids):,} prompts", *_labels(source))
    label_axes(
        proxy_axes,
        "Proxy score of the same choice",
        "Candidates n, from which the best is chosen",
        "Gain in standard deviations",
    )
    for axes in (gold_axes, proxy_axes):
        axes.set_xscale("log", base=2)
        axes.set_xticks(ticks, list(map(str, ticks)))
        axes.minorticks_off()
    gold_axes.legend(fontsize=8, frameon=False)


def choose_ticks(largest: int) -> list[int]:
    """Return the powers of 2 below the largest n, at most eight, and the largest n.

    >>> choose_ticks(5), choose_ticks(4000)
    ([1, 2, 5], [1, 4, 16, 64, 256, 1024, 4000])
    """
    step = 2 if largest <= 256 else 4
    ticks = [1]
    while ticks[-1] * step * 1.4 < largest:
        ticks.append(ticks[-1] * step)
    return [*ticks, largest]


def _labels(source: GoldPool) -> tuple[str, str]:
    return "Candidates n, from which the best is chosen", f"Gold ({source.gold_name[:40]}), 95 % interval"


def enumerate_best_of_n(proxy: np.ndarray, gold: np.ndarray, n: int) -> float:
    """Compute the expected gold reward of the best of n by enumerating all subsets of n candidates.

    Args:
        proxy: scores that select; equal highest scores are averaged: [candidates].
        gold: gold rewards: [candidates].
        n: size of the subsets.
    """
    subsets = np.array(list(combinations(range(len(proxy)), n)))
    scores, rewards = proxy[subsets], gold[subsets]
    is_best = scores == scores.max(1, keepdims=True)
    return float(((rewards * is_best).sum(1) / is_best.sum(1)).mean())


def selftest(seeds: int | None = None) -> Report:
    """Compare the estimator with enumeration of all C(10, n), permute candidates, and check the bounds."""
    ns = np.arange(1, 11)
    seeds = seeds or SELFTEST_SEEDS
    errors: list[float] = []
    order_differences: list[float] = []
    kl_violations = win_violations = 0
    for seed in range(seeds):
        random = np.random.default_rng(seed)
        outcomes = int(random.integers(2, 30))  # few outcomes make ties
        proxy, gold = random.integers(outcomes, size=10).astype(float), random.normal(size=10)
        estimates = best_of_n(proxy[None], gold[None], ns)[0]
        for n, estimate in zip(ns, estimates, strict=True):
            errors.append(abs(enumerate_best_of_n(proxy, gold, int(n)) - float(estimate)))
        order = random.permutation(10)
        permuted = best_of_n(proxy[order][None], gold[order][None], ns)[0]
        order_differences.append(float(np.abs(permuted - estimates).max()))
        many = 2 ** np.arange(11)
        pool, rewards = random.integers(outcomes, size=(4, 64)).astype(float), random.normal(size=(4, 64))
        kl_violations += int((kl_of_pool(sort_with_ties(pool, rewards)[2], many) > kl_bound(many) + 1e-12).sum())
        win_violations += int((win_rates(pool, rewards, many) > win_rate_bound(many) + 1e-12).sum())
        win_violations += int((win_rates(pool, pool, many) > win_rate_bound(many) + 1e-12).sum())
    values: Mapping[str, Value] = {
        "max_err": max(errors),
        "tie_order_diff": _as_count(max(order_differences)),
        "kl_bound_violations": kl_violations,
        "win_bound_violations": win_violations,
        "seeds": seeds,
    }
    sentence = f"Over {seeds} pools of 10 candidates, the estimate equals enumeration to {max(errors):.0e}."
    bars = parse_bars("max_err<=1e-12 tie_order_diff<=0 kl_bound_violations<=0 win_bound_violations<=0")
    return Report("best-of-n", values, sentence, bars=bars)


def _as_count(value: float) -> Value:
    """Return an exact 0 as an integer, so that it prints as 0."""
    return 0 if value == 0 else value
