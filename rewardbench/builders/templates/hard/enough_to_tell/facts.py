"""Draw premises that leave a question open, and claims that settle it or do not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from rewardbench.builders.draw import Resample, Rng
from rewardbench.builders.templates.hard.enough_to_tell.claims import FactSetting, distinct_claims
from rewardbench.verifiers.hard.enough_to_tell import FactClaim, FactSet

SIZES = {"order": (4, 6, 7, 9), "team": (4, 6), "amount": (3, 4, 5, 6)}
"""Number of names at each rung."""
HIGHEST = (6, 8, 9, 9)
"""Largest amount at each rung."""
MOST_WORLDS = (6, 12, 20, 30)
"""Worlds that the premises without the differing one leave."""
CONSEQUENCES = (2, 4, 0, 0)
LEAST_LEFT, MOST_LEFT = 0.05, 0.97
"""Shares of the worlds that a premise may leave, so that none decides nearly all or nothing."""
CANDIDATES = 500
"""Random claims among which the differing ones are sought."""

WorldValues = NDArray[np.int8]
"""Values of the names in a number of worlds: [names, worlds]; or of one name: [worlds]."""
WorldFlags = NDArray[np.bool_]
"""Whether a claim holds: [worlds]."""


@lru_cache(maxsize=16)
def _all_worlds(size: int, high: int, is_one_to_one: bool) -> WorldValues:
    """Return all worlds of a number of names."""
    if is_one_to_one:
        return np.ascontiguousarray(np.array(list(permutations(range(1, high + 1), size)), dtype=np.int8).T)
    return np.array(np.meshgrid(*[np.arange(1, high + 1, dtype=np.int8)] * size)).reshape(size, -1)


TESTS: Mapping[str, Callable[..., WorldFlags]] = {
    "before": lambda a, b: a < b,
    "next": lambda a, b: b == a + 1,
    "adjacent": lambda a, b: np.abs(a - b) == 1,
    "apart": lambda a, b: np.abs(a - b) != 1,
    "gap": lambda a, b: np.abs(a - b) == 2,
    "same": lambda a, b: a == b,
    "differ": lambda a, b: a != b,
    "not": lambda a, k: a != k,
    "either": lambda a, k, m: (a == k) | (a == m),
    "sum": lambda a, b, k: a + b == k,
    "more": lambda a, b, k: a == b + k,
    "twice": lambda a, b: a == 2 * b,
    "least": lambda a, k: a >= k,
    "most": lambda a, k: a <= k,
    "even": lambda a: a % 2 == 0,
    "odd": lambda a: a % 2 == 1,
    "pick": lambda k, a, b: (a == k) | (b == k),
}


def holding(claim: FactClaim, names: Sequence[str], values: WorldValues) -> WorldFlags:
    """Return in which worlds a claim holds."""
    kind, *arguments = claim
    if kind == "if":
        return ~holding(arguments[0], names, values) | holding(arguments[1], names, values)
    if kind == "weighted":
        divisor, remainder, *terms = arguments
        total = np.zeros(values.shape[1], dtype=np.int16)
        for weight, name in zip(terms[::2], terms[1::2], strict=True):
            total += np.int16(weight) * values[names.index(name)]
        leaves: WorldFlags = total % divisor == remainder
        return leaves
    if kind == "count":
        counts: WorldFlags = (values == arguments[0]).sum(axis=0) == arguments[1]
        return counts
    columns = [values[names.index(part)] if isinstance(part, str) else part for part in arguments]
    return TESTS[kind](*columns)


@dataclass(frozen=True)
class FactQuestion:
    """Premises with the worlds that they leave, and a question with its answers."""

    setting: FactSetting
    facts: FactSet
    """The premises that the prompts share."""
    candidates: WorldValues
    hidden: WorldValues
    """A world that meets the premises: [names, 1]."""
    subject: str
    """A name (which value has it?), or a value (who has it?)."""
    consequences: tuple[FactClaim, ...]
    rung: int

    @property
    def asks_who(self) -> bool:
        """Return True if the answer is a name."""
        return self.subject.isdigit()

    @property
    def text(self) -> str:
        """Return the question as a sentence."""
        if self.asks_who:
            return f"Who has {self.setting.value(int(self.subject))}?"
        if self.setting.family == "amount":
            return f"How many does the {self.subject} have?"
        if self.setting.family == "team":
            return f"Which {self.setting.noun} is the {self.subject} in?"
        return f"Which {self.setting.noun} does the {self.subject} have?"

    @property
    def labels(self) -> dict[str, str]:
        """Return the text of each answer by which a program finds it in a response."""
        if self.asks_who:
            return dict(zip(self.facts.names, self.facts.names, strict=True))
        return self.value_labels

    @property
    def value_labels(self) -> dict[str, str]:
        """Return the text of each value."""
        return {str(value): self.setting.value(value) for value in range(self.facts.low, self.facts.high + 1)}

    def label(self, answer: str) -> str:
        """Return an answer as a response says it."""
        return f"the {answer}" if self.asks_who else self.setting.value(int(answer))

    @property
    def example(self) -> str:
        """Return the hidden world in words."""
        entries = []
        for name, value in zip(self.facts.names, self.hidden[:, 0].tolist(), strict=True):
            entries.append(f"the {name}: {self.setting.value(value)}")
        return "; ".join(entries)

    def holding(self, claim: FactClaim) -> WorldFlags:
        """Return in which of the worlds a claim holds."""
        return holding(claim, self.facts.names, self.candidates)

    def answers_in(self, values: WorldValues) -> list[str]:
        """Return the answers of these worlds, in order."""
        names = self.facts.names
        if self.asks_who:
            has_value = (values == int(self.subject)).any(axis=1)
            return [name for n, name in enumerate(names) if has_value[n]]
        return list(map(str, np.unique(values[names.index(self.subject)]).tolist()))

    def answers_with(self, claim: FactClaim) -> list[str]:
        """Return the answers that the premises and a claim leave, in order."""
        return self.answers_in(self.candidates[:, self.holding(claim)])


def draw_question(rng: Rng, setting: FactSetting, rung: int) -> FactQuestion:
    """Draw premises that leave a few worlds and several answers.

    Raises:
        Resample: if they leave too many.
    """
    names = tuple(sorted(rng.sample(setting.names.split(", "), SIZES[setting.family][rung - 1])))
    is_order = setting.family == "order"
    high = len(names) if is_order else len(setting.groups) or HIGHEST[rung - 1]
    values = _all_worlds(len(names), high, is_order)
    place = rng.number(0, values.shape[1] - 1)
    hidden = values[:, place : place + 1]
    claims: list[FactClaim] = []
    for claim in distinct_claims(rng, setting, names, high, rung, (), CANDIDATES):
        if values.shape[1] <= MOST_WORLDS[rung - 1]:
            break
        if not holding(claim, names, hidden).all():
            continue
        is_left = holding(claim, names, values)
        if LEAST_LEFT <= is_left.mean() < MOST_LEFT:
            claims.append(claim)
            values = values[:, is_left]
    facts = FactSet(names, 1, high, is_order, tuple(rng.sample(claims, len(claims))))
    subject = str(rng.number(1, high)) if is_order and rng.chance(0.4) else rng.pick(names)
    question = FactQuestion(setting, facts, values, hidden, subject, (), rung)
    if values.shape[1] > MOST_WORLDS[rung - 1] or len(question.answers_in(values)) < 2:
        raise Resample
    return replace(question, consequences=_consequences(rng, question))


def _consequences(rng: Rng, question: FactQuestion) -> tuple[FactClaim, ...]:
    """Return claims that follow from the premises, and are not among them."""
    facts = question.facts
    consequences: list[FactClaim] = []
    for claim in distinct_claims(rng, question.setting, facts.names, facts.high, 1, facts.claims, CANDIDATES):
        if len(consequences) < CONSEQUENCES[question.rung - 1] and question.holding(claim).all():
            consequences.append(claim)
    return tuple(consequences)


def draw_alternatives(rng: Rng, question: FactQuestion, counts: Sequence[int]) -> list[FactClaim]:
    """Draw claims, one for each prompt, that leave different answers.

    Args:
        rng: source of all random choices.
        question: the premises and the question.
        counts: how many answers each claim leaves; 2 stands for two or three. All but a square's hold in the hidden
            world, and are of one kind.

    Raises:
        Resample: if there are none.
    """
    is_square = len(counts) > 2
    by_answers: dict[tuple[str, ...], list[FactClaim]] = {}
    facts = question.facts
    known = [*facts.claims, *question.consequences]
    for claim in distinct_claims(rng, question.setting, facts.names, facts.high, question.rung, known, CANDIDATES):
        is_allowed = is_square or holding(claim, facts.names, question.hidden).all()
        if is_allowed and not question.holding(claim).all():
            by_answers.setdefault(tuple(question.answers_with(claim)), []).append(claim)
    settled = [answers for answers in by_answers if len(answers) == 1]
    unsettled = [answers for answers in by_answers if 1 < len(answers) < 4]
    if len(settled) < len(counts) - 1 or not unsettled:
        raise Resample
    chosen = [rng.pick(by_answers[answers]) for answers in rng.sample(settled, len(counts) - 1)]
    chosen.append(rng.pick(by_answers[rng.pick(unsettled)]))
    if not is_square and chosen[0][0] != chosen[1][0]:
        raise Resample
    return chosen
