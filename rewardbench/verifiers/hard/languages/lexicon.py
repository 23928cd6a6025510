"""The lexicon of a language: patterns with which the second programs read prompts and responses."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any


@cache
def read_lexicon(language: str, task: str) -> dict[str, Any]:
    """Return the patterns for one task in one language.

    Args:
        language: English name of the language, in lower case.
        task: `retraction`, `policy`, `instruction`, `stock` or `tariff`.
    """
    content = tomllib.loads(Path(__file__).with_name(f"{language}.toml").read_text(encoding="utf-8"))
    patterns: dict[str, Any] = content[task]
    return patterns


def matches(pattern: str, text: str) -> bool:
    """Return True if the pattern occurs in the text, in any case."""
    return re.search(pattern, text, re.IGNORECASE) is not None


def only(options: Sequence[Any], what: str) -> Any:
    """Return the only option.

    Raises:
        ValueError: if there are none or several.
    """
    if len(options) != 1:
        raise ValueError(f"{len(options)} readings of {what}, not 1: {options!r}")
    return options[0]
