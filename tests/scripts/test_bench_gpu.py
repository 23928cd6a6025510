"""The GPU measurement: a dry run on the CPU with a tiny model, resumed, and its limits."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from repository import ROOT

SIDES = ["padded@8", "padded@64", "packed", "flex", "packed+compiled", "flex+compiled"]


@pytest.fixture
def bench_gpu(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    return importlib.import_module("bench_gpu")


def run(*arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHON": sys.executable, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    command = [str(ROOT / "scripts" / "bench" / "gpu.sh"), *map(str, arguments)]
    completed = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert completed.returncode == code, completed.stderr
    return completed


def lines(text: str) -> list[dict[str, str]]:
    """Return each line of key=value as a dictionary."""
    return [dict(field.split("=", 1) for field in line.split()) for line in text.splitlines()]


@pytest.mark.slow
def test_a_dry_run_measures_every_side_and_resumes(tmp_path: Path):
    machine, *sides, status, total = lines(run("--dry_run", "--sizes", "50m", "--output", tmp_path).stdout)
    assert (machine["device"], machine["simulated"], machine["pairs"]) == ("cpu", "1", "4")
    assert [line["side"] for line in sides] == SIDES
    for line in sides:
        assert line["scores_agree"] == "yes", line
        assert float(line["max_abs_diff"]) <= 1e-5
        for name in ("seconds", "tokens_per_second", "share_of_peak", "memory_gb", "ratio", "device_busy"):
            assert float(line[name]) > 0, name
    assert status == {"part": "50m", "status": "complete"}
    assert float(total["total_seconds"]) > 0

    path = tmp_path / "50m-dry.json"
    state = json.loads(path.read_text())
    stored_seconds = state["passes"]["packed"][0]["seconds"]
    state["passes"]["flex"] = []  # as if the run had been killed before this pass
    path.write_text(json.dumps({"passes": state["passes"]}))
    run("--dry_run", "--sizes", "50m", "--output", tmp_path)
    state = json.loads(path.read_text())
    assert state["passes"]["packed"][0]["seconds"] == stored_seconds
    assert [len(state["passes"][side]) for side in SIDES] == [1] * 6


def test_all_parts_take_less_than_ten_minutes(bench_gpu):
    assert sum(part.seconds for part in bench_gpu.PARTS.values()) < 600


def test_an_unknown_size_is_rejected():
    assert "there is no size '9b'" in run("--sizes", "50m,9b", code=2).stderr


def test_a_part_past_its_limit_ends_and_the_next_one_runs(bench_gpu, monkeypatch, tmp_path, capsys):
    names = []

    def time_out(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        names.append(command[3])
        raise subprocess.TimeoutExpired(command, 1)

    monkeypatch.setattr(bench_gpu.subprocess, "run", time_out)
    assert bench_gpu.run_parts(["50m", "1b"], tmp_path, dry_run=False) == 1
    assert names == ["50m", "1b"]
    assert "part=1b status=timed_out" in capsys.readouterr().out
