"""Fragments: a few lines of a program with a trap, and a model in Python of what they do.

A program has a number and a list of numbers, which its fragments change one after another. The lines of a fragment use
`$x` and `$data` for them, names that start with `$` for its other variables, and `⟦this¦that⟧` for the token in which
two twins differ.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from string import Template as Places

from rewardbench.builders.draw import Rng

TOKEN = re.compile(r"⟦(.*?)¦(.*?)⟧")


@dataclass
class ProgramState:
    """The variables of a program while it runs."""

    x: int
    data: list[int]

    def copy(self) -> ProgramState:
        """Return an independent copy."""
        return ProgramState(self.x, list(self.data))


FragmentModel = Callable[[ProgramState, int], str]
"""Changes the state as the lines do, in variant 0 or 1, and returns a remark on the way there (may be empty)."""


@dataclass(frozen=True)
class Fragment:
    """A few lines of a program."""

    lines: tuple[str, ...]
    model: FragmentModel
    before: tuple[str, ...] = ()
    """Definitions that must precede the program."""

    @property
    def has_token(self) -> bool:
        """Whether twins can differ in it."""
        return TOKEN.search("\n".join(self.lines + self.before)) is not None

    def text(self, variant: int, names: dict[str, str]) -> tuple[list[str], list[str]]:
        """Return the definitions and the lines in one variant."""
        definitions = [fill(line, variant, names) for line in self.before]
        return definitions, [fill(line, variant, names) for line in self.lines]


FragmentMaker = Callable[[Rng], Fragment]


@dataclass(frozen=True)
class ProgramLanguage:
    """How a language frames a program, and its fragments."""

    title: str
    frame: Callable[[list[str], list[str], ProgramState, dict[str, str]], str]
    """Returns the program of definitions and lines, given the initial state and the names."""
    print_all: tuple[str, ...]
    """The lines that print the number and the list."""
    print_number: str
    """The line that prints the number only."""
    output: Callable[[ProgramState], str]
    """Returns what the last line prints."""
    makers: tuple[FragmentMaker, ...]

    def program(
        self,
        definitions: list[str],
        lines: list[str],
        start: ProgramState,
        names: dict[str, str],
        with_list: bool = True,
    ) -> str:
        """Return the program that prints the number, and the list if `with_list`, after its lines."""
        last = self.print_all if with_list else (self.print_number,)
        return self.frame(definitions, [*lines, *(fill(line, 0, names) for line in last)], start, names)


def fill(line: str, variant: int, names: dict[str, str]) -> str:
    """Return a line in one variant with its names."""
    return Places(TOKEN.sub(rf"\{variant + 1}", line)).substitute(names)


def truncated(dividend: int, divisor: int) -> tuple[int, int]:
    """Return quotient and remainder as C, Java and JavaScript compute them: rounded towards zero.

    >>> truncated(-7, 2)
    (-3, -1)
    """
    quotient = abs(dividend) // abs(divisor)
    if (dividend < 0) != (divisor < 0):
        quotient = -quotient
    return quotient, dividend - quotient * divisor


def wrapped(value: int, bits: int, signed: bool = True) -> int:
    """Return a value as an integer of this number of bits holds it.

    >>> wrapped(300, 8, signed=False), wrapped(200, 8)
    (44, -56)
    """
    value %= 2**bits
    return value - 2**bits if signed and value >= 2 ** (bits - 1) else value


def listed(values: list[int]) -> str:
    """Return numbers for a sentence.

    >>> listed([3, 1])
    '3, 1'
    """
    return ", ".join(map(str, values)) if values else "nothing"
