"""Self-test of the audit: pairs with planted wrong labels, a planted leak, planted conflicts, and clean data."""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter
from pathlib import Path
from statistics import NormalDist, fmean

import numpy as np
from numpy.typing import NDArray

from rewardbench.analysis.audit.figure import draw_audit
from rewardbench.analysis.audit.leaks import find_leaks
from rewardbench.analysis.audit.misses import Misses, find_misses
from rewardbench.analysis.audit.run import AuditOptions, analyze
from rewardbench.analysis.report import Report, ReportTable, Value, parse_bars
from rewardbench.lint.arrays import Floats
from rewardbench.results.scored import ModelScores
from rewardbench.types import Item, ItemScores, Message, Messages, Suite

SEEDS, FULL_SEEDS = 30, 5
"""Numbers of seeds: of margins alone, and of complete data with texts."""
PAIRS, MODELS, ACCURACY, CORRELATION, FLIPS = 2000, 8, 0.85, 0.3, 0.03
REVIEW, CONFLICTS = 60, 10
WORDS = "the a river morning answer because people often small train paper green seven under walk until rice".split()
BARS = "precision_at_60>=0.70 all_wrong_false_rate<=0.005 leak_auc>=0.95 false_flags<=0.01"


def simulate_margins(
    seed: int, flips: float = FLIPS, correlation: float = CORRELATION, pairs: int = PAIRS
) -> tuple[Floats, NDArray[np.bool_]]:
    """Simulate the margins of models whose errors are correlated.

    A margin is a + sqrt(r) * (part of the pair) + sqrt(1 - r) * (part of the model), both parts standard normal, times
    the scale of the model; a gives the accuracy, and r is the correlation. A wrong label changes the sign.

    Args:
        seed: seed of the random numbers.
        flips: share of wrong labels.
        correlation: correlation of the margins of two models on pairs with a right label.
        pairs: number of pairs.

    Returns:
        The margins, [models, pairs], and whether the label of each pair is wrong.
    """
    random = np.random.default_rng(seed)
    common = random.standard_normal(pairs) * correlation**0.5
    private = random.standard_normal((MODELS, pairs)) * (1 - correlation) ** 0.5
    margins = NormalDist().inv_cdf(ACCURACY) + common + private
    is_wrong = np.zeros(pairs, dtype=bool)
    is_wrong[random.choice(pairs, round(flips * pairs), replace=False)] = True
    margins[:, is_wrong] *= -1
    return margins * random.lognormal(0, 1, (MODELS, 1)), is_wrong


def simulate_results(seed: int, leak: bool) -> list[ModelScores]:
    """Simulate results with texts and right labels; with a leak, right responses have newlines, and labels conflict."""
    margins, _ = simulate_margins(seed, flips=0)
    random = np.random.default_rng(seed)
    items: list[Item] = []
    for number in range(PAIRS):
        items.append(_make_item(number, random, leak))
    if leak:
        for number in range(CONFLICTS):
            source = items[number]
            items[-1 - number] = Item(f"copy-{number}", source.subset, source.prompt, source.completions[::-1])
    suite = Suite("simulated", f"seed-{seed}", items, {})
    results: list[ModelScores] = []
    for model, row in enumerate(margins.tolist()):
        scores: list[ItemScores] = []
        for item, value in zip(items, row, strict=True):
            scores.append(ItemScores(item.id, (value, 0.0)))
        results.append(ModelScores(f"model-{model}", suite, tuple(scores), Path("simulated")))
    return results


def _make_item(number: int, random: np.random.Generator, leak: bool) -> Item:
    """Make a pair of random words; with a leak, 98 % of right and 2 % of wrong responses have a newline."""
    texts: list[str] = []
    for chance in (0.98, 0.02) if leak else (0.5, 0.5):
        words = " ".join(random.choice(WORDS, random.integers(5, 25)))
        texts.append(f"{words}\n{WORDS[number % 7]}" if random.random() < chance else words)
    right, wrong = map(_as_messages, texts)
    prompt: Messages = (Message(role="user", content=f"question {number}"),)
    return Item(f"pair-{number}", "pairs", prompt, (right, wrong))


def _as_messages(text: str) -> Messages:
    return (Message(role="assistant", content=text),)


def selftest(seeds: int | None = None) -> Report:
    """Run the audit on planted wrong labels, on a planted leak with conflicts, and on clean data.

    Args:
        seeds: number of seeds; None: 30 of margins, 5 of complete data.
    """
    count = seeds or SEEDS
    rows: list[list[Value]] = []
    misses: Misses | None = None
    for seed in range(count):
        margins, is_wrong = simulate_margins(seed)
        misses = find_misses(margins, np.arange(PAIRS), REVIEW, seed)
        precision = float(is_wrong[misses.order[:REVIEW]].mean())
        all_wrong = float((misses.missed[~is_wrong] == MODELS).mean())
        rows.append([seed, precision, misses.precision, misses.mixture.share, all_wrong])
    columns = ("seed", "precision", "estimated", "wrong_label_share", "all_wrong_right_labels")
    table = ReportTable("Planted wrong labels", columns, rows)
    means = dict(zip(columns, np.mean(np.array(rows, dtype=float), axis=0).tolist(), strict=True))
    values: dict[str, Value] = {
        "seeds": count,
        "precision_at_60": means["precision"],
        "estimated_precision": means["estimated"],
        "estimate_error": abs(means["estimated"] - means["precision"]),
        "wrong_label_share": means["wrong_label_share"],
        "all_wrong_false_rate": means["all_wrong_right_labels"],
    }
    values |= _complete_data(min(count, FULL_SEEDS))
    items = simulate_results(0, leak=True)[0].suite.items
    leaks = find_leaks(items, list(map(attrgetter("id"), items)), AuditOptions.min_auc)
    return Report(
        name="audit",
        values=values,
        sentence=f"Of {REVIEW} pairs with the lowest margins, {means['precision']:.0%} have a planted wrong label; the "
        f"audit estimates {means['estimated']:.0%} without knowing them.",
        tables=(table,),
        draw=lambda figure: draw_audit(figure, misses, leaks, PAIRS, MODELS),
        size=(10.0, 4.8),
        bars=parse_bars(BARS),
    )


def _complete_data(seeds: int) -> dict[str, Value]:
    """Run the audit on complete data: with a leak and conflicts, and clean."""
    aucs: list[float] = []
    recalls: list[float] = []
    false_flags: list[float] = []
    false_leaks = 0.0
    for seed in range(seeds):
        planted = analyze(simulate_results(seed, leak=True), AuditOptions()).values
        aucs.append(_number(planted, "leak_auc"))
        recalls.append(_number(planted, "conflicts") / CONFLICTS)
        clean = analyze(simulate_results(seed, leak=False), AuditOptions()).values
        flagged = sum(_number(clean, name) for name in ("flagged", "conflicts", "identical"))
        false_flags.append(flagged / _number(clean, "items"))
        false_leaks += _number(clean, "leaks")
    return {
        "leak_auc": min(aucs),
        "conflict_recall": fmean(recalls),
        "false_flags": fmean(false_flags),
        "false_leaks": false_leaks,
    }


def _number(values: Mapping[str, Value], name: str) -> float:
    return float(values[name] or 0)
