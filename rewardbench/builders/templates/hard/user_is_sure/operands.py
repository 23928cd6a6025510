"""Texts and operands that the tasks share."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from rewardbench.builders.draw import Resample, Rng

WORDS = """
    acorn almond anchor autumn banana basket beetle bridge butter candle carpet cellar cheese copper cotton desert
    dinner eleven engine escape fennel ferret fields flower forest garden ginger goblet hammer harbor helmet honeybee
    insect island jacket jungle kettle ladder lantern lemon letter linen marble meadow mirror needle nettle nutmeg
    orange orchard oyster pebble pepper pigeon planet pocket quarter quiver raisin reindeer ribbon saddle seventeen
    shelter silver spider stable summer teapot temple thistle timber tunnel turnip umbrella velvet vessel walnut
    weather whistle willow window winter yellow
""".split()
"""Words of the letter counts, all in lower case."""


@cache
def read_texts(name: str) -> Mapping[str, Any]:
    """Return the content of a TOML file of this package."""
    return tomllib.loads(Path(__file__).with_name(f"{name}.toml").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Task:
    """A computation with two settings of its operands."""

    name: str
    fixed: dict[str, Any]
    operands: tuple[list[Any], list[Any]]
    texts: tuple[str, str]
    """The question with the operands of each setting."""


def change(rng: Rng, operands: list[Any], options: Callable[[Any], Any]) -> tuple[list[Any], list[Any]]:
    """Return the operands, and a copy in which one has another value."""
    place = rng.number(0, len(operands) - 1)
    other = list(operands)
    other[place] = options(operands[place])
    if other == operands:
        raise Resample
    return operands, other


def numbered(rng: Rng) -> Callable[[list[str]], str]:
    """Choose how numbered lines look."""
    mark = rng.pick(("{}) ", "{}. ", "#{} "))

    def write(items: list[str]) -> str:
        return "\n".join(mark.format(n) + item for n, item in enumerate(items, 1))

    return write


def change_alike(
    rng: Rng, operands: list[Any], options: Callable[[Any], Any], is_alike: Callable[[list[Any], list[Any]], bool]
) -> tuple[list[Any], list[Any]]:
    """Return the operands, and a copy in which one has another value, so that the results look alike.

    Args:
        rng: source of all random choices.
        operands: the operands.
        options: returns another value of an operand.
        is_alike: returns True if nothing but the whole computation tells the results of two settings apart.

    Raises:
        Resample: if none of many changes does it.
    """
    for _ in range(2000):
        place = rng.number(0, len(operands) - 1)
        other = [*operands[:place], options(operands[place]), *operands[place + 1 :]]
        if other != operands and is_alike(operands, other):
            return operands, other
    raise Resample
