"""Decide the arguments of a prompt by search: look for a case in which all statements are true and the conclusion not.

Branches on a name, and after each choice applies what the statements force (Davis, Logemann and Loveland 1962).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rewardbench.verifiers.cells import BrokenCheck

STATEMENT = re.compile(r"^(?:\d+\.|-|\(\d+\)|S\d+:) (.+)\.$", re.MULTILINE)
CONCLUSION = re.compile(
    r"^(?:Conclusion|So, my claim|Claimed to follow|From this my neighbour concludes): (.+)\.$", re.MULTILINE
)
AMOUNT = r"exactly \w+|at most \w+|at least \w+|an odd number|an even number"
COUNTED = (rf"Of (?P<names>.+), (?P<amount>{AMOUNT}) .+", rf"(?P<amount>(?i:{AMOUNT})) of (?P<names>.+)")
NUMBERS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6}


@dataclass(frozen=True)
class _Statement:
    """A statement: of the names stated to be true or false, as bits, a number in `allowed`, as bits, is as stated."""

    positive: int
    negative: int
    allowed: int

    def forced(self, true: int, false: int) -> tuple[int, int] | None:
        """Return the names that must be true and false if those of the arguments are, or None if that is impossible."""
        free = (self.positive | self.negative) & ~(true | false)
        free_count = free.bit_count()
        right = (self.positive & true | self.negative & false).bit_count()
        counts = self.allowed >> right & (2 << free_count) - 1  # numbers of free names that may be as stated
        if not counts:
            return None
        if counts == 1:
            return self.negative & free, self.positive & free
        if counts == 1 << free_count:
            return self.positive & free, self.negative & free
        return 0, 0


class _Reader:
    """Reads statements in the words of a prompt: `Ana comes`, `Ana stays away`."""

    def __init__(self, yes: str, no: str) -> None:
        self.yes, self.no = yes, no
        self.bits: dict[str, int] = {}

    def bit(self, name: str) -> int:
        """Return the bit of a name, whatever its first letter."""
        return self.bits.setdefault(name.lower(), 1 << len(self.bits))

    def literal(self, text: str) -> tuple[int, bool]:
        """Return the bit of the name of a clause, and whether it is stated to be true."""
        for ending, is_true in ((self.no, False), (self.yes, True)):
            name = text.strip().removesuffix(f" {ending}")
            if name != text.strip():
                return self.bit(name), is_true
        raise BrokenCheck(f"cannot read {text!r}")

    def statement(self, text: str) -> _Statement:
        """Return a statement of the prompt."""
        for pattern in COUNTED:
            if match := re.fullmatch(pattern, text):
                return self._counted(match["names"], match["amount"].lower())
        if match := re.fullmatch(r"If (.+), then (.+)", text):
            return self._some(re.split(" and ", match[1]), re.split(" or ", match[2]))
        if match := re.fullmatch(r"It can't be that (.+) all at once", text):
            return self._some(re.split(", | and ", match[1]), [])
        return self._some([], re.split(", or ", text))

    def _counted(self, listing: str, amount: str) -> _Statement:
        """Return a statement on how many names are true; the predicate, if it ends the list, is cut off."""
        *names, last = re.split(", | and ", listing)
        for ending in (self.yes, self.yes.replace("is ", "are ", 1), self.yes.removesuffix("s")):
            last = last.removesuffix(f" {ending}")
        bits = set(map(self.bit, [*names, last]))
        size, word = len(bits), amount.split()[-1]
        if word == "number":
            allowed = range("odd" in amount, size + 1, 2)
        else:
            number = NUMBERS[word]
            bounds = {"exactly": (number, number), "at least": (number, size), "at most": (0, number)}
            least, most = bounds[amount.removesuffix(f" {word}")]
            allowed = range(least, most + 1)
        return _Statement(sum(bits), 0, sum(map((1).__lshift__, allowed)))

    def _some(self, conditions: Sequence[str], consequences: Sequence[str]) -> _Statement:
        """Return the statement that a condition is false or a consequence is true."""
        bits = {True: 0, False: 0}
        for bit, is_true in map(self.literal, conditions):
            bits[not is_true] |= bit
        for bit, is_true in map(self.literal, consequences):
            bits[is_true] |= bit
        count = (bits[True] | bits[False]).bit_count()
        return _Statement(bits[True], bits[False], (2 << count) - 2)


def _has_case(statements: Sequence[_Statement], true: int, false: int) -> bool:
    """Return True if some case agrees with all statements and with the names that are true and false so far."""
    known = -1
    while known != true | false:
        known = true | false
        for statement in statements:
            forced = statement.forced(true, false)
            if forced is None:
                return False
            true, false = true | forced[0], false | forced[1]
    free = []
    for statement in statements:
        free.append((statement.positive | statement.negative) & ~known)
    shortest = min(filter(None, free), key=int.bit_count, default=0)
    if not shortest:
        return True
    bits = [1 << place for place in range(shortest.bit_length()) if shortest >> place & 1]
    branch = max(bits, key=lambda bit: sum(bool(names & bit) for names in free))
    return _has_case(statements, true | branch, false) or _has_case(statements, true, false | branch)


def argument_is_valid(prompt: str, yes: str, no: str) -> bool:
    """Return True if the conclusion of a prompt follows from its statements.

    Args:
        prompt: the text, with a statement a line.
        yes: the predicate of a name that is true, such as `comes`.
        no: the predicate of one that is not.
    """
    reader = _Reader(yes, no)
    statements = list(map(reader.statement, STATEMENT.findall(prompt)))
    conclusions = CONCLUSION.findall(prompt)
    if len(statements) < 2 or len(conclusions) != 1:
        raise BrokenCheck("the prompt has no argument of the known form")
    bit, is_true = reader.literal(conclusions[0])
    agreeing, opposed = ((bit, 0), (0, bit)) if is_true else ((0, bit), (bit, 0))
    if not _has_case(statements, *agreeing):
        raise BrokenCheck("the conclusion is false in every case that the statements allow")
    return not _has_case(statements, *opposed)
