"""Verifiers for the points of `policy-engine`: run numbered clauses on a count of points, and compare the decision.

The first program reads the structured clauses and facts of the check. The second reads clauses, facts and limit from
the prompt, sentence by sentence, and applies them as it reads them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from rewardbench.verifiers.cells import BrokenCheck, Cell, cell_by_cell
from rewardbench.verifiers.hard.policy_engine import NUMBERED, Facts, PromptFacts

PointsPolicy = Mapping[str, Any]
"""`start`, `rounds`, `modulus`, `limit`, and `clauses` in the order of their numbers.

A clause has `n`, the literals `when` and `unless` (or None), and the operations `then` and `otherwise` (or None).
"""


def literal_holds(literal: Sequence[Any], facts: Facts, points: int) -> bool:
    """Return True if a literal holds: of a fact, of a quantity, or of the points as they are."""
    name, relation, value = literal
    if name == "last digit":
        return bool((points % 10 >= 5) == value)
    amount: int = points if name == "points" else facts[name]
    if relation == "is":
        return bool(bool(amount) == value)
    if relation == "odd":
        return bool((amount % 2 == 1) == value)
    comparisons: dict[str, bool] = {
        ">": amount > value,
        ">=": amount >= value,
        "<": amount < value,
        "<=": amount <= value,
    }
    return comparisons[relation]


def count_points(policy: PointsPolicy, facts: Facts) -> int:
    """Return the points after all rounds."""
    points: int = policy["start"]
    for _ in range(policy["rounds"]):
        skipped: set[int] = set()
        for clause in policy["clauses"]:
            if clause["n"] in skipped:
                continue
            applies = clause["when"] is None or literal_holds(clause["when"], facts, points)
            if clause["unless"] is not None and literal_holds(clause["unless"], facts, points):
                applies = False
            operation = clause["then"] if applies else clause["otherwise"]
            if operation is None:
                continue
            if operation[0] == "skip":
                skipped.add(operation[1])
            else:
                points = _operate(operation, facts, points) % policy["modulus"]
    return points


def _operate(operation: Sequence[Any], facts: Facts, points: int) -> int:
    kind, *arguments = operation
    if kind == "each":
        return points + int(arguments[0]) * facts[arguments[1]]
    if kind == "reverse":
        return int(str(points)[::-1])
    results: dict[str, int] = {
        "add": points + arguments[0], "take": points - arguments[0], "times": points * arguments[0]
    }  # fmt: skip
    return results[kind]


def points_verdict(policy: PointsPolicy, facts: Facts) -> str:
    """Return the verdict of the points after all rounds."""
    return "allow" if count_points(policy, facts) >= policy["limit"] else "decline"


def decides_by_points(cell: Cell) -> bool:
    """Return True if the decision of a response is that of the points."""
    verdicts: list[str] = []
    for verdict, label in cell.check["labels"].items():
        if label in cell.response.lower():
            verdicts.append(verdict)
    if len(verdicts) != 1:
        raise BrokenCheck("the response has no single decision")
    return verdicts == [points_verdict(cell.check["policy"], cell.check["facts"])]


# The second program.

START = re.compile(r"(?:starts with|begin with|opens at) (\d+) points")
ROUND = re.compile(r"from the first to the last, (\d+) times")
MODULUS = re.compile(r"(\d+) points or more")
OUTCOMES = re.compile(
    r"(?:at least|from) (\d+) points(?: at the end)?: ([^;.]+)[;.] (?:with fewer|below that): ([^;.]+)\."
)
POINTS = re.compile(r"there are (more|fewer) than (\d+) points")


class PointsCase(PromptFacts):
    """The clauses and facts of a prompt, and the points as they change."""

    def __init__(self, messages: Sequence[Mapping[str, Any]]) -> None:
        text = ""
        for message in messages:
            text += message["content"] + "\n\n"
        super().__init__(text)
        self.clauses = sorted((int(number), line.rstrip(".")) for number, line in NUMBERED.findall(text))
        start, rounds, modulus, outcomes = (pattern.search(text) for pattern in (START, ROUND, MODULUS, OUTCOMES))
        if start is None or rounds is None or modulus is None or outcomes is None or not self.clauses:
            raise BrokenCheck("the prompt does not say how to count")
        self.points, self.rounds, self.modulus = int(start[1]), int(rounds[1]), int(modulus[1])
        self.limit, self.labels = int(outcomes[1]), (outcomes[3], outcomes[2])

    def label(self) -> str:
        """Return the decision in the words of the prompt."""
        for _ in range(self.rounds):
            absent: list[str] = []
            for number, line in self.clauses:
                if str(number) in absent:
                    continue
                action = self._action(line)
                skip = re.fullmatch(r"leave out clause (\d+) in this round", action)
                if skip:
                    absent.append(skip[1])
                elif action:
                    self._act(action)
        return self.labels[self.points >= self.limit]

    def _action(self, line: str) -> str:
        """Return what a clause says to do now, or nothing."""
        if line.startswith("Always "):
            return line.removeprefix("Always ")
        leading = re.fullmatch(r"(?:If|Where) ([^:]+): ([^;]+)(?:; in all other cases ([^;]+))?", line)
        trailing = re.fullmatch(r"([A-Z].+?) (?:if|where) (.+)", line)
        if leading:
            condition, action, alternative = leading.groups(default="")
        elif trailing:
            action, condition, alternative = trailing[1][0].lower() + trailing[1][1:], trailing[2], ""
        else:
            raise BrokenCheck(f"clause {line!r} cannot be read")
        condition, _, exception = condition.partition(", unless ")
        is_met = self._literal(condition) and not (exception and self._literal(exception))
        return action if is_met else alternative

    def _act(self, action: str) -> None:
        """Change the points as an action says."""
        numbers = list(map(int, re.findall(r"\d+", action.partition(" (")[0])))
        each = re.fullmatch(r"add \d+ times the figure for (the .+)", action)
        if each:
            product = numbers[0] * self.figure(each[1])
            self.points += product
        elif action.startswith("write the points backwards"):
            digits = ""
            for digit in str(self.points):
                digits = digit + digits
            self.points = int(digits)
        elif action.startswith("multiply"):
            self.points = sum([self.points] * numbers[0])
        elif action.startswith(("add ", "take off ")):
            self.points += numbers[0] if action.startswith("add") else -numbers[0]
        else:
            raise BrokenCheck(f"{action!r} cannot be read")
        while self.points < 0:
            self.points += self.modulus
        self.points -= self.points // self.modulus * self.modulus

    def _literal(self, text: str) -> bool:
        comparison = POINTS.fullmatch(text)
        if comparison:
            difference = self.points - int(comparison[2])
            return difference > 0 if comparison[1] == "more" else difference < 0
        parity = re.fullmatch(r"the number of points is (odd|even)", text)
        if parity:
            return str(self.points)[-1] in ("13579" if parity[1] == "odd" else "02468")
        digit = re.fullmatch(r"the last digit of the points is (5 or more|4 or less)", text)
        if digit:
            return str(self.points)[-1] in ("56789" if digit[1] == "5 or more" else "01234")
        return super()._literal(text)


def states_outcome(cell: Cell) -> bool:
    """Return True if a response gives the decision that the prompt's clauses lead to."""
    decisions = re.findall(r"(?:answer|[Dd]ecision|verdict)(?: is)?: ([^.;]+)[.;]", cell.response)
    if len(decisions) != 1:
        raise BrokenCheck("the response has no single decision")
    case = PointsCase(cell.messages)
    if decisions[0] not in case.labels:
        raise BrokenCheck("the decision is not in the words of the rules")
    return bool(decisions[0] == case.label())


verify_points = cell_by_cell(decides_by_points)
verify_points_by_reading = cell_by_cell(states_outcome)
