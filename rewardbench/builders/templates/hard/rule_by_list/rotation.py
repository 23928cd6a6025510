"""Lists whose order changes in rounds, and twins of them whose present orders differ at the bound of the rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rewardbench.builders.draw import Resample, Rng
from rewardbench.builders.templates.hard.rule_by_list.listing import draw_names
from rewardbench.verifiers.hard.rule_by_list import MOVES, allowed_names

SIZES = {3: (14, 16), 4: (22, 24)}
"""Least and largest number of names, by rung; even."""
MOVED = {3: (100, 130), 4: (1800, 2400)}
"""Least and largest number of moves since the first order, by rung."""
ALIASES = {3: 3, 4: 5}
"""Names that have a second name, by rung."""
LEAST_SHARE = 3
"""An entry moves by a third of the list at least, since small steps leave the end of the list as it is."""
LEAST_CHANGES = 0.4
"""Share of the later rounds in which a name leaves the first half of the list, at least."""
DRAWS = 60
"""Changes of a list to try until the names allowed differ by one."""
ROUNDS_APART = 7
"""Rounds by which the prompts of a square differ at most, plus one."""


@dataclass(frozen=True)
class RotatingList:
    """Names in their first order, how far each moves, and which of them may be named in the present order."""

    order: tuple[str, ...]
    steps: Mapping[str, int]
    aliases: Mapping[str, str]
    """The name for each second name."""
    move: str
    """Which entries move in a round, a key of `MOVES`."""
    rounds: int
    form: str
    """`none` if the rule forbids the names in some places, `only` if it allows no others."""
    end: str
    """`first` or `last` places."""

    @property
    def bound(self) -> int:
        """Number of places that the rule is about."""
        return len(self.order) // 2

    @property
    def allowed(self) -> set[str]:
        """The names that may be named."""
        return allowed_names(self.check)

    @property
    def check(self) -> dict[str, Any]:
        """The data of the verifier."""
        return {
            "form": self.form,
            "order": list(self.order),
            "steps": dict(self.steps),
            "move": self.move,
            "rounds": self.rounds,
            "end": self.end,
            "bound": self.bound,
            "aliases": dict(self.aliases),
        }


def draw_rotating(rng: Rng, rung: int, world: Mapping[str, Any]) -> RotatingList:
    """Return a list with a rule.

    Raises:
        Resample: if few of its entries ever move.
    """
    move = rng.pick(sorted(MOVES))
    names = draw_names(rng, world, rng.number(*SIZES[rung], 2))
    moves = rng.number(*MOVED[rung])
    aliases = rng.sample(world["aliases"], ALIASES[rung])
    steps = {name: _draw_step(rng, len(names)) for name in names}
    listing = RotatingList(
        order=tuple(names),
        steps=steps,
        aliases=dict(zip(aliases, rng.sample(names, len(aliases)), strict=True)),
        move=move,
        rounds=moves // 2 if move == "ends" else moves,
        form=rng.pick(("none", "only")),
        end=rng.pick(("first", "last")),
    )
    _check_mixing(listing)
    return listing


def _draw_step(rng: Rng, size: int) -> int:
    return rng.number(size // LEAST_SHARE, size - 2)


def _check_mixing(listing: RotatingList) -> None:
    """Raise Resample if the order repeats, or if the first half of the list seldom changes in the later rounds."""
    names = list(listing.order)
    orders = {listing.order}
    first_half = set(names[: listing.bound])
    changes = 0
    for n in range(1, listing.rounds + 1):
        MOVES[listing.move](names, listing.steps, n)
        orders.add(tuple(names))
        if n > listing.rounds // 2:
            changes += first_half != set(names[: listing.bound])
        first_half = set(names[: listing.bound])
    if len(orders) <= listing.rounds or changes < LEAST_CHANGES * listing.rounds / 2:
        raise Resample


def draw_twin(rng: Rng, listing: RotatingList) -> tuple[str, RotatingList]:
    """Return an edit and the edited list, whose allowed names differ from those of `listing` by one.

    Raises:
        Resample: if no change tried does that.
    """
    for _ in range(DRAWS):
        edit, twin = _change(rng, listing)
        if len(listing.allowed - twin.allowed) == 1:
            return edit, twin
    raise Resample


def _change(rng: Rng, listing: RotatingList) -> tuple[str, RotatingList]:
    """Change the number of rounds, the step of an entry, or the order of two entries."""
    kind = rng.pick(("rounds", "step", "order"))
    if kind == "rounds":
        twin = replace(listing, rounds=listing.rounds + rng.pick((-2, -1, 1, 2)))
        return f"{listing.rounds} / {twin.rounds} rounds", twin
    name = rng.pick(listing.order)
    if kind == "step":
        step = _draw_step(rng, len(listing.order))
        return f"{name}: {listing.steps[name]} / {step}", replace(listing, steps={**listing.steps, name: step})
    other = rng.pick(listing.order)
    order = list(listing.order)
    i, j = order.index(name), order.index(other)
    order[i], order[j] = other, name
    return f"{name}, {other} / {other}, {name}", replace(listing, order=tuple(order))


def draw_variants(rng: Rng, listing: RotatingList, number: int) -> list[RotatingList]:
    """Return a list after different numbers of rounds, no two of which allow the same names.

    Raises:
        Resample: if two of them do.
    """
    variants: list[RotatingList] = []
    for more_rounds in rng.sample(range(ROUNDS_APART), number):
        variants.append(replace(listing, rounds=listing.rounds + more_rounds))
    names_allowed = {tuple(sorted(variant.allowed)) for variant in variants}
    if len(names_allowed) < number:
        raise Resample
    return variants


def pick_named(rng: Rng, variants: Sequence[RotatingList], number: int) -> list[list[str]]:
    """Return for each variant some names that it allows, with one at least that each other variant does not.

    Raises:
        Resample: if these are too many.
    """
    shared = set(variants[0].allowed)
    for variant in variants:
        shared &= variant.allowed
    picks: list[list[str]] = []
    for variant in variants:
        names: list[str] = []
        for other in variants:
            only_here = sorted(variant.allowed - other.allowed)
            if only_here and not set(names) & set(only_here):
                names.append(rng.pick(only_here))
        if len(names) > number or len(shared) < number - len(names):
            raise Resample
        names += rng.sample(sorted(shared), number - len(names))
        picks.append(rng.sample(names, number))
    return picks
