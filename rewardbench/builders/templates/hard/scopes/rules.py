"""Random rules with scopes, and twins: two names whose scopes are swapped, or a fact that turns both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from rewardbench.builders.draw import Resample, Rng
from rewardbench.builders.templates.hard.scopes.wording import bare
from rewardbench.verifiers.hard.scopes import ADULT_AGE, WEEKEND, ChatFacts, SpeechRule, applies

CATEGORIES = {"product": "products", "place": "places"}
WORKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")
OPPOSITES = (("minor", "adult"), ("member", "guest"), ("workday", "weekend"))
"""Conditions of which a fact meets exactly one."""
DRAWS = 50
"""Pairs of scopes to draw until exactly one of them applies."""
REGIONS = ("opening", "closing", "upper", "lower")


@dataclass(frozen=True)
class NamePool:
    """The names of a mirror; the first two are of the same category."""

    names: tuple[str, ...]
    categories: Mapping[str, str]

    @classmethod
    def draw(cls, rng: Rng, world: Mapping[str, Any], number: int) -> NamePool:
        """Return names of a world, and first names."""
        options: dict[str, list[str]] = {"person": rng.people(4)}
        for category, key in CATEGORIES.items():
            options[category] = rng.sample(world[key], len(world[key]))
        first = rng.pick(sorted(options))
        chosen = [(options[first].pop(), first), (options[first].pop(), first)]
        while len(chosen) < number:
            category = rng.pick(sorted(options))
            if options[category]:
                chosen.append((options[category].pop(), category))
        return cls(tuple(name for name, _ in chosen), dict(chosen))

    def category(self, name: str) -> str:
        """Return the category of a name."""
        return self.categories[name]


@dataclass(frozen=True)
class SpeechCase:
    """Rules and facts of one prompt."""

    rules: tuple[SpeechRule, ...]
    facts: ChatFacts


@dataclass(frozen=True)
class TwinPlan:
    """The cases of both prompts, and the places of the two names in both replies."""

    edit: str
    cases: tuple[SpeechCase, SpeechCase]
    places: tuple[dict[str | int, str], dict[str | int, str]]


def draw_case(rng: Rng, pool: NamePool, turn: int, rung: int) -> SpeechCase:
    """Return a rule for each name but the first two, and facts."""
    facts = draw_facts(rng, pool, turn, rung)
    rules = [draw_rule(rng, name, turn, rung) for name in pool.names[2:]]
    return SpeechCase(tuple(rules), facts)


def draw_facts(rng: Rng, pool: NamePool, turn: int, rung: int) -> ChatFacts:
    """Return facts about a conversation, without counts over it."""
    used = rng.sample(pool.names[2:], min(len(pool.names) - 2, rng.number(0, rung - 1), turn - 1))
    return {
        "turn": turn,
        "age": rng.pick((14, 15, 16, 17, 18, 19, 20, 31, 47, 68)),
        "is_member": rng.chance(),
        "day": rng.pick((*WORKDAYS, *WEEKEND)),
        "used": [bare(name) for name in used],
        "measures": {},
    }


def draw_rule(rng: Rng, name: str, turn: int, rung: int) -> SpeechRule:
    """Return a rule on a name without counts over the conversation."""
    choice = rng.number(1, 10)
    if choice == 1:
        return _rule("use", name, [["from", str(max(2, turn + rng.number(0, 1)))]])
    if choice <= 3:
        return _rule("only" if choice == 2 else "avoid", name, [], rng.pick(REGIONS))
    return _rule("avoid", name, _draw_conditions(rng, turn, rung))


def _rule(kind: str, name: str, conditions: list[list[str]], region: str = "") -> SpeechRule:
    return {"kind": kind, "name": bare(name), "conditions": conditions, "region": region, "unless": []}


def _draw_conditions(rng: Rng, turn: int, rung: int) -> list[list[str]]:
    """Return one condition, or two from rung 2 on, of different kinds."""
    if rng.chance(0.1):
        return [["always"]]
    number = 1 + int(rung > 1 and rng.chance(0.2 * rung))
    groups = [*OPPOSITES, ("until", "from"), ("unnamed", "named")]
    conditions = []
    for group in sorted(rng.sample(range(len(groups)), number)):
        condition = rng.pick(groups[group])
        is_counted = condition in ("until", "from")
        conditions.append([condition, str(max(2, turn + rng.number(-2, 2)))] if is_counted else [condition])
    return conditions


def plan_twin(rng: Rng, case: SpeechCase, pool: NamePool, rung: int, number: int) -> TwinPlan:
    """Return a twin of a random kind.

    Raises:
        Resample: if the random conditions do not make one.
    """
    plan = rng.pick((_swap_scopes, _swap_scopes, _turn_fact, _turn_fact, _swap_regions))(rng, case, pool, rung, number)
    order = rng.sample(range(len(pool.names)), len(pool.names))
    cases = []
    for side in plan.cases:
        rules = [side.rules[n] for n in order]
        cases.append(SpeechCase(tuple(rules), side.facts))
    return replace(plan, cases=(cases[0], cases[1]))


def _places(rng: Rng, first: str, second: str, number: int) -> tuple[dict[str | int, str], dict[str | int, str]]:
    """Return one place, where one reply has the first and the other the second name."""
    place: str | int = rng.pick(("opening", "closing")) if rng.chance(0.2) else rng.number(0, number - 1)
    return {place: first}, {place: second}


def _swap_scopes(rng: Rng, case: SpeechCase, pool: NamePool, rung: int, number: int) -> TwinPlan:
    """Swap the conditions of two rules, one of which applies."""
    first, second = pool.names[:2]
    for _ in range(DRAWS):
        scopes = [_draw_conditions(rng, case.facts["turn"], rung) for _ in range(2)]
        sides = []
        states = []
        for left, right in (scopes, scopes[::-1]):
            rules = (_rule("avoid", first, left), _rule("avoid", second, right))
            states += [applies(rule, case.facts) for rule in rules]
            sides.append(SpeechCase((*rules, *case.rules), case.facts))
        if states == [True, False, False, True]:
            places = _places(rng, second, first, number)
            return TwinPlan(f"scopes of {first} and {second}", (sides[0], sides[1]), places)
    raise Resample


def _turn_fact(rng: Rng, case: SpeechCase, pool: NamePool, rung: int, number: int) -> TwinPlan:
    """Turn a fact, so that another of two rules applies."""
    first, second = pool.names[:2]
    facts = [case.facts.copy(), case.facts.copy()]
    kind = rng.pick((*OPPOSITES, ("unnamed", "unnamed")))
    if kind[0] == "minor":
        facts[0]["age"], facts[1]["age"] = ADULT_AGE - rng.number(1, 2), ADULT_AGE + rng.number(0, 1)
    elif kind[0] == "member":
        facts[0]["is_member"], facts[1]["is_member"] = True, False
    elif kind[0] == "workday":
        facts[0]["day"], facts[1]["day"] = rng.pick(WORKDAYS), rng.pick(WEEKEND)
    else:
        facts[0]["used"] = [*case.facts["used"], bare(second)]
        facts[1]["used"] = [*case.facts["used"], bare(first)]
    if len(facts[0]["used"]) >= case.facts["turn"]:
        raise Resample
    rules = (_rule("avoid", first, [[kind[0]]]), _rule("avoid", second, [[kind[1]]]), *case.rules)
    sides = SpeechCase(rules, facts[0]), SpeechCase(rules, facts[1])
    return TwinPlan(f"{kind[0]} for {first} and {second}", sides, _places(rng, second, first, number))


def _swap_regions(rng: Rng, case: SpeechCase, pool: NamePool, rung: int, number: int) -> TwinPlan:
    """Swap the regions in which alone two names may be used."""
    first, second = pool.names[:2]
    regions = rng.pick((("opening", "closing"), ("upper", "lower")))
    sides = []
    for left, right in (regions, regions[::-1]):
        rules = (_rule("only", first, [], left), _rule("only", second, [], right), *case.rules)
        sides.append(SpeechCase(rules, case.facts))
    spots: tuple[str | int, str | int] = regions
    if regions[0] == "upper":
        spots = rng.number(0, number // 2 - 1), rng.number(number // 2, number - 1)
    return TwinPlan(
        f"regions of {first} and {second}",
        (sides[0], sides[1]),
        ({spots[0]: first, spots[1]: second}, {spots[0]: second, spots[1]: first}),
    )


def place_other_names(rng: Rng, twin: TwinPlan, pool: NamePool, number: int, share: float) -> dict[str | int, str]:
    """Return places of the names that the twin leaves alone, in line with the rules of both prompts.

    A name that need not be used is used at random, so that the mere use of a name with a rule is no sign of a breach.

    Args:
        rng: randomness.
        twin: the rules and facts of both prompts.
        pool: the names.
        number: items of the list in a reply.
        share: share of the names allowed that are used.

    Raises:
        Resample: if a name that must be used has no place.
    """
    taken = {*twin.places[0], *twin.places[1]}
    free: list[str | int] = [place for place in range(number) if place not in taken]
    free += [end for end in ("opening", "closing") if end not in taken and rng.chance(0.2)]
    free = rng.sample(free, len(free))
    by_name = {bare(name): name for name in pool.names}
    places: dict[str | int, str] = {}
    for rule in twin.cases[0].rules:
        name = by_name[rule["name"]]
        if name in pool.names[:2]:
            continue
        is_active = any(applies(rule, case.facts) for case in twin.cases)
        is_used = is_active if rule["kind"] == "use" else rng.chance(share) and (bool(rule["region"]) or not is_active)
        allowed = [place for place in free if _is_allowed(rule, place, number)]
        if is_used and allowed and pool.category(name) and len(places) < number // 2:
            places[allowed[0]] = name
            free.remove(allowed[0])
        elif is_used and rule["kind"] == "use":
            raise Resample
    return places


def _is_allowed(rule: SpeechRule, place: str | int, number: int) -> bool:
    if not rule["region"]:
        return True
    region = place if isinstance(place, str) else ("upper" if place < number // 2 else "lower")
    return (region == rule["region"]) == (rule["kind"] == "only")
