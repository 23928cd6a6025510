"""Policies with points: clauses that change a count, round after round, and a decision by its final size.

Each step needs the exact count that the one before leaves, and the count is multiplied often and reduced to a
remainder, so that an error in any step changes the end beyond recognition.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median_low
from typing import Any

from rewardbench.builders.draw import Resample, Rng
from rewardbench.builders.templates.hard.policy_engine.policy import Literal, PolicyCase, Quantity
from rewardbench.builders.templates.hard.primes import draw_prime
from rewardbench.verifiers.hard.policy_engine import Facts
from rewardbench.verifiers.hard.policy_points import count_points


@dataclass(frozen=True)
class PointsSize:
    """Amounts to draw at one rung."""

    clauses: int
    rounds: int
    facts: int
    quantities: int
    modulus: tuple[int, int]
    factor: tuple[int, int]


SIZES = {
    3: PointsSize(14, 12, 9, 2, (4001, 9973), (12, 98)),
    4: PointsSize(21, 48, 12, 3, (30011, 98981), (113, 987)),
}


PROBES = 300
"""Numbers of points from which the clauses are gone through once, to see where they lead."""
CLOSE = 0.05
"""Largest distance from 1/2 of the share of these that end at the limit or above, for the facts of each prompt."""


def draw_points_case(rng: Rng, rung: int, fact_names: Sequence[str], quantities: Sequence[Quantity]) -> PolicyCase:
    """Return a policy with points, and facts of which one turns the decision.

    Raises:
        Resample: if no choice of many has such a fact.
    """
    size = SIZES[rung]
    facts: dict[str, bool | int] = {name: rng.chance() for name in rng.sample(fact_names, size.facts)}
    amounts = rng.sample(quantities, size.quantities)
    for name, _unit, low, _middle, high in amounts:
        facts[name] = rng.number(max(3, low - low // 2), high + low)
    modulus = draw_prime(rng, *size.modulus)
    policy: dict[str, Any] = {
        "start": rng.number(modulus // 8, modulus - 1),
        "rounds": size.rounds,
        "modulus": modulus,
        "limit": 0,
        "clauses": _draw_clauses(rng, size, facts, amounts, modulus),
    }
    booleans = [name for name, value in facts.items() if isinstance(value, bool)]
    for flipped in rng.sample(booleans, len(booleans)):
        case = PolicyCase(policy, facts, flipped)
        policy["limit"] = _even_limit(rng, case)
        first, second = (count_points(policy, version) for version in (facts, case.other_facts))
        if (first >= policy["limit"]) != (second >= policy["limit"]):
            return case
    raise Resample


def _even_limit(rng: Rng, case: PolicyCase) -> int:
    """Return a limit that half of all cases reach, so that the last clauses alone do not tell the decision.

    Raises:
        Resample: if they do for one of the two facts.
    """
    starts = [rng.number(1, case.policy["modulus"] - 1) for _ in range(PROBES)]
    endings = []
    for facts in (case.facts, case.other_facts):
        endings.append([count_points(case.policy | {"rounds": 1, "start": start}, facts) for start in starts])
    limit = median_low(endings[0] + endings[1])
    for points in endings:
        if abs(sum(point >= limit for point in points) / PROBES - 0.5) > CLOSE:
            raise Resample
    return limit


def _draw_clauses(
    rng: Rng, size: PointsSize, facts: Facts, amounts: Sequence[Quantity], modulus: int
) -> list[dict[str, Any]]:
    """Return clauses; every other one multiplies, whatever the case."""
    booleans = [name for name, value in facts.items() if isinstance(value, bool)]
    unused = rng.sample(booleans, len(booleans))
    offset = rng.number(0, 1)
    clauses: list[dict[str, Any]] = []
    for n in range(1, size.clauses + 1):
        clause: dict[str, Any] = {"n": n, "when": None, "unless": None, "then": None, "otherwise": None}
        if n % 2 == offset:
            clause["then"] = ["times", rng.number(*size.factor)]
            if rng.chance(0.7):
                clause["when"] = _points_literal(rng, modulus)
                clause["otherwise"] = ["times", rng.number(*size.factor)]
        else:
            fact = unused.pop() if unused else rng.pick(booleans)
            literals = [(fact, "is", rng.chance()), _points_literal(rng, modulus)]
            if rng.chance(0.3):
                name, _unit, *limits = rng.pick(amounts)
                literals[0] = (name, rng.pick((">", ">=", "<", "<=")), rng.pick(limits))
                unused.append(fact)
            clause["when"], clause["unless"] = literals if rng.chance() else literals[::-1]
            is_skip = n < size.clauses - 1 and rng.chance(0.3)
            clause["then"] = (
                ["skip", rng.number(n + 1, size.clauses)] if is_skip else _draw_change(rng, amounts, modulus)
            )
            if not is_skip and rng.chance(0.6):
                clause["otherwise"] = _draw_change(rng, amounts, modulus)
        if clause["otherwise"] == clause["then"]:
            clause["otherwise"] = None
        clauses.append(clause)
    return clauses


def _points_literal(rng: Rng, modulus: int) -> Literal:
    """Return a literal on the points that holds about half of the time."""
    limit = modulus * rng.number(30, 70) // 100
    return rng.pick((
        ("points", "odd", True),
        ("points", "odd", False),
        ("points", ">", limit),
        ("points", "<", limit),
        ("last digit", "is", True),
        ("last digit", "is", False),
    ))  # fmt: skip


def _draw_change(rng: Rng, amounts: Sequence[Quantity], modulus: int) -> list[Any]:
    kind = rng.pick(("add", "take", "each", "reverse"))
    if kind == "reverse":
        return [kind]
    if kind == "each":
        return [kind, rng.number(17, 89), rng.pick(amounts)[0]]
    return [kind, rng.number(modulus // 30, modulus // 3)]
