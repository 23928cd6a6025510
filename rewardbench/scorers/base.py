"""Base classes of scorers: a plug-in subclasses `BaseScorer` and writes `fingerprint`, `prepare` and `run`."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Self

from rewardbench.chat import Chat
from rewardbench.forward.packed import Layout
from rewardbench.forward.rope import RopeRule, rope_rule
from rewardbench.models.failures import run_reported
from rewardbench.types import BatchTraits, Messages, Request, Score, Scorer, ScorerReport, TokenRequest, View


class BaseScorer(ABC):
    """A scorer with defaults for everything but `fingerprint`, `prepare` and `run`.

    `prepare` takes as many completions as a call of the view shows: one (pointwise), two (pairwise) or all (listwise).
    It must change nothing in the scorer. A call of `run` returns for each request

    - pointwise: a number, the higher the better;
    - pairwise: the probability, 0 to 1, that the first completion is better than the second;
    - listwise: a tuple with one number a completion, the higher the better.
    """

    name: str = ""
    model_type: str = "Custom"
    view: View = "pointwise"
    model: Any = None
    """The torch model whose size decides the batch; None for scorers without one."""
    chat: Chat | None = None
    """What renders and tokenises; None for scorers that read text."""
    is_cached: bool = False
    """Whether the score cache serves it."""

    @property
    @abstractmethod
    def fingerprint(self) -> Mapping[str, Any]:
        """Return what can move a score, as plain JSON values; nothing that must not."""

    @abstractmethod
    def prepare(self, prompt: Messages, *args: Any, **kwargs: Any) -> Request:
        """Render the completions of one call: `prepare(prompt, *completions, rendered, tools=())`.

        Args:
            prompt: the messages before the completions.
            args: the completions, each as its messages, then `rendered`, True if the text is final.
            kwargs: `rendered` by name, and `tools` for items that have any.

        Raises:
            InputError: if this model cannot take the item, which then has no score.
        """

    @abstractmethod
    def run(self, requests: Sequence[Any]) -> Sequence[Score]:
        """Score a batch, a score a request; NaN where a score does not exist."""

    @property
    def traits(self) -> BatchTraits:
        """Return how it takes its batches."""
        return BatchTraits()

    @property
    def stages(self) -> Sequence[AbstractContextManager[Scorer]]:
        """Return the scorers that run one after the other; by default itself alone."""
        return (nullcontext(self),)

    def combine(self, stage_scores: Sequence[Sequence[Any]]) -> Sequence[Score]:
        """Return the scores of requests from what each stage gave for them; by default of the only stage."""
        return stage_scores[0]

    def report(self) -> ScorerReport:
        """Return what the manifest adds after a run: sentences for the reader, and facts."""
        return ScorerReport()


class ModelScorer(BaseScorer):
    """A scorer of token ids by one torch model, in a layout that was chosen when it was loaded.

    Args:
        model: in evaluation mode.
        chat: renders for its tokenizer.
        name: as results name it.
        identity: what is known of weights, tokenizer and libraries; part of the fingerprint.
        layout: how its batches are laid out.
    """

    is_cached = True
    chat: Chat

    def __init__(
        self, model: Any, chat: Chat, name: str, identity: Mapping[str, Any] | None = None, layout: Layout | None = None
    ) -> None:
        self.model, self.chat, self.name = model, chat, name
        self.layout = layout or Layout()
        self.rope: RopeRule = rope_rule(model.config.get_text_config())
        self._identity = dict(identity or {})
        self.load_notes: tuple[str, ...] = ()
        """What was repaired when the model was loaded."""
        self.metadata: Mapping[str, int | str] = {}
        """Number of parameters and license, if they are known."""

    @property
    def traits(self) -> BatchTraits:
        """Return how its layout takes batches."""
        most = 1 if self.layout.unbatched else None
        return BatchTraits(self.layout.packed, most, self.rope.company, has_tokens=True)

    def with_layout(self, layout: Layout, notes: Sequence[str] = ()) -> Self:
        """Return this scorer, of the same model, in another layout.

        Args:
            layout: how its batches are laid out.
            notes: sentences for the reader, added to its own.
        """
        variant = copy.copy(self)
        variant.layout = layout
        variant.load_notes = (*self.load_notes, *notes)
        return variant

    def run(self, requests: Sequence[TokenRequest]) -> list[float]:
        """Run one forward; one number a request. Raises ModelFailure if the model fails on one."""
        return run_reported(self.name, self.model.config, requests, self.forward)

    @abstractmethod
    def forward(self, requests: Sequence[TokenRequest]) -> list[float]:
        """Run one forward over the whole batch; whatever the model raises passes."""

    @abstractmethod
    def by_itself(self, request: TokenRequest) -> float:
        """Score one unpadded text by the model's own forward, which every batch must equal."""

    def report(self) -> ScorerReport:
        """Return what was repaired on the way."""
        return ScorerReport((*sorted(self.chat.notes), *self.load_notes), metadata=self.metadata)
