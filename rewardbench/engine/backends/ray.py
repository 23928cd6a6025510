"""Score batches by actors on the nodes of a Ray cluster.

The actors load the model once, and keep it for all windows, stages and datasets of a run; `map_batches` of Ray Data
would start actors that load it again for each of them.
"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from rewardbench.console.logging import quieten_worker
from rewardbench.engine.backends.base import BatchRunner, StageWorkers
from rewardbench.engine.backends.ray_cluster import ActorNeeds, Cluster, package_versions, reject_versions
from rewardbench.engine.batching import Batch
from rewardbench.engine.malloc import keep_freed_memory
from rewardbench.errors import InputError
from rewardbench.models.devices import gpu_devices
from rewardbench.models.failures import first_sentence
from rewardbench.models.fingerprint import digest
from rewardbench.types import Score, Scorer, decode_request

QUEUED = 2
"""Batches sent to an actor at a time, so that it never waits for the next one."""
ATTEMPTS = 3
"""Actors that may end while they run a batch, or load the model, before the run ends."""
POLL_SECONDS = 1.0
"""Longest wait between two checks whether actors are placed."""
GROW_SECONDS = 5.0
"""Time between two checks whether the cluster has room for more actors."""


class Ray:
    """The actors of a Ray cluster; they stay loaded from one dataset to the next, and end with this object.

    On GPUs this process scores too, since it has loaded the model; on CPUs it leaves the cores to the actors.

    Args:
        cluster: where the actors run.
        load_scorer: loads the scorer in an actor; must be picklable.
        actors: number of actors; None is as many as the cluster has room for, also when it grows.
        gpus: GPUs of an actor, below 1 for a share of one; None is 1 if the model of this process is on a GPU.
        cpus: CPUs of an actor, and threads of its model.
    """

    def __init__(
        self,
        cluster: Cluster,
        load_scorer: Callable[[], Scorer],
        actors: int | None = None,
        gpus: float | None = None,
        cpus: int = 1,
    ) -> None:
        self.cluster, self.load_scorer = cluster, load_scorer
        self.max_actors, self.gpus, self.cpus = actors, gpus, cpus
        self._actors: list[_RemoteActor] = []

    @contextmanager
    def load(self, stage: int, scorer: Scorer) -> Iterator[StageWorkers]:
        """Context manager: the actors load a stage when there are batches to compute; they end if the run fails."""
        has_gpu = scorer.model is not None and bool(gpu_devices(scorer.model))
        gpus = float(has_gpu) if self.gpus is None else self.gpus
        try:
            yield _RayStage(self, self._actors, ActorNeeds(self.cpus, gpus), stage, scorer, scores_too=has_gpu)
        except BaseException:
            for actor in self._actors:
                actor.end()
            self._actors.clear()
            raise


class ScoringActor:
    """The process of an actor, which holds the scorer.

    Args:
        load_scorer: loads the scorer.
        float32_matmul: precision of matrix products in float32, part of the fingerprint; None without torch.
        threads: threads of the model.
    """

    def __init__(self, load_scorer: Callable[[], Scorer], float32_matmul: str | None, threads: int) -> None:
        self._load_scorer, self._float32_matmul, self._threads = load_scorer, float32_matmul, threads
        self._scorer: Scorer | None = None
        self._stage = ExitStack()

    def describe(self) -> tuple[str, dict[str, str]]:
        """Return the address of the node, and its package versions."""
        import ray

        return ray.util.get_node_ip_address(), package_versions()

    def open(self, stage: int) -> str | InputError:
        """Load a stage in place of the one before; return the digest of its fingerprint, or why it cannot be loaded."""
        try:
            if self._scorer is None:
                self._set_up()
                self._scorer = self._load_scorer()
            self._stage.close()
            scorer = self._stage.enter_context(self._scorer.stages[stage])
        except InputError as error:
            return error
        self._runner = BatchRunner(scorer)
        return digest(dict(scorer.fingerprint))

    def _set_up(self) -> None:
        quieten_worker()
        keep_freed_memory()
        if self._float32_matmul is None:
            return
        import torch

        torch.set_num_threads(self._threads)
        torch.set_float32_matmul_precision(self._float32_matmul)

    def run(self, encoded: Sequence[bytes]) -> list[Score] | InputError:
        """Return the scores of a batch, in its order, or why it cannot be scored."""
        try:
            return self._runner(list(map(decode_request, encoded)))
        except InputError as error:
            return error


@dataclass(eq=False)
class _Task:
    """A batch, and the number of actors that ended while they ran it."""

    batch: Batch
    attempts: int = 0


class _RemoteActor:
    """An actor, as this process sees it.

    Args:
        handle: of Ray.
        stage: the stage that it loads.
    """

    def __init__(self, handle: Any, stage: int) -> None:
        self._handle = handle
        self.placing = handle.describe.remote()
        self.node = ""
        """Address of its node; empty until it is placed."""
        self.tasks: dict[object, _Task] = {}
        """Batches that were sent and not returned, the first one running, by the reference of the result."""
        self.open(stage)

    def open(self, stage: int) -> None:
        """Make the actor load a stage."""
        self.stage, self.is_ready = stage, False
        self.opening = self._handle.open.remote(stage)

    def send(self, task: _Task) -> None:
        """Send a batch."""
        self.tasks[self._handle.run.remote([request.encode() for request in task.batch])] = task

    def references(self) -> Iterable[object]:
        """Return the references of the results that this process waits for, in the order of the calls."""
        if not self.node:
            return [self.placing]
        return self.tasks if self.is_ready else [self.opening]

    def end(self) -> None:
        """End the actor, and whatever it runs."""
        import ray

        with suppress(Exception):  # Ray may be disconnected
            ray.kill(self._handle)


class _RayStage(StageWorkers):
    """Sends batches to actors. A batch whose actor or node is lost is sent to another one."""

    def __init__(
        self, pool: Ray, actors: list[_RemoteActor], needs: ActorNeeds, stage: int, scorer: Scorer, scores_too: bool
    ) -> None:
        self._pool, self._actors, self._needs, self._stage = pool, actors, needs, stage
        self._scorer, self._scores_too = scorer, scores_too
        self._runner = BatchRunner(scorer)
        self._queue: deque[_Task] = deque()
        self._grown, self._failed_loads = -GROW_SECONDS, 0

    def run(self, batches: Sequence[Batch]) -> Iterator[tuple[Batch, list[Score]]]:
        self._queue.extend(map(_Task, batches))
        if self._queue:
            self._reopen()
        while self._queue or any(actor.tasks for actor in self._actors):
            self._grow()
            self._send()
            yield from self._receive()
            if self._scores_too and self._queue:
                task = self._queue.pop()
                yield task.batch, self._runner(task.batch)

    @cached_property
    def _fingerprint(self) -> str:
        return digest(dict(self._scorer.fingerprint))

    def _reopen(self) -> None:
        """Make the actors of an earlier stage load this one."""
        for actor in self._actors:
            if actor.stage != self._stage:
                actor.open(self._stage)

    def _grow(self) -> None:
        """Start actors while there are batches for them, and the cluster has room; replace lost ones."""
        now = time.monotonic()
        if now - self._grown < GROW_SECONDS or not self._queue:
            return
        self._grown = now
        limit = self._pool.max_actors or self._pool.cluster.room(self._needs)
        for _ in range(len(self._actors), min(limit, len(self._actors) + len(self._queue))):
            self._actors.append(_RemoteActor(self._start(), self._stage))

    def _start(self) -> Any:
        """Start an actor, and return its handle. Ray does not restart it: another one takes its batches."""
        import ray

        precision = None
        if self._scorer.model is not None:
            import torch

            precision = torch.get_float32_matmul_precision()
        remote = ray.remote(ScoringActor).options(
            num_cpus=self._needs.cpus, num_gpus=self._needs.gpus, max_restarts=0, scheduling_strategy="SPREAD"
        )
        return remote.remote(self._pool.load_scorer, precision, self._needs.cpus)

    def _send(self) -> None:
        """Send batches to the actors that have loaded the stage, evenly."""
        for count in range(1, QUEUED + 1):
            for actor in self._actors:
                if self._queue and actor.is_ready and len(actor.tasks) < count:
                    actor.send(self._queue.popleft())

    def _receive(self) -> Iterator[tuple[Batch, list[Score]]]:
        """Wait for the next result of an actor, and yield the batch if it is one.

        Raises:
            InputError: if an actor cannot load the stage, or fails on a batch.
        """
        import ray

        by_reference = {reference: actor for actor in self._actors for reference in actor.references()}
        timeout = 0.0 if self._scores_too and self._queue else POLL_SECONDS
        finished: list[object] = []
        if by_reference:
            finished, _ = ray.wait(list(by_reference), timeout=timeout)
        else:
            time.sleep(timeout)
        for reference in finished:
            actor = by_reference[reference]
            try:
                result = ray.get(reference)
            except (ray.exceptions.RayActorError, ray.exceptions.ObjectLostError) as error:
                self._replace(actor, error)
                continue
            except ray.exceptions.RayTaskError as error:
                cause = error.cause
                raise InputError(
                    f"An actor on node {actor.node} failed with {type(cause).__name__}: {first_sentence(cause)}."
                ) from error
            if isinstance(result, InputError):
                raise result if actor.is_ready else InputError(f"Node {actor.node}: {result}")
            if reference in actor.tasks:
                yield actor.tasks.pop(reference).batch, result
            else:
                self._admit(actor, result)
        self._pool.cluster.await_actor(self._needs, any(actor.node for actor in self._actors))

    def _admit(self, actor: _RemoteActor, result: Any) -> None:
        """Check an actor that was placed, or has loaded the stage.

        Raises:
            InputError: if its packages or its model are not those of this process.
        """
        if not actor.node:
            node, versions = result
            reject_versions(node, versions)
            actor.node = node
            return
        if result != self._fingerprint:
            raise InputError(
                f"Node {actor.node} loaded another model than this process (weights, tokenizer, dtype, device or "
                "versions differ): give all nodes the same files, and start the command on a node like them."
            )
        actor.is_ready = True

    def _replace(self, actor: _RemoteActor, error: Exception) -> None:
        """Take the batches of a lost actor back; another actor is started if there is room.

        Raises:
            InputError: if several actors end while they load the model, or run the same batch.
        """
        actor.end()
        self._actors.remove(actor)
        if actor.node:  # else its node was lost before it was placed, which Ray takes some seconds to notice
            self._grown = -GROW_SECONDS
        if "creation task" in str(error):
            raise InputError(_failed_start(error)) from error
        if actor.node and not actor.is_ready:
            self._failed_loads += 1
            if self._failed_loads == ATTEMPTS:
                raise InputError(
                    f"{ATTEMPTS} actors ended while they loaded the model, the last on node {actor.node}, perhaps for "
                    "lack of memory: pass a smaller --ray_actors or a larger --gpus_per_actor."
                ) from error
        tasks = list(actor.tasks.values())
        if tasks:
            tasks[0].attempts += 1
            if tasks[0].attempts == ATTEMPTS:
                raise InputError(
                    f"{ATTEMPTS} actors ended while they ran the same batch of {len(tasks[0].batch)} texts, perhaps "
                    "for lack of memory: pass a smaller --batch_tokens. The scores so far are in the cache."
                ) from error
        self._queue.extendleft(reversed(tasks))


def _failed_start(error: Exception) -> str:
    """Describe why an actor cannot start, for example without rewardbench on its node."""
    missing = re.search(r"No module named '([\w.]+)'", str(error))
    if missing:
        return f"A node of the Ray cluster lacks the module {missing[1]}: install the same packages on all nodes."
    return f"An actor cannot start: {str(error).strip().splitlines()[-1]}."
