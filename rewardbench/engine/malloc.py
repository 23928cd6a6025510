"""Configure glibc's malloc so that memory freed by one layer is reused by the next.

This changes the whole process, so only commands and worker processes do it, never a library call.
"""

from __future__ import annotations

import ctypes
from functools import cache

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
"""Parameters of mallopt, as in <malloc.h>."""
TRIM_BYTES = 2**30
"""Freed memory that the process keeps."""
MMAP_BYTES = 2**25
"""Size of the largest block that is allocated from the heap; the maximum of glibc."""


@cache
def keep_freed_memory() -> bool:
    """Make glibc keep freed memory for reuse, in this process from now on.

    By default glibc returns each activation of a few megabytes to the system, and every new one costs page faults:
    a tenth of the run time of a model of 10 M parameters. Threads share one heap, since those that glibc gives each
    thread are returned to the system whatever the thresholds. Other C libraries are not changed.

    Returns:
        True if malloc was configured.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    parameters = (M_MMAP_THRESHOLD, MMAP_BYTES), (M_TRIM_THRESHOLD, TRIM_BYTES), (M_ARENA_MAX, 1)
    return all(mallopt(name, value) for name, value in parameters)
