"""Study the features of a reward model: read activations, train two dictionaries, measure what ablations do."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from rewardbench.analysis.features.activation_file import ActivationFile
from rewardbench.analysis.features.activations import FeatureActivations, encode_file, frequencies, pick_texts
from rewardbench.analysis.features.dictionary import SparseDictionary
from rewardbench.analysis.features.layers import ablation_effects, check_scorer, find_layer, read_states, weights_of
from rewardbench.analysis.features.options import FeaturesOptions
from rewardbench.analysis.features.train import TrainingPlan, match_directions, train
from rewardbench.console.progress import StepBar
from rewardbench.console.terminal import make_console
from rewardbench.engine.loop import prepare
from rewardbench.errors import InputError
from rewardbench.models.devices import input_device
from rewardbench.scorers.base import ModelScorer
from rewardbench.stats import COVERAGE, normal
from rewardbench.types import Item, Scorer, TokenRequest

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch.nn import Module

SCREENED = 8
"""Texts on which every feature is ablated once, to choose those that are examined."""
MIN_TEXTS = 20
"""Fewest texts from which features are learned."""
MAX_LATENTS = 4_096
"""Largest default number of features."""
QUANTILES = (1.0, 0.75, 0.5, 0.25, 0.0)
"""Quantiles of the activation, over the texts in which a feature is active, at which an example is shown."""


@dataclass(frozen=True)
class FeatureEffect:
    """What the removal of one feature does to the reward.

    Attributes:
        feature: id of the feature.
        frequency: share of all texts in which it is active.
        active: mean change of the reward on texts in which it is active.
        error: standard error of `active`.
        texts: number of texts on which it was removed, from as many clusters.
        stability: cosine with the matched feature of the second seed; NaN if there is none.
    """

    feature: int
    frequency: float
    active: float
    error: float
    texts: int
    stability: float = float("nan")

    @property
    def mean(self) -> float:
        """Return the mean change of the reward over all texts: that on active texts times their share."""
        return self.frequency * self.active

    @property
    def half_width(self) -> float:
        """Return the half-width of the 95 % interval of the mean."""
        return normal(COVERAGE) * self.frequency * self.error


@dataclass(frozen=True)
class FeatureStudy:
    """The features of one layer on some texts.

    Attributes:
        scorer: the reward model.
        layer: name of the module.
        module: the module.
        requests: the texts.
        clusters: the cluster of each text.
        rewards: the reward of each text: [texts].
        dictionary: the features of the first seed.
        activations: where they are active.
        effects: the examined features, the largest absolute mean change first.
        stability: mean cosine of the matched features of two seeds (PW-MCC), over features that are active.
        unused: number of features that are active nowhere.
        left_out: number of items beyond the limit of tokens, or without a score.
        measured: change of the reward by feature and text, where it was measured.
    """

    scorer: ModelScorer
    layer: str
    module: Module
    requests: Sequence[TokenRequest]
    clusters: Sequence[str]
    rewards: NDArray[np.float64]
    dictionary: SparseDictionary
    activations: FeatureActivations
    effects: tuple[FeatureEffect, ...] = ()
    stability: float = float("nan")
    unused: int = 0
    left_out: int = 0
    measured: dict[tuple[int, int], float] = field(default_factory=dict)

    @property
    def negative_share(self) -> float:
        """Return the share of the examined features' absolute effect that is of features which lower the reward."""
        changes = np.array([effect.mean for effect in self.effects])
        total = float(np.abs(changes).sum())
        return float(changes[changes > 0].sum()) / total if total else float("nan")

    def measure(self, picked: dict[int, list[int]], description: str) -> None:
        """Measure the change of the reward for the picked texts of each feature, and add it to `measured`."""
        by_text: dict[int, list[int]] = defaultdict(list)
        for feature, texts in picked.items():
            for text in texts:
                if (feature, text) not in self.measured:
                    by_text[text].append(feature)
        with StepBar(description, len(by_text), make_console(stderr=True)) as tick:
            for text, features in sorted(by_text.items()):
                changes = ablation_effects(self.scorer, self.dictionary, self.module, self.requests[text], features)
                for feature, change in zip(features, changes.tolist(), strict=True):
                    self.measured[feature, text] = change
                tick()

    def effect_on(self, feature: int, frequency: float, texts: Sequence[int]) -> FeatureEffect:
        """Return the effect of a feature from the texts on which it was measured."""
        changes = np.array([self.measured[feature, text] for text in texts])
        error = float(changes.std(ddof=1) / np.sqrt(len(changes))) if len(changes) > 1 else float("nan")
        return FeatureEffect(feature, frequency, float(changes.mean()), error, len(changes))

    def example_texts(self, feature: int) -> list[int]:
        """Return the texts at quantiles of the feature's activation, the highest first."""
        texts, maxima = self.activations.pairs_of(feature)
        ranked = texts[np.argsort(maxima, kind="stable")]
        places = [round(quantile * (len(ranked) - 1)) for quantile in QUANTILES]
        return [int(ranked[place]) for place in dict.fromkeys(places)]


def requests_of(
    items: Sequence[Item], scorer: Scorer, max_tokens: int, seed: int
) -> tuple[list[TokenRequest], list[str], int]:
    """Return distinct texts of random items as requests, until they have `max_tokens` tokens together.

    Returns:
        The requests, the cluster of each, and the number of items that are left out or have no score.
    """
    requests: dict[bytes, TokenRequest] = {}
    clusters: list[str] = []
    tokens = left_out = 0
    for place in np.random.default_rng(seed).permutation(len(items)).tolist():
        if tokens >= max_tokens:
            left_out += 1
            continue
        item = items[place]
        prepared = prepare(item, scorer)
        left_out += prepared.reason is not None
        for request in prepared.requests:
            if isinstance(request, TokenRequest) and request.key not in requests:
                requests[request.key] = request
                clusters.append(item.group or item.id)
                tokens += len(request)
    return list(requests.values()), clusters, left_out


def study_features(items: Sequence[Item], scorer: Scorer, options: FeaturesOptions) -> FeatureStudy:
    """Learn the features of a layer on the texts of items, and measure what removing them does to the reward.

    Args:
        items: the texts.
        scorer: a reward model of one forward pass.
        options: layer, sizes and seed.

    Raises:
        InputError: if the model has no such layer, or there are too few texts.
    """
    if options.latents and options.k > options.latents:
        raise InputError(f"k is {options.k} and there are {options.latents} latents: pass a smaller --k.")
    model = check_scorer(scorer)
    layer, module = find_layer(model.model, options.layer)
    requests, clusters, left_out = requests_of(items, model, options.max_tokens, options.seed)
    if len(requests) < MIN_TEXTS:
        raise InputError(f"There are {len(requests)} distinct texts with a score: features need {MIN_TEXTS} or more.")
    with ActivationFile([len(request) for request in requests], options.seed) as file:
        rewards = _fill(file, model, module, requests)
        dictionaries = _train_pair(file, model, layer, options)
        activations = [encode_file(file, dictionary) for dictionary in dictionaries]
    first = dictionaries[0]
    stabilities = _match_seeds(dictionaries, activations)
    study = FeatureStudy(model, layer, module, requests, clusters, rewards, first, activations[0], left_out=left_out)
    effects = _examine(study, options, stabilities)
    return replace(
        study,
        effects=effects,
        stability=float(np.nanmean(list(stabilities.values()))) if stabilities else float("nan"),
        unused=first.size - len(np.unique(activations[0].features)),
    )


def _fill(
    file: ActivationFile, scorer: ModelScorer, module: Module, requests: Sequence[TokenRequest]
) -> NDArray[np.float64]:
    """Write the activations of all texts into the file, and return the rewards."""
    rewards = np.zeros(len(requests))
    with StepBar("reading activations", len(requests), make_console(stderr=True)) as tick:
        for text, request in enumerate(requests):
            states, rewards[text] = read_states(scorer, module, request)
            file.write(text, states)
            tick()
    return rewards


def _train_pair(
    file: ActivationFile, scorer: ModelScorer, layer: str, options: FeaturesOptions
) -> list[SparseDictionary]:
    """Train a dictionary for each of two seeds."""
    latents = options.latents or max(min(4 * file.width, MAX_LATENTS), options.k)
    device = input_device(scorer.model)
    facts = {"model": scorer.name, "layer": layer, "weights": weights_of(scorer)}
    dictionaries: list[SparseDictionary] = []
    with StepBar("training", 2 * options.steps, make_console(stderr=True)) as tick:
        for seed in (options.seed, options.seed + 1):
            dictionary = train(file, TrainingPlan(latents, options.k, options.steps, seed), device, tick)
            dictionaries.append(replace(dictionary, facts={**facts, "seed": str(seed)}))
    return dictionaries


def _match_seeds(
    dictionaries: Sequence[SparseDictionary], activations: Sequence[FeatureActivations]
) -> dict[int, float]:
    """Return the cosine of each active feature of the first dictionary with its match in the second."""
    first_ids, second_ids = (np.unique(active.features) for active in activations)
    if not len(first_ids) or not len(second_ids):
        return {}
    first, second = (dictionary.decoder.cpu().numpy() for dictionary in dictionaries)
    rows, _, cosines = match_directions(first[first_ids], second[second_ids])
    return dict(zip(first_ids[rows].tolist(), cosines.tolist(), strict=True))


def _examine(study: FeatureStudy, options: FeaturesOptions, stabilities: dict[int, float]) -> tuple[FeatureEffect, ...]:
    """Ablate every feature on a few texts, and those with the largest effect on others, which decide the ranking."""
    generator = np.random.default_rng(options.seed)
    shares = frequencies(study.activations, study.dictionary.size)
    screened: dict[int, list[int]] = {}
    for feature in np.unique(study.activations.features).tolist():
        screened[feature] = pick_texts(study.activations, feature, SCREENED, study.clusters, generator)
    study.measure(screened, "screening features")
    screening = [study.effect_on(feature, shares[feature], texts) for feature, texts in screened.items()]
    screening.sort(key=_by_size)
    examined: dict[int, list[int]] = {}
    for effect in screening[: options.examined]:
        feature, limit = effect.feature, options.texts_per_feature
        fresh = pick_texts(study.activations, feature, limit, study.clusters, generator, screened[feature])
        examined[feature] = fresh if len(fresh) >= 2 * SCREENED else [*screened[feature], *fresh]
    study.measure(examined, "measuring ablations")
    effects: list[FeatureEffect] = []
    for feature, texts in examined.items():
        effect = study.effect_on(feature, shares[feature], texts)
        effects.append(replace(effect, stability=stabilities.get(feature, float("nan"))))
    return tuple(sorted(effects, key=_by_size))


def _by_size(effect: FeatureEffect) -> float:
    return -abs(effect.mean)


def measure_examples(study: FeatureStudy, shown: int) -> None:
    """Measure the effect on the examples of the first features, which the page shows."""
    examples = {effect.feature: study.example_texts(effect.feature) for effect in study.effects[:shown]}
    study.measure(examples, "measuring examples")


def token_ids(study: FeatureStudy) -> NDArray[np.int64]:
    """Return the ids of all tokens of all texts: [tokens]."""
    return np.fromiter(chain.from_iterable(request.ids for request in study.requests), np.int64)
