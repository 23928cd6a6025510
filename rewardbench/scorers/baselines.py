"""Scores that read no prompt: what a suite must not be solved by."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rewardbench.chat import all_text
from rewardbench.errors import InputError
from rewardbench.scorers.base import BaseScorer
from rewardbench.types import Messages, TextRequest, Tools


def _uniform(seed: int, text: str) -> float:
    """A number in [0, 1) that depends on the seed and the text alone, so neither order nor batch can move it."""
    digest = hashlib.sha256(f"{seed}\0{text}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


RULES: Mapping[str, Callable[[TextRequest, int], float]] = {
    "longest": lambda request, seed: float(len(request.completions[0])),
    "shortest": lambda request, seed: -float(len(request.completions[0])),
    "random": lambda request, seed: _uniform(seed, request.text),
}


class Baseline(BaseScorer):
    """`baseline/longest`, `baseline/shortest` (in characters) or `baseline/random` (seeded).

    Raises: InputError for another name.
    """

    model_type = "Baseline"

    def __init__(self, name: str, seed: int = 0) -> None:
        rule = name.removeprefix("baseline/")
        if rule not in RULES:
            known = ", ".join(f"baseline/{known}" for known in RULES)
            raise InputError(f"There is no baseline {name!r}: use {known}.")
        self.name = f"baseline/{rule}"
        self.seed = seed
        self._rule = RULES[rule]

    @property
    def fingerprint(self) -> Mapping[str, Any]:
        """What can move a score: the rule and, for the random one, the seed."""
        return {"kind": self.name, "seed": self.seed if self.name == "baseline/random" else None}

    def prepare(self, prompt: Messages, completion: Messages, rendered: bool, tools: Tools = ()) -> TextRequest:
        """Return the plain text, with reasoning and tool calls; nothing is tokenised."""
        return TextRequest(all_text((*prompt, *completion)), (all_text(completion),))

    def run(self, requests: Sequence[TextRequest]) -> list[float]:
        """One number a request, by the rule."""
        return [self._rule(request, self.seed) for request in requests]
