"""Decide packing, colouring, route and cover problems by dynamic programming or enumeration, from the check's data.

A response opens with yes or no and lists attempts, one on each line:

    2) drill, saw | lamp, rope - left over: tent

It passes if every attempt is as described, and the verdict is right.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import chain, combinations, pairwise, starmap
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardbench.verifiers.cells import BrokenCheck, Cell, cell_by_cell

ATTEMPT = re.compile(r"^\d+\) (.+) - (.+)$", re.MULTILINE)
VERDICT = re.compile(r"\b(yes|no)\b", re.IGNORECASE)
COMPLETE = ("exactly right", "nothing left over", "nothing missing")


@dataclass(frozen=True)
class DecisionProblem:
    """A decision problem: may the names be arranged as wanted?

    Families: `sum` (a selection of exactly `target`), `bins` (`groups` bins of at most `target`), `colour` (`groups`
    groups without a pair of `pairs`), `path` (an order in which neighbours are a pair of `pairs`), `cover` (`groups`
    names that have all skills).
    """

    family: str
    names: tuple[str, ...]
    weights: tuple[int, ...] = ()
    target: int = 0
    groups: int = 1
    pairs: tuple[tuple[str, str], ...] = ()
    skills: tuple[tuple[str, ...], ...] = ()

    def to_json(self) -> dict[str, object]:
        """Return the data of a check."""
        fields: dict[str, object] = {"family": self.family, "names": list(self.names), "groups": self.groups}
        fields |= {"weights": list(self.weights), "target": self.target, "pairs": list(map(list, self.pairs))}
        return fields | {"skills": list(map(list, self.skills))}

    def weight(self, name: str) -> int:
        """Return the weight of a name."""
        return self.weights[self._places[name]]

    def skills_of(self, names: Sequence[str]) -> set[str]:
        """Return the skills that these names have together."""
        places = map(self._places.__getitem__, names)
        return set().union(*map(self.skills.__getitem__, places))

    def is_pair(self, left: str, right: str) -> bool:
        """Return True if two names are a pair, in any order."""
        return (left, right) in self._links or (right, left) in self._links

    @cached_property
    def _places(self) -> dict[str, int]:
        return dict(zip(self.names, range(len(self.names)), strict=True))

    @cached_property
    def _links(self) -> frozenset[tuple[str, str]]:
        return frozenset(self.pairs)


def from_check(check: Mapping[str, Any]) -> DecisionProblem:
    """Return the problem of a check."""
    return DecisionProblem(
        check["family"],
        tuple(check["names"]),
        tuple(check["weights"]),
        check["target"],
        check["groups"],
        tuple((left, right) for left, right in check["pairs"]),
        tuple(map(tuple, check["skills"])),
    )


@cache
def is_solvable(decision: DecisionProblem) -> bool:
    """Return True if some arrangement meets all conditions; exact."""
    return SOLVERS[decision.family](decision)


def _sum_solvable(decision: DecisionProblem) -> bool:
    """Collect the sums of all selections: bit s of `sums` is set if one of them weighs s."""
    sums = 1
    for weight in decision.weights:
        sums |= sums << weight
    return (sums >> decision.target) % 2 == 1


def _bins_solvable(decision: DecisionProblem) -> bool:
    """Collect all loads that a bin may have if the others are as full as they can be, and look for a partition."""
    loads = np.zeros(1, dtype=np.int64)
    for weight in decision.weights:
        loads = np.concatenate([loads, loads + weight])
    least = sum(decision.weights) - (decision.groups - 1) * decision.target
    possible = np.flatnonzero((loads >= least) & (loads <= decision.target)).tolist()
    by_lowest: dict[int, list[int]] = {}
    for items in possible:
        by_lowest.setdefault(items & -items, []).append(items)

    def partitions(remaining: int, bins: int) -> bool:
        if not remaining:
            return True
        if not bins:
            return False
        for items in by_lowest.get(remaining & -remaining, []):
            if items & remaining == items and partitions(remaining ^ items, bins - 1):
                return True
        return False

    return partitions((1 << len(decision.names)) - 1, decision.groups)


def _colour_solvable(decision: DecisionProblem) -> bool:
    """Try each largest possible first group, and colour the other names with the other groups (Lawler 1976)."""
    return _colourable(_masks(decision), (1 << len(decision.names)) - 1, decision.groups)


def _colourable(neighbours: Sequence[int], names: int, groups: int) -> bool:
    """Return True if the names, as bits, can be placed in the groups."""
    if not names:
        return True
    if groups == 0:
        return False
    if groups == 2:
        return _is_bipartite(neighbours, names)
    first = max(_bits(names), key=lambda n: (neighbours[n] & names).bit_count())
    candidates = names & ~neighbours[first] & ~(1 << first)
    for group in _independent_sets(neighbours, 1 << first, candidates, 0):
        if _colourable(neighbours, names & ~group, groups - 1):
            return True
    return False


def _is_bipartite(neighbours: Sequence[int], names: int) -> bool:
    """Return True if two groups are enough: place name by name opposite to its neighbours."""
    while names:
        start = names & -names
        sides, layer, turn = [start, 0], start, 0
        while layer:
            reached = 0
            for n in _bits(layer):
                reached |= neighbours[n] & names
            if reached & sides[turn]:
                return False
            turn = 1 - turn
            layer = reached & ~sides[turn]
            sides[turn] |= layer
        names &= ~(sides[0] | sides[1])
    return True


def _independent_sets(neighbours: Sequence[int], chosen: int, candidates: int, excluded: int) -> Iterator[int]:
    """Yield the sets without a pair that no name can be added to (Bron and Kerbosch 1973).

    Args:
        neighbours: the pairs of each name, as bits.
        chosen: names of the set so far.
        candidates: names that may be added.
        excluded: names that may be added too, but whose sets have been yielded.
    """
    if not candidates and not excluded:
        yield chosen
        return
    pivot = min(_bits(candidates | excluded), key=lambda n: (neighbours[n] & candidates).bit_count())
    for n in _bits(candidates & (neighbours[pivot] | 1 << pivot)):
        apart = ~(neighbours[n] | 1 << n)
        yield from _independent_sets(neighbours, chosen | 1 << n, candidates & apart, excluded & apart)
        candidates &= ~(1 << n)
        excluded |= 1 << n


def _bits(names: int) -> Iterator[int]:
    """Yield the places of the bits of a number."""
    while names:
        yield (names & -names).bit_length() - 1
        names &= names - 1


def _path_solvable(decision: DecisionProblem) -> bool:
    """Collect for each set of names those at which a path through the set can end (Held and Karp 1962)."""
    neighbours = _masks(decision)
    size = len(decision.names)
    ends = [0] * (1 << size)
    for n in range(size):
        ends[1 << n] = 1 << n
    for names in range(1, 1 << size):
        if not ends[names]:
            continue
        for n in range(size):
            if ends[names] & neighbours[n] and not names >> n & 1:
                ends[names | 1 << n] |= 1 << n
    return ends[-1] > 0


def _cover_solvable(decision: DecisionProblem) -> bool:
    """Split the team in halves, and look for two halves that have all skills together (Horowitz and Sahni 1974)."""
    order = sorted(decision.skills_of(decision.names))
    bits = dict(zip(order, map((1).__lshift__, range(len(order))), strict=True))
    masks = []
    for skills in decision.skills:
        masks.append(sum(map(bits.__getitem__, skills)))
    smaller, larger = _unions(masks, decision.groups // 2), _unions(masks, (decision.groups + 1) // 2)
    return bool((np.bitwise_or.outer(smaller, larger) == sum(bits.values())).any())


def _unions(masks: Sequence[int], count: int) -> NDArray[np.int64]:
    """Return the skills, as bits, of each choice of up to `count` names."""
    unions = np.zeros(1, dtype=np.int64)
    for _ in range(count):
        unions = np.unique(np.concatenate([unions, *(unions | mask for mask in masks)]))
    return unions


def _masks(decision: DecisionProblem) -> list[int]:
    """Return the pairs of each name as the bits of a number."""
    masks = [0] * len(decision.names)
    for left, right in decision.pairs:
        u, v = decision.names.index(left), decision.names.index(right)
        masks[u] |= 1 << v
        masks[v] |= 1 << u
    return masks


SOLVERS: Mapping[str, Callable[[DecisionProblem], bool]] = {
    "sum": _sum_solvable,
    "bins": _bins_solvable,
    "colour": _colour_solvable,
    "path": _path_solvable,
    "cover": _cover_solvable,
}


def violations(decision: DecisionProblem, groups: Sequence[Sequence[str]]) -> int:
    """Count the conditions that an arrangement breaks, apart from names that it leaves out."""
    names = list(chain(*groups))
    unknown = set(names) - set(decision.names)
    if unknown:
        raise BrokenCheck(f"unknown name {min(unknown)!r}")
    count = len(names) - len(set(names)) + max(0, len(groups) - decision.groups)
    for group in groups:
        if decision.family == "bins":
            count += sum(map(decision.weight, group)) > decision.target
        elif decision.family == "colour":
            count += sum(starmap(decision.is_pair, combinations(group, 2)))
        elif decision.family == "path":
            count += len(group) - 1 - sum(starmap(decision.is_pair, pairwise(group)))
        elif decision.family == "cover":
            count += max(0, len(group) - decision.groups)
    return count


def left_over(decision: DecisionProblem, groups: Sequence[Sequence[str]]) -> str:
    """Describe what an arrangement leaves out (of a selection of weights: what it weighs)."""
    names = list(chain(*groups))
    if decision.family == "sum":
        total = sum(map(decision.weight, names))
        return "exactly right" if total == decision.target else str(total)
    if decision.family == "cover":
        missing = sorted(decision.skills_of(decision.names) - decision.skills_of(names))
        return f"missing: {', '.join(missing)}" if missing else "nothing missing"
    missing = sorted(set(decision.names) - set(names))
    return f"left over: {', '.join(missing)}" if missing else "nothing left over"


def _passes(cell: Cell) -> bool:
    decision = from_check(cell.check)
    verdict = VERDICT.search(cell.response)
    attempts = ATTEMPT.findall(cell.response)
    if not verdict or not attempts:
        raise BrokenCheck("no verdict, or no attempts")
    for arrangement, outcome in attempts:
        groups = [group.split(", ") for group in arrangement.split(" | ")]
        if outcome in COMPLETE and verdict[1].lower() == "no":
            return False
        if violations(decision, groups) or left_over(decision, groups) != outcome:
            return False
    return is_solvable(decision) == (verdict[1].lower() == "yes")


verify_no_certificate = cell_by_cell(_passes)
