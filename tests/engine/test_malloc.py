"""With keep_freed_memory(), blocks are reused without page faults."""

import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys, torch
from rewardbench.engine.malloc import keep_freed_memory
configured = keep_freed_memory() if sys.argv[1] == "configured" else False
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for megabytes in range(1, 31):  # each one larger than any before, which glibc asks the system for
    block = torch.empty(megabytes * 2**18).fill_(1.0)
    del block
print(int(configured), resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(mode):
    """Return whether malloc was configured, and the page faults of the program."""
    command = [sys.executable, "-c", PROGRAM, mode]
    configured, count = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return configured == "1", int(count)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mallopt is a function of glibc")
def test_freed_blocks_are_reused_without_page_faults():
    configured, faults = page_faults("configured")
    if not configured:
        pytest.skip("another C library")
    _, default_faults = page_faults("default")
    assert faults < default_faults / 3
