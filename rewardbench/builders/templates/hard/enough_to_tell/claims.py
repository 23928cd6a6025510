"""Claims on orders, groups and amounts, and their sentences."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from rewardbench.builders.draw import Rng
from rewardbench.builders.prompts import capitalize
from rewardbench.verifiers.hard.enough_to_tell import FactClaim

MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September")
CONDITIONAL = (0.0, 0.25, 0.0, 0.0)
"""Share of conditional claims among random ones at each rung."""
WEIGHTED_NAMES = {3: (2, 3, 3), 4: (3, 4, 4)}
"""Numbers of names in a weighted sum, from the third rung on."""
WEIGHTED = {3: 0.8, 4: 0.9}
"""Share of weighted sums among random claims."""
DIVISORS = {3: (7, 11), 4: (11, 13)}
"""Primes that are no weight, so that a sum tells nothing about the remainder of one name alone."""
WEIGHTS = (2, 3, 4, 6, 8, 9)
PLURALS = {"shelf": "shelves"}
COUNTS = ("none", "one", "two", "three", "four", "five")


@dataclass(frozen=True)
class FactSetting:
    """A scene: its names, the words of its sentences, and texts that open a prompt."""

    family: str
    noun: str
    names: str
    intro: list[str]
    verb: str = ""
    earlier: str = ""
    later: str = ""
    groups: list[str] = field(default_factory=list)
    is_about_things: bool = False

    @property
    def plural(self) -> str:
        """Return the plural of the noun."""
        return PLURALS.get(self.noun, f"{self.noun}s")

    def value(self, value: int) -> str:
        """Return a value as it is written: `floor 3`, `March`, `the red team`, `7`."""
        if self.groups:
            return self.groups[value - 1]
        if self.noun == "month":
            return MONTHS[value - 1]
        return f"{self.noun} {value}" if self.family == "order" else str(value)


TEMPLATES: Mapping[str, str] = {
    "before": "{a} {verb} {earlier} {b}",
    "next": "{b} {verb} {later} {a}",
    "adjacent": "{a} and {b} have neighbouring {plural}",
    "apart": "{a} and {b} do not have neighbouring {plural}",
    "gap": "there is exactly one {noun} between those of {a} and {b}",
    "same": "{a} and {b} are together",
    "differ": "{a} and {b} are not together",
    "sum": "{a} and {b} come to {k} together",
    "more": "{a} has {k} more than {b}",
    "twice": "{a} has exactly twice as many as {b}",
    "least": "{a} has at least {k}",
    "most": "{a} has at most {k}",
    "even": "{a} has an even number",
    "odd": "{a} has an odd number",
}
"""Sentences of claims on the values of one or two names, and a number."""


def sentence(setting: FactSetting, claim: FactClaim) -> str:
    """Return the sentence of a claim, without a full stop."""
    return capitalize(_clause(setting, claim))


def _clause(setting: FactSetting, claim: FactClaim) -> str:
    kind, *arguments = claim
    if kind == "if":
        return f"if {_clause(setting, arguments[0])}, then {_clause(setting, arguments[1])}"
    if kind == "count":
        value, number = arguments
        return f"exactly {COUNTS[number]} of them {'is' if number == 1 else 'are'} in {setting.value(value)}"
    if kind == "weighted":
        return _weighted_sum(setting, *arguments)
    if kind == "pick":
        value, left, right = arguments
        return f"{setting.value(value)} belongs to the {left} or to the {right}"
    if kind in ("not", "either"):
        name, *values = arguments
        return f"the {name} {_place(setting, kind, list(map(setting.value, values)))}"
    if kind == "before" and setting.family == "amount":
        return "the {} has fewer than the {}".format(*arguments)
    names = [f"the {argument}" for argument in arguments if isinstance(argument, str)]
    numbers = [argument for argument in arguments if isinstance(argument, int)]
    words = {"verb": setting.verb, "earlier": setting.earlier, "later": setting.later, "noun": setting.noun}
    words["plural"] = setting.plural
    return TEMPLATES[kind].format(a=names[0], b=names[-1], k=numbers[0] if numbers else 0, **words)


def _weighted_sum(setting: FactSetting, divisor: int, remainder: int, *terms: int | str) -> str:
    """Say what a weighted sum of the numbers of some names leaves when it is divided."""
    noun = "number" if setting.family == "amount" else f"{setting.noun} number"
    texts = [f"{terms[0]} times the {noun} of the {terms[1]}"]
    for weight, name in zip(terms[2::2], terms[3::2], strict=True):
        texts.append(f"{weight} times that of the {name}")
    return f"{' plus '.join(texts)}, divided by {divisor}, leaves a remainder of {remainder}"


def _place(setting: FactSetting, kind: str, values: list[str]) -> str:
    """Say that a name has not a value, or one of two."""
    if setting.groups:
        return f"is not in {values[0]}" if kind == "not" else f"is in {values[0]} or in {values[1]}"
    if setting.family == "amount":
        return f"does not have exactly {values[0]}"
    return f"does not have {values[0]}" if kind == "not" else f"has either {values[0]} or {values[1]}"


def random_claim(rng: Rng, setting: FactSetting, names: Sequence[str], high: int, rung: int) -> FactClaim:
    """Draw a claim that may be true or false: conditional ones at rung 2, weighted sums from rung 3 on."""
    if rng.chance(CONDITIONAL[rung - 1]) and setting.family != "amount":
        condition = DRAWS[rng.pick(CONDITIONS[setting.family])](rng, names, high)
        conclusion = DRAWS[rng.pick(CONDITIONS[setting.family])](rng, names, high)
        return ["if", condition, conclusion]
    if rung >= 3 and rng.chance(WEIGHTED[rung]):
        return _draw_weighted(rng, names, rung)
    kinds = KINDS if rung < 3 else WEAK_KINDS
    return DRAWS[rng.pick(kinds[setting.family])](rng, names, high)


def _draw_weighted(rng: Rng, names: Sequence[str], rung: int) -> FactClaim:
    divisor = rng.pick(DIVISORS[rung])
    claim: list[int | str] = ["weighted", divisor, rng.number(1, divisor - 1)]
    weights = rng.sample(WEIGHTS, rng.pick(WEIGHTED_NAMES[rung]))
    for weight, name in zip(weights, rng.sample(names, len(weights)), strict=True):
        claim += [weight, name]
    return claim


def normal_form(claim: FactClaim) -> str:
    """Return a text that is equal for claims that say the same with their names in another order."""
    kind, *arguments = claim
    return str([kind, *sorted(arguments, key=str)] if kind in SYMMETRIC else claim)


def _two_names(kind: str) -> Callable[[Rng, Sequence[str], int], FactClaim]:
    return lambda rng, names, high: [kind, *rng.sample(names, 2)]


def _with_numbers(kind: str, count: int, name_count: int = 1) -> Callable[[Rng, Sequence[str], int], FactClaim]:
    def draw(rng: Rng, names: Sequence[str], high: int) -> FactClaim:
        return [kind, *rng.sample(names, name_count), *sorted(rng.numbers(count, 1, high))]

    return draw


def _one_name(kind: str) -> Callable[[Rng, Sequence[str], int], FactClaim]:
    return lambda rng, names, high: [kind, rng.pick(names)]


def _pick(rng: Rng, names: Sequence[str], high: int) -> FactClaim:
    return ["pick", rng.number(1, high), *rng.sample(names, 2)]


def _count(rng: Rng, names: Sequence[str], high: int) -> FactClaim:
    return ["count", rng.number(1, high), rng.number(1, min(5, len(names)))]


DRAWS: Mapping[str, Callable[[Rng, Sequence[str], int], FactClaim]] = {
    **{kind: _two_names(kind) for kind in ("before", "next", "adjacent", "apart", "gap", "same", "differ", "twice")},
    **{kind: _one_name(kind) for kind in ("even", "odd")},
    **{kind: _with_numbers(kind, 1) for kind in ("not", "least", "most")},
    "either": _with_numbers("either", 2),
    "sum": lambda rng, names, high: ["sum", *rng.sample(names, 2), rng.number(3, 2 * high - 1)],
    "more": lambda rng, names, high: ["more", *rng.sample(names, 2), rng.number(1, high // 2)],
    "pick": _pick,
    "count": _count,
}
KINDS: Mapping[str, tuple[str, ...]] = {
    "order": ("before", "before", "next", "adjacent", "apart", "gap", "not", "either", "pick"),
    "team": ("same", "differ", "differ", "not", "either", "count"),
    "amount": ("sum", "sum", "sum", "more", "more", "twice", "before", "before", "least", "most", "not", "even", "odd"),
}
WEAK_KINDS: Mapping[str, tuple[str, ...]] = {
    "order": ("before", "before", "apart", "not"),
    "amount": ("before", "before", "not", "even", "odd"),
}
"""Kinds beside weighted sums."""
SYMMETRIC = ("adjacent", "apart", "gap", "same", "differ", "sum", "pick")
CONDITIONS: Mapping[str, tuple[str, ...]] = {
    "order": ("before", "before", "adjacent", "apart", "not"),
    "team": ("same", "differ", "not", "either"),
    "amount": ("before", "before", "even", "odd", "least", "most"),
}


def _is_hollow(claim: FactClaim, high: int) -> bool:
    """Return True if a claim holds of itself, or is about one pair on both sides of "if"."""
    if claim[0] == "if":
        return set(claim[1][1:]) == set(claim[2][1:])
    return claim[0] in ("least", "most") and claim[-1] == (1 if claim[0] == "least" else high)


def distinct_claims(
    rng: Rng, setting: FactSetting, names: Sequence[str], high: int, rung: int, known: Sequence[FactClaim], count: int
) -> Iterator[FactClaim]:
    """Yield the different claims among `count` random ones that are not known, and no claim on one pair twice."""
    used = set(map(normal_form, known))
    for _ in range(count):
        claim = random_claim(rng, setting, names, high, rung)
        if normal_form(claim) not in used and not _is_hollow(claim, high):
            used.add(normal_form(claim))
            yield claim
