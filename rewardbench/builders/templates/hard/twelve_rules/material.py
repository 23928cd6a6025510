"""Scenes and wordings of twelve-rules, from the TOML files here."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any


@cache
def _read_toml(name: str) -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name(f"{name}.toml").read_text(encoding="utf-8"))


def scenes() -> list[dict[str, Any]]:
    """Return the scenes."""
    return [*_read_toml("scenes_1")["scenes"], *_read_toml("scenes_2")["scenes"]]


def rule_texts(table: str = "") -> dict[str, list[str]]:
    """Return the wordings of rules, or another table of them."""
    texts: dict[str, list[str]] = _read_toml("rules")[table] if table else _read_toml("rules")
    return texts
