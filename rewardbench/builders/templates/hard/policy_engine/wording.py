"""Texts of policy cases: the clauses, the case, and the responses that cite a clause."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from rewardbench.builders.draw import Rng
from rewardbench.builders.mirrors import chat
from rewardbench.builders.prompts import capitalize
from rewardbench.builders.templates.hard.policy_engine.policy import PolicyCase
from rewardbench.types import Messages
from rewardbench.verifiers.hard.policy_engine import Clause, Facts, deciding_clause

PolicyDomain = Mapping[str, Any]
"""A counter of `domains.toml`."""

POSSESSIONS = ("a", "an", "its", "another", "the", "bees")
"""First words after has where it is no auxiliary."""
PLURALS = {"has": "have", "is": "are", "was": "were", "does": "do"}
RELATIONS = {">": "more than", ">=": "at least", "<": "less than", "<=": "at most"}
INTRODUCTIONS = (
    "You help the staff at {place}. The house rules follow; they count as written, however odd they may seem.",
    "You are the rule book of {place}, in chat form. Staff describe a case, you say what the "
    "rules come to as written, whether they make sense or not.",
    "These are the rules in force at {place}. Apply them to the letter, whatever seems kinder or quicker.",
    "Assistant for {place}. Answer questions of the staff from the clauses below and from nothing else, also where "
    "common sense would differ.",
)
PRECEDENCE = (
    "Some clauses give a decision, others only switch a clause off. Often several that give a decision apply; then the "
    "{order} number decides{firm}. Clause 1 counts only if no other clause with a decision applies. A clause that is "
    "switched off has no effect at all: it neither decides nor switches off another one.",
    "How to read this: a clause applies if its condition is met and no clause that applies switches it off. Of the "
    "clauses that apply and give a decision (not those which merely switch off), the {order} number decides{firm}; "
    "clause 1 is for the case that there is no other. What is switched off switches nothing off.",
    "Two points on reading. First, a switched-off clause is as good as deleted, so it can't switch off anything "
    "either. Second, when several clauses with a decision apply, the {order} number decides{firm}, and clause 1 only "
    "counts if there is no other. Clauses that only switch others off give no decision themselves.",
)
FIRM = (
    ", except that clauses marked [firm] go before all clauses without the mark (and among several marked ones the "
    "{order} number decides)"
)
CHECKLISTS = (
    "Give the decision in the words of the rules, then quote the clause that decides with its number, and say what "
    "to do next. No tour of the other clauses, please.",
    "An answer has the decision, the number and text of the deciding clause, and the next steps, nothing else.",
    "Always: decision first, then the deciding clause word for word with its number, then the practical side. "
    "Leave out how you got there.",
)
NUMBERINGS = ("{n}. ", "{n}) ", "Clause {n}: ", "§ {n} ", "({n}) ", "No. {n}: ")
ASKS = (
    "The question is only about {name}. What's the answer?",
    "This is only about {name}: what do I do now, and by which clause?",
    "so what do the rules say? it's only about {name}.",
    "It is only about {name}. Please tell me which way it goes, and why.",
    "Quick please, only about {name}. Which clause decides?",
)
EARLIER = (
    "Don't mix this up with {other}, who asked for the same an hour ago and is dealt with:",
    "For comparison, what I had noted on {other} yesterday, that one is closed:",
    "(My notes on {other}, an older case, are on the same sheet, so here they are too:)",
)
OPENINGS = (
    "Decision: {label}. Clause {n} decides here.",
    "The answer is: {label}. It rests on clause {n}.",
    "For {name} the verdict is: {label}. That is the outcome of clause {n}.",
    "I went through the list for {name}, and the decision is: {label}. What decides is clause {n}.",
)
QUOTES = ("It reads: “{text}.”", "Its text: “{text}.”", "Word for word: “{text}.”")
REASONS = (
    "Its condition is met by the facts as you describe them, nothing in force switches it off, and no other decision "
    "goes before it.",
    "The facts that you give meet it, no exception takes it away, and of the decisions that apply it is the "
    "one that ranks first.",
    "On your description it applies, no clause in force stands against it, and it takes precedence over the "
    "other decisions that apply.",
)


@cache
def read_domains() -> list[PolicyDomain]:
    """Return the counters of `domains.toml`."""
    path = Path(__file__).with_name("domains.toml")
    return list(tomllib.loads(path.read_text(encoding="utf-8"))["domains"])


class CaseWording:
    """The wording of one mirror: everything but the facts is the same in both prompts."""

    asks = ASKS

    def __init__(self, rng: Rng, rung: int, domain: PolicyDomain, case: PolicyCase) -> None:
        self.rng, self.rung, self.domain, self.case = rng, rung, domain, case
        self.units = {name: unit for name, unit, *_limits in domain["quantities"]}
        names: list[str] = rng.sample(domain["names"], 2) if "names" in domain else rng.people(2)
        self.name, self.other = names
        self.style = rng.pick(("sentences", "they", "notes"))
        self.order = rng.sample(list(case.facts), len(case.facts))
        self.lengths = [rng.number(1, 3) for _ in self.order]
        clauses = case.policy["clauses"]
        self.clauses = {clause["n"]: self._clause(clause) for clause in clauses}
        self.rules = self._rules()
        self.earlier = self._earlier() if rung >= 3 else ""
        self.ask = rng.pick(self.asks).format(name=self.name)
        self.layout = rng.pick(("system", "user", "turns"))

    def prompt(self, facts: Facts) -> Messages:
        """Return the prompt with these facts."""
        question = self.domain["question"]
        case = self._describe(self.name, facts, self.style)
        parts = [question, case, self.earlier, self.ask]
        if self.layout == "user":
            return chat("\n\n".join(filter(None, [self.rules, *parts])))
        if self.layout == "turns":
            reply = "Sure. What are the facts of the case?"
            return chat(question, reply, "\n\n".join(filter(None, parts[1:])), system=self.rules)
        return chat("\n\n".join(filter(None, parts)), system=self.rules)

    def response(self, rng: Rng, facts: Facts) -> str:
        """Return the response that is right for these facts; the same `rng` gives the same wording."""
        clause = deciding_clause(self.case.policy, facts)
        label = self.domain[clause["verdict"]]
        quote = rng.pick(QUOTES).format(text=self.clauses[clause["n"]])
        parts = [rng.pick(OPENINGS).format(label=label, n=clause["n"], name=self.name), quote, rng.pick(REASONS)]
        steps = self.domain["yes_steps" if clause["verdict"] == "allow" else "no_steps"]
        return " ".join(parts) + "\n\n" + " ".join(steps[: self.rung])

    def _rules(self) -> str:
        """Return the rules as one text."""
        rng, policy = self.rng, self.case.policy
        has_firm = any(clause.get("firm") for clause in policy["clauses"])
        firm = FIRM.format(order=policy["order"]) if has_firm else ""
        precedence = rng.pick(PRECEDENCE).format(order=policy["order"], firm=firm)
        numbering = rng.pick(NUMBERINGS)
        lines: list[str] = []
        for clause in policy["clauses"]:
            mark = "[firm] " if clause.get("firm") else ""
            lines.append(f"{numbering.format(n=clause['n'])}{mark}{self.clauses[clause['n']]}.")
        body = "\n".join(lines)
        parts = rng.pick(([precedence, body], [body, precedence]))
        return "\n\n".join([rng.pick(INTRODUCTIONS).format(place=self.domain["place"]), *parts, rng.pick(CHECKLISTS)])

    def _clause(self, clause: Clause) -> str:
        """Return a clause without its number and final stop."""
        condition = self._condition(clause)
        if clause["kind"] == "off":
            n = clause["target"]
            start = self.rng.pick(
                (f"Ignore clause {n} if", f"Clause {n} is switched off if", f"Clause {n} does not count where")
            )
            return f"{start} {condition}"
        label = self.domain[clause["verdict"]]
        if not condition:
            return f"If no other clause of these applies: {label}"
        if condition.startswith("either"):
            return f"{self.rng.pick(('If', 'Where'))} {condition}: {label}"
        return self.rng.pick(
            (f"If {condition}: {label}", f"Where {condition}: {label}", f"{capitalize(label)} if {condition}")
        )

    def _condition(self, condition: Clause) -> str:
        literals = [self._literal(*literal) for literal in condition["when"]]
        if not literals:
            return ""
        phrases: list[str] = []
        has_subject = False
        for literal in literals:
            is_figure = literal.startswith("the ")
            phrases.append(literal if is_figure or has_subject else f"{self.domain['subject']} {literal}")
            has_subject = not is_figure
        if condition["any"]:
            ending = " (or both)" if len(phrases) == 2 else " (one is enough)"
            return f"either {' or '.join(phrases)}{ending}"
        return f"{', '.join(phrases[:-1])} and {phrases[-1]}" if len(phrases) > 1 else phrases[0]

    def _literal(self, name: str, relation: str, value: bool | int) -> str:
        if relation in RELATIONS:
            return f"{name} is {RELATIONS[relation]} {value} {self.units[name]}".rstrip()
        return name if value else _negated(name)

    def _earlier(self) -> str:
        """Return the facts of another person, who is not the question."""
        facts: dict[str, bool | int] = {}
        for name, value in self.case.facts.items():
            facts[name] = self.rng.chance() if isinstance(value, bool) else value + self.rng.number(1, 5)
        return self.rng.pick(EARLIER).format(other=self.other) + "\n" + self._describe(self.other, facts, "sentences")

    def _describe(self, name: str, facts: Facts, style: str) -> str:
        """Return the facts about a person as sentences or as notes."""
        statements: list[str] = []
        for fact in self.order:
            value = facts[fact]
            if isinstance(value, bool):
                statements.append(fact if value else _negated(fact))
            else:
                statements.append(f"{fact} is {value} {self.units[fact]}".rstrip())
        if style == "notes":
            return "\n- ".join([f"{name}:", *statements])
        return self._sentences(name, statements, style)

    def _sentences(self, name: str, statements: Sequence[str], style: str) -> str:
        facts: list[str] = []
        figures: list[str] = []
        for statement in statements:
            (figures if statement.startswith("the ") else facts).append(statement)
        sentences: list[str] = []
        start = 0
        for length in self.lengths:
            group = facts[start : start + length]
            start += length
            if not group:
                break
            if style == "they" and sentences:
                sentences.append(f"They {_listed(list(map(_plural, group)))}.")
            else:
                sentences.append(f"{name} {_listed(group)}.")
        if figures:
            sentences.append(capitalize(_listed(figures)) + ".")
        return " ".join(sentences)


def _listed(statements: Sequence[str]) -> str:
    return f"{', '.join(statements[:-1])}, and {statements[-1]}" if len(statements) > 1 else statements[0]


def _is_possession(phrase: str) -> bool:
    return phrase.split()[0] in POSSESSIONS


def _negated(fact: str) -> str:
    verb, _, phrase = fact.partition(" ")
    return f"does not have {phrase}" if verb == "has" and _is_possession(phrase) else f"{verb} not {phrase}"


def _plural(fact: str) -> str:
    verb, _, phrase = fact.partition(" ")
    return f"{PLURALS[verb]} {phrase}"
