"""Fitness of a text on the map: a reward model, or a planted reward with known weights."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from hashlib import blake2b
from math import nan
from typing import Protocol

from rewardbench.analysis.map.cells import RuleClassifier
from rewardbench.analysis.map.domains import Domain, planted_weights
from rewardbench.analysis.map.prosody import split_words
from rewardbench.analysis.map.rewards import score_completions
from rewardbench.scoring import LoadedScorer

MIN_LETTERS = 4
"""Shorter words do not count in the planted reward."""
FAVOURED = 0.2
"""Share of words that the planted reward favours."""
PLANTED = "planted"
"""Name of the planted reward in place of a model."""


class Fitness(Protocol):
    """Scores texts; higher is better."""

    @property
    def identity(self) -> object:
        """JSON values that change with anything that can change a score."""

    @property
    def floor(self) -> float | None:
        """Smallest reward that a text can have; None if it is not known."""

    def score(self, texts: Sequence[str]) -> list[float]:
        """Return the reward of each text."""


class PlantedReward:
    """A reward with known weights: of the row, of the column, and of the share of favoured words.

    A fifth of all words is favoured, drawn by a hash of the word and the seed; words below `MIN_LETTERS` do not count.

    Args:
        domain: with the weights of the categories, and the weight of the share.
        seed: of the favoured words.
    """

    def __init__(self, domain: Domain, seed: int = 0) -> None:
        self._weights = planted_weights(domain)
        assert domain.content.planted is not None
        self._scale, self._seed = domain.content.planted.scale, seed
        self._classifier = RuleClassifier(domain)
        self._is_favoured = cache(self._draw)
        rows = min(self._weights[name] for name in domain.rows.names)
        columns = min(self._weights[name] for name in domain.columns.names)
        self.floor: float | None = rows + columns
        """Smallest reward that a text can have."""
        self.identity: object = [PLANTED, domain.digest, seed]

    def score(self, texts: Sequence[str]) -> list[float]:
        """Return the reward of each text; NaN for a text whose cell the rules do not know."""
        rewards: list[float] = []
        for text, cell in zip(texts, self._classifier.classify(texts), strict=True):
            if cell is None:
                rewards.append(nan)
            else:
                share = self.favoured_share(text)
                rewards.append(self._weights[cell[0]] + self._weights[cell[1]] + self._scale * share)
        return rewards

    def favoured_share(self, text: str) -> float:
        """Return the share of favoured words among the words of at least `MIN_LETTERS` letters."""
        words = [word for word in split_words(text) if len(word) >= MIN_LETTERS]
        return sum(map(self._is_favoured, words)) / max(len(words), 1)

    def _draw(self, word: str) -> bool:
        digest = blake2b(f"{self._seed} {word}".encode(), digest_size=6).digest()
        return int.from_bytes(digest) < FAVOURED * 2**48


class ModelReward:
    """A reward model, which scores each text as the answer to one prompt."""

    floor: float | None = None

    def __init__(self, domain: Domain, scorer: LoadedScorer) -> None:
        self._prompt, self._scorer = domain.content.prompt, scorer
        self.identity: object = dict(scorer.scorer.fingerprint) or scorer.name

    def score(self, texts: Sequence[str]) -> list[float]:
        """Return the reward of each text; NaN for a text that the model cannot score.

        Raises:
            InputError: if there are several, and it can score none of them.
        """
        return score_completions(self._scorer, [self._prompt] * len(texts), texts)
