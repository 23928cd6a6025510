"""Moulds on how single values are written: dates, times, degrees, amounts, names, addresses, quantities."""

from __future__ import annotations

from collections.abc import Sequence

from rewardbench.builders.draw import MirrorContent, Resample, Rng, Template
from rewardbench.builders.templates.instructions.asking import LINES, NUMBERS, TOWNS, ask, both, found_in_order, settle
from rewardbench.builders.templates.instructions.material import records

SURNAMES = """
    Abebe Almeida Andersson Bakare Bianchi Castillo Chaudhry Dimitrov Duarte Eriksen Farouk Fischer Gallagher Haddad
    Halonen Horvat Ishikawa Jansen Kaplan Kowalczyk Lindqvist Mbeki Moreau Nakamura Navarro Novak Okonkwo Pereira
    Petrosyan Quispe Rahman Salonen Shrestha Tanaka Vasquez Weiss Yamada Zielinski
""".split()
STREETS = """
    Acacia Almond Bridge Cathedral Chapel Cherry Dockyard Fountain Garden Harbour Lantern Lime Mill Nightingale Olive
    Orchard Pottery Rope Saffron Swallow Tannery Weaver Willow
""".split()


def _lines(rng: Rng, whats: Sequence[str], values: Sequence[str], start: str = "") -> str:
    """One value a line, each behind what it belongs to."""
    mark, link = rng.pick(("- ", "", "* ", "• ")), rng.pick((": ", " – ", ", "))
    return start + "\n".join(f"{mark}{what}{link}{value}" for what, value in zip(whats, values, strict=True))


def _pair(rng: Rng, whats: Sequence[str], one: Sequence[str], other: Sequence[str]) -> tuple[str, str]:
    """The same lines with either kind of value."""
    text = _lines(rng, whats, [f"<{n}>" for n in range(len(whats))])
    texts = [text, text]
    for side, values in enumerate((one, other)):
        for n, value in enumerate(values):
            texts[side] = texts[side].replace(f"<{n}>", value)
    return texts[0], texts[1]


def date_style(rng: Rng) -> MirrorContent:
    """Dates from year to day, or from day to year."""
    rows = records(rng, rng.number(3, 4))
    if any(row.when.day < 13 for row in rows.rows):
        raise Resample
    p, q = both("year", "day")
    sign, name = rng.pick((("-", "hyphens"), (".", "full stops"), ("/", "slashes")))
    rules = (
        f"Dates in figures: first the {p}, then the month, last the {q}, with {name} between.",
        f"House style for dates is {p}, month, {q}, all in digits and joined by {name}.",
        f"The {p} opens a date, the {q} closes it, the month is in the middle; digits and {name} only.",
    )
    jobs = (
        f"From my notes on {rows.about} I only need {rows.fields[0]} and date",
        f"Extract {rows.fields[0]} and date from my notes on {rows.about}",
        f"just tell me who and when, a line each. These are {rows.about}",
    )
    years, days = (f"%Y{sign}%m{sign}%d", f"%d{sign}%m{sign}%Y")
    whos = [row.who for row in rows.rows]
    one, other = ([row.when.strftime(style) for row in rows.rows] for style in (years, days))
    dates = r"re.findall(r'\d+[-./]\d+[-./]\d+', r)"
    told = ask(rng, rules, rng.pick(jobs), rows.paste)
    return settle(
        "year first / day first", told, _pair(rng, whos, one, other), (f"{dates} == {one}", f"{dates} == {other}")
    )


def clock(rng: Rng) -> MirrorContent:
    """Times on the 24-hour clock, or on the 12-hour clock."""
    places = (
        ("the ferry's stops", ["mole", "island", "lighthouse", "old port", "lagoon"]),
        ("today's radio programme", ["news", "jazz hour", "weather", "radio play", "sports"]),
        ("the feeding times at our zoo", ["otters", "seals", "lynxes", "pelicans", "bears"]),
        ("the prayer house's open day", ["tour", "organ", "tea", "talk", "choir"]),
        ("my medicine schedule", ["drops", "inhaler", "syrup", "tablet", "ointment"]),
    )
    job, pool = rng.pick(places)
    whats = rng.sample(pool, rng.number(3, 4))
    times = sorted((hour, rng.pick((5, 10, 20, 35, 40, 50))) for hour in rng.numbers(len(whats), 13, 22))
    p, q = both("24-hour", "12-hour")
    rules = (
        f"Times on the {p} clock, not on the {q} clock.",
        f"Our readers use the {p} clock; the {q} clock confuses them.",
        f"Write times the {p} way. The {q} way is for another edition.",
    )
    said = ("at {h}.{m:02d} in the {part}", "{m} minutes past {h} in the {part}", "{part}, {h} {m:02d}")
    style = rng.pick(said)
    paste = [
        f"{what} {style.format(m=m, h=h - 12, part='afternoon' if h < 18 else 'evening')}"
        for what, (h, m) in zip(whats, times, strict=True)
    ]
    jobs = (f"Type up {job}", f"I need {job}, a line each", f"Make a small timetable of {job}")
    one = [f"{h}:{m:02d}" for h, m in times]
    other = [f"{h - 12}:{m:02d} pm" for h, m in times]
    found = r"re.findall(r'\d+:\d\d(?: pm)?', r)"
    holds = (f"{found} == {one}", f"{found} == {other}")
    told = ask(rng, rules, rng.pick(jobs), "\n".join(paste))
    return settle("24-hour clock / 12-hour clock", told, _pair(rng, whats, one, other), holds)


def degrees(rng: Rng) -> MirrorContent:
    """Temperatures in Celsius, or in Fahrenheit; the notes hold some of each."""
    places = (
        ("what the thermometers in our greenhouse said", ["door", "fig tree", "tank", "bench", "roof"]),
        ("the oven settings of our bakery", ["rye loaf", "brioche", "flapjacks", "pizza", "quiche"]),
        ("the weather stations' readings", rng.sample(TOWNS, 5)),
        ("the water temperatures along our coast", ["jetty", "lagoon", "river mouth", "harbour", "cove"]),
    )
    which = rng.number(0, len(places) - 1)
    job, pool = places[which]
    whats = rng.sample(pool, rng.number(3, 4))
    low, high = ((5, 40), (150, 225), (10, 35), (5, 30))[which]
    celsius = rng.numbers(len(whats), low, high, 5)
    fahrenheit = [n * 9 // 5 + 32 for n in celsius]
    p, q = both("Celsius", "Fahrenheit")
    rules = (
        f"Everything in {p}, nothing in {q}.",
        f"Convert whatever is in {q}, so that all degrees are {p}.",
        f"Our guests know {p} and not {q}; use the one they know throughout.",
    )
    paste = [
        f"{what} {f} F" if n % 2 else f"{what} {c} C"
        for n, (what, c, f) in enumerate(zip(whats, celsius, fahrenheit, strict=True))
    ]
    jobs = (
        f"Copy out {job}",
        f"Clean up {job}",
        f"I have {job}, taken by two people. One clean list please",
    )
    one, other = [f"{n} °C" for n in celsius], [f"{n} °F" for n in fahrenheit]
    found = r"re.findall(r'\d+ °[CF]', r)"
    holds = (f"{found} == {one}", f"{found} == {other}")
    told = ask(rng, rules, rng.pick(jobs), "\n".join(paste))
    return settle("Celsius / Fahrenheit", told, _pair(rng, whats, one, other), holds)


def figures_or_words(rng: Rng) -> MirrorContent:
    """Quantities as words, or as figures; the notes hold some of each."""
    places = (
        ("the tableware we borrow for the feast", ["plates", "bowls", "ladles", "trays", "jugs", "candlesticks"]),
        ("the camp kitchen's shopping list", ["onions", "lemons", "cabbages", "loaves", "melons", "gourds"]),
        ("our props for act two", ["swords", "crowns", "lanterns", "barrels", "masks", "scrolls"]),
        ("the order for the sewing room", ["zips", "bobbins", "thimbles", "buckles", "ribbons", "needles"]),
        ("the animals on our farm", ["goats", "ducks", "donkeys", "geese", "hens", "llamas"]),
    )
    job, pool = rng.pick(places)
    whats = rng.sample(pool, rng.number(3, 5))
    counts = rng.numbers(len(whats), 2, 12)
    p, q = both("words", "figures")
    rules = (
        f"Give the quantities in {p}, not in {q}.",
        f"Numbers as {p}. I mix them up with {q} and you should not.",
        f"In this office quantities are written in {p}; {q} are not allowed.",
    )
    paste = [f"{what}: {NUMBERS[n] if rng.chance() else n}" for what, n in zip(whats, counts, strict=True)]
    jobs = (f"Write out {job}", f"I need {job}, one thing a line", f"Please type up {job} for me")
    mark, order = rng.pick(("- ", "", "* ")), rng.chance()

    def show(values: Sequence[object]) -> str:
        pairs = zip(whats, values, strict=True)
        return "\n".join(f"{mark}{value} {what}" if order else f"{mark}{what}: {value}" for what, value in pairs)

    words = [NUMBERS[n] for n in counts]
    found_words = rf"[w for w in re.findall(r'[a-z]+', r) if w in {NUMBERS!r}]"
    digits = r"[int(n) for n in re.findall(r'\d+', r)]"
    holds = (f"{found_words} == {words} and not {digits}", f"{digits} == {counts} and not {found_words}")
    told = ask(rng, rules, rng.pick(jobs), "\n".join(paste))
    return settle("quantities in words / in figures", told, (show(words), show(counts)), holds)


def thousands(rng: Rng) -> MirrorContent:
    """A comma for thousands and a point for decimals, or the other way round."""
    places = (
        ("our quarterly sales", "{} euros {} cents", ["olive oil", "soap", "candles", "vinegar", "honey"]),
        ("the grants we received", "{} pounds {} pence", ["city fund", "arts council", "trust", "lottery", "bank"]),
        ("the building firm's invoices", "{} dollars {} cents", ["roof", "windows", "plaster", "drains", "tiles"]),
        ("the harvest weights in kilos", "{} kilos {}0 grams", ["wheat", "barley", "rapeseed", "oats", "maize"]),
    )
    job, noted, pool = rng.pick(places)
    whats = rng.sample(pool, rng.number(3, 4))
    amounts = [(n, rng.number(11, 98)) for n in rng.numbers(len(whats), 1101, 98999)]
    p, q = both("comma", "point")
    rules = (
        f"Thousands are set off by a {p}, decimals by a {q}.",
        f"Number format: {p} between thousands and hundreds, {q} before the decimals.",
        f"The {p} groups the thousands; the {q} marks the decimals.",
    )
    paste = [f"{what} {noted.format(*amount)}" for what, amount in zip(whats, amounts, strict=True)]
    jobs = (
        f"Type {job} for the report",
        f"I need {job}, two decimals each",
        f"Make a clean copy of {job}, with two decimals",
    )
    one = [f"{whole:,}.{part}" for whole, part in amounts]
    other = [value.translate(str.maketrans(",.", ".,")) for value in one]
    found = r"re.findall(r'\d+[.,]\d{3}[.,]\d\d', r)"
    holds = (f"{found} == {one}", f"{found} == {other}")
    told = ask(rng, rules, rng.pick(jobs), "\n".join(paste))
    return settle("1,234.56 / 1.234,56", told, _pair(rng, whats, one, other), holds)


def currency_side(rng: Rng) -> MirrorContent:
    """The currency sign before the amount, or behind it."""
    places = (
        ("the drinks on our terrace", 3, 9, ["lemonade", "iced tea", "horchata", "cider", "lassi"]),
        ("the tickets of the harbour museum", 4, 30, ["adults", "students", "families", "groups", "seniors"]),
        ("the services of the corner salon", 8, 64, ["fringe", "short cut", "braids", "beard", "colour"]),
        ("the services of our laundry", 3, 25, ["shirt", "duvet", "curtain", "coat", "tablecloth"]),
    )
    job, low, high, pool = rng.pick(places)
    whats = rng.sample(pool, rng.number(3, 4))
    coins = (("euro", "s", "€", 1), ("pound", "s", "£", 1), ("yen", "", "¥", 100), ("rupee", "s", "₹", 50))
    name, plural, sign, worth = rng.pick((*coins, ("lira", "s", "₺", 20)))
    prices = [worth * price for price in rng.numbers(len(whats), low, high)]
    p, q = both("before", "behind")
    rules = (
        f"The {sign} stands {p} the amount, never {q} it, with no space.",
        f"Put the {name} sign ({sign}) {p} the figure. If it is {q} the figure, the till cannot read it. No space.",
        f"{sign} directly {p} the price. It looks wrong to our customers {q} the price.",
    )
    paste = [f"{what} {price}" for what, price in zip(whats, prices, strict=True)]
    jobs = (
        f"I need a price list for {job}",
        f"List {job} in {name}{plural} for the board",
        f"Set {job} as a price list ({name}{plural})",
    )
    one, other = [f"{sign}{price}" for price in prices], [f"{price}{sign}" for price in prices]
    holds = (
        f"re.findall(r'{sign}(\\d+)(?!\\d*{sign})', r) == {list(map(str, prices))}",
        f"re.findall(r'(?<![{sign}\\d])(\\d+){sign}', r) == {list(map(str, prices))}",
    )
    told = ask(rng, rules, rng.pick(jobs), "\n".join(paste))
    return settle("sign before / behind the amount", told, _pair(rng, whats, one, other), holds)


def name_order(rng: Rng) -> MirrorContent:
    """Surnames first, or first names first."""
    size = rng.number(3, 5)
    people = list(zip(rng.people(size), rng.sample(SURNAMES, size), strict=True))
    p, q = both("surname", "first name")
    rules = (
        f"In every line the {p} leads and the {q} follows, without a comma.",
        f"{p}, space, {q}; that is how names are written here.",
        f"Names with the {p} in front and the {q} behind, no comma.",
    )
    jobs = (
        "Type the seating list of our gala dinner",
        "Please type the register of the judo class, by hand so far",
        "i need the badges for tomorrow's panel, a line each",
        "I need the crew list of the ferry",
        "Write out the names for the plaque in the hall",
    )
    paste = [f"{last} (first name {first})" if rng.chance() else f"{first}, surname {last}" for first, last in people]
    mark = rng.pick(("- ", "", "* ", "• "))
    texts = ["\n".join(f"{mark}{' '.join(pair[::step])}" for pair in people) for step in (-1, 1)]
    names = [[" ".join(pair[::step]) for pair in people] for step in (-1, 1)]
    holds = (found_in_order(names[0]), found_in_order(names[1]))
    told = ask(rng, rules, rng.pick(jobs), "\n".join(paste))
    return settle("surname first / first name first", told, (texts[0], texts[1]), holds)


def address_order(rng: Rng) -> MirrorContent:
    """The postcode before the town, or behind it."""
    size = rng.number(2, 3)
    parts = zip(
        rng.people(size), rng.sample(SURNAMES, size), rng.sample(STREETS, size), rng.sample(TOWNS, size), strict=True
    )
    homes = [(*part, rng.number(3, 90), rng.number(10400, 99600)) for part in parts]
    p, q = both("postcode", "town")
    rules = (
        f"In the last line of an address the {p} comes first and the {q} after it.",
        f"Last line of each address: {p}, then {q}, nothing but a space between.",
        f"Address labels end in a line that has the {p} on the left and the {q} on the right.",
    )
    jobs = (
        "Make address labels for the wedding cards",
        "Type these addresses for the envelopes",
        "i need labels for our parcels, three lines each",
    )
    notes = (
        "{0} {1} lives in {3}, postcode {5}, at {4} {2} Street",
        "{0} {1}: {4} {2} Street in {3} (postcode {5})",
        "postcode {5}, town {3}, {4} {2} Street, for {0} {1}",
    )
    note = rng.pick(notes)
    labels = [
        "\n\n".join(
            f"{first} {last}\n{number} {street} Street\n{ending}" for first, last, street, number, ending in shown
        )
        for shown in (
            [(f, s, street, n, f"{code} {town}") for f, s, street, town, n, code in homes],
            [(f, s, street, n, f"{town} {code}") for f, s, street, town, n, code in homes],
        )
    ]
    holds = (
        f"{LINES}[2::3] == {[f'{code} {town}' for *_, town, _, code in homes]!r}",
        f"{LINES}[2::3] == {[f'{town} {code}' for *_, town, _, code in homes]!r}",
    )
    told = ask(rng, rules, rng.pick(jobs), "\n".join(note.format(*home) for home in homes))
    return settle("postcode first / town first", told, (labels[0], labels[1]), holds)


TEMPLATES: tuple[Template, ...] = (
    date_style,
    clock,
    degrees,
    figures_or_words,
    thousands,
    currency_side,
    name_order,
    address_order,
)
