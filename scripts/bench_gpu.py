#!/usr/bin/env python3
"""Measure scoring on one GPU, next to the padded batches of rewardbench 0.1, without network, in under 10 minutes.

    scripts/bench/gpu.sh --output gpu
    scripts/bench/gpu.sh --sizes 7b --output gpu       # one part, or the rest of an interrupted one
    scripts/bench/gpu.sh --dry_run                     # every line at tiny sizes on the CPU; also without a GPU

Each part makes a random Llama in --output, and scores pairs of core by all sides in turn. It runs in a process with a
time limit, and stores each pass, so that the next call with the same --output continues. The sides:

    padded@8, padded@64   padded batches in the order of the data, as rewardbench 0.1 (the ratio is to padded@8)
    packed                this version: sequence packing, an SDPA call for each group of branches
    flex                  this version with --attn_implementation flex_attention
    packed+compiled, flex+compiled    the same with --compile

max_abs_diff is the largest difference from the unbatched forward pass of the same model, over a sample; in bfloat16 it
is rounding. share_of_peak is useful floating-point operations per second (each shared prefix once) by the peak of the
data sheet, or by measured matrix products (peak_source). device_busy is the share of a pass in which the device
computes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rewardbench.processes import end_on_signals


@dataclass(frozen=True)
class Part:
    """One model in one dtype, and how long its measurement may take."""

    size: str
    dtype: str
    pairs: int
    seconds: int
    """Time limit, with loading; those of all parts add up to less than 10 minutes."""


PARTS = {
    "exact": Part("50m", "float32", 16, 90),
    "50m": Part("50m", "bfloat16", 800, 120),
    "1b": Part("1b", "bfloat16", 300, 130),
    "7b": Part("7b", "bfloat16", 80, 220),
}


def main() -> int:
    """Run the parts, and return the exit code: 1 if one failed, or if scores in float32 differ."""
    end_on_signals()
    args = parse()
    if args.part:
        from bench_gpu_part import run_part

        run_part(args.part, PARTS[args.part], args.output, args.dry_run)
        return 0
    if args.output:
        return run_parts(args.sizes, args.output, args.dry_run)
    with tempfile.TemporaryDirectory() as folder:
        return run_parts(args.sizes, Path(folder), args.dry_run)


def parse() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--sizes", type=part_names, default=list(PARTS), help=f"default: {','.join(PARTS)}")
    parser.add_argument("--output", type=Path, help="folder of models and passes; default: a temporary one")
    parser.add_argument("--dry_run", action="store_true", help="tiny models on the CPU")
    parser.add_argument("--part", choices=list(PARTS), help=argparse.SUPPRESS)
    return parser.parse_args()


def part_names(text: str) -> list[str]:
    """Return the names of parts in a list with commas."""
    names = text.split(",")
    for name in names:
        if name not in PARTS:
            raise argparse.ArgumentTypeError(f"there is no size {name!r}: it must be of {', '.join(PARTS)}")
    return names


def run_parts(names: list[str], output: Path, dry_run: bool) -> int:
    """Run each part in a process of its own, and print its figures; a part that fails does not stop the others."""
    output.mkdir(parents=True, exist_ok=True)
    start, code = time.monotonic(), 0
    for name in names:
        failure = run_process(name, output, dry_run)
        path = state_file(output, name)
        state = json.loads(path.read_text()) if path.is_file() else {}
        for line in state.get("lines", ()):
            print(key_values(line), flush=True)
            code = max(code, int(line.get("scores_agree") == "no"))
        status = failure or state["status"]
        print(key_values({"part": name, "status": status}), flush=True)
        code = max(code, int(status in ("failed", "timed_out")))
    print(key_values({"total_seconds": round(time.monotonic() - start, 1)}))
    return code


def run_process(name: str, output: Path, dry_run: bool) -> str | None:
    """Run one part within its time limit; return failed or timed_out, or None if it has stored its figures."""
    command = [sys.executable, __file__, "--part", name, "--output", str(output)]
    if dry_run:
        command.append("--dry_run")
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    try:
        completed = subprocess.run(command, env=environment, timeout=PARTS[name].seconds, stdout=sys.stderr)
    except subprocess.TimeoutExpired:
        return "timed_out"
    return "failed" if completed.returncode else None


def state_file(output: Path, name: str) -> Path:
    """Return the file of a part's passes and figures."""
    return output / f"{name}.json"


def key_values(figures: Mapping[str, object]) -> str:
    """Return figures as key=value, separated by spaces.

    >>> key_values({"side": "flex", "seconds": 1.23456, "pairs": 3})
    'side=flex seconds=1.235 pairs=3'
    """
    texts = []
    for name, value in figures.items():
        texts.append(f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}")
    return " ".join(texts)


if __name__ == "__main__":
    sys.exit(main())
