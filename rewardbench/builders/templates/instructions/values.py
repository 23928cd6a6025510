"""Templates about the format of values: dates, times, temperatures, quantities, amounts, prices, names, addresses.

The user gives values as notes, and a rule on their format. In a rule, {p} and {q} are the two alternatives that the
prompts swap. For example, `degrees`:

    prompt a: Could you help me out? Copy out what the thermometers in our greenhouse said. Our guests know Fahrenheit
        and not Celsius; use the one they know throughout.

        All I know:
        tank 15 C
        roof 77 F
        fig tree 30 C
    prompt b: the same, but "Our guests know Celsius and not Fahrenheit"
    response x, right for a: tank: 59 °F
        roof: 77 °F
        fig tree: 86 °F
    response y, right for b: tank: 15 °C
        roof: 25 °C
        fig tree: 30 °C
"""

from __future__ import annotations

from collections.abc import Sequence

from rewardbench.builders.draw import MirrorContent, Resample, Rng, Template
from rewardbench.builders.prompts import swapped
from rewardbench.builders.templates.instructions.material import draw_records
from rewardbench.builders.templates.instructions.rendering import (
    LINES,
    NUMBERS,
    TOWNS,
    for_both,
    in_order,
    make_mirror,
    make_prompts,
)
from rewardbench.types import Messages

SURNAMES = """
    Abebe Almeida Andersson Bakare Bianchi Castillo Chaudhry Dimitrov Duarte Eriksen Farouk Fischer Gallagher Haddad
    Halonen Horvat Ishikawa Jansen Kaplan Kowalczyk Lindqvist Mbeki Moreau Nakamura Navarro Novak Okonkwo Pereira
    Petrosyan Quispe Rahman Salonen Shrestha Tanaka Vasquez Weiss Yamada Zielinski
""".split()
STREETS = """
    Acacia Almond Bridge Cathedral Chapel Cherry Dockyard Fountain Garden Harbour Lantern Lime Mill Nightingale Olive
    Orchard Pottery Rope Saffron Swallow Tannery Weaver Willow
""".split()


def _make_mirror(
    rng: Rng,
    edit: str,
    prompts: tuple[Messages, Messages],
    items: Sequence[str],
    values: tuple[list[str], list[str]],
    pattern: str,
) -> MirrorContent:
    """Return a mirror whose responses have one line per item with its value, in either format.

    Args:
        rng: picks what is before the items and before the values.
        edit: the differing detail of the prompts.
        prompts: both prompts.
        items: what the values belong to.
        values: the values in the format for prompt a, and in the format for prompt b.
        pattern: regular expression, as a Python literal, whose matches in the response are the values.
    """
    line = _draw_line_template(rng)

    def response(formatted_values: list[str]) -> str:
        return _format_lines(line, items, formatted_values)

    def condition(formatted_values: list[str]) -> str:
        return f"re.findall({pattern}, r) == {formatted_values}"

    return make_mirror(edit, prompts, for_both(response, *values), for_both(condition, *values))


def _draw_line_template(rng: Rng) -> str:
    """Return the template of a line with an item and its value."""
    mark, link = rng.pick(("- ", "", "* ", "• ")), rng.pick((": ", " – ", ", "))
    return f"{mark}{{}}{link}{{}}"


def _format_lines(template: str, *columns: Sequence[object]) -> str:
    """Return one line per row: the template filled with the row's value of each column."""
    return "\n".join(map(template.format, *columns))


def date_style(rng: Rng) -> MirrorContent:
    """Ask for dates from year to day or from day to year."""
    records = draw_records(rng, rng.number(3, 4))
    dates = [row.when for row in records.rows]
    if any(date.day < 13 for date in dates):
        raise Resample
    p, q = swapped("year", "day")
    sign, name = rng.pick((("-", "hyphens"), (".", "full stops"), ("/", "slashes")))
    rules = (
        f"Dates in figures: first the {p}, then the month, last the {q}, with {name} between.",
        f"House style for dates is {p}, month, {q}, all in digits and joined by {name}.",
        f"The {p} opens a date, the {q} closes it, the month is in the middle; digits and {name} only.",
    )
    jobs = (
        f"From my notes on {records.about} I only need {records.fields[0]} and date",
        f"Extract {records.fields[0]} and date from my notes on {records.about}",
        f"just tell me who and when, a line each. These are {records.about}",
    )
    year_first = [date.strftime(f"%Y{sign}%m{sign}%d") for date in dates]
    day_first = [date.strftime(f"%d{sign}%m{sign}%Y") for date in dates]
    prompts = make_prompts(rng, rules, rng.pick(jobs), records.notes)
    pattern = r"r'\d+[-./]\d+[-./]\d+'"
    return _make_mirror(rng, "year first / day first", prompts, records.names, (year_first, day_first), pattern)


def clock(rng: Rng) -> MirrorContent:
    """Ask for the 24-hour or the 12-hour clock."""
    places = (
        ("the ferry's stops", ["mole", "island", "lighthouse", "old port", "lagoon"]),
        ("today's radio programme", ["news", "jazz hour", "weather", "radio play", "sports"]),
        ("the feeding times at our zoo", ["otters", "seals", "lynxes", "pelicans", "bears"]),
        ("the prayer house's open day", ["tour", "organ", "tea", "talk", "choir"]),
        ("my medicine schedule", ["drops", "inhaler", "syrup", "tablet", "ointment"]),
    )
    job, pool = rng.pick(places)
    items = rng.sample(pool, rng.number(3, 4))
    times = sorted((hour, rng.pick((5, 10, 20, 35, 40, 50))) for hour in rng.numbers(len(items), 13, 22))
    p, q = swapped("24-hour", "12-hour")
    rules = (
        f"Times on the {p} clock, not on the {q} clock.",
        f"Our readers use the {p} clock; the {q} clock confuses them.",
        f"Write times the {p} way. The {q} way is for another edition.",
    )
    style = rng.pick(("at {h}.{m:02d} in the {part}", "{m} minutes past {h} in the {part}", "{part}, {h} {m:02d}"))
    notes, times_24, times_12 = [], [], []
    for item, (hour, minute) in zip(items, times, strict=True):
        part = "afternoon" if hour < 18 else "evening"
        notes.append(f"{item} {style.format(h=hour - 12, m=minute, part=part)}")
        times_24.append(f"{hour}:{minute:02d}")
        times_12.append(f"{hour - 12}:{minute:02d} pm")
    jobs = (f"Type up {job}", f"I need {job}, a line each", f"Make a small timetable of {job}")
    prompts = make_prompts(rng, rules, rng.pick(jobs), "\n".join(notes))
    pattern = r"r'\d+:\d\d(?: pm)?'"
    return _make_mirror(rng, "24-hour clock / 12-hour clock", prompts, items, (times_24, times_12), pattern)


def degrees(rng: Rng) -> MirrorContent:
    """Ask for Celsius or Fahrenheit; the notes have temperatures in both."""
    places = (
        ("what the thermometers in our greenhouse said", 5, 40, ["door", "fig tree", "tank", "bench", "roof"]),
        ("the oven settings of our bakery", 150, 225, ["rye loaf", "brioche", "flapjacks", "pizza", "quiche"]),
        ("the weather stations' readings", 10, 35, rng.sample(TOWNS, 5)),
        ("the water temperatures along our coast", 5, 30, ["jetty", "lagoon", "river mouth", "harbour", "cove"]),
    )
    job, low, high, pool = rng.pick(places)
    items = rng.sample(pool, rng.number(3, 4))
    celsius = rng.numbers(len(items), low, high, 5)
    fahrenheit = [n * 9 // 5 + 32 for n in celsius]
    p, q = swapped("Celsius", "Fahrenheit")
    rules = (
        f"Everything in {p}, nothing in {q}.",
        f"Convert whatever is in {q}, so that all degrees are {p}.",
        f"Our guests know {p} and not {q}; use the one they know throughout.",
    )
    notes = []
    for n, item in enumerate(items):
        notes.append(f"{item} {fahrenheit[n]} F" if n % 2 else f"{item} {celsius[n]} C")
    jobs = (
        f"Copy out {job}",
        f"Clean up {job}",
        f"I have {job}, taken by two people. One clean list please",
    )
    values = (list(map("{} °C".format, celsius)), list(map("{} °F".format, fahrenheit)))
    prompts = make_prompts(rng, rules, rng.pick(jobs), "\n".join(notes))
    return _make_mirror(rng, "Celsius / Fahrenheit", prompts, items, values, r"r'\d+ °[CF]'")


def figures_or_words(rng: Rng) -> MirrorContent:
    """Ask for quantities in words or in figures; the notes have both."""
    places = (
        ("the tableware we borrow for the feast", ["plates", "bowls", "ladles", "trays", "jugs", "candlesticks"]),
        ("the camp kitchen's shopping list", ["onions", "lemons", "cabbages", "loaves", "melons", "gourds"]),
        ("our props for act two", ["swords", "crowns", "lanterns", "barrels", "masks", "scrolls"]),
        ("the order for the sewing room", ["zips", "bobbins", "thimbles", "buckles", "ribbons", "needles"]),
        ("the animals on our farm", ["goats", "ducks", "donkeys", "geese", "hens", "llamas"]),
    )
    job, pool = rng.pick(places)
    items = rng.sample(pool, rng.number(3, 5))
    counts = rng.numbers(len(items), 2, 12)
    p, q = swapped("words", "figures")
    rules = (
        f"Give the quantities in {p}, not in {q}.",
        f"Numbers as {p}. I mix them up with {q} and you should not.",
        f"In this office quantities are written in {p}; {q} are not allowed.",
    )
    notes = []
    for item, n in zip(items, counts, strict=True):
        notes.append(f"{item}: {NUMBERS[n] if rng.chance() else n}")
    jobs = (f"Write out {job}", f"I need {job}, one thing a line", f"Please type up {job} for me")
    mark = rng.pick(("- ", "", "* "))
    template = mark + ("{1} {0}" if rng.chance() else "{0}: {1}")
    words = [NUMBERS[n] for n in counts]
    responses = (_format_lines(template, items, words), _format_lines(template, items, counts))
    word_matches = rf"[w for w in re.findall(r'[a-z]+', r) if w in {NUMBERS!r}]"
    figure_matches = r"[int(n) for n in re.findall(r'\d+', r)]"
    conditions = (
        f"{word_matches} == {words} and not {figure_matches}",
        f"{figure_matches} == {counts} and not {word_matches}",
    )
    prompts = make_prompts(rng, rules, rng.pick(jobs), "\n".join(notes))
    return make_mirror("quantities in words / in figures", prompts, responses, conditions)


def thousands(rng: Rng) -> MirrorContent:
    """Ask for a comma for thousands and a point for decimals, or the reverse."""
    places = (
        ("our quarterly sales", "{} euros {} cents", ["olive oil", "soap", "candles", "vinegar", "honey"]),
        ("the grants we received", "{} pounds {} pence", ["city fund", "arts council", "trust", "lottery", "bank"]),
        ("the building firm's invoices", "{} dollars {} cents", ["roof", "windows", "plaster", "drains", "tiles"]),
        ("the harvest weights in kilos", "{} kilos {}0 grams", ["wheat", "barley", "rapeseed", "oats", "maize"]),
    )
    job, amount_note, pool = rng.pick(places)
    items = rng.sample(pool, rng.number(3, 4))
    units = rng.numbers(len(items), 1101, 98999)
    hundredths = [rng.number(11, 98) for _ in units]
    p, q = swapped("comma", "point")
    rules = (
        f"Thousands are set off by a {p}, decimals by a {q}.",
        f"Number format: {p} between thousands and hundreds, {q} before the decimals.",
        f"The {p} groups the thousands; the {q} marks the decimals.",
    )
    jobs = (
        f"Type {job} for the report",
        f"I need {job}, two decimals each",
        f"Make a clean copy of {job}, with two decimals",
    )
    point_decimals = list(map("{:,}.{}".format, units, hundredths))
    comma_decimals = [value.translate(str.maketrans(",.", ".,")) for value in point_decimals]
    notes = _format_lines(f"{{}} {amount_note}", items, units, hundredths)
    prompts = make_prompts(rng, rules, rng.pick(jobs), notes)
    values = (point_decimals, comma_decimals)
    return _make_mirror(rng, "1,234.56 / 1.234,56", prompts, items, values, r"r'\d+[.,]\d{3}[.,]\d\d'")


def currency_side(rng: Rng) -> MirrorContent:
    """Ask for the currency sign before or behind the amount."""
    places = (
        ("the drinks on our terrace", 3, 9, ["lemonade", "iced tea", "horchata", "cider", "lassi"]),
        ("the tickets of the harbour museum", 4, 30, ["adults", "students", "families", "groups", "seniors"]),
        ("the services of the corner salon", 8, 64, ["fringe", "short cut", "braids", "beard", "colour"]),
        ("the services of our laundry", 3, 25, ["shirt", "duvet", "curtain", "coat", "tablecloth"]),
    )
    job, low, high, pool = rng.pick(places)
    items = rng.sample(pool, rng.number(3, 4))
    coins = (("euro", "s", "€", 1), ("pound", "s", "£", 1), ("yen", "", "¥", 100), ("rupee", "s", "₹", 50))
    name, plural, sign, worth = rng.pick((*coins, ("lira", "s", "₺", 20)))
    prices = [worth * price for price in rng.numbers(len(items), low, high)]
    p, q = swapped("before", "behind")
    rules = (
        f"The {sign} stands {p} the amount, never {q} it, with no space.",
        f"Put the {name} sign ({sign}) {p} the figure. If it is {q} the figure, the till cannot read it. No space.",
        f"{sign} directly {p} the price. It looks wrong to our customers {q} the price.",
    )
    jobs = (
        f"I need a price list for {job}",
        f"List {job} in {name}{plural} for the board",
        f"Set {job} as a price list ({name}{plural})",
    )
    before, behind = [f"{sign}{price}" for price in prices], [f"{price}{sign}" for price in prices]
    prompts = make_prompts(rng, rules, rng.pick(jobs), _format_lines("{} {}", items, prices))
    line = _draw_line_template(rng)
    responses = (_format_lines(line, items, before), _format_lines(line, items, behind))
    amounts = list(map(str, prices))
    conditions = (
        f"re.findall(r'{sign}(\\d+)(?!\\d*{sign})', r) == {amounts}",
        f"re.findall(r'(?<![{sign}\\d])(\\d+){sign}', r) == {amounts}",
    )
    return make_mirror("sign before / behind the amount", prompts, responses, conditions)


def name_order(rng: Rng) -> MirrorContent:
    """Ask for the surname or the first name first."""
    size = rng.number(3, 5)
    first_names, surnames = rng.people(size), rng.sample(SURNAMES, size)
    p, q = swapped("surname", "first name")
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
    notes = []
    for first, last in zip(first_names, surnames, strict=True):
        notes.append(f"{last} (first name {first})" if rng.chance() else f"{first}, surname {last}")
    mark = rng.pick(("- ", "", "* ", "• "))
    surname_first = list(map("{} {}".format, surnames, first_names))
    surname_last = list(map("{} {}".format, first_names, surnames))
    responses = (_format_lines(mark + "{}", surname_first), _format_lines(mark + "{}", surname_last))
    prompts = make_prompts(rng, rules, rng.pick(jobs), "\n".join(notes))
    conditions = for_both(in_order, surname_first, surname_last)
    return make_mirror("surname first / first name first", prompts, responses, conditions)


def address_order(rng: Rng) -> MirrorContent:
    """Ask for addresses with the postcode or the town first in the last line."""
    size = rng.number(2, 3)
    first_names, surnames = rng.people(size), rng.sample(SURNAMES, size)
    streets, towns = rng.sample(STREETS, size), rng.sample(TOWNS, size)
    house_numbers, postcodes = [], []
    for _ in range(size):
        house_numbers.append(rng.number(3, 90))
        postcodes.append(rng.number(10400, 99600))
    p, q = swapped("postcode", "town")
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
    postcode_first = list(map("{} {}".format, postcodes, towns))
    town_first = list(map("{} {}".format, towns, postcodes))

    def response(last_lines: list[str]) -> str:
        label = "{} {}\n{} {} Street\n{}".format
        return "\n\n".join(map(label, first_names, surnames, house_numbers, streets, last_lines))

    def condition(last_lines: list[str]) -> str:
        return f"{LINES}[2::3] == {last_lines!r}"

    addresses = _format_lines(note, first_names, surnames, streets, towns, house_numbers, postcodes)
    return make_mirror(
        "postcode first / town first",
        make_prompts(rng, rules, rng.pick(jobs), addresses),
        for_both(response, postcode_first, town_first),
        for_both(condition, postcode_first, town_first),
    )


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
