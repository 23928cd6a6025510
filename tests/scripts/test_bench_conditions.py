"""scripts/benchmark --conditions: the processes of its sides, the competing load, and the figures."""

import importlib
import sys
import time

import psutil
import pytest
from repository import ROOT

ECHO = """
import json, os, sys
sys.stdin.readline()
print("{}", flush=True)
for line in sys.stdin:
    print(json.dumps({"seconds": float(os.environ["OMP_NUM_THREADS"])}), flush=True)
"""


@pytest.fixture
def conditions(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    return importlib.import_module("bench_conditions")


def test_each_side_is_started_and_timed_with_and_without_a_load(conditions, monkeypatch):
    monkeypatch.setattr(conditions, "usable_cpus", lambda: 2)
    echo = [sys.executable, "-c", ECHO]
    figures = conditions.measure({"floor": echo, "ours": echo}, {}, threads=2, rounds=2)
    assert figures["floor.start_ratio"] == 1.0
    assert (figures["ours.quiet_seconds"], figures["ours.busy_seconds"], figures["ours.slowdown"]) == (2.0, 2.0, 1.0)
    assert 0 < figures["ours.first_seconds"] < 60
    assert "floor.slowdown" not in figures, "the floor scores nothing"


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (["no/python"], "There is no Python at no/python"),
        ([sys.executable, "-c", "raise SystemExit(3)"], "The process of side ended early, with code 3"),
    ],
)
def test_a_side_that_cannot_run_is_a_one_line_error(conditions, command, sentence):
    with pytest.raises(conditions.Unavailable, match=sentence):
        conditions.SideProcess("side", command, {}, 1)


def test_a_side_chooses_its_own_waits_and_another_python_its_own_packages(conditions, monkeypatch):
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "PYTHONPATH"):
        monkeypatch.setenv(name, "1")
    assert not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & set(conditions.inherited_variables("ours"))
    assert conditions.inherited_variables("ours")["PYTHONPATH"] == "1"
    assert "PYTHONPATH" not in conditions.inherited_variables("published")


def test_the_load_keeps_a_core_busy_and_ends(conditions):
    others = set(psutil.Process().children())
    with conditions.competing_load(1):
        (process,) = set(psutil.Process().children()) - others
        deadline = time.monotonic() + 30
        while process.cpu_times().user < 0.05 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert process.cpu_times().user >= 0.05
    assert not process.is_running()
