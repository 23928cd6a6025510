"""Where features are active: by token, and by text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rewardbench.analysis.features.activation_file import ActivationFile
from rewardbench.analysis.features.dictionary import CHUNK, SparseDictionary

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class FeatureActivations:
    """Activations of all features at all tokens, and their largest in each text.

    Attributes:
        values: activations by token: [tokens, k].
        ids: features by token: [tokens, k].
        starts: first token of each text, and the number of tokens: [texts + 1].
        texts: text of each pair of a text and a feature that is active in it: [pairs], sorted by feature, then text.
        features: feature of each pair: [pairs].
        maxima: largest activation of the feature in the text: [pairs].
        fvu: fraction of the variance of the states that the dictionary does not explain.
    """

    values: NDArray[np.float32]
    ids: NDArray[np.int32]
    starts: NDArray[np.int64]
    texts: NDArray[np.int64]
    features: NDArray[np.int64]
    maxima: NDArray[np.float32]
    fvu: float

    def pairs_of(self, feature: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the texts in which a feature is active, and its largest activation in each."""
        low, high = np.searchsorted(self.features, [feature, feature + 1])
        return self.texts[low:high], self.maxima[low:high]

    def by_token(self, text: int, feature: int) -> NDArray[np.float32]:
        """Return the activation of a feature at each token of a text: [tokens of the text]."""
        tokens = slice(self.starts[text], self.starts[text + 1])
        activations: NDArray[np.float32] = np.where(self.ids[tokens] == feature, self.values[tokens], 0).sum(axis=1)
        return activations

    def token_mass(self, feature: int, token_ids: NDArray[np.int64]) -> dict[int, float]:
        """Return the share of a feature's activation by token id, the largest share first.

        Args:
            feature: the feature.
            token_ids: id of each token: [tokens].
        """
        tokens, slots = np.nonzero((self.ids == feature) & (self.values > 0))
        if not len(tokens):
            return {}
        masses = np.bincount(token_ids[tokens], weights=self.values[tokens, slots])
        ranked = np.argsort(-masses, kind="stable")
        ranked = ranked[masses[ranked] > 0]
        return {int(token): float(masses[token] / masses.sum()) for token in ranked}


def encode_file(file: ActivationFile, dictionary: SparseDictionary) -> FeatureActivations:
    """Encode all activations of a file; what stays in memory is [tokens, k].

    Args:
        file: the activations.
        dictionary: the features.
    """
    import torch

    values = np.zeros((file.total, dictionary.k), np.float32)
    ids = np.zeros((file.total, dictionary.k), np.int32)
    tokens = np.argsort(file.places)
    errors, moments = 0.0, np.zeros((2, file.width))
    count = 0
    device = dictionary.encoder.device
    for first, block in file.blocks():
        positions = tokens[first : first + len(block)]
        for start in range(0, len(block), CHUNK):
            states = torch.from_numpy(block[start : start + CHUNK]).to(device)
            active, features = dictionary.encode(states)
            chunk = positions[start : start + CHUNK]
            values[chunk], ids[chunk] = active.cpu().numpy(), features.cpu().numpy()
            within = states.norm(dim=-1) <= dictionary.norm_limit
            rebuilt = torch.nn.functional.embedding_bag(
                features, dictionary.decoder, per_sample_weights=active, mode="sum"
            )
            errors += float((states - rebuilt - dictionary.centre)[within].double().pow(2).sum())
            exact = states[within].double().cpu().numpy()
            moments += [exact.sum(axis=0), (exact**2).sum(axis=0)]
            count += len(exact)
    variance = float((moments[1] - moments[0] ** 2 / max(count, 1)).sum())
    texts, features_of_pairs, maxima = _maxima_by_text(values, ids, file.starts)
    return FeatureActivations(
        values, ids, file.starts, texts, features_of_pairs, maxima, errors / variance if variance > 0 else 0.0
    )


def _maxima_by_text(
    values: NDArray[np.float32], ids: NDArray[np.int32], starts: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Return text, feature and largest activation of every pair of a text and a feature that is active in it."""
    tokens, slots = np.nonzero(values)
    texts = np.searchsorted(starts, tokens, side="right") - 1
    keys = ids[tokens, slots].astype(np.int64) * len(starts) + texts
    order = np.argsort(keys, kind="stable")
    pairs, firsts = np.unique(keys[order], return_index=True)
    active = values[tokens, slots][order]
    maxima = np.maximum.reduceat(active, firsts) if len(firsts) else np.zeros(0, np.float32)
    return pairs % len(starts), pairs // len(starts), maxima


def frequencies(activations: FeatureActivations, size: int) -> NDArray[np.float64]:
    """Return for each feature the share of texts in which it is active: [size]."""
    counts = np.bincount(activations.features, minlength=size)
    return counts / max(1, len(activations.starts) - 1)


def pick_texts(
    activations: FeatureActivations,
    feature: int,
    limit: int,
    clusters: Sequence[str],
    generator: np.random.Generator,
    without: Sequence[int] = (),
) -> list[int]:
    """Pick random texts in which a feature is active, at most one of each cluster, so that they are independent.

    Args:
        activations: where features are active.
        feature: the feature.
        limit: maximum number of texts.
        clusters: the cluster of each text.
        generator: random numbers.
        without: texts whose clusters are left out.
    """
    seen = {clusters[text] for text in without}
    picked: list[int] = []
    for text in generator.permutation(activations.pairs_of(feature)[0]).tolist():
        if len(picked) < limit and clusters[text] not in seen:
            seen.add(clusters[text])
            picked.append(text)
    return picked
