"""Processes of the command that a test starts, waits for, or kills."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path


def start(folder, *arguments, **variables):
    """Start the command on `pairs.jsonl` in a folder, with a cache of that folder."""
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "REWARDBENCH_CACHE": str(folder / "scores.sqlite"),
        **variables,
    }
    command = [sys.executable, "-m", "rewardbench", "--dataset", "pairs.jsonl", *map(str, arguments)]
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def torchrun(folder, *arguments):
    """Start the same in two ranks of torchrun."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command += ["-m", "rewardbench", "--dataset", "pairs.jsonl", *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "REWARDBENCH_CACHE": str(folder / "scores.sqlite")}
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def wait(processes, seconds=120):
    """Return exit code, stdout and stderr of each."""
    try:
        texts = [process.communicate(timeout=seconds) for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [(process.returncode, *text) for process, text in zip(processes, texts, strict=True)]


def count_cached(path: Path) -> int:
    """Return the number of scores in a cache; 0 if there is none yet."""
    try:
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10) as db:
            return int(db.execute("SELECT count(*) FROM scores").fetchone()[0])
    except sqlite3.Error:
        return 0
