"""Quantities that are moved in shares over many messages; the twin prompt has two messages swapped.

For example, in German:

    prompt a: Kiste A: 4817, Kiste B: 2390, ... / 37 % von Kiste A nach Kiste B. / Vergiss meine vorige Nachricht. / ...
        Wie viel ist jetzt in Kiste A, Kiste C und Kiste F zusammen?
    prompt b: the same with two of the messages in the other order
    responses: the total only; every step depends on the one before, so that all of them have to be worked out
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from rewardbench.builders.draw import MirrorContent, Resample, Rng
from rewardbench.builders.mirrors import chat
from rewardbench.builders.templates.hard.languages.texts import (
    capitalize,
    fill_slots,
    make_content,
    read_texts,
    write_number,
    write_percent,
)

PLACES = {3: 6, 4: 8}
MESSAGES = {3: 8, 4: 13}
LINES = {3: 3, 4: 4}
"""Changes in a message, unless it takes back others."""
RANGES = {3: (11_000, 69_000), 4: (110_000, 690_000)}
"""Smallest and largest quantity of the first list."""
PERCENT_SCALE = {3: 1, 4: 10}
"""Parts of a percent: percentages have one decimal on rung 4."""
GAPS = {3: (10, 900), 4: (10, 400)}
"""Smallest and largest difference of the two totals."""
DENOMINATORS = (7, 9, 11, 13)
KINDS = (*("move",) * 6, *("share",) * 3, "swap", "swap", "add", "remove", "restore")
PAIRS = 120
"""Pairs of messages that are tried."""
ATTEMPTS = 40

Quantities = Mapping[str, int]


@dataclass(frozen=True)
class StockChange:
    """One change of the quantities; which fields it needs depends on its kind."""

    kind: str
    """`move`, `share`, `swap`, `add`, `remove`, `restore`, or `undo`, which stands alone in its message."""
    place: str = ""
    other: str = ""
    third: str = ""
    """The second place that gets a share."""
    number: int = 0
    """Tenths of a percent, denominator of a share, quantity, or number of messages to take back."""


StockMessage = tuple[StockChange, ...]


def draw(language: str, rng: Rng, rung: int) -> MirrorContent:
    """Draw a mirror whose prompts differ in the order of two messages; only for rungs 3 and 4."""
    texts = read_texts(language, "stock")
    scene = rng.pick(texts["scenes"])
    places = []
    for letter in texts.get("letters", "ABCDEFGH")[: PLACES[rung]]:
        places.append(scene["label"].replace("{x}", letter))
    initial = dict(zip(places, rng.numbers(len(places), *RANGES[rung]), strict=True))
    messages = _draw_messages(rng, rung, initial)
    left, right, wanted = _pick_swap(rng, rung, initial, messages)
    orders = list(range(len(messages))), _swapped(len(messages), left, right)
    names = dict(zip("abc", wanted, strict=True))
    opening, question, reply = rng.pick(scene["openings"]), rng.pick(texts["questions"]), rng.pick(texts["replies"])
    rows = []
    for place, quantity in initial.items():
        rows.append(f"{capitalize(place)}{texts['colon']}{write_number(texts, quantity)}")
    first = "\n".join([opening, *rows, rng.pick(texts["conventions"])])
    notes = read_texts(language, "retraction")
    rendered = []
    for message in messages:
        note = rng.pick(texts["undo_notes"] if message[0].kind == "undo" else notes["notes"])
        rendered.append((_render_message(rng, texts, message), note))
    dialogue = [first, rng.pick(notes["first_notes"])]
    prompts, replies, halves = [], [], []
    for order in orders:
        turns = list(dialogue)
        for n in order:
            turns += rendered[n]
        prompts.append(chat(*turns, fill_slots(question, **names)))
        total = write_number(texts, _total(follow_messages(initial, [messages[n] for n in order]), wanted))
        replies.append(fill_slots(reply, n=total, **names))
        halves.append({"total": total})
    edit = f"messages {left + 2} and {right + 2} of the user swapped"
    return make_content(edit, prompts, replies, "language-stock", language, halves)


def change_stock(quantities: Quantities, initial: Quantities, change: StockChange) -> dict[str, int]:
    """Return the quantities after a change that is no undo."""
    after = dict(quantities)
    source = quantities[change.place]
    if change.kind == "move":
        part = source * change.number // 1000
        after[change.place] -= part
        after[change.other] += part
    elif change.kind == "share":
        part = source // change.number
        after[change.place] -= 2 * part
        after[change.other] += part
        after[change.third] += part
    elif change.kind == "swap":
        after[change.place], after[change.other] = quantities[change.other], source
    elif change.kind == "restore":
        after[change.place] = initial[change.place]
    else:
        after[change.place] += change.number if change.kind == "add" else -change.number
    return after


def follow_messages(initial: Quantities, messages: Sequence[StockMessage]) -> Quantities | None:
    """Return the quantities after all messages; None if one of them makes no sense where it is."""
    states = [initial]
    for n, message in enumerate(messages):
        if message[0].kind == "undo":
            count = message[0].number
            if n < count or any(other[0].kind == "undo" for other in messages[n - count : n]):
                return None
            states.append(states[n - count])
            continue
        state = states[-1]
        for change in message:
            state = change_stock(state, initial, change)
            if min(state.values()) < min(initial.values()) // 10:
                return None
        states.append(state)
    return states[-1]


def _total(quantities: Quantities | None, wanted: Sequence[str]) -> int:
    return sum(quantities[place] for place in wanted) if quantities else 0


def _draw_messages(rng: Rng, rung: int, initial: Quantities) -> list[StockMessage]:
    messages: list[StockMessage] = []
    for _ in range(MESSAGES[rung] * ATTEMPTS):
        if len(messages) == MESSAGES[rung]:
            return messages
        if rng.chance(0.12):
            message: StockMessage = (StockChange("undo", number=rng.number(1, 2)),)
        else:
            message = tuple(_draw_change(rng, rung, list(initial)) for _ in range(LINES[rung]))
        if follow_messages(initial, [*messages, message]):
            messages.append(message)
    raise Resample


def _draw_change(rng: Rng, rung: int, places: Sequence[str]) -> StockChange:
    kind = rng.pick(KINDS)
    place, other, third = rng.sample(places, 3)
    if kind == "move":
        scale = PERCENT_SCALE[rung]
        percent = rng.number(13 * scale, 68 * scale)
        return StockChange(kind, place, other, number=(percent + (percent % 10 == 0)) * 10 // scale)
    if kind == "share":
        return StockChange(kind, place, other, third, rng.pick(DENOMINATORS))
    if kind == "swap":
        return StockChange(kind, place, other)
    return StockChange(kind, place, number=0 if kind == "restore" else rng.number(*RANGES[rung]) // 8)


def _pick_swap(
    rng: Rng, rung: int, initial: Quantities, messages: Sequence[StockMessage]
) -> tuple[int, int, tuple[str, ...]]:
    """Pick two early messages to swap, and three places whose total then changes by little and by an even number."""
    before = follow_messages(initial, messages)
    for _ in range(PAIRS):
        left, right = sorted(rng.sample(range(len(messages) * 2 // 3), 2))
        after = follow_messages(initial, [messages[n] for n in _swapped(len(messages), left, right)])
        if not before or not after:
            continue
        for wanted in rng.sample(list(combinations(initial, 3)), 20):
            gap = abs(_total(before, wanted) - _total(after, wanted))
            if GAPS[rung][0] <= gap <= GAPS[rung][1] and gap % 2 == 0:
                return left, right, wanted
    raise Resample


def _swapped(n: int, left: int, right: int) -> list[int]:
    order = list(range(n))
    order[left], order[right] = right, left
    return order


def _render_message(rng: Rng, texts: Mapping[str, Any], message: StockMessage) -> str:
    lines = []
    for change in message:
        kind = "undo_many" if change.kind == "undo" and change.number > 1 else change.kind
        fraction = texts["fractions"][DENOMINATORS.index(change.number)] if kind == "share" else ""
        frame = fill_slots(rng.pick(texts["changes"][kind]), place=change.place, other=change.other)
        frame = fill_slots(frame, third=change.third, fraction=fraction)
        values: dict[str, str | int] = {
            "p": write_percent(texts, change.number),
            "n": write_number(texts, change.number),
        }
        lines.append(capitalize(fill_slots(frame, **values)))
    return "\n".join(lines)
