"""Which topic, pair, frame, rule and kind of twin make which mirror: plans, dealt out evenly. No text is made here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, product

from rewardbench.builders.draw import Rng
from rewardbench.builders.templates.pink.material import Pair, read_rules

KINDS = ("reversed", "free", "decoy")
"""What the twin of the rule is: the rule the other way round, a line on something else, or a rule that wants X."""
SORTS = tuple(product((True, False), repeat=2))
"""Of rules: whether the forbidden name comes first, whether the decoy only permits it."""
USES = 2
"""How often a topic, pair and frame may come together."""


@dataclass(frozen=True)
class Outline:
    """A plan's dialogue before it is written: how many turns, in a sentence how it goes, how the user types."""

    turns: int
    text: str
    manner: str = "plain"


@dataclass(frozen=True)
class Plan:
    """Everything that makes a mirror but its words."""

    index: int
    topic: str
    pair: int
    frame: int
    turned: bool
    """Whether X, the thing that the rule forbids, is the pair's `other`."""
    kind: str
    rule: int
    ask: int | None
    """How the user asks for X; None where the rules alone decide."""
    praises: bool
    """Whether the reply on X has a good word for Y."""
    phrasing: int
    """Which of a frame's two phrasings speaks of X."""
    brand: str
    swapped: bool
    """Whether the rule goes to half b."""

    @property
    def template(self) -> str:
        """What its dialogue is made from."""
        return f"{self.topic}/{self.frame}"


@dataclass(frozen=True)
class Field:
    """What a topic offers: pairs, and for each of them outlines, whose order is that of the topic's frames."""

    topic: str
    pairs: Sequence[Pair]
    outlines: Sequence[Sequence[Outline]]


def deal(fields: Sequence[Field], seed: int, pool: str) -> list[Plan]:
    """All plans there are, in an order that uses topics, frames, kinds and rules evenly from the start."""
    rng = Rng(f"pink/{pool}/{seed}")
    order = rng.sample(fields, len(fields))
    table = _Table(rng, pool)
    sequences = [list(_combinations(field, rng)) for field in order]
    rounds = max(map(len, sequences), default=0)
    turns = [
        (field, at, sequence[turn])
        for turn in range(rounds)
        for at, (field, sequence) in enumerate(zip(order, sequences, strict=True), turn)
        if turn < len(sequence)
    ]
    return [table.plan(n, field, at, *combination) for n, (field, at, combination) in enumerate(turns)]


def _combinations(field: Field, rng: Rng) -> Iterator[tuple[int, int]]:
    """Pair and frame, each `USES` times: every frame once, then again with another pair, the shortest first."""
    if not all(field.outlines) or not field.pairs:
        return
    count, offset = len(field.pairs), rng.number(0, max(len(field.pairs) - 1, 0))
    frames = rng.sample(range(min(map(len, field.outlines))), min(map(len, field.outlines)))
    for shift in range(USES * count):
        for frame in frames:
            yield (frame + shift + offset) % count, frame
        frames = sorted(frames, key=lambda frame: field.outlines[0][frame].turns)


class _Table:
    """Hands out kinds, rules and asks in turns, so that none comes up more often than the others."""

    def __init__(self, rng: Rng, pool: str) -> None:
        self.rng = rng
        rules, asks, self.brands = read_rules()
        self.rules = rules
        numbers = [n for n, rule in enumerate(rules) if pool != "train" or not rule.reworded]
        self.uses = dict.fromkeys(rng.sample(numbers, len(numbers)), 0)
        self.sorts = {kind: cycle(rng.sample(SORTS, len(SORTS))) for kind in KINDS}
        turns = rng.sample(range(len(asks)), len(asks))
        self.asks = {mild: cycle([n for n in turns if asks[n].mild is mild]) for mild in (True, False)}
        self.praise = cycle((True, False))
        self.used: dict[tuple[str, int, int], Plan] = {}

    def plan(self, index: int, field: Field, at: int, pair: int, frame: int) -> Plan:
        """The plan of a topic, pair and frame; the second with these has another kind, rule and phrasing."""
        before = self.used.get((field.topic, pair, frame))
        kind = KINDS[((KINDS.index(before.kind) + 1) if before else at) % len(KINDS)]
        number = self._rule(kind, field.outlines[pair][frame], before)
        permits = self.rules[number].permits
        praises = (kind == "free" and next(self.praise)) or (kind == "decoy" and permits)
        plan = Plan(
            index=index,
            topic=field.topic,
            pair=pair,
            frame=frame,
            turned=self._turned(field.pairs[pair], kind),
            kind=kind,
            rule=number,
            ask=next(self.asks[praises]) if kind == "free" or (kind == "decoy" and permits) else None,
            praises=praises,
            phrasing=1 - before.phrasing if before else self.rng.number(0, 1),
            brand=self.rng.pick(self.brands),
            swapped=self.rng.chance(),
        )
        self.used[field.topic, pair, frame] = plan
        return plan

    def _rule(self, kind: str, outline: Outline, before: Plan | None) -> int:
        """Of the sort whose turn it is, the least used that suits the dialogue."""
        sort = next(self.sorts[kind])
        fit = [
            number
            for number in self.uses
            if (self.rules[number].forbidden_first, self.rules[number].permits) == sort
            and self.rules[number].suits(outline.manner, outline.turns == 1)
            and not (before and number == before.rule)
        ]
        number = min(fit, key=self.uses.__getitem__)
        self.uses[number] += 1
        return number

    def _turned(self, pair: Pair, kind: str) -> bool:
        """Where a sentence hides a name, that name is the forbidden one."""
        drawn = self.rng.chance()
        return pair.trap_of == "other" if pair.trap and kind != "reversed" else drawn
