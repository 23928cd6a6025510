"""Compare the speed of this version with that of a commit: scripts/benchmark --quick.

Both score the same conversations with the same model, in two processes that run in turn, and a pass of each is a pair.
The ratio is the median over the pairs, so that a machine that is slow for a while slows down both.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import comb
from pathlib import Path
from statistics import median
from typing import Any

from bench_job import Unavailable, contents, evenly_spaced, is_plain_pair, without_system_turn
from bench_models import make_models
from bench_worker import Worker

from rewardbench.suites import load_suite
from rewardbench.types import Item

ROOT = Path(__file__).resolve().parents[1]
ROUNDS, PAIRS = 9, 60
SLOWER = 1.15
"""Ratio above which the exit code is 1."""
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Comparison:
    """Seconds of this version divided by those of the commit, with the 95 % interval of the median."""

    against: str
    rounds: int
    ours_seconds: float
    against_seconds: float
    ratio: float
    ratio_low: float
    ratio_high: float
    max_abs_diff: float

    @property
    def is_slower(self) -> bool:
        """Return True if this version is slower by more than the limit, and the interval excludes equal speed."""
        return self.ratio > SLOWER and self.ratio_low > 1


def run_quick(args: argparse.Namespace, folder: Path) -> int:
    """Measure and print the comparison; return the exit code.

    Raises:
        InputError: If the pairs cannot be read.
        Unavailable: If the commit cannot be read or run.
    """
    from transformers.utils import logging

    logging.disable_progress_bar()
    against = args.against or last_commit()
    commit = extract(against, folder / "commit")
    items = [without_system_turn(item) for item in load_suite(args.pairs).items if is_plain_pair(item)]
    items = evenly_spaced(items, args.limit or PAIRS)
    model = args.model or make_models(folder, args.size, "classifier", contents(items))[0]
    job = {"model": str(model), "device": args.device or "cpu", "dtype": args.dtype, "rows": conversations(items)}
    sides = [TreeSide("this version", ROOT, job, args.threads), TreeSide(against, folder / "commit", job, args.threads)]
    try:
        comparison = compare(sides, args.rounds or ROUNDS, commit)
    finally:
        for side in sides:
            side.close()
    show(comparison, args.json)
    return 1 if comparison.is_slower else 0


def last_commit() -> str:
    """Return HEAD if files of the package differ from it, else the commit before."""
    return "HEAD" if git("status", "--porcelain", "--", "rewardbench") else "HEAD~1"


def git(*arguments: str) -> str:
    """Return the output of a git command in the repository.

    Raises:
        Unavailable: If it fails.
    """
    try:
        return subprocess.run(
            ["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError) as error:
        lines = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
        raise Unavailable(f"git {' '.join(arguments)} failed: {lines[-1]}") from None


def extract(commit: str, folder: Path) -> str:
    """Write the package of a commit to a folder, with the data of this version, and return the hash of the commit.

    Raises:
        Unavailable: If there is no such commit.
    """
    folder.mkdir()
    commit_hash = git("rev-parse", "--verify", "--short", f"{commit}^{{commit}}")
    archive = folder / "package.tar"
    git("archive", f"--output={archive}", commit_hash, "rewardbench")
    subprocess.run(["tar", "-xf", str(archive), "-C", str(folder)], check=True)
    archive.unlink()
    (folder / "data").symlink_to(ROOT / "data")
    return commit_hash


def conversations(items: Sequence[Item]) -> list[list[dict[str, Any]]]:
    """Return both conversations of each pair, as JSON values."""
    rows: list[list[dict[str, Any]]] = []
    for item in items:
        for completion in item.completions:
            rows.append(list(map(dict, (*item.prompt, *completion))))
    return rows


class TreeSide:
    """The package in a folder, in a process that stays alive between passes."""

    def __init__(self, name: str, tree: Path, job: dict[str, Any], threads: int) -> None:
        environment = {**os.environ, "PYTHONPATH": str(tree), "OMP_WAIT_POLICY": "PASSIVE"}
        environment |= {"OMP_NUM_THREADS": str(threads), "RAYON_NUM_THREADS": str(threads)}
        command = [sys.executable, str(Path(__file__).with_name("bench_tree.py"))]
        self.name = name
        self._worker = Worker(command, environment, f"rewardbench of {name}")
        self._worker.request(job)

    def run(self) -> tuple[float, list[float]]:
        """Score everything; return the seconds and the scores."""
        answer = self._worker.request("run")
        return answer["seconds"], answer["scores"]

    def close(self) -> None:
        """End the process."""
        self._worker.close()


def compare(sides: Sequence[TreeSide], rounds: int, commit: str) -> Comparison:
    """Run two sides in pairs, every second pair in the other order, and compare their seconds."""
    seconds: dict[str, list[float]] = {side.name: [] for side in sides}
    scores: dict[str, list[float]] = {}
    for number in range(rounds):
        for side in sides if number % 2 == 0 else reversed(sides):
            duration, scores[side.name] = side.run()
            seconds[side.name].append(duration)
    ours, theirs = (seconds[side.name] for side in sides)
    ratios = sorted(a / b for a, b in zip(ours, theirs, strict=True))
    low, high = median_interval(ratios)
    differences = [abs(a - b) for a, b in zip(*scores.values(), strict=True)]
    return Comparison(commit, rounds, median(ours), median(theirs), median(ratios), low, high, max(differences))


def median_interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the interval of the median by the sign test, at a confidence of at least 95 % from 6 values on.

    Args:
        values: sorted numbers.

    >>> median_interval([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0])
    (2.0, 8.0)
    """
    rank, tail = 0, 0
    while True:
        tail += comb(len(values), rank)
        if 1 - 2 * tail / 2 ** len(values) < CONFIDENCE:
            break
        rank += 1
    rank = max(0, rank - 1)
    return values[rank], values[-1 - rank]


def show(comparison: Comparison, as_json: bool) -> None:
    """Print the comparison as key=value lines and a sentence, or as JSON."""
    figures = {**asdict(comparison), "verdict": "regression" if comparison.is_slower else "pass"}
    if as_json:
        print(json.dumps(figures, indent=1))
        return
    print(
        f"This version takes {comparison.ratio:.2f} times as long as {comparison.against}, 95 % interval "
        f"{comparison.ratio_low:.2f} to {comparison.ratio_high:.2f}; above {SLOWER:.2f} is a regression."
    )
    for name, value in figures.items():
        print(f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}")
