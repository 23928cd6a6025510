"""Memory that one layer frees stays at hand for the next."""

from __future__ import annotations

import ctypes
from functools import cache

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Their numbers in <malloc.h>."""
KEPT = 2**30
"""Bytes of freed memory that stay with the process."""
LARGEST = 2**25
"""Bytes of the largest block that comes from the heap; glibc takes no more."""


@cache
def keep_freed_memory() -> bool:
    """Have glibc keep what is freed, for this process, from now on; whether it does.

    By default it gives each activation of some megabytes back to the system, which hands it out again as zeros, page
    by page: a tenth of the time of a model of 10 M parameters. Other C libraries are left as they are.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(mallopt(MMAP_THRESHOLD, LARGEST) and mallopt(TRIM_THRESHOLD, KEPT))
