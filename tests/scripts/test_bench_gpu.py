"""The GPU measurement: a dry run on the CPU with a tiny model, resumed, and its limits."""

import importlib
import json
import os
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType, SimpleNamespace

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

    path = tmp_path / "50m.json"
    state = json.loads(path.read_text())
    stored_seconds = state["passes"]["packed"][0]["seconds"]
    state["passes"]["flex"] = []  # as if the run had been killed before this pass
    path.write_text(json.dumps({"simulated": True, "passes": state["passes"], "failures": {}}))
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


class Side:
    """A side that counts its passes, or fails."""

    def __init__(self, fails: bool) -> None:
        self.fails, self.warm_ups = fails, 0

    def __call__(self, job: object) -> nullcontext["Side"]:
        return nullcontext(self)

    def warm_up(self) -> None:
        self.warm_ups += 1
        if self.fails:
            raise RuntimeError("no kernel for this shape. Try another")

    def measure(self) -> dict[str, float]:
        return {"seconds": 10.0}


def test_a_side_that_fails_or_is_late_does_not_stop_the_others(bench_gpu, monkeypatch, tmp_path):
    part = importlib.import_module("bench_gpu_part")
    sides = {"flex": Side(fails=True), "packed": Side(fails=False)}
    monkeypatch.setattr(part, "SIDES", sides)
    path, peak = tmp_path / "50m.json", SimpleNamespace(measure=lambda: None)
    state = part.read_state(path, False)
    part.measure(None, state, 3, time.monotonic() + 15, path, peak)
    assert state == json.loads(path.read_text())
    assert state["failures"] == {"flex": "RuntimeError: no kernel for this shape"}
    assert len(state["passes"]["packed"]) == 1  # the next would end after the deadline
    resumed = part.read_state(path, False)
    assert (resumed["passes"], resumed["failures"]) == (state["passes"], {})
    part.measure(None, resumed, 3, time.monotonic() + 60, path, peak)
    assert len(resumed["passes"]["packed"]) == 3
    assert sides["packed"].warm_ups == 2
    assert part.read_state(path, True)["passes"] == {}  # a dry run does not continue a measurement
