"""Load a fresh draw: newly generated mirrors that are compared with the built ones of an embedded suite."""

from __future__ import annotations

from pathlib import Path

from rewardbench.errors import InputError
from rewardbench.settings import Settings
from rewardbench.suites import load_suite
from rewardbench.types import Suite

FRESH_SUITES = ("core", "core-style", "core-hard", "core-long")
"""Suites with builders, of which a fresh draw can be made."""


def load_fresh_draw(settings: Settings, suite: Suite, folder: Path | None) -> Suite | None:
    """Load the fresh draw of a suite; None if the settings name no seed.

    Args:
        settings: of the run; `fresh` is the seed.
        suite: the suite of the run, as loaded.
        folder: rows of the draw.

    Raises:
        InputError: if the folder is missing, or the suite is not a complete suite with builders.
    """
    if settings.fresh is None:
        return None
    if suite.name not in FRESH_SUITES or settings.protocol or "+" in suite.revision.partition("+")[2]:
        raise InputError(
            f"A fresh draw is compared with a complete suite, {', '.join(FRESH_SUITES)}: leave out --split, --subset, "
            "--limit and --sample."
        )
    if folder is None:
        raise InputError("fresh works on the command line only: rewardbench --fresh SEED.")
    return load_suite(str(folder), protocol=suite.name)
