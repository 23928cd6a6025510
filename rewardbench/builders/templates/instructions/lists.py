"""Moulds on lists: their order, their marks, what stands between the items, how many stand on a line."""

from __future__ import annotations

import json

from rewardbench.builders.draw import MirrorContent, Resample, Rng, Template
from rewardbench.builders.templates.instructions.asking import LINES, NUMBERS, ask, both, found_in_order, joined, settle
from rewardbench.builders.templates.instructions.material import listing
from rewardbench.types import Messages

JOBS = (
    "Please write up this list ({job}): {items}.",
    "Tidy this up, it's for a list ({job}): {items}",
    "Make me a list of {job}: {items}",
    "I was asked for a list of {job}. So far I have {items}. Turn that into something I can use.",
    "Can you make a clean list from this? Topic: {job}. I have {items}",
    "{items}. Please put all of it on one list, a list of {job}.",
    "please list {job}, namely {items}",
)


def _asked(rng: Rng, rules: tuple[str, ...], job: str, items: list[str]) -> tuple[Messages, Messages]:
    text = rng.pick(JOBS)
    told = joined(items) if "I have" in text or rng.chance() else ", ".join(items)
    return ask(rng, rules, text.format(job=job, items=told))


def _headed(rng: Rng, title: str) -> str:
    """The title above a list, in one of the ways it is set; or nothing."""
    return rng.pick(("", f"{title}\n\n", f"{title}:\n", f"**{title}**\n\n"))


def _bulleted(rng: Rng, items: list[str]) -> str:
    mark = rng.pick(("-", "*", "•"))
    return "\n".join(f"{mark} {item}" for item in items)


def alphabetical(rng: Rng) -> MirrorContent:
    """From A to Z, or from Z to A."""
    things = listing(rng, rng.number(4, 6))
    p, q = both("A", "Z")
    rules = (
        f"The list is alphabetical with {p} at the top and {q} at the bottom.",
        f"Sort the entries from {p} to {q}, not from {q} to {p}.",
        f"Alphabetical order, but mind the direction: what is nearer to {p} goes first, what is nearer to {q} last.",
    )
    up, head, marks = sorted(things.items, key=str.lower), _headed(rng, things.title), rng.pick("-*•")
    texts = [head + "\n".join(f"{marks} {item}" for item in items) for items in (up, up[::-1])]
    holds = tuple(found_in_order(items) for items in (up, up[::-1]))
    return settle(
        "A to Z / Z to A", _asked(rng, rules, things.job, things.items), (texts[0], texts[1]), (holds[0], holds[1])
    )


def word_lengths(rng: Rng) -> MirrorContent:
    """The shortest word first, or the longest."""
    things = listing(rng, rng.number(4, 5))
    if any(" " in item for item in things.items) or len({len(item) for item in things.items}) < len(things.items):
        raise Resample
    p, q = both("shortest", "longest")
    rules = (
        f"The {p} word comes first and the {q} last.",
        f"Order the words by their number of letters, {p} on top, {q} at the foot.",
        f"For the poster it should look like a staircase: {p} word in the top row, {q} in the bottom row.",
    )
    up = sorted(things.items, key=len)
    plain = rng.chance()
    texts = ["\n".join(items) if plain else _headed(rng, things.title) + _bulleted(rng, items) for items in (up, up)]
    texts[1] = texts[0].replace("\n".join(up), "\n".join(up[::-1])) if plain else _swapped_lines(texts[0], up)
    holds = tuple(
        f"[w for w in re.findall(r'\\w+', r) if w in {sorted(up)!r}] == {items!r}" for items in (up, up[::-1])
    )
    return settle(
        "shortest first / longest first",
        _asked(rng, rules, things.job, things.items),
        (texts[0], texts[1]),
        (holds[0], holds[1]),
    )


def _swapped_lines(text: str, items: list[str]) -> str:
    """The lines of the items in reverse."""
    lines = text.split("\n")
    head, tail = lines[: -len(items)], lines[-len(items) :]
    return "\n".join(head + tail[::-1])


def numbers_or_letters(rng: Rng) -> MirrorContent:
    """Entries marked 1) 2) 3), or a) b) c)."""
    things = listing(rng, rng.number(3, 5))
    p, q = both("figures", "letters")
    rules = (
        f"Mark the entries with {p} and a closing bracket, never with {q}.",
        f"We refer to the entries by {p} and a bracket in front of them; {q} would get mixed up with our shelf marks.",
        f"In front of every entry: {p}, bracket, space. No {q} there.",
    )
    head = _headed(rng, things.title)
    texts = [
        head + "\n".join(f"{mark}) {item}" for mark, item in zip(marks, things.items, strict=False))
        for marks in ("123456", "abcdef")
    ]
    count = len(things.items)
    holds = (
        f"re.findall(r'(?m)^(\\w)\\) ', r) == list('123456'[:{count}])",
        f"re.findall(r'(?m)^(\\w)\\) ', r) == list('abcdef'[:{count}])",
    )
    return settle("1) 2) 3) / a) b) c)", _asked(rng, rules, things.job, things.items), (texts[0], texts[1]), holds)


def numbers_or_bullets(rng: Rng) -> MirrorContent:
    """A numbered list, or one with bullets."""
    things = listing(rng, rng.number(3, 6))
    p, q = both("numbers", "bullets")
    rules = (
        f"Use {p} in front of the lines instead of {q}.",
        f"A list with {p}. Our template cannot show {q}.",
        f"One line each, with {p}; leave out the {q}.",
    )
    head = _headed(rng, things.title)
    numbered = "\n".join(f"{n}. {item}" for n, item in enumerate(things.items, 1))
    texts = (head + numbered, head + _bulleted(rng, things.items))
    count = len(things.items)
    numbers, bullets = (f"len(re.findall(r'(?m)^{mark} ', r))" for mark in (r"\d+\.", r"[-*•]"))
    holds = (f"({numbers}, {bullets}) == ({count}, 0)", f"({numbers}, {bullets}) == (0, {count})")
    return settle("numbers / bullets", _asked(rng, rules, things.job, things.items), texts, holds)


def separator(rng: Rng) -> MirrorContent:
    """Everything on one line, with one of two signs between."""
    things = listing(rng, rng.number(4, 6))
    names = {"semicolons": ";", "vertical bars": "|", "slashes": "/", "plus signs": "+"}
    one, other = rng.sample(sorted(names), 2)
    p, q = both(one, other)
    rules = (
        f"All on one line with {p} between the entries, no {q} please.",
        f"The label printer breaks at {q}, so separate the entries by {p}, on a single line.",
        f"Single line; {p} as separators, not {q}.",
    )
    start = rng.pick(("", f"{things.title}: "))
    texts = [start + f" {names[name]} ".join(things.items).replace(" ;", ";") for name in (one, other)]
    count = len(things.items) - 1
    holds = tuple(
        f"(r.count({names[a]!r}), r.count({names[b]!r}), len({LINES})) == ({count}, 0, 1)"
        for a, b in ((one, other), (other, one))
    )
    return settle(
        f"{one} / {other}",
        _asked(rng, rules, things.job, things.items),
        (texts[0], texts[1]),
        (holds[0], holds[1]),
    )


def file_names(rng: Rng) -> MirrorContent:
    """File names with hyphens, or with underscores."""
    things, start = listing(rng, rng.number(3, 5)), rng.number(11, 80)
    p, q = both("hyphens", "underscores")
    ending = rng.pick(("jpg", "png", "pdf", "tif"))
    rules = (
        f"In the file names, spaces become {p}, not {q}.",
        f"Our server rejects {q} in file names. Use {p} wherever there would be a space.",
        f"Lower case, {p} for every space, no {q}.",
    )
    jobs = (
        f"Make file names for {things.job}, one .{ending} each, numbered from {start} on: {joined(things.items)}. "
        "The number stands behind the word",
        f"I photographed {things.job} and need a file name for each ({', '.join(things.items)}): the word, "
        f"a running number starting at {start}, the ending {ending}",
        f"name these {ending} files after {things.job}: {', '.join(things.items)}. Word first, then numbers {start} "
        f"to {start + len(things.items) - 1}",
    )
    plain = [f"{item.lower()} {n}" for n, item in enumerate(things.items, start)]
    mark = rng.pick(("", "- ", "* "))
    texts = ["\n".join(f"{mark}{name.replace(' ', gap)}.{ending}" for name in plain) for gap in "-_"]
    names = rf"re.findall(r'\w[\w-]*\.{ending}', r)"
    holds = tuple(
        f"len({names}) == {len(plain)} and all({a!r} in n and {b!r} not in n for n in {names})"
        for a, b in (("-", "_"), ("_", "-"))
    )
    return settle("hyphens / underscores", ask(rng, rules, rng.pick(jobs)), (texts[0], texts[1]), (holds[0], holds[1]))


def signs(rng: Rng) -> MirrorContent:
    """One sign for what is there and another for what is missing, or the other way round."""
    things = listing(rng, rng.number(4, 6), stock=True)
    one, other = rng.sample("+~#*>=", 2)
    p, q = both(one, other)
    rules = (
        f"In front of what is there put {p}, in front of what is missing put {q}.",
        f"A line that opens with {p} stands for what is there, one with {q} for what is missing.",
        f"Our signs: {p} there, {q} missing. One item a line, sign first, then a space.",
    )
    cut = rng.number(1, len(things.items) - 1)
    there, missing = things.items[:cut], things.items[cut:]
    jobs = (
        f"Please write up my check of {things.job}. There: {joined(there)}. Missing: {joined(missing)}",
        f"I went through {things.job}. I found {joined(there)}, but no {joined(missing, 'or')}. Make the list",
        f"i need a list of {things.job}, checked just now. Missing: {', '.join(missing)}; there: {', '.join(there)}",
    )
    order = rng.sample(things.items, len(things.items))
    head = _headed(rng, things.title).replace("*", "")
    pairs = ((one, other), (other, one))
    texts = [head + "\n".join(f"{a if item in there else b} {item}" for item in order) for a, b in pairs]
    holds = tuple(
        f"all(f'{{s}} {{i}}' in {LINES} for s, group in (({a!r}, {there!r}), ({b!r}, {missing!r})) for i in group)"
        for a, b in pairs
    )
    return settle("which sign says there", ask(rng, rules, rng.pick(jobs)), (texts[0], texts[1]), (holds[0], holds[1]))


def title_case(rng: Rng) -> MirrorContent:
    """The title in capitals over items in small letters, or the other way round."""
    things = listing(rng, rng.number(3, 5))
    p, q = both("title", "items")
    rules = (
        f"The {p}: capital letters throughout. The {q}: small letters throughout.",
        f"Set the {p} in all capitals and the {q} in all lower case.",
        f"Only the {p} may be in capitals, and there every letter; the {q} must not have a single one.",
    )
    lower, upper = _bulleted(rng, [item.lower() for item in things.items]), things.title.upper()
    texts = (f"{upper}\n\n{lower}", f"{upper.lower()}\n\n{lower.upper()}")
    holds = tuple(
        f"{LINES}[0].{a}() and all(l.{b}() for l in {LINES}[1:]) and len({LINES}) == {len(things.items) + 1}"
        for a, b in (("isupper", "islower"), ("islower", "isupper"))
    )
    told = _asked(rng, (f'The title is "{things.title}". ' + rng.pick(rules),), things.job, things.items)
    return settle("title in capitals / items in capitals", told, texts, (holds[0], holds[1]))


def rows_of(rng: Rng) -> MirrorContent:
    """Two lines of three, or three lines of two; six items, or eight, or more."""
    few, many = rng.pick(((2, 3), (2, 4), (2, 5)))
    items = listing(rng, few * many)
    p, q = both(NUMBERS[few], NUMBERS[many])
    rules = (
        f"Arrange it as {p} lines with {q} entries each.",
        f"Set them in rows: number of rows {p}, entries in a row {q}.",
        f"The sign has room for {p} lines, so {q} entries on every line.",
    )
    gap = rng.pick((", ", " / ", " | ", "; "))

    def set_in(lines: int) -> str:
        size = len(items.items) // lines
        return "\n".join(gap.join(items.items[n * size : (n + 1) * size]) for n in range(lines))

    counts = f"[l.count({gap.strip()!r}) + 1 for l in {LINES}]"
    holds = (f"{counts} == {[many] * few}", f"{counts} == {[few] * many}")
    rule = f"{rng.pick(rules)} Put {_name(gap)} between them."
    prompts = _asked(rng, (rule,), items.job, items.items)
    return settle(f"{few} lines of {many} / {many} of {few}", prompts, (set_in(few), set_in(many)), holds)


def _name(gap: str) -> str:
    return {",": "commas", "/": "slashes", "|": "vertical bars", ";": "semicolons"}[gap.strip()]


def first_and_last(rng: Rng) -> MirrorContent:
    """Which of two items heads the list, and which ends it."""
    things = listing(rng, rng.number(4, 6))
    one, other = rng.sample(things.items, 2)
    p, q = both(one, other)
    rules = (
        f"{p} goes first, {q} goes last, the rest as you like.",
        f"The list opens with {p} and closes with {q}.",
        f"Top entry {p}, bottom entry {q}; what comes between does not matter.",
    )
    rest = [item for item in things.items if item not in (one, other)]
    head, mark = _headed(rng, things.title), rng.pick("-*•")
    texts = [head + "\n".join(f"{mark} {item}" for item in (a, *rest, b)) for a, b in ((one, other), (other, one))]
    marked = f"[l[2:] for l in {LINES} if l[0] == {mark!r} and l[1] == ' ']"
    ends = f"({marked}[0], {marked}[-1])"
    holds = (f"{ends} == {(one, other)!r}", f"{ends} == {(other, one)!r}")
    return settle("which comes first", _asked(rng, rules, things.job, things.items), (texts[0], texts[1]), holds)


def quotes(rng: Rng) -> MirrorContent:
    """Every item in double quotation marks, or in single ones."""
    things = listing(rng, rng.number(3, 5))
    p, q = both("double", "single")
    rules = (
        f"Each entry in {p} quotation marks, not in {q} ones, separated by commas.",
        f"Our import wants {p} quotes around every entry and commas between; {q} quotes are refused.",
        f"Comma-separated, on one line, with {p} quotes. No {q} quotes anywhere.",
    )
    start = rng.pick(("", f"{things.title}: "))
    texts = [start + ", ".join(f"{mark}{item}{mark}" for item in things.items) for mark in "\"'"]
    count = 2 * len(things.items)
    holds = tuple(f"(r.count('\"'), r.count(\"'\")) == {counts}" for counts in ((count, 0), (0, count)))
    return settle(
        "double quotes / single",
        _asked(rng, rules, things.job, things.items),
        (texts[0], texts[1]),
        (holds[0], holds[1]),
    )


def json_or_lines(rng: Rng) -> MirrorContent:
    """A JSON array, or plain lines."""
    things = listing(rng, rng.number(3, 6))
    p, q = both("a JSON array", "plain lines")
    rules = (
        f"The output is {p}, not {q}.",
        f"Return {p}. The script that reads it chokes on {q}.",
        f"I want {p} (so, not {q}) with one entry per item and nothing else around it.",
    )
    items = things.items
    texts = (json.dumps(items, indent=rng.pick((None, 2, 4))), "\n".join(items))
    holds = (f"json.loads(r) == {items!r}", f"{LINES} == {items!r}")
    return settle("a JSON array / plain lines", _asked(rng, rules, things.job, items), texts, holds)


TEMPLATES: tuple[Template, ...] = (
    alphabetical,
    word_lengths,
    numbers_or_letters,
    numbers_or_bullets,
    separator,
    file_names,
    signs,
    title_case,
    rows_of,
    first_and_last,
    quotes,
    json_or_lines,
)
