"""Solutions and near misses of decision problems, by search in random order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain, combinations, islice, product

from rewardbench.builders.draw import Resample, Rng
from rewardbench.builders.templates.hard.no_certificate.problems import ProblemPair
from rewardbench.verifiers.hard.no_certificate import COMPLETE, DecisionProblem, is_solvable, left_over, violations

ROUNDS = 8
"""Searches for a near miss without each name."""
TRIALS = 400
"""Random selections of which the nearest sums are taken."""

Arrangement = list[list[str]]
"""An arrangement: names in groups. An order, a selection or a team is one group."""


def arrangements(rng: Rng, decision: DecisionProblem) -> Iterator[Arrangement]:
    """Yield arrangements of all names that break no condition, in random order."""
    names = rng.sample(decision.names, len(decision.names))
    if decision.family == "path":
        yield from _walks(decision, names, [])
    else:
        yield from _placements(rng, decision, names, [[] for _ in range(decision.groups)])


def _placements(
    rng: Rng, decision: DecisionProblem, names: Sequence[str], groups: Arrangement
) -> Iterator[Arrangement]:
    """Yield all ways to place the names into the groups."""
    if not names:
        yield list(map(list, groups))
        return
    name = names[0]
    if decision.family == "bins":
        name = max(names, key=decision.weight)
    elif decision.family == "colour":  # the one with the fewest groups left (Brélaz 1979)
        name = min(names, key=lambda name: sum(_fits(decision, group, name) for group in groups))
    others = [other for other in names if other != name]
    for n in rng.sample(range(len(groups)), len(groups)):
        group = groups[n]
        if (not n or groups[n - 1]) and _fits(decision, group, name):
            group.append(name)
            yield from _placements(rng, decision, others, groups)
            group.pop()


def _fits(decision: DecisionProblem, group: Sequence[str], name: str) -> bool:
    """Return True if a group may also have this name."""
    if decision.family == "bins":
        return sum(map(decision.weight, group)) + decision.weight(name) <= decision.target
    return not any(decision.is_pair(name, other) for other in group)


def _walks(decision: DecisionProblem, names: Sequence[str], walk: list[str]) -> Iterator[Arrangement]:
    """Yield all orders of the names along pairs."""
    if len(walk) == len(names):
        yield [list(walk)]
    for name in names:
        if name not in walk and (not walk or decision.is_pair(walk[-1], name)):
            yield from _walks(decision, names, [*walk, name])


def _selections(rng: Rng, decision: DecisionProblem) -> Iterator[list[str]]:
    """Yield the teams of the largest size in random order."""
    teams = list(combinations(decision.names, decision.groups))
    yield from map(list, rng.sample(teams, len(teams)))


def _solve_sum(rng: Rng, decision: DecisionProblem) -> list[str]:
    """Return a selection of the exact weight: take a name if the others can complete it, else drop it."""
    selection = []
    for name in rng.sample(decision.names, len(decision.names)):
        others = _without(decision, name)
        completed = replace(others, target=decision.target - decision.weight(name))
        if completed.target >= 0 and is_solvable(completed):
            selection.append(name)
            others = completed
        decision = others
    return selection


def solution_of(rng: Rng, decision: DecisionProblem) -> Arrangement:
    """Return a random arrangement that meets all conditions."""
    if decision.family == "sum":
        return [_solve_sum(rng, decision)]
    if decision.family == "cover":
        for names in _selections(rng, decision):
            if left_over(decision, [names]) in COMPLETE:
                return [names]
    return next(arrangements(rng, decision))


def near_misses_of(rng: Rng, pair: ProblemPair, count: int) -> list[Arrangement]:
    """Return different arrangements that nearly meet the conditions, and are described alike for both problems.

    Raises:
        Resample: if there are too few.
    """
    near_misses: list[Arrangement] = []
    selections = set()
    for groups in _candidates(rng, pair):
        selection = tuple(groups[0]) if pair.solvable.family == "path" else tuple(map(frozenset, groups))
        if selection not in selections and _is_near_miss(pair, groups):
            near_misses.append(groups)
            selections.add(selection)
        if len(near_misses) == count:
            return near_misses
    raise Resample


def _is_near_miss(pair: ProblemPair, groups: Arrangement) -> bool:
    outcome = left_over(pair.solvable, groups)
    if outcome in COMPLETE or outcome != left_over(pair.unsolvable, groups):
        return False
    return _is_stuck(pair.solvable, groups) and _is_stuck(pair.unsolvable, groups)


def _is_stuck(decision: DecisionProblem, groups: Arrangement) -> bool:
    """Return True if an arrangement breaks no condition, but would with any other name put into it."""
    if violations(decision, groups):
        return False
    if decision.family in ("sum", "cover"):
        return True
    others = sorted(set(decision.names) - set(chain(*groups)))
    for name, (n, group) in product(others, enumerate(groups)):
        for place in range(len(group) + 1):
            larger = [*group[:place], name, *group[place:]]
            if not violations(decision, [*groups[:n], larger, *groups[n + 1 :]]):
                return False
    return True


def _candidates(rng: Rng, pair: ProblemPair) -> Iterator[Arrangement]:
    """Yield arrangements that miss by little in the unsolvable problem."""
    decision = pair.unsolvable
    if decision.family == "cover":
        for team in _selections(rng, decision):
            if left_over(decision, [team]).count(",") == 0:
                yield [team]
    elif decision.family == "sum":
        yield from _near_sums(rng, pair)
    else:
        for _ in range(ROUNDS):
            for name in rng.sample(decision.names, len(decision.names)):
                reduced = _without(decision, name)
                if is_solvable(reduced):
                    yield from islice(arrangements(rng, reduced), 1)


def _near_sums(rng: Rng, pair: ProblemPair) -> Iterator[Arrangement]:
    """Yield selections whose sums are near the target; no sum is a number of the prompts."""
    left, right = pair.solvable, pair.unsolvable
    fixed = [name for name in left.names if left.weight(name) == right.weight(name)]
    usual_count = round(left.target * len(left.names) / sum(left.weights))
    numbers = {*left.weights, *right.weights, left.target, right.target}
    by_distance: list[tuple[int, list[str]]] = []
    for _ in range(TRIALS):
        count = min(max(2, usual_count + rng.number(-1, 1)), len(fixed))
        names = rng.sample(fixed, count)
        total = sum(map(left.weight, names))
        if total not in numbers:
            by_distance.append((abs(total - left.target), names))
    by_distance.sort()
    for _, names in by_distance:
        yield [names]


def _without(decision: DecisionProblem, name: str) -> DecisionProblem:
    """Return the problem without one name."""
    place = decision.names.index(name)
    names = decision.names[:place] + decision.names[place + 1 :]
    weights = decision.weights[:place] + decision.weights[place + 1 :]
    pairs = tuple(pair for pair in decision.pairs if name not in pair)
    return replace(decision, names=names, weights=weights, pairs=pairs)
