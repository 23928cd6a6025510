"""The measurement of `--engine ray`: overhead and memory on local nodes."""

import subprocess
import sys

import pytest
from repository import ROOT


@pytest.mark.slow
def test_an_item_costs_at_most_a_millisecond_and_no_memory():
    pytest.importorskip("ray", reason="needs the extra ray")
    command = [sys.executable, str(ROOT / "scripts" / "bench" / "ray_overhead.py"), "--pairs", "20000"]
    printed = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True).stdout
    runs = [dict(field.split("=") for field in line.split()) for line in printed.splitlines()]
    assert [run["nodes"] for run in runs] == ["0", "1", "2"]
    for run in runs[1:]:
        assert float(run["overhead_ms"]) <= 1
        for memory in (run["driver_mb"], run["actor_mb"]):
            first, _, last = map(int, memory.split(","))
            assert 0 < last <= first + 30
