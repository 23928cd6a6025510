"""Planted biases: texts and scores whose effect of length, and judges whose bias of position, are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rewardbench.analysis.bias.style_pairs import collect_pairs, fit_style
from rewardbench.console.progress import StepBar
from rewardbench.console.terminal import make_console
from rewardbench.evaluation import evaluate
from rewardbench.scorers.base import BaseScorer
from rewardbench.types import Messages, TextRequest, View

BARS = (
    "lambda_max_abs_err<=0.02 unbiased_lambda_abs<=0.02 swap_inconsistency>=0.28 swap_inconsistency<=0.32 "
    "length_only_accuracy>=0.48 length_only_accuracy<=0.52 length_only_logistic>=0.48 length_only_logistic<=0.52"
)
LAMBDAS = (0.0, 0.5, 1.0)
PAIRS = 4000
"""Pairs of a seed."""
POSITION_SHARE = 0.3
"""How often the planted judge prefers what is shown first without reading it."""
NOISE = 0.3
"""Standard deviation of the margin that neither quality nor style explains."""


class PlantedJudge(BaseScorer):
    """Prefer the response that is shown first in a share of the items, and the better one otherwise."""

    name, model_type = "planted-judge", "Generative RM"
    view: View = "pairwise"

    def prepare(self, prompt: Messages, first: Messages, second: Messages, rendered: bool) -> TextRequest:
        """Take the prompt, which says whether the judge reads the responses, and both responses in order."""
        texts = (first[0]["content"], second[0]["content"])
        return TextRequest("\n".join((prompt[0]["content"], *texts)), texts)

    def run(self, requests: Sequence[TextRequest]) -> list[float]:
        """Return the probability that the first response is better."""
        return [float("guess" in request.text or "good" in request.completions[0]) for request in requests]


def planted_rows(random: np.random.Generator, pairs: int = PAIRS) -> list[dict[str, str]]:
    """Return pairs of texts whose right response is 40 characters longer on average."""
    lengths = np.maximum(random.gamma(4.0, 60.0, (pairs, 2)) + np.array([40.0, 0.0]), 20.0).astype(int)
    words = "word " * int(lengths.max())
    rows = []
    for number, (right, wrong) in enumerate(lengths.tolist()):
        rows.append({"prompt": f"Question {number}", "chosen": words[:right] + "x", "rejected": words[:wrong] + "x"})
    return rows


def measure_planted_bias(seeds: int, pairs: int = PAIRS) -> dict[str, float]:
    """Measure the planted biases.

    Args:
        seeds: number of random seeds.
        pairs: number of pairs of each.

    Returns:
        `lambda_max_abs_err`: largest error of a planted effect of length; `unbiased_lambda_abs`: largest effect
        measured where there is none; accuracies at equal length of a model that scores by length only; and of a judge
        its mean swap inconsistency and position bias.
    """
    errors: list[float] = []
    unbiased: list[float] = []
    controlled: list[float] = []
    logistic: list[float] = []
    raw: list[float] = []
    swaps: list[float] = []
    biases: list[float] = []
    with StepBar("planted biases", seeds, make_console(stderr=True)) as tick:
        for seed in range(seeds):
            random = np.random.default_rng(seed)
            by_length = collect_pairs(evaluate("baseline/longest", planted_rows(random, pairs)).to_model_scores())
            quality = random.normal(1.0, NOISE, pairs)
            lengths = by_length.margins / by_length.margins.std()
            for planted in LAMBDAS:
                (effect,) = fit_style(replace(by_length, margins=quality + planted * lengths)).effects
                errors.append(abs(effect.slope * effect.spread - planted))
                if planted == 0:
                    unbiased.append(errors[-1])
            fit = fit_style(by_length)
            raw.append(fit.accuracy.value)
            controlled.append(fit.length_controlled.value)
            logistic.append(fit.logistic.value)
            position = judge_position(random, pairs)
            biases.append(float(np.mean(position[0])))
            swaps.append(float(np.mean(position[1])))
            tick()
    return {
        "seeds": seeds,
        "lambda_max_abs_err": max(errors),
        "unbiased_lambda_abs": max(unbiased),
        "length_only_raw_accuracy": float(np.mean(raw)),
        "length_only_accuracy": float(np.mean(controlled)),
        "length_only_logistic": float(np.mean(logistic)),
        "swap_inconsistency": float(np.mean(swaps)),
        "position_bias": float(np.mean(biases)),
    }


def judge_position(random: np.random.Generator, pairs: int) -> tuple[Sequence[float], Sequence[float]]:
    """Return position bias and order inconsistency of each item of the planted judge: [pairs] each."""
    rows = []
    for number, guesses in enumerate(random.random(pairs) < POSITION_SHARE):
        prompt = f"{'guess' if guesses else 'read'} {number}"
        rows.append({"prompt": prompt, "chosen": f"good {number}", "rejected": f"poor {number}"})
    return collect_pairs(evaluate(PlantedJudge(), rows).to_model_scores()).position
