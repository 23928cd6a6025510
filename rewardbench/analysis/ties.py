"""Ties: do small score differences predict that two responses are equally good, and how small must they be?

`tie_models` has the models and their sources; the Ties score of RewardBench 2 is `metrics.ties`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib.util import find_spec
from math import log, sqrt
from typing import Annotated

import numpy as np

from rewardbench import stats
from rewardbench.analysis.options import OptionHelp
from rewardbench.analysis.report import Report, ReportTable, Value, parse_bars
from rewardbench.analysis.tie_data import LabelledComparisons, read_comparisons
from rewardbench.analysis.tie_models import (
    PREDICTORS,
    TIE,
    Comparisons,
    TieFit,
    davidson_probabilities,
    fit_davidson,
    fit_rao_kupper,
    log_losses,
    predict,
    rao_kupper_probabilities,
)
from rewardbench.analysis.ties_figure import draw_ties
from rewardbench.comparison.compare import ComparedResult
from rewardbench.errors import InputError
from rewardbench.metrics.calibration import FloatArray, IntArray, mass_bins

BINS = 10
"""Number of bins of the score difference, each with as many pairs."""
SEEDS = 20
PLANTED_PAIRS, PLANTED_SPREAD, PLANTED_BETA, PLANTED_NU, PLANTED_THETA = 20_000, 2.0, 0.8, 1.2, 2.0
BARS = (
    "davidson_nu_max_rel_err<=0.05 davidson_beta_max_rel_err<=0.06 rk_theta_max_rel_err<=0.03 "
    "davidson_minus_oracle_max<=0.002"
)
NAMES = {
    "prior": "class prior",
    "bt_constant": "BT, constant share",
    "both_high": "BT, tie if both high",
    "davidson": "Davidson",
    "rao_kupper": "Rao-Kupper",
}
"""Names of the predictors in tables and pictures."""


@dataclass(frozen=True)
class TiesOptions:
    """Options of the analysis."""

    score_a: Annotated[str, OptionHelp("In a csv: column of the score of the first response")] = "score_a"
    score_b: Annotated[str, OptionHelp("In a csv: column of the score of the second response")] = "score_b"
    seed: Annotated[int, OptionHelp("Seed of the split into halves", min=0)] = 0


@dataclass(frozen=True)
class TieBin:
    """The pairs whose absolute score difference is in one bin.

    Attributes:
        n: number of pairs.
        difference: their mean absolute score difference.
        share: share of ties.
        low: lower limit of its 95 % interval, by cluster.
        high: upper limit.
        davidson: mean probability of a tie by Davidson's model.
        rao_kupper: the same by the Rao-Kupper model.
    """

    n: int
    difference: float
    share: float
    low: float
    high: float
    davidson: float
    rao_kupper: float


@dataclass(frozen=True)
class Loss:
    """Held-out log-loss of a predictor, in nats per pair, and its difference to Bradley-Terry with a constant share."""

    name: str
    value: float
    difference: float
    low: float
    high: float


@dataclass(frozen=True)
class TieAnalysis:
    """What is known of the ties of one set of comparisons."""

    model: str
    n: int
    ties: int
    davidson: TieFit
    rao_kupper: TieFit
    losses: tuple[Loss, ...]
    bins: tuple[TieBin, ...]

    @property
    def threshold(self) -> float:
        """Score difference below which a tie is the likeliest outcome of Davidson's model; 0 if none is."""
        if self.davidson.tie <= 1 or self.davidson.beta <= 0:
            return 0.0
        return 2 * log(self.davidson.tie) / self.davidson.beta


def analyze(inputs: Sequence[ComparedResult], options: TiesOptions) -> Report:
    """Fit models of ties to the scores of one model, and compare them with baselines on held-out pairs.

    Args:
        inputs: a result whose data has ties, or a table of battles with scores.
        options: columns and seed.

    Raises:
        InputError: if there is not one input, or it has too few ties.
    """
    if len(inputs) != 1:
        raise InputError(f"ties reads one result or csv, and got {len(inputs)}: pass one file.")
    data = read_comparisons(inputs[0], (options.score_a, options.score_b))
    if len(np.unique(data.pairs.clusters)) < 2:
        raise InputError(f"{data.source['path']} has one cluster of pairs; held-out pairs need at least two.")
    return _report(analyze_comparisons(data.model, data.pairs, options.seed), data)


def analyze_comparisons(model: str, pairs: Comparisons, seed: int = 0) -> TieAnalysis:
    """Fit both models of ties on all pairs, and measure every predictor out of sample.

    Args:
        model: name of the model.
        pairs: comparisons of at least two clusters.
        seed: seed of the split into halves, each of which is predicted from the other.

    Raises:
        InputError: if a half has no tie or no preference.
    """
    davidson, rao_kupper = fit_davidson(pairs), fit_rao_kupper(pairs)
    losses = held_out_losses(pairs, seed)
    summaries = [summarize_loss(name, losses[name], losses["bt_constant"], pairs.clusters) for name in PREDICTORS]
    ties = int((pairs.outcomes == 0).sum())
    bins = tie_bins(pairs, davidson, rao_kupper)
    return TieAnalysis(model, len(pairs.outcomes), ties, davidson, rao_kupper, tuple(summaries), bins)


def held_out_losses(pairs: Comparisons, seed: int = 0) -> dict[str, FloatArray]:
    """Compute the three-class log-loss of each predictor on each half of the clusters, fitted on the other half.

    Returns:
        For each of `PREDICTORS` the loss of each pair, in nats: [pairs].

    Raises:
        InputError: if a half has no tie, no preference, or no two different scores.
    """
    names, codes = np.unique(pairs.clusters, return_inverse=True)
    in_first = np.zeros(len(names), dtype=np.bool_)
    in_first[np.random.default_rng(seed).permutation(len(names))[: len(names) // 2]] = True
    is_first = in_first[codes]
    losses = {name: np.zeros(len(pairs.outcomes)) for name in PREDICTORS}
    for is_test in (is_first, ~is_first):
        train, test = pairs.select(~is_test), pairs.select(is_test)
        is_tie = train.outcomes == 0
        if is_tie.all() or not is_tie.any() or not train.differences.any():
            raise InputError("A half of the clusters has no tie or no preference: pass another --seed, or more data.")
        for name, shares in predict(train, test).items():
            losses[name][is_test] = log_losses(shares, test.columns)
    return losses


def summarize_loss(name: str, losses: FloatArray, baseline: FloatArray, clusters: IntArray) -> Loss:
    """Compute the mean loss, and its difference to a baseline with the 95 % interval by cluster.

    Args:
        name: name of the predictor.
        losses: [pairs].
        baseline: losses of the baseline: [pairs].
        clusters: number of the cluster of each pair: [pairs].
    """
    gaps = losses - baseline
    difference = float(gaps.mean())
    _, codes = np.unique(clusters, return_inverse=True)
    sums = np.bincount(codes, gaps - difference)
    error = sqrt(len(sums) / max(1, len(sums) - 1) * float(sums @ sums)) / len(losses)
    half = stats.normal(0.95) * error
    return Loss(name, float(losses.mean()), difference, difference - half, difference + half)


def tie_bins(pairs: Comparisons, davidson: TieFit, rao_kupper: TieFit) -> tuple[TieBin, ...]:
    """Compute the share of ties by the absolute score difference, in bins with equal numbers of pairs."""
    sizes = np.abs(pairs.differences)
    index = mass_bins(sizes, BINS)
    is_tie = (pairs.outcomes == 0).astype(np.float64)
    by_davidson = davidson_probabilities(sizes, davidson.beta, davidson.tie)[:, TIE]
    by_rao_kupper = rao_kupper_probabilities(sizes, rao_kupper.beta, rao_kupper.tie)[:, TIE]
    bins: list[TieBin] = []
    for number in np.unique(index):
        inside = index == number
        share = stats.mean(is_tie[inside].tolist(), pairs.clusters[inside].tolist())
        means = [float(values[inside].mean()) for values in (sizes, by_davidson, by_rao_kupper)]
        bins.append(TieBin(int(inside.sum()), means[0], share.value, share.low, share.high, *means[1:]))
    return tuple(bins)


def _report(analysis: TieAnalysis, data: LabelledComparisons) -> Report:
    losses = {loss.name: loss for loss in analysis.losses}
    rows = [[NAMES[loss.name], loss.value, loss.difference, loss.low, loss.high] for loss in analysis.losses]
    columns = ("predictor", "log-loss", "minus BT", "low", "high")
    parameters: list[list[Value]] = []
    for name, fit in (("Davidson", analysis.davidson), ("Rao-Kupper", analysis.rao_kupper)):
        tie_name = "nu" if name == "Davidson" else "theta"
        parameters.append([name, "beta", fit.beta, fit.beta_error, *fit.beta_interval])
        parameters.append([name, tie_name, fit.tie, fit.tie_error, *fit.tie_interval])
    notes = [*data.notes, "Log-loss: each half of the clusters is predicted from the other half, in nats per pair."]
    notes.append("s.e. is of independent pairs (observed information); low and high are 95 % limits by cluster.")
    if analysis.davidson.at_bound or analysis.rao_kupper.at_bound:
        notes.append("A parameter is at its bound: the scores separate ties from preferences, or do not order them.")
    return Report(
        "ties",
        _values(analysis, losses),
        _sentence(analysis, losses["davidson"]),
        [
            ReportTable("Parameters", ("model", "parameter", "value", "s.e.", "low", "high"), parameters),
            ReportTable("Held-out log-loss", columns, rows),
        ],
        partial(draw_ties, analysis, NAMES),
        size=(8.0, 4.2),
        details=asdict(analysis),
        notes=notes,
        sources=[data.source],
    )


def _values(analysis: TieAnalysis, losses: Mapping[str, Loss]) -> dict[str, Value]:
    davidson, rao_kupper, loss = analysis.davidson, analysis.rao_kupper, losses["davidson"]
    values: dict[str, Value] = {
        "n": analysis.n,
        "ties": analysis.ties,
        "tie_share": analysis.ties / analysis.n,
        "davidson_beta": davidson.beta,
        "davidson_beta_se": davidson.beta_error,
        "davidson_nu": davidson.tie,
        "davidson_nu_se": davidson.tie_error,
        "rk_beta": rao_kupper.beta,
        "rk_beta_se": rao_kupper.beta_error,
        "rk_theta": rao_kupper.tie,
        "rk_theta_se": rao_kupper.tie_error,
        "tie_share_at_equal_scores": davidson.tie / (davidson.tie + 2),
        "tie_likeliest_below": analysis.threshold,
    }
    values |= {f"log_loss_{name}": losses[name].value for name in PREDICTORS}
    return values | {
        "davidson_minus_bt": loss.difference,
        "davidson_minus_bt_low": loss.low,
        "davidson_minus_bt_high": loss.high,
    }


def _sentence(analysis: TieAnalysis, loss: Loss) -> str:
    """Say whether small differences mean ties, and from which difference on."""
    low, high = analysis.davidson.beta_interval
    if low <= 0 <= high:
        return (
            f"The scores of {analysis.model} predict neither ties nor preferences here: beta is "
            f"{analysis.davidson.beta:.3g} (95 %: {low:.3g} to {high:.3g}), so do not read their differences."
        )
    if high < 0:
        return (
            f"The scores of {analysis.model} are higher for the response that is not preferred (beta "
            f"{analysis.davidson.beta:.3g}): check the labels and the sign of the score."
        )
    if loss.high >= 0:
        return (
            f"Small score differences of {analysis.model} are no sign of a tie: Davidson's model changes the log-loss of a "
            f"constant tie share by {loss.difference:+.4f} nats a pair (95 %: {loss.low:+.4f} to {loss.high:+.4f}), so "
            f"keep the constant share of {analysis.ties / analysis.n:.0%}."
        )
    gain = f"{-loss.difference:.4f} nats a pair (95 %: {-loss.high:.4f} to {-loss.low:.4f})"
    advice = f"Small score differences of {analysis.model} mean ties: Davidson's model gains {gain} on a constant share"
    if analysis.threshold > 0:
        return f"{advice}; call two responses tied if their scores differ by less than {analysis.threshold:.3g}."
    share = analysis.davidson.tie / (analysis.davidson.tie + 2)
    return f"{advice}, but even at equal scores a tie has only {share:.0%}, so never call a tie from scores."


# Planted truth


def simulate_comparisons(
    n: int, random: np.random.Generator, model: str = "davidson", spread: float = PLANTED_SPREAD
) -> tuple[Comparisons, FloatArray]:
    """Draw scores and labels of a planted model of ties.

    Args:
        n: number of pairs.
        random: source of random numbers.
        model: davidson or rao_kupper.
        spread: standard deviation of the normal score differences.

    Returns:
        The comparisons, and the true probabilities of first, tie and second: [pairs, 3].
    """
    level, differences = random.standard_normal(n), spread * random.standard_normal(n)
    if model == "davidson":
        shares = davidson_probabilities(differences, PLANTED_BETA, PLANTED_NU)
    else:
        shares = rao_kupper_probabilities(differences, PLANTED_BETA, PLANTED_THETA)
    columns = (random.random(n)[:, None] > np.cumsum(shares, axis=1)[:, :2]).sum(axis=1)
    scores = np.stack([level + differences / 2, level - differences / 2], axis=1)
    return Comparisons(scores, (1 - columns).astype(np.int64), np.arange(n)), shares


def selftest(seeds: int | None = None) -> Report:
    """Recover planted parameters, compare Rao-Kupper with statsmodels, and the log-loss with that of the truth."""
    errors: dict[str, list[float]] = {"nu": [], "beta": [], "theta": [], "oracle": [], "rk": [], "bt": []}
    for seed in range(seeds or SEEDS):
        random = np.random.default_rng(seed)
        train, _ = simulate_comparisons(PLANTED_PAIRS, random)
        test, shares = simulate_comparisons(PLANTED_PAIRS, random)
        davidson = fit_davidson(train)
        errors["nu"].append(abs(davidson.tie / PLANTED_NU - 1))
        errors["beta"].append(abs(davidson.beta / PLANTED_BETA - 1))
        other, _ = simulate_comparisons(PLANTED_PAIRS, random, "rao_kupper")
        errors["theta"].append(abs(fit_rao_kupper(other).tie / PLANTED_THETA - 1))
        predictions = predict(train, test)
        oracle = float(log_losses(shares, test.columns).mean())
        for key, name in (("oracle", "davidson"), ("rk", "rao_kupper"), ("bt", "bt_constant")):
            errors[key].append(float(log_losses(predictions[name], test.columns).mean()) - oracle)
    values: dict[str, Value] = {
        "davidson_nu_max_rel_err": max(errors["nu"]),
        "davidson_beta_max_rel_err": max(errors["beta"]),
        "rk_theta_max_rel_err": max(errors["theta"]),
        "log_loss_oracle": oracle,
        "davidson_minus_oracle_max": max(errors["oracle"]),
        "rao_kupper_minus_oracle": float(np.mean(errors["rk"])),
        "bt_constant_minus_oracle": float(np.mean(errors["bt"])),
        "seeds": len(errors["nu"]),
    }
    bars, notes = BARS, []
    if find_spec("statsmodels") is None:
        notes.append("statsmodels is not installed: Rao-Kupper was not compared with its ordered logit.")
    else:
        values["rk_statsmodels_max_diff"] = compare_with_statsmodels(other)
        bars += " rk_statsmodels_max_diff<=0.0001"
    report = _report(analyze_comparisons("planted", train), LabelledComparisons("planted", train, {}, ()))
    sentence = (
        f"The planted nu of {PLANTED_NU} is recovered within {max(errors['nu']):.1%} over {len(errors['nu'])} seeds."
    )
    return Report("ties", values, sentence, draw=report.draw, size=report.size, notes=notes, bars=parse_bars(bars))


def compare_with_statsmodels(pairs: Comparisons) -> float:
    """Return the largest difference of beta and log theta to the ordered logit of statsmodels.

    Every pair is given in both orders, so that the cut points of the ordered logit are symmetric.
    """
    from statsmodels.miscmodels.ordinal_model import OrderedModel

    differences = np.concatenate([pairs.differences, -pairs.differences])
    levels = np.concatenate([pairs.outcomes, -pairs.outcomes])
    model = OrderedModel(levels, differences[:, None], distr="logit")
    fit = model.fit(method="bfgs", disp=False, gtol=1e-8)
    low, high = model.transform_threshold_params(fit.params)[1:3]
    ours = fit_rao_kupper(pairs)
    return max(abs(float(fit.params[0]) - ours.beta), abs(float(high) - log(ours.tie)), abs(float(low) + log(ours.tie)))
