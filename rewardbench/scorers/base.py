"""Base classes of scorers: `BaseScorer`, of which a plug-in writes `prepare` and `run`, and `ModelScorer`."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from rewardbench.chat import Chat
from rewardbench.forward.packed import Layout
from rewardbench.forward.prefetch import Prefetcher
from rewardbench.forward.rope import RopeRule, rope_rule
from rewardbench.models.devices import input_device
from rewardbench.models.failures import run_reported
from rewardbench.models.replicas import may_replicate, replicate
from rewardbench.types import (
    Aggregation,
    BatchTraits,
    Message,
    Messages,
    Request,
    Score,
    Scorer,
    ScorerReport,
    TokenRequest,
    View,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel

BatchInputs = TypeVar("BatchInputs")
"""What a scorer collates a batch into."""


class BaseScorer(ABC):
    """A scorer with defaults for everything but `prepare` and `run`.

    The view decides how many completions a call shows, and what `run` returns for each request:

    - pointwise: one completion; a number, the higher the better;
    - pairwise: two completions; the probability, 0 to 1, that the first is better than the second;
    - listwise: all completions of an item; a tuple with one number per completion, the higher the better;
    - stepwise: one completion; a tuple with one number per step of it, which `aggregation` makes one.
    """

    name: str = ""
    model_type: str = "Custom"
    view: View = "pointwise"
    aggregation: Aggregation = "min"
    """How the scores of steps become one, in the stepwise view."""
    orders: int | None = None
    """How many orders of the completions a pairwise or listwise scorer is shown; None: both, or every rotation."""
    context: tuple[str, ...] = ()
    """What `prepare` receives of an item, as the mapping `context`: `subset`, or columns such as `reference`."""
    model: Any = None
    """The torch model, whose size limits the batch; None for scorers without one."""
    chat: Chat | None = None
    """Renders and tokenizes; None for scorers that read text."""
    is_cached: bool = False
    """True if scores are cached. The class must then define `fingerprint`, with everything that can change a score."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if cls.is_cached and cls.fingerprint is BaseScorer.fingerprint:
            raise TypeError(f"{cls.__name__} has is_cached = True: it must define fingerprint too.")

    @property
    def fingerprint(self) -> Mapping[str, Any]:
        """Return everything that can change a score, as plain JSON values; by default the class and the name."""
        return {"kind": f"{type(self).__module__}.{type(self).__qualname__}", "name": self.name}

    @abstractmethod
    def prepare(self, prompt: Messages, *args: Any, **kwargs: Any) -> Request:
        """Render the completions of one call: `prepare(prompt, *completions, rendered, tools=())`.

        This must not change the scorer. Notes on repairs travel with the request, in `TokenRequest.notes`.

        Args:
            prompt: the messages before the completions.
            args: the completions, each as its messages, then `rendered`, True if the text is final.
            kwargs: `rendered` by name, and `tools` for items that have any.

        Raises:
            InputError: if this model cannot score the item.
        """

    def prefetch(self, requests: Sequence[Any]) -> None:  # noqa: B027
        """Get the batch ready that `run` is called with after the present one; by default do nothing."""

    @abstractmethod
    def run(self, requests: Sequence[Any]) -> Sequence[Score]:
        """Score a batch; return one score per request, NaN where there is none."""

    def run_unbatched(self, request: Any) -> Score:
        """Score one request by itself, to measure what batching changes; nothing is recorded of it."""
        return self.run([request])[0]

    @property
    def traits(self) -> BatchTraits:
        """Return how the scorer takes its batches."""
        return BatchTraits()

    @property
    def stages(self) -> Sequence[AbstractContextManager[Scorer]]:
        """Return the scorers that run in turn, each loaded only while its context is open; by default this one."""
        return (nullcontext(self),)

    def combine(self, stage_scores: Sequence[Sequence[Any]]) -> Sequence[Score]:
        """Combine the scores that each stage returned for the same requests; by default there is one stage."""
        return stage_scores[0]

    def why_unscored(self, request: Any) -> str | None:
        """Return why `run` gave a request no score; None if it does not know."""
        return None

    def answers(self, request: Any) -> Sequence[Mapping[str, Any]]:
        """Return the raw answers from which `run` read the score of a request, as JSON values; empty for most."""
        return ()

    def status(self) -> str:
        """Return what the progress bar shows besides the rate, such as the cost so far."""
        return ""

    def report(self) -> ScorerReport:
        """Return what the manifest records after a run."""
        return ScorerReport()


class ModelScorer(BaseScorer):
    """A scorer of token ids by one torch model, in the batch layout that was chosen at load time.

    Args:
        model: in evaluation mode.
        chat: renders and tokenizes for this model.
        name: of the model, for results.
        identity: fingerprint of weights, tokenizer and libraries, as far as they are known.
        layout: layout of batches.
    """

    is_cached = True
    chat: Chat

    def __init__(
        self,
        model: PreTrainedModel,
        chat: Chat,
        name: str,
        identity: Mapping[str, object] | None = None,
        layout: Layout | None = None,
    ) -> None:
        self.model, self.chat, self.name = model, chat, name
        self.layout = layout or Layout()
        self.rope: RopeRule = rope_rule(model.config.get_text_config())
        self._identity = dict(identity or {})
        self.load_notes: tuple[str, ...] = ()
        """Repairs at load time, one sentence each."""
        self.metadata: Mapping[str, int | str] = {}
        """Number of parameters, license and base model, if they are known."""

    @property
    @abstractmethod
    def fingerprint(self) -> Mapping[str, object]:
        """Return everything that can change a score, as plain JSON values."""

    @property
    def traits(self) -> BatchTraits:
        """Return how the layout takes batches."""
        max_batch_size = 1 if self.layout.unbatched else None
        return BatchTraits(self.layout.packed, max_batch_size, self.rope.length_bucket, has_tokens=True)

    def with_layout(self, layout: Layout, notes: Sequence[str] = ()) -> Self:
        """Copy this scorer, with the same model, and change its layout.

        Args:
            layout: layout of batches.
            notes: one sentence each, added to `load_notes`.
        """
        variant = copy.copy(self)
        variant.layout = layout
        variant.load_notes = (*self.load_notes, *notes)
        return variant

    def with_identity(self, facts: Mapping[str, object]) -> Self:
        """Copy this scorer, with the same model, and add facts to its fingerprint."""
        variant = copy.copy(self)
        variant._identity = {**self._identity, **facts}
        return variant

    def replicate(self) -> Self | None:
        """Copy this scorer for another thread, with the same weights in memory; None if its model cannot be copied."""
        if not may_replicate(self.model):
            return None
        try:
            return replicate(self, self.model, (self.chat,))
        except Exception:  # a module may hold objects of any kind
            return None

    def run(self, requests: Sequence[TokenRequest]) -> Sequence[Score]:
        """Score a batch; one number per request. Raises ModelFailure if the model fails on a request."""
        return self.run_forward(requests)

    def run_forward(self, requests: Sequence[TokenRequest]) -> list[float]:
        """Score a batch in one forward pass, or each request alone if that fails.

        Returns:
            One number per request.

        Raises:
            ModelFailure: if the model fails on a request.
        """
        return run_reported(self.name, self.model.config, requests, self.forward)

    def probe(self, text: str) -> TokenRequest:
        """Return a request of a short text, by which the layout of batches is chosen."""
        return self.prepare((), (Message(role="assistant", content=text),), rendered=True)

    @abstractmethod
    def prepare(self, prompt: Messages, *args: Any, **kwargs: Any) -> TokenRequest:
        """Render and tokenize the completions of one call; see `BaseScorer.prepare`."""

    @abstractmethod
    def forward(self, requests: Sequence[TokenRequest]) -> list[float]:
        """Score a batch in one forward pass; exceptions of the model pass through."""

    @abstractmethod
    def score_unbatched(self, request: TokenRequest) -> float:
        """Score one text by the model's own forward pass, without padding: the reference for every batch."""

    def report(self) -> ScorerReport:
        """Return the repairs at load time, and the model's metadata."""
        return ScorerReport(self.load_notes, metadata=self.metadata)


class CollatingScorer(ModelScorer, Generic[BatchInputs]):
    """A model scorer that can collate the next batch while the present one is computed."""

    _prefetcher: Prefetcher[BatchInputs] | None = None

    @abstractmethod
    def collate(self, requests: Sequence[TokenRequest]) -> BatchInputs:
        """Return the inputs of a forward pass, on the device. Called in another thread if the batch is announced."""

    def prefetch(self, requests: Sequence[TokenRequest]) -> None:
        """Start to collate the batch that `run` is called with after the present one."""
        self._batches().start(requests)

    def inputs(self, requests: Sequence[TokenRequest]) -> AbstractContextManager[BatchInputs]:
        """Context manager: return the inputs of a batch, and keep them until its scores are on the host."""
        return self._batches().inputs(requests)

    def _batches(self) -> Prefetcher[BatchInputs]:
        """Return the prefetcher of this scorer, not that of a scorer of which it is a copy."""
        if self._prefetcher is None or self._prefetcher.scorer is not self:
            self._prefetcher = Prefetcher(self, input_device(self.model))
        return self._prefetcher
