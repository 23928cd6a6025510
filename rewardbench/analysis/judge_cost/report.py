"""The analysis judge-cost: accuracy, agreement and cost of several results on one suite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from math import isnan
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Literal

import numpy as np

from rewardbench import stats
from rewardbench.analysis.figures import short_name
from rewardbench.analysis.judge_cost.agreement import (
    AgreementEstimate,
    ModelDecisions,
    agreement_kappa,
    collect_decisions,
    error_consistency,
)
from rewardbench.analysis.judge_cost.counts import ranking_calls
from rewardbench.analysis.judge_cost.figure import MEASURES, CostPoint, draw_costs
from rewardbench.analysis.judge_cost.usage import (
    RunUsage,
    ledger_seconds,
    measure_seconds,
    read_assignments,
    read_usage,
)
from rewardbench.analysis.options import OptionHelp
from rewardbench.analysis.report import Report, ReportTable, Value, source_of
from rewardbench.comparison.compare import ComparedResult, align, read_compared, with_suite
from rewardbench.errors import InputError
from rewardbench.paths import home_path
from rewardbench.results.scored import ModelScores
from rewardbench.settings import ModelSpec

CostMeasure = Literal["dollars", "seconds", "flops", "tokens"]
MEASURE_ORDER: tuple[CostMeasure, ...] = ("dollars", "seconds", "flops", "tokens")
"""Kinds of cost; the figure shows the first that is known for every result."""
PairAgreement = tuple[AgreementEstimate, AgreementEstimate, AgreementEstimate]
"""Share of equal decisions, kappa and error consistency of two models."""


@dataclass(frozen=True)
class JudgeCostOptions:
    """Options of the analysis judge-cost."""

    systems: Annotated[int, OptionHelp("Systems in the estimate of ranking costs", min=2, max=10_000)] = 10
    prompts: Annotated[int, OptionHelp("Prompts in the estimate of ranking costs", min=1)] = 500
    cost: Annotated[
        Literal["auto", "dollars", "seconds", "flops", "tokens"],
        OptionHelp("Unit of the cost axis in the figure; auto: the first of these that is known for every result"),
    ] = "auto"
    parameters: Annotated[
        tuple[str, ...], OptionHelp("Number of parameters of a model, as MODEL=8e9; repeat it for more")
    ] = ()
    seconds: Annotated[
        tuple[str, ...], OptionHelp("Wall-clock seconds of a run, as MODEL=95.5; repeat it for more")
    ] = ()
    hour_price: Annotated[float | None, OptionHelp("$ per hour of the machine that runs the reward models", min=0)] = (
        None
    )
    input_price: Annotated[float | None, OptionHelp("$ per million prompt tokens of a judge", min=0)] = None
    output_price: Annotated[float | None, OptionHelp("$ per million completion tokens of a judge", min=0)] = None
    ledger: Annotated[str | None, OptionHelp("SQLite file of judge answers; default: the cache")] = None
    time_items: Annotated[int, OptionHelp("Items on which the speed of --model is measured", min=1)] = 100
    seed: Annotated[int, OptionHelp("Random seed of the bootstrap and of the timed items")] = 0
    model: ModelSpec | None = None


@dataclass(frozen=True)
class ModelCost:
    """A result with its accuracy, its agreement with the labels, and its usage."""

    usage: RunUsage
    accuracy: stats.Mean
    kappa: AgreementEstimate


def analyze(inputs: Sequence[ComparedResult], options: JudgeCostOptions) -> Report:
    """Compare accuracy, agreement and cost of results on the same items of one suite.

    Args:
        inputs: two or more results, such as one of a reward model and one of a judge.
        options: prices, parameters and times that the results do not state, and the ranking to plan.

    Raises:
        InputError: if there are fewer than two results, or they do not have the same items.
    """
    models = read_results(inputs)
    usages = _complete(list(map(read_usage, inputs, models)), models, options)
    decisions = collect_decisions(models)
    if decisions.chosen.shape[1] < 2:
        raise InputError("Fewer than 2 items have one right completion and a score of every model: score more items.")
    costs: list[ModelCost] = []
    for usage, chosen in zip(usages, decisions.chosen, strict=True):
        accuracy = stats.mean((chosen == 0).astype(float).tolist(), decisions.clusters.tolist())
        labels = np.zeros_like(chosen)
        _, kappa = agreement_kappa(chosen, labels, decisions.counts, decisions.clusters, options.seed)
        costs.append(ModelCost(usage, accuracy, kappa))
    pair = _choose_pair(usages)
    return _report(costs, decisions, pair, models, options)


def read_results(inputs: Sequence[ComparedResult]) -> list[ModelScores]:
    """Read results and align their items.

    Raises:
        InputError: if there are fewer than two, or their items differ.
    """
    if len(inputs) < 2:
        raise InputError(
            "judge-cost compares at least two results on one suite: pass the .json of a reward model and of a judge."
        )
    first = read_compared(inputs[0])
    models = [first]
    for result in inputs[1:]:
        first, other = align(models[0], read_compared(result))
        models[0] = first
        models.append(with_suite(other, first.suite))
    return models


def _complete(usages: list[RunUsage], models: Sequence[ModelScores], options: JudgeCostOptions) -> list[RunUsage]:
    """Add what the options state or measure to what the results say.

    Raises:
        InputError: if an option names no model of the results.
    """
    parameters = read_assignments(options.parameters, "parameters")
    seconds = read_assignments(options.seconds, "seconds")
    names = {name for usage in usages for name in _names_of(usage)}
    named = [*parameters, *seconds, *([options.model.model] if options.model else [])]
    for name in named:
        if name not in names:
            raise InputError(f"No result is of the model {name!r}: the models are {', '.join(sorted(names))}.")
    completed: list[RunUsage] = []
    labels: set[str] = set()
    for number, usage in enumerate(usages):
        run_seconds = _stated(seconds, usage) or _measured(usage, models[number], options)
        count = _stated(parameters, usage) or usage.parameters
        label = usage.label if usage.label not in labels else f"{usage.label} #{number + 1}"
        labels.add(label)
        usage = replace(usage, label=label, seconds=run_seconds, parameters=count)
        completed.append(replace(usage, dollars=_dollars(usage, options)))
    return completed


def _names_of(usage: RunUsage) -> tuple[str, ...]:
    """Return the names by which options name a model."""
    return usage.label, usage.model, short_name(usage.model)


def _stated(amounts: Mapping[str, float], usage: RunUsage) -> float | None:
    """Return the amount that an option states of a model; None if it states none."""
    return next(filter(None, map(amounts.get, _names_of(usage))), None)


def _measured(usage: RunUsage, scored: ModelScores, options: JudgeCostOptions) -> float | None:
    """Return the seconds of a run by measuring its model here, or from the ledger of a judge; None if neither can."""
    if options.model and options.model.model == usage.model and usage.kind == "reward model":
        random = np.random.default_rng(options.seed)
        count = min(options.time_items, len(scored.suite.items))
        sample = sorted(random.choice(len(scored.suite.items), count, replace=False).tolist())
        seconds = measure_seconds(options.model, [scored.suite.items[index] for index in sample])
        return seconds * len(scored.suite.items) / count
    if usage.kind == "judge" and usage.calls:
        path = Path(home_path(options.ledger)) if options.ledger else None
        if path and not path.is_file():
            raise InputError(f"There is no file of judge answers at {path}: check --ledger.")
        return ledger_seconds(path, usage.model, usage.calls)
    return None


def _dollars(usage: RunUsage, options: JudgeCostOptions) -> float | None:
    """Return the money of a run: by prices of tokens for a judge, else what the result says, or by the hour."""
    has_prices = options.input_price is not None or options.output_price is not None
    if usage.kind == "judge" and has_prices and usage.read_tokens is not None:
        read = usage.read_tokens * (options.input_price or 0.0)
        return (read + usage.written_tokens * (options.output_price or 0.0)) / 1e6
    if usage.dollars is None and options.hour_price is not None and usage.seconds is not None:
        return options.hour_price * usage.seconds / 3600
    return usage.dollars


def _choose_pair(usages: Sequence[RunUsage]) -> tuple[int, int]:
    """Return the first reward model and the first judge, or the first two results."""
    kinds = list(map(attrgetter("kind"), usages))
    if len(set(kinds)) == 2:
        return kinds.index("reward model"), kinds.index("judge")
    return 0, 1


def _amount(usage: RunUsage, measure: CostMeasure) -> float | None:
    amounts = {
        "dollars": usage.dollars,
        "seconds": usage.seconds,
        "flops": usage.flops,
        "tokens": None if usage.tokens is None else float(usage.tokens),
    }
    return amounts[measure]


def _choose_measure(usages: Sequence[RunUsage], wanted: str) -> CostMeasure:
    """Return the cost of the figure: the first that is known for every result.

    Raises:
        InputError: if the wanted one is not known for every result.
    """
    for measure in MEASURE_ORDER:
        missing = [usage.label for usage in usages if _amount(usage, measure) is None]
        if wanted == measure and missing:
            raise InputError(f"The {measure} of {missing[0]} are unknown: pass {MEASURES[measure].advice}.")
        if wanted in ("auto", measure) and not missing:
            return measure
    return "tokens"


def _report(
    costs: Sequence[ModelCost],
    decisions: ModelDecisions,
    pair: tuple[int, int],
    models: Sequence[ModelScores],
    options: JudgeCostOptions,
) -> Report:
    usages = list(map(attrgetter("usage"), costs))
    measure = _choose_measure(usages, options.cost)
    agreements = _pairwise(decisions, options.seed)
    share, kappa, consistency = agreements[min(pair), max(pair)]
    first, second = costs[pair[0]], costs[pair[1]]
    calls = [_ranking(usage, options) for usage in usages]
    values: dict[str, Value] = {"items": decisions.chosen.shape[1], "skipped": decisions.skipped}
    for name, cost in (("first", first), ("second", second)):
        values |= {
            name: cost.usage.label,
            f"{name}_accuracy": cost.accuracy.value,
            f"{name}_accuracy_low": cost.accuracy.low,
            f"{name}_accuracy_high": cost.accuracy.high,
            f"{name}_label_kappa": cost.kappa.value,
            f"{name}_ranking_calls": _ranking(cost.usage, options),
        }
    values |= {"agreement": share.value, "kappa": kappa.value, "kappa_low": kappa.low, "kappa_high": kappa.high}
    values |= {"error_consistency": consistency.value, "cost": measure}
    for name in MEASURE_ORDER:
        values[f"{name}_ratio"] = _ratio(_amount(second.usage, name), _amount(first.usage, name))
    points: list[CostPoint] = []
    for cost, count in zip(costs, calls, strict=True):
        amount = cost.usage.per_thousand(_amount(cost.usage, measure))
        per_call = cost.usage.per_call(_amount(cost.usage, measure))
        points.append(CostPoint(cost.usage, cost.accuracy, amount, per_call, count))
    return Report(
        name="judge-cost",
        values=values,
        sentence=_sentence(first, second, kappa, measure, options),
        tables=[_label_table(costs), _cost_table(costs, calls, options), _agreement_table(agreements, usages)],
        draw=partial(
            draw_costs,
            points=points,
            measure=MEASURES[measure],
            systems=options.systems,
            prompts=options.prompts,
            items=len(decisions.clusters),
        ),
        size=(10.5, 4.6),
        details={"points": list(map(_detail, points))},
        notes=_notes(usages, decisions, measure),
        sources=list(map(source_of, models)),
    )


def _ratio(second: float | None, first: float | None) -> float | None:
    return second / first if second is not None and first else None


def _ranking(usage: RunUsage, options: JudgeCostOptions) -> int:
    return ranking_calls(options.systems, options.prompts, usage.view, usage.orders)


def _pairwise(decisions: ModelDecisions, seed: int) -> dict[tuple[int, int], PairAgreement]:
    """Return agreement, kappa and error consistency of each pair of models, by their numbers in ascending order."""
    agreements: dict[tuple[int, int], PairAgreement] = {}
    for i, j in combinations(range(len(decisions.chosen)), 2):
        first, second = decisions.chosen[i], decisions.chosen[j]
        share, kappa = agreement_kappa(first, second, decisions.counts, decisions.clusters, seed)
        (consistency,) = error_consistency(first == 0, second == 0, decisions.clusters, seed)
        agreements[i, j] = share, kappa, consistency
    return agreements


def _sentence(
    first: ModelCost, second: ModelCost, kappa: AgreementEstimate, measure: CostMeasure, options: JudgeCostOptions
) -> str:
    """Say what follows from accuracy, agreement and cost."""
    gap = second.accuracy.value - first.accuracy.value
    ratio = _ratio(_amount(second.usage, measure), _amount(first.usage, measure))
    cost = "an unknown multiple of" if ratio is None else f"{ratio:.3g} times"
    agree = f"agree with kappa {kappa.value:.2f} ({kappa.low:.2f} to {kappa.high:.2f})"
    if isnan(kappa.value):
        agree = "are all ties, so nothing is known of their agreement"
    calls = [f"{_ranking(usage, options):,}" for usage in (first.usage, second.usage)]
    return (
        f"{second.usage.label} agrees with the labels on {100 * second.accuracy.value:.1f} % of items, "
        f"{100 * gap:+.1f} points relative to {first.usage.label}, at {cost} its {MEASURES[measure].noun}; their "
        f"decisions {agree}, and to rank "
        f"{options.systems} systems on {options.prompts:,} prompts they need {calls[1]} and {calls[0]} calls."
    )


def _label_table(costs: Sequence[ModelCost]) -> ReportTable:
    rows: list[list[Value]] = []
    for cost in costs:
        accuracy, kappa = cost.accuracy, cost.kappa
        intervals = [_interval(accuracy.low, accuracy.high), _interval(kappa.low, kappa.high)]
        rows.append([cost.usage.label, cost.usage.kind, accuracy.value, intervals[0], kappa.value, intervals[1]])
    columns = ("model", "kind", "accuracy", "95 %", "kappa", "95 % of kappa")
    return ReportTable("Agreement with the labels", columns, rows)


def _cost_table(costs: Sequence[ModelCost], calls: Sequence[int], options: JudgeCostOptions) -> ReportTable:
    rows: list[list[Value]] = []
    for cost, count in zip(costs, calls, strict=True):
        usage = cost.usage
        tokens = None if usage.tokens is None else float(usage.tokens)
        flops = None if usage.flops is None else usage.flops / 1e12
        row: list[Value] = [usage.label, _rounded(usage.per_thousand(tokens))]
        row += [_rounded(usage.per_thousand(float(usage.written_tokens))), usage.per_thousand(flops)]
        rows.append([*row, usage.per_thousand(usage.seconds), usage.per_thousand(usage.dollars), count])
    title = f"Cost of 1,000 decisions, and calls to rank {options.systems} systems on {options.prompts:,} prompts"
    columns = ("model", "tokens", "written", "TFLOPs", "seconds", "dollars", "ranking calls")
    return ReportTable(title, columns, rows)


def _rounded(amount: float | None) -> int | None:
    return None if amount is None else round(amount)


def _interval(low: float, high: float) -> str:
    return f"{low:.3f} to {high:.3f}"


def _agreement_table(agreements: Mapping[tuple[int, int], PairAgreement], usages: Sequence[RunUsage]) -> ReportTable:
    rows: list[list[Value]] = []
    for (i, j), (share, kappa, consistency) in agreements.items():
        row: list[Value] = [f"{usages[i].label}, {usages[j].label}", share.value]
        row += [kappa.value, _interval(kappa.low, kappa.high)]
        rows.append([*row, consistency.value, _interval(consistency.low, consistency.high)])
    columns = ("models", "agreement", "kappa", "95 %", "error consistency", "95 % of error consistency")
    return ReportTable("Agreement of decisions between models", columns, rows)


def _detail(point: CostPoint) -> dict[str, object]:
    accuracy = point.accuracy
    return {
        "model": point.usage.label,
        "accuracy": [accuracy.value, accuracy.low, accuracy.high],
        "cost_of_1000_decisions": point.amount,
        "cost_of_a_call": point.per_call,
        "ranking_calls": point.ranking_calls,
        "parameters": point.usage.parameters,
    }


def _notes(usages: Sequence[RunUsage], decisions: ModelDecisions, measure: CostMeasure) -> list[str]:
    notes: list[str] = []
    if decisions.skipped:
        notes.append(f"{decisions.skipped:,} items without exactly one right completion, or unscored, were left out.")
    if measure != "dollars":
        notes.append("The price of some result is unknown: pass --input_price and --output_price, or --hour_price.")
    for usage in usages:
        if usage.kind == "judge" and usage.seconds is not None:
            notes.append(
                f"The seconds of {usage.label} are those of its run, with many requests at a time, not the latency of "
                "one decision."
            )
    return notes
