"""The clauses of a booking log, computed on one dictionary of bookings by name."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from rewardbench.verifiers.hard.tickets.clauses import Ticket

CLAUSES = {
    "book": [r"^`(?P<book>\w+) N R A B` asks", r"^For `(?P<book>\w+) N R A B`, N wants"],
    "gap": [r"must not overlap, and .*?(?P<gap>\d+) minutes must lie", r"been over for .*?(?P<gap>\d+) minutes"],
    "double": [r"^Nobody gets two", r"^A name that has"],
    "cancel": [r"^`(?P<cancel>\w+) N` deletes", r"^On `(?P<cancel>\w+) N` the"],
    "short": [r"^Requests for .*?(?P<short>\d+) minutes", r"^A new \w+ must last .*?(?P<short>\d+) minutes"],
    "hours": [
        r"starts before minute (?P<open>\d+) or ends .*?minute (?P<close>\d+)",
        r"^New requests must start at minute (?P<open>\d+) .* minute (?P<close>\d+)\.",
    ],
    "quota": [r"^A request is also refused if .*?(?P<quota>\d+)", r"^No \w+ is made by .*?(?P<quota>\d+) exist"],
    "wait": [r"goes on a waiting list", r"^Waiting list:"],
    "extend": [r"^`(?P<extend>\w+) N M` moves the end", r"^With `(?P<extend>\w+) N M`"],
    "move": [r"^`(?P<move>\w+) N R` takes", r"^For `(?P<move>\w+) N R`: if"],
    "count": [r"^`(?P<count>\w+) A` outputs", r"^For `(?P<count>\w+) A`, output"],
    "shut": [r"^`(?P<shut>\w+) R` deletes", r"^After `(?P<shut>\w+) R`"],
    "rename": [r"^`(?P<rename>\w+) N M` gives", r"^On `(?P<rename>\w+) N M` the"],
    "sum": [r"`total M`"],
}
SETTINGS = {
    "gap": (r"and at least|minutes or longer", r"more than|for longer than"),
    "short": (r"fewer than|at least", r"minutes or fewer|more than"),
    "hours": (r"ends after|no later than", r"at minute \d+ or after|end before"),
    "quota": (r"or more|at least", r"more than"),
    "wait": (r"the earliest|first come", r"the latest|last come"),
    "count": (r"and end after it|> A", r"end at it or after|≥ A\."),
    "shut": (r"is refused for R\.|every later", r"until another"),
}


@dataclass
class _Calendar:
    """Bookings by name, as (room, start, end); requests that wait, and rooms that are shut."""

    bookings: dict[str, tuple[str, int, int]] = field(default_factory=dict)
    waiting: list[tuple[str, str, int, int]] = field(default_factory=list)
    shut: list[str] = field(default_factory=list)


def expected_output(ticket: Ticket, lines: list[str]) -> list[str]:
    """Return the output that the clauses demand."""
    calendar = _Calendar()
    answers: list[str] = []
    commands = ticket.commands("book", "cancel", "extend", "move", "count", "shut", "rename")
    for word, name, *values in map(str.split, lines):
        command = commands[word]
        booking = calendar.bookings.get(name)
        if command == "book":
            wish = (name, values[0], int(values[1]), int(values[2]))
            answers.append(_book(ticket, calendar, wish))
        elif command == "cancel" and booking:
            del calendar.bookings[name]
            answers.append(f"{name} gone")
            answers += _serve_waiting(ticket, calendar)
        elif command == "extend" and booking:
            room, start, end = booking
            longer = (room, start, end + int(values[0]))
            fits = _fits(ticket, calendar, name, *longer)
            calendar.bookings[name] = longer if fits else booking
            answers.append(f"{name} moved" if fits else f"{name} stays")
        elif command == "move" and booking and _fits(ticket, calendar, name, values[0], *booking[1:]):
            calendar.bookings[name] = (values[0], *booking[1:])
            answers.append(f"{name} in {values[0]}")
        elif command == "count":
            first_end = int(name) + (0 if ticket.is_second("count") else 1)
            running = 0
            for _, start, end in calendar.bookings.values():
                running += start <= int(name) and first_end <= end
            answers.append(f"{name}: {running}")
        elif command == "shut":
            if name in calendar.shut and ticket.is_second("shut"):
                calendar.shut.remove(name)
            else:
                calendar.shut.append(name)
            for guest, (room, _, _) in list(calendar.bookings.items()):
                if room == name:
                    del calendar.bookings[guest]
        elif command == "rename" and booking and values[0] not in calendar.bookings:
            calendar.bookings[values[0]] = calendar.bookings.pop(name)
    if ticket.has("sum"):
        answers.append(f"total {sum(end - start for _, start, end in calendar.bookings.values())}")
    return answers


def _fits(ticket: Ticket, calendar: _Calendar, name: str, room: str, start: int, end: int) -> bool:
    """Return True if the minutes between this time and all other bookings of the room suffice."""
    needed = ticket.number("gap") + ticket.is_second("gap")
    for other, (other_room, other_start, other_end) in calendar.bookings.items():
        if other != name and other_room == room and max(start, other_start) - min(end, other_end) < needed:
            return False
    return True


def _passes(ticket: Ticket, calendar: _Calendar, wish: tuple[str, str, int, int]) -> bool:
    """Return True if a request breaks no rule but, perhaps, the one about the minutes between."""
    name, room, start, end = wish
    if name in calendar.bookings or room in calendar.shut:
        return False
    if ticket.has("short") and end - start < ticket.number("short") + ticket.is_second("short"):
        return False
    if ticket.has("hours"):
        last_end = ticket.number("close") - ticket.is_second("hours")
        if start < ticket.number("open") or end > last_end:
            return False
    rooms = [booking[0] for booking in calendar.bookings.values()]
    return not ticket.has("quota") or rooms.count(room) < ticket.number("quota") + ticket.is_second("quota")


def _book(ticket: Ticket, calendar: _Calendar, wish: tuple[str, str, int, int]) -> str:
    """Book a request, or refuse it and let it wait; return the answer."""
    if not _passes(ticket, calendar, wish):
        return f"{wish[0]} no"
    if _fits(ticket, calendar, *wish):
        calendar.bookings[wish[0]] = wish[1:]
        return f"{wish[0]} ok"
    if ticket.has("wait"):
        calendar.waiting.append(wish)
    return f"{wish[0]} no"


def _serve_waiting(ticket: Ticket, calendar: _Calendar) -> list[str]:
    """Book the shortest request that can be made now; return the answers."""
    queue = calendar.waiting[::-1] if ticket.is_second("wait") else calendar.waiting
    possible = [wish for wish in queue if _passes(ticket, calendar, wish) and _fits(ticket, calendar, *wish)]
    if not possible:
        return []
    wish = min(possible, key=lambda candidate: candidate[3] - candidate[2])
    position = max(n for n, other in enumerate(calendar.waiting) if other is wish)
    del calendar.waiting[position]
    calendar.bookings[wish[0]] = wish[1:]
    return [f"{wish[0]} ok"]


def random_lines(generator: random.Random, ticket: Ticket) -> list[str]:
    """Return a random request log."""
    names = ticket.present("extend", "move", "count", "shut", "rename")
    commands = ["book"] * 6 + ["cancel"] * 2 + names
    gap = ticket.number("gap")
    lines = []
    edges = [480, 500, 520 + gap, 521 + gap, 560, 600]
    for _ in range(generator.randint(5, 16)):
        command = generator.choice(commands)
        name, room = generator.choice("abcdef"), generator.choice(["r1", "r1", "r2"])
        start = generator.choice(edges) + generator.choice([0, 0, gap, gap + 1, -15])
        length = generator.choice([20, 21, 25, 30, 31, 45, 60, 80])
        values = {
            "book": f"{name} {room} {start} {start + length}",
            "cancel": name,
            "extend": f"{name} {generator.choice([5, gap, 20])}",
            "move": f"{name} {room}",
            "count": str(generator.choice([500, 520, start, start + length])),
            "shut": room,
            "rename": f"{name} {generator.choice('abcxyz')}",
        }
        lines.append(f"{ticket.word(command)} {values[command]}")
    return lines
