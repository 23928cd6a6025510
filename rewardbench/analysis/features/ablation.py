"""Score a suite with features removed: the normal scoring loop, with a hook on the layer and its own fingerprint."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from rewardbench import evaluation
from rewardbench.analysis.features.dictionary import SparseDictionary, read_dictionary
from rewardbench.analysis.features.draw import draw_ablation
from rewardbench.analysis.features.layers import check_scorer, edited, find_layer, read_states, weights_of
from rewardbench.analysis.features.options import FeaturesOptions
from rewardbench.analysis.report import Report, ReportTable, Value, source_of
from rewardbench.comparison.compare import Comparison, compare
from rewardbench.errors import InputError
from rewardbench.models.devices import input_device
from rewardbench.results.scored import ModelScores
from rewardbench.scorers import load_scorer
from rewardbench.scorers.base import ModelScorer
from rewardbench.settings import ModelSpec, Settings

ID = re.compile(r"[0-9]{1,9}")
LISTED_FLIPS = 30
"""Items with another decision that the table shows."""


@dataclass(frozen=True)
class Ablation:
    """Features to remove: the dictionary, and ids of features."""

    dictionary: SparseDictionary
    features: tuple[int, ...]


def parse_ablation(text: str) -> Ablation:
    """Read FILE:IDS, such as sae.safetensors:17,42.

    Raises:
        InputError: if there is no such file, or an id is not that of a feature.
    """
    path, _, ids = text.rpartition(":")
    numbers = ids.replace(" ", "").split(",")
    if not path or not all(map(ID.fullmatch, numbers)):
        raise InputError(f"{text!r} names no features: write FILE:IDS, such as sae.safetensors:17,42.")
    dictionary = read_dictionary(path)
    features = tuple(sorted(set(map(int, numbers))))
    if features[-1] >= dictionary.size:
        raise InputError(f"There is no feature {features[-1]} in {path}: ids are from 0 to {dictionary.size - 1}.")
    return Ablation(dictionary, features)


@contextmanager
def ablated(scorer: ModelScorer, ablation: Ablation) -> Iterator[ModelScorer]:
    """Context manager: a scorer of the same model with features removed, which has a fingerprint of its own.

    Until the context ends, the model itself computes without the features: do not use `scorer` meanwhile.

    Raises:
        InputError: if the model has no such layer, or the dictionary is not of its width.
    """
    dictionary = ablation.dictionary
    layer = dictionary.facts.get("layer")
    if layer not in dict(scorer.model.named_modules()):
        raise InputError(
            f"The features are of the layer {layer}, which {scorer.name} does not have: pass the model that they were "
            "learned from."
        )
    _, module = find_layer(scorer.model, layer)
    states, _ = read_states(scorer, module, scorer.probe("How long is the river?"))
    if states.shape[1] != dictionary.width:
        raise InputError(
            f"The features are of states of width {dictionary.width}, and this layer of {scorer.name} has "
            f"{states.shape[1]}: pass the model that they were learned from."
        )
    moved = dictionary.to(input_device(scorer.model))
    variant = scorer.with_identity(
        {"ablation": {"dictionary": dictionary.digest(), "features": list(ablation.features)}}
    )

    with edited(module, lambda states: moved.remove(states, ablation.features)):
        yield variant


def ablate_suite(options: FeaturesOptions, spec: ModelSpec, text: str) -> Report:
    """Score a suite with and without features, and compare the two, paired by item.

    Args:
        options: the dataset.
        spec: the model.
        text: FILE:IDS.

    Raises:
        InputError: if the model has no layer to read, or the features are not of this model.
    """
    ablation = parse_ablation(text)
    scorer = check_scorer(load_scorer(spec))
    settings = Settings(spec, options.dataset or "core")
    with ablated(scorer, ablation) as variant:
        after = _score(settings, variant)
    before = _score(settings, scorer)
    pairs = compare(before, after, "pair")
    notes: list[str] = []
    if ablation.dictionary.facts.get("weights") != weights_of(scorer):
        notes.append("The features were learned from other weights than those of this model.")
    return _to_report(pairs, before, after, ablation, notes)


def _score(settings: Settings, scorer: ModelScorer) -> ModelScores:
    result, suite = evaluation.run(settings, loaded=scorer)
    fingerprint = str(result.manifest.get("fingerprint_sha256") or "")
    return ModelScores(scorer.name, suite, result.items, Path(scorer.name), fingerprint)


def _to_report(
    pairs: Comparison, before: ModelScores, after: ModelScores, ablation: Ablation, notes: Sequence[str]
) -> Report:
    score = pairs.score
    noun = "feature" if len(ablation.features) == 1 else "features"
    removed = f"{noun} {', '.join(map(str, ablation.features))}"
    values: dict[str, Value] = {
        "items": pairs.items,
        "accuracy_before": score.first,
        "accuracy_after": score.second,
        "difference": score.difference,
        "difference_low": score.low,
        "difference_high": score.high,
        "flips": len(pairs.flips),
        "mean_change": _mean_change(before, after),
    }
    if before.suite.headline == "mirror":
        mirrors = compare(before, after, "mirror").score
        values |= {"mirror_before": mirrors.first, "mirror_after": mirrors.second}
        values |= {"mirror_low": mirrors.low, "mirror_high": mirrors.high}
    verdict = "does not change" if score.low <= 0 <= score.high else "raises" if score.difference > 0 else "lowers"
    sentence = (
        f"Removing {removed} {verdict} accuracy beyond chance: {100 * score.first:.1f} % before, "
        f"{100 * score.second:.1f} % after ({100 * score.difference:+.1f} points, 95 % interval "
        f"{100 * score.low:+.1f} to {100 * score.high:+.1f}), and {len(pairs.flips)} of {pairs.items:,} decisions "
        "change."
    )
    contrasts = [replace(score, name="all items"), *pairs.sections]
    rows: list[list[Value]] = [[c.name, c.first, c.second, c.difference, c.low, c.high, c.clusters] for c in contrasts]
    flips: list[list[Value]] = [
        [flip.item.id, flip.section, flip.better == "second", *flip.margins] for flip in pairs.flips
    ]
    tables = [
        ReportTable(
            "Accuracy", ["section", "before", "after", "difference", "95 % low", "95 % high", "clusters"], rows
        ),
        ReportTable(
            "Changed decisions",
            ["item", "section", "right after", "margin before", "margin after"],
            flips[:LISTED_FLIPS],
        ),
    ]
    return Report(
        name="features",
        values=values,
        sentence=sentence,
        tables=tables,
        draw=lambda figure: draw_ablation(figure, contrasts, removed, pairs.items),
        size=(8.0, 1.6 + 0.45 * len(contrasts)),
        details={"removed": list(ablation.features), "dictionary": dict(ablation.dictionary.facts), "flips": flips},
        notes=notes,
        sources=[source_of(before), source_of(after)],
    )


def _mean_change(before: ModelScores, after: ModelScores) -> float:
    """Return the mean change of the score of a completion."""
    changes: list[float] = []
    for first, second in zip(before.items, after.items, strict=True):
        changes += np.subtract(second.scores, first.scores).tolist()
    return float(np.nanmean(changes)) if changes else 0.0
