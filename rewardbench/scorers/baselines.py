"""Baselines that ignore the prompt: longest, shortest and random completion."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence

from rewardbench.chat import all_text
from rewardbench.errors import InputError
from rewardbench.scorers.base import BaseScorer
from rewardbench.types import Messages, TextRequest, Tools


def _uniform(seed: int, text: str) -> float:
    """Return a number in [0, 1) that depends on seed and text only, not on the order of requests or on batches."""
    digest = hashlib.sha256(f"{seed}\0{text}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


RULES: Mapping[str, Callable[[TextRequest, int], float]] = {
    "longest": lambda request, seed: float(len(request.completions[0])),
    "shortest": lambda request, seed: -float(len(request.completions[0])),
    "random": lambda request, seed: _uniform(seed, request.text),
}


class Baseline(BaseScorer):
    """`baseline/longest`, `baseline/shortest` (in characters) or `baseline/random` (seeded).

    Args:
        name: name of the baseline.
        seed: random seed of `baseline/random`.

    Raises:
        InputError: if there is no baseline of this name.
    """

    model_type = "Baseline"

    def __init__(self, name: str, seed: int = 0) -> None:
        rule = name.removeprefix("baseline/")
        if rule not in RULES:
            names = ", ".join(f"baseline/{rule}" for rule in RULES)
            raise InputError(f"There is no baseline {name!r}: use {names}.")
        self.name = f"baseline/{rule}"
        self.seed = seed
        self._rule = RULES[rule]

    @property
    def fingerprint(self) -> Mapping[str, object]:
        """Return the rule and, for `baseline/random`, the seed."""
        return {"kind": self.name, "seed": self.seed if self.name == "baseline/random" else None}

    def prepare(self, prompt: Messages, completion: Messages, rendered: bool, tools: Tools = ()) -> TextRequest:
        """Join the texts of all messages, with reasoning and tool calls."""
        return TextRequest(all_text((*prompt, *completion)), (all_text(completion),))

    def run(self, requests: Sequence[TextRequest]) -> list[float]:
        """Return one number per request."""
        return [self._rule(request, self.seed) for request in requests]
