"""Verifiers for `policy-engine`: interpret numbered clauses with exceptions, and compare the decision of a response.

The first program reads the structured clauses and facts of the check, and settles them in rounds. The
second reads clauses, words and facts out of the prompt, and asks for each clause in turn what could switch it off.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rewardbench.verifiers.cells import BrokenCheck, Cell, cell_by_cell

Facts = Mapping[str, bool | int]
Clause = Mapping[str, Any]
"""`n`; `kind` rule or off; `when`, its literals, and `any`; `verdict` and `firm` of a rule; `target` of an off."""
Policy = Mapping[str, Any]
"""`clauses` in the order of their numbers, and `order`, highest or lowest."""

UNMET, OFF, OUTRANKED, DECIDES, ACTIVE = "not met", "switched off", "outranked", "decides", "active"


def holds(condition: Clause, facts: Facts) -> bool:
    """Return True if the condition of a clause is met."""
    outcomes: list[bool] = []
    for name, relation, value in condition["when"]:
        if relation == "is":
            outcomes.append(bool(facts[name]) == value)
        else:
            amount = facts[name]
            comparisons = {">": amount > value, ">=": amount >= value, "<": amount < value, "<=": amount <= value}
            outcomes.append(comparisons[relation])
    return any(outcomes) if condition["any"] else all(outcomes)


def interpret(policy: Policy, facts: Facts) -> dict[int, str]:
    """Return what each clause comes to, by number.

    Each round settles the clauses of which everything that may switch them off is settled.
    """
    statuses: dict[int, str] = {}
    pending: list[Clause] = []
    for clause in policy["clauses"]:
        if holds(clause, facts):
            pending.append(clause)
        else:
            statuses[clause["n"]] = UNMET
    while pending:
        targets = {clause["target"] for clause in pending if clause["kind"] == "off"}
        ready = [clause for clause in pending if clause["n"] not in targets]
        if not ready:
            raise BrokenCheck("clauses switch each other off in a circle")
        switched_off = {other["target"] for other in policy["clauses"] if statuses.get(other["n"]) == ACTIVE}
        for clause in ready:
            in_force = ACTIVE if clause["kind"] == "off" else OUTRANKED
            statuses[clause["n"]] = OFF if clause["n"] in switched_off else in_force
        pending = [clause for clause in pending if clause["n"] not in statuses]
    candidates: list[tuple[bool, bool, int]] = []
    sign = 1 if policy["order"] == "highest" else -1
    for clause in policy["clauses"]:
        if statuses[clause["n"]] == OUTRANKED:
            candidates.append((clause["n"] > 1, clause["firm"], sign * clause["n"]))
    statuses[abs(max(candidates)[2])] = DECIDES
    return statuses


def deciding_clause(policy: Policy, facts: Facts) -> Clause:
    """Return the clause that decides."""
    statuses = interpret(policy, facts)
    return next(clause for clause in policy["clauses"] if statuses[clause["n"]] == DECIDES)


def applies_policy(cell: Cell) -> bool:
    """Return True if decision and cited clause of a response are right."""
    policy, labels = cell.check["policy"], cell.check["labels"]
    decision = deciding_clause(policy, cell.check["facts"])
    cited = re.search(r"clause (\d+)", cell.response, re.IGNORECASE)
    unquoted = re.sub("“[^”]*”", "", cell.response)
    verdicts: list[str] = []
    for verdict, label in labels.items():
        if label in unquoted.lower():
            verdicts.append(verdict)
    if cited is None or len(verdicts) != 1:
        raise BrokenCheck("the response has no single decision with a clause")
    return int(cited[1]) == decision["n"] and verdicts == [decision["verdict"]]


# The second program.

NUMBERED = re.compile(r"^(?:§ ?|\(|Clause |No\. )?(\d+)[.):]? (.+)$", re.MULTILINE)
SWITCH = re.compile(r"(?:Ignore clause (\d+)|Clause (\d+) is switched off|Clause (\d+) does not count) (?:if|where) ")
COMPARISON = re.compile(r"(the [\w ]+?) is (more than|less than|at least|at most) (\d+)")


@dataclass(frozen=True)
class PromptClause:
    """A clause as it reads in a prompt."""

    text: str
    condition: str
    target: int
    """Number of the clause that it switches off; 0 for a rule."""
    is_firm: bool


class PromptFacts:
    """The facts of the case that a prompt is about; decides whether conditions hold."""

    def __init__(self, text: str) -> None:
        case = re.search(r"only about ([\w ]+?)[.,?:]", text)
        if case is None:
            raise BrokenCheck("the prompt names nobody whom it is about")
        self.facts = _facts_of(case[1], text)

    def figure(self, name: str) -> int:
        """Return the figure that the prompt gives for a quantity."""
        amount = re.search(rf"{name} is (\d+)", self.facts, re.IGNORECASE)
        if amount is None:
            raise BrokenCheck(f"the prompt gives no figure for {name}")
        return int(amount[1])

    def is_true(self, condition: str) -> bool:
        """Return True if a condition holds, read from right to left."""
        if not condition:
            return True
        is_choice = condition.startswith("either ")
        condition = condition.removesuffix(" (or both)").removesuffix(" (one is enough)")
        parts = re.split(r" or | and |, ", condition.removeprefix("either "))
        results = list(map(self._literal, reversed(parts)))
        return any(results) if is_choice else all(results)

    def _literal(self, text: str) -> bool:
        comparison = COMPARISON.search(text)
        if comparison:
            name, relation, limit = comparison.groups()
            excess = self.figure(name) - int(limit)
            return {"more than": excess > 0, "less than": excess < 0, "at least": excess >= 0}.get(
                relation, excess <= 0
            )
        match = re.search(r"\b(?:has|is|was|does) (not )?(?:have )?(.+)$", text)
        if match is None:
            raise BrokenCheck(f"{text!r} cannot be read")
        return self._fact(match[2]) != bool(match[1])

    def _fact(self, phrase: str) -> bool:
        verb = r"\b(?:has|is|was|have|are|were|does|do)( not)?(?: have)?"
        statements = re.findall(rf"{verb} {re.escape(phrase)}(?=[.,\n]|$)", self.facts)
        if len(statements) != 1:
            raise BrokenCheck(f"the prompt states {len(statements)} times whether: {phrase}")
        return not statements[0]


class ReadCase(PromptFacts):
    """The clauses and facts of a prompt; answers questions about one clause at a time."""

    def __init__(self, messages: Sequence[Mapping[str, Any]]) -> None:
        text = ""
        for message in messages:
            text += message["content"] + "\n\n"
        super().__init__(text)
        self.clauses: dict[int, PromptClause] = {}
        for number, line in NUMBERED.findall(text):
            self.clauses[int(number)] = _read_clause(line)
        self.lowest_first = "lowest number decides" in text
        if not self.lowest_first and "highest number decides" not in text:
            raise BrokenCheck("the prompt states no precedence")

    def is_in_force(self, number: int) -> bool:
        """Return True if a clause's condition is met and no clause in force switches it off."""
        if not self.is_true(self.clauses[number].condition):
            return False
        return all(not (clause.target == number and self.is_in_force(n)) for n, clause in self.clauses.items())

    def deciding(self) -> int:
        """Return the number of the clause that decides."""
        order = sorted(self.clauses, reverse=not self.lowest_first)
        order.remove(1)
        for is_firm in (True, False):
            for number in order:
                clause = self.clauses[number]
                if clause.is_firm == is_firm and not clause.target and self.is_in_force(number):
                    return number
        return 1


def _read_clause(line: str) -> PromptClause:
    is_firm = line.startswith("[firm] ")
    line = line.removeprefix("[firm] ").rstrip(".")
    switch = SWITCH.match(line)
    if switch:
        return PromptClause(line, line[switch.end() :], int(next(filter(None, switch.groups()))), False)
    if line.startswith("If no other clause"):
        return PromptClause(line, "", 0, is_firm)
    match = re.match(r"(?:If|Where) (.+?): (.+)", line) or re.match(r"[A-Z].+? (?:if|where) (.+)", line)
    if match is None:
        raise BrokenCheck(f"clause {line!r} cannot be read")
    return PromptClause(line, match[1], 0, is_firm)


def _facts_of(name: str, text: str) -> str:
    """Return the paragraph about a person, without the names of others."""
    for paragraph in re.split(r"\n\s*\n", text):
        if re.match(rf"{re.escape(name)}(?: |:\n)", paragraph) and re.search(
            r"\b(?:has|have|is|are|was|were|do|does)\b", paragraph
        ):
            return paragraph
    raise BrokenCheck(f"the prompt has no facts about {name}")


def cites_clause(cell: Cell) -> bool:
    """Return True if a response quotes the clause that decides and gives its outcome."""
    case = ReadCase(cell.messages)
    number = case.deciding()
    quote = re.search(r"“([^”]+)”", cell.response)
    if quote is None:
        raise BrokenCheck("the response quotes no clause")
    opening = cell.response[: quote.start()].lower()
    cited = re.findall(r"clause (\d+)", opening)
    if len(cited) != 1 or case.clauses[int(cited[0])].text != quote[1].rstrip("."):
        raise BrokenCheck("the quotation is not the clause whose number is with it")
    outcome = re.search(r"(?:answer|decision|verdict)(?: is)?: ([^.;]+)[.;]", opening)
    if outcome is None:
        raise BrokenCheck("the response gives no decision")
    return int(cited[0]) == number and outcome[1] in case.clauses[number].text.lower()


verify_policy = cell_by_cell(applies_policy)
verify_policy_by_reading = cell_by_cell(cites_clause)
