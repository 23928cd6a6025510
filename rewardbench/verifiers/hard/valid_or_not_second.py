"""Check arguments as the prompt prints them: search for numbers that satisfy all lines above a line, and not it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

from rewardbench.verifiers.cells import BrokenCheck, Cell, cell_by_cell
from rewardbench.verifiers.hard.valid_or_not_search import argument_is_valid

CONNECTIVES = r"(?:So |Hence |Thus |It follows that |Therefore )?"
DATA = re.compile(r"^\(G\d+\) (.+)$", re.MULTILINE)
LINES = re.compile(rf"^\(?(\d+)[.)] {CONNECTIVES}(.+)$", re.MULTILINE)
RANGE = re.compile(r"whole numbers? from −(\d+) to (\d+)")
POWERS = {"²": 2, "³": 3}

LetterValues = dict[str, int]
NumberFunction = Callable[[LetterValues], int]
TruthFunction = Callable[[LetterValues], bool]


class _Parser:
    """Recursive descent over sums, products without a sign, powers and brackets."""

    def __init__(self, text: str) -> None:
        self.tokens: list[str] = re.findall(r"\d+|\S", text)
        self.place = 0

    def peek(self) -> str:
        """Return the next token, empty at the end."""
        return self.tokens[self.place] if self.place < len(self.tokens) else ""

    def take(self) -> str:
        """Return the next token, and go on."""
        self.place += 1
        return self.tokens[self.place - 1]

    def parse(self) -> NumberFunction:
        """Return the function that the text states."""
        expression = self.sum()
        if self.peek():
            raise BrokenCheck(f"cannot read {' '.join(self.tokens)!r}")
        return expression

    def sum(self) -> NumberFunction:
        """Read summands with their signs."""
        factor = -1 if self.peek() == "−" and self.take() else 1
        summands = [(factor, self.product())]
        while self.peek() in ("+", "−"):
            factor = -1 if self.take() == "−" else 1
            summands.append((factor, self.product()))
        return lambda numbers: sum(factor * part(numbers) for factor, part in summands)

    def product(self) -> NumberFunction:
        """Read factors that follow each other."""
        factors = [self.power()]
        while self.peek() and self.peek() not in "+−)":
            factors.append(self.power())

        def value(numbers: LetterValues) -> int:
            result = 1
            for part in factors:
                result *= part(numbers)
            return result

        return value

    def power(self) -> NumberFunction:
        """Read a number, a letter or a bracket, with its exponent."""
        token = self.take()
        base: NumberFunction
        if token == "(":
            base = self.sum()
            if self.take() != ")":
                raise BrokenCheck("a bracket is not closed")
        elif token.isdigit():
            base = lambda numbers: int(token)  # noqa: E731
        else:
            base = lambda numbers: numbers[token]  # noqa: E731
        if self.peek() in POWERS:
            exponent = POWERS[self.take()]
            return lambda numbers: int(base(numbers) ** exponent)
        return base


class _Sentence:
    """A statement with its letters."""

    def __init__(self, text: str) -> None:
        self.holds = _relation(text)
        symbols = re.sub(r"\b(?:divides|is|odd|even)\b", " ", text)
        self.letters = set(re.findall(r"[a-z]", symbols))


def _relation(text: str) -> TruthFunction:
    """Return the function that a statement states."""
    if match := re.fullmatch(r"(\d+) divides (.+)", text):
        divisor, multiple = int(match[1]), _Parser(match[2]).parse()
        return lambda numbers: multiple(numbers) % divisor == 0
    if match := re.fullmatch(r"(.+) is (odd|even)", text):
        number, is_odd = _Parser(match[1]).parse(), match[2] == "odd"
        return lambda numbers: number(numbers) % 2 == is_odd
    match = re.fullmatch(r"(.+) ([=≠<≤>≥]) (.+)", text)
    if not match:
        raise BrokenCheck(f"cannot read {text!r}")
    left, right = _Parser(match[1]).parse(), _Parser(match[3]).parse()
    comparisons: dict[str, TruthFunction] = {
        "=": lambda numbers: left(numbers) == right(numbers),
        "≠": lambda numbers: left(numbers) != right(numbers),
        "<": lambda numbers: left(numbers) < right(numbers),
        "≤": lambda numbers: left(numbers) <= right(numbers),
        ">": lambda numbers: left(numbers) > right(numbers),
        "≥": lambda numbers: left(numbers) >= right(numbers),
    }
    return comparisons[match[2]]


def _solutions(
    letters: Sequence[str], values: Sequence[int], conditions: Sequence[_Sentence]
) -> Iterator[LetterValues]:
    """Yield the numbers that satisfy all conditions: letter by letter, each condition as soon as it can be tried."""

    def extend(numbers: LetterValues) -> Iterator[LetterValues]:
        if len(numbers) == len(letters):
            yield dict(numbers)
            return
        letter = letters[len(numbers)]
        bound = {*numbers, letter}
        due = [condition for condition in conditions if letter in condition.letters and condition.letters <= bound]
        for value in values:
            larger = {**numbers, letter: value}
            if all(condition.holds(larger) for condition in due):
                yield from extend(larger)

    return extend({})


@lru_cache(maxsize=8)
def _gaps(prompt: str) -> list[int]:
    """Return the numbers of the lines that do not follow."""
    bounds = RANGE.search(prompt)
    data = list(map(_Sentence, DATA.findall(prompt)))
    entries = LINES.findall(prompt)
    if not bounds or not data or [int(number) for number, _ in entries] != list(range(1, len(entries) + 1)):
        raise BrokenCheck("the prompt has no derivation of the known form")
    values = range(-int(bounds[1]), int(bounds[2]) + 1)
    above = list(data)
    gaps = []
    for number, text in entries:
        line = _Sentence(text)
        letters = set(line.letters)
        for _ in above:
            for sentence in above:
                if sentence.letters & letters:
                    letters |= sentence.letters
        conditions = [sentence for sentence in above if sentence.letters <= letters]
        for numbers in _solutions(sorted(letters), values, conditions):
            if not line.holds(numbers):
                gaps.append(int(number))
                break
        above.append(line)
    return gaps


@lru_cache(maxsize=8)
def _is_valid(prompt: str, yes: str, no: str) -> bool:
    return argument_is_valid(prompt, yes, no)


def _passes(cell: Cell) -> bool:
    text = cell.response.lower()
    first, last = text.split("\n\n")[0], text.split("\n\n")[-1]
    accepts = not re.search(r"\bnot\b|doesn't|but one", first)
    if not RANGE.search(cell.prompt):
        if not re.search(r"\bvalid\b|\bfollows?\b", first):
            raise BrokenCheck("the response has no verdict")
        return accepts == _is_valid(cell.prompt, *cell.check["clauses"])
    gaps = _gaps(cell.prompt)
    named = re.findall(r"\bline (\d+)", last) or re.findall(r"\bline (\d+)", text)
    if not named:
        raise BrokenCheck("the response names no line")
    return not gaps if accepts else len(gaps) == 1 and str(gaps[0]) in named


verify_valid_or_not_again = cell_by_cell(_passes)
