"""The clauses of a monthly report, computed on lists of rows."""

from __future__ import annotations

import random
from collections import Counter

from rewardbench.verifiers.hard.tickets.clauses import Ticket

CLAUSES = {
    "rows": [
        r"^One row for each `(?P<shop>\w+)` of `(?P<shops>\w+)` that has at least one row in `(?P<sales>\w+)`",
        r"^The result has a row per `(?P<shop>\w+)` \(out of `(?P<shops>\w+)`\) with .* in `(?P<sales>\w+)`",
    ],
    "money": [r"^The total is the sum", r"^Total means"],
    "period": [
        r"^Only days \D*(?P<start>\d+) up to and including (?P<until>\d+)",
        r"^A row of .*?(?P<start>\d+) and at most (?P<until>\d+)",
    ],
    "order": [r"^Sort by total", r"^Order of the rows"],
    "returns": [
        r" in `(?P<returns>\w+)` for that .*?(?P<days>\d+) days",
        r"^Subtract from .*? what `(?P<returns>\w+)` has .*?(?P<days>\d+)\. day",
    ],
    "closed": [r"are in `closures` do not count", r"on which `closures` lists"],
    "new": [r"whose `opened` is .*?(?P<new>\d+)", r"that opened .*?(?P<new>\d+)"],
    "prefix": [r"begins with `(?P<prefix>\w+)`", r"starts with the letters `(?P<prefix>\w+)`"],
    "double": [r"^If several rows of", r"^Of rows with equal"],
    "cap": [r"^No row is multiplied with more than (?P<cap>\d+)", r"^After any other change, .*? above (?P<cap>\d+)"],
    "bulk": [
        r"^If the .*? that is multiplied is \D*(?P<bulk>\d+).* lowered by (?P<off>\d+)",
        r"^`cents` is taken (?P<off>\d+) lower .*?(?P<bulk>\d+)",
    ],
    "least": [r"^Rows with a total \D*(?P<least>\d+)", r"^The result only has totals of \D*(?P<least>\d+)"],
    "best": [r"^The third column is", r"^As third column"],
    "number": [r"^The last column is", r"^At the right, one more"],
    "region": [r"^Leave out every `region` with \D*(?P<size>\d+)", r"^Only a `region` to which \D*(?P<size>\d+)"],
    "top": [r"return the first (?P<top>\d+) rows only", r"^Cut the finished result after (?P<top>\d+)"],
}
SETTINGS = {
    "period": (r"days from|at least", r"days after|greater than"),
    "order": (r"A to Z|ascending", r"Z to A|in descending"),
    "returns": (r"no more than|up to and", r"less than|before the"),
    "new": (r"is after|later than", r"on or after|or later"),
    "double": (r"lowest|smallest", r"highest|largest"),
    "bulk": (r"or more|at least", r"more than \d|above"),
    "least": (r"total below|or more", r"of at most|more than \d"),
    "best": (r"the first|alphabetically first", r"the last|alphabetically last"),
    "region": (r"fewer than|at least", r"no more than|which more than"),
}


def expected_output(ticket: Ticket, lines: list[str]) -> list[str]:
    """Return the rows that the clauses demand."""
    tables: dict[str, list[list[str]]] = {}
    for table, *values in map(str.split, lines):
        tables.setdefault(table, []).append(values)
    shops = _reported_shops(ticket, tables.get(ticket.word("shops"), []))
    closures = tables.get("closures", [])
    totals: Counter[str] = Counter()
    numbers: Counter[str] = Counter()
    pieces: dict[str, Counter[str]] = {}
    for row in _counting(ticket, tables.get(ticket.word("sales"), [])):
        _, day, shop, item, *_ = row
        if shop not in shops or (ticket.has("closed") and [shop, day] in closures):
            continue
        quantity = _quantity(ticket, row, tables.get(ticket.word("returns"), []))
        price = int(row[5])
        if ticket.has("bulk") and quantity >= ticket.number("bulk") + ticket.is_second("bulk"):
            price -= ticket.number("off")
        totals[shop] += quantity * price
        numbers[shop] += 1
        pieces.setdefault(shop, Counter())[item] += quantity
    ranking = sorted(numbers, reverse=ticket.is_second("order"))
    ranking.sort(key=lambda shop: totals[shop], reverse=True)
    rows = []
    for shop in ranking:
        if ticket.has("least") and totals[shop] < ticket.number("least") + ticket.is_second("least"):
            continue
        columns = [shop, str(totals[shop])]
        if ticket.has("best"):
            items = sorted(pieces[shop], reverse=ticket.is_second("best"))
            columns.append(max(items, key=lambda item: pieces[shop][item]))
        if ticket.has("number"):
            columns.append(str(numbers[shop]))
        rows.append(" ".join(columns))
    return rows[: ticket.number("top")] if ticket.has("top") else rows


def _reported_shops(ticket: Ticket, shops: list[list[str]]) -> list[str]:
    """Return the names that the report may have."""
    regions = Counter(region for _, region, _ in shops)
    names = []
    for name, region, opened in shops:
        if ticket.has("region") and regions[region] < ticket.number("size") + ticket.is_second("region"):
            continue
        if ticket.has("new") and int(opened) > ticket.number("new") - ticket.is_second("new"):
            continue
        names.append(name)
    return names


def _counting(ticket: Ticket, sales: list[list[str]]) -> list[list[str]]:
    """Return the rows of the period without doubles and excluded items."""
    chosen: dict[tuple[str, ...], list[str]] = {}
    ordered = sorted(sales, key=lambda row: int(row[0]), reverse=ticket.is_second("double"))
    for row in ordered:
        key = tuple(row[1:4]) if ticket.has("double") else (row[0],)
        chosen.setdefault(key, row)
    rows = []
    first_day = ticket.number("start") + ticket.is_second("period")
    for row in chosen.values():
        is_excluded = ticket.has("prefix") and row[3].startswith(ticket.word("prefix"))
        if not is_excluded and first_day <= int(row[1]) <= ticket.number("until"):
            rows.append(row)
    return rows


def _quantity(ticket: Ticket, row: list[str], returns: list[list[str]]) -> int:
    """Return the quantity that is multiplied."""
    quantity = int(row[4])
    if ticket.has("returns"):
        last_day = int(row[1]) + ticket.number("days") - ticket.is_second("returns")
        back = [int(number) for sale, day, number in returns if sale == row[0] and int(day) <= last_day]
        quantity = max(0, quantity - sum(back))
    return min(quantity, ticket.number("cap")) if ticket.has("cap") else quantity


def random_lines(generator: random.Random, ticket: Ticket) -> list[str]:
    """Return random rows of all tables."""
    shops = ["ann", "bea", "cat", "dov"]
    lines = []
    for shop in shops:
        lines.append(f"{ticket.word('shops')} {shop} {generator.choice('nss')} {generator.randint(1, 7)}")
    sales: list[str] = []
    for number in range(1, generator.randint(4, 14)):
        day = generator.choice([5, 6, 7, 8, 9, 9, 12, 23, 24, 26, 28])
        item = generator.choice(["x", "y", "z", f"{ticket.word('prefix')}1"])
        price = generator.choice([100, 100, 150, 200])
        row = f"{day} {generator.choice(shops)} {item} {generator.randint(1, 10)} {price}"
        sales.append(f"{number} {row}")
    lines += [f"{ticket.word('sales')} {sale}" for sale in sales]
    for sale in generator.sample(sales, 3):
        sale_id, day_text, shop, *_ = sale.split()
        later = int(day_text) + generator.choice([0, 2, 3, 4, 5, 6, 7, 8])
        if ticket.has("returns"):
            lines.append(f"{ticket.word('returns')} {sale_id} {later} {generator.randint(1, 3)}")
        if generator.random() < 0.3:
            lines.append(f"closures {shop} {day_text}")
    return list(dict.fromkeys(lines))
