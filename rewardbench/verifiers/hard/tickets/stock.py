"""The clauses of a stock book, computed piece by piece: each piece has its price and the lot that it came with."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from itertools import chain, groupby

from rewardbench.verifiers.hard.tickets.clauses import Ticket

CLAUSES = {
    "in": [r"^`D (?P<in>\w+) I Q C`: on day D", r"^With `D (?P<in>\w+) I Q C`, the store"],
    "out": [r"^`D (?P<out>\w+) I Q` removes Q \w+ of I and outputs", r"^On `D (?P<out>\w+) I Q`, Q"],
    "oldest": [r"removed from the \w+ that came in first", r"^First in, first out"],
    "alert": [
        r"removed \w+ and \D*(?P<low>\d+).*`reorder I` follows",
        r"^After each successful .*? has \D*(?P<low>\d+)",
    ],
    "spoil": [r"thrown away when a line of a day \D*D \+ (?P<age>\d+)", r"^Before each line, .*? for \D*(?P<age>\d+)"],
    "back": [r"^`D (?P<back>\w+) I Q` puts", r"^For `D (?P<back>\w+) I Q`, Q"],
    "bulk": [r"^An? `\w+` of \D*(?P<bulk>\d+).* served the other way round", r"^Exception for large .*?(?P<bulk>\d+)"],
    "loss": [r"^`D (?P<loss>\w+) I Q` removes Q \w+ of I from", r"^After `D (?P<loss>\w+) I Q`, Q"],
    "value": [r"^`D (?P<value>\w+) I` outputs", r"^On `D (?P<value>\w+) I`, output"],
    "merge": [r"^An article has no more than (?P<most>\d)", r"^Space is scarce: if an article has (?P<most>\d)"],
    "small": [
        r"^If T would be \D*(?P<small>\d+).*?, (?P<extra>\d+) is added",
        r"^Small orders: T is raised by (?P<extra>\d+) if .*?(?P<small>\d+) in all",
    ],
    "sold": [r"`sold S`"],
    "closed": [r"divided by (?P<closed>\d+)", r"^Every \d+th day \(D a multiple of (?P<closed>\d+)"],
    "hold": [r"^`D (?P<hold>\w+) I Q` says", r"^After `D (?P<hold>\w+) I Q`, any"],
}
SETTINGS = {
    "alert": (r"fewer than|less than", r"or fewer|at most"),
    "spoil": (r"not before D|days or more", r"day after D|more than"),
    "back": (r"of the last of|`\w+` of that article ended", r"of the first of|began"),
    "bulk": (r"more than|over", r"or more|at least"),
    "loss": (r"all of them|everything", r"none if"),
    "merge": (r"higher", r"lower"),
    "small": (r"be below|less than", r"or below|at most"),
    "hold": (r"replaces", r"adds its Q|is added"),
}


@dataclass
class _Store:
    """Pieces of each article in order of arrival, as (price, day, number of the lot)."""

    pieces: dict[str, list[tuple[int, int, int]]] = field(default_factory=dict)
    latest_prices: dict[str, tuple[int, int]] = field(default_factory=dict)
    """For each article the prices of the first and of the last piece of the latest sale."""
    floors: dict[str, int] = field(default_factory=dict)
    lot: int = 0


def expected_output(ticket: Ticket, lines: list[str]) -> list[str]:
    """Return the output that the clauses demand."""
    store = _Store()
    answers: list[str] = []
    totals: list[int] = []
    commands = ticket.commands("in", "out", "back", "loss", "value", "hold")
    for day_text, word, item, *values in map(str.split, lines):
        day, command = int(day_text), commands[word]
        if ticket.has("spoil"):
            first_good_day = day - ticket.number("age") + (0 if ticket.is_second("spoil") else 1)
            for name, pieces in store.pieces.items():
                store.pieces[name] = [piece for piece in pieces if piece[1] >= first_good_day]
        pieces = store.pieces.setdefault(item, [])
        amount = int(values[0]) if values else 0
        if command == "in":
            _arrive(ticket, store, item, [(int(values[1]), day)] * amount)
        elif command == "back" and item in store.latest_prices:
            price = store.latest_prices[item][0 if ticket.is_second("back") else 1]
            _arrive(ticket, store, item, [(price, day)] * amount)
        elif command == "loss":
            if amount <= len(pieces) or not ticket.is_second("loss"):
                del pieces[:amount]
        elif command == "value":
            answers.append(f"{item} {len(pieces)} {_cost(pieces)}")
        elif command == "hold":
            before = store.floors.get(item, 0) if ticket.is_second("hold") else 0
            store.floors[item] = before + amount
        elif command == "out":
            answers += _sell(ticket, store, (day, item, amount), totals)
    if ticket.has("sold"):
        answers.append(f"sold {sum(totals)}")
    return answers


def _cost(pieces: list[tuple[int, int, int]]) -> int:
    """Return the sum of the prices."""
    return sum(price for price, _, _ in pieces)


def _by_lot(pieces: list[tuple[int, int, int]]) -> list[list[tuple[int, int, int]]]:
    """Return the pieces of each lot, the earliest lot first."""
    return [list(lot) for _, lot in groupby(pieces, key=lambda piece: piece[2])]


def _arrive(ticket: Ticket, store: _Store, item: str, arrivals: list[tuple[int, int]]) -> None:
    """Add pieces as a new lot, or to the latest lot if the article has as many lots as it may."""
    pieces = store.pieces[item]
    lots = _by_lot(pieces)
    store.lot += 1
    price, day = arrivals[0]
    if not ticket.has("merge") or len(lots) < ticket.number("most"):
        pieces += [(price, day, store.lot)] * len(arrivals)
        return
    latest = lots[-1]
    prices = [latest[0][0], price]
    price = min(prices) if ticket.is_second("merge") else max(prices)
    del pieces[-len(latest) :]
    pieces += [(price, *latest[0][1:])] * (len(latest) + len(arrivals))


def _sell(ticket: Ticket, store: _Store, sale: tuple[int, str, int], totals: list[int]) -> list[str]:
    """Remove the pieces of a sale; return the answers."""
    day, item, amount = sale
    pieces = store.pieces[item]
    if ticket.has("closed") and day % ticket.number("closed") == 0:
        return [f"{item} closed"]
    if len(pieces) - store.floors.get(item, 0) < amount:
        return [f"{item} short"]
    if ticket.has("bulk") and amount >= ticket.number("bulk") + (0 if ticket.is_second("bulk") else 1):
        queue = list(chain.from_iterable(reversed(_by_lot(pieces))))
    else:
        queue = list(pieces)
    taken = queue[:amount]
    for piece in taken:
        pieces.remove(piece)
    store.latest_prices[item] = (taken[0][0], taken[-1][0])
    cost = _cost(taken)
    if ticket.has("small") and cost < ticket.number("small") + ticket.is_second("small"):
        cost += ticket.number("extra")
    totals.append(cost)
    is_low = len(pieces) < ticket.number("low") + ticket.is_second("alert")
    return [f"{item} {cost}", f"reorder {item}"] if is_low else [f"{item} {cost}"]


def random_lines(generator: random.Random, ticket: Ticket) -> list[str]:
    """Return a random stock book."""
    names = ticket.present("back", "loss", "value", "hold")
    day = 1
    lines = []
    for _ in range(generator.randint(5, 20)):
        command = generator.choice(["in", "in", "in", "out", "out", "out", *names])
        amount = generator.choice([1, 2, 3, 4, 5, 7, 8, 9, 10])
        values = f" {amount}" if command != "value" else ""
        price = f" {generator.choice([3, 4, 5, 6, 8, 10])}" if command == "in" else ""
        lines.append(f"{day} {ticket.word(command)} {generator.choice('aab')}{values}{price}")
        day += generator.choice([0, 1, 1, 2, 3, 4])
    return lines
