"""Premises on many names, in pairs that differ in one place: a conclusion follows from one of them only.

Premises are drawn until only a few worlds are left, as in random satisfiability problems at their threshold, where a
search takes the most branches (Mitchell, Selman and Levesque 1992).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rewardbench.builders.draw import Resample, Rng
from rewardbench.verifiers.hard.truth_table import columns_of, worlds_with

MOST_WORLDS = 8
"""Worlds in which all premises that are drawn are true."""
MOST_EXCEPTIONS = 3
"""Worlds in which all premises are true and a conclusion that does not follow is not."""
TRIALS = 200
LEAST_USE = 3
"""Premises in which each name occurs."""


@dataclass(frozen=True)
class Premise:
    """A statement: the number of true literals is one of `counts`."""

    literals: tuple[str, ...]
    counts: tuple[int, ...]

    @property
    def is_case(self) -> bool:
        """Return True if it says that at least one of its literals is true."""
        return self.counts == (1, 2, 3)

    @property
    def is_parity(self) -> bool:
        """Return True if it says that the number of true literals is odd, or even."""
        return len(self.counts) > 1 and self.counts[1] - self.counts[0] == 2

    def to_json(self) -> list[object]:
        """Return the data of a check."""
        return [list(self.literals), list(self.counts)]


@dataclass(frozen=True)
class PremisePair:
    """Premises from which the conclusion follows, and others, which differ in one place, from which it does not."""

    valid: tuple[Premise, ...]
    invalid: tuple[Premise, ...]
    conclusion: str


class _Deck:
    """Deals options in random order, each as often as the others."""

    def __init__(self, rng: Rng, options: Sequence[str]) -> None:
        self.rng, self.options = rng, options
        self.cards: list[str] = []

    def deal(self, count: int) -> list[str]:
        """Return options on different names."""
        hand: dict[str, str] = {}
        while len(hand) < count:
            place = next((n for n, card in enumerate(self.cards) if card.lstrip("-") not in hand), None)
            if place is None:
                self.cards += self.rng.sample(self.options, len(self.options))
            else:
                card = self.cards.pop(place)
                hand[card.lstrip("-")] = card
        return list(hand.values())


def draw_premises(rng: Rng, names: Sequence[str], sizes: Sequence[int], case_share: float) -> PremisePair:
    """Draw two lists of premises and a conclusion.

    Args:
        rng: source of all random choices.
        names: what the premises are about.
        sizes: numbers of names in a premise that counts.
        case_share: share of the premises of the form "if ..., then ...".
    """
    columns = columns_of(names)
    counted, literals = _Deck(rng, names), _Deck(rng, [*names, *map("-{}".format, names)])
    premises: list[Premise] = []
    every = (1 << (1 << len(names))) - 1
    worlds, near_worlds = every, 0  # those that break no premise, and those that break one
    while worlds.bit_count() > MOST_WORLDS:
        if rng.chance(case_share):
            premise = Premise(tuple(literals.deal(3)), (1, 2, 3))
        else:
            premise = _count_premise(rng, counted.deal(rng.pick(sizes)))
        true_worlds = worlds_with(premise.literals, premise.counts, columns, every)
        if worlds & true_worlds:
            worlds, near_worlds = worlds & true_worlds, near_worlds & true_worlds | worlds & ~true_worlds
            premises.append(premise)
    pair = _change_premise(rng, premises, _values(worlds | near_worlds, names))
    if not pair or _least_use(pair, names) < LEAST_USE:
        raise Resample
    return pair


def _least_use(pair: PremisePair, names: Sequence[str]) -> int:
    """Return in how many premises the rarest name occurs."""
    counts = dict.fromkeys(names, 0)
    for premise in pair.invalid:
        for literal in premise.literals:
            counts[literal.lstrip("-")] += 1
    return min(counts.values())


def _count_premise(rng: Rng, names: Sequence[str]) -> Premise:
    """Draw a statement on how many of the names are true."""
    half, half_up = len(names) // 2, (len(names) + 1) // 2
    kind = rng.number(1, 10)
    if kind <= 6:
        counts: Sequence[int] = [rng.pick((half, half_up) if len(names) > 3 else (1, 2))]
    elif kind <= 8:
        counts = range(rng.number(0, 1), len(names) + 1, 2)
    elif kind == 9:
        counts = range(half + 1)
    else:
        counts = range(half_up, len(names) + 1)
    return Premise(tuple(names), tuple(counts))


Values = dict[str, NDArray[np.bool_]]
"""Which worlds a name is true in: [worlds]."""


def _values(worlds: int, names: Sequence[str]) -> Values:
    """Return the truth of each name in a set of worlds."""
    flags = np.frombuffer(worlds.to_bytes((1 << len(names)) // 8, "little"), dtype=np.uint8)
    numbers = np.flatnonzero(np.unpackbits(flags, bitorder="little"))
    values = {}
    for place, name in enumerate(names):
        values[name] = numbers >> place & 1 == 1
    return values


def _is_true(premise: Premise, values: Values) -> NDArray[np.bool_]:
    """Return in which of the worlds a premise is true."""
    counts = np.zeros(len(next(iter(values.values()))), dtype=np.int64)
    for literal in premise.literals:
        counts += values[literal.lstrip("-")] != literal.startswith("-")
    return np.isin(counts, premise.counts)


def _change_premise(rng: Rng, premises: Sequence[Premise], values: Values) -> PremisePair | None:
    """Change one premise so that a conclusion follows that did not, or no longer; return None if no change does it."""
    breaks = ~np.stack([_is_true(premise, values) for premise in premises])
    worlds = breaks.sum(axis=0) == 0
    adds_exceptions = rng.chance()
    for _ in range(TRIALS):
        place = rng.number(0, len(premises) - 1)
        changed = _changed(rng, premises[place], list(values))
        others = np.delete(breaks, place, axis=0).sum(axis=0) == 0
        changed_worlds = others & _is_true(changed, values)
        flags = (worlds, changed_worlds) if adds_exceptions else (changed_worlds, worlds)
        conclusions = _conclusions(values, *flags)
        if conclusions:
            pair = (tuple(premises), (*premises[:place], changed, *premises[place + 1 :]))
            return PremisePair(*(pair if adds_exceptions else pair[::-1]), rng.pick(conclusions))
    return None


def _conclusions(values: Values, valid_worlds: NDArray[np.bool_], invalid_worlds: NDArray[np.bool_]) -> list[str]:
    """Return the literals that are true in all worlds of the first kind, and in some but not all of the second."""
    conclusions = []
    for name, is_true in values.items():
        for literal, flags in ((name, is_true), (f"-{name}", ~is_true)):
            exceptions = int((invalid_worlds & ~flags).sum())
            is_mixed = 1 <= exceptions <= MOST_EXCEPTIONS and (invalid_worlds & flags).any()
            if is_mixed and (valid_worlds & flags).sum() > 1 and not (valid_worlds & ~flags).any():
                conclusions.append(literal)
    return conclusions


def _changed(rng: Rng, premise: Premise, names: Sequence[str]) -> Premise:
    """Return a premise with another name, or another number or sign, in one place."""
    place = rng.number(0, len(premise.literals) - 1)
    literals, size = premise.literals, len(premise.literals)
    literal, name = literals[place], literals[place].lstrip("-")
    if premise.is_case and rng.chance():
        literal = name if literal.startswith("-") else f"-{name}"
    elif len(premise.counts) == 1 and rng.chance():
        return Premise(literals, (premise.counts[0] + rng.pick((-1, 1)),))
    elif premise.is_parity and rng.chance():
        return Premise(literals, tuple(range(1 - premise.counts[0], size + 1, 2)))
    else:
        used = [other.lstrip("-") for other in literals]
        other = rng.pick([other for other in names if other not in used])
        literal = f"-{other}" if literal.startswith("-") else other
    return Premise((*literals[:place], literal, *literals[place + 1 :]), premise.counts)
