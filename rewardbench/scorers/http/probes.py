"""Probe a reward-model server before anything is scored: is the output of each text one raw, reproducible score?"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from itertools import repeat

from rewardbench.errors import InputError
from rewardbench.scorers.http.client import ServerRefusal
from rewardbench.scorers.http.dialect import ScoringRoute, ServerInput, ServerOutput
from rewardbench.types import Message, Messages

CONVERSATIONS = (
    ("How many days does a week have?", "A week has seven days.", "Bananas."),
    ("Name the capital of France.", "The capital of France is Paris.", "It is Lima, by the river Thames."),
    (
        "Write a haiku about rain.",
        "Soft rain on the roof,\nthe garden drinks all night long:\nmorning smells of earth.",
        "No.",
    ),
)
"""A question with a good and a bad answer each."""
EQUALITY_TOLERANCE = 1e-6
"""Largest difference of numbers that count as equal, relative to their size if that is above 1."""
SIGMOID_TOLERANCE = 0.03
"""Largest difference of the sigmoids of two scores that count as equal in bfloat16."""
BATCHING_SHARE = 0.1
"""Maximum change of a score by batching, as a share of the range of the probe scores."""


@dataclass(frozen=True)
class Parity:
    """How far the server's scores of the probe texts are from those of the transformers model."""

    texts: int
    max_abs_diff: float
    spearman: float
    flips: int
    """Pairs of a good and a bad answer that the two order differently."""

    def describe(self) -> str:
        """Return the figures as a sentence."""
        return (
            f"The server's scores of {self.texts} probe texts differ from those of the transformers model by up to "
            f"{self.max_abs_diff:.2g}, with Spearman {self.spearman:.3f} and {self.flips} flips."
        )

    def to_json(self) -> dict[str, int | float | None]:
        """Return the figures by name; null for a correlation that is not defined."""
        spearman = self.spearman if math.isfinite(self.spearman) else None
        return {
            "texts": self.texts,
            "max_abs_diff": self.max_abs_diff,
            "spearman": spearman,
            "flips": self.flips,
        }


@dataclass(frozen=True)
class ProbeReport:
    """Results of probing a server."""

    route: ScoringRoute
    """With the path and the flags that give raw scores."""
    scores: tuple[float, ...]
    """Of the probe texts."""
    batch_effect: float
    """Largest difference between the score of a probe text in a batch and unbatched."""
    notes: tuple[str, ...] = ()


def probe_messages() -> list[tuple[Messages, Messages]]:
    """Return the prompt and the completion of each probe text: a good and a bad answer in turn."""
    pairs: list[tuple[Messages, Messages]] = []
    for question, *answers in CONVERSATIONS:
        for answer in answers:
            pairs.append(((Message(role="user", content=question),), (Message(role="assistant", content=answer),)))
    return pairs


async def probe(route: ScoringRoute, inputs: Sequence[ServerInput]) -> ProbeReport:
    """Find the path and the flags that give raw scores, and check the scores of the probe texts.

    Args:
        route: how texts are sent; its path and flags are not used.
        inputs: the probe texts.

    Raises:
        InputError: if the output is not one raw score per text: a hidden state, a softmax or a sigmoid, normalised,
            constant, random, NaN, or in another order than the texts.
    """
    route, output = await choose_path(route, inputs)
    route, scores = await choose_flags(route, inputs, scalars(output))
    reject_degenerate(scores)
    unbatched = await _send_each(route, inputs)
    repeated = await _send_each(route, inputs)
    _reject_random(scores, unbatched, repeated)
    _reject_permuted(scores, unbatched)
    effect = max(map(_difference, scores, unbatched))
    notes: list[str] = []
    if effect > 0:
        notes.append(f"The batching of the server changes the score of a probe text by up to {effect:.2g}.")
    if not route.flags and _are_shares(scores):
        notes.append(
            "All scores of the probe texts are between 0 and 1, and this server has no option for raw scores: they may "
            "be sigmoids, which --parity FOLDER would show."
        )
    return ProbeReport(route, tuple(scores), effect, tuple(notes))


async def choose_path(route: ScoringRoute, inputs: Sequence[ServerInput]) -> tuple[ScoringRoute, ServerOutput]:
    """Return the route by the first path that the server answers, with its output.

    Raises:
        InputError: if it answers none.
    """
    refusals: list[ServerRefusal] = []
    is_missing = True
    for path in route.dialect.paths:
        candidate = replace(route, path=path)
        try:
            return candidate, await candidate.send(inputs)
        except ServerRefusal as refusal:
            refusals.append(refusal)
            is_missing &= refusal.status == HTTPStatus.NOT_FOUND
    first = refusals[0]
    hint = f"check --dialect; for {route.dialect.title}, " if is_missing else ""
    raise InputError(f"{str(first).rstrip('.')}: {hint}{route.dialect.start_hint}.") from first


async def choose_flags(
    route: ScoringRoute, inputs: Sequence[ServerInput], scores: list[float]
) -> tuple[ScoringRoute, list[float]]:
    """Return the route with the flags by which the server returns raw scores, and these scores.

    A server that ignores a flag returns the same scores for both of its values.

    Args:
        route: how texts are sent.
        inputs: the probe texts.
        scores: their scores without flags.

    Raises:
        InputError: if the server knows none of the flags, and all scores are between 0 and 1.
    """
    for raw_flags, activated_flags in route.dialect.switches:
        candidate = replace(route, flags=raw_flags)
        raw = scalars(await candidate.send(inputs))
        activated = scalars(await replace(route, flags=activated_flags).send(inputs))
        difference = max(map(_difference, raw, activated))
        if difference > BATCHING_SHARE * max(_spread(raw), _spread(activated)):  # above what batching can do
            return candidate, raw
    if not route.dialect.switches:
        return route, scores
    reject_degenerate(scores)
    if _are_shares(scores):
        names = " or ".join(name for flags, _ in route.dialect.switches for name in flags)
        raise InputError(
            f"{route.dialect.title} does not switch its activation off by {names}, and all probe scores are between 0 "
            "and 1: they are probabilities, not raw scores. Start the server without the activation."
        )
    return replace(route, flags=route.dialect.switches[0][0]), scores


def scalars(output: ServerOutput) -> list[float]:
    """Return the number of each text.

    Raises:
        InputError: if a text has another number of them.
    """
    scores: list[float] = []
    for vector in output.vectors:
        if len(vector) != 1:
            raise InputError(
                f"The server returns {len(vector)} numbers for a text, not a score: it serves several labels, or the "
                "hidden state (embedding) of a model without reward head."
            )
        scores.append(vector[0])
    return scores


def reject_degenerate(scores: Sequence[float]) -> None:
    """Reject scores that cannot be those of a reward model.

    Raises:
        InputError: if a score is not finite, or if all are 1, all are 1 or -1, or all are equal.
    """
    for score in scores:
        if not math.isfinite(score):
            raise InputError(
                f"The server scores a probe text as {score}: its weights are broken, or its dtype overflows."
            )
    if all(map(_equal, scores, repeat(1.0))):
        raise InputError(
            "The server scores all probe texts as 1.0, the softmax of one label: it must return raw scores "
            "(use_activation or raw_scores)."
        )
    if all(map(_equal, map(abs, scores), repeat(1.0))):
        raise InputError(
            "The server scores all probe texts as 1 or -1: it normalises its output to length 1, as embeddings are."
        )
    if all(map(_equal, scores, repeat(scores[0]))):
        raise InputError(
            f"The server scores all {len(scores)} probe texts as {scores[0]:.6g}: its head is missing or constant, or "
            "its scores are NaN, which some servers return as 0."
        )


def measure_parity(scores: Sequence[float], reference: Sequence[float]) -> Parity:
    """Compare the server's scores of the probe texts with those of the transformers model.

    Raises:
        InputError: if the server returns the sigmoid of the model's scores.
    """
    from scipy.stats import spearmanr

    largest = max(map(_difference, scores, reference))
    sigmoids = [0.5 + 0.5 * math.tanh(value / 2) for value in reference]
    spread = _spread(reference)
    if (
        max(map(_difference, scores, sigmoids)) < min(SIGMOID_TOLERANCE, 0.1 * largest)
        and largest > BATCHING_SHARE * spread
    ):
        raise InputError(
            "The server returns the sigmoid of the scores of the transformers model: start it without the activation."
        )
    flips = 0
    for good in range(0, len(scores), 2):
        flips += (scores[good] > scores[good + 1]) != (reference[good] > reference[good + 1])
    return Parity(len(scores), largest, float(spearmanr(scores, reference).statistic), flips)


async def reject_truncation(route: ScoringRoute, inputs: Sequence[ServerInput], length: int) -> None:
    """Reject a server that cuts texts without saying so.

    Args:
        route: how texts are sent.
        inputs: two long texts that differ at the end only.
        length: their tokens.

    Raises:
        InputError: if both have the same score.
    """
    scores = await _send_each(route, inputs)
    if scores[0] == scores[1]:
        raise InputError(
            f"The server gives two texts of {length} tokens the same score, though they end differently: it cuts long "
            "texts. Pass its own limit as --max_length, or raise the server's (--max_len)."
        )


async def _send_each(route: ScoringRoute, inputs: Sequence[ServerInput]) -> list[float]:
    """Return the score of each text in a request of its own."""
    outputs = await asyncio.gather(*(route.send([item]) for item in inputs))
    return [scalars(output)[0] for output in outputs]


def _reject_random(scores: Sequence[float], unbatched: Sequence[float], repeated: Sequence[float]) -> None:
    """Reject scores of the same texts that differ between two requests."""
    spread = _spread(scores)
    largest = max(map(_difference, unbatched, repeated))
    if not largest <= BATCHING_SHARE * spread:
        raise InputError(
            f"The server gives the same text scores that differ by {largest:.3g}, and different texts by {spread:.3g}: "
            "its head is random, or dropout is on."
        )


def _reject_permuted(scores: Sequence[float], unbatched: Sequence[float]) -> None:
    """Reject a batch whose scores are those of its texts in another order."""
    aligned = max(map(_difference, scores, unbatched))
    as_sets = max(map(_difference, sorted(scores), sorted(unbatched)))
    if aligned > BATCHING_SHARE * _spread(unbatched) and as_sets < aligned / 4:
        raise InputError("The server returns the scores of a batch in another order than its texts.")


def _are_shares(scores: Sequence[float]) -> bool:
    """Return True if all scores are between 0 and 1, as probabilities are."""
    return min(scores) >= 0 and max(scores) <= 1


def _spread(scores: Sequence[float]) -> float:
    return max(scores) - min(scores)


def _difference(a: float, b: float) -> float:
    return abs(a - b)


def _equal(a: float, b: float) -> bool:
    return abs(a - b) <= EQUALITY_TOLERANCE * max(1.0, abs(a))
