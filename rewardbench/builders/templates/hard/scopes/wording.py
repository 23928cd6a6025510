"""Worlds and wordings of scopes, from the TOML files here."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any


@cache
def _read_toml(name: str) -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name(f"{name}.toml").read_text(encoding="utf-8"))


def worlds() -> list[dict[str, Any]]:
    """Return the worlds."""
    return list(_read_toml("worlds")["worlds"])


def wording() -> dict[str, Any]:
    """Return the wordings of rules, profiles and turns."""
    return _read_toml("wording")


def long_turns() -> list[list[str]]:
    """Return longer turns of a conversation, each a message of the user and a reply."""
    return list(_read_toml("long_turns")["turns"])


def bare(name: str) -> str:
    """Return a name without its article.

    >>> bare("the Orrery"), bare("Ada")
    ('Orrery', 'Ada')
    """
    return name.removeprefix("the ")
