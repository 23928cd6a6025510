"""Tickets in which some clauses have two readings, and the run of an old program that decides between them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

READING = re.compile(r"\[([^\[\]|]+) \| ([^\[\]|]+)\]")
RUN = re.compile(r"^```\w*\n(.*?)\n```$", re.DOTALL | re.MULTILINE)
RULE = re.compile(r"c = \((\d+) \* c \+ ([sv])\) mod\s(\d+)")
STATED = re.compile(r"\bchecksum was (\d+)\b")
VALUES = {**{letter: n for n, letter in enumerate("abcdefghijklmnopqrstuvwxyz", 1)}, **{str(n): n for n in range(10)}}


@dataclass(frozen=True)
class ChecksummedRun:
    """The input of a run, and the checksum of its output."""

    lines: list[str]
    factor: int
    modulus: int
    unit: str
    """`s` if the checksum has a term for each line, `v` if it has one for each letter and digit."""
    stated: int

    def fits(self, output: Sequence[str]) -> bool:
        """Return True if an output has the stated checksum.

        It is summed up from the last term to the first one, with rising powers of the factor.
        """
        total, weight = 0, 1
        for line in reversed(output):
            values = [VALUES[character] for character in reversed(line.lower()) if character in VALUES]
            for term in values if self.unit == "v" else [sum(values)]:
                total += weight * term
                weight *= self.factor
        return total % self.modulus == self.stated


def all_readings(clauses: Sequence[str]) -> list[list[str]]:
    """Return the clauses in all combinations of their readings.

    >>> all_readings(["Go [up | down].", "Stop."])
    [['Go up.', 'Stop.'], ['Go down.', 'Stop.']]
    """
    options = []
    for clause in clauses:
        match = READING.search(clause)
        if match is None:
            options.append([clause])
        else:
            before, after = clause[: match.start()], clause[match.end() :]
            options.append([before + match[1] + after, before + match[2] + after])
    return [list(combination) for combination in product(*options)]


def read_run(prompt: str) -> ChecksummedRun | None:
    """Return the run that a prompt describes; None if it has no checksum.

    Raises:
        ValueError: unless there are one rule, one checksum and an input.
    """
    rules, sums, inputs = RULE.findall(prompt), STATED.findall(prompt), RUN.findall(prompt)
    if not rules and not sums:
        return None
    if len(rules) != 1 or len(sums) != 1 or not inputs:
        raise ValueError(f"{len(rules)} rules, {len(sums)} checksums and {len(inputs)} inputs of a run")
    ((factor, unit, modulus),) = rules
    return ChecksummedRun(inputs[-1].split("\n"), int(factor), int(modulus), unit, int(sums[0]))
