"""Scorers: how a model is called, and how it takes its batches."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from rewardbench.types.items import Aggregation, Messages, View
from rewardbench.types.requests import Request

Score = float | tuple[float, ...]
"""The output of one call: a number, or one number per completion for a listwise scorer."""


def one_bucket(length: int) -> Hashable:
    """Put every length into the same bucket."""
    return 0


@dataclass(frozen=True)
class BatchTraits:
    """How a scorer takes its batches."""

    packed: bool = False
    """True if each distinct prefix of a batch is computed once (sequence packing with tree attention)."""
    max_batch_size: int | None = None
    """Maximum requests per batch; None is unlimited."""
    length_bucket: Callable[[int], Hashable] = one_bucket
    """Bucket of a length in tokens; requests share a batch only if they share a bucket."""
    has_tokens: bool = False
    """True if the scorer reads token ids, so that padding, layout and dtype could change its scores."""
    max_in_flight: int = 1
    """Batches that run at the same time; above 1 only for scorers that wait for a server, with `run_async`."""


@dataclass(frozen=True)
class ScorerReport:
    """What a scorer adds to the manifest of a run."""

    notes: tuple[str, ...] = ()
    """Notes on the loaded model, one sentence each."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """Entries of the manifest's section `run`."""
    metadata: Mapping[str, int | str] = field(default_factory=dict)
    """Number of `parameters`, `license` and `base_model`, for the manifest's section `model`."""
    session: Mapping[str, Any] = field(default_factory=dict)
    """Entries of the section `session`, which is printed but not stored: what another run would do differently."""


class Scorer(Protocol):
    """A model that scores completions, the higher the better. `scorers.base.BaseScorer` has most defaults."""

    name: str
    model_type: str
    view: View
    aggregation: Aggregation
    """How a stepwise scorer's scores of steps become one."""
    orders: int | None
    """How many orders of the completions a pairwise or listwise scorer is shown; None: both, or every rotation."""
    context: tuple[str, ...]
    """What `prepare` receives of an item besides its texts: `subset`, or the names of columns such as `reference`."""
    model: Any
    """The torch model, whose size limits the batch; None for scorers without one."""
    is_cached: bool
    """True if scores are cached. The fingerprint must then cover everything that can change a score."""

    @property
    def fingerprint(self) -> Mapping[str, Any]:
        """Return everything that can change a score, as plain JSON values, and nothing else."""

    @property
    def traits(self) -> BatchTraits:
        """Return how the scorer takes its batches."""

    @property
    def stages(self) -> Sequence[AbstractContextManager[Scorer]]:
        """Return the scorers that run in turn, each loaded only while its context is open."""

    def prepare(self, prompt: Messages, *args: Any, **kwargs: Any) -> Request:
        """Render the completions of one call; see `BaseScorer.prepare`."""

    def prefetch(self, requests: Sequence[Any]) -> None:
        """Get the batch ready that `run` is called with after the present one, if that can be done at the same time."""

    def run(self, requests: Sequence[Any]) -> Sequence[Score]:
        """Score one batch, NaN where there is no score."""

    def run_unbatched(self, request: Any) -> Score:
        """Score one request by itself, to measure what batching changes; nothing is recorded of it."""

    def combine(self, stage_scores: Sequence[Sequence[Any]]) -> Sequence[Score]:
        """Combine the scores that each stage returned for the same requests."""

    def why_unscored(self, request: Any) -> str | None:
        """Return why `run` gave a request no score; None if it does not know."""

    def answers(self, request: Any) -> Sequence[Mapping[str, Any]]:
        """Return the raw answers from which `run` read the score of a request, as JSON values; empty for most."""

    def status(self) -> str:
        """Return what the progress bar shows besides the rate, such as the cost so far."""

    def report(self) -> ScorerReport:
        """Return what the manifest records after a run."""
