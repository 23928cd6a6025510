"""Assemble a mirror of knapsacks: two prompts of the same words that differ in one number or role.

Both prompts have the same worths, and the responses state no weights where the prompts differ in weights. So the wrong
response has only figures of its prompt: it exceeds the capacity, or is worth less.

Every template of this package draws a pair of knapsacks, writes three wordings of the prompt, and calls
`knapsack_mirror` with one of them. Example, from `rocket_payload`:

    prompt a: "The lander can carry 24 kg of instruments and the rover 28 kg. ... Choose the set for the lander ..."
    prompt b: "The lander can carry 28 kg of instruments and the rover 24 kg. ... Choose the set for the lander ..."
    response x, right for a: "Fly the drill and the radar. The ratings add up to 60 + 45 = 105, ..."
    response y, right for b: "Fly the camera and the radar. The ratings add up to 73 + 45 = 118, ..."
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from rewardbench.builders.draw import MirrorContent, Resample, Rng
from rewardbench.builders.prompts import PromptTemplate, render
from rewardbench.builders.templates.knapsack.exact import Knapsack, best_packing, greedy_packing, is_unique
from rewardbench.types import Messages

TRIALS = 3000
"""How many pairs of knapsacks are drawn before a template gives up."""
MAX_LENGTH_DIFFERENCE = 0.12
"""Two responses whose lengths differ by a larger share of the longer one are drawn again."""

NumberRange = tuple[int, int, int]
"""Lowest, highest and step of a number."""


@dataclass(frozen=True)
class Packing:
    """The best packing of a knapsack, in the words and sums of a response."""

    knapsack: Knapsack
    packed: tuple[str, ...]

    @property
    def names(self) -> str:
        """Return the packed items, as in `figs, tea and rice`."""
        return join_words(self.packed)

    @property
    def the_names(self) -> str:
        """Return the packed items with articles, as in `the tent and the rope`."""
        return join_words(_with_articles(self.packed))

    @property
    def left_out(self) -> str:
        """Return the items that are not packed."""
        return join_words(self._left_out())

    @property
    def the_left_out(self) -> str:
        """Return the items that are not packed, with articles."""
        return join_words(_with_articles(self._left_out()))

    def _left_out(self) -> list[str]:
        return [name for name in self.knapsack.items if name not in self.packed]

    @property
    def total(self) -> int:
        """Return the total worth of the packed items."""
        return sum(self._worths())

    @property
    def sum(self) -> str:
        """Return the sum of the worths, as in `40 + 19 = 59`."""
        return _written_sum(self._worths())

    @property
    def load(self) -> str:
        """Return the sum of the weights, as in `3 + 5 = 8`."""
        return _written_sum([self.knapsack.items[name][0] for name in self.packed])

    def _worths(self) -> list[int]:
        return [self.knapsack.items[name][1] for name in self.packed]


ResponseWriter = Callable[[Packing], str]
"""Writes a response, given the packing that it proposes."""


@dataclass(frozen=True)
class KnapsackPair:
    """The knapsacks of both prompts: the same item names, and a unique best packing each, which differ."""

    a: Knapsack
    b: Knapsack

    @property
    def capacity(self) -> str:
        """Return how much fits, marked if it differs between the prompts."""
        return mark_variants(self.a.capacity, self.b.capacity)

    @property
    def other_capacity(self) -> str:
        """Return the capacity of the other bag in the prompt, which has the other prompt's size."""
        return mark_variants(self.b.capacity, self.a.capacity)

    def rows(self, template: str, separator: str = "\n") -> str:
        """List all items in a template of {name}, {Name}, {weight} and {worth}, with weights marked if they differ.

        {weight_a} and {weight_b} are the weights of one prompt, for both prompts to state.
        """
        rows = []
        for name, (weight_a, worth) in self.a.items.items():
            weight_b, _ = self.b.items[name]
            fields = {
                "name": name,
                "Name": capitalize_first(name),
                "weight": mark_variants(weight_a, weight_b),
                "worth": worth,
            }
            rows.append(template.format(**fields, weight_a=weight_a, weight_b=weight_b))
        return separator.join(rows)


def mark_variants(a: object, b: object) -> str:
    """Mark what differs between the two prompts; equal values are left as they are.

    >>> mark_variants(17, 20), mark_variants(5, 5)
    ('[[17|20]]', '5')
    """
    return str(a) if a == b else f"[[{a}|{b}]]"


def join_words(words: Sequence[str]) -> str:
    """Join words by commas and a final "and".

    >>> join_words(["figs", "tea", "rice"])
    'figs, tea and rice'
    """
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"


def capitalize_first(text: str) -> str:
    """Capitalize the first letter of a text, and leave the others as they are.

    >>> capitalize_first("figs and tea from Fes")
    'Figs and tea from Fes'
    """
    return text[:1].upper() + text[1:]


def _with_articles(names: Sequence[str]) -> list[str]:
    return [f"the {name}" for name in names]


def _written_sum(numbers: Sequence[int]) -> str:
    return f"{' + '.join(map(str, numbers))} = {sum(numbers)}"


KnapsackChange = Callable[[Rng, Knapsack], Knapsack]
"""Turns the knapsack of prompt a into that of prompt b."""


def draw_pair(
    rng: Rng, names: str, count: int, weights: NumberRange, worths: NumberRange, change: KnapsackChange
) -> KnapsackPair:
    """Draw a pair of knapsacks with unique best packings of equally many items.

    The greedy packing is not the best one in at least one of the two, in most pairs in both.

    Args:
        rng: source of all random choices.
        names: names of possible items, separated by commas.
        count: number of items.
        weights: range of the weights, which are all different.
        worths: range of the worths, which are all different.
        change: makes the second knapsack from the first.

    Raises:
        Resample: if no such pair turns up in `TRIALS` trials.
    """
    item_names = rng.sample(list(map(str.strip, names.split(","))), count)
    required_misses = rng.pick((1, 2, 2, 2))
    for _ in range(TRIALS):
        item_weights = rng.numbers(count, *weights)
        item_worths = rng.numbers(count, *worths)
        items = dict(zip(item_names, zip(item_weights, item_worths, strict=True), strict=True))
        capacity = rng.number(*_capacity_range(sum(item_weights), step=weights[2]))
        a = Knapsack(capacity, items)
        b = change(rng, a)
        if _is_suitable(a, b, required_misses):
            return KnapsackPair(a, b)
    raise Resample


def _capacity_range(total_weight: int, step: int) -> NumberRange:
    """Return capacities of four to seven tenths of the total weight."""
    return total_weight * 4 // 10 // step * step, total_weight * 7 // 10 // step * step, step


def _is_suitable(a: Knapsack, b: Knapsack, required_misses: int) -> bool:
    """Return True if the best packings are unique, of equal size and different worth, and not easily found."""
    best_a, best_b = best_packing(a), best_packing(b)
    if best_a == best_b or len(best_a) != len(best_b) or not 2 <= len(best_a) < len(a.items):
        return False
    greedy_misses = (greedy_packing(a) != best_a) + (greedy_packing(b) != best_b)
    if greedy_misses < required_misses:
        return False
    return Packing(a, best_a).total != Packing(b, best_b).total and is_unique(a) and is_unique(b)


def change_capacity(low: int, high: int) -> KnapsackChange:
    """Build a change to a bag that holds `low`, 2 * `low`, ... up to `high` more or less."""

    def change(rng: Rng, knapsack: Knapsack) -> Knapsack:
        return knapsack._replace(capacity=knapsack.capacity + rng.number(low, high, low) * rng.pick((-1, 1)))

    return change


def swap_weights(rng: Rng, knapsack: Knapsack) -> Knapsack:
    """Swap the weights of two items."""
    u, v = rng.sample(list(knapsack.items), 2)
    (weight_u, worth_u), (weight_v, worth_v) = knapsack.items[u], knapsack.items[v]
    return knapsack._replace(items={**knapsack.items, u: (weight_v, worth_u), v: (weight_u, worth_v)})


def redraw_weights(weights: NumberRange) -> KnapsackChange:
    """Build a change of all weights: the other prompt has every item in another form."""

    def change(rng: Rng, knapsack: Knapsack) -> Knapsack:
        items = dict(knapsack.items)
        new_weights = rng.numbers(len(items), *weights)
        for (name, (_, worth)), weight in zip(knapsack.items.items(), new_weights, strict=True):
            items[name] = (weight, worth)
        return knapsack._replace(items=items)

    return change


def knapsack_mirror(edit: str, prompt: PromptTemplate, pair: KnapsackPair, write: ResponseWriter) -> MirrorContent:
    """Assemble the mirror of a prompt and a pair of knapsacks.

    Raises:
        Resample: if a total occurs in a prompt, or in a response before its sum; or if the lengths of the responses
            differ too much.
    """
    packing_a, packing_b = Packing(pair.a, best_packing(pair.a)), Packing(pair.b, best_packing(pair.b))
    prompt_a, prompt_b = render(prompt, 0), render(prompt, 1)
    x, y = write(packing_a), write(packing_b)
    prompt_text = _text(prompt_a) + " " + _text(prompt_b)
    for packing, response in ((packing_a, x), (packing_b, y)):
        if str(packing.total) in prompt_text or not _total_is_first_in_sum(response, packing):
            raise Resample
    if abs(len(x) - len(y)) > MAX_LENGTH_DIFFERENCE * max(len(x), len(y)):
        raise Resample
    check = {"kind": "knapsack", "a": _check(pair.a), "b": _check(pair.b)}
    return MirrorContent(edit, prompt_a, prompt_b, x, y, check)


def _text(prompt: Messages) -> str:
    return " ".join(turn["content"] for turn in prompt)


def _total_is_first_in_sum(response: str, packing: Packing) -> bool:
    """Return True if the first occurrence of the total is that at the end of its sum."""
    before, total, _ = response.partition(str(packing.total))
    return packing.sum in before + total


def _check(knapsack: Knapsack) -> Mapping[str, object]:
    return {"capacity": knapsack.capacity, "items": {name: list(pair) for name, pair in knapsack.items.items()}}
