"""Random policies: numbered clauses with exceptions to exceptions, and facts of which one turns the decision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rewardbench.builders.draw import Resample, Rng
from rewardbench.verifiers.hard.policy_engine import Facts, Policy, deciding_clause, interpret

Literal = tuple[str, str, bool | int]
Quantity = tuple[str, str, int, int, int]
"""Name, unit and three limits."""

TRIES = 400


@dataclass(frozen=True)
class PolicySize:
    """Amounts to draw at one rung."""

    clauses: int
    facts: int
    quantities: int
    nested: float
    """Share of the exceptions that switch off another exception, where there is one."""
    changes: int
    """Clauses, at least, whose outcome differs between the two prompts."""


SIZES = {
    1: PolicySize(4, 4, 0, 0.3, 2),
    2: PolicySize(10, 7, 1, 0.5, 3),
}
"""The upper rungs have points, see `points.py`."""


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
    for _ in range(TRIES):
        facts: dict[str, bool | int] = {}
        for name in names:
            facts[name] = rng.chance(0.6)
        for name, _unit, low, _middle, high in amounts:
            facts[name] = rng.number(max(2, low - low // 2), high + low)
        policy = _draw_policy(rng, size, facts, amounts)
        turning = [name for name in names if _turns(policy, facts, name, size.changes)]
        if turning:
            return PolicyCase(policy, facts, rng.pick(turning))
    raise Resample


def _turns(policy: Policy, facts: Facts, name: str, changes: int) -> bool:
    """Return True if the other value of a fact turns the verdict through an exception."""
    other_facts = {**facts, name: not facts[name]}
    before, after = interpret(policy, facts), interpret(policy, other_facts)
    deciding = [deciding_clause(policy, facts), deciding_clause(policy, other_facts)]
    if sum(before[n] != after[n] for n in before) < changes or deciding[0]["verdict"] == deciding[1]["verdict"]:
        return False
    mentioned = [literal[0] for clause in deciding for literal in clause["when"]]
    return name not in mentioned and all(clause["n"] > 1 for clause in deciding)


def _draw_policy(rng: Rng, size: PolicySize, facts: Facts, amounts: Sequence[Quantity]) -> dict[str, Any]:
    booleans = _booleans(facts)
    clauses: list[dict[str, Any]] = [
        {"n": 1, "kind": "rule", "when": [], "any": False, "verdict": _verdict(rng), "firm": False}
    ]
    exceptions: list[int] = []
    rules: list[int] = []
    unused = set(booleans)
    for n in range(2, size.clauses + 1):
        condition = _condition(rng, facts, amounts, unused)
        if n > 3 and rules and rng.chance(0.55):
            nested = exceptions and rng.chance(size.nested)
            target = rng.pick(exceptions if nested else rules)
            exceptions.append(n)
            clauses.append({"n": n, "kind": "off", **condition, "target": target})
        else:
            rules.append(n)
            firm = size.clauses > 4 and rng.chance(0.15)
            clauses.append({"n": n, "kind": "rule", **condition, "verdict": _verdict(rng), "firm": firm})
    return {"clauses": clauses, "order": rng.pick(("highest", "lowest"))}


def _booleans(facts: Facts) -> list[str]:
    return [name for name, value in facts.items() if isinstance(value, bool)]


def _verdict(rng: Rng) -> str:
    return rng.pick(("allow", "decline"))


def _condition(rng: Rng, facts: Facts, amounts: Sequence[Quantity], unused: set[str]) -> dict[str, Any]:
    """Draw a condition of one to three literals, most of which hold; facts that no clause has yet come first."""
    booleans = _booleans(facts)
    limits = {name: values for name, _, *values in amounts}
    names = sorted(unused) if len(unused) > 3 and rng.chance(0.5) else booleans
    chosen = rng.sample([*names, *limits], rng.pick((1, 2, 2, 3)))
    unused.difference_update(chosen)
    literals: list[Literal] = []
    for name in chosen:
        if name in limits:
            literals.append((name, rng.pick((">", ">=", "<", "<=")), rng.pick(limits[name])))
        else:
            literals.append((name, "is", facts[name] == rng.chance(0.8)))
    return {"when": literals, "any": len(literals) > 1 and rng.chance(0.35)}
