"""Plan mirrors: which topic, pair, dialogue, rule and kind of counterpart go together, evenly. No text is made here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, product

from rewardbench.builders.draw import Rng
from rewardbench.builders.templates.pink.material import OpenDecline, SubjectPair, WishTemplate, read_rules

KINDS = ("reversed", "free", "decoy")
"""What the other prompt has instead of the rule: the rule with x and y swapped, a neutral line, or the decoy."""
RULE_SORTS = tuple(product((True, False), repeat=2))
"""Sorts of rules: whether the forbidden name comes first, and whether the decoy only permits it."""
USES = 2
"""How often a topic, pair and dialogue come together."""


@dataclass(frozen=True)
class Outline:
    """A dialogue before it is written."""

    turns: int
    text: str
    """What happens in it: a single sentence."""
    manner: str = "plain"
    """How the user types: one of MANNERS."""
    takes_side: bool = True
    """Whether the user asks for one of the two subjects in particular."""


@dataclass(frozen=True)
class Plan:
    """Everything that determines a mirror, except for its words; indices refer to the material."""

    index: int
    topic: str
    pair_index: int
    dialogue_index: int
    forbids_second: bool
    """Whether x, the forbidden subject, is the second one of the pair."""
    kind: str
    rule_index: int
    wish_index: int | None
    """How the user asks for x; None if the rules alone decide."""
    praises: bool
    """Whether the reply on x praises y."""
    phrasing: int
    """Which of two phrasings of the dialogue's reply is about x: 0 or 1."""
    brand: str
    decline_index: int
    """Which open decline the replies have, if rule and dialogue leave a place for one."""
    swapped: bool
    """Whether the rule goes to prompt b."""

    @property
    def template(self) -> str:
        """The name of the topic and the index of the dialogue, as stored with the mirror."""
        return f"{self.topic}/{self.dialogue_index}"


@dataclass(frozen=True)
class TopicOutlines:
    """The pairs of a topic, and for each pair the outlines of its dialogues, in the order of the topic's dialogues."""

    topic: str
    pairs: Sequence[SubjectPair]
    outlines: Sequence[Sequence[Outline]]


def make_plans(topics: Sequence[TopicOutlines], seed: int, pool: str) -> list[Plan]:
    """Return all plans, in an order that uses topics, dialogues, kinds and rules evenly from the start."""
    rng = Rng(f"pink/{pool}/{seed}")
    order = rng.sample(topics, len(topics))
    planner = _Planner(rng, pool)
    combinations = [list(_combinations(topic, rng)) for topic in order]
    rounds = max(map(len, combinations), default=0)
    plans: list[Plan] = []
    for turn in range(rounds):
        for position, topic in enumerate(order):
            if turn < len(combinations[position]):
                pair_index, dialogue_index = combinations[position][turn]
                plans.append(planner.plan(len(plans), topic, turn + position, pair_index, dialogue_index))
    return plans


def _combinations(topic: TopicOutlines, rng: Rng) -> Iterator[tuple[int, int]]:
    """Yield pair and dialogue, each `USES` times: every dialogue once, then again with another pair, shortest first."""
    if not all(topic.outlines) or not topic.pairs:
        return
    pair_count = len(topic.pairs)
    offset = rng.number(0, pair_count - 1)
    dialogue_count = min(map(len, topic.outlines))
    dialogue_indices = rng.sample(range(dialogue_count), dialogue_count)
    for shift in range(USES * pair_count):
        for dialogue_index in dialogue_indices:
            yield (dialogue_index + shift + offset) % pair_count, dialogue_index
        dialogue_indices.sort(key=lambda index: topic.outlines[0][index].turns)


class _Planner:
    """Assigns kinds, rules and wishes in turn, so that all occur about equally often."""

    def __init__(self, rng: Rng, pool: str) -> None:
        self.rng = rng
        rule_set = read_rules()
        self.rules = rule_set.rules
        self.brands = rule_set.brands
        usable = [index for index, rule in enumerate(self.rules) if pool != "train" or not rule.reworded]
        self.rule_uses = dict.fromkeys(rng.sample(usable, len(usable)), 0)
        self.sorts = {kind: cycle(rng.sample(RULE_SORTS, len(RULE_SORTS))) for kind in KINDS}
        self.wishes = _wish_cycles(rng, rule_set.wishes)
        self.praise = cycle((True, False))
        self.declines = _decline_cycles(rng, rule_set.declines)
        self.earlier: dict[tuple[str, int, int], Plan] = {}
        """The first plan of each topic, pair and dialogue."""

    def plan(self, index: int, topic: TopicOutlines, position: int, pair_index: int, dialogue_index: int) -> Plan:
        """Plan a mirror; a second one of the same topic, pair and dialogue has another kind, rule and phrasing."""
        earlier = self.earlier.get((topic.topic, pair_index, dialogue_index))
        kind_index = KINDS.index(earlier.kind) + 1 if earlier else position
        kind = KINDS[kind_index % len(KINDS)]
        rule_index = self._choose_rule(kind, topic.outlines[pair_index][dialogue_index], earlier)
        permits = kind == "decoy" and self.rules[rule_index].permits
        has_wish = kind == "free" or permits
        praises = permits or (kind == "free" and next(self.praise))
        plan = Plan(
            index=index,
            topic=topic.topic,
            pair_index=pair_index,
            dialogue_index=dialogue_index,
            forbids_second=self.rng.chance(),
            kind=kind,
            rule_index=rule_index,
            wish_index=next(self.wishes[praises]) if has_wish else None,
            praises=praises,
            phrasing=1 - earlier.phrasing if earlier else self.rng.number(0, 1),
            brand=self.rng.pick(self.brands),
            decline_index=next(self.declines[has_wish]),
            swapped=self.rng.chance(),
        )
        self.earlier[topic.topic, pair_index, dialogue_index] = plan
        return plan

    def _choose_rule(self, kind: str, outline: Outline, earlier: Plan | None) -> int:
        """Return the least used rule that suits the dialogue, of the sort whose turn it is."""
        sort = next(self.sorts[kind])
        suitable: list[int] = []
        for index in self.rule_uses:
            rule = self.rules[index]
            is_of_sort = (rule.forbidden_first, rule.permits) == sort
            is_repeated = earlier is not None and index == earlier.rule_index
            takes_side = outline.takes_side or kind == "free" or (kind == "decoy" and rule.permits)
            suits = rule.suits(outline.manner, is_single_turn=outline.turns == 1, takes_side=takes_side)
            if is_of_sort and not is_repeated and suits:
                suitable.append(index)
        chosen = min(suitable, key=self.rule_uses.__getitem__)
        self.rule_uses[chosen] += 1
        return chosen


def _wish_cycles(rng: Rng, wishes: Sequence[WishTemplate]) -> dict[bool, Iterator[int]]:
    """Return endless sequences of wish indices: mild wishes under True, the others under False."""
    order = rng.sample(range(len(wishes)), len(wishes))
    mild = [index for index in order if wishes[index].mild]
    firm = [index for index in order if not wishes[index].mild]
    return {True: cycle(mild), False: cycle(firm)}


def _decline_cycles(rng: Rng, declines: Sequence[OpenDecline]) -> dict[bool, Iterator[int]]:
    """Return endless sequences of decline indices: those with a counter under True, the others under False."""
    cycles: dict[bool, Iterator[int]] = {}
    for has_counter in (True, False):
        indices = [index for index, decline in enumerate(declines) if bool(decline.counter) is has_counter]
        cycles[has_counter] = cycle(rng.sample(indices, len(indices)))
    return cycles
