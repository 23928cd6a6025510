"""Turns that amend a plan: random events, their wording, and the rules that keep them unambiguous."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from rewardbench.builders.draw import Resample, Rng
from rewardbench.builders.prompts import capitalize
from rewardbench.verifiers.hard.retractions import EMPTY, TAKEN_BACK, Changes, Entries, Event, Replay

PLAIN = ("set", "set", "set", "swap", "swap", "clear", "copy", "rotate")
"""Operations on the plan as it is, as often as they are drawn."""
CHAINED = ("swap", "swap", "swap", "rotate", "rotate", "rotate", "copy", "set")
"""The same for plans whose entries mostly move between slots."""
LATE = 0.85
"""Beginning of the part of such a conversation of which the two swapped messages are taken: no early change lasts."""
SLOTS = {"set": 1, "clear": 1, "back": 1, "swap": 2, "copy": 2, "rotate": 3}
"""Number of slots of an operation."""
UNDOS = {"undo": 1, "undo2": 2, "undo_both": 2}
"""Retractions of whole messages, and how far back they reach."""
LATER = ("Then: ", "And: ", "Also: ")
"""Links of a second event of the same message."""


@cache
def read_texts(name: str) -> Mapping[str, Any]:
    """Return the content of a TOML file of this package."""
    return tomllib.loads(Path(__file__).with_name(f"{name}.toml").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Amendment:
    """A message of the user, and its events; none if it changes nothing."""

    text: str
    events: Changes


def slots_of(event: Event) -> tuple[str, ...]:
    """Return the slots that an event reads or changes."""
    return tuple(event[1 : 1 + SLOTS.get(event[0], 0)])


def is_clear(replay: Replay, turns: Sequence[Changes], turn: Changes) -> bool:
    """Return True if the next turn has one meaning and an effect.

    Args:
        replay: the states so far.
        turns: the turns so far.
        turn: the next turn.
    """
    for event in turn:
        operation, plan = event[0], replay.plan
        entries = [plan[slot] for slot in slots_of(event)]
        if operation in UNDOS:
            return _can_take_back(turns, operation)
        if operation == "back" and not _has_previous(replay, turns, event[1]):
            return False
        if operation == "set" and entries[0] == event[2]:
            return False
        if operation == "clear" and entries[0] == EMPTY:
            return False
        if operation in ("swap", "copy", "rotate") and (EMPTY in entries or len(set(entries)) < len(entries)):
            return False
    return True


def _can_take_back(turns: Sequence[Changes], operation: str) -> bool:
    """Return True if the last turns are plain changes; if the last stays, they must concern different slots."""
    count = UNDOS[operation]
    if len(turns) < count:
        return False
    slots: list[str] = []
    for turn in turns[-count:]:
        if not turn or any(event[0] in TAKEN_BACK for event in turn):
            return False
        for event in turn:
            slots += slots_of(event)
    return operation == "undo_both" or len(slots) == len(set(slots))


def _has_previous(replay: Replay, turns: Sequence[Changes], slot: str) -> bool:
    """Return True if a plain entry replaced another entry of the slot."""
    number = replay.last_change(slot)
    if number is None or not replay.plan[slot]:
        return False
    operations = [event[0] for event in turns[number] if slot in slots_of(event)]
    return operations == ["set"] and replay.states[number][slot] != EMPTY


def draw_messages(
    rng: Rng, plan: Entries, values: Sequence[str], count: int, most: int, chained: bool
) -> list[Amendment]:
    """Draw messages that amend a plan.

    Args:
        rng: random choices.
        plan: the slots with their first entries.
        values: what a slot may hold.
        count: number of messages.
        most: largest number of events in a message.
        chained: whether entries mostly move between slots.
    """
    replay = Replay(plan)
    messages: list[Amendment] = []
    turns: list[Changes] = []
    while len(messages) < count:
        message = _draw_message(rng, list(plan), values, most, CHAINED if chained else PLAIN)
        if is_clear(replay, turns, message.events):
            replay.apply(message.events)
            turns.append(message.events)
            messages.append(message)
    return messages


def _draw_message(rng: Rng, slots: list[str], values: Sequence[str], most: int, operations: Sequence[str]) -> Amendment:
    texts = read_texts("phrases")["events"]
    kind = rng.number(1, 100)
    if kind <= 8 and most > 1:
        name = rng.pick(("decoy", "decoy", "chat"))
        return Amendment(_fill(rng, texts[name], rng.sample(slots, 1), rng.pick(values)), ())
    if kind <= 22 and len(slots) > 3:
        operation = rng.pick((*UNDOS, "back"))
        named = rng.sample(slots, SLOTS.get(operation, 0))
        return Amendment(_fill(rng, texts[operation], named, ""), ((operation, *named),))
    events: list[Event] = []
    sentences: list[str] = []
    free = rng.sample(slots, len(slots))
    for _ in range(rng.number(1, most)):
        operation = rng.pick(operations)
        if SLOTS[operation] > len(free) - 1:
            break
        named, free = free[: SLOTS[operation]], free[SLOTS[operation] :]
        value = rng.pick(values)
        link = rng.pick(LATER) if sentences else ""
        sentences.append(link + _fill(rng, texts[operation], named, value))
        events.append((operation, *named, value) if operation == "set" else (operation, *named))
    return Amendment(_typed(rng, " ".join(sentences)), tuple(events))


def _fill(rng: Rng, wordings: Sequence[str], slots: list[str], value: str) -> str:
    fields = dict(zip(("s", "s2", "s3"), slots, strict=False)) | {"v": value, "V": capitalize(value)}
    if slots:
        fields["S"] = capitalize(slots[0])
    return rng.pick(wordings).format(**fields)


def _typed(rng: Rng, text: str) -> str:
    """Return a text as people type it: now and then without capital and full stop."""
    return text[:1].lower() + text[1:].removesuffix(".") if rng.chance(0.25) else text


def swap_turns(rng: Rng, plan: Entries, messages: Sequence[Amendment], chained: bool) -> tuple[int, int]:
    """Choose two messages whose swap changes a few entries of the final plan, and is unambiguous.

    Args:
        rng: random choices.
        plan: the slots with their first entries.
        messages: all messages.
        chained: whether the two messages come late, and change two or three entries; else one or two.

    Raises:
        Resample: if no pair turns up.
    """
    final = replay_all(plan, messages)
    least = 2 if chained else 1
    count = len(messages)
    window = range(int(LATE * count) if chained else 0, count)
    for _ in range(60):
        first, second = _related_pair(rng, plan, messages, window)
        swapped = in_order(messages, (first, second))
        other = replay_all(plan, swapped)
        if final and other and least <= sum(final[slot] != other[slot] for slot in plan) <= least + 1:
            return first, second
    raise Resample


def _related_pair(rng: Rng, plan: Entries, messages: Sequence[Amendment], window: range) -> tuple[int, int]:
    """Return two positions of a window in order, mostly of messages that name the same slot."""
    positions = list(window)
    if rng.chance(0.8):
        slot = rng.pick(list(plan))
        sharing = [n for n in positions if any(slot in event for event in messages[n].events)]
        positions = sharing if len(sharing) > 1 else positions
    first, second = sorted(rng.sample(positions, 2))
    return first, second


def in_order(messages: Sequence[Amendment], *pairs: tuple[int, int]) -> list[Amendment]:
    """Return the messages with these pairs of positions swapped."""
    swapped = list(messages)
    for first, second in pairs:
        swapped[first], swapped[second] = swapped[second], swapped[first]
    return swapped


def replay_all(plan: Entries, messages: Sequence[Amendment]) -> Entries | None:
    """Return the final plan; None if a message is ambiguous in this order."""
    replay = Replay(plan)
    turns: list[Changes] = []
    for message in messages:
        if not is_clear(replay, turns, message.events):
            return None
        replay.apply(message.events)
        turns.append(message.events)
    return replay.plan
