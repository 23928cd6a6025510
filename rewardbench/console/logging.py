"""What libraries are told to keep to themselves, so that the terminal is ours."""

from __future__ import annotations

import logging
import os
import sys
import warnings

QUIET = {
    "TRANSFORMERS_VERBOSITY": "error",
    "DATASETS_VERBOSITY": "error",
    "HF_HUB_VERBOSITY": "error",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TORCH_CPP_LOG_LEVEL": "ERROR",
}
"""What libraries are told before they are imported, unless the user told them otherwise."""


def quieten() -> None:
    """Libraries speak only of errors, and draw no bars but a download's; the manifest has what matters."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    logging.getLogger().addHandler(logging.NullHandler())  # else Python prints what no handler takes
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # type: ignore[no-untyped-call]


def quieten_worker() -> None:
    """Silence libraries in a worker process: its parent loads the same, and speaks for both."""
    os.environ.update(QUIET, HF_HUB_DISABLE_PROGRESS_BARS="1")
    warnings.simplefilter("ignore")
    logging.getLogger().addHandler(logging.NullHandler())
