"""Checkpoints of one training run on a local Hub, and commands that read it in processes of their own."""

import os
import re
import sqlite3
import sys

import hub_server
import pytest
import torch
from random_models import write_pairs
from safetensors.torch import load_file, save_file

from rewardbench.cli.main import main

COMMAND = [sys.executable, "-m", "rewardbench"]
BROKEN = "step_9900"


def revision(number):
    return f"step_{100 * (number + 1)}"


def rejection(capfd, *arguments):
    """Run `rewardbench sweep`, which must end with exit code 2 and one line; return the line."""
    with pytest.raises(SystemExit) as stop:
        main(["sweep", *arguments])
    (line,) = capfd.readouterr().err.splitlines()
    assert stop.value.code == 2
    return line


def serve_checkpoints(server, model, folder, count, name="org/rm"):
    """Serve `count` revisions that differ in their weights, and one whose weights are cut off."""
    files = {path.name: path.read_bytes() for path in model.iterdir()}
    weights = load_file(model / "model.safetensors")
    repository = server.repos[name] = hub_server.Repo()
    repository.commit("main", files)
    for number in range(count):
        chance = torch.Generator().manual_seed(number)
        moved = {key: value + 0.05 * torch.randn(value.shape, generator=chance) for key, value in weights.items()}
        path = folder / "model.safetensors"
        save_file(moved, path, {"format": "pt"})
        repository.commit(revision(number), {**files, "model.safetensors": path.read_bytes()})
    cut = files["model.safetensors"][:-1000]
    repository.commit(BROKEN, {**files, "model.safetensors": cut})
    return [revision(number) for number in range(count)]


def write_suites(folder, sizes):
    """Write files of different random pairs: `sizes` has the number of pairs by the name of the file."""
    write_pairs(folder / "all.txt", sum(sizes.values()))
    lines = (folder / "all.txt").read_text().splitlines(keepends=True)
    for name, size in sizes.items():
        (folder / f"{name}.jsonl").write_text("".join(lines[:size]))
        del lines[:size]


def hub_environment(server, folder):
    """Return the environment of a command that reads the local Hub and keeps its files in a folder."""
    return {
        **os.environ,
        "HF_ENDPOINT": server.url,
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_XET": "1",
        "HF_HOME": str(folder / "home"),
        "HF_HUB_CACHE": str(folder / "home" / "hub"),
        "REWARDBENCH_CACHE": str(folder / "scores.sqlite"),
        "OMP_NUM_THREADS": "1",
    }


def values(output):
    """Return the `key=value` lines of an output."""
    return dict(re.findall(r"^(\w+)=(.*)$", output, re.MULTILINE))


def cached_scores(folder):
    """Count the scores in the cache."""
    with sqlite3.connect(folder / "scores.sqlite") as db:
        return db.execute("SELECT COUNT(*) FROM scores").fetchone()[0]
