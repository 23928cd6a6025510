"""Random policies: numbered clauses with exceptions to exceptions, and facts of which one turns the decision."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rewardbench.builders.draw import Resample, Rng
from rewardbench.builders.templates.hard.policy_engine.deep import PolicyForest, draw_deep_clauses
from rewardbench.verifiers.hard.policy_engine import Clause, Facts, Policy, deciding_clause, interpret

Literal = tuple[str, str, bool | int]
Quantity = tuple[str, str, int, int, int]
"""Name, unit and three limits."""

TRIES = 400
TERMS = ("cleared", "familiar", "settled", "covered", "backed", "prepared")


@dataclass(frozen=True)
class PolicySize:
    """Amounts to draw at one rung."""

    clauses: int
    """0 for deep policies, see `deep.py`."""
    facts: int
    quantities: int
    terms: int
    nested: float
    """Share of the exceptions that switch off another exception, where there is one."""
    changes: int
    """Clauses, at least, whose outcome differs between the two prompts."""


SIZES = {
    1: PolicySize(4, 4, 0, 0, 0.3, 2),
    2: PolicySize(10, 7, 1, 0, 0.5, 3),
    3: PolicySize(0, 12, 2, 4, 0.6, 4),
    4: PolicySize(0, 16, 3, 6, 0.7, 5),
}


@dataclass(frozen=True)
class PolicyCase:
    """A policy with the facts of both prompts."""

    policy: dict[str, Any]
    facts: dict[str, bool | int]
    flipped: str
    """The fact that is the other way round in prompt b."""

    @property
    def other_facts(self) -> dict[str, bool | int]:
        """The facts of prompt b."""
        return {**self.facts, self.flipped: not self.facts[self.flipped]}


def draw_case(rng: Rng, rung: int, fact_names: Sequence[str], quantities: Sequence[Quantity]) -> PolicyCase:
    """Return a policy of a rung's size, and facts of which one turns verdict and deciding clause.

    Raises:
        Resample: if no choice of many has such a fact.
    """
    size = SIZES[rung]
    names = rng.sample(fact_names, size.facts)
    amounts = rng.sample(quantities, size.quantities)
    for _ in range(TRIES if rung < 3 else 1):
        facts: dict[str, bool | int] = {}
        for name in names:
            facts[name] = rng.chance(0.6)
        for name, _unit, low, _middle, high in amounts:
            facts[name] = rng.number(max(2, low - low // 2), high + low)
        if rung >= 3:
            return _draw_deep_case(rng, rung, facts, amounts)
        policy = _draw_policy(rng, size, facts, amounts)
        turning = [name for name in names if _turns(policy, facts, name, size.changes)]
        if turning:
            return PolicyCase(policy, facts, rng.pick(turning))
    raise Resample


def _draw_deep_case(rng: Rng, rung: int, facts: dict[str, bool | int], amounts: Sequence[Quantity]) -> PolicyCase:
    """Return a case in which the deciding clause hangs on a long chain, whose last link depends on one fact."""
    flipped = rng.pick(_booleans(facts))
    case = PolicyCase({"order": rng.pick(("highest", "lowest"))}, facts, flipped)
    terms = _draw_terms(rng, SIZES[rung].terms, facts)
    unused = set(_booleans(facts)) | set(terms)

    def draw_condition() -> Clause:
        return _condition(rng, facts, amounts, terms, unused)

    forest = PolicyForest(rng, draw_condition, terms, (facts, case.other_facts))
    case.policy["clauses"] = draw_deep_clauses(rng, rung, forest, case.policy["order"])
    case.policy["terms"] = terms
    return case


def _turns(policy: Policy, facts: Facts, name: str, changes: int) -> bool:
    """Return True if the other value of a fact turns the verdict through an exception."""
    other_facts = {**facts, name: not facts[name]}
    before, after = interpret(policy, facts), interpret(policy, other_facts)
    deciding = [deciding_clause(policy, facts), deciding_clause(policy, other_facts)]
    if sum(before[n] != after[n] for n in before) < changes or deciding[0]["verdict"] == deciding[1]["verdict"]:
        return False
    return all(not (clause["n"] == 1 or name in _mentioned(policy, clause)) for clause in deciding)


def _mentioned(policy: Policy, clause: Clause) -> Iterator[str]:
    """Yield the facts and terms of a clause, and the facts of its terms."""
    for name, _, _ in clause["when"]:
        yield name
        if name in policy["terms"]:
            yield from _mentioned(policy, policy["terms"][name])


def _draw_policy(rng: Rng, size: PolicySize, facts: Facts, amounts: Sequence[Quantity]) -> dict[str, Any]:
    booleans = _booleans(facts)
    terms = _draw_terms(rng, size.terms, facts)
    clauses: list[dict[str, Any]] = [
        {"n": 1, "kind": "rule", "when": [], "any": False, "verdict": _verdict(rng), "firm": False}
    ]
    exceptions: list[int] = []
    rules: list[int] = []
    unused = set(booleans) | set(terms)
    for n in range(2, size.clauses + 1):
        condition = _condition(rng, facts, amounts, terms, unused)
        if n > 3 and rules and rng.chance(0.55):
            nested = exceptions and rng.chance(size.nested)
            target = rng.pick(exceptions if nested else rules)
            exceptions.append(n)
            clauses.append({"n": n, "kind": "off", **condition, "target": target})
        else:
            rules.append(n)
            firm = size.clauses > 4 and rng.chance(0.15)
            clauses.append({"n": n, "kind": "rule", **condition, "verdict": _verdict(rng), "firm": firm})
    return {"clauses": clauses, "terms": terms, "order": rng.pick(("highest", "lowest"))}


def _draw_terms(rng: Rng, count: int, facts: Facts) -> dict[str, dict[str, Any]]:
    """Return definitions of terms; where there are four or more, they also build on each other."""
    terms: dict[str, dict[str, Any]] = {}
    booleans = _booleans(facts)
    for term in rng.sample(TERMS, count):
        first, second = rng.sample(booleans, 2)
        if terms and count > 3 and rng.chance(0.7):
            first = rng.pick(list(terms))
        literals = [(first, "is", rng.chance(0.75)), (second, "is", rng.chance(0.75))]
        terms[term] = {"when": literals, "any": rng.chance()}
    return terms


def _booleans(facts: Facts) -> list[str]:
    return [name for name, value in facts.items() if isinstance(value, bool)]


def _verdict(rng: Rng) -> str:
    return rng.pick(("allow", "decline"))


def _condition(
    rng: Rng, facts: Facts, amounts: Sequence[Quantity], terms: Mapping[str, object], unused: set[str]
) -> dict[str, Any]:
    """Draw a condition of one to three literals, most of which hold; facts that no clause has yet come first."""
    booleans = _booleans(facts)
    limits = {name: values for name, _, *values in amounts}
    names = sorted(unused) if len(unused) > 3 and rng.chance(0.5) else [*booleans, *terms]
    chosen = rng.sample([*names, *limits], rng.pick((1, 2, 2, 3)))
    unused.difference_update(chosen)
    literals: list[Literal] = []
    for name in chosen:
        if name in limits:
            literals.append((name, rng.pick((">", ">=", "<", "<=")), rng.pick(limits[name])))
        elif name in terms:
            literals.append((name, "is", rng.chance(0.6)))
        else:
            literals.append((name, "is", facts[name] == rng.chance(0.8)))
    return {"when": literals, "any": len(literals) > 1 and rng.chance(0.35)}
