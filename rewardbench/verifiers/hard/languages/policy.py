"""Second program for rule books: read clauses and case with keywords, and go through the clauses by precedence."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rewardbench.verifiers.cells import Cell, cell_by_cell
from rewardbench.verifiers.hard.languages.lexicon import matches, only, read_lexicon

CLAUSE = re.compile(r"^(\d+)\. (.+)$")
SENTENCE_END = re.compile(r"(?<=[.!?।。！？])\s*(?!\S*\d+[.)])|\n")
NUMBER = re.compile(r"\d+")


@dataclass
class WordedClause:
    """A clause as the prompt words it: facts with the value that they need, or a number and a comparison."""

    conditions: list[tuple[str, str, int]] = field(default_factory=list)
    exceptions: list[tuple[str, str, int]] = field(default_factory=list)
    approves: bool | None = None
    target: int = 0
    """Number of the clause that it excludes, if any."""


class BookReader:
    """Reads one prompt with the lexicon of its language and scene."""

    def __init__(self, cell: Cell) -> None:
        self.lexicon = read_lexicon(cell.check["language"], "policy")
        scenes = [scene for scene in self.lexicon["scenes"] if matches(scene["sign"], cell.prompt)]
        self.scene: Mapping[str, Any] = only(scenes, "the scene")
        self.facts: Mapping[str, str] = dict.fromkeys(self.scene["facts"], "fact") | dict.fromkeys(
            self.scene["numbers"], "number"
        )
        self.clauses: dict[int, WordedClause] = {}
        others = []
        for line in cell.prompt.split("\n"):
            match = CLAUSE.match(line)
            if match:
                self.clauses[int(match[1])] = self._read_clause(match[2])
            else:
                others.append(line)
        text = "\n".join(others)
        highest, lowest = matches(self.lexicon["highest"], text), matches(self.lexicon["lowest"], text)
        if highest == lowest:
            raise ValueError("the prompt does not say which clause has precedence")
        self.by_precedence = sorted(self.clauses, reverse=highest)
        self.case = self._read_case(text)

    def _key_in(self, text: str) -> str:
        keys = [key for key in self.facts if matches(key, text)]
        return str(only(keys, f"the fact in {text!r}")) if keys else ""

    def _read_condition(self, key: str, text: str) -> tuple[str, str, int]:
        if self.facts[key] == "fact":
            return key, "no" if matches(self.lexicon["negation"], text) else "yes", 0
        comparison = "above" if matches(self.lexicon["above"], text) else "up to"
        if comparison == "up to" and not matches(self.lexicon["up_to"], text):
            raise ValueError(f"no comparison in {text!r}")
        return key, comparison, int(only(NUMBER.findall(text), f"the limit in {text!r}"))

    def _read_clause(self, text: str) -> WordedClause:
        clause = WordedClause()
        target = re.search(self.lexicon["excludes"], text)
        if target:
            clause.target = int(only(list(filter(None, target.groups())), "the excluded clause"))
            text = text.replace(target[0], " ")
        conditions = clause.conditions
        for part in re.split(self.lexicon["separators"], text):
            if matches(self.lexicon["exception"], part):
                conditions = clause.exceptions
                part = re.sub(self.lexicon["exception"], " ", part, flags=re.IGNORECASE)
            key = self._key_in(part)
            if key:
                conditions.append(self._read_condition(key, part))
            elif matches(self.scene["decision"], part):
                clause.approves = not matches(self.lexicon["negation"], part)
        if (clause.approves is None) == (clause.target == 0):
            raise ValueError(f"no decision in {text!r}")
        return clause

    def _read_case(self, text: str) -> dict[str, int]:
        values: dict[str, int] = {}
        for sentence in SENTENCE_END.split(text):
            key = self._key_in(sentence)
            if not key:
                continue
            if key in values:
                raise ValueError(f"the case states a fact twice: {sentence!r}")
            if self.facts[key] == "number":
                values[key] = int(only(NUMBER.findall(sentence), f"the number in {sentence!r}"))
            else:
                values[key] = 0 if matches(self.lexicon["negation"], sentence) else 1
        return values

    def holds(self, condition: tuple[str, str, int]) -> bool:
        """Return True if a condition holds of the case."""
        key, comparison, limit = condition
        if comparison in ("yes", "no"):
            return self.case[key] == (comparison == "yes")
        return (self.case[key] > limit) == (comparison == "above")

    def is_met(self, clause: WordedClause) -> bool:
        """Return True if a clause has all its conditions and no exception."""
        return all(map(self.holds, clause.conditions)) and not any(map(self.holds, clause.exceptions))

    def applies(self, number: int) -> bool:
        """Return True if a clause is met and no other clause that applies excludes it."""
        for other, clause in self.clauses.items():
            if clause.target == number and self.applies(other):
                return False
        return self.is_met(self.clauses[number])


def agrees_with_book(cell: Cell) -> bool:
    """Return True if the response gives the decision, the deciding clause, and the clauses that apply."""
    reader = BookReader(cell)
    statuses = {n: reader.applies(n) for n in sorted(reader.clauses)}
    deciding = next(n for n in reader.by_precedence if statuses[n] and reader.clauses[n].approves is not None)
    approves, stated, listed = _read_reply(cell.response, reader)
    return (approves, stated, listed) == (reader.clauses[deciding].approves, deciding, statuses)


def _read_reply(response: str, reader: BookReader) -> tuple[bool, int, dict[int, bool]]:
    decisions: list[bool] = []
    deciding: list[int] = []
    statuses: dict[int, bool] = {}
    for line in response.split("\n"):
        numbers = list(map(int, NUMBER.findall(line)))
        if matches(reader.scene["decision"], line) and not numbers:
            decisions.append(not matches(reader.lexicon["negation"], line))
        elif numbers and matches(reader.lexicon["deciding"], line):
            deciding += numbers
        elif numbers:
            statuses[only(numbers, f"the clause in {line!r}")] = not matches(reader.lexicon["fails"], line)
    return bool(only(decisions, "the decision")), int(only(deciding, "the deciding clause")), statuses


verify_book = cell_by_cell(agrees_with_book)
