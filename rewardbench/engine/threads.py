"""Choose how many threads compute and how they wait, by variables that OpenMP reads when torch is loaded.

This changes the whole process, so only commands do it, never a library call. What the user has set stays.
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
"""Where Linux mounts the limits of a container."""
COUNTS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
"""Variables that set the number of threads."""
WAITS = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME", "KMP_LIBRARY")
"""Variables that set how a thread waits for the others at the end of a parallel loop."""


def set_threads(variables: MutableMapping[str, str] | None = None, root: Path = CGROUP) -> None:
    """Let waiting threads sleep, and start no more threads than the container has CPU time for.

    A thread that spins while it waits takes a core from the one that it waits for. Threads beyond the quota of a
    container are all stopped for the rest of each period once its CPU time is used up.

    Args:
        variables: environment that is changed; None is that of this process.
        root: where the limits of the container are mounted.
    """
    environment = os.environ if variables is None else variables
    if not any(name in environment for name in WAITS):
        environment["OMP_WAIT_POLICY"] = "PASSIVE"
    quota = cpu_quota(root)
    if quota is not None and quota < usable_cpus() and not any(name in environment for name in COUNTS):
        environment["OMP_NUM_THREADS"] = str(max(1, int(quota)))


def usable_cpus() -> int:
    """Return the number of CPUs that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cpu_quota(root: Path = CGROUP) -> float | None:
    """Return the CPUs whose time a container may use (cgroup v2, then v1), such as 1.5; None if there is no limit."""
    unified = _read_words(root / "cpu.max")
    if len(unified) == 2:
        return _divide(*unified)
    quota = _read_words(root / "cpu" / "cpu.cfs_quota_us")
    period = _read_words(root / "cpu" / "cpu.cfs_period_us")
    return _divide(quota[0], period[0]) if quota and period else None


def _divide(quota: str, period: str) -> float | None:
    """Return quota / period; None if the quota is "max" or negative, which stand for no limit."""
    if not (quota.isdecimal() and period.isdecimal()) or int(period) == 0:
        return None
    return int(quota) / int(period)


def _read_words(path: Path) -> list[str]:
    """Return the words of a file; none if it cannot be read."""
    try:
        return path.read_text(encoding="ascii").split()
    except (OSError, UnicodeError):
        return []


def describe_threads() -> dict[str, object]:
    """Return what a manifest records: the usable CPUs, and the variables and the quota that are set."""
    settings: dict[str, object] = {"usable_cpus": usable_cpus()}
    quota = cpu_quota()
    if quota is not None:
        settings["cpu_quota"] = quota
    for name in (*COUNTS, *WAITS):
        if name in os.environ:
            settings[name] = os.environ[name]
    return settings
