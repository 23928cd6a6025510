"""The clauses of a store with a limit and a lifetime, computed with one dictionary in order of use."""

from __future__ import annotations

import random

from rewardbench.verifiers.hard.tickets.clauses import Ticket

CLAUSES = {
    "put": [r"^`T (?P<put>\w+) K N` stores", r"^With `T (?P<put>\w+) K N`", r"^A line `T (?P<put>\w+) K N` means"],
    "get": [
        r"^`T (?P<get>\w+) K` outputs `K hit`",
        r"^For `T (?P<get>\w+) K`, append `K hit`",
        r"^A line `T (?P<get>\w+) K` gives one",
    ],
    "room": [r"^The limit is (?P<cap>\d+) ", r"^No more than (?P<cap>\d+) ", r"^After each .* need over (?P<cap>\d+) "],
    "ttl": [
        r"^(?:From|Later than) minute T \+ (?P<life>\d+)\b",
        r"^An? \w+ expires on its own: .*T \+ (?P<life>\d+)",
        r"^Lifetime: .*?(?P<life>\d+)",
    ],
    "big": [r"^An? `\w+` of .*?(?P<big>\d+).* is skipped", r"^Ignore any .* (?P<big>\d+);"],
    "drop": [r"^`T (?P<drop>\w+) K` removes", r"^On `T (?P<drop>\w+) K` the"],
    "usage": [r"^`T (?P<usage>\w+) K` outputs K, a space", r"^For `T (?P<usage>\w+) K`, where K is only a label"],
    "purge": [r"^Before an? .* makes room, every", r"first clears away all"],
    "keep": [r"the lifetime goes on counting", r"^The lifetime starts with"],
    "pin": [r"^`T (?P<pin>\w+) K` protects", r"^`T (?P<pin>\w+) K`, .* exempts"],
    "touch": [r"^`T (?P<touch>\w+) K` is a use of K", r"^A line `T (?P<touch>\w+) K` counts as using"],
    "total": [r"`H hits, M misses`"],
    "grow": [r"^`T (?P<grow>\w+) - N` changes", r"^After `T (?P<grow>\w+) - N`"],
}
SETTINGS = {
    "room": (r"so is a|Both a|itself or a", r"but no `|Only a|and not a"),
    "ttl": (r"^From minute|or later|is \d+ or more", r"^Later than|not yet at|is above"),
    "big": (r"more than \d|above \d", r"\d or more|at least \d"),
    "drop": (r"whatever its state|one, expired or not", r"and has not expired|an unexpired one"),
    "usage": (r"expired ones included|stored, expired or not", r"without the expired|and unexpired"),
    "keep": (r"not greater than|as the new one or more", r"is smaller than|took more \w+ than"),
    "pin": (r"unless the old one had|is unexpired at that minute", r"even if the old|whether or not"),
    "touch": (r"and has not expired|is not used by it", r", expired or not\. It|goes for an expired"),
    "grow": (r"removed at once|right then", r"nothing is removed before|only when the next"),
}


def expected_output(ticket: Ticket, lines: list[str]) -> list[str]:
    """Return the output that the clauses demand.

    `stored` holds, by key and from the longest unused on, the size, the minute from which the lifetime counts, and
    whether it is protected.
    """
    stored: dict[str, tuple[int, int, bool]] = {}
    answers: list[str] = []
    results = {"hit": 0, "miss": 0}
    limit = ticket.number("cap")
    for minute_text, word, key, *amount in map(str.split, lines):
        minute = int(minute_text)
        alive = [name for name, entry in stored.items() if _is_alive(ticket, minute, entry[1])]
        if word == ticket.word("get"):
            result = "hit" if key in alive else "miss"
            results[result] += 1
            answers.append(f"{key} {result}")
            if result == "hit" and not ticket.is_second("room"):
                stored[key] = stored.pop(key)
        elif word == ticket.word("touch"):
            if key in (stored if ticket.is_second("touch") else alive):
                stored[key] = stored.pop(key)
        elif word == ticket.word("drop"):
            if key in alive or not ticket.is_second("drop"):
                stored.pop(key, None)
        elif word == ticket.word("pin") and key in alive:
            stored[key] = (*stored[key][:2], True)
        elif word == ticket.word("usage"):
            counted = {name: stored[name] for name in alive} if ticket.is_second("usage") else stored
            answers.append(f"{key} {_size(counted)}")
        elif word == ticket.word("grow"):
            limit = int(amount[0])
            if not ticket.is_second("grow"):
                _evict(stored, limit)
        elif word == ticket.word("put"):
            _put(ticket, stored, alive, (minute, key, int(amount[0])), limit)
    if ticket.has("total"):
        answers.append(f"{results['hit']} hits, {results['miss']} misses")
    return answers


def _is_alive(ticket: Ticket, minute: int, start: int) -> bool:
    last_minute = start + ticket.number("life")
    return minute <= last_minute if ticket.is_second("ttl") else minute < last_minute


def _put(
    ticket: Ticket,
    stored: dict[str, tuple[int, int, bool]],
    alive: list[str],
    arrival: tuple[int, str, int],
    limit: int,
) -> None:
    """Carry out a put."""
    minute, key, size = arrival
    if ticket.has("big"):
        largest = ticket.number("big") - ticket.is_second("big")
        if size > largest:
            return
    old_size, old_start, is_protected = stored.pop(key, (0, 0, False))
    inherits = ticket.has("keep") and key in alive and size <= old_size - ticket.is_second("keep")
    if is_protected and key not in alive and not ticket.is_second("pin"):
        is_protected = False
    stored[key] = (size, old_start if inherits else minute, is_protected)
    if ticket.has("purge"):
        for name in list(stored):
            if not _is_alive(ticket, minute, stored[name][1]):
                del stored[name]
    _evict(stored, limit)


def _size(stored: dict[str, tuple[int, int, bool]]) -> int:
    """Return the size of all entries together."""
    return sum(size for size, _, _ in stored.values())


def _evict(stored: dict[str, tuple[int, int, bool]], limit: int) -> None:
    """Remove the longest unused unprotected entries until the limit holds."""
    for name in list(stored):
        if _size(stored) <= limit:
            return
        if not stored[name][2]:
            del stored[name]


def random_lines(generator: random.Random, ticket: Ticket) -> list[str]:
    """Return a random log."""
    life = ticket.number("life")
    minute = generator.randint(0, 30)
    lines = []
    words = list(map(ticket.word, ticket.present("touch", "drop", "pin", "usage", "grow")))
    for _ in range(generator.randint(6, 20)):
        key = generator.choice("pqrst")
        word = generator.choice(
            [ticket.word("put"), ticket.word("put"), ticket.word("get"), ticket.word("get"), *words]
        )
        if word == ticket.word("grow"):
            lines.append(f"{minute} {word} - {generator.randint(6, 26)}")
        elif word == ticket.word("put"):
            lines.append(f"{minute} {word} {key} {generator.choice([2, 3, 4, 4, 5, 9, 10, 11, 12])}")
        else:
            lines.append(f"{minute} {word} {key}")
        minute += generator.choice([0, 1, 2, 5, 5, 10, 10, life // 2, life])
    return lines
