"""Measure what several rounds of labelling and training gain over one, at equal labels and final KL divergence.

A reward model trained once, on samples of the initial policy, is inaccurate on samples of an optimised policy (Gao et
al. 2023, arXiv 2210.10760). Iterated RLHF (Bai et al. 2022, arXiv 2204.05862) labels samples of the current policy in
each round. Here the gold reward is known, so the gain can be measured: in a simulation, or on stored candidates with a
gold column or a larger reward model as the gold reward.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from os import PathLike, fspath
from typing import Annotated, Literal

import numpy as np

from rewardbench.analysis.iterate.pool import FeatureKind, read_world
from rewardbench.analysis.iterate.rounds import LabelBudget, ScoredCandidates, gold_curve, run_rounds
from rewardbench.analysis.iterate.toy import CANDIDATES, KL, NOISE, make_toy
from rewardbench.analysis.iterate.view import SeedOutcome, build_report
from rewardbench.analysis.options import OptionHelp
from rewardbench.analysis.report import Report, parse_bars
from rewardbench.comparison.compare import ComparedResult
from rewardbench.console.progress import StepBar
from rewardbench.console.terminal import make_console
from rewardbench.errors import InputError
from rewardbench.settings import ModelSpec

BARS = "paired_diff>0 t>=2 max_kl_error<=1e-6 label_difference<=0"
SEEDS = 60
DISTANCES = 12
"""Points of the curve of one round."""
SHARE = 0.5
"""Default KL divergence of stored candidates, as a share of the largest possible one."""
FEWEST_LABELS = 10
"""Minimum number of labels of a round."""


@dataclass(frozen=True)
class IterateOptions:
    """Options of the analysis of rounds."""

    toy: Annotated[bool, OptionHelp("Use the built-in simulation instead of a file")] = False
    gold_column: Annotated[str, OptionHelp("Column of the gold reward")] = "gold"
    features: Annotated[
        Literal["text", "scores", "both"],
        OptionHelp("Inputs of the trained reward model: the text, the stored scores, or both"),
    ] = "text"
    rounds: Annotated[int, OptionHelp("Largest number of rounds to compare with one", min=2, max=64)] = 4
    labels: Annotated[int, OptionHelp("Total labelled pairs, divided over the rounds", min=20, max=100_000)] = 800
    kl: Annotated[
        float | None,
        OptionHelp("Final KL divergence in nats; default: 6 with --toy, else half of the maximum", min=0.01),
    ] = None
    noise: Annotated[
        float, OptionHelp("Label noise: temperature in standard deviations of the gold reward", min=0.001, max=100)
    ] = NOISE
    policy: Annotated[
        Literal["tilt", "best-of-n"],
        OptionHelp("Optimisation, to the same KL: initial policy times exp(reward / beta), or best-of-n"),
    ] = "tilt"
    model: ModelSpec | None = None
    seeds: Annotated[int, OptionHelp("Number of random seeds", min=1)] = SEEDS
    seed: Annotated[int, OptionHelp("First random seed", min=0)] = 0


def analyze(inputs: Sequence[ComparedResult], options: IterateOptions) -> Report:
    """Compare k rounds with one, at equal numbers of labels and equal final KL divergence, paired by seed.

    Args:
        inputs: a file of candidates; none with `toy`.
        options: the options; `model` is the gold reward instead of `gold_column`.

    Raises:
        InputError: if the file cannot be used, or the candidates do not allow the KL divergence.
    """
    if options.labels < FEWEST_LABELS * options.rounds:
        raise InputError(
            f"{options.labels} labels make less than {FEWEST_LABELS} for each of {options.rounds} rounds: "
            "raise --labels or lower --rounds."
        )
    if options.toy:
        return _analyze_toy(inputs, options)
    if len(inputs) != 1 or not isinstance(inputs[0], str | PathLike):
        raise InputError("iterate reads one file of candidates (.jsonl), or pass --toy.")
    path = fspath(inputs[0])
    world, left_out = read_world(path, options.gold_column, options.model, options.features, options.seed)
    most = world.segments.most_kl()
    budget = LabelBudget(
        options.labels, SHARE * most if options.kl is None else options.kl, options.noise, options.policy
    )
    if budget.kl >= most:
        raise InputError(
            f"{path}: a KL divergence of {budget.kl:g} nats is beyond these candidates, whose largest is {most:.2f} "
            "(the mean logarithm of their number by prompt): lower --kl or add candidates."
        )
    outcomes = _run_seeds(lambda seed: world, budget, options)
    prompts, count = len(world.segments.sizes), len(world.gold)
    gold = options.model.model if options.model else options.gold_column
    notes = [
        f"The reward models are linear in {_FEATURES[options.features]}.",
        "The seeds share the candidates: the intervals are over labels and pairs, not over other prompts.",
    ]
    if left_out:
        notes.append(f"{left_out:,} candidates were left out by a random sample of prompts, which bounds the time.")
    source = {"path": path.rpartition("/")[2], "prompts": prompts, "candidates": count, "gold": gold}
    title = f"{count:,} candidates of {prompts:,} prompts, {budget.labels:,} labels"
    return build_report(outcomes, budget, _distances(budget), title, [source], notes)


_FEATURES: dict[FeatureKind, str] = {
    "text": "hashed words of the text and its length",
    "scores": "the stored scores",
    "both": "the stored scores, hashed words of the text and its length",
}


def _analyze_toy(inputs: Sequence[ComparedResult], options: IterateOptions) -> Report:
    if inputs or options.model:
        raise InputError("--toy makes its own candidates and gold reward: leave out the file and --model.")
    budget = LabelBudget(options.labels, KL if options.kl is None else options.kl, options.noise, options.policy)
    most = float(np.log(CANDIDATES))
    if budget.kl >= most:
        raise InputError(f"--kl {budget.kl:g} is beyond the toy, whose {CANDIDATES} candidates allow {most:.2f} nats.")
    outcomes = _run_seeds(make_toy, budget, options)
    note = "A simulation: the gain depends on its gold reward, noise and budget, not on your data."
    title = f"Toy, {CANDIDATES:,} candidates, {budget.labels:,} labels"
    return build_report(outcomes, budget, _distances(budget), title, [], [note])


def _distances(budget: LabelBudget) -> np.ndarray:
    """Return the distances d = sqrt(KL) of the curve of one round: [DISTANCES]."""
    distances: np.ndarray = np.sqrt(budget.kl) * np.arange(1, DISTANCES + 1) / DISTANCES
    return distances


def _run_seeds(
    make_world: Callable[[int], ScoredCandidates], budget: LabelBudget, options: IterateOptions
) -> list[SeedOutcome]:
    """Run all numbers of rounds for each seed."""
    numbers = rounds_to_compare(options.rounds)
    kls = (_distances(budget) ** 2).tolist()
    outcomes: list[SeedOutcome] = []
    with StepBar("rounds", options.seeds, make_console(stderr=True)) as tick:
        for seed in range(options.seed, options.seed + options.seeds):
            world = make_world(seed)
            results = {k: run_rounds(world, k, budget, np.random.default_rng([seed, k])) for k in numbers}
            outcomes.append(SeedOutcome(results, gold_curve(world, results[1].scores, kls, budget.policy)))
            tick()
    return outcomes


def rounds_to_compare(most: int) -> list[int]:
    """Return the powers of two up to a number of rounds, and that number.

    >>> rounds_to_compare(4), rounds_to_compare(6)
    ([1, 2, 4], [1, 2, 4, 6])
    """
    numbers = [1]
    while 2 * numbers[-1] < most:
        numbers.append(2 * numbers[-1])
    return [*numbers, most]


def selftest(seeds: int | None = None) -> Report:
    """Run the toy: rounds must reach a higher gold reward than one round, with the same labels and KL divergence."""
    report = analyze([], IterateOptions(toy=True, seeds=SEEDS if seeds is None else seeds))
    return replace(report, bars=parse_bars(BARS))
