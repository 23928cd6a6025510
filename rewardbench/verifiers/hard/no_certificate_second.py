"""Decide packing, colouring, route and cover problems by search, on the problem as the prompt states it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain, pairwise

from rewardbench.verifiers.cells import BrokenCheck, Cell, cell_by_cell

NUMBERED = (r"^- (?P<name>.+): (?P<value>\d+)\b", r"(?P<name>[a-z][a-z -]*) \((?P<value>\d+)\)")
NUMBERED_TABLE = r"^\| (?P<name>[^|]+) \| (?P<value>\d+) \|$"
LISTED = r"^- (?P<name>.+): (?P<value>[a-z].*)$"
LISTED_INLINE = r"(?P<name>[\w-]+) \((?P<value>[a-z][^()]*)\)"
LISTED_TABLE = r"^\| (?P<name>[^|]+) \| (?P<value>[a-z][^|]*) \|$"
PAIR_LINE = r"^- (?P<name>[^:/\n]+) / (?P<value>[^:/\n]+)$"
PAIR_INLINE = r"(?P<name>[a-z][a-z -]*)\+(?P<value>[a-z][a-z -]*)"
SIZES = {"sum": r"exactly (\d+)", "bins": r"at most (\d+)"}
COUNTS = {
    "bins": r"(\d+) (?:vans|disks|planks)\b",
    "colour": r"(\d+) (?:slots|tanks|coaches)\b",
    "cover": r"(\d+) (?:of them|people|guides)\b",
}

LinkedNames = dict[str, set[str]]


def _entries(text: str, *patterns: str) -> dict[str, str]:
    """Return names and values of the first layout that the prompt uses."""
    text = re.sub(r"^\|.*\|\n\|-.*$", "", text, flags=re.MULTILINE)  # the head of a table
    for pattern in patterns:
        entries = {}
        for match in re.finditer(pattern, text, re.MULTILINE):
            entries[match["name"].strip()] = match["value"]
        if len(entries) > 2:
            return entries
    raise BrokenCheck("the prompt has no list of a known layout")


def _number(text: str, pattern: str) -> int:
    """Return the number after a phrase, which must be the same wherever it occurs."""
    numbers = set(re.findall(pattern, text))
    if len(numbers) != 1:
        raise BrokenCheck(f"{len(numbers)} numbers for {pattern}")
    return int(numbers.pop())


def _links(text: str) -> LinkedNames:
    """Return the names that each name is listed with."""
    links: LinkedNames = {}

    def join(left: str, right: str) -> None:
        links.setdefault(left, set()).add(right)
        links.setdefault(right, set()).add(left)

    for pattern in (PAIR_LINE, PAIR_INLINE):
        for match in re.finditer(pattern, text, re.MULTILINE):
            join(match["name"].strip(), match["value"].strip())
        if links:
            return links
    for name, values in _entries(text, LISTED).items():
        for value in values.split(", "):
            join(name, value)
    return links


def _attempts(response: str) -> Iterator[tuple[list[list[str]], str]]:
    """Yield the groups and the outcome of each numbered line."""
    for line in response.splitlines():
        number, bracket, text = line.partition(") ")
        if bracket and number.isdigit():
            arrangement, _, outcome = text.rpartition(" - ")
            yield [part.split(", ") for part in arrangement.split(" | ")], outcome


def _loads(weights: list[int]) -> set[int]:
    """Return what the selections of some weights weigh."""
    loads = {0}
    for weight in weights:
        loads |= {load + weight for load in loads}
    return loads


class _Weights:
    """Search in items with weights: a selection of an exact weight, or bins of a capacity."""

    def __init__(self, text: str, family: str) -> None:
        entries = _entries(text, *NUMBERED, NUMBERED_TABLE)
        self.weights = dict(zip(entries, map(int, entries.values()), strict=True))
        self.size = _number(text, SIZES[family])
        self.bins = _number(text, COUNTS[family]) if family == "bins" else 0

    def is_possible(self) -> bool:
        """Meet in the middle for an exact weight; else fill bin after bin, from heavy to light."""
        weights = sorted(self.weights.values(), reverse=True)
        if self.bins:
            return self._packs(tuple(weights), self.bins, self.size * self.bins - sum(weights))
        half = len(weights) // 2
        complements = {self.size - load for load in _loads(weights[half:])}
        return not complements.isdisjoint(_loads(weights[:half]))

    def _packs(self, weights: tuple[int, ...], bins: int, waste: int) -> bool:
        """Return True if the weights fit into the empty bins; `waste` is the room that they leave in all."""
        if waste < 0 or not weights:
            return waste >= 0
        if bins == 1:
            return sum(weights) <= self.size
        return self._fills(weights[:1], weights[1:], bins, waste, ())

    def _fills(
        self, loaded: tuple[int, ...], weights: tuple[int, ...], bins: int, waste: int, others: tuple[int, ...]
    ) -> bool:
        """Return True if one bin can take `loaded` and some of the weights, and the other bins all `others`."""
        room = self.size - sum(loaded)
        if room < 0 or room - sum(weights) > waste:
            return False
        if not weights:
            return self._packs(others, bins - 1, waste - room)
        first, after = weights[0], weights[1:]
        if self._fills((*loaded, first), after, bins, waste, others):
            return True
        return self._fills(loaded, after, bins, waste, (*others, first))

    def outcome_is_true(self, groups: list[list[str]], outcome: str) -> bool:
        """Return True if the loads are allowed and the outcome describes them."""
        loads = [sum(map(self.weights.__getitem__, group)) for group in groups]
        names = list(chain(*groups))
        if len(names) != len(set(names)):
            return False
        if not self.bins:
            return outcome == (str(loads[0]) if loads[0] != self.size else "exactly right")
        return max(loads) <= self.size and len(loads) <= self.bins and _leaves_out(self.weights, names, outcome)


def _leaves_out(all_names: dict[str, int] | LinkedNames, names: list[str], outcome: str) -> bool:
    """Return True if the outcome names what is left out."""
    left_out = outcome.removeprefix("left over: ").split(", ") if outcome.startswith("left over: ") else []
    return sorted(names + left_out) == sorted(all_names)


class _Graph:
    """Search in names with links: groups without a link inside, or an order along links."""

    def __init__(self, text: str, family: str) -> None:
        self.links = _links(text)
        self.colours = _number(text, COUNTS[family]) if family == "colour" else 0

    def is_possible(self) -> bool:
        """Colour the most constrained name first, or walk from every name."""
        if self.colours:
            return self._colours({})
        return any(self._walks(name, set(self.links) - {name}) for name in sorted(self.links))

    def _colours(self, colours: dict[str, int]) -> bool:
        """Return True if the names without a colour can get one: first the one with the fewest left."""
        used: dict[str, set[int]] = {}
        for name in self.links.keys() - colours.keys():
            used[name] = {colours[other] for other in self.links[name] & colours.keys()}
        if not used:
            return True
        name = max(sorted(used), key=lambda name: (len(used[name]), len(self.links[name])))
        new = max(colours.values(), default=-1) + 1
        for colour in range(min(new + 1, self.colours)):
            if colour not in used[name] and self._colours({**colours, name: colour}):
                return True
        return False

    def _walks(self, name: str, unvisited: set[str]) -> bool:
        """Return True if a walk from this name visits all unvisited ones, each once."""
        for other in unvisited:
            if not self.links[other] & (unvisited | {name}):
                return False
        for other in sorted(self.links[name] & unvisited):
            if self._walks(other, unvisited - {other}):
                return True
        return not unvisited

    def outcome_is_true(self, groups: list[list[str]], outcome: str) -> bool:
        """Return True if the groups are allowed and the outcome describes them."""
        names = list(chain(*groups))
        if not _leaves_out(self.links, names, outcome):
            return False
        if not self.colours:
            return len(groups) == 1 and all(right in self.links[left] for left, right in pairwise(names))
        for group in groups:
            for name in group:
                if self.links[name] & set(group):
                    return False
        return len(groups) <= self.colours


class _Cover:
    """Search in names with skills: a team that has all of them."""

    def __init__(self, text: str) -> None:
        entries = _entries(text, LISTED, LISTED_TABLE, LISTED_INLINE)
        self.skills = {}
        for name, value in entries.items():
            self.skills[name] = set(value.split(", "))
        self.count = _number(text, COUNTS["cover"])
        self.wanted = set().union(*self.skills.values())

    def is_possible(self) -> bool:
        """Branch on who brings the rarest skill."""
        return self._covers(self.wanted, self.count)

    def _holders(self, skill: str) -> list[str]:
        """Return who has a skill."""
        return [name for name, skills in self.skills.items() if skill in skills]

    def _covers(self, wanted: set[str], count: int) -> bool:
        if not wanted or not count:
            return not wanted
        holders = min(map(self._holders, sorted(wanted)), key=len)
        return any(self._covers(wanted - self.skills[name], count - 1) for name in holders)

    def outcome_is_true(self, groups: list[list[str]], outcome: str) -> bool:
        """Return True if the team is small enough and the outcome names what it lacks."""
        (team,) = groups
        missing = set(outcome.removeprefix("missing: ").split(", ")) if outcome.startswith("missing: ") else set()
        covered = set().union(*map(self.skills.__getitem__, team))
        return len(team) <= self.count and covered == self.wanted - missing and missing <= self.wanted


def _passes(cell: Cell) -> bool:
    family = cell.check["family"]
    problem: _Weights | _Graph | _Cover
    if family in ("sum", "bins"):
        problem = _Weights(cell.prompt, family)
    elif family in ("colour", "path"):
        problem = _Graph(cell.prompt, family)
    else:
        problem = _Cover(cell.prompt)
    first_line = cell.response.lower().split("\n")[0]
    says_yes, says_no = re.search(r"\byes\b", first_line) is not None, re.search(r"\bno\b", first_line) is not None
    if says_yes == says_no:
        raise BrokenCheck("the first line has no clear verdict")
    attempts = list(_attempts(cell.response))
    if not attempts:
        raise BrokenCheck("no attempts")
    for groups, outcome in attempts:
        if not problem.outcome_is_true(groups, outcome):
            return False
        if says_no and re.fullmatch(r"exactly right|nothing .*", outcome):
            return False
    return problem.is_possible() == says_yes


verify_no_certificate_again = cell_by_cell(_passes)
