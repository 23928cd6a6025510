"""Second program for quantities: read the list and every change in the turns, drop what is taken back, and book."""

from __future__ import annotations

import re
from fractions import Fraction
from math import floor

from rewardbench.verifiers.cells import Cell, cell_by_cell
from rewardbench.verifiers.hard.languages.lexicon import matches, only, read_lexicon
from rewardbench.verifiers.hard.languages.retraction import mentions

ROW = re.compile(r"^(.+?) ?[:：] ?(\d[\d., ]*)$")
PERCENTAGE = re.compile(r"(\d+(?:[.,]\d)?) ?(?:%|प्रतिशत)")
QUANTITY = re.compile(r"\d[\d., ]*\d|\d")
"""A number whose digits may be in groups."""


class StockReader:
    """Reads one prompt with the lexicon of its language, and keeps the books."""

    def __init__(self, cell: Cell) -> None:
        self.lexicon = read_lexicon(cell.check["language"], "stock")
        turns = [message["content"] for message in cell.messages if message["role"] == "user"]
        rows = filter(None, map(ROW.match, turns[0].split("\n")))
        self.first = {row[1]: _digits(row[2]) for row in rows}
        self.stock = dict(self.first)
        valid: list[list[str]] = []
        for turn in turns[1:-1]:
            lines = turn.split("\n")
            if self._kind_of(lines[0]) == "undo":
                number = QUANTITY.search(lines[0])
                del valid[len(valid) - (int(number[0]) if number else 1) :]
            else:
                valid.append(lines)
        for lines in valid:
            for line in lines:
                self._book(line)
        self.wanted = list(dict.fromkeys(mentions(turns[-1], list(self.first)).values()))

    def _kind_of(self, line: str) -> str:
        """Return the kind of a change; the first that matches."""
        for kind, pattern in self.lexicon["changes"]:
            if matches(pattern, line):
                return str(kind)
        raise ValueError(f"no change in {line!r}")

    def _book(self, line: str) -> None:
        kind = self._kind_of(line)
        places = list(dict.fromkeys(mentions(line, list(self.first)).values()))
        if len(places) != {"move": 2, "swap": 2, "share": 3}.get(kind, 1):
            raise ValueError(f"{kind} with {places} in {line!r}")
        if kind == "move":
            percentage = only(PERCENTAGE.findall(line), f"the percentage in {line!r}")
            self._transfer(places, Fraction(percentage.replace(",", ".")) / 100)
        elif kind == "share":
            name = max(filter(line.__contains__, self.lexicon["fractions"]), key=len)
            self._transfer(places, Fraction(1, self.lexicon["fractions"][name]))
        elif kind == "swap":
            first, second = places
            self.stock[first], self.stock[second] = self.stock[second], self.stock[first]
        elif kind == "restore":
            self.stock[places[0]] = self.first[places[0]]
        else:
            quantity = _digits(only(QUANTITY.findall(line), f"the quantity in {line!r}"))
            self.stock[places[0]] += quantity if kind == "add" else -quantity

    def _transfer(self, places: list[str], share: Fraction) -> None:
        source, *targets = places
        part = floor(self.stock[source] * share)
        for target in targets:
            self.stock[source] -= part
            self.stock[target] += part


def _digits(text: str) -> int:
    return int("".join(filter(str.isdigit, text)))


def agrees_with_stock(cell: Cell) -> bool:
    """Return True if the one number of the response is the total that the last turn asks for.

    Raises:
        ValueError: if a line of a turn is no change that the lexicon knows, or the last turn names no three places.
    """
    reader = StockReader(cell)
    if len(reader.wanted) != 3:
        raise ValueError(f"the question names {reader.wanted}")
    stated = list(map(_digits, QUANTITY.findall(cell.response)))
    return stated == [sum(reader.stock[place] for place in reader.wanted)]


verify_stock = cell_by_cell(agrees_with_stock)
