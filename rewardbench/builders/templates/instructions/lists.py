"""Templates about lists: order of the items, marks before them, separators, letter case, items per line.

The user gives items, and a rule on the form of the list. In a rule, {p} and {q} are the two alternatives that the
prompts swap. For example, `json_or_lines`:

    prompt a: Hi! Can you make a clean list from this? Topic: the birds we saw from the hide this morning. I have wren,
        grebe and jackdaw. The output is a JSON array, not plain lines.
    prompt b: the same, but "The output is plain lines, not a JSON array."
    response x, right for a: ["wren", "grebe", "jackdaw"]
    response y, right for b: the same words, one per line
"""

from __future__ import annotations

import json

from rewardbench.builders.draw import MirrorContent, Resample, Rng, Template
from rewardbench.builders.prompts import join_words, swapped
from rewardbench.builders.templates.instructions.material import Listing, draw_listing
from rewardbench.builders.templates.instructions.rendering import (
    LINES,
    NUMBERS,
    both_ways,
    bullets,
    for_both,
    in_order,
    make_mirror,
    make_prompts,
    numbered,
)
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


MARKS = "-*•"


def _list_prompts(rng: Rng, rules: tuple[str, ...], listing: Listing) -> tuple[Messages, Messages]:
    job = rng.pick(JOBS)
    items = join_words(listing.items) if "I have" in job or rng.chance() else ", ".join(listing.items)
    return make_prompts(rng, rules, job.format(job=listing.job, items=items))


def _draw_heading(rng: Rng, title: str) -> str:
    """Return the title above a list in one of several formats, or nothing."""
    return rng.pick(("", f"{title}\n\n", f"{title}:\n", f"**{title}**\n\n"))


def alphabetical(rng: Rng) -> MirrorContent:
    """Ask for the alphabetical order, from A to Z or from Z to A."""
    listing = draw_listing(rng, rng.number(4, 6))
    p, q = swapped("A", "Z")
    rules = (
        f"The list is alphabetical with {p} at the top and {q} at the bottom.",
        f"Sort the entries from {p} to {q}, not from {q} to {p}.",
        f"Alphabetical order, but mind the direction: what is nearer to {p} goes first, what is nearer to {q} last.",
    )
    ascending, heading, mark = sorted(listing.items, key=str.lower), _draw_heading(rng, listing.title), rng.pick(MARKS)
    descending = ascending[::-1]
    prompts = _list_prompts(rng, rules, listing)
    responses = (heading + bullets(mark, ascending), heading + bullets(mark, descending))
    return make_mirror("A to Z / Z to A", prompts, responses, for_both(in_order, ascending, descending))


def word_lengths(rng: Rng) -> MirrorContent:
    """Ask for the shortest word first or the longest."""
    listing = draw_listing(rng, rng.number(4, 5))
    lengths = set(map(len, listing.items))
    if " " in "".join(listing.items) or len(lengths) < len(listing.items):
        raise Resample
    p, q = swapped("shortest", "longest")
    rules = (
        f"The {p} word comes first and the {q} last.",
        f"Order the words by their number of letters, {p} on top, {q} at the foot.",
        f"For the poster it should look like a staircase: {p} word in the top row, {q} in the bottom row.",
    )
    ascending = sorted(listing.items, key=len)
    heading, mark = "", ""
    is_plain = rng.chance()
    if not is_plain:
        heading, mark = _draw_heading(rng, listing.title), rng.pick(MARKS)
        _draw_heading(rng, listing.title), rng.pick(MARKS)  # unused; without them, later choices would change

    def response(words: list[str]) -> str:
        return "\n".join(words) if is_plain else heading + bullets(mark, words)

    def condition(words: list[str]) -> str:
        return f"[w for w in re.findall(r'\\w+', r) if w in {sorted(words)!r}] == {words!r}"

    return make_mirror(
        "shortest first / longest first",
        _list_prompts(rng, rules, listing),
        for_both(response, ascending, ascending[::-1]),
        for_both(condition, ascending, ascending[::-1]),
    )


def numbers_or_letters(rng: Rng) -> MirrorContent:
    """Ask for the marks 1) 2) 3) or a) b) c) before the items."""
    listing = draw_listing(rng, rng.number(3, 5))
    p, q = swapped("figures", "letters")
    rules = (
        f"Mark the entries with {p} and a closing bracket, never with {q}.",
        f"We refer to the entries by {p} and a bracket in front of them; {q} would get mixed up with our shelf marks.",
        f"In front of every entry: {p}, bracket, space. No {q} there.",
    )
    heading = _draw_heading(rng, listing.title)

    def response(marks: str) -> str:
        return heading + "\n".join(f"{mark}) {item}" for mark, item in zip(marks, listing.items, strict=False))

    def condition(marks: str) -> str:
        return f"re.findall(r'(?m)^(\\w)\\) ', r) == list('{marks}'[:{len(listing.items)}])"

    return make_mirror(
        "1) 2) 3) / a) b) c)",
        _list_prompts(rng, rules, listing),
        for_both(response, "123456", "abcdef"),
        for_both(condition, "123456", "abcdef"),
    )


def numbers_or_bullets(rng: Rng) -> MirrorContent:
    """Ask for numbers or bullets before the items."""
    listing = draw_listing(rng, rng.number(3, 6))
    p, q = swapped("numbers", "bullets")
    rules = (
        f"Use {p} in front of the lines instead of {q}.",
        f"A list with {p}. Our template cannot show {q}.",
        f"One line each, with {p}; leave out the {q}.",
    )
    heading, mark = _draw_heading(rng, listing.title), rng.pick(MARKS)
    responses = (heading + numbered(listing.items), heading + bullets(mark, listing.items))
    size = len(listing.items)
    counts = r"(len(re.findall(r'(?m)^\d+\. ', r)), len(re.findall(r'(?m)^[-*•] ', r)))"
    conditions = (f"{counts} == ({size}, 0)", f"{counts} == (0, {size})")
    return make_mirror("numbers / bullets", _list_prompts(rng, rules, listing), responses, conditions)


def separator(rng: Rng) -> MirrorContent:
    """Ask for one of two separators between items on one line."""
    listing = draw_listing(rng, rng.number(4, 6))
    signs = {"semicolons": ";", "vertical bars": "|", "slashes": "/", "plus signs": "+"}
    left, right = rng.sample(sorted(signs), 2)
    p, q = swapped(left, right)
    rules = (
        f"All on one line with {p} between the entries, no {q} please.",
        f"The label printer breaks at {q}, so separate the entries by {p}, on a single line.",
        f"Single line; {p} as separators, not {q}.",
    )
    start = rng.pick(("", f"{listing.title}: "))

    def response(sign: str) -> str:
        return start + f" {sign} ".join(listing.items).replace(" ;", ";")

    def condition(sign: str, wrong_sign: str) -> str:
        return f"(r.count({sign!r}), r.count({wrong_sign!r}), len({LINES})) == ({len(listing.items) - 1}, 0, 1)"

    return make_mirror(
        f"{left} / {right}",
        _list_prompts(rng, rules, listing),
        for_both(response, signs[left], signs[right]),
        both_ways(condition, signs[left], signs[right]),
    )


def file_names(rng: Rng) -> MirrorContent:
    """Ask for hyphens or underscores in file names."""
    listing, start = draw_listing(rng, rng.number(3, 5)), rng.number(11, 80)
    p, q = swapped("hyphens", "underscores")
    ending = rng.pick(("jpg", "png", "pdf", "tif"))
    rules = (
        f"In the file names, spaces become {p}, not {q}.",
        f"Our server rejects {q} in file names. Use {p} wherever there would be a space.",
        f"Lower case, {p} for every space, no {q}.",
    )
    jobs = (
        f"Make file names for {listing.job}, one .{ending} each, numbered from {start} on: "
        f"{join_words(listing.items)}. The number stands behind the word",
        f"I photographed {listing.job} and need a file name for each ({', '.join(listing.items)}): the word, "
        f"a running number starting at {start}, the ending {ending}",
        f"name these {ending} files after {listing.job}: {', '.join(listing.items)}. Word first, then numbers {start} "
        f"to {start + len(listing.items) - 1}",
    )
    mark = rng.pick(("", "- ", "* "))
    file_name_matches = rf"re.findall(r'\w[\w-]*\.{ending}', r)"

    def response(gap: str) -> str:
        lines = []
        for n, item in enumerate(listing.items, start):
            name = f"{item.lower()} {n}".replace(" ", gap)
            lines.append(f"{mark}{name}.{ending}")
        return "\n".join(lines)

    def condition(gap: str, wrong_gap: str) -> str:
        has_gap = f"all({gap!r} in n and {wrong_gap!r} not in n for n in {file_name_matches})"
        return f"len({file_name_matches}) == {len(listing.items)} and {has_gap}"

    return make_mirror(
        "hyphens / underscores",
        make_prompts(rng, rules, rng.pick(jobs)),
        for_both(response, "-", "_"),
        both_ways(condition, "-", "_"),
    )


def signs(rng: Rng) -> MirrorContent:
    """Ask for one sign before present items and another before missing ones, or the reverse."""
    listing = draw_listing(rng, rng.number(4, 6), stock=True)
    left, right = rng.sample("+~#*>=", 2)
    p, q = swapped(left, right)
    rules = (
        f"In front of what is there put {p}, in front of what is missing put {q}.",
        f"A line that opens with {p} stands for what is there, one with {q} for what is missing.",
        f"Our signs: {p} there, {q} missing. One item a line, sign first, then a space.",
    )
    cut = rng.number(1, len(listing.items) - 1)
    present, missing = listing.items[:cut], listing.items[cut:]
    jobs = (
        f"Please write up my check of {listing.job}. There: {join_words(present)}. Missing: {join_words(missing)}",
        f"I went through {listing.job}. I found {join_words(present)}, but no {join_words(missing, 'or')}. "
        "Make the list",
        f"i need a list of {listing.job}, checked just now. Missing: {', '.join(missing)}; there: {', '.join(present)}",
    )
    order = rng.sample(listing.items, len(listing.items))
    heading = _draw_heading(rng, listing.title).replace("*", "")

    def response(present_sign: str, missing_sign: str) -> str:
        return heading + "\n".join(f"{present_sign if item in present else missing_sign} {item}" for item in order)

    def condition(present_sign: str, missing_sign: str) -> str:
        groups = f"(({present_sign!r}, {present!r}), ({missing_sign!r}, {missing!r}))"
        return f"all(f'{{s}} {{i}}' in {LINES} for s, group in {groups} for i in group)"

    return make_mirror(
        "which sign says there",
        make_prompts(rng, rules, rng.pick(jobs)),
        both_ways(response, left, right),
        both_ways(condition, left, right),
    )


def title_case(rng: Rng) -> MirrorContent:
    """Ask for the title in capitals and the items in lower case, or the reverse."""
    listing = draw_listing(rng, rng.number(3, 5))
    p, q = swapped("title", "items")
    rules = (
        f"The {p}: capital letters throughout. The {q}: small letters throughout.",
        f"Set the {p} in all capitals and the {q} in all lower case.",
        f"Only the {p} may be in capitals, and there every letter; the {q} must not have a single one.",
    )
    items, title = bullets(rng.pick(MARKS), listing.items), listing.title
    responses = (f"{title.upper()}\n\n{items.lower()}", f"{title.lower()}\n\n{items.upper()}")

    def condition(title_case: str, items_case: str) -> str:
        cases = f"{LINES}[0].{title_case}() and all(l.{items_case}() for l in {LINES}[1:])"
        return f"{cases} and len({LINES}) == {len(listing.items) + 1}"

    prompts = _list_prompts(rng, (f'The title is "{title}". ' + rng.pick(rules),), listing)
    conditions = both_ways(condition, "isupper", "islower")
    return make_mirror("title in capitals / items in capitals", prompts, responses, conditions)


def rows_of(rng: Rng) -> MirrorContent:
    """Ask for few lines of many items, or many lines of few items."""
    few, many = rng.pick(((2, 3), (2, 4), (2, 5)))
    listing = draw_listing(rng, few * many)
    p, q = swapped(NUMBERS[few], NUMBERS[many])
    rules = (
        f"Arrange it as {p} lines with {q} entries each.",
        f"Set them in rows: number of rows {p}, entries in a row {q}.",
        f"The sign has room for {p} lines, so {q} entries on every line.",
    )
    gap = rng.pick((", ", " / ", " | ", "; "))

    def response(num_lines: int, line_size: int) -> str:
        lines = []
        for n in range(num_lines):
            lines.append(gap.join(listing.items[n * line_size : (n + 1) * line_size]))
        return "\n".join(lines)

    counts = f"[l.count({gap.strip()!r}) + 1 for l in {LINES}]"
    conditions = (f"{counts} == {[many] * few}", f"{counts} == {[few] * many}")
    gap_name = {",": "commas", "/": "slashes", "|": "vertical bars", ";": "semicolons"}[gap.strip()]
    rule = f"{rng.pick(rules)} Put {gap_name} between them."
    return make_mirror(
        f"{few} lines of {many} / {many} of {few}",
        _list_prompts(rng, (rule,), listing),
        both_ways(response, few, many),
        conditions,
    )


def first_and_last(rng: Rng) -> MirrorContent:
    """Ask for one item at the start and another at the end, or the reverse."""
    listing = draw_listing(rng, rng.number(4, 6))
    left, right = rng.sample(listing.items, 2)
    p, q = swapped(left, right)
    rules = (
        f"{p} goes first, {q} goes last, the rest as you like.",
        f"The list opens with {p} and closes with {q}.",
        f"Top entry {p}, bottom entry {q}; what comes between does not matter.",
    )
    middle = [item for item in listing.items if item not in (left, right)]
    heading, mark = _draw_heading(rng, listing.title), rng.pick(MARKS)

    def response(first: str, last: str) -> str:
        return heading + bullets(mark, [first, *middle, last])

    items = f"[l[2:] for l in {LINES} if l[0] == {mark!r} and l[1] == ' ']"
    ends = f"({items}[0], {items}[-1])"
    conditions = (f"{ends} == {(left, right)!r}", f"{ends} == {(right, left)!r}")
    prompts = _list_prompts(rng, rules, listing)
    return make_mirror("which comes first", prompts, both_ways(response, left, right), conditions)


def quotes(rng: Rng) -> MirrorContent:
    """Ask for double or single quotation marks."""
    listing = draw_listing(rng, rng.number(3, 5))
    p, q = swapped("double", "single")
    rules = (
        f"Each entry in {p} quotation marks, not in {q} ones, separated by commas.",
        f"Our import wants {p} quotes around every entry and commas between; {q} quotes are refused.",
        f"Comma-separated, on one line, with {p} quotes. No {q} quotes anywhere.",
    )
    start = rng.pick(("", f"{listing.title}: "))

    def response(quote: str) -> str:
        return start + ", ".join(f"{quote}{item}{quote}" for item in listing.items)

    counts, expected = "(r.count('\"'), r.count(\"'\"))", 2 * len(listing.items)
    conditions = (f"{counts} == {(expected, 0)}", f"{counts} == {(0, expected)}")
    prompts = _list_prompts(rng, rules, listing)
    return make_mirror("double quotes / single", prompts, for_both(response, '"', "'"), conditions)


def json_or_lines(rng: Rng) -> MirrorContent:
    """Ask for a JSON array or plain lines."""
    listing = draw_listing(rng, rng.number(3, 6))
    p, q = swapped("a JSON array", "plain lines")
    rules = (
        f"The output is {p}, not {q}.",
        f"Return {p}. The script that reads it chokes on {q}.",
        f"I want {p} (so, not {q}) with one entry per item and nothing else around it.",
    )
    items = listing.items
    responses = (json.dumps(items, indent=rng.pick((None, 2, 4))), "\n".join(items))
    conditions = (f"json.loads(r) == {items!r}", f"{LINES} == {items!r}")
    return make_mirror("a JSON array / plain lines", _list_prompts(rng, rules, listing), responses, conditions)


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
