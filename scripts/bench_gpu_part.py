"""Measure one part of scripts/bench/gpu.sh: one model, all sides in turn, every pass stored."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from bench_gpu import Part, state_file
from bench_gpu_sides import SIDES, profile
from bench_job import Job, contents, evenly_spaced, is_plain_pair, make_job, without_system_turn
from bench_models import SIZES, Size, make_models
from bench_work import Peak, Work, chunks, count_item, useful_flops

from rewardbench.models.devices import release
from rewardbench.models.failures import first_sentence
from rewardbench.suites import load_suite

if TYPE_CHECKING:
    import torch

SIZES |= {"1b": Size(2048, 16, 8192, 16), "7b": Size(4096, 32, 11008, 32), "tiny": Size(64, 2, 128, 2)}
ROUNDS = 3
SAMPLE = 8
"""Pairs whose scores are compared with the unbatched forward pass."""
EXACT = 1e-4
"""Maximum difference between float32 scores."""
SPARE_SECONDS = 15
"""Time that is left for the figures."""
PEAKS = {
    "B200": 2250,
    "H200": 989,
    "H100 PCIe": 756,
    "H100": 989,
    "A100": 312,
    "L40S": 362,
    "L40": 181,
    "L4": 121,
    "A10": 125,
}
"""Tflop/s of dense bfloat16 and float16 matrix products by the data sheet; the first name in the device's counts."""


def run_part(name: str, part: Part, output: Path, dry_run: bool) -> None:
    """Measure a part, or what is left of it, and store its figures.

    Args:
        name: Of the part, for its files.
        part: The model, data and time limit.
        output: Folder of models and passes.
        dry_run: True for a tiny model in float32 on the CPU. Without a GPU it always is.
    """
    deadline = time.monotonic() + part.seconds - SPARE_SECONDS
    import torch
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    is_simulated = dry_run or not torch.cuda.is_available()
    path = state_file(output, name)
    state = read_state(path, is_simulated)
    rounds = 1 if is_simulated else ROUNDS
    if state.get("status") == "complete":
        return
    part = replace(part, size="tiny", dtype="float32", pairs=4) if is_simulated else part
    job = open_job(part, output, "cpu" if is_simulated else "cuda")
    peak = Peak(job.device, getattr(torch, part.dtype))
    measure(job, state, rounds, deadline, path, peak)
    is_whole = all(len(state["passes"].get(side, ())) >= rounds for side in SIDES)
    state["status"] = "failed" if state["failures"] else "complete" if is_whole else "partial"
    state["lines"] = [describe_machine(name, part, job, is_simulated), *describe_sides(name, part, job, state, peak)]
    for side, reason in state["failures"].items():
        state["lines"].append({"part": name, "side": side, "failure": json.dumps(reason)})
    write(state, path)


def read_state(path: Path, is_simulated: bool) -> dict[str, Any]:
    """Return the stored passes of a part; none if they are of a dry run and this is not one, or the other way round."""
    state = json.loads(path.read_text()) if path.is_file() else {}
    if state.get("simulated") != is_simulated:
        return {"simulated": is_simulated, "passes": {}, "failures": {}}
    if state.get("status") != "complete":
        state = {"simulated": is_simulated, "passes": state["passes"], "failures": {}}
    return state


def open_job(part: Part, output: Path, device: str) -> Job:
    """Load the part's model, which is made if it is not stored yet, with its pairs of core."""
    items = [without_system_turn(item) for item in load_suite("core").items if is_plain_pair(item)]
    if part.size == "tiny":  # else few pairs are short enough
        items = sorted(items, key=lambda item: sum(map(len, contents([item]))))[: 2 * part.pairs]
    folder = output / "models" / part.size
    if not folder.is_dir():
        unfinished = folder.with_name(f"{part.size}.unfinished")
        make_models(unfinished, part.size, "classifier", contents(items), device, "bfloat16")
        release()
        unfinished.rename(folder)
    max_length = 512 if part.size == "tiny" else 2048
    fields = {"model": str(folder / "model"), "ref_model": None, "max_length": max_length, "dtype": part.dtype}
    args = argparse.Namespace(**fields, device=device, pairs="core", threads=1, published_python=None)
    return make_job(args, folder, evenly_spaced(items, part.pairs))


def measure(job: Job, state: dict[str, Any], rounds: int, deadline: float, path: Path, peak: Peak) -> None:
    """Run the sides in turn until all have `rounds` passes, or until the next pass would exceed the deadline.

    Args:
        job: The model and the pairs.
        state: Passes by side (seconds, memory, scores), and failures by side, which do not stop the other sides.
        rounds: Passes of each side.
        deadline: By the monotonic clock.
        path: Where the state is stored after each pass.
        peak: Measured in each round.
    """
    warm: set[str] = set()
    for number in range(rounds):
        for name, open_side in SIDES.items():
            passes = state["passes"].setdefault(name, [])
            expected = max((entry["seconds"] for entry in passes), default=0.0)
            is_late = time.monotonic() + 2 * expected > deadline
            if len(passes) > number or is_late or name in state["failures"]:
                continue
            try:
                with open_side(job) as side:
                    if name not in warm:
                        side.warm_up()
                        warm.add(name)
                    passes.append(side.measure())
            except Exception as error:  # a kernel that does not compile, or too little memory
                state["failures"][name] = f"{type(error).__name__}: {first_sentence(error)}"
            write(state, path)
        peak.measure()


def write(state: dict[str, Any], path: Path) -> None:
    """Replace a file by a state, so that a killed process leaves the last one."""
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(state))
    unfinished.replace(path)


def describe_machine(name: str, part: Part, job: Job, is_simulated: bool) -> dict[str, Any]:
    """Return the figures that all sides of a part share."""
    import torch

    model, work = job.parts[0].model, total_work(job)
    figures = {"part": name, "device": job.device.type, "simulated": int(is_simulated)}
    if job.device.type == "cuda":
        figures["gpu"] = torch.cuda.get_device_name(job.device).replace(" ", "_")
    return {
        **figures,
        "dtype": part.dtype,
        "parameters": model.num_parameters(),
        "pairs": len(job.items),
        "tokens": work.tokens,
        "unique_tokens": work.unique,
        "torch": torch.__version__,
    }


def describe_sides(name: str, part: Part, job: Job, state: dict[str, Any], peak: Peak) -> list[dict[str, Any]]:
    """Return the figures of each side that has a pass."""
    expected = [job.parts[0].score_unbatched(request) for request in job.requests[: 2 * SAMPLE]]
    work = total_work(job)
    flops = useful_flops(work, job.parts[0].model)
    peak_flops, source = known_peak(job.device, part.dtype) or peak.flops, "data_sheet"
    if known_peak(job.device, part.dtype) is None:
        source = "measured"
    padded = state["passes"].get("padded@8", [])
    lines = []
    for side, passes in state["passes"].items():
        if not passes or side in state["failures"]:
            continue
        seconds = median(entry["seconds"] for entry in passes)
        pairs = zip(padded, passes, strict=False)  # an interrupted part may lack a pass
        ratios = [before["seconds"] / entry["seconds"] for before, entry in pairs]
        difference = largest_difference(passes[-1]["scores"], expected)
        line = {"part": name, "side": side, "seconds": seconds, "passes": len(passes)}
        line |= {"tokens_per_second": round(work.tokens / seconds), "share_of_peak": flops / seconds / peak_flops}
        line |= {"peak_source": source, "memory_gb": max(entry["memory"] for entry in passes) / 1e9}
        line |= {"ratio": median(ratios) if ratios else float("nan"), "max_abs_diff": difference}
        if part.dtype == "float32":
            line["scores_agree"] = "yes" if difference <= EXACT else "no"
        lines.append(line | profile(side, job))
    return lines


def largest_difference(scores: Sequence[float], expected: Sequence[float]) -> float:
    """Return the largest difference between the scores of the sample."""
    return max(abs(score - value) for score, value in zip(scores, expected, strict=False))


def total_work(job: Job) -> Work:
    """Return the minimum work of all pairs."""
    total = Work()
    for pair in chunks(job.requests, 2):
        total += count_item(pair)
    return total


def known_peak(device: torch.device, dtype: str) -> float | None:
    """Return the peak of a GPU by its data sheet, in operations per second; None if it is not known."""
    import torch

    if device.type != "cuda" or dtype == "float32":
        return None
    name = torch.cuda.get_device_name(device)
    for key, peak in PEAKS.items():
        if key in name:
            return peak * 1e12
    return None
