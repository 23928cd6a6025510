"""The clauses of a log that is cut into visits: first the lines of each user, then all visits are put in order."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from rewardbench.verifiers.hard.tickets.clauses import Ticket

CLAUSES = {
    "event": [r"^Each line belongs to the current", r"^A line is added to its user"],
    "gap": [
        r"^If .*?(?P<gap>\d+).* seconds have passed since the last line in",
        r"^A pause of \D*(?P<gap>\d+) seconds",
    ],
    "print": [r"^The output has one line for each", r"^For every \w+ output"],
    "sort": [r"^The output is in the order", r"^List them by the log line"],
    "quit": [r"^The action `(?P<quit>\w+)` belongs", r"^After a line with `(?P<quit>\w+)`, which"],
    "longest": [r"^A line that comes \D*(?P<longest>\d+)", r"stretches over \D*(?P<longest>\d+)"],
    "least": [r"^Leave out .*? with \D*(?P<least>\d+)", r"^Only a \w+ with \D*(?P<least>\d+)"],
    "errors": [
        r"had the action `(?P<fail>\w+)` in \D*(?P<errors>\d+)",
        r"^Mark a .* if \D*(?P<errors>\d+) of its lines in a row had the action `(?P<fail>\w+)`",
    ],
    "ping": [r"^A line with `(?P<ping>\w+)` never begins", r"^`(?P<ping>\w+)` opens nothing"],
    "bot": [r"^When a user has a line with `(?P<bot>\w+)`", r"^`(?P<bot>\w+)` exposes"],
    "join": [
        r"^The action `(?P<join>\w+)` begins a .*? if \D*(?P<pause>\d+)",
        r"^With `(?P<join>\w+)` a shorter .*?(?P<pause>\d+)",
    ],
    "star": [r"the most lines `(?P<star>\w+)`", r"the largest number of `(?P<star>\w+)` lines"],
    "sum": [r"^The last line is `N S`", r"^Finish with a line `N S`"],
    "night": [
        r"^A line (?:at or )?after second .* that began before second (?P<night>\d+)",
        r"^At second (?P<night>\d+) the shift",
    ],
}
SETTINGS = {
    "gap": (r"more than \d|over \d", r"\d or more|or longer"),
    "longest": (r"seconds or more", r"more than"),
    "least": (r"fewer than|at least", r"or fewer|more than"),
    "errors": (r"or more|at least", r"more than"),
    "bot": (r"all \w+ of that|every \w+ of that", r"only the latest"),
    "join": (r"or more|or longer", r"more than|: longer than"),
    "star": (r"^The first|the first of them", r"^The last|the last of them"),
    "night": (r"at or after second|line from second", r"line after second"),
}


@dataclass
class _Visit:
    """Lines of one user that belong together: (number in the log, time, action)."""

    user: str
    lines: list[tuple[int, int, str]] = field(default_factory=list)


def expected_output(ticket: Ticket, lines: list[str]) -> list[str]:
    """Return the output that the clauses demand."""
    by_user: dict[str, list[tuple[int, int, str]]] = {}
    for number, (time, user, action) in enumerate(map(str.split, lines)):
        by_user.setdefault(user, []).append((number, int(time), action))
    visits: list[_Visit] = []
    for user, events in by_user.items():
        actions = _actions(events)
        if ticket.word("bot") not in actions:
            visits += _cut(ticket, user, events)
        elif ticket.is_second("bot"):
            visits += _cut(ticket, user, events[: actions.index(ticket.word("bot"))])[:-1]
    visits.sort(key=lambda visit: visit.lines[0][0])
    return _report(ticket, visits)


def _actions(events: list[tuple[int, int, str]]) -> list[str]:
    """Return the actions of lines."""
    return [action for _, _, action in events]


def _cut(ticket: Ticket, user: str, events: list[tuple[int, int, str]]) -> list[_Visit]:
    """Cut the lines of a user into visits."""
    visits: list[_Visit] = []
    for event in events:
        if not visits or _begins(ticket, visits[-1], event):
            if event[2] == ticket.word("ping"):
                continue
            visits.append(_Visit(user))
        visits[-1].lines.append(event)
    return visits


def _last_time(ticket: Ticket, visit: _Visit) -> int:
    """Return the time of the last line that is not a ping."""
    return max(time for _, time, action in visit.lines if action != ticket.word("ping"))


def _begins(ticket: Ticket, visit: _Visit, event: tuple[int, int, str]) -> bool:
    """Return True if a line does not belong to the visit before it."""
    _, time, action = event
    first = visit.lines[0][1]
    pause = time - _last_time(ticket, visit)
    if pause >= ticket.number("gap") + (0 if ticket.is_second("gap") else 1):
        return True
    if ticket.word("quit") in _actions(visit.lines):
        return True
    if ticket.has("longest") and time >= first + ticket.number("longest") + ticket.is_second("longest"):
        return True
    is_before_night = ticket.has("night") and first < ticket.number("night")
    if is_before_night and time >= ticket.number("night") + ticket.is_second("night"):
        return True
    is_join = action == ticket.word("join")
    return is_join and pause >= ticket.number("pause") + ticket.is_second("join")


def _report(ticket: Ticket, visits: list[_Visit]) -> list[str]:
    """Return the output lines for the visits."""
    if ticket.has("least"):
        least = ticket.number("least") + ticket.is_second("least")
        visits = [visit for visit in visits if len(visit.lines) >= least]
    stars = [_actions(visit.lines).count(ticket.word("star")) for visit in visits]
    starred = -1
    if any(stars):
        starred = stars.index(max(stars))
        if ticket.is_second("star"):
            starred = len(stars) - 1 - stars[::-1].index(max(stars))
    rows = []
    seconds = 0
    for place, visit in enumerate(visits):
        first, last = visit.lines[0][1], _last_time(ticket, visit)
        seconds += last - first
        row = f"{'*' if place == starred else ''}{visit.user} {first} {last} {len(visit.lines)}"
        rows.append(f"{row} !" if ticket.has("errors") and _longest_streak(ticket, visit) else row)
    if ticket.has("sum"):
        rows.append(f"{len(rows)} {seconds}")
    return rows


def _longest_streak(ticket: Ticket, visit: _Visit) -> bool:
    """Return True if enough lines in a row are failures."""
    needed = [ticket.word("fail")] * (ticket.number("errors") + ticket.is_second("errors"))
    actions = _actions(visit.lines)
    return any(actions[start : start + len(needed)] == needed for start in range(len(actions)))


def random_lines(generator: random.Random, ticket: Ticket) -> list[str]:
    """Return a random log."""
    actions = list(map(ticket.word, ticket.present("quit", "ping", "join", "star", "fail", "fail")))
    time = generator.choice([0, 50, 100, 150])
    has_bot = generator.random() < 0.2
    lines = []
    for _ in range(generator.randint(6, 24)):
        action = generator.choice(["open", "open", *actions])
        if has_bot and ticket.has("bot") and generator.random() < 0.1:
            action = ticket.word("bot")
        lines.append(f"{time} {generator.choice('uuv')} {action}")
        time += generator.choice([0, 5, 5, 10, 10, 15, 20, 25, 30, 40])
    return lines
