"""The GPU measurement: a dry run on the CPU with a tiny model, resumed, and its limits."""

import importlib
import json
import os
import subprocess
import sys
import time
from contextlib import nullcontext
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from repository import ROOT

from rewardbench.scorers import load_scorer
from rewardbench.settings import ModelSpec

SIDES = ["padded@8", "padded@64", "packed", "packed-prefetch", "flex", "flex-prefetch"]
SIDES += ["packed+compiled", "flex+compiled"]
UNUSED = ["datasets", "pandas", "pyarrow", "sklearn", "fastchat", "openai", "typer", "rich"]
"""Dependencies of this package that a machine for the measurement may lack."""


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


@pytest.fixture
def few_packages(tmp_path):
    """Return the folder of a module that makes Python lack what the measurement does not need."""
    lines = ["import sys"]
    lines += [f"sys.modules[{name!r}] = None" for name in UNUSED]
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text("\n".join(lines))
    return folder


@pytest.mark.slow
def test_a_dry_run_measures_every_side_and_resumes(tmp_path, few_packages, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(few_packages))
    folders = ("--output", tmp_path / "out", "--models", tmp_path / "models")
    printed = lines(run("--dry_run", "--sizes", "exact,50m", *folders).stdout)
    assert printed == lines((tmp_path / "out" / "figures.txt").read_text())
    exact, rounded = ([line for line in printed if line.get("part") == name] for name in ("exact", "50m"))
    for machine, *sides, status in (exact, rounded):
        assert (machine["device"], machine["simulated"], machine["pairs"]) == ("cpu", "1", "4")
        assert float(machine["peak_tflops"]) > 0
        assert [line["side"] for line in sides] == SIDES
        for line in sides:
            for name in ("seconds", "tokens_per_second", "share_of_peak", "memory_gb", "ratio", "device_busy"):
                assert float(line[name]) > 0, name
        assert status == {"part": machine["part"], "status": "complete"}
    for line in exact[1:-1]:
        assert line["scores_agree"] == "yes", line
        assert float(line["max_abs_diff"]) <= 1e-5
    for line in rounded[1:-1]:
        assert line["bf16_pairs"] == "4"
        assert 0 < float(line["bf16_median_diff"]) < float(line["bf16_max_diff"]) < 0.1
        assert int(line["decisions_changed"]) <= 4
    assert float(printed[-1]["total_seconds"]) > 0

    path = tmp_path / "out" / "50m.json"
    state = json.loads(path.read_text())
    stored_seconds = state["passes"]["packed"][0]["seconds"]
    state["passes"]["flex"] = []  # as if the run had been killed before this pass
    path.write_text(json.dumps({"simulated": True, "passes": state["passes"], "failures": {}}))
    run("--dry_run", "--sizes", "50m", *folders)
    state = json.loads(path.read_text())
    assert state["passes"]["packed"][0]["seconds"] == stored_seconds
    assert [len(state["passes"][side]) for side in SIDES] == [1] * len(SIDES)


def test_without_a_gpu_or_a_package_one_line_says_so(bench_gpu, monkeypatch, capsys):
    assert "sees no GPU here: pass --dry_run" in run(code=2).stderr
    monkeypatch.setattr(bench_gpu, "find_spec", lambda name: None if name in ("pydantic", "yaml") else name)
    monkeypatch.setattr("sys.argv", ["gpu.sh"])
    assert bench_gpu.main() == 2
    assert "lacks yaml, pydantic: put wheels into .whl" in capsys.readouterr().err


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
    monkeypatch.setattr(bench_gpu.shutil, "disk_usage", lambda folder: SimpleNamespace(free=5e9))
    assert bench_gpu.run_parts(["50m", "1b", "7b"], tmp_path, tmp_path / "models", dry_run=False) == 1
    assert names == ["50m", "1b"]
    out = capsys.readouterr().out
    assert "part=1b status=timed_out" in out
    assert "part=7b status=skipped_for_lack_of_disk" in out


class CountedSide:
    """A side that counts its warm-ups, and fails or takes long."""

    def __init__(self, seconds: float = 0.0, fails: bool = False) -> None:
        self.seconds, self.fails, self.warm_ups = seconds, fails, 0

    def __call__(self, job: object) -> nullcontext["CountedSide"]:
        return nullcontext(self)

    def warm_up(self) -> None:
        self.warm_ups += 1
        if self.fails:
            raise RuntimeError("no kernel for this shape. Try another")
        time.sleep(self.seconds)

    def measure(self) -> dict[str, Any]:
        return {"seconds": 10.0, "memory": 1, "scores": [0.5, 0.25]}

    def busy_share(self) -> float:
        return 0.5


@pytest.fixture
def record(bench_gpu, monkeypatch, tmp_path, model_folder):
    """Return a function that opens the record of a part with two texts, measured by the given sides."""
    part = importlib.import_module("bench_gpu_part")
    scorer = load_scorer(ModelSpec(str(model_folder("llama")), device="cpu"))
    requests = [scorer.probe("Short."), scorer.probe("A longer text.")]
    job = SimpleNamespace(parts=[scorer], requests=requests, items=[None], device=torch.device("cpu"))

    def open_record(**sides: CountedSide):
        monkeypatch.setattr(part, "SIDES", sides)
        path = tmp_path / "exact.json"
        return part.Record("exact", bench_gpu.PARTS["exact"], job, part.read_state(path, False), path)

    return open_record


def test_a_side_that_fails_or_hangs_does_not_stop_the_others(record, tmp_path, monkeypatch):
    part = importlib.import_module("bench_gpu_part")
    monkeypatch.setattr(part, "LONGEST_SHARE", 0.08)
    sides = {"flex": CountedSide(fails=True), "hangs": CountedSide(seconds=600), "packed": CountedSide()}
    opened = record(**sides)
    opened.measure(3, time.monotonic() + 15)
    stored = json.loads((tmp_path / "exact.json").read_text())
    assert stored["failures"] == {
        "flex": "RuntimeError: no kernel for this shape",
        "hangs": "TooSlow: it took longer than 1 s",
    }
    assert len(stored["passes"]["packed"]) == 1  # the next would end after the deadline
    assert [line["side"] for line in stored["lines"][1:]] == ["packed", "flex", "hangs"]
    assert stored["status"] == "partial"

    resumed = record(flex=sides["flex"], packed=sides["packed"])
    assert resumed.state["failures"] == {}
    resumed.measure(3, time.monotonic() + 100)
    resumed.finish()
    stored = json.loads((tmp_path / "exact.json").read_text())
    assert len(stored["passes"]["packed"]) == 3
    assert sides["packed"].warm_ups == 2
    assert stored["status"] == "failed"
    assert part.read_state(tmp_path / "exact.json", True)["passes"] == {}  # a dry run does not continue a measurement
