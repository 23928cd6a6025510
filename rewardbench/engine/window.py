"""Plan the requests of one window for one stage of a scorer, with the scores and the plan that are cached."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

from rewardbench.engine.batching import Batch, plan_batches
from rewardbench.engine.cache import Cache
from rewardbench.models.fingerprint import digest
from rewardbench.types import Request, Score, Scorer

Groups = list[list[Request]]
"""The distinct requests of each item."""
ScoresByKey = dict[bytes, Score]
"""Scores by the key of the request."""


class StageWindow:
    """The requests of a window for one stage, and their scores in the cache.

    The plan covers all requests that were not cached when it was made, and is stored until the window is finished. A
    run that is killed and started again computes the same batches, and so the same scores to the last bit.

    Args:
        groups: the distinct requests of each item.
        scorer: the scorer of the stage.
        cache: the score cache, if the run uses one.
        budget: maximum tokens per batch.
        max_batch_size: maximum requests per batch.
    """

    def __init__(
        self, groups: Groups, scorer: Scorer, cache: Cache | None, budget: int, max_batch_size: int | None
    ) -> None:
        self.groups, self.scorer, self.budget, self.max_batch_size = groups, scorer, budget, max_batch_size
        self.cache = cache if scorer.is_cached else None
        self.by_key = {request.key: request for group in groups for request in group}
        self.scorer_digest = digest(dict(scorer.fingerprint)) if self.cache else ""
        self.id = blake2b(self.scorer_digest.encode() + b"".join(self.by_key), digest_size=16).hexdigest()

    def plan(self) -> tuple[ScoresByKey, list[list[bytes]]]:
        """Return the cached scores, and the batches of all other requests, as lists of keys."""
        scores = self.cache.lookup(self.scorer_digest, list(self.by_key)) if self.cache else {}
        unfinished = self.cache.plan(self.id) if self.cache else None
        if unfinished is not None:
            return scores, unfinished
        groups: Groups = []
        for group in self.groups:
            missing = [request for request in group if request.key not in scores]
            if missing:
                groups.append(missing)
        keys: list[list[bytes]] = []
        for batch in plan_batches(groups, self.scorer.traits, self.budget, self.max_batch_size):
            keys.append([request.key for request in batch])
        if self.cache:
            self.cache.register(self.scorer_digest, self.scorer.name, self.scorer.fingerprint)
            self.cache.store_plan(self.id, keys)
        return scores, keys

    def pending(self, batches: Sequence[Sequence[bytes]], scores: ScoresByKey) -> list[Batch]:
        """Return the planned batches that have a request without a score."""
        pending: list[Batch] = []
        for keys in batches:
            if not scores.keys() >= set(keys):
                pending.append([self.by_key[key] for key in keys])
        return pending

    def store(self, scores: ScoresByKey) -> None:
        """Cache the scores of a batch, in one transaction."""
        if self.cache:
            self.cache.store(self.scorer_digest, scores)

    def finish(self) -> None:
        """Delete the stored plan, once all batches are computed, and share their scores."""
        if self.cache:
            self.cache.delete_plan(self.id)
            self.cache.flush()
