#!/usr/bin/env python3
"""Measure what `--engine ray` costs an item: synthetic pairs and a trivial scorer, in one process and on local nodes.

    python scripts/bench/ray_overhead.py --pairs 1000000 --nodes 1 2
    python scripts/bench/ray_overhead.py --pairs 20000 --nodes 1 2 --work_ms 2

Each node is a Ray node of this machine with one CPU, and so one actor. Prints for each run the items per second, the
overhead of an item over one process, and the memory of the driver and of the largest actor: after a tenth of the
items, after half, and at the end. With `--work_ms` the scorer waits for that time an item, as a model would.
"""

from __future__ import annotations

import argparse
import gc
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import overload

import psutil

from rewardbench.engine.backends.base import Workers
from rewardbench.engine.backends.inline import Inline
from rewardbench.engine.backends.ray import Ray
from rewardbench.engine.backends.ray_cluster import QUIET, Cluster
from rewardbench.engine.loop import score
from rewardbench.scorers.baselines import Baseline
from rewardbench.types import Item, ItemScores, Message, TextRequest

STORE = 100 * 2**20
"""Bytes of the object store of a node."""
SCORED = ItemScores("", ())
"""What is kept of each item."""
MILESTONES = (0.1, 0.5, 1.0)
"""Shares of the items after which memory is read."""


class WaitingScorer(Baseline):
    """Scores by a hash of the text, and waits for a fixed time an item.

    Args:
        work_ms: milliseconds of an item, half of it for each of its two requests.
    """

    def __init__(self, work_ms: float = 0.0) -> None:
        super().__init__("baseline/random")
        self.work_ms = work_ms

    def run(self, requests: Sequence[TextRequest]) -> list[float]:
        """Return one number per request."""
        if self.work_ms:
            time.sleep(len(requests) * self.work_ms / 2000)
        return super().run(requests)


class SyntheticPairs(Sequence[Item]):
    """Pairs that are made when they are read, so that none is kept in memory."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    @overload
    def __getitem__(self, index: int) -> Item: ...
    @overload
    def __getitem__(self, index: slice) -> list[Item]: ...
    def __getitem__(self, index: int | slice) -> Item | list[Item]:
        if isinstance(index, slice):
            return [self._make(n) for n in range(*index.indices(self.count))]
        return self._make(range(self.count)[index])

    def _make(self, n: int) -> Item:
        question = (Message(role="user", content=f"Question {n}? " * 8),)
        right, wrong = (Message(role="assistant", content=f"The {word} answer to {n}. " * 8) for word in ("A", "B"))
        return Item(str(n), "all", question, ((right,), (wrong,)))


class MemoryLog:
    """Reads the memory of this process and of the actors while items are scored.

    Args:
        count: number of items.
    """

    def __init__(self, count: int) -> None:
        self._due = [max(1, int(count * share)) for share in MILESTONES]
        self._scored = 0
        self.driver: list[int] = []
        """Resident memory of this process at each milestone, MB."""
        self.actors: list[int] = []
        """Resident memory of the largest actor, MB."""

    def keep(self, item: Item, item_scores: ItemScores) -> ItemScores:
        """Count an item, and return what is kept of it."""
        assert item_scores.reason is None
        self._scored += 1
        if self._scored in self._due:
            gc.collect()
            self.driver.append(psutil.Process().memory_info().rss // 2**20)
            self.actors.append(max((process.memory_info().rss // 2**20 for process in actors()), default=0))
        return SCORED


def actors() -> list[psutil.Process]:
    """Return the processes of actors on the nodes that this process has started."""
    processes: list[psutil.Process] = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if process.cmdline()[:1] and process.cmdline()[0].startswith("ray::ScoringActor"):
                processes.append(process)
    return processes


def measure(args: argparse.Namespace, workers: Workers) -> dict[str, object]:
    """Score all pairs, and return seconds, items per second and memory."""
    scorer, log = WaitingScorer(args.work_ms), MemoryLog(args.pairs)
    start = time.perf_counter()
    run = score(SyntheticPairs(args.pairs), scorer, batch_size=args.batch_size, workers=workers, keep=log.keep)
    seconds = time.perf_counter() - start
    assert len(run.items) == args.pairs
    assert run.computed == 2 * args.pairs
    return {
        "seconds": round(seconds, 1),
        "items_per_second": round(args.pairs / seconds),
        "driver_mb": ",".join(map(str, log.driver)),
        "actor_mb": ",".join(map(str, log.actors)),
    }


def measure_nodes(args: argparse.Namespace, nodes: int) -> dict[str, object]:
    """Measure on a local cluster of some nodes with one CPU each."""
    import ray
    from ray.cluster_utils import Cluster as LocalCluster

    node = {"num_cpus": 1, "object_store_memory": STORE}
    cluster = LocalCluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    try:
        for _ in range(nodes - 1):
            cluster.add_node(**node)
        workers = Ray(Cluster(cluster.address), partial(WaitingScorer, args.work_ms), actors=nodes)
        while len(actors()) < nodes:
            score(SyntheticPairs(8 * args.batch_size), WaitingScorer(), batch_size=args.batch_size, workers=workers)
        return measure(args, workers)
    finally:
        ray.shutdown()
        cluster.shutdown()


def print_line(**values: object) -> None:
    """Print `key=value` pairs on one line."""
    print(*(f"{name}={value}" for name, value in values.items()), flush=True)


def main() -> None:
    """Measure in one process, then on each number of nodes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=1_000_000, help="number of synthetic pairs")
    parser.add_argument("--nodes", type=int, nargs="+", default=[1, 2], help="numbers of local nodes")
    parser.add_argument("--batch_size", type=int, default=500, help="requests of a batch")
    parser.add_argument("--work_ms", type=float, default=0.0, help="milliseconds that the scorer waits for each item")
    args = parser.parse_args()
    os.environ.update(QUIET)
    single = measure(args, Inline())
    print_line(nodes=0, pairs=args.pairs, **single)
    for nodes in args.nodes:
        values = measure_nodes(args, nodes)
        overhead = (float(str(values["seconds"])) - float(str(single["seconds"]))) / args.pairs * 1000
        print_line(nodes=nodes, pairs=args.pairs, **values, overhead_ms=round(overhead, 4))


if __name__ == "__main__":
    main()
