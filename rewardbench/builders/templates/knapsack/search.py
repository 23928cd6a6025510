"""Monte Carlo tree search over a knapsack, and what its labels of sibling states are worth against the exact solution.

Items are decided one by one, taken or left, so a state is a partial answer and its two successors are siblings. The
search is UCT (Kocsis and Szepesvári, 2006). Labelling steps by mean value is what Xie et al. (arXiv:2405.00451) do for
preference pairs; here the truth is known, so the labels can be counted.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import log, sqrt
from typing import Any

from rewardbench.builders.draw import Rng
from rewardbench.builders.templates.knapsack.exact import Knapsack, Table, value_table
from rewardbench.builders.templates.knapsack.packing import listed
from rewardbench.errors import InputError

EXPLORATION = sqrt(2)
"""Of the UCT rule, for values between 0 and 1."""
MIN_VISITS = 50
"""Siblings of which one was visited less often are no pair."""
THINGS = """
    anvil bellows compass easel flute globe hammock kayak ladder mirror oven pulley quilt rug sextant tripod
    umbrella vase wagon yoke
""".split()

LABELS: Mapping[str, Callable[[Node], float]] = {
    "best": lambda node: node.best,
    "meanq": lambda node: node.total / node.visits,
    "exact": lambda node: node.exact,
}
"""What a state is worth: the best packing seen below it, the mean of those seen, or the best one that there is."""


@dataclass
class Node:
    """A state: the first items decided, so much room left, so much worth packed."""

    taken: tuple[bool, ...]
    room: int
    worth: int
    exact: int
    """The worth of the best packing that begins so."""
    visits: int = 0
    total: int = 0
    """Of the worths of all packings seen below, one for each visit."""
    best: int = 0
    children: list[Node] = field(default_factory=list)


class Search:
    """UCT from the empty knapsack; `rng` plays the packings out."""

    def __init__(self, sack: Knapsack, rng: random.Random) -> None:
        self.pairs = list(sack.items.values())
        self.table: Table = value_table(self.pairs, sack.capacity)
        self.rng = rng
        self.scale = max(1, sum(worth for _, worth in self.pairs))
        self.root = self._node((), sack.capacity, 0)

    def _node(self, taken: tuple[bool, ...], room: int, worth: int) -> Node:
        return Node(taken, room, worth, worth + self.table[len(taken)][room])

    def run(self, iterations: int) -> Node:
        """Descend, expand, play out and count, so many times; return the root with everything below it."""
        for _ in range(iterations):
            path = self._descend()
            worth = self._play_out(path[-1])
            for node in path:
                node.visits += 1
                node.total += worth
                node.best = max(node.best, worth)
        return self.root

    def _descend(self) -> list[Node]:
        """From the root to a state not seen before, or to the last decision."""
        path = [self.root]
        while path[-1].visits and len(path[-1].taken) < len(self.pairs):
            path.append(self._choose(path[-1]))
        return path

    def _choose(self, node: Node) -> Node:
        """The child with the highest upper bound; one not visited before any other."""
        if not node.children:
            node.children = self._expand(node)
        fresh = [child for child in node.children if not child.visits]
        if fresh:
            return self.rng.choice(fresh)
        seen = log(node.visits)
        return max(
            node.children,
            key=lambda child: child.total / child.visits / self.scale + EXPLORATION * sqrt(seen / child.visits),
        )

    def _expand(self, node: Node) -> list[Node]:
        """The next item left, and taken where it fits."""
        weight, worth = self.pairs[len(node.taken)]
        children = [self._node((*node.taken, False), node.room, node.worth)]
        if weight <= node.room:
            children.append(self._node((*node.taken, True), node.room - weight, node.worth + worth))
        return children

    def _play_out(self, node: Node) -> int:
        """The worth of a packing that decides the open items by the toss of a coin."""
        room, total = node.room, node.worth
        for weight, worth in self.pairs[len(node.taken) :]:
            if weight <= room and self.rng.random() < 0.5:
                room -= weight
                total += worth
        return total


def siblings(node: Node) -> Iterator[tuple[Node, Node]]:
    """Every pair of siblings below a state, both visited."""
    if len(node.children) > 1 and all(child.visits for child in node.children):
        yield node.children[0], node.children[1]
    for child in node.children:
        yield from siblings(child)


def study(
    seed: int = 0,
    instances: int = 200,
    items: int = 10,
    iterations: int = 5000,
    label: str = "exact",
    min_visits: int = MIN_VISITS,
) -> list[dict[str, Any]]:
    """Sibling states of a tree search as preference rows, labelled by `best`, `meanq` or `exact`.

    Pairs whose exact values are alike have no right answer, and pairs that the label finds alike get none: both are
    left out. Siblings visited less than `min_visits` times too. Raises: InputError for another label, too many items,
    or a number below 1.
    """
    _refuse_nonsense(label, instances, items, iterations)
    rows: list[dict[str, Any]] = []
    for n in range(instances):
        rng = Rng(f"knapsack-search/{seed}/{n}/{items}")
        sack = random_knapsack(rng, items)
        found = Search(sack, rng.generator).run(iterations)
        pairs = [pair for pair in siblings(found) if min(node.visits for node in pair) >= min_visits]
        for one, other in pairs:
            if one.exact != other.exact and LABELS[label](one) != LABELS[label](other):
                rows.append({"id": f"knapsack-search-{n:04d}-{_code(one)}"} | _row(sack, one, other, label))
    return rows


def _refuse_nonsense(label: str, *counts: int) -> None:
    if label not in LABELS:
        raise InputError(f"There is no label {label!r}: it must be one of {', '.join(LABELS)}.")
    if min(counts) < 1 or counts[1] > len(THINGS):
        raise InputError(f"instances, items and iterations must be at least 1, items at most {len(THINGS)}.")


def random_knapsack(rng: Rng, items: int) -> Knapsack:
    """Things of 1 to 20 kg, worth 1 to 50, and room for half of their weight."""
    pairs = {name: (rng.number(1, 20), rng.number(1, 50)) for name in rng.sample(THINGS, items)}
    return Knapsack(sum(weight for weight, _ in pairs.values()) // 2, pairs)


def _code(node: Node) -> str:
    """The decisions before the last one, which siblings share."""
    return "".join("1" if taken else "0" for taken in node.taken[:-1]) or "root"


def _row(sack: Knapsack, one: Node, other: Node, label: str) -> dict[str, Any]:
    worth = LABELS[label]
    right, wrong = (one, other) if worth(one) > worth(other) else (other, one)
    row: dict[str, Any] = {
        "subset": "knapsack-search",
        "prompt": tell_sack(sack),
        "chosen": tell_state(sack, right.taken),
        "rejected": tell_state(sack, wrong.taken),
    }
    for name, node in (("chosen", right), ("rejected", wrong)):
        row |= {f"value_{name}": worth(node), f"visits_{name}": node.visits, f"exact_{name}": node.exact}
    return row | {"label": label}


def tell_sack(sack: Knapsack) -> str:
    """The instance in words."""
    rows = [f"{name}: {weight} kg, worth {worth}" for name, (weight, worth) in sack.items.items()]
    return (
        f"A bag holds {sack.capacity} kg. Go through this list and decide item by item what to pack, so that the "
        "worth is as high as possible:\n" + "\n".join(rows)
    )


def tell_state(sack: Knapsack, taken: Sequence[bool]) -> str:
    """The decisions so far, with what they weigh and are worth.

    >>> tell_state(Knapsack(6, {"tent": (4, 10), "stove": (3, 7), "rope": (3, 7)}), (True, False))
    'Pack the tent. Leave the stove. So far 4 of 6 kg, worth 10.'
    """
    decided = list(zip(sack.items, taken, strict=False))
    packed, left = [name for name, yes in decided if yes], [name for name, yes in decided if not yes]
    said = [
        f"{verb} {listed([f'the {name}' for name in names])}."
        for verb, names in (("Pack", packed), ("Leave", left))
        if names
    ]
    weight, worth = (sum(sack.items[name][column] for name in packed) for column in (0, 1))
    return " ".join([*said, f"So far {weight} of {sack.capacity} kg, worth {worth}."])


def label_agreement(rows: Sequence[Mapping[str, Any]]) -> float:
    """The share of rows whose chosen state is the better one by the exact solution; NaN without rows."""
    right = sum(row["exact_chosen"] > row["exact_rejected"] for row in rows)
    return right / len(rows) if rows else float("nan")
