"""Second program for fees: read clauses and cases with keywords, and work out each case in exact fractions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from rewardbench.verifiers.cells import Cell, cell_by_cell
from rewardbench.verifiers.hard.languages.lexicon import matches, only, read_lexicon

CLAUSE = re.compile(r"^(\d+)\. (.+)$")
SENTENCE_END = re.compile(r"(?<=[.।。])\s*")
MONTH_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


@dataclass
class WordedFee:
    """A clause as the prompt words it: conditions with key, comparison and limit; and its effect."""

    conditions: list[tuple[str, str, Fraction]] = field(default_factory=list)
    effect: str = ""
    value: Fraction = Fraction(0)


class TariffReader:
    """Reads one prompt with the lexicon of its language and scene."""

    def __init__(self, cell: Cell) -> None:
        language = cell.check["language"]
        self.lexicon, self.policy = read_lexicon(language, "tariff"), read_lexicon(language, "policy")
        self.months = read_lexicon(language, "instruction")["months"]
        scenes = [scene for scene in self.policy["scenes"] if matches(scene["sign"], cell.prompt)]
        self.scene: Mapping[str, Any] = only(scenes, "the scene")
        lines = cell.prompt.split("\n")
        self.clauses: list[WordedFee] = []
        self.cases: list[re.Match[str]] = []
        for line in lines:
            clause, case = CLAUSE.match(line), re.match(self.lexicon["case"], line)
            if clause:
                self.clauses.append(self._read_clause(clause[2]))
            elif case:
                self.cases.append(case)

    def _key_in(self, text: str) -> str:
        return str(only([key for key in self.scene["facts"] if matches(key, text)], f"the fact in {text!r}"))

    def _read_clause(self, text: str) -> WordedFee:
        clause = WordedFee()
        for effect, pattern in self.lexicon["effects"].items():
            match = re.search(pattern, text, re.IGNORECASE)
            if match:
                clause.effect = effect
                clause.value = _number(only(list(filter(None, match.groups())), f"the value in {text!r}"))
                text = text.replace(match[0], "")
        if not clause.effect:
            raise ValueError(f"no effect in {text!r}")
        for part in re.split(self.lexicon["separators"], text):
            if matches(self.lexicon["sum"], part) or matches(self.lexicon["days"], part):
                clause.conditions.append(self._read_limit(part))
            elif any(matches(key, part) for key in self.scene["facts"]):
                comparison = "no" if matches(self.policy["negation"], part) else "yes"
                clause.conditions.append((self._key_in(part), comparison, Fraction(0)))
        if not clause.conditions:
            raise ValueError(f"no condition in {text!r}")
        return clause

    def _read_limit(self, text: str) -> tuple[str, str, Fraction]:
        key = "sum" if matches(self.lexicon["sum"], text) else "days"
        comparison = "above" if matches(self.lexicon["above"], text) else "up to"
        if comparison == "up to" and not matches(self.lexicon["up_to"], text):
            raise ValueError(f"no comparison in {text!r}")
        return key, comparison, _number(only(re.findall(r"\d+(?:[.,]\d\d)?", text), f"the limit in {text!r}"))

    def _day_number(self, text: str) -> int:
        """Return the days from the beginning of the year 1 to a date in any form."""
        for n, month in enumerate(self.months, 1):
            text = re.sub(rf"(?<![^\s]){re.escape(month)}(?![^\s])", f" {n} ", text)
        numbers = list(map(int, re.findall(r"\d+", text)))
        year, month_number, day = numbers if numbers[0] > 31 else numbers[::-1]
        days = sum(MONTH_DAYS[: month_number - 1]) + day + 365 * (year - 1) + (year - 1) // 4
        return days + (1 if year % 4 == 0 and month_number > 2 else 0)

    def fee(self, case: re.Match[str]) -> Fraction:
        """Return the fee of a case, in whole cents."""
        facts = {}
        for sentence in filter(None, SENTENCE_END.split(case["rest"].strip())):
            facts[self._key_in(sentence)] = not matches(self.policy["negation"], sentence)
        days = self._day_number(case["end"]) - self._day_number(case["start"]) + 1
        amount = days * _number(case["rate"])
        for clause in self.clauses:
            values = {"sum": amount, "days": Fraction(days)}
            if not all(_holds(condition, values, facts) for condition in clause.conditions):
                continue
            change = amount * clause.value / 100 if clause.effect in ("up", "down") else clause.value
            amount += change if clause.effect in ("up", "plus") else -change
            amount = Fraction(amount * 100 // 1, 100)
        return amount


def _number(text: str) -> Fraction:
    return Fraction(text.replace(",", "."))


def _holds(condition: tuple[str, str, Fraction], values: Mapping[str, Fraction], facts: Mapping[str, bool]) -> bool:
    key, comparison, limit = condition
    if key in values:
        return (values[key] > limit) == (comparison == "above")
    return facts[key] == (comparison == "yes")


def agrees_with_tariff(cell: Cell) -> bool:
    """Return True if the one amount of the response is the total of all cases.

    Raises:
        ValueError: if the prompt has no cases, or a clause or case is not in the lexicon.
    """
    reader = TariffReader(cell)
    if not reader.cases or not reader.clauses:
        raise ValueError("the prompt has no cases or no clauses")
    euros, cents = only(re.findall(reader.lexicon["amount"], cell.response), "the amount of the response")
    return sum(map(reader.fee, reader.cases)) == Fraction(int(euros) * 100 + int(cents), 100)


verify_tariff = cell_by_cell(agrees_with_tariff)
