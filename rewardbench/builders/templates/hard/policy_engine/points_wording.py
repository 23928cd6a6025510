"""Texts of policies with points: the clauses, how to count, and responses that state the decision only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rewardbench.builders.draw import Rng
from rewardbench.builders.prompts import capitalize
from rewardbench.builders.templates.hard.policy_engine.wording import INTRODUCTIONS, NUMBERINGS, CaseWording
from rewardbench.verifiers.hard.policy_engine import Clause, Facts
from rewardbench.verifiers.hard.policy_points import points_verdict

COUNTING = (
    "Decisions are made by points. A case starts with {start} points. Apply the clauses in the order of their numbers, "
    "from the first to the last, {rounds} times; each works on the points as they are at that moment. Whenever a "
    "clause brings them to {modulus} points or more, divide by {modulus} and keep only the remainder; when it brings "
    "them below 0, add {modulus}. A clause that is left out in a round changes nothing in that round, and counts again "
    "in the next one.",
    "How the points work: begin with {start} points, go through the clauses from the first to the last, {rounds} "
    "times, and always use the current number. The tally has no room for {modulus} points or more: if a clause takes "
    "it there, only the remainder after division by {modulus} stays. If it falls below 0, {modulus} is added. Leaving "
    "out a clause is for the current round only, and a clause that is left out does nothing.",
    "The tally opens at {start} points. All clauses are gone through from the first to the last, {rounds} times, each "
    "applied to the tally that the clause before it left. Two house rules on size: at {modulus} points or more, "
    "replace the tally by its remainder on division by {modulus}; below 0, add {modulus}. If a clause is to be left "
    "out in this round, pass over it, and only in this round.",
)
OUTCOMES = (
    "With at least {limit} points at the end: {allow}; with fewer: {decline}.",
    "What counts is the number after the last round: from {limit} points: {allow}; below that: {decline}.",
)
CHECKLISTS = (
    "Tell the staff the decision in the words of the rules, and what to do next. They don't want to see the points.",
    "An answer has the decision in these words, a few lines on how you went about it, and the next steps. Keep the "
    "points out of it.",
    "Decision first, then a little reassurance, then the practical side. The calculation stays with you.",
)
ASKS = (
    "The question is only about {name}. What's the answer?",
    "This is only about {name}: what do I do now?",
    "so what do the rules say? it's only about {name}.",
    "It is only about {name}. Please tell me which way it goes.",
    "Quick please, only about {name}. Yes or no?",
)
OPENINGS = (
    "Decision: {label}.",
    "The answer is: {label}.",
    "For {name} the verdict is: {label}.",
    "I did the counting for {name}, and the decision is: {label}.",
    "The rules are clear in the case of {name}, and the verdict is: {label}.",
)
REMARKS = (
    "I went through every clause in its turn, with the points as they were at that moment.",
    "All rounds are in it, from the opening number to the very last clause.",
    "Where a clause asks about the points themselves, I used the tally of that moment and not an earlier one.",
    "Each time that the tally grew too large I kept the remainder, as the rules ask.",
    "I checked the exceptions again in every round, since they do not always come out the same.",
    "I took the facts exactly as you wrote them and assumed nothing beyond them.",
    "Notes on other people played no part.",
    "As the staff sheet asks, I leave the figures out and only pass on where they lead.",
    "The final number was compared with the limit at the end, and only then.",
    "Nothing was rounded on the way.",
    "Please don't read anything personal into it: it is a matter of counting, and the outcome is what it is.",
    "If one of the facts turns out to be different, ask me again, since the count may then end somewhere else.",
    "I know that some of these clauses look odd, but they count as they are written.",
)
RELATIONS = {">": "more", "<": "fewer"}


class PointsWording(CaseWording):
    """The wording of one mirror with points: everything but the facts is the same in both prompts."""

    asks = ASKS

    def response(self, rng: Rng, facts: Facts) -> str:
        """Return the response that is right for these facts."""
        verdict = points_verdict(self.case.policy, facts)
        opening = rng.pick(OPENINGS).format(label=self.domain[verdict], name=self.name)
        steps = self.domain["yes_steps" if verdict == "allow" else "no_steps"]
        remarks = rng.sample(REMARKS, 2 * self.rung - 2)
        return " ".join([opening, *remarks]) + "\n\n" + " ".join(rng.sample(steps, 3))

    def _rules(self) -> str:
        """Return the rules as one text."""
        rng, policy = self.rng, self.case.policy
        counting = rng.pick(COUNTING).format(start=policy["start"], rounds=policy["rounds"], modulus=policy["modulus"])
        outcome = rng.pick(OUTCOMES).format(
            limit=policy["limit"], allow=self.domain["allow"], decline=self.domain["decline"]
        )
        numbering = rng.pick(NUMBERINGS)
        lines: list[str] = []
        for number, text in self.clauses.items():
            lines.append(f"{numbering.format(n=number)}{text}.")
        body = "\n".join(lines)
        introduction = rng.pick(INTRODUCTIONS).format(place=self.domain["place"])
        parts = rng.pick(([counting, body, outcome], [counting, outcome, body], [outcome, body, counting]))
        return "\n\n".join([introduction, *parts, rng.pick(CHECKLISTS)])

    def _clause(self, clause: Clause) -> str:
        """Return a clause without its number and final stop."""
        action = self._action(clause["then"])
        if clause["when"] is None:
            return f"Always {action}"
        condition = self._points_literal(*clause["when"])
        if clause["unless"] is not None:
            condition += f", unless {self._points_literal(*clause['unless'])}"
        start = self.rng.pick(("If", "Where"))
        if clause["otherwise"] is not None:
            return f"{start} {condition}: {action}; in all other cases {self._action(clause['otherwise'])}"
        return self.rng.pick((f"{start} {condition}: {action}", f"{capitalize(action)} {start.lower()} {condition}"))

    def _action(self, operation: Sequence[Any]) -> str:
        kind, *arguments = operation
        if kind == "add":
            return f"add {arguments[0]} points"
        if kind == "take":
            return f"take off {arguments[0]} points"
        if kind == "times":
            return f"multiply the points by {arguments[0]}"
        if kind == "each":
            return f"add {arguments[0]} times the figure for {arguments[1]}"
        if kind == "skip":
            return f"leave out clause {arguments[0]} in this round"
        return "write the points backwards (1230 becomes 321)"

    def _points_literal(self, name: str, relation: str, value: bool | int) -> str:
        if name == "last digit":
            return f"the last digit of the points is {'5 or more' if value else '4 or less'}"
        if relation == "odd":
            return f"the number of points is {'odd' if value else 'even'}"
        if name == "points":
            return f"there are {RELATIONS[relation]} than {value} points"
        literal = self._literal(name, relation, value)
        return literal if literal.startswith("the ") else f"{self.domain['subject']} {literal}"
