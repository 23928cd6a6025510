"""Score conversations with the rewardbench of a folder; scripts/benchmark --quick starts this for each of two commits.

Only `load_scorer` and `score` of the public API are called, which every commit has. PYTHONPATH names the folder.
"""

from __future__ import annotations

import os
from pathlib import Path

from bench_serve import serve


def load(job):
    """Return a function that scores conversations with the model of a job, and the conversations."""
    import rewardbench

    folder = Path(rewardbench.__file__).resolve().parents[1]
    if folder != Path(os.environ["PYTHONPATH"]).resolve():
        raise SystemExit(f"rewardbench was imported from {folder}.")
    scorer = rewardbench.load_scorer(job["model"], device=job["device"], dtype=job["dtype"])
    return lambda rows: scorer.score(messages=rows), job["rows"]


if __name__ == "__main__":
    serve(load, lambda job: {})
