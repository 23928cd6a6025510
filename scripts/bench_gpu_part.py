"""Measure one part of scripts/bench/gpu.sh: one model, all sides in turn, every pass stored."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from bench_gpu import DRY_RUN_SLOWNESS, Part, state_file
from bench_gpu_sides import SIDES, TooSlow, time_limit
from bench_job import Job, contents, evenly_spaced, is_plain_pair, make_job, without_system_turn
from bench_models import SIZES, Size, make_models
from bench_sides import scores_of
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
NOISE_PAIRS = 200
"""Pairs whose scores are compared with those in float32."""
LONGEST_SHARE = 0.7
"""Share of the time left that one side may take, with its compilation."""
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


def run_part(name: str, part: Part, output: Path, models: Path, dry_run: bool) -> None:
    """Measure a part, or what is left of it, and store its figures after each pass.

    Args:
        name: Of the part, for its files.
        part: The model, data and time limit.
        output: Folder of passes and figures.
        models: Folder of models.
        dry_run: True for a tiny model on the CPU.
    """
    if dry_run:
        part = replace(part, size="tiny", pairs=4, seconds=part.seconds * DRY_RUN_SLOWNESS)
    deadline = time.monotonic() + part.seconds - SPARE_SECONDS
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    state = read_state(state_file(output, name), dry_run)
    if state.get("status") == "complete":
        return
    job = open_job(part, models, "cpu" if dry_run else "cuda")
    record = Record(name, part, job, state, state_file(output, name))
    record.measure(1 if dry_run else ROUNDS, deadline)
    record.finish()


def read_state(path: Path, is_simulated: bool) -> dict[str, Any]:
    """Return the stored passes of a part; none if they are of a dry run and this is not one, or the other way round."""
    state = json.loads(path.read_text()) if path.is_file() else {}
    if state.get("simulated") != is_simulated:
        return {"simulated": is_simulated, "passes": {}, "failures": {}}
    if state.get("status") != "complete":
        state = {"simulated": is_simulated, "passes": state["passes"], "failures": {}}
    return state


def open_job(part: Part, models: Path, device: str) -> Job:
    """Load the part's model, which is made if it is not stored yet, with its pairs of core."""
    items = [without_system_turn(item) for item in load_suite("core").items if is_plain_pair(item)]
    if part.size == "tiny":  # else few pairs are short enough
        items = sorted(items, key=lambda item: sum(map(len, contents([item]))))[: 2 * part.pairs]
    folder = models / part.size
    if not folder.is_dir():
        unfinished = folder.with_name(f"{part.size}.unfinished")
        make_models(unfinished, part.size, "classifier", contents(items), device, "bfloat16")
        release()
        unfinished.rename(folder)
    max_length = 512 if part.size == "tiny" else 2048
    fields = {"model": str(folder / "model"), "ref_model": None, "max_length": max_length, "dtype": part.dtype}
    args = argparse.Namespace(**fields, device=device, pairs="core", threads=1, published_python=None)
    return make_job(args, folder, evenly_spaced(items, part.pairs))


def write(state: dict[str, Any], path: Path) -> None:
    """Replace a file by a state, so that a killed process leaves the last one."""
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(state))
    unfinished.replace(path)


class Record:
    """The passes and figures of a part, stored after each pass, so that a part that ends early keeps them.

    Args:
        name: Of the part.
        part: The model, data and time limit.
        job: The loaded model and the pairs.
        state: Passes by side (seconds, memory, scores), failures by side, which do not stop the others, and figures.
        path: Where the state is stored.
    """

    def __init__(self, name: str, part: Part, job: Job, state: dict[str, Any], path: Path) -> None:
        import torch

        self.name, self.part, self.job, self.state, self.path = name, part, job, state, path
        self.peak = Peak(job.device, getattr(torch, part.dtype))
        self.peak.measure()
        self.work = total_work(job)
        self.expected = [job.parts[0].score_unbatched(request) for request in job.requests[: 2 * SAMPLE]]
        self.exact: list[float] = []
        """Scores of the first pairs in float32, if the part has another dtype; measured last."""
        self.busy: dict[str, float] = {}
        """Share of a short pass in which the device computes, by side."""

    def measure(self, rounds: int, deadline: float) -> None:
        """Run the sides in turn until all have `rounds` passes, or until the next pass would exceed the deadline."""
        warm: set[str] = set()
        for number in range(rounds):
            for name, open_side in SIDES.items():
                passes = self.state["passes"].setdefault(name, [])
                left = deadline - time.monotonic()
                is_late = 2 * max((entry["seconds"] for entry in passes), default=0.0) > left
                if len(passes) > number or is_late or name in self.state["failures"]:
                    continue
                with self.recording_failure(name, LONGEST_SHARE * left), open_side(self.job) as side:
                    if name not in warm:
                        side.warm_up()
                        warm.add(name)
                    passes.append(side.measure())
                self.store("partial")
            self.peak.measure()
        for name in self.measured():
            with self.recording_failure("device_busy", deadline - time.monotonic()), SIDES[name](self.job) as side:
                self.busy[name] = side.busy_share()
        self.store("partial")
        if self.part.dtype != "float32":
            with self.recording_failure("bf16_noise", deadline - time.monotonic()):
                self.job.parts[0].model.float()  # to the end of this process
                self.exact = scores_of(self.job, NOISE_PAIRS)
        is_whole = all(len(self.state["passes"].get(side, ())) >= rounds for side in SIDES)
        self.status = "failed" if self.state["failures"] else "complete" if is_whole else "partial"

    @contextmanager
    def recording_failure(self, name: str, seconds: float) -> Iterator[None]:
        """Context manager: record a failure or a time-out instead of raising it, so that the others go on."""
        try:
            with time_limit(max(1.0, seconds)):
                yield
        except (Exception, TooSlow) as error:  # a kernel that does not compile, or too little memory
            self.state["failures"][name] = f"{type(error).__name__}: {first_sentence(error)}"

    def finish(self) -> None:
        """Store the figures of all passes."""
        self.store(self.status)

    def measured(self) -> list[str]:
        """Return the sides that have a pass, and did not fail."""
        passes, failures = self.state["passes"], self.state["failures"]
        return [side for side in passes if passes[side] and side not in failures]

    def store(self, status: str) -> None:
        """Store the passes and their figures."""
        lines = [self.describe_machine(), *map(self.describe_side, self.measured())]
        for side, reason in self.state["failures"].items():
            lines.append({"part": self.name, "side": side, "failure": json.dumps(reason)})
        write({**self.state, "lines": lines, "status": status}, self.path)

    def describe_machine(self) -> dict[str, Any]:
        """Return the figures that all sides share."""
        import torch

        device = self.job.device
        figures = {"part": self.name, "device": device.type, "simulated": int(self.state["simulated"])}
        if device.type == "cuda":
            figures |= {"gpu": torch.cuda.get_device_name(device).replace(" ", "_"), "cuda": torch.version.cuda}
        return {
            **figures,
            "dtype": self.part.dtype,
            "parameters": self.job.parts[0].model.num_parameters(),
            "pairs": len(self.job.items),
            "tokens": self.work.tokens,
            "unique_tokens": self.work.unique,
            "torch": torch.__version__,
            "peak_tflops": self.peak.flops / 1e12,
        }

    def describe_side(self, side: str) -> dict[str, Any]:
        """Return the figures of a side."""
        passes = self.state["passes"][side]
        seconds = median(entry["seconds"] for entry in passes)
        pairs = zip(self.state["passes"].get("padded@8", []), passes, strict=False)  # a part may lack a pass
        ratios = [before["seconds"] / entry["seconds"] for before, entry in pairs]
        scores = passes[-1]["scores"]
        speed = useful_flops(self.work, self.job.parts[0].model) / seconds
        line = {"part": self.name, "side": side, "seconds": seconds, "passes": len(passes)}
        line |= {"tokens_per_second": round(self.work.tokens / seconds), "share_of_peak": speed / self.peak.flops}
        data_sheet = known_peak(self.job.device, self.part.dtype)
        if data_sheet:
            line["share_of_data_sheet"] = speed / data_sheet
        line |= {"memory_gb": max(entry["memory"] for entry in passes) / 1e9}
        line |= {"ratio": median(ratios) if ratios else float("nan")}
        line["max_abs_diff"] = max(differences(scores, self.expected))
        if self.part.dtype == "float32":
            line["scores_agree"] = "yes" if line["max_abs_diff"] <= EXACT else "no"
        if self.exact:
            line |= describe_noise(scores, self.exact)
        if side in self.busy:
            line["device_busy"] = self.busy[side]
        return line


def describe_noise(scores: Sequence[float], exact: Sequence[float]) -> dict[str, Any]:
    """Return how scores of pairs differ from those in float32, and how many pairs have another preferred response.

    >>> describe_noise([1.0, 0.5, 2.0, 2.5], [1.0, 0.75, 2.5, 2.0])
    {'bf16_pairs': 2, 'bf16_max_diff': 0.5, 'bf16_median_diff': 0.375, 'decisions_changed': 1}
    """
    noise = differences(scores, exact)
    changed = 0
    for (chosen, rejected), (exact_chosen, exact_rejected) in zip(chunks(scores, 2), chunks(exact, 2), strict=False):
        changed += (chosen > rejected) != (exact_chosen > exact_rejected)
    return {
        "bf16_pairs": len(exact) // 2,
        "bf16_max_diff": max(noise),
        "bf16_median_diff": median(noise),
        "decisions_changed": changed,
    }


def differences(scores: Sequence[float], expected: Sequence[float]) -> list[float]:
    """Return the absolute difference of each expected score from the score of the same text."""
    return [abs(score - value) for score, value in zip(scores, expected, strict=False)]


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
