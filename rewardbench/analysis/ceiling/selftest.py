"""Self-test of the ceiling: annotators with planted error rates, one of whom drifts."""

from __future__ import annotations

import numpy as np

from rewardbench.analysis.ceiling.annotations import Annotations
from rewardbench.analysis.ceiling.drift import find_drift
from rewardbench.analysis.ceiling.figure import draw_ceiling
from rewardbench.analysis.ceiling.noise import dawid_skene, flip_rate, pair_agreement
from rewardbench.analysis.report import Report, ReportTable, Value, parse_bars
from rewardbench.lint.arrays import Floats, Indices

SEEDS, ITEMS, FLIP = 20, 4000, 0.2
UNEQUAL = (0.05, 0.1, 0.15, 0.25, 0.3, 0.4, 0.45)
"""Error rates of annotators of unequal quality."""
DRIFT = (0.1, 0.4)
"""Error rates of a drifting annotator at the start and at the end."""
BARS = "gold_accuracy_error<=0.01 dawid_skene_gain>=0 drift_power>=0.9 false_drift<=0.2"


def simulate(seed: int, flips: Floats, items: int = ITEMS, share: float = 1.0) -> tuple[Annotations, Indices]:
    """Simulate annotators of items with two labels, in the order of time.

    Args:
        seed: seed of the random numbers.
        flips: error rate of each annotator at each item: [annotators, items], or [annotators, 1].
        items: number of items.
        share: share of the items that each annotator labels; all label an item that no annotator would.

    Returns:
        The annotations, and the true label of each item: [items].
    """
    random = np.random.default_rng(seed)
    truth = random.integers(2, size=items)
    is_labelled = random.random((len(flips), items)) < share
    is_labelled[:, ~is_labelled.any(axis=0)] = True
    annotator, item = np.nonzero(is_labelled)
    rates = np.broadcast_to(flips, (len(flips), items))
    is_wrong = random.random(len(item)) < rates[annotator, item]
    names = [f"annotator {number}" for number in range(len(flips))]
    annotations = Annotations(
        items=list(map(str, range(items))),
        annotators=names,
        labels=["0", "1"],
        item=item,
        annotator=annotator,
        label=np.where(is_wrong, 1 - truth[item], truth[item]),
        time=item.astype(float),
    )
    return annotations, truth


def majority_accuracy(annotations: Annotations, truth: Indices) -> float:
    """Compute the accuracy of the majority of the annotators of each item; a tie is decided by chance."""
    counts = annotations.counts()
    is_top = counts == counts.max(axis=1, keepdims=True)
    return float((is_top[np.arange(len(truth)), truth] / is_top.sum(axis=1)).mean())


def selftest(seeds: int | None = None) -> Report:
    """Compare the estimates with the planted truth.

    Args:
        seeds: number of seeds; None: 20.
    """
    count = seeds or SEEDS
    rows: list[list[Value]] = []
    equal, drifting = np.full((5, 1), FLIP), np.full((5, ITEMS), FLIP)
    drifting[0] = np.linspace(*DRIFT, ITEMS)
    for seed in range(count):
        annotations, truth = simulate(seed, equal)
        agreeing, pairs = pair_agreement(annotations.counts())
        ceiling = 1 - flip_rate(float(agreeing.sum() / pairs.sum()))
        gold = float((annotations.label == truth[annotations.item]).mean())
        false_drift = any(test.flagged for test in find_drift(annotations))
        tests = find_drift(simulate(seed, drifting)[0])
        power = any(test.flagged and test.kind == "trend" and test.name == "annotator 0" for test in tests)
        annotations, truth = simulate(seed, np.array(UNEQUAL)[:, None], share=0.7)
        accuracy = float((dawid_skene(annotations).labels == truth).mean())
        gain = accuracy - majority_accuracy(annotations, truth)
        rows.append([seed, ceiling, gold, accuracy, gain, power, false_drift])
    columns = ("seed", "ceiling", "gold_accuracy", "dawid_skene_accuracy", "gain", "drift_found", "false_drift")
    figures = np.array(rows, dtype=float)
    means = dict(zip(columns, figures.mean(axis=0).tolist(), strict=True))
    errors = np.abs(figures[:, 1:3] - (1 - FLIP)).max(axis=0)
    values: dict[str, Value] = {
        "seeds": count,
        "ceiling": means["ceiling"],
        "gold_accuracy": means["gold_accuracy"],
        "gold_accuracy_error": float(errors.max()),
        "dawid_skene_accuracy": means["dawid_skene_accuracy"],
        "dawid_skene_gain": means["gain"],
        "dawid_skene_gain_lowest": float(figures[:, 4].min()),
        "drift_power": means["drift_found"],
        "false_drift": means["false_drift"],
    }
    point = 1 - 2 * FLIP * (1 - FLIP)
    return Report(
        name="ceiling",
        values=values,
        sentence=f"A perfect model has accuracy {means['gold_accuracy']:.3f} against annotators with flip rate {FLIP}, "
        f"and the ceiling estimated from their agreement is {means['ceiling']:.3f}.",
        tables=(ReportTable("Simulated annotators", columns, rows),),
        draw=lambda figure: draw_ceiling(figure, 2, (point, point, point), (), tests),
        size=(10.0, 4.8),
        bars=parse_bars(BARS),
    )
