"""Monte Carlo tree search over a knapsack, and a study of how well its labels agree with the exact solution.

Items are decided one by one, taken or left, so a state is a partial answer and its two successors are siblings. The
search is UCT (Kocsis and Szepesvári, 2006). Labelling steps by mean value is what Xie et al. (arXiv:2405.00451) do for
preference pairs; here the exact value is known, so the labels can be checked. Example of a row:

    prompt: "A bag holds 6 kg. Go through this list and decide item by item what to pack, ..."
    chosen: "Leave the tent. So far 0 of 6 kg, worth 0."
    rejected: "Pack the tent. So far 4 of 6 kg, worth 10."
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import log, sqrt
from typing import TypedDict

from rewardbench.builders.draw import Rng
from rewardbench.builders.templates.knapsack.exact import Knapsack, ValueTable, value_table
from rewardbench.builders.templates.knapsack.packing import join_words
from rewardbench.errors import InputError

EXPLORATION = sqrt(2)
"""Exploration constant of the UCT rule, for values between 0 and 1."""
MIN_VISITS = 50
"""Siblings of which one was visited less often are left out."""
ITEM_NAMES = """
    anvil bellows compass easel flute globe hammock kayak ladder mirror oven pulley quilt rug sextant tripod
    umbrella vase wagon yoke
""".split()

LABELS: Mapping[str, Callable[[Node], float]] = {
    "best": lambda node: node.best,
    "meanq": lambda node: node.total / node.visits,
    "exact": lambda node: node.exact,
}
"""Value of a state: the best packing seen below it, the mean of those seen, or the best one that exists."""


@dataclass
class Node:
    """A state of the search: the first items are decided."""

    taken: tuple[bool, ...]
    """Whether each of the decided items is packed."""
    remaining: int
    """The remaining capacity."""
    worth: int
    """The worth of the packed items."""
    exact: int
    """The worth of the best packing with these decisions."""
    visits: int = 0
    total: int = 0
    """Sum of the worths of all packings seen below, one a visit."""
    best: int = 0
    """The largest of these worths."""
    children: list[Node] = field(default_factory=list)


class Search:
    """UCT from the empty knapsack; `rng` completes the packings at random."""

    def __init__(self, knapsack: Knapsack, rng: random.Random) -> None:
        self.pairs = list(knapsack.items.values())
        self.table: ValueTable = value_table(self.pairs, knapsack.capacity)
        self.rng = rng
        self.scale = max(1, sum(worth for _, worth in self.pairs))
        self.root = self._node((), knapsack.capacity, 0)

    def _node(self, taken: tuple[bool, ...], remaining: int, worth: int) -> Node:
        return Node(taken, remaining, worth, worth + self.table[len(taken)][remaining])

    def run(self, iterations: int) -> Node:
        """Repeat selection, expansion, simulation and backpropagation; return the root of the tree."""
        for _ in range(iterations):
            path = self._select()
            worth = self._simulate(path[-1])
            for node in path:
                node.visits += 1
                node.total += worth
                node.best = max(node.best, worth)
        return self.root

    def _select(self) -> list[Node]:
        """Return the path from the root to an unvisited state, or to the last decision."""
        path = [self.root]
        while path[-1].visits and len(path[-1].taken) < len(self.pairs):
            path.append(self._choose_child(path[-1]))
        return path

    def _choose_child(self, node: Node) -> Node:
        """Return an unvisited child if there is one, else the child with the highest upper confidence bound."""
        if not node.children:
            node.children = self._expand(node)
        unvisited = [child for child in node.children if not child.visits]
        if unvisited:
            return self.rng.choice(unvisited)
        log_visits = log(node.visits)

        def upper_confidence_bound(child: Node) -> float:
            mean = child.total / child.visits / self.scale
            return mean + EXPLORATION * sqrt(log_visits / child.visits)

        return max(node.children, key=upper_confidence_bound)

    def _expand(self, node: Node) -> list[Node]:
        """Return the children of a state: the next item left, and taken if it fits."""
        weight, worth = self.pairs[len(node.taken)]
        children = [self._node((*node.taken, False), node.remaining, node.worth)]
        if weight <= node.remaining:
            children.append(self._node((*node.taken, True), node.remaining - weight, node.worth + worth))
        return children

    def _simulate(self, node: Node) -> int:
        """Return the worth of a packing in which each undecided item that fits is taken with probability 0.5."""
        remaining, total = node.remaining, node.worth
        for weight, worth in self.pairs[len(node.taken) :]:
            if weight <= remaining and self.rng.random() < 0.5:
                remaining -= weight
                total += worth
        return total


def siblings(node: Node) -> Iterator[tuple[Node, Node]]:
    """Yield every pair of visited siblings below a state."""
    if len(node.children) > 1 and all(child.visits for child in node.children):
        yield node.children[0], node.children[1]
    for child in node.children:
        yield from siblings(child)


class StudyRow(TypedDict):
    """A preference pair of sibling states, with the label's value, the visits and the exact value of both."""

    id: str
    subset: str
    prompt: str
    chosen: str
    rejected: str
    value_chosen: float
    visits_chosen: int
    exact_chosen: int
    value_rejected: float
    visits_rejected: int
    exact_rejected: int
    label: str


def study(
    seed: int = 0,
    instances: int = 200,
    items: int = 10,
    iterations: int = 5000,
    label: str = "exact",
    min_visits: int = MIN_VISITS,
) -> list[StudyRow]:
    """Search random knapsacks, and return the sibling states as preference rows.

    Pairs whose exact values are equal have no right answer, and pairs whose labels are equal have no label: both are
    left out.

    Args:
        seed: seed of the knapsacks and of the search.
        instances: number of knapsacks.
        items: number of items in each.
        iterations: iterations of the search in each.
        label: which value decides: `best`, `meanq` or `exact` (see `LABELS`).
        min_visits: siblings of which one was visited less often are left out.

    Raises:
        InputError: if the label is unknown, there are too many items, or a number is below 1.
    """
    _reject_invalid(label, instances, items, iterations)
    rows: list[StudyRow] = []
    for n in range(instances):
        rng = Rng(f"knapsack-search/{seed}/{n}/{items}")
        knapsack = random_knapsack(rng, items)
        root = Search(knapsack, rng.generator).run(iterations)
        for left, taken in siblings(root):
            if min(left.visits, taken.visits) < min_visits:
                continue
            if left.exact != taken.exact and LABELS[label](left) != LABELS[label](taken):
                rows.append(_study_row(f"knapsack-search-{n:04d}", knapsack, left, taken, label))
    return rows


def _reject_invalid(label: str, instances: int, items: int, iterations: int) -> None:
    if label not in LABELS:
        raise InputError(f"There is no label {label!r}: it must be one of {', '.join(LABELS)}.")
    if min(instances, items, iterations) < 1 or items > len(ITEM_NAMES):
        raise InputError(f"instances, items and iterations must be at least 1, items at most {len(ITEM_NAMES)}.")


def random_knapsack(rng: Rng, items: int) -> Knapsack:
    """Draw items of 1 to 20 kg, worth 1 to 50; half of their weight fits."""
    names = rng.sample(ITEM_NAMES, items)
    pairs = {name: (rng.number(1, 20), rng.number(1, 50)) for name in names}
    return Knapsack(sum(weight for weight, _ in pairs.values()) // 2, pairs)


def _study_row(group: str, knapsack: Knapsack, left: Node, taken: Node, label: str) -> StudyRow:
    """Return the row of two siblings; its id ends with the decisions that they share."""
    value = LABELS[label]
    chosen, rejected = (left, taken) if value(left) > value(taken) else (taken, left)
    decisions = "".join(str(int(decision)) for decision in left.taken[:-1]) or "root"
    return {
        "id": f"{group}-{decisions}",
        "subset": "knapsack-search",
        "prompt": describe_knapsack(knapsack),
        "chosen": describe_state(knapsack, chosen.taken),
        "rejected": describe_state(knapsack, rejected.taken),
        "value_chosen": value(chosen),
        "visits_chosen": chosen.visits,
        "exact_chosen": chosen.exact,
        "value_rejected": value(rejected),
        "visits_rejected": rejected.visits,
        "exact_rejected": rejected.exact,
        "label": label,
    }


def describe_knapsack(knapsack: Knapsack) -> str:
    """Return the prompt about a knapsack."""
    rows = [f"{name}: {weight} kg, worth {worth}" for name, (weight, worth) in knapsack.items.items()]
    return (
        f"A bag holds {knapsack.capacity} kg. Go through this list and decide item by item what to pack, so that the "
        "worth is as high as possible:\n" + "\n".join(rows)
    )


def describe_state(knapsack: Knapsack, taken: Sequence[bool]) -> str:
    """Return the decisions of a state in words, with the weight and worth so far.

    >>> describe_state(Knapsack(6, {"tent": (4, 10), "stove": (3, 7), "rope": (3, 7)}), (True, False))
    'Pack the tent. Leave the stove. So far 4 of 6 kg, worth 10.'
    """
    total_weight = total_worth = 0
    packed: list[str] = []
    left_out: list[str] = []
    for (name, (weight, worth)), is_taken in zip(knapsack.items.items(), taken, strict=False):
        if is_taken:
            packed.append(f"the {name}")
            total_weight += weight
            total_worth += worth
        else:
            left_out.append(f"the {name}")
    sentences = []
    if packed:
        sentences.append(f"Pack {join_words(packed)}.")
    if left_out:
        sentences.append(f"Leave {join_words(left_out)}.")
    sentences.append(f"So far {total_weight} of {knapsack.capacity} kg, worth {total_worth}.")
    return " ".join(sentences)


def label_agreement(rows: Sequence[StudyRow]) -> float:
    """Return the share of rows whose chosen state has the higher exact value; NaN if there are no rows."""
    agreements = sum(row["exact_chosen"] > row["exact_rejected"] for row in rows)
    return agreements / len(rows) if rows else float("nan")
