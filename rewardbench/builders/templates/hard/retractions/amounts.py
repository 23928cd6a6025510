"""Lists of amounts that a user changes over many messages; a response says which of two names has more in the end.

    prompt a: the jars of a seed bank, then "Raise the odd amounts by 17 percent and cut the even ones by 9 percent.",
        "Do as if I had never sent the message before my last one. My last one still counts." and so on
    prompt b: the same, but two of the user's messages have swapped places
    response x, right for a: okra has more than taro; response y, right for b: the other way round

Nearly all messages change every amount, and depend on exact amounts (odd or even, limits, rounding) or on places.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from rewardbench.builders.draw import Resample, Rng
from rewardbench.builders.mirrors import chat
from rewardbench.builders.prompts import capitalize, join_words
from rewardbench.builders.templates.hard.leaders import draw_leaders
from rewardbench.builders.templates.hard.retractions.turns import read_texts as read_phrases
from rewardbench.types import Messages
from rewardbench.verifiers.cells import BrokenCheck
from rewardbench.verifiers.hard.amounts import AmountEvent, Listed, replay_amounts

OPERATIONS = (
    *("lower", "lower", "lower", "lower", "lower", "lower", "below", "below", "below", "parity", "parity", "parity"),
    *("percent", "above", "under", "places", "move", "sort", "sort", "reverse", "reverse", "trade", "set"),
)
"""Operations, as often as they are drawn: most of them change all amounts, and let an error in one reach the others."""
PARTS = {2: "half", 3: "third", 4: "quarter", 5: "fifth"}
FACTORS = {2: "doubled", 3: "tripled", 4: "quadrupled"}
SMALLEST, LARGEST = 300, 9999
"""Range of amounts at any time."""
FIRST = (600, 4900)
"""Range of amounts that the user states."""
EARLY = 0.6
"""Part of the conversation, from its beginning, of which the two swapped messages are taken."""
MOST_STRUCK = 4
"""Messages that a retraction reaches back."""
DRAWS = 40
"""Choices of messages to swap that are tried."""


@dataclass(frozen=True)
class AmountSize:
    """User turns of a conversation, entries of its list, and sentences on the method in a response."""

    turns: int
    entries: int
    sentences: int


AMOUNT_SIZES = {3: AmountSize(30, 10, 6), 4: AmountSize(64, 14, 8)}


@dataclass(frozen=True)
class AmountChange:
    """A message of the user, and its event; none if it changes nothing."""

    text: str
    event: AmountEvent


@cache
def _read_texts() -> Mapping[str, Any]:
    return tomllib.loads(Path(__file__).with_name("amounts.toml").read_text(encoding="utf-8"))


def draw_amounts(
    rng: Rng, size: AmountSize, pairs: int
) -> tuple[str, list[Messages], list[str], list[dict[str, object]]]:
    """Return the edit, and for each order of the messages its prompt, its right response and its check.

    Args:
        rng: random choices.
        size: size of the conversation.
        pairs: pairs of messages that may swap places: 1 gives two orders, 2 give four.
    """
    world = rng.pick(list(_read_texts()["worlds"].values()))
    names = rng.sample(world["names"], size.entries)
    entries: Listed = tuple(zip(names, rng.numbers(size.entries, *FIRST), strict=True))
    changes = _draw_changes(rng, entries, size.turns - 2)
    edit, orders, leaders = _draw_orders(rng, entries, changes, pairs)
    opening, request, system, acks = _draw_frame(rng, world, entries, size, leaders)
    methods = _methods(changes)
    verdicts: dict[str, list[str]] = {}
    responses = []
    for leader in leaders:
        response, stated = _write(rng, leader, leaders, methods, size.sentences)
        verdicts |= stated
        responses.append(response)
    prompts, checks = [], []
    for order in orders:
        turns = [opening, acks[0]]
        for change, ack in zip(order, acks[1:], strict=True):
            turns += [change.text, ack]
        prompts.append(chat(*turns, request, system=system))
        events = [change.event for change in order]
        check: dict[str, object] = {"list": entries, "events": events, "verdicts": verdicts}
        checks.append(check)
    return edit, prompts, responses, checks


def _states(entries: Listed, changes: Sequence[AmountChange]) -> list[Listed]:
    return replay_amounts(entries, [change.event for change in changes])


def _is_valid(entries: Listed, changes: Sequence[AmountChange]) -> bool:
    """Return True if all amounts stay in their range, and no sort meets equal amounts."""
    try:
        states = _states(entries, changes)
    except BrokenCheck:
        return False
    return all(SMALLEST <= amount <= LARGEST for state in states for _, amount in state)


def _draw_changes(rng: Rng, entries: Listed, count: int) -> list[AmountChange]:
    changes: list[AmountChange] = []
    attempts = 0
    while len(changes) < count:
        attempts += 1
        if attempts > 40 * count:
            raise Resample
        with suppress(Resample):
            change = _draw_change(rng, entries, changes)
            if _is_valid(entries, [*changes, change]):
                changes.append(change)
    return changes


def _draw_change(rng: Rng, entries: Listed, changes: Sequence[AmountChange]) -> AmountChange:
    kind = rng.number(1, 100)
    if kind <= 8:
        texts = rng.pick((_read_texts()["events"]["decoy"], read_phrases("phrases")["events"]["chat"]))
        text = _fill(rng, texts, s=rng.pick(entries)[0], v=rng.number(*FIRST), p=rng.number(3, 30))
        if any(change.text == text for change in changes):
            raise Resample
        return AmountChange(text, ())
    if kind <= 26:
        return _draw_retraction(rng, changes)
    event, wording, fields = _draw_event(rng, _states(entries, changes)[-1])
    return AmountChange(_typed(rng, _fill(rng, _read_texts()["events"][wording], **fields)), event)


def _draw_retraction(rng: Rng, changes: Sequence[AmountChange]) -> AmountChange:
    """Take back one of the last messages, which are plain changes: then counting back has one meaning.

    Raises:
        Resample: if they are not.
    """
    back = rng.number(1, MOST_STRUCK)
    recent = changes[-back:]
    if len(recent) < back or any(not change.event or change.event[0] == "strike" for change in recent):
        raise Resample
    wording = f"strike{back}" if back < 3 else "strike"
    return AmountChange(_fill(rng, _read_texts()["events"][wording], k=back), ("strike", back))


def _draw_event(rng: Rng, state: Listed) -> tuple[AmountEvent, str, dict[str, object]]:
    """Return an event on a list, the name of its wordings, and their fields."""
    operation = rng.pick(OPERATIONS)
    first, second = rng.sample(state, 2)
    i, j = rng.numbers(2, 1, len(state))
    p, q = rng.numbers(2, 6, 47)
    limit = first[1] + rng.number(-9, 9)
    if operation == "percent":
        p = p if rng.chance() else -p
        return (operation, p), "up" if p > 0 else "down", {"p": abs(p)}
    if operation in ("parity", "lower"):
        odd_up, even_up = ("odd_up", "even_up") if operation == "parity" else ("lower_odd", "lower_even")
        if rng.chance():
            return (operation, p, -q), odd_up, {"p": p, "q": q}
        return (operation, -q, p), even_up, {"p": p, "q": q}
    if operation in ("below", "above"):
        part = rng.pick(list(PARTS))
        event = (operation, part) if operation == "below" else (operation, limit, part)
        return event, operation, {"k": PARTS[part], "v": limit}
    if operation == "under":
        factor = rng.pick(list(FACTORS))
        return (operation, limit, factor), operation, {"m": FACTORS[factor], "v": limit}
    if operation == "sort":
        direction = rng.pick(("up", "down"))
        return (operation, direction), f"sort_{direction}", {}
    if operation == "places":
        return (operation, i, j), operation, {"i": i, "j": j}
    if operation == "reverse":
        i, j = sorted((i, j))
        if j - i < 2:
            raise Resample
        return (operation, i, j), operation, {"i": i, "j": j}
    if operation == "move":
        if state[i - 1] == first:
            raise Resample
        return (operation, first[0], i), operation, {"s": first[0], "i": i}
    if operation == "trade":
        return (operation, first[0], second[0]), operation, {"s": first[0], "s2": second[0]}
    amount = rng.number(*FIRST)
    return ("set", first[0], amount), "set", {"s": first[0], "v": amount}


def _fill(rng: Rng, wordings: Sequence[str], **fields: object) -> str:
    return rng.pick(wordings).format(**fields, S=capitalize(str(fields.get("s", ""))))


def _typed(rng: Rng, text: str) -> str:
    """Return a text as people type it: now and then without capital and full stop."""
    return text[:1].lower() + text[1:].removesuffix(".") if rng.chance(0.25) else text


def _draw_orders(
    rng: Rng, entries: Listed, changes: list[AmountChange], pairs: int
) -> tuple[str, list[list[AmountChange]], list[str]]:
    """Choose messages that swap places; return the edit, the orders of the messages, and the leader of each order.

    Raises:
        Resample: if no choice gives each order another leader.
    """
    early = changes[: int(EARLY * len(changes))]
    plain = [n for n, change in enumerate(early) if change.event and change.event[0] != "strike"]
    for _ in range(DRAWS):
        chosen = rng.sample(plain, 2 * pairs)
        swaps = list(zip(chosen[::2], chosen[1::2], strict=True))
        orders = [changes]
        for first, second in swaps:
            orders += [_exchange(order, first, second) for order in orders]
        if not all(_is_valid(entries, order) for order in orders):
            continue
        outcomes = [dict(_states(entries, order)[-1]) for order in orders]
        with suppress(Resample):
            leaders = draw_leaders(rng, outcomes)
            places = [f"messages {first + 2} and {second + 2}" for first, second in swaps]
            return "; ".join(places), orders, leaders
    raise Resample


def _exchange(changes: Sequence[AmountChange], first: int, second: int) -> list[AmountChange]:
    order = list(changes)
    order[first], order[second] = order[second], order[first]
    return order


LAYOUTS = (("{n}. {name}: {v}", "\n"), ("- {name}: {v}", "\n"), ("{name} = {v}", "; "), ("{n}) {name} = {v}", "\n"))


def _draw_frame(
    rng: Rng, world: Mapping[str, Any], entries: Listed, size: AmountSize, leaders: Sequence[str]
) -> tuple[str, str, str, list[str]]:
    """Return the first message, the request, the system message (maybe empty) and the assistant's acknowledgements."""
    texts = _read_texts()
    layout, separator = rng.pick(LAYOUTS)
    lines = [layout.format(n=n, name=name, v=amount) for n, (name, amount) in enumerate(entries, 1)]
    opening = rng.pick(world["openings"]).format(plan=separator.join(lines)) + "\n" + rng.pick(texts["rules"])
    request = rng.pick(texts["requests"]).format(names=join_words(rng.sample(leaders, len(leaders))))
    acks = [rng.pick(texts["first_acks"])]
    for _ in range(size.turns - 2):
        acks.append(rng.pick(texts["acks"]))
    return opening, request, rng.pick(texts["systems"]) if rng.chance(0.4) else "", acks


def _methods(changes: Sequence[AmountChange]) -> list[str]:
    """Return sentences about the method that fit the messages."""
    texts = _read_texts()
    operations = {change.event[0] if change.event else "none" for change in changes}
    sentences = list(texts["method"])
    for operation, sentence in texts["method_of"].items():
        if operation in operations:
            sentences.append(sentence)
    return sentences


def _write(
    rng: Rng, leader: str, names: Sequence[str], methods: Sequence[str], count: int
) -> tuple[str, dict[str, list[str]]]:
    """Return a response that puts a name first, and what each of its sentences states."""
    texts = _read_texts()
    verdict = rng.pick(texts["verdicts"]).format(names=join_words(rng.sample(names, len(names))), leader=leader)
    stated: dict[str, list[str]] = {verdict: [leader, *(name for name in names if name != leader)]}
    sentences = rng.sample(methods, min(count, len(methods)))
    sentences.insert(rng.number(0, len(sentences)), verdict)
    sentences = [rng.pick(texts["openings"]), *sentences, rng.pick(texts["closings"])]
    half = rng.number(3, len(sentences) - 2)
    for sentence in sentences:
        stated.setdefault(sentence, [])
    return " ".join(sentences[:half]) + "\n\n" + " ".join(sentences[half:]), stated
