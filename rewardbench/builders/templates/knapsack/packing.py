"""How a knapsack is told: two prompts of the same words with something exchanged, each with its one best packing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rewardbench.builders.draw import MirrorContent, Resample, Rng
from rewardbench.builders.prompts import PromptTemplate, render
from rewardbench.builders.templates.knapsack.exact import Knapsack, best_packing, greedy_packing, is_unique

TRIALS = 3000
LENGTHS_APART = 0.12
"""Two responses whose lengths differ by a larger share of the longer one are drawn again."""

Range = tuple[int, int, int]
"""Lowest, highest and step of a number."""


@dataclass(frozen=True)
class Packing:
    """The best packing of a knapsack, in the words and sums of a response."""

    sack: Knapsack
    chosen: tuple[str, ...]

    @property
    def names(self) -> str:
        """As in `figs, tea and rice`."""
        return listed(self.chosen)

    @property
    def the(self) -> str:
        """As in `the tent and the rope`."""
        return listed([f"the {name}" for name in self.chosen])

    @property
    def left(self) -> str:
        """The names of what is not packed."""
        return listed([name for name in self.sack.items if name not in self.chosen])

    @property
    def the_left(self) -> str:
        """The same with articles."""
        return listed([f"the {name}" for name in self.sack.items if name not in self.chosen])

    @property
    def total(self) -> int:
        """The worth of all that is packed."""
        return sum(self.sack.items[name][1] for name in self.chosen)

    @property
    def sum(self) -> str:
        """Of the worths, as in `40 + 19 = 59`."""
        return f"{' + '.join(str(self.sack.items[name][1]) for name in self.chosen)} = {self.total}"

    @property
    def load(self) -> str:
        """Of the weights, in the same form."""
        weights = [self.sack.items[name][0] for name in self.chosen]
        return f"{' + '.join(map(str, weights))} = {sum(weights)}"

    def rows(self, template: str, between: str = "\n") -> str:
        """What is packed, item by item, in a template of {name}, {weight} and {worth}."""
        return _rows(
            template,
            between,
            [(n, {"weight": self.sack.items[n][0], "worth": self.sack.items[n][1]}) for n in self.chosen],
        )


Tell = Callable[[Packing], str]
"""A response, of the packing that it proposes."""


@dataclass(frozen=True)
class Case:
    """Two knapsacks of the same names, each with one best packing and the two not alike."""

    a: Knapsack
    b: Knapsack

    @property
    def room(self) -> str:
        """How much fits, in marks that twins() reads."""
        return marked(self.a.capacity, self.b.capacity)

    @property
    def rest(self) -> str:
        """The room of the other bag, which has the other size."""
        return marked(self.b.capacity, self.a.capacity)

    def rows(self, template: str, between: str = "\n") -> str:
        """All items, in a template of {name}, {weight} and {worth} (marked where they differ between the prompts).

        {weight_a}, {weight_b}, {worth_a} and {worth_b} are those of one prompt, for both to tell.
        """
        return _rows(template, between, [(name, self._columns(name)) for name in self.a.items])

    def _columns(self, name: str) -> dict[str, object]:
        (weight_a, worth_a), (weight_b, worth_b) = self.a.items[name], self.b.items[name]
        numbers = {"weight_a": weight_a, "weight_b": weight_b, "worth_a": worth_a, "worth_b": worth_b}
        return numbers | {"weight": marked(weight_a, weight_b), "worth": marked(worth_a, worth_b)}


def _rows(template: str, between: str, rows: Sequence[tuple[str, dict[str, Any]]]) -> str:
    return between.join(template.format(name=name, Name=capital(name), **columns) for name, columns in rows)


def marked(one: object, other: object) -> str:
    """What stands in the one prompt and in the other, as one text.

    >>> marked(17, 20), marked(5, 5)
    ('[[17|20]]', '5')
    """
    return str(one) if one == other else f"[[{one}|{other}]]"


def listed(words: Sequence[str]) -> str:
    """Words in a row.

    >>> listed(["figs", "tea", "rice"])
    'figs, tea and rice'
    """
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def capital(text: str) -> str:
    """A text with a capital at its beginning.

    >>> capital("figs and tea")
    'Figs and tea'
    """
    return text[:1].upper() + text[1:]


Turn = Callable[[Rng, Knapsack], Knapsack]
"""What becomes of a knapsack in the other prompt."""


def draw_case(rng: Rng, names: str, count: int, weights: Range, worths: Range, turn: Turn) -> Case:
    """Numbers for `count` of the names (they stand between commas), such that the case holds.

    Both best packings are unique and take the same number of items, and the greedy packing misses the best in one
    of the two at least, in most cases in both. Raises: Redraw where no such numbers turn up.
    """
    chosen = rng.sample([name.strip() for name in names.split(",")], count)
    misses = rng.pick((1, 2, 2, 2))
    for _ in range(TRIALS):
        items = dict(zip(chosen, _pairs(rng.numbers(count, *weights), rng.numbers(count, *worths)), strict=True))
        capacity = rng.number(*_between(weights, sum(weight for weight, _ in items.values())))
        one = Knapsack(capacity, items)
        other = turn(rng, one)
        if _holds(one, other, misses):
            return Case(one, other)
    raise Resample


def _pairs(weights: Sequence[int], worths: Sequence[int]) -> list[tuple[int, int]]:
    return list(zip(weights, worths, strict=True))


def _between(weights: Range, load: int) -> Range:
    """Room for four to seven tenths of everything, in steps of the weights."""
    step = weights[2]
    return load * 4 // 10 // step * step, load * 7 // 10 // step * step, step


def _holds(one: Knapsack, other: Knapsack, misses: int) -> bool:
    best = [best_packing(sack) for sack in (one, other)]
    if best[0] == best[1] or len(best[0]) != len(best[1]) or not 2 <= len(best[0]) < len(one.items):
        return False
    if sum(greedy_packing(sack) != packed for sack, packed in zip((one, other), best, strict=True)) < misses:
        return False
    worths = [sum(sack.items[name][1] for name in packed) for sack, packed in zip((one, other), best, strict=True)]
    return worths[0] != worths[1] and is_unique(one) and is_unique(other)


def other_room(low: int, high: int) -> Turn:
    """The other prompt is about a bag that holds from `low` to `high` more or less."""

    def turn(rng: Rng, sack: Knapsack) -> Knapsack:
        return sack._replace(capacity=sack.capacity + rng.number(low, high, low) * rng.pick((-1, 1)))

    return turn


def weights_exchanged(rng: Rng, sack: Knapsack) -> Knapsack:
    """Two items change weights."""
    one, other = rng.sample(list(sack.items), 2)
    (weight, worth), (heft, price) = sack.items[one], sack.items[other]
    return sack._replace(items={**sack.items, one: (heft, worth), other: (weight, price)})


def worths_exchanged(rng: Rng, sack: Knapsack) -> Knapsack:
    """Two items change worths."""
    one, other = rng.sample(list(sack.items), 2)
    (weight, worth), (heft, price) = sack.items[one], sack.items[other]
    return sack._replace(items={**sack.items, one: (weight, price), other: (heft, worth)})


def other_worths(worths: Range) -> Turn:
    """The other prompt asks somebody who has another opinion of every item."""

    def turn(rng: Rng, sack: Knapsack) -> Knapsack:
        fresh = rng.numbers(len(sack.items), *worths)
        pairs = zip(sack.items.items(), fresh, strict=True)
        return sack._replace(items={name: (weight, worth) for (name, (weight, _)), worth in pairs})

    return turn


def other_weights(weights: Range) -> Turn:
    """The other prompt has every item in another form, of another weight."""

    def turn(rng: Rng, sack: Knapsack) -> Knapsack:
        fresh = rng.numbers(len(sack.items), *weights)
        pairs = zip(sack.items.items(), fresh, strict=True)
        return sack._replace(items={name: (weight, worth) for (name, (_, worth)), weight in pairs})

    return turn


def pack(edit: str, frame: PromptTemplate, case: Case, tell: Tell) -> MirrorContent:
    """The drawn mirror. Raises Redraw where a total stands in a prompt, or in a response before its place."""
    packings = [Packing(sack, best_packing(sack)) for sack in (case.a, case.b)]
    prompts = [render(frame, side) for side in (0, 1)]
    texts = [tell(packing) for packing in packings]
    given = " ".join(turn["content"] for prompt in prompts for turn in prompt)
    if any(str(packing.total) in given for packing in packings):
        raise Resample
    if any(packing.sum not in _until_total(text, packing) for text, packing in zip(texts, packings, strict=True)):
        raise Resample
    if abs(len(texts[0]) - len(texts[1])) > LENGTHS_APART * max(map(len, texts)):
        raise Resample
    check = {"kind": "knapsack", "a": _check(case.a), "b": _check(case.b)}
    return MirrorContent(edit, prompts[0], prompts[1], texts[0], texts[1], check)


def _until_total(text: str, packing: Packing) -> str:
    before, total, _ = text.partition(str(packing.total))
    return before + total


def _check(sack: Knapsack) -> dict[str, object]:
    return {"capacity": sack.capacity, "items": {name: list(pair) for name, pair in sack.items.items()}}
