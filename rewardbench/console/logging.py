"""Silence the logs, warnings and progress bars of libraries."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

QUIET = {
    "TRANSFORMERS_VERBOSITY": "error",
    "DATASETS_VERBOSITY": "error",
    "HF_HUB_VERBOSITY": "error",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TORCH_CPP_LOG_LEVEL": "ERROR",
}
"""Environment variables to set before libraries are imported, unless the user has set them."""


def quieten(loads_weights: bool = True) -> None:
    """Let libraries log errors only, and show no progress bars but those of downloads.

    Args:
        loads_weights: whether weights will be loaded; else transformers, whose import takes a second, may stay unused.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    _quieten_logging()
    if not loads_weights:
        return
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # type: ignore[no-untyped-call]


@contextmanager
def no_weight_bar() -> Iterator[None]:
    """Context manager: transformers shows no bar while it loads weights; the bars of downloads are unchanged."""
    from transformers.utils import logging as transformers_logging

    is_active = transformers_logging._tqdm_active  # its public function also switches those of downloads
    transformers_logging._tqdm_active = False
    try:
        yield
    finally:
        transformers_logging._tqdm_active = is_active


def quieten_worker() -> None:
    """Silence libraries in a worker process; the main process logs the same messages."""
    os.environ.update(QUIET, HF_HUB_DISABLE_PROGRESS_BARS="1")
    warnings.simplefilter("ignore")
    _quieten_logging()


def _quieten_logging() -> None:
    logging.getLogger().addHandler(logging.NullHandler())  # without a handler, Python prints warnings to stderr
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # it has a handler of its own, and peft imports it
