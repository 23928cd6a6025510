"""Measure the time to the first scores, and the time under a competing load: scripts/benchmark --conditions.

Each side runs in a process with the settings of its own command. `floor` imports torch and transformers and loads the
model, `ours` is this version, `published` is rewardbench 0.1. All other work of the machine counts as load: run it on a
quiet machine, or read the ratios only.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from bench_job import Unavailable, contents, evenly_spaced, is_plain_pair, without_system_turn
from bench_models import make_models

from rewardbench.engine.threads import COUNTS, WAITS, usable_cpus
from rewardbench.suites import load_suite
from rewardbench.types import Item

PAIRS = 40
BATCH_SIZE = 8
SPIN = "import os\nparent = os.getppid()\nwhile os.getppid() == parent:\n    sum(range(100_000))"
"""Program that keeps a core busy until its parent ends."""


class SideProcess:
    """A process that loads a model, scores a few pairs, and then scores all pairs for each line that it receives."""

    def __init__(self, name: str, command: Sequence[str], job: Mapping[str, object], threads: int) -> None:
        """Start the process and wait for its first scores; `first_seconds` is the time until then.

        Raises:
            Unavailable: If it cannot be started, or ends early.
        """
        self.name = name
        environment = {**inherited_variables(name), "OMP_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "false"}
        start = time.perf_counter()
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        try:
            self._process = subprocess.Popen(command, text=True, env=environment, **pipes)
        except OSError as error:
            raise Unavailable(f"There is no Python at {command[0]}: {error.strerror}.") from None
        try:
            self._request(job)
        except Unavailable:
            self.close()
            raise
        self.first_seconds = time.perf_counter() - start

    def run(self) -> float:
        """Score all pairs and return the seconds, by the clock of the process."""
        return float(self._request("run")["seconds"])

    def _request(self, message: object) -> Any:
        try:
            print(json.dumps(message), file=self._process.stdin, flush=True)
            return json.loads(self._process.stdout.readline())
        except (OSError, ValueError):
            raise Unavailable(f"The process of {self.name} ended early, with code {self._process.wait()}.") from None

    def close(self) -> None:
        """Kill the process, which has nothing to save."""
        self._process.kill()
        self._process.communicate()


def inherited_variables(name: str) -> dict[str, str]:
    """Return the environment of a side: threads wait as it chooses, and another Python finds its own packages."""
    variables = {key: value for key, value in os.environ.items() if key not in (*COUNTS, *WAITS)}
    if name == "published":
        variables = {key: value for key, value in variables.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))}
    return variables


@contextmanager
def competing_load(cores: int) -> Iterator[None]:
    """Context manager: keep a number of cores busy, each by a process of its own."""
    processes = [subprocess.Popen([sys.executable, "-c", SPIN]) for _ in range(cores)]
    try:
        time.sleep(0.5)  # until they have started
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def run_conditions(args: argparse.Namespace, folder: Path) -> int:
    """Measure and print the figures; return the exit code.

    Raises:
        InputError: If the pairs cannot be read.
        Unavailable: If a side cannot run.
    """
    items = [without_system_turn(item) for item in load_suite(args.pairs).items if is_plain_pair(item)]
    items = evenly_spaced(items, args.limit or PAIRS)
    model = args.model or make_models(folder, args.size, "classifier", contents(items))[0]
    job = {
        "model": str(model),
        "reference": None,
        "device": args.device or "cpu",
        "dtype": args.dtype,
        "threads": args.threads,
        "batch_size": BATCH_SIZE,
        "max_length": args.max_length,
        "rows": list(map(to_row, items)),
    }
    figures = measure(side_commands(args.published_python), job, args.threads, args.rounds or 3)
    figures |= {"threads": args.threads, "busy_cores": usable_cpus() - 1, "load_before": os.getloadavg()[0]}
    if args.json:
        print(json.dumps(figures, indent=1))
        return 0
    for name, value in figures.items():
        print(f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}")
    return 0


def to_row(item: Item) -> dict[str, object]:
    """Return a pair as rewardbench 0.1 reads it: the prompt's text, and the answers."""
    chosen, rejected = item.completions
    return {"prompt": list(map(dict, item.prompt)), "chosen": chosen[0]["content"], "rejected": rejected[0]["content"]}


def side_commands(published_python: str | None) -> dict[str, list[str]]:
    """Return the command of each side that can run here."""
    scripts = Path(__file__).parent
    side = [sys.executable, str(scripts / "bench_conditions_side.py")]
    commands = {"floor": [*side, "floor"], "ours": [*side, "ours"]}
    if published_python:
        commands["published"] = [published_python, str(scripts / "bench_published.py")]
    return commands


def measure(
    commands: Mapping[str, Sequence[str]], job: Mapping[str, object], threads: int, rounds: int
) -> dict[str, Any]:
    """Start each side once per round, in turn; then let each score all pairs, without and with the load, in turn.

    Returns:
        By side: the median seconds to the first scores; without and with the load, and their ratio.
    """
    first: dict[str, list[float]] = {name: [] for name in commands}
    quiet: dict[str, list[float]] = {name: [] for name in commands if name != "floor"}
    busy: dict[str, list[float]] = {name: [] for name in quiet}
    with ExitStack() as stack:
        sides: dict[str, SideProcess] = {}
        for number in range(rounds):
            for name, command in commands.items():
                side = SideProcess(name, command, job, threads)
                first[name].append(side.first_seconds)
                if number == 0 and name in quiet:
                    sides[name] = side
                    stack.callback(side.close)
                else:
                    side.close()
        for _ in range(rounds):
            for name, side in sides.items():
                quiet[name].append(side.run())
            with competing_load(max(1, usable_cpus() - 1)):
                for name, side in sides.items():
                    busy[name].append(side.run())
    return summarize(first, quiet, busy)


def summarize(
    first: Mapping[str, Sequence[float]], quiet: Mapping[str, Sequence[float]], busy: Mapping[str, Sequence[float]]
) -> dict[str, Any]:
    """Return the figures by name, such as `ours.slowdown`.

    >>> figures = summarize({"floor": [4.0], "ours": [4.5]}, {"ours": [2.0, 1.0, 3.0]}, {"ours": [4.0, 3.0, 8.0]})
    >>> figures["ours.start_ratio"], figures["ours.quiet_seconds"], figures["ours.slowdown"]
    (1.125, 2.0, 2.6666666666666665)
    """
    figures: dict[str, Any] = {}
    for name, seconds in first.items():
        figures[f"{name}.first_seconds"] = median(seconds)
        figures[f"{name}.start_ratio"] = min(seconds) / min(first["floor"])
    for name, seconds in quiet.items():
        figures[f"{name}.quiet_seconds"] = median(seconds)
        figures[f"{name}.busy_seconds"] = median(busy[name])
        ratios = [loaded / alone for loaded, alone in zip(busy[name], seconds, strict=True)]
        figures[f"{name}.slowdown"] = median(ratios)
    return figures
