"""A run of an old program, of which only the input and a checksum of the output are left.

At the upper rungs some clauses of a ticket are given in both readings, and the checksum decides which programs are
right: the twins differ in nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rewardbench.builders.draw import Resample, Rng

RUN_ATTEMPTS = 120
LINE_FACTORS, LINE_MODULI = (29, 31, 37, 41, 43, 47, 53, 59), (9973, 9967, 9949, 65521, 65537)
CHARACTER_FACTORS, CHARACTER_MODULI = (131, 137, 139, 149, 257, 263, 269, 271), (99991, 99989, 499979, 524287, 999983)
"""Constants of the checksum: where it takes a character at a time, its numbers are larger."""
FEWEST_LINES, FEWEST_CHARACTERS = 3, 40
"""Least number of lines of an output, or of characters if the checksum takes one at a time."""

RUN_TEXTS = (
    "About the brackets: the old program followed one of the two readings in each of them, but {person} no longer "
    "knows which. What we do have is the input of one run:\n\n```\n{lines}\n```\n\nThe output wasn't saved, only a "
    "checksum of it. {rule} The checksum was {checksum}. Any combination of readings that "
    "gives this is fine.",
    "where it says [this | that], please do what the old program did. how to find out: this input\n\n```\n{lines}\n"
    "```\n\ngave an output that i don't have, but our archive job made a checksum of it. {rule} "
    "the checksum was {checksum}. if several combinations fit, any of them will do",
    "Each [ | ] is an open question: one of the two readings was in force. What remains of the old system is the "
    "input of its last run,\n\n```\n{lines}\n```\n\nand a checksum of what came out. {rule} For "
    "the run above the checksum was {checksum}. A solution is accepted if it takes one reading of each pair "
    "throughout and reproduces that number.",
    "Acceptance test: the rules with brackets have two readings each, and the new code must choose so that this run "
    "comes out as it did last year:\n\n```\n{lines}\n```\n\nThe text of the output is lost, but not its checksum. "
    "{rule} Last year the checksum was {checksum}. Which readings you choose is otherwise up to you.",
    "{person} and I don't agree on what stands in brackets, the old program must decide. On this input\n\n```\n{lines}"
    "\n```\n\nit gave an output that nobody kept. Its checksum is in the logbook, though. {rule} The checksum "
    "was {checksum}. The new one has to get the same, with one reading of each bracket, always the same one.",
)
LINE_RULES = (
    "It goes like this: c = 0 at first; for every line of output, in order, c = ({factor} * c + s) mod {modulus}, "
    "where s adds up the characters of the line: a to z count 1 to 26 (capitals the same), a digit counts its value, "
    "and all else, accented letters too, counts 0.",
    "Start with c = 0 and go through the output line by line: c = ({factor} * c + s) mod {modulus}. For s, add up the "
    "line's letters (a = 1 to z = 26, capitals the same) and its digits (each its value); other characters, such as "
    "accented letters, add nothing.",
    "For each line let s be the sum of its letters, a = 1 to z = 26 whether capital or not, and of its digits, each "
    "at its value; spaces, signs and accented letters count 0. Beginning with c = 0, every line in turn makes "
    "c = ({factor} * c + s) mod {modulus}, and the last c is the checksum.",
)
CHARACTER_RULES = (
    "It is a hash over all letters and digits of the output: from c = 0 on, each of them in turn makes "
    "c = ({factor} * c + v) mod {modulus}. Here v is 1 to 26 for a to z, capital or not, and for a digit its value; "
    "all other characters, accented letters and line ends too, are left out.",
    "Begin with c = 0 and read the output from the first character to the last. A letter from a to z, capital or not, "
    "has v = 1 to 26, a digit has its own value as v, and for each such character c = ({factor} * c + v) mod "
    "{modulus}; spaces, signs, accented letters and line ends don't count.",
    "The archive hashes the output as one text: c = 0, then c = ({factor} * c + v) mod {modulus} for every character "
    "that is a digit (v is its value) or an unaccented letter (v is its place in the alphabet, capitals the same), "
    "skipping all others.",
)


@dataclass(frozen=True)
class LoggedRun:
    """An input on which programs differ, and how a checksum is made of an output."""

    lines: list[str]
    outputs: Sequence[list[str]]
    """The output of each program."""
    factor: int
    modulus: int
    by_line: bool
    """Whether the checksum takes a line at a time, not a character."""

    def checksum(self, output: Sequence[str]) -> int:
        """Return the checksum of an output.

        >>> LoggedRun([], [], 31, 9973, by_line=True).checksum(["ab 7", "Z"])
        336
        >>> LoggedRun([], [], 31, 9973, by_line=False).checksum(["b", "7"])
        69
        """
        checksum = 0
        for line in output:
            values = [value for value in map(_value, line.lower()) if value is not None]
            for term in [sum(values)] if self.by_line else values:
                checksum = (checksum * self.factor + term) % self.modulus
        return checksum

    def texts(self, rng: Rng) -> list[str]:
        """Return the paragraph on the run for each program, in the same words."""
        person = rng.people(1)[0]
        rules = LINE_RULES if self.by_line else CHARACTER_RULES
        rule = rng.pick(rules).format(factor=self.factor, modulus=self.modulus)
        frame = {"lines": "\n".join(self.lines), "rule": rule, "person": person}
        wording = rng.pick(RUN_TEXTS)
        return [wording.format(checksum=self.checksum(output), **frame) for output in self.outputs]


def _value(character: str) -> int | None:
    """Return what a character in lower case adds; None if it does not count."""
    if "a" <= character <= "z":
        return ord(character) - ord("a") + 1
    return int(character) if "0" <= character <= "9" else None


def draw_run(
    rng: Rng, draw_lines: Callable[[], list[str]], programs: Sequence[Callable[[list[str]], list[str]]], by_line: bool
) -> LoggedRun:
    """Draw an input on which the outputs of programs are long enough, and their checksums different.

    Raises:
        Resample: if there is no such input.
    """
    for _ in range(RUN_ATTEMPTS):
        lines = draw_lines()
        outputs = [program(lines) for program in programs]
        sizes = map(len, outputs) if by_line else (len("".join(output)) for output in outputs)
        if min(sizes) < (FEWEST_LINES if by_line else FEWEST_CHARACTERS):
            continue
        factors, moduli = (LINE_FACTORS, LINE_MODULI) if by_line else (CHARACTER_FACTORS, CHARACTER_MODULI)
        run = LoggedRun(lines, outputs, rng.pick(factors), rng.pick(moduli), by_line)
        if len({run.checksum(output) for output in outputs}) == len(outputs):
            return run
    raise Resample


def both_readings(first: str, second: str) -> str:
    """Return a sentence with the words in which two versions of it differ between brackets.

    >>> both_readings("Of equals the first counts.", "Of equals the last counts.")
    'Of equals the [first | last] counts.'
    >>> both_readings("It goes if it is free.", "It goes.")
    'It [goes if it is free. | goes.]'
    """
    left, right = first.split(" "), second.split(" ")
    start, end = 0, 0
    while start < min(len(left), len(right)) and left[start] == right[start]:
        start += 1
    while end < min(len(left), len(right)) - start and left[-1 - end] == right[-1 - end]:
        end += 1
    if start > 0 and start in (len(left) - end, len(right) - end):
        start -= 1
    middles = [" ".join(words[start : len(words) - end]) for words in (left, right)]
    return " ".join([*left[:start], f"[{middles[0]} | {middles[1]}]", *left[len(left) - end :]])
