"""Run the analysis of ties, and its self-test on planted ties."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib.util import find_spec
from math import log
from typing import Annotated

import numpy as np

from rewardbench.analysis.options import OptionHelp
from rewardbench.analysis.report import Report, ReportTable, Value, parse_bars
from rewardbench.analysis.ties.data import LabelledComparisons, read_comparisons
from rewardbench.analysis.ties.figure import draw_ties
from rewardbench.analysis.ties.fit import Loss, TieAnalysis, analyze_comparisons
from rewardbench.analysis.ties.models import (
    PREDICTORS,
    LabelledPairs,
    davidson_probabilities,
    fit_davidson,
    fit_rao_kupper,
    log_losses,
    predict,
    rao_kupper_probabilities,
)
from rewardbench.comparison.compare import ComparedResult
from rewardbench.errors import InputError
from rewardbench.metrics.temperature import FloatArray

SEEDS = 20
PLANTED_PAIRS, PLANTED_SPREAD, PLANTED_BETA, PLANTED_NU, PLANTED_THETA = 20_000, 2.0, 0.8, 1.2, 2.0
BARS = (
    "davidson_nu_max_rel_err<=0.05 davidson_beta_max_rel_err<=0.06 rk_theta_max_rel_err<=0.03 "
    "davidson_minus_oracle_max<=0.002"
)
NAMES = {
    "prior": "class prior",
    "bt_constant": "BT, constant tie rate",
    "both_high": "BT, tie if both high",
    "davidson": "Davidson",
    "rao_kupper": "Rao-Kupper",
}
"""Names of the predictors in tables and pictures."""


@dataclass(frozen=True)
class TiesOptions:
    """Options of the analysis."""

    score_a: Annotated[str, OptionHelp("Column of a battles csv with the score of the first response")] = "score_a"
    score_b: Annotated[str, OptionHelp("Column of a battles csv with the score of the second response")] = "score_b"
    seed: Annotated[int, OptionHelp("Random seed of the split into halves", min=0)] = 0


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


def _report(analysis: TieAnalysis, data: LabelledComparisons) -> Report:
    losses = {loss.name: loss for loss in analysis.losses}
    rows: list[list[Value]] = []
    for loss in analysis.losses:
        rows.append([NAMES[loss.name], loss.value, loss.difference, loss.low, loss.high])
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
    """Say whether small differences predict ties, and below which difference a tie is likeliest."""
    low, high = analysis.davidson.beta_interval
    if low <= 0 <= high and not analysis.davidson.at_bound:
        return (
            f"The scores of {analysis.model} are not shown to predict preferences here: beta is "
            f"{analysis.davidson.beta:.3g} (95 %: {low:.3g} to {high:.3g}), so do not use their differences."
        )
    if high < 0:
        return (
            f"The scores of {analysis.model} are higher for the response that is not preferred (beta "
            f"{analysis.davidson.beta:.3g}): check the labels and the sign of the score."
        )
    if loss.high >= 0:
        change = f"{loss.difference:+.4f} nats per pair (95 %: {loss.low:+.4f} to {loss.high:+.4f})"
        return (
            f"Small score differences of {analysis.model} are not shown to predict ties: Davidson's model changes the "
            f"log-loss by {change}, so assume a constant tie rate of {analysis.ties / analysis.n:.0%}."
        )
    gain = f"{-loss.difference:.4f} nats per pair (95 %: {-loss.high:.4f} to {-loss.low:.4f})"
    advice = (
        f"Small score differences of {analysis.model} predict ties: Davidson's model lowers the log-loss by {gain} "
        "compared with a constant tie rate"
    )
    if analysis.threshold > 0:
        return f"{advice}; call two responses tied if their scores differ by less than {analysis.threshold:.3g}."
    share = analysis.davidson.tie / (analysis.davidson.tie + 2)
    return f"{advice}, but even at equal scores only {share:.0%} are ties, so never call a tie from scores."


# Planted truth


def simulate_comparisons(
    n: int, random: np.random.Generator, model: str = "davidson", spread: float = PLANTED_SPREAD
) -> tuple[LabelledPairs, FloatArray]:
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
    return LabelledPairs(scores, (1 - columns).astype(np.int64), np.arange(n)), shares


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


def compare_with_statsmodels(pairs: LabelledPairs) -> float:
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
