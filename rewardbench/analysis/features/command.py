"""`analyze` and `selftest` of the features of a reward model."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from rewardbench.analysis.features.options import FeaturesOptions
from rewardbench.analysis.features.study import SCREENED, FeatureStudy, measure_examples, study_features
from rewardbench.analysis.features.train import check_installed, single_thread
from rewardbench.analysis.report import Report, ReportTable, Value, parse_bars, source_of
from rewardbench.comparison.compare import ComparedResult, read_compared
from rewardbench.errors import InputError
from rewardbench.paths import home_path, write_whole
from rewardbench.types import Item

BARS = "mcc>=0.95 random_mcc<=0.4 planted_hits>=0.8333 sign_ok>=1.0 top5_planted>=0.8 rm_sign_ok>=0.8"
SEEDS = 2
"""Seeds of the self-test."""


def analyze(inputs: Sequence[ComparedResult], options: FeaturesOptions) -> Report:
    """Learn the features of a layer of a reward model, and rank them by what their removal does to the reward.

    Writes `sae.safetensors` and `features.html` into `options.folder`. With `options.ablate`, scores a suite with
    features removed instead, and writes neither.

    Args:
        inputs: results whose texts are read; none with a dataset.
        options: the model, its layer, and sizes.

    Raises:
        InputError: if there is no model with layers, no text, or sparsify is not installed.
    """
    if options.model is None:
        raise InputError("Features are read from a model: pass --model.")
    if options.ablate is not None:
        from rewardbench.analysis.features.ablation import ablate_suite

        if inputs:
            raise InputError("--ablate scores a suite: pass it as --dataset, and no result.")
        return ablate_suite(options, options.model, options.ablate)
    from rewardbench.analysis.features.page import render_page
    from rewardbench.scorers import load_scorer

    check_installed()
    items, sources = _read_texts(inputs, options)
    study = study_features(items, load_scorer(options.model), options)
    if not study.effects:
        raise InputError("No feature is active in any text: train for more --steps, or pass another --layer.")
    measure_examples(study, options.shown)
    report = _to_report(study, sources)
    folder = home_path(options.folder)
    study.dictionary.write(folder / "sae.safetensors")
    write_whole(folder / "features.html", render_page(study, options.shown, report.sentence).encode())
    return report


def _read_texts(
    inputs: Sequence[ComparedResult], options: FeaturesOptions
) -> tuple[list[Item], list[dict[str, object]]]:
    """Return the items whose texts are read, and where they come from.

    Raises:
        InputError: if there are none, or a result has no texts.
    """
    if inputs and options.dataset:
        raise InputError("Pass results or --dataset, not both.")
    if options.dataset:
        from rewardbench.settings import Inputs
        from rewardbench.suites import load_inputs

        assert options.model is not None
        suite = load_inputs(Inputs(options.model, options.dataset))
        return list(suite.items), [{"suite": suite.name, "revision": suite.revision, "items": len(suite.items)}]
    if not inputs:
        raise InputError("There are no texts to read: pass a result, or a suite as --dataset.")
    items: list[Item] = []
    sources: list[dict[str, object]] = []
    for result in inputs:
        scored = read_compared(result)
        if not any(message["content"] for item in scored.suite.items for message in item.completions[0]):
            raise InputError(f"{scored.path} has scores without texts: pass the suite as --dataset instead.")
        items += scored.suite.items
        sources.append(source_of(scored))
    return items, sources


def _to_report(study: FeatureStudy, sources: Sequence[dict[str, object]]) -> Report:
    from rewardbench.analysis.features.draw import BARS as DRAWN
    from rewardbench.analysis.features.draw import draw_effects
    from rewardbench.analysis.features.page import top_tokens

    rows: list[list[Value]] = []
    labels: list[str] = []
    for effect in study.effects:
        tokens = " ".join(text.strip() for text, _ in top_tokens(study, effect.feature, 4))
        figures = [effect.mean, effect.half_width, effect.active, effect.frequency, effect.texts, effect.stability]
        rows.append([effect.feature, *figures, tokens])
        labels.append(f"{effect.feature}: {tokens[:24]}")
    first = study.effects[0]
    values: dict[str, Value] = {
        "texts": len(study.requests),
        "tokens": int(study.activations.starts[-1]),
        "features": study.dictionary.size,
        "unused": study.unused,
        "fvu": study.activations.fvu,
        "pw_mcc": study.stability,
        "negative_share": study.negative_share,
        "top_feature": first.feature,
        "top_effect": first.mean,
        "left_out": study.left_out,
    }
    columns = ["feature", "mean change", "±", "active change", "frequency", "texts", "stability", "top tokens"]
    notes = [
        "Effects are of one feature at a time, on states that the rest of the model then reads: they do not add up.",
        f"Ranked features were chosen on {SCREENED} texts each and measured on others where there were enough.",
    ]
    if study.stability < 0.7:
        notes.append(
            f"Autoencoders of two seeds learn different features (PW-MCC {study.stability:.2f}): do not rely on one."
        )
    return Report(
        name="features",
        values=values,
        sentence=_sentence(study),
        tables=[ReportTable("Features by the change of the reward without them", columns, rows)],
        draw=partial(draw_effects, study=study, labels=labels[:DRAWN]),
        size=(8.0, 1.4 + 0.3 * min(len(labels), DRAWN)),
        details={"layer": study.layer, "k": study.dictionary.k, "model": study.scorer.name},
        notes=notes,
        sources=sources,
    )


def _sentence(study: FeatureStudy) -> str:
    first = study.effects[0]
    direction = "lowers" if first.mean > 0 else "raises"
    stability = (
        f"cosine {first.stability:.2f} with its match under another seed" if first.stability > -1 else "unmatched"
    )
    share = f"{100 * first.frequency:.0f}\u00a0%"
    if first.texts == 1:
        return (
            f"Feature {first.feature} of {study.layer} changes the reward by {first.active:+.2f} when it is removed "
            "from the only text on which it was measured, which shows little: read more texts."
        )
    if abs(first.mean) <= first.half_width:
        return (
            f"No feature of {study.layer} moves the reward beyond chance: the strongest, {first.feature}, changes it "
            f"by {first.mean:+.2f} ± {first.half_width:.2f} when it is removed; read more texts, or train for more "
            "--steps."
        )
    return (
        f"Feature {first.feature} of {study.layer} has the largest effect: it {direction} the reward by "
        f"{abs(first.active):.2f} on the {share} of texts in which it is active ({stability}); features that lower the "
        f"reward have {100 * study.negative_share:.0f}\u00a0% of the total absolute effect."
    )


def selftest(seeds: int | None = None) -> Report:
    """Recover a planted dictionary, and find planted concepts in a reward model that is trained here.

    Args:
        seeds: number of seeds of both; None: 2. Figures are of the worst seed; `pw_mcc` and `negative_share` are means.

    Raises:
        InputError: if sparsify is not installed.
    """
    from rewardbench.analysis.features.planted import recover_planted
    from rewardbench.analysis.features.planted_model import check_concepts, study_planted

    check_installed()
    recovered: list[dict[str, float]] = []
    learned: list[dict[str, float]] = []
    with single_thread():
        for seed in range(seeds or SEEDS):
            recovered.append(recover_planted(seed))
            options = FeaturesOptions(
                layer="0", latents=128, k=3, steps=300, examined=10, texts_per_feature=32, seed=seed
            )
            study, planted = study_planted(seed, 300, 400, options)
            detected, right = check_concepts(study, planted.tokenizer)
            figures = {"top5_planted": detected, "rm_sign_ok": right, "rm_accuracy": planted.accuracy}
            learned.append({**figures, "pw_mcc": study.stability, "negative_share": study.negative_share})
    values: dict[str, Value] = {}
    for seeds_of_part in (recovered, learned):
        for name in seeds_of_part[0]:
            values[name] = _worst(name, [figures[name] for figures in seeds_of_part])
    detectors = round(5 * min(figures["top5_planted"] for figures in learned))
    mccs = f"MCC {values['mcc']:.3f}, random {values['random_mcc']:.3f}"
    sentence = (
        f"The planted directions are recovered ({mccs}), and in every seed at least {detectors} of the five strongest "
        "features of a trained reward model detect a planted concept."
    )
    tables = [_seed_table("Planted dictionary", recovered), _seed_table("Trained reward model", learned)]
    return Report("features", {**values, "seeds": len(learned)}, sentence, tables, bars=parse_bars(BARS))


def _worst(name: str, figures: Sequence[float]) -> float:
    """Return the figure of the worst seed; of figures without a bound, the mean."""
    if name in ("pw_mcc", "negative_share"):
        return float(np.mean(figures))
    return max(figures) if name == "random_mcc" else min(figures)


def _seed_table(title: str, figures: Sequence[dict[str, float]]) -> ReportTable:
    rows = [[seed, *row.values()] for seed, row in enumerate(figures)]
    return ReportTable(title, ["seed", *figures[0]], rows)
