"""Problems of five families, in pairs that differ in one detail: one of them has a solution."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain, combinations, pairwise, starmap

from rewardbench.builders.draw import Resample, Rng
from rewardbench.verifiers.hard.no_certificate import DecisionProblem, is_solvable

SIZES = {"sum": (6, 9, 13, 24), "bins": (6, 8, 13, 17), "colour": (7, 10, 20), "path": (6, 9, 12)}
"""Number of names at each rung; some families end below the last one."""
COVER_SIZES = ((5, 6, 2), (8, 9, 3), (16, 15, 4))
"""Number of people, of skills, and of people to choose at each rung."""
BINS = (2, 2, 3, 4)
BIN_WEIGHTS = ((20, 99), (20, 99), (101, 499), (101, 699))
BIN_SLACK = (2, 2, 0, 0)
"""Largest room that a drawn packing leaves in each bin over its share, at each rung."""
DENSITY = (1.8, 2.1, 2.4)
"""Pairs in conflict for each name, at each rung."""
LARGEST = (60, 250, 1499, 29999)
"""Largest number of an exact sum at each rung."""
SHARES = ((0.4, 0.6), (0.4, 0.6), (0.35, 0.5), (0.19, 0.22))
"""Bounds of an exact sum, as shares of all numbers, at each rung: about half of the totals can be reached."""
EVEN_FROM = 2
"""Level from which nothing that can be counted stands out: no person has several skills beyond another, no name few
conflicts, and no three names all conflict."""
SKILLS = 4
"""Skills of each person from this level."""
TRIALS = 400


@dataclass(frozen=True)
class ProblemScene:
    """A situation in which a family of problems occurs: its names, and the texts before and after the list."""

    family: str
    items: str
    before: list[str]
    after: list[str]
    unit: str = ""
    group: str = ""
    linked: str = ""
    """What it means to be a pair."""
    skills: str = ""


@dataclass(frozen=True)
class ProblemPair:
    """Two problems that differ in one detail, and this detail."""

    solvable: DecisionProblem
    unsolvable: DecisionProblem
    edit: str


def draw_pair(rng: Rng, scene: ProblemScene, level: int) -> ProblemPair:
    """Draw two problems that differ in one detail, one of them solvable; levels count from 0.

    Raises:
        Resample: if none turns up in `TRIALS` trials.
    """
    draw_problem, change, changes = FAMILIES[scene.family]
    for _ in range(TRIALS):
        with suppress(Resample):
            original = draw_problem(rng, scene, level)
            for _ in range(changes):
                changed, edit = change(rng, original)
                is_planted = scene.family in ("colour", "path")  # drawn around a hidden solution
                solvable, unsolvable = (original, changed) if is_planted or rng.chance() else (changed, original)
                is_fair = _is_fair(solvable, level) and _is_fair(unsolvable, level)
                if is_fair and not is_solvable(unsolvable) and is_solvable(solvable):
                    return ProblemPair(solvable, unsolvable, edit)
    raise Resample


def _is_fair(decision: DecisionProblem, level: int) -> bool:
    """Return True if nothing that shows at a glance decides; at the first rung it may."""
    if decision.family == "bins":
        slack = decision.target * decision.groups - sum(decision.weights)
        return 0 <= slack <= 4 * decision.groups and max(decision.weights) <= decision.target
    if decision.family == "cover":
        holders = Counter(chain(*decision.skills))
        return min(holders.values()) > 1
    if decision.family in ("colour", "path"):
        degrees = Counter(chain(*decision.pairs))
        if len(degrees) < len(decision.names):
            return False
        has_loose_ends = decision.family == "path" and list(degrees.values()).count(1) > 2
        if decision.family == "colour" and level >= EVEN_FROM and min(degrees.values()) < 3:
            return False
        return level == 0 or not (has_loose_ends or _has_clique(decision))
    return True


def _has_clique(decision: DecisionProblem) -> bool:
    """Return True if four names conflict with each other, so that three groups are too few."""
    if decision.family == "colour":
        for left, right in decision.pairs:
            both = [name for name in decision.names if decision.is_pair(left, name) and decision.is_pair(right, name)]
            if any(starmap(decision.is_pair, combinations(both, 2))):
                return True
    return False


def _draw_sum(rng: Rng, scene: ProblemScene, level: int) -> DecisionProblem:
    count, largest = SIZES["sum"][level], LARGEST[level]
    weights = tuple(rng.numbers(count, largest // 5, largest))
    low, high = SHARES[level]
    target = rng.number(int(sum(weights) * low), int(sum(weights) * high))
    return DecisionProblem("sum", _pick_names(rng, scene, count), weights, target)


def _draw_bins(rng: Rng, scene: ProblemScene, level: int) -> DecisionProblem:
    """Draw a packing with little slack: the sum of the weights alone does not decide."""
    count, bins = SIZES["bins"][level], BINS[level]
    weights = tuple(rng.numbers(count, *BIN_WEIGHTS[level]))
    target = (sum(weights) + bins - 1) // bins + rng.number(0, BIN_SLACK[level])
    return DecisionProblem("bins", _pick_names(rng, scene, count), weights, target, bins)


def _draw_conflicts(rng: Rng, scene: ProblemScene, level: int) -> DecisionProblem:
    """Draw conflicts between the groups of a hidden solution."""
    names = _pick_names(rng, scene, SIZES["colour"][level])
    across = []
    for left, right in combinations(range(len(names)), 2):
        if left % 3 != right % 3:
            across.append((names[left], names[right]))
    count = min(len(across) - 1, round(len(names) * DENSITY[level]))
    pairs = _even_pairs(rng.sample(across, len(across)), count) if level >= EVEN_FROM else rng.sample(across, count)
    return DecisionProblem("colour", tuple(rng.sample(names, len(names))), groups=3, pairs=_mixed(rng, pairs))


def _even_pairs(pairs: Sequence[tuple[str, str]], count: int) -> list[tuple[str, str]]:
    """Return pairs without a triangle, of names with few pairs first."""
    neighbours: dict[str, set[str]] = {name: set() for name in chain(*pairs)}
    remaining = list(pairs)
    chosen: list[tuple[str, str]] = []
    while remaining and len(chosen) < count:
        pair = min(remaining, key=lambda pair: len(neighbours[pair[0]]) + len(neighbours[pair[1]]))
        remaining.remove(pair)
        left, right = pair
        if not neighbours[left] & neighbours[right]:
            chosen.append(pair)
            neighbours[left].add(right)
            neighbours[right].add(left)
    return chosen


def _draw_path(rng: Rng, scene: ProblemScene, level: int) -> DecisionProblem:
    """Draw the steps of a hidden path and other pairs."""
    names = _pick_names(rng, scene, SIZES["path"][level])
    pairs = list(pairwise(names))
    others = sorted(set(combinations(names, 2)) - set(pairs))
    pairs += rng.sample(others, round(len(names) * 0.55))
    return DecisionProblem("path", tuple(rng.sample(names, len(names))), pairs=_mixed(rng, pairs))


def _mixed(rng: Rng, pairs: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Return the pairs in random order, each in random direction."""
    directed = [pair if rng.chance() else (pair[1], pair[0]) for pair in pairs]
    return tuple(rng.sample(directed, len(directed)))


def _draw_cover(rng: Rng, scene: ProblemScene, level: int) -> DecisionProblem:
    """Deal each skill to two people, and the skills once more at random; at the upper levels, evenly."""
    count, skill_count, team = COVER_SIZES[level]
    skills = rng.sample(scene.skills.split(", "), skill_count)
    most = 5
    if level >= EVEN_FROM:
        most = SKILLS
        copies = skills * (most * count // skill_count) + rng.sample(skills, most * count % skill_count)
    else:
        places = max(3 * count + rng.number(0, count // 2) - (count if level == 0 else 0), 2 * skill_count + 1)
        copies = skills * 2 + [rng.pick(skills) for _ in range(places - 2 * skill_count)]
    skills_by_person: list[list[str]] = [[] for _ in range(count)]
    for skill in rng.sample(copies, len(copies)):
        takers = [skill_list for skill_list in skills_by_person if skill not in skill_list and len(skill_list) < most]
        if not takers:
            raise Resample
        shortest = min(map(len, takers))
        rng.pick([skill_list for skill_list in takers if len(skill_list) <= shortest + 1]).append(skill)
    names = _pick_names(rng, scene, count)
    return DecisionProblem("cover", names, groups=team, skills=tuple(map(tuple, skills_by_person)))


def _pick_names(rng: Rng, scene: ProblemScene, count: int) -> tuple[str, ...]:
    return tuple(rng.sample(scene.items.split(", "), count))


def _change_number(rng: Rng, decision: DecisionProblem) -> tuple[DecisionProblem, str]:
    """Change the target, or one weight, by a little."""
    delta = rng.number(1, max(1, max(decision.weights) // 30)) * rng.pick((-1, 1))
    if rng.chance():
        changed = replace(decision, target=decision.target + delta)
        return changed, f"{decision.target} or {changed.target} in all"
    place = rng.number(0, len(decision.weights) - 1)
    weights = list(decision.weights)
    weights[place] += delta
    if weights[place] in decision.weights or weights[place] < 2:
        raise Resample
    edit = f"{decision.names[place]}: {decision.weights[place]} or {weights[place]}"
    return replace(decision, weights=tuple(weights)), edit


def _shift_weight(rng: Rng, decision: DecisionProblem) -> tuple[DecisionProblem, str]:
    """Make one weight larger and another one smaller, so that the sum tells nothing."""
    delta = rng.number(1, max(1, max(decision.weights) // 30))
    larger, smaller = rng.sample(range(len(decision.names)), 2)
    weights = list(decision.weights)
    weights[larger] += delta
    weights[smaller] -= delta
    if len(set(weights)) < len(weights) or weights[smaller] < 2:
        raise Resample
    edits = []
    for place in (larger, smaller):
        edits.append(f"{decision.names[place]}: {decision.weights[place]} or {weights[place]}")
    return replace(decision, weights=tuple(weights)), "; ".join(edits)


def _change_pair(rng: Rng, decision: DecisionProblem) -> tuple[DecisionProblem, str]:
    """Let one pair have another second name."""
    place = rng.number(0, len(decision.pairs) - 1)
    left, right = decision.pairs[place]
    others = [name for name in decision.names if name != left and not decision.is_pair(left, name)]
    if not others:
        raise Resample
    other = rng.pick(others)
    pairs = (*decision.pairs[:place], (left, other), *decision.pairs[place + 1 :])
    return replace(decision, pairs=pairs), f"{left} with {right} or {other}"


def _change_skill(rng: Rng, decision: DecisionProblem) -> tuple[DecisionProblem, str]:
    """Let one person have another skill in place of one."""
    place = rng.number(0, len(decision.names) - 1)
    skills = list(decision.skills[place])
    others = sorted(decision.skills_of(decision.names) - set(skills))
    if not others:
        raise Resample
    slot, new = rng.number(0, len(skills) - 1), rng.pick(others)
    edit = f"{decision.names[place]}: {skills[slot]} or {new}"
    skills[slot] = new
    return replace(decision, skills=(*decision.skills[:place], tuple(skills), *decision.skills[place + 1 :])), edit


ProblemDraw = Callable[[Rng, ProblemScene, int], DecisionProblem]
ProblemChange = Callable[[Rng, DecisionProblem], tuple[DecisionProblem, str]]
FAMILIES: Mapping[str, tuple[ProblemDraw, ProblemChange, int]] = {
    "sum": (_draw_sum, _change_number, 1),
    "bins": (_draw_bins, _shift_weight, 4),
    "colour": (_draw_conflicts, _change_pair, 12),
    "path": (_draw_path, _change_pair, 12),
    "cover": (_draw_cover, _change_skill, 6),
}
"""Of each family: how a problem is drawn, how it is changed, and the changes that are tried for each problem."""
