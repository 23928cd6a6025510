"""The side of scripts/benchmark that runs the published package, in the Python that has it."""

from __future__ import annotations

import os
from itertools import chain
from pathlib import Path
from typing import Any

from bench_job import Job, Unavailable
from bench_work import chunks, padding
from bench_worker import Worker

WORKER = Path(__file__).with_name("bench_published.py")


class Published:
    """The published package, in a process that stays alive between passes."""

    same_ids = False
    """It may add a second BOS before a text, and a second EOS at the end."""

    def __init__(self, job: Job, batch_size: int) -> None:
        if not job.published_python:
            raise Unavailable(
                "The published package needs its own environment: python -m venv published && published/bin/pip "
                "install 'rewardbench==0.1.4' 'trl<0.16', then pass --published_python published/bin/python."
            )
        if job.device.type not in ("cpu", "cuda"):
            raise Unavailable(f"The published package runs on a CPU or a CUDA device, not on {job.device.type}.")
        self.name, self.padding = f"published@{batch_size}", published_padding(job, batch_size)
        command = [job.published_python, str(WORKER)]
        self._worker = Worker(command, worker_environment(job), "The published package", "--published_python")
        version = self._worker.request({**worker_job(job), "batch_size": batch_size})["version"]
        self.label = f"rewardbench {version}, batch {batch_size}"

    def run(self) -> tuple[float, list[float]]:
        """Score everything; the seconds are by the clock of that process, without communication."""
        answer = self._worker.request("run")
        return answer["seconds"], list(chain.from_iterable(answer["scores"]))

    def close(self) -> None:
        """End the process."""
        self._worker.close()


def worker_environment(job: Job) -> dict[str, str]:
    """Return the environment of this process, without variables that would make the other Python import from here."""
    environment = {}
    for name, value in os.environ.items():
        if not name.startswith("PYTHON") and name != "VIRTUAL_ENV":
            environment[name] = value
    if job.device.type == "cpu":
        environment["CUDA_VISIBLE_DEVICES"] = ""
    return environment


def worker_job(job: Job) -> dict[str, Any]:
    """Return the job as JSON values."""
    rows = []
    for item in job.items:
        chosen, rejected = item.completions
        row = {
            "prompt": list(map(dict, item.prompt)),
            "chosen": chosen[0]["content"],
            "rejected": rejected[0]["content"],
        }
        rows.append(row)
    return {
        "model": job.model,
        "reference": job.reference,
        "dtype": job.dtype,
        "threads": job.threads,
        "max_length": job.max_length,
        "device": str(job.device),
        "rows": rows,
    }


def published_padding(job: Job, batch_size: int) -> float:
    """Return the padding of the published package, which pads chosen and rejected texts together only for a policy."""
    lengths = list(map(len, job.requests))
    if job.reference:
        return padding(chunks(lengths, 2 * batch_size))
    return padding([*chunks(lengths[::2], batch_size), *chunks(lengths[1::2], batch_size)])
