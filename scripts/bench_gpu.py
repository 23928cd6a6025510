#!/usr/bin/env python3
"""Measure scoring on one GPU, next to the padded batches of rewardbench 0.1, without network, in under 10 minutes.

    scripts/bench/gpu.sh --output gpu
    scripts/bench/gpu.sh --sizes 7b --output gpu       # one part, or the rest of an interrupted one
    scripts/bench/gpu.sh --dry_run                     # every line at tiny sizes on the CPU

What the machine needs; all of it is checked first:

- one NVIDIA GPU that this torch sees; 40 GB of its memory for the 7b part;
- a Python with PACKAGES. Of these, one image without network lacked pydantic only: there, put the wheels of pydantic,
  pydantic-core, annotated-types and typing-inspection for its Python into .whl (pip download --only-binary=:all:
  --python-version 3.12 --platform manylinux_2_17_x86_64 -d .whl pydantic), which gpu.sh installs;
- for flex and the compiled sides: Triton, a C compiler, and Python.h. A side that fails gets a line; the others go on;
- this working tree, whose data/core has the texts; 16 GB of disk in --models for the 7b part. No model is downloaded.

Each part makes a random Llama in --models, and scores pairs of core by all sides in turn. It runs in a process with a
time limit, and stores each pass, so that the next call with the same --output continues. Lines go to stdout and to
figures.txt in --output. The sides:

    padded@8, padded@64   padded batches in the order of the data, as rewardbench 0.1 (the ratio is to padded@8)
    packed                this version: sequence packing, an SDPA call for each group of branches
    flex                  this version with --attn_implementation flex_attention
    packed-prefetch, flex-prefetch    the same without collating the next batch ahead
    packed+compiled, flex+compiled    the same with --compile

max_abs_diff is the largest difference from the unbatched forward pass of the same model, over a sample: in bfloat16 it
is rounding. Against the same weights in float32, bf16_max_diff and bf16_median_diff are differences of scores, and
decisions_changed counts pairs whose preferred response changed. share_of_peak is useful floating-point operations per
second (each shared prefix once) by the speed of measured matrix products, peak_tflops; share_of_data_sheet by the peak
of the data sheet. device_busy is the share of a pass in which the device computes.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
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
    disk_gb: int = 1
    """Free space that the model needs in --models."""


PARTS = {
    "exact": Part("50m", "float32", 16, 80),
    "50m": Part("50m", "bfloat16", 800, 120),
    "1b": Part("1b", "bfloat16", 300, 140, 4),
    "7b": Part("7b", "bfloat16", 80, 220, 16),
}
DRY_RUN_SLOWNESS = 5
"""Factor of the time limits in a dry run, which may share its CPU."""
PACKAGES = (
    *("torch", "transformers", "tokenizers", "safetensors", "huggingface_hub", "httpx", "numpy", "jinja2", "yaml"),
    *("psutil", "pydantic", "filelock", "packaging", "tqdm"),
)
"""What the measurement imports."""


def main() -> int:
    """Run the parts, and return the exit code: 1 if one failed, or if scores in float32 differ; 2 if none can run."""
    end_on_signals()
    args = parse()
    if args.part:
        from bench_gpu_part import run_part

        run_part(args.part, PARTS[args.part], args.output, args.models, args.dry_run)
        return 0
    problem = find_problem(args.dry_run)
    if problem:
        print(f"gpu.sh: {problem}", file=sys.stderr)
        return 2
    return run_parts(args.sizes, args.output, args.models, args.dry_run)


def parse() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    temporary = Path(tempfile.gettempdir()) / "rewardbench-gpu"
    output = Path(os.environ.get("OUT") or temporary)
    parser.add_argument("--sizes", type=part_names, default=list(PARTS), help=f"default: {','.join(PARTS)}")
    parser.add_argument("--output", type=Path, default=output, help="folder of passes and figures; default: $OUT")
    parser.add_argument("--models", type=Path, default=temporary / "models", help="folder of the models, up to 16 GB")
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


def find_problem(dry_run: bool) -> str | None:
    """Return a one-line error if nothing can be measured here; None if it can."""
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        return f"this Python ({sys.executable}) lacks {', '.join(missing)}: put wheels into .whl, or set PYTHON."
    import torch

    if not dry_run and not torch.cuda.is_available():
        return f"torch {torch.__version__} sees no GPU here: pass --dry_run for a simulation, or install a CUDA build."
    return None


def run_parts(names: list[str], output: Path, models: Path, dry_run: bool) -> int:
    """Run each part in a process of its own, and print its figures; a part that fails does not stop the others."""
    for folder in (output, models):
        folder.mkdir(parents=True, exist_ok=True)
    start, code = time.monotonic(), 0
    with (output / "figures.txt").open("a", encoding="utf-8") as file:
        for name in names:
            status = run_process(name, output, models, dry_run)
            path = state_file(output, name)
            state = json.loads(path.read_text()) if path.is_file() else {}
            for line in state.get("lines", ()):
                write_line(line, file)
                code = max(code, int(line.get("scores_agree") == "no"))
            status = status or state["status"]
            write_line({"part": name, "status": status}, file)
            code = max(code, int(status not in ("complete", "partial")))
        write_line({"total_seconds": round(time.monotonic() - start, 1)}, file)
    return code


def write_line(line: Mapping[str, object], file: object) -> None:
    """Print a line of figures, and write it to a file."""
    for target in (sys.stdout, file):
        print(key_values(line), file=target, flush=True)


def run_process(name: str, output: Path, models: Path, dry_run: bool) -> str | None:
    """Run one part within its time limit; return why it has no whole figures, or None if it has stored them."""
    if not dry_run and shutil.disk_usage(models).free < PARTS[name].disk_gb * 1e9:
        return "skipped_for_lack_of_disk"
    command = [sys.executable, __file__, "--part", name, "--output", str(output), "--models", str(models)]
    if dry_run:
        command.append("--dry_run")
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    limit = PARTS[name].seconds * (DRY_RUN_SLOWNESS if dry_run else 1)
    try:
        completed = subprocess.run(command, env=environment, timeout=limit, stdout=sys.stderr)
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
