"""What a model does in company: tried once, at load, before a score is believed.

Most architectures give a text one score whatever stands beside it. Some do not: without a mask padding is mixed in
(fnet), convolved (convbert) or pooled (xlnet). No list of names could know them all, nor the code that a repository
brings along, so the model itself is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from rewardbench.errors import InputError
from rewardbench.types import Message, TokenRequest

SENTENCE = "The river is short, but the city by it has more than twelve bridges.".split()
LENGTHS = (1, 4, 13)
"""Words of the probe texts; few, so that they lie below every length at which positions change."""

TOLERANCE = {"tf32": 0.02, "float16": 0.02, "bfloat16": 0.1}
"""Relative to the largest probe score; in these formats rounding alone moves a score by a part of that."""

EXACT = 1e-4


def probes(scorer: Any) -> list[TokenRequest]:
    """Short texts of different lengths, as this model's tokenizer gives them; fewer where it cannot take one bare."""
    return _prepared(scorer, [SENTENCE[:n] for n in LENGTHS])


def branches(scorer: Any) -> list[TokenRequest]:
    """Short texts that share their beginnings, at two depths, and one that shares nothing."""
    twice = SENTENCE + SENTENCE
    ends = (SENTENCE[::-1], ["Truly", "so."], ["Truly", "not", "so."], ["No."])
    return _prepared(scorer, [SENTENCE, *(twice[:20] + end for end in ends), [*twice[:11], "one."], SENTENCE[::-1]])


def _prepared(scorer: Any, texts: Sequence[Sequence[str]]) -> list[TokenRequest]:
    found = []
    for words in texts:
        with suppress(InputError):
            text = Message(role="assistant", content=" ".join(words))
            found.append(scorer.prepare((), (text,), rendered=True))
    return list(dict.fromkeys(found))


def number_format(model: Any) -> str:
    """What a model computes in: its dtype, or tf32 where float32 matrices are multiplied shorter."""
    import torch

    dtype = str(model.dtype).removeprefix("torch.")
    return "tf32" if dtype == "float32" and torch.get_float32_matmul_precision() != "highest" else dtype


def allowance(model: Any) -> float:
    """How far apart two ways of computing may be in a model's number format, relative to the largest value."""
    return TOLERANCE.get(number_format(model), EXACT)


def differs(found: Sequence[float], wanted: Sequence[float], dtype: str) -> bool:
    """Whether two rows of scores are further apart than rounding makes them in a number format.

    >>> differs([1.0, 2.0], [1.00001, 2.0], "float32"), differs([1.0, 2.0], [1.01, 2.0], "float32")
    (False, True)
    >>> differs([1.0, 2.0], [1.01, 2.0], "bfloat16")
    False
    """
    allowed = TOLERANCE.get(dtype, EXACT) * max(map(abs, wanted), default=0.0)
    return any(abs(a - b) > allowed for a, b in zip(found, wanted, strict=True))


def moved_by_company(
    model: Any,
    requests: Sequence[TokenRequest],
    batched: Callable[[Sequence[TokenRequest]], list[float]],
    alone: Callable[[TokenRequest], float],
    name: str,
) -> bool:
    """Whether a batch gives other scores than the model's own forward on one unpadded text, so that it needs avoiding.

    Raises: InputError where the model cannot run at all, or differs from its own forward even text by text.
    """
    dtype = number_format(model)
    wanted = [alone(request) for request in requests]
    try:
        if not differs(batched(requests), wanted, dtype):
            return False
    except Exception:  # the architecture takes no batch of several, perhaps one of a single text
        pass
    single = [batched([request])[0] for request in requests]
    if differs(single, wanted, dtype):
        raise InputError(
            f"{name} does not give a text the same score twice ({model.config.model_type} draws random numbers, or "
            "keeps something of the text before): it cannot be scored here."
        )
    return True


PADDED = "This architecture takes no row of several texts: it was scored in padded batches."
NOTE = "Padding or company moves the scores of this architecture: its items were scored one at a time."
