"""Plans that a user amends, cancels, restores and swaps over many turns; a response gives the final plan.

    prompt a: the hosts of a reading club by week, then "Swap week 2 and week 5.", "Scratch my last message.",
        "For week 2 I'd rather have Omar." and so on, then "list the final state of everything"
    prompt b: the same, but two of the user's messages have swapped places
    response x, right for a, and response y, right for b: all weeks with their hosts; they differ in one or two

On the upper rungs the plan is a list of amounts, and the response says which of two entries has more in the end; see
`amounts`. Long conversations, of core-long, keep to plans: the user wants any twelve of the entries, the two responses
have different slots, nearly all changes move entries between slots, and the two messages come late.

Messages refer to earlier ones only where this has one meaning: see `turns.is_clear`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rewardbench.builders.draw import MirrorContent, Resample, Rng, SquareContent
from rewardbench.builders.mirrors import chat
from rewardbench.builders.prompts import capitalize
from rewardbench.builders.templates.hard.retractions.amounts import AMOUNT_SIZES, draw_amounts
from rewardbench.builders.templates.hard.retractions.turns import (
    Amendment,
    draw_messages,
    in_order,
    read_texts,
    replay_all,
    swap_turns,
)
from rewardbench.types import Messages
from rewardbench.verifiers.hard.retractions import EMPTY, Entries

NAMED_SLOTS = 20
"""Most slots of a plan whose slots have names; larger plans have numbers."""
COUNTS = {12: "twelve"}
"""Words for the number of entries that a user of a long conversation wants."""


@dataclass(frozen=True)
class Length:
    """User turns of a conversation, slots of its plan, the most events of a turn, and the entries of a response."""

    turns: int
    slots: int
    events: int
    wanted: int = 0
    """Number of entries that the user wants, of slots that the assistant may choose; 0 for the whole plan."""


LENGTHS = {1: Length(4, 3, 1), 2: Length(12, 6, 1)}


@dataclass(frozen=True)
class Exchange:
    """All that the prompts of a mirror or square share, apart from the order of the user's messages."""

    system: str
    opening: str
    request: str
    acks: Sequence[str]
    """One for each user message but the last."""

    def prompt(self, messages: Sequence[Amendment]) -> Messages:
        """Return the prompt with the messages in this order."""
        turns = [self.opening, self.acks[0]]
        for message, ack in zip(messages, self.acks[1:], strict=True):
            turns += [message.text, ack]
        return chat(*turns, self.request, system=self.system)


def draw(rng: Rng, rung: int) -> MirrorContent:
    """Draw a mirror of a rung."""
    if rung in LENGTHS:
        return draw_of_size(rng, LENGTHS[rung])
    edit, prompts, responses, checks = draw_amounts(rng, AMOUNT_SIZES[rung], 1)
    (a, b), (x, y) = prompts, responses
    return MirrorContent(edit, a, b, x, y, {"kind": "amounts", "a": checks[0], "b": checks[1]})


def draw_of_size(rng: Rng, length: Length) -> MirrorContent:
    """Draw a mirror of a size, about a plan."""
    edit, prompts, responses, checks = _draw_orders(rng, length, 1)
    (a, b), (x, y) = prompts, responses
    return MirrorContent(edit, a, b, x, y, {"kind": "retractions", "a": checks[0], "b": checks[1]})


def draw_square(rng: Rng, rung: int) -> SquareContent:
    """Draw a square: each of two pairs of messages may have swapped places."""
    if rung > 2:
        edit, prompts, responses, checks = draw_amounts(rng, AMOUNT_SIZES[rung], 2)
    else:  # four turns, as on the first rung, have no two pairs to swap
        edit, prompts, responses, checks = _draw_orders(rng, LENGTHS[2], 2)
    check: dict[str, object] = {"kind": "amounts" if rung > 2 else "retractions"}
    for n, order in enumerate(checks):
        check[str(n)] = order
    return SquareContent(edit, tuple(prompts), tuple(responses), check)


def _draw_orders(
    rng: Rng, length: Length, pairs: int
) -> tuple[str, list[Messages], list[str], list[dict[str, object]]]:
    """Return the edit, and for each order of the messages its prompt, its right response and its check."""
    worlds = list(read_texts("worlds").values())
    world = rng.pick([world for world in worlds if world.get("many")] if length.slots > NAMED_SLOTS else worlds)
    values = rng.people(16) if world.get("people") else list(world["values"])
    plan = _draw_plan(rng, world, values, length)
    messages = draw_messages(rng, plan, values, length.turns - 2, length.events, bool(length.wanted))
    swaps = [swap_turns(rng, plan, messages, bool(length.wanted)) for _ in range(pairs)]
    orders = [in_order(messages, *chosen) for chosen in _subsets(swaps)]
    replayed = [replay_all(plan, order) for order in orders]
    finals = [final for final in replayed if final]
    if len(finals) < len(orders) or len(set(map(str, finals))) < len(orders):
        raise Resample
    form = ("prose" if rng.chance() else "lines") + ("_of_any" if length.wanted else "")
    conversation = _draw_conversation(rng, world, plan, length, form)
    report = _Report(rng, world, form)
    stated = _draw_stated(rng, finals, length.wanted) if length.wanted else [list(plan)] * len(finals)
    responses = []
    for final, slots in zip(finals, stated, strict=True):
        responses.append(report.write({slot: final[slot] for slot in slots}))
    prompts, checks = [], []
    for order in orders:
        prompts.append(conversation.prompt(order))
        turns = [message.events for message in order]
        wanted = length.wanted or len(plan)
        check: dict[str, object] = {"plan": plan, "turns": turns, "wanted": wanted, "entries": report.entries}
        checks.append(check)
    places = "; ".join(f"messages {first + 2} and {second + 2}" for first, second in swaps)
    return places, prompts, responses, checks


def _subsets(swaps: Sequence[tuple[int, int]]) -> list[list[tuple[int, int]]]:
    """Return all selections of some swaps: [], [1] of one; [], [1], [2], [1, 2] of two different pairs of messages."""
    if len(swaps) == 1:
        return [[], [swaps[0]]]
    if set(swaps[0]) & set(swaps[1]):
        raise Resample
    return [[], [swaps[0]], [swaps[1]], [swaps[0], swaps[1]]]


def _draw_plan(rng: Rng, world: Mapping[str, Any], values: Sequence[str], length: Length) -> Entries:
    """Return slots in order with their first entries; all different if only some of them are wanted in the end."""
    named, size = world["slots"], length.slots
    if isinstance(named, str):
        slots = [named.format(n) for n in range(1, size + 1)]
    else:
        if size > len(named):
            raise Resample
        slots = named[:size] if rng.chance(0.6) else sorted(rng.sample(named, size), key=named.index)
    if length.wanted and size <= len(values):
        return dict(zip(slots, rng.sample(values, size), strict=True))
    plan = {slot: rng.pick(values) for slot in slots}
    if size > 4 and rng.chance():
        plan[rng.pick(slots)] = EMPTY
    return plan


def _draw_stated(rng: Rng, finals: Sequence[Entries], count: int) -> list[list[str]]:
    """Return the slots of two responses, which share none: the entries are those of its own final plan only.

    Raises:
        Resample: if no choice turns up.
    """
    slots = list(finals[0])
    decisive = [slot for slot in slots if len({final[slot] for final in finals}) > 1]
    others = [slot for slot in slots if slot not in decisive]
    for _ in range(60):
        stated: list[list[str]] = []
        telling, fillers = rng.sample(decisive, len(decisive)), rng.sample(others, len(others))
        for chosen in (telling[::2], telling[1::2]):
            missing = count - len(chosen)
            stated.append(rng.sample([*chosen, *fillers[:missing]], count))
            fillers = fillers[missing:]
        if _is_telling(finals, stated):
            return stated
    raise Resample


def _is_telling(finals: Sequence[Entries], stated: Sequence[Sequence[str]]) -> bool:
    """Return True if each choice of slots tells its final plan from all others."""
    for final, slots in zip(finals, stated, strict=True):
        entries = {(slot, final[slot]) for slot in slots}
        if sum(entries <= other.items() for other in finals) > 1:
            return False
    return True


def _draw_conversation(rng: Rng, world: Mapping[str, Any], plan: Entries, length: Length, form: str) -> Exchange:
    texts = read_texts("phrases")["texts"]
    layout = rng.pick((("{}: {}", "\n"), ("- {}: {}", "\n"), ("{} = {}", "\n"), ("{} = {}", "; "), ("{} → {}", "\n")))
    lines = [layout[0].format(slot, value or "empty") for slot, value in plan.items()]
    opening = rng.pick(world["openings"]).format(plan=layout[1].join(lines))
    acks = [rng.pick(texts["first_acks"])]
    for _ in range(length.turns - 2):
        acks.append(rng.pick(texts["acks"]))
    request = rng.pick(texts[form]).format(count=COUNTS.get(length.wanted, ""))
    return Exchange(rng.pick(texts["systems"]) if rng.chance(0.4) else "", opening, request, acks)


class _Report:
    """Writes final plans, all in the same way, and notes the entry of each sentence."""

    def __init__(self, rng: Rng, world: Mapping[str, Any], form: str) -> None:
        texts = read_texts("phrases")["texts"]
        self.world, self.in_prose = world, form.startswith("prose")
        self.opening = rng.pick(texts[f"{form}_openings"])
        self.closing = rng.pick(texts[f"{form}_closings"]) if self.in_prose else ""
        self.bullet = "" if self.in_prose else rng.pick(("- ", "* ", ""))
        self.wordings = rng.sample(world["says"], len(world["says"]))
        self.entries: dict[str, list[str]] = {self.opening: []}
        if self.closing:
            self.entries[self.closing] = []

    def write(self, plan: Entries) -> str:
        """Return the text of a final plan."""
        parts: list[str] = []
        for n, (slot, value) in enumerate(plan.items()):
            parts.append(self._entry(n, slot, value))
            self.entries[parts[-1]] = [slot, value]
        if self.in_prose:
            return " ".join([self.opening, *parts, self.closing])
        return "\n".join([self.opening, *parts])

    def _entry(self, n: int, slot: str, value: str) -> str:
        wording = self.wordings[n % len(self.wordings)] if value else self.world["empty"]
        return self.bullet + str(wording).format(s=slot, S=capitalize(slot), v=value)
