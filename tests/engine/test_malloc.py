"""Freed memory stays at hand: the same blocks are taken again without a page fault."""

import subprocess
import sys
from types import SimpleNamespace

import pytest

from rewardbench.engine.backends import base

PROGRAM = """
import resource, sys, torch
from rewardbench.engine.malloc import keep_freed_memory
kept = keep_freed_memory() if sys.argv[1] == "kept" else False
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for megabytes in range(1, 31):  # each one larger than any before, which glibc asks the system for
    block = torch.empty(megabytes * 2**18).fill_(1.0)
    del block
print(int(kept), resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how):
    command = [sys.executable, "-c", PROGRAM, how]
    kept, count = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return kept == "1", int(count)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="of glibc")
def test_blocks_are_taken_again_without_a_page_fault():
    kept, few = faults("kept")
    if not kept:
        pytest.skip("another C library")
    _, many = faults("by default")
    assert few < many / 3


@pytest.mark.parametrize(("device", "times"), [("cpu", 1), ("cuda", 0), (None, 0)])
def test_whoever_runs_batches_on_a_cpu_keeps_it(device, times, monkeypatch):
    called = []
    monkeypatch.setattr(base, "keep_freed_memory", lambda: called.append(1))
    model = SimpleNamespace(device=SimpleNamespace(type=device)) if device else None
    base.BatchRunner(SimpleNamespace(model=model))
    assert len(called) == times
