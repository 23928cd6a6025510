"""A plan that a user amends, cancels and restores over many turns; the twin prompt has two turns swapped.

For example, in German:

    prompt a: a list of three tables; Tisch 2 auf Familie Brandt ändern; Tisch 2 und Tisch 3 tauschen; der ganze Plan?
    prompt b: the same with the two changes in the other order
    responses: every table with its entry after all changes
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rewardbench.builders.draw import MirrorContent, Resample, Rng
from rewardbench.builders.mirrors import chat
from rewardbench.builders.templates.hard.languages.texts import (
    capitalize,
    fill_slots,
    make_content,
    pick_some,
    read_texts,
)

PLACES = {1: 3, 2: 5}
TURNS = {1: 4, 2: 9}
PLAIN_CHANGES = ("set", "set", "cancel", "swap", "swap", "restore")
CHANGES = (*PLAIN_CHANGES, "move", "move", "replace")
ATTEMPTS = 60
PAIRS = 200
"""Pairs of turns that are tried."""

SlotEntries = Mapping[str, str]
"""Entry of each slot of a plan; empty text for a free slot."""


@dataclass(frozen=True)
class PlanChange:
    """One change of a plan; which fields it needs depends on its kind."""

    kind: str
    """`set`, `cancel`, `swap`, `move`, `restore` or `replace`."""
    place: str = ""
    other: str = ""
    """The slot to swap with or to move to."""
    entry: str = ""
    """The entry to set, or to be replaced."""
    new: str = ""
    """The entry that replaces `entry`."""


@dataclass(frozen=True)
class PlanScene:
    """What a plan is about."""

    openings: list[str]
    places: list[str]
    """Labels of the slots."""
    named: str
    """A slot inside a sentence, with `{label}`."""
    entries: list[str]


def draw(language: str, rng: Rng, rung: int) -> MirrorContent:
    """Draw a mirror whose prompts differ in the order of two turns; only for rungs 1 and 2."""
    texts = read_texts(language, "retraction")
    scene = PlanScene(**rng.pick(texts["scenes"]))
    first = rng.number(0, len(scene.places) - PLACES[rung])
    places = scene.places[first : first + PLACES[rung]]
    initial = dict(zip(places, rng.sample(scene.entries, len(places)), strict=True))
    turns = _draw_turns(rng, rung, initial, scene.entries)
    left, right = _pick_turns_to_swap(rng, rung, initial, turns)
    frames = {kind: pick_some(rng, options, 3) for kind, options in texts["changes"].items()}
    messages = [_render_turn(rng, turn, frames, scene.named) for turn in turns]
    plans = []
    prompts = []
    opening = fill_slots(rng.pick(scene.openings), list=_render_list(rng, initial, texts["colon"]))
    first_note = rng.pick(texts["first_notes"])
    notes = [rng.pick(texts["notes"]) for _ in turns]
    question = rng.pick(texts["questions"])
    for order in (range(len(turns)), _swapped(len(turns), left, right)):
        plans.append(follow_turns(initial, [turns[n] for n in order]) or {})
        dialogue = [opening, first_note]
        for n in order:
            dialogue += [messages[n], notes[n]]
        prompts.append(chat(*dialogue, question))
    replies = _render_plans(rng, texts, scene, plans)
    halves = []
    for plan in plans:
        halves.append({"plan": dict(plan), "entries": scene.entries, "free": texts["free_words"]})
    edit = f"turns {left + 2} and {right + 2} of the user swapped"
    return make_content(edit, prompts, replies, "language-retraction", language, halves)


def _swapped(n: int, left: int, right: int) -> list[int]:
    order = list(range(n))
    order[left], order[right] = right, left
    return order


def change_plan(entries: SlotEntries, initial: SlotEntries, change: PlanChange) -> SlotEntries | None:
    """Return the plan after a change; None if the change alters nothing, or refers to an entry that is not there."""
    after = dict(entries)
    if change.kind == "set":
        after[change.place] = change.entry
    elif change.kind == "cancel":
        after[change.place] = ""
    elif change.kind == "restore":
        after[change.place] = initial[change.place]
    elif change.kind == "replace":
        for place, entry in entries.items():
            after[place] = change.new if entry == change.entry else entry
    elif not entries[change.place] or (change.kind != "move" and not entries[change.other]):
        return None
    else:
        after[change.place] = entries[change.other] if change.kind == "swap" else ""
        after[change.other] = entries[change.place]
    return None if after == dict(entries) else after


def follow_turns(initial: SlotEntries, turns: Sequence[PlanChange]) -> SlotEntries | None:
    """Return the plan after all turns; None if one of them makes no sense where it is."""
    plan: SlotEntries | None = initial
    for change in turns:
        plan = change_plan(plan, initial, change) if plan else None
    return plan


def _draw_turns(rng: Rng, rung: int, initial: SlotEntries, entries: Sequence[str]) -> list[PlanChange]:
    turns: list[PlanChange] = []
    for _ in range(TURNS[rung] * ATTEMPTS):
        if len(turns) == TURNS[rung]:
            return turns
        change = _draw_change(rng, rng.pick(CHANGES if rung > 1 else PLAIN_CHANGES), initial, entries)
        if follow_turns(initial, [*turns, change]) is not None:
            turns.append(change)
    raise Resample


def _draw_change(rng: Rng, kind: str, initial: SlotEntries, entries: Sequence[str]) -> PlanChange:
    place, other = rng.sample(list(initial), 2)
    entry, new = rng.sample(entries, 2)
    if kind == "replace":
        return PlanChange(kind, entry=entry, new=new)
    if kind == "set":
        return PlanChange(kind, place, entry=entry)
    return PlanChange(kind, place, other=other if kind in ("swap", "move") else "")


def _pick_turns_to_swap(rng: Rng, rung: int, initial: SlotEntries, turns: Sequence[PlanChange]) -> tuple[int, int]:
    """Pick two turns that make sense in either order and leave plans that differ in few slots."""
    plan = follow_turns(initial, turns)
    for _ in range(PAIRS):
        left, right = sorted(rng.sample(range(len(turns)), 2))
        other = follow_turns(initial, [turns[n] for n in _swapped(len(turns), left, right)])
        if plan is None or other is None or right - left < rung:
            continue
        if 1 <= len(dict(plan.items() - other.items())) <= max(2, len(plan) // 3):
            return left, right
    raise Resample


def _render_list(rng: Rng, initial: SlotEntries, colon: str) -> str:
    bullet = rng.pick(("", "- ", "• "))
    lines = []
    for place, entry in initial.items():
        lines.append(f"{bullet}{capitalize(place)}{colon}{entry}")
    return "\n".join(lines)


def _render_turn(rng: Rng, change: PlanChange, frames: Mapping[str, list[str]], named: str) -> str:
    place, other = named.replace("{label}", change.place), named.replace("{label}", change.other)
    frame = fill_slots(rng.pick(frames[change.kind]), place=place, other=other)
    return capitalize(fill_slots(frame, entry=change.entry, new=change.new))


def _render_plans(
    rng: Rng, texts: Mapping[str, list[str]], scene: PlanScene, plans: Sequence[SlotEntries]
) -> list[str]:
    opening, closing = rng.pick(texts["reply_openings"]), rng.pick(texts["reply_closings"])
    filled, free = rng.sample(texts["filled"], len(texts["filled"])), rng.sample(texts["free"], len(texts["free"]))
    replies = []
    for plan in plans:
        lines = []
        for n, (place, entry) in enumerate(plan.items()):
            frames = filled if entry else free
            name = scene.named.replace("{label}", place)
            lines.append(fill_slots(frames[n % len(frames)], place=name, entry=entry))
        replies.append("\n".join([opening, "", *lines, "", closing]))
    return replies
