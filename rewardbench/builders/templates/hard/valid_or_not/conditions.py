"""Random assumptions of which two together, and neither alone, license the delicate line of an argument."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rewardbench.builders.draw import Rng
from rewardbench.builders.templates.hard.valid_or_not.polynomials import to_terms
from rewardbench.verifiers.hard.valid_or_not import LetterGrid, truth

TRIALS = 60
"""Random assumptions that are tried for each place."""
MOST_EXCEPTIONS = 12
"""Exceptions to the delicate line that the first assumption leaves to the second."""
LEAST_CHOICES = 3
"""Choices of numbers that satisfy all assumptions."""
MOST_ESCAPES = 3
"""Exceptions that the weaker second assumption leaves."""
SHAPES = (
    "{p}{u} {sign} {q}{v}",
    "{p}{u}² {sign} {q}{v}",
    "{p}{u} {sign} {q}{v}²",
    "{u}{v} {sign} {p}{u}",
    "{u}² {sign} {v}²",
)

LineFlags = NDArray[np.bool_]
"""In which choices of numbers a statement holds: [choices]."""


@dataclass(frozen=True)
class LicensePair:
    """Two assumptions that license a line, and a weaker form of the second one that does not."""

    first: str
    enough: str
    short: str


def draw_license(rng: Rng, letters: str, data: Sequence[str], line: str) -> LicensePair | None:
    """Draw the assumptions of an argument on two of the letters x, y and z; return None if none turn up.

    Args:
        rng: source of all random choices.
        letters: the letters of the argument.
        data: the assumptions that it has anyway.
        line: its delicate line.
    """
    axes = np.meshgrid(*[np.arange(-9, 10)] * len(letters), indexing="ij")
    grid = dict(zip(letters, map(np.ravel, axes), strict=True))
    possible = np.ones(grid[letters[0]].size, dtype=bool)
    for statement in data:
        possible &= truth(to_terms(statement), grid)
    grid = {letter: numbers[possible] for letter, numbers in grid.items()}
    choices = truth(to_terms(line), grid)
    exceptions = ~choices
    for _ in range(TRIALS):
        first = _statement(rng, letters)
        is_left = truth(to_terms(first), grid)
        if not 1 < (exceptions & is_left).sum() <= MOST_EXCEPTIONS or (choices & is_left).sum() < 2 * LEAST_CHOICES:
            continue
        pair = _second(rng, letters, grid, (exceptions, choices, is_left))
        if pair:
            return LicensePair(first, *pair)
    return None


def _second(
    rng: Rng, letters: str, grid: LetterGrid, flags: tuple[LineFlags, LineFlags, LineFlags]
) -> tuple[str, str] | None:
    """Return an assumption that rules out the exceptions that the first one leaves, and a weaker one."""
    exceptions, choices, is_left = flags
    for _ in range(TRIALS // 3):
        forms = _two_forms(rng, letters)
        tight = truth(to_terms(forms[0]), grid)
        is_license = not (exceptions & is_left & tight).any() and (exceptions & tight).any()
        if is_license and (choices & is_left & tight).sum() >= LEAST_CHOICES:
            loose = truth(to_terms(forms[1]), grid)
            if 0 < (exceptions & is_left & loose).sum() <= MOST_ESCAPES:
                return forms
    return None


def _expression(rng: Rng, letters: str) -> str:
    u, v = rng.sample(letters, 2)
    factors = [str(n) if n > 1 else "" for n in rng.numbers(2, 1, 4)]
    return rng.pick(SHAPES).format(p=factors[0], q=factors[1], u=u, v=v, sign=rng.pick("+−"))


def _statement(rng: Rng, letters: str) -> str:
    expression = _expression(rng, letters)
    if rng.chance(0.25):
        return f"{rng.number(3, 7)} divides {expression} + {rng.number(1, 5)}"
    return _comparison(expression, rng.pick("≤≥"), rng.number(-20, 20))


def _two_forms(rng: Rng, letters: str) -> tuple[str, str]:
    """Return two assumptions that differ in one number."""
    expression = _expression(rng, letters)
    if rng.chance(0.3):
        modulus = rng.number(3, 7)
        first, second = rng.numbers(2, 1, modulus - 1)
        return f"{modulus} divides {expression} + {first}", f"{modulus} divides {expression} + {second}"
    sign, bound = rng.pick("≤≥"), rng.number(-20, 20)
    shift = rng.number(1, 4) * rng.pick((-1, 1))
    return _comparison(expression, sign, bound), _comparison(expression, sign, bound + shift)


def _comparison(expression: str, sign: str, bound: int) -> str:
    return f"{expression} {sign} {'−' if bound < 0 else ''}{abs(bound)}"
