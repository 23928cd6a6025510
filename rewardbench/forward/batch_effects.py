"""Batch-sensitivity probe: check once, at load time, whether batching or padding changes a model's scores.

Most architectures score a text independently of its batch. Some do not: without an attention mask padding is mixed in
(fnet), convolved (convbert) or pooled (xlnet). A list of names could not cover all architectures and the code that
repositories bring along, so each model is tried on short texts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from rewardbench.errors import InputError
from rewardbench.types import TokenRequest

if TYPE_CHECKING:
    from transformers import PreTrainedModel

WORDS = "The river is short, but the city by it has more than twelve bridges.".split()
"""Probe texts consist of these words; they are shorter than any length from which RoPE changes."""
LENGTHS = (1, 4, 13)
"""Lengths of the batching probe, in words."""

TOLERANCE = {"tf32": 0.02, "float16": 0.02, "bfloat16": 0.1, "int8": 0.1}
"""Maximum difference by rounding in a dtype, relative to the largest score of the probe."""
EXACT_TOLERANCE = 1e-4
"""The same in float32 and float64."""

PADDED_NOTE = "This architecture does not support sequence packing; scored in padded batches."
UNBATCHED_NOTE = "This architecture is not batch-invariant; scored with batch size 1."


class Prober(Protocol):
    """A scorer that turns short texts into requests."""

    def probe(self, text: str) -> TokenRequest:
        """Return a request of a short text."""


def batching_probe(scorer: Prober) -> list[TokenRequest]:
    """Return short texts of different lengths; fewer if the scorer rejects one."""
    return _prepare_distinct(scorer, [WORDS[:length] for length in LENGTHS])


def packing_probe(scorer: Prober) -> list[TokenRequest]:
    """Return short texts that share prefixes of two lengths, and one that shares nothing."""
    twice = WORDS + WORDS
    backwards = WORDS[::-1]
    texts = [WORDS]
    for ending in (backwards, ["Truly", "so."], ["Truly", "not", "so."], ["No."]):
        texts.append(twice[:20] + ending)
    return _prepare_distinct(scorer, [*texts, [*twice[:11], "one."], backwards])


def _prepare_distinct(scorer: Prober, texts: Sequence[Sequence[str]]) -> list[TokenRequest]:
    """Return the requests of texts that the scorer takes; raise its InputError if it takes none."""
    requests: dict[TokenRequest, None] = {}
    failure: InputError | None = None
    for words in texts:
        try:
            requests[scorer.probe(" ".join(words))] = None
        except InputError as error:
            failure = error
    if failure is not None and not requests:
        raise failure
    return list(requests)


def compute_dtype(model: PreTrainedModel) -> str:
    """Return the dtype a model computes in: its weights', or tf32 if torch multiplies float32 matrices in TF32.

    LLM.int8() rounds activations, by outliers that it finds in the batch.
    """
    import torch

    if getattr(model, "is_loaded_in_8bit", False):
        return "int8"
    dtype = str(model.dtype).removeprefix("torch.")
    return "tf32" if dtype == "float32" and torch.get_float32_matmul_precision() != "highest" else dtype


def tolerance(dtype: str) -> float:
    """Return the maximum difference by rounding in a dtype, relative to the largest value."""
    return TOLERANCE.get(dtype, EXACT_TOLERANCE)


def differs(scores: Sequence[float], expected: Sequence[float], dtype: str) -> bool:
    """Return True if scores differ by more than rounding in a dtype.

    >>> differs([1.0, 2.0], [1.00001, 2.0], "float32"), differs([1.0, 2.0], [1.01, 2.0], "float32")
    (False, True)
    >>> differs([1.0, 2.0], [1.01, 2.0], "bfloat16")
    False
    """
    allowed = tolerance(dtype) * max(map(abs, expected), default=0.0)
    return any(abs(a - b) > allowed for a, b in zip(scores, expected, strict=True))


def is_batch_sensitive(
    model: PreTrainedModel,
    requests: Sequence[TokenRequest],
    score_batch: Callable[[Sequence[TokenRequest]], list[float]],
    score_unbatched: Callable[[TokenRequest], float],
    name: str,
) -> bool:
    """Return True if batching changes a model's scores, or the model cannot run a batch.

    Args:
        model: the model, in evaluation mode.
        requests: the probe.
        score_batch: scores a batch in one forward pass.
        score_unbatched: scores one text by the model's own forward, without padding.
        name: the model's name, for the error.

    Raises:
        InputError: if the model cannot run, or gives one text different scores even at batch size 1.
    """
    dtype = compute_dtype(model)
    expected = list(map(score_unbatched, requests))
    try:
        if not differs(score_batch(requests), expected, dtype):
            return False
    except Exception:  # the architecture may run at batch size 1 only
        pass
    single = [score_batch([request])[0] for request in requests]
    if differs(single, expected, dtype):
        raise InputError(
            f"{name} gives the same text different scores ({model.config.model_type} draws random numbers, or keeps "
            "state of earlier texts), so it cannot be scored."
        )
    return True
