"""Decide what facts determine: enumerate all worlds from the data of the check.

A world gives each name a whole number. A claim is a list, its kind first: `["before", "baker", "vet"]`. A response
passes if the facts that it lists follow from the premises, and its last paragraph names exactly the possible answers;
or, where only a verdict is asked for, if its first line says rightly whether there is one answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from rewardbench.verifiers.cells import BrokenCheck, Cell, cell_by_cell

PuzzleWorld = dict[str, int]
FactClaim = Sequence[Any]
"""Kind and arguments: names, numbers, or (of `if`) two claims."""

MEANINGS: Mapping[str, Callable[..., bool]] = {
    "before": lambda a, b: a < b,
    "next": lambda a, b: b == a + 1,
    "adjacent": lambda a, b: abs(a - b) == 1,
    "apart": lambda a, b: abs(a - b) != 1,
    "gap": lambda a, b: abs(a - b) == 2,
    "same": lambda a, b: a == b,
    "differ": lambda a, b: a != b,
    "not": lambda a, k: a != k,
    "either": lambda a, k, m: a in (k, m),
    "sum": lambda a, b, k: a + b == k,
    "more": lambda a, b, k: a == b + k,
    "twice": lambda a, b: a == 2 * b,
    "least": lambda a, k: a >= k,
    "most": lambda a, k: a <= k,
    "even": lambda a: a % 2 == 0,
    "odd": lambda a: a % 2 == 1,
}
"""Claims on the values of one or two names, and on numbers."""


@dataclass(frozen=True)
class FactSet:
    """Names with values from `low` to `high`, all different or not, and the claims that hold."""

    names: tuple[str, ...]
    low: int
    high: int
    is_one_to_one: bool
    claims: tuple[FactClaim, ...] = ()


def holds(claim: FactClaim, world: PuzzleWorld) -> bool:
    """Return True if a claim holds in a world."""
    kind, *arguments = claim
    if kind == "if":
        return not holds(arguments[0], world) or holds(arguments[1], world)
    if kind == "count":
        value, number = arguments
        return list(world.values()).count(value) == int(number)
    if kind == "pick":
        value, *names = arguments
        return any(world[name] == value for name in names)
    if kind == "weighted":
        divisor, remainder, *terms = arguments
        total = 0
        for weight, name in zip(terms[::2], terms[1::2], strict=True):
            total += weight * world[name]
        return bool(total % divisor == remainder)
    values = [world[argument] if isinstance(argument, str) else argument for argument in arguments]
    return bool(MEANINGS[kind](*values))


def names_in(claim: FactClaim, names: Sequence[str]) -> set[str]:
    """Return the names that a claim needs; of a count, all of them."""
    if claim[0] == "count":
        return set(names)
    mentioned: set[str] = set()
    for argument in claim[1:]:
        if isinstance(argument, str):
            mentioned.add(argument)
        elif not isinstance(argument, int):
            mentioned |= names_in(argument, names)
    return mentioned


def worlds(facts: FactSet) -> Iterator[PuzzleWorld]:
    """Yield all worlds in which the claims hold: values in turn, each claim as soon as its names have values."""
    order = _ordered_names(facts)
    due: list[list[FactClaim]] = [[] for _ in order]
    for claim in facts.claims:
        due[max(map(order.index, names_in(claim, facts.names)))].append(claim)

    def extend(world: PuzzleWorld) -> Iterator[PuzzleWorld]:
        if len(world) == len(order):
            yield dict(world)
            return
        name = order[len(world)]
        for value in range(facts.low, facts.high + 1):
            if facts.is_one_to_one and value in world.values():
                continue
            world[name] = value
            if all(holds(claim, world) for claim in due[len(world) - 1]):
                yield from extend(world)
            del world[name]

    return extend({})


def _ordered_names(facts: FactSet) -> list[str]:
    """Return the names so that claims can be tried early: always the name that completes the most."""
    order: list[str] = []
    while len(order) < len(facts.names):
        scores = dict.fromkeys(sorted(set(facts.names) - set(order)), 0.0)
        for claim in facts.claims:
            missing = names_in(claim, facts.names) - set(order)
            for name in missing:
                scores[name] += 1 / len(missing)
        order.append(max(scores, key=lambda name: scores[name]))
    return order


def possible_answers(question: str, candidates: Sequence[PuzzleWorld]) -> set[str]:
    """Return the answers to a question: the value of a name, or the name with a value."""
    if question.isdigit():
        return {name for world in candidates for name, value in world.items() if value == int(question)}
    return {str(world[question]) for world in candidates}


@lru_cache(maxsize=4)
def _worlds_of(facts: str) -> list[PuzzleWorld]:
    """Return the worlds of the facts of a check, as JSON."""
    names, low, high, is_one_to_one, claims = json.loads(facts)
    return list(worlds(FactSet(tuple(names), low, high, is_one_to_one, tuple(claims))))


def _read_world(text: str, labels: Mapping[str, str]) -> PuzzleWorld:
    """Return the world of a list as in `the vet: floor 1; the baker: floor 2`."""
    values = dict(zip(labels.values(), map(int, labels), strict=True))
    world = {}
    for entry in text.split("; "):
        name, label = entry.removeprefix("the ").split(": ")
        world[name] = values[label]
    return world


def _passes(cell: Cell) -> bool:
    check = cell.check
    candidates = _worlds_of(json.dumps([check[key] for key in ("names", "low", "high", "one_to_one", "claims")]))
    if not candidates:
        raise BrokenCheck("no world meets the premises")
    for sentence in re.findall(r"^- (.+)$", cell.response, re.MULTILINE):
        claim = check["facts"][sentence]
        if not all(holds(claim, world) for world in candidates):
            return False
    example = re.search(r"^Example: (.+)\.$", cell.response, re.MULTILINE)
    if example and _read_world(example[1], check["values"]) not in candidates:
        return False
    possible = possible_answers(check["question"], candidates)
    if check["verdicts"]:
        is_settled = check["verdicts"][cell.response.partition("\n")[0]]
        return bool(is_settled == (len(possible) == 1))
    last = cell.response.split("\n\n")[-1]
    stated = set()
    for answer, text in check["answers"].items():
        if re.search(rf"\b{text}\b", last):
            stated.add(answer)
    return stated == possible


verify_enough_to_tell = cell_by_cell(_passes)
