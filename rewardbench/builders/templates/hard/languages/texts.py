"""Read the texts of a language, and fill their slots."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from rewardbench.builders.draw import MirrorContent, Rng
from rewardbench.types import Messages


@cache
def read_texts(language: str, task: str) -> dict[str, Any]:
    """Return the texts of one task in one language.

    Args:
        language: English name of the language, in lower case.
        task: `retraction`, `policy`, `instruction`, `stock` or `tariff`.
    """
    content = tomllib.loads(Path(__file__).with_name(f"{language}.toml").read_text(encoding="utf-8"))
    texts: dict[str, Any] = content[task]
    return texts


def capitalize(text: str) -> str:
    """Return the text with its first letter in upper case, the others unchanged.

    >>> capitalize("für Tisch 3")
    'Für Tisch 3'
    """
    return text[:1].upper() + text[1:]


def fill_slots(frame: str, **values: str | int) -> str:
    """Fill the slots of a frame; a slot with an initial capital takes its value with one.

    >>> fill_slots("{Place}: {entry}", place="für Tisch 3", entry="Jonas")
    'Für Tisch 3: Jonas'
    """
    for name, value in values.items():
        text = str(value)
        frame = frame.replace(f"{{{name}}}", text).replace(f"{{{name.capitalize()}}}", capitalize(text))
    return frame


def write_number(texts: Mapping[str, Any], number: int) -> str:
    """Write a number with its digits in groups, as the language has them.

    >>> write_number({"thousands": ","}, 1234567), write_number({"thousands": ",", "group": 2}, 1234567)
    ('1,234,567', '12,34,567')
    """
    digits = str(number)
    groups, front = [digits[-3:]], digits[:-3]
    size = texts.get("group", 3)
    while front:
        groups.insert(0, front[-size:])
        front = front[:-size]
    return str(texts["thousands"]).join(groups)


def write_percent(texts: Mapping[str, Any], tenths: int) -> str:
    """Write a percentage, with a decimal if need be."""
    percent, tenth = divmod(tenths, 10)
    return f"{percent}{texts['decimal']}{tenth}" if tenth else str(percent)


def pick_some(rng: Rng, options: list[str], n: int) -> list[str]:
    """Return at most `n` of the options, so that two prompts seldom share all their wordings."""
    return rng.sample(options, min(n, len(options)))


def make_content(
    edit: str, prompts: list[Messages], replies: list[str], kind: str, language: str, halves: list[dict[str, Any]]
) -> MirrorContent:
    """Return a mirror.

    Args:
        edit: the differing detail of the prompts, in one line.
        prompts: both prompts.
        replies: the right response to each prompt.
        kind: of the verifier.
        language: English name of the language, in lower case.
        halves: for each prompt, what must hold of a right response.
    """
    check: dict[str, Any] = {"kind": kind}
    for name, half in zip("ab", halves, strict=True):
        check[name] = {"language": language, **half}
    return MirrorContent(edit, prompts[0], prompts[1], replies[0], replies[1], check)
