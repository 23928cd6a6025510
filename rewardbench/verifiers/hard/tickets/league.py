"""The clauses of a league table: first the list of results that count, then the sums of each name."""

from __future__ import annotations

import random
from collections import Counter

from rewardbench.verifiers.hard.tickets.clauses import Ticket

CLAUSES = {
    "result": [r"^`(?P<play>\w+) H A G E` reports", r"^A line `(?P<play>\w+) H A G E` is a result: G"],
    "points": [r"^A win brings 3", r"^In the table, winning counts 3"],
    "order": [r"^The order of the table:", r"^Rank by table points"],
    "table": [r"^Output one line for each", r"^Every \w+ that the sheet names"],
    "cap": [
        r"^For the difference, a margin of more than (?P<cap>\d+)",
        r"moves a difference by more than (?P<cap>\d+)",
    ],
    "big": [
        r"^A \w+ that wins by .*?(?P<margin>\d+) gets",
        r"^There is 1 table point on top .*?margin of \D*(?P<margin>\d+)",
    ],
    "close": [r"^A loser whose", r"^Losing with"],
    "scoring": [r"^Both winners and losers .*? reach \D*(?P<goals>\d+)", r"^Reaching \D*(?P<goals>\d+)"],
    "late": [r"^`(?P<late>\w+) H A G E` is a result as well", r"^With `(?P<late>\w+) H A G E`"],
    "fine": [r"^`(?P<fine>\w+) T N` takes", r"^After `(?P<fine>\w+) T N`"],
    "forfeit": [r"^`(?P<forfeit>\w+) T V` means", r"^With `(?P<forfeit>\w+) T V`"],
    "again": [r"^If the same H and A meet", r"^Of the `\w+` lines with the same H"],
    "bonus": [
        r"^`(?P<bonus>\w+) T` gives T 1 .*?played \D*(?P<least>\d+)",
        r"^On `(?P<bonus>\w+) T`, T gets \d.*?that \D*(?P<least>\d+)",
    ],
    "quit": [r"^After `(?P<quit>\w+) T`, results", r"^Once `(?P<quit>\w+) T` is in"],
    "mark": [
        r"on the first (?P<top>\d) places ends with ` up`",
        r"^Append ` up` to the lines on places 1 to (?P<top>\d)",
    ],
}
SETTINGS = {
    "order": (r"too, more |, high before low; and at", r"too, fewer |low before high"),
    "big": (r"at least|or more", r"more than|over"),
    "close": (r"exactly 1|no more", r"1 or 2"),
    "scoring": (r"or more|at least", r"more than|over"),
    "fine": (r"even below|negative", r"no further|0 if"),
    "again": (r"that and every|only the first", r"a third one counts|the third"),
    "bonus": (r"at least|or more", r"more than"),
    "quit": (r"what was counted before remains|Earlier ones do\.", r"are set to 0"),
    "mark": (r"are above zero|0 or fewer", r"zero or above|fewer than 0"),
}


def expected_output(ticket: Ticket, lines: list[str]) -> list[str]:
    """Return the table that the clauses demand."""
    names: dict[str, None] = {}
    points: Counter[str] = Counter()
    difference: Counter[str] = Counter()
    scored: Counter[str] = Counter()
    counted: list[tuple[str, str]] = []
    meetings: Counter[tuple[str, str]] = Counter()
    quitters: list[str] = []
    for word, *values in map(str.split, lines):
        is_play, is_late = word == ticket.word("play"), word == ticket.word("late")
        is_forfeit = word == ticket.word("forfeit")
        players = values[:2] if is_play or is_late or is_forfeit else values[:1]
        names |= dict.fromkeys(players)
        if word == ticket.word("fine"):
            left = points[players[0]] - int(values[1])
            points[players[0]] = max(left, 0) if ticket.is_second("fine") else left
        elif word == ticket.word("bonus"):
            played = sum(players[0] in pair for pair in counted)
            points[players[0]] += played >= ticket.number("least") + ticket.is_second("bonus")
        elif word == ticket.word("quit"):
            quitters.append(players[0])
            if ticket.is_second("quit"):
                points[players[0]] = 0
        elif not set(players) & set(quitters):
            pair = (players[0], players[1])
            meetings[pair] += is_play
            is_repeat = meetings[pair] % 2 == 0 if ticket.is_second("again") else meetings[pair] > 1
            if is_play and ticket.has("again") and is_repeat:
                continue
            counted.append(pair)
            if is_forfeit:
                points[pair[1]] += 3
                continue
            goals = (int(values[2]), int(values[3]))
            for name, goals_for, goals_against in zip(pair, goals, goals[::-1], strict=True):
                scored[name] += goals_for
                bound = ticket.number("cap") if ticket.has("cap") else 1000
                difference[name] += max(-bound, min(bound, goals_for - goals_against))
                is_win = goals_for > goals_against
                points[name] += 2 - (not is_win) if is_late else _points(ticket, goals_for, goals_against)
    return _table(ticket, list(names), points, difference, scored)


def _points(ticket: Ticket, scored: int, conceded: int) -> int:
    """Return the table points for a result."""
    if scored == conceded:
        return 1
    points = 3 if scored > conceded else 0
    if ticket.has("big") and scored - conceded >= ticket.number("margin") + ticket.is_second("big"):
        points += 1
    if ticket.has("close") and 1 <= conceded - scored <= 1 + ticket.is_second("close"):
        points += 1
    if ticket.has("scoring") and scored >= ticket.number("goals") + ticket.is_second("scoring"):
        points += 1
    return points


def _table(
    ticket: Ticket, names: list[str], points: Counter[str], difference: Counter[str], scored: Counter[str]
) -> list[str]:
    """Return the lines of the table."""
    sign = 1 if ticket.is_second("order") else -1
    ranking = sorted(names)
    ranking.sort(key=lambda name: sign * scored[name])
    ranking.sort(key=lambda name: difference[name], reverse=True)
    ranking.sort(key=lambda name: points[name], reverse=True)
    rows = []
    for place, name in enumerate(ranking, 1):
        is_marked = ticket.has("mark") and place <= ticket.number("top")
        if is_marked and points[name] < (0 if ticket.is_second("mark") else 1):
            is_marked = False
        rows.append(f"{name} {points[name]} {difference[name]}{' up' if is_marked else ''}")
    return rows


def random_lines(generator: random.Random, ticket: Ticket) -> list[str]:
    """Return a random result sheet."""
    words = list(map(ticket.word, ticket.present("late", "late", "fine", "forfeit", "bonus", "quit")))
    names = ["Ada", "Bo", "Cy", "Di"]
    lines = []
    for _ in range(generator.randint(4, 18)):
        word = generator.choice([ticket.word("play")] * 5 + words)
        home, away = generator.sample(names, 2)
        goals = [generator.randint(0, 4), generator.randint(0, 4)]
        if word == ticket.word("late"):
            goals = generator.sample(range(6), 2)
        if word in (ticket.word("play"), ticket.word("late")):
            lines.append(f"{word} {home} {away} {goals[0]} {goals[1]}")
        elif word == ticket.word("forfeit"):
            lines.append(f"{word} {home} {away}")
        elif word == ticket.word("fine"):
            lines.append(f"{word} {home} {generator.randint(1, 3)}")
        else:
            lines.append(f"{word} {home}")
    return lines
