"""Moulds on records: the shape they are given, what they are sorted by, which column stands where."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Sequence

from rewardbench.builders.draw import MirrorContent, Resample, Rng, Template
from rewardbench.builders.templates.instructions.asking import LINES, ask, both, found_in_order, settle
from rewardbench.builders.templates.instructions.material import Record, Records, records
from rewardbench.types import Messages

JOBS = (
    "These are {about}. Put them in shape for me",
    "Make a clean copy of {about} for our files",
    "I copied {about} from the notebook. Tidy that up for me",
    "Can you format {about} for me?",
    "please set out {about} for the next meeting",
    "Here are {about}; tidy them up",
)


def _asked(rng: Rng, rules: Sequence[str], rows: Records, casual: bool = True) -> tuple[Messages, Messages]:
    return ask(rng, rules, rng.pick(JOBS).format(about=rows.about), rows.paste, casual=casual)


def _plain(name: str) -> str:
    """A name without its accents, as it is looked up."""
    return unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()


def _table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    cells = [list(heads), ["---"] * len(heads)] + [[str(cell) for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


def csv_columns(rng: Rng) -> MirrorContent:
    """CSV with one column first and another last, or the other way round."""
    rows = records(rng, rng.number(3, 4))
    one, middle, other = rng.sample((0, 1, 3), 3)
    first, last = rows.fields[one], rows.fields[other]
    p, q = both(first, last)
    rules = (
        f"CSV, three columns, {p} first, {rows.fields[middle]} in the middle, {q} last, with a header line.",
        f"Output CSV with a header. Leftmost column: {p}. Rightmost column: {q}. Between them: {rows.fields[middle]}.",
        f"Columns of the CSV from left to right: {p},{rows.fields[middle]},{q}. Include that header.",
    )
    values = [(row.who, row.what, row.spoken, str(row.number)) for row in rows.rows]

    def csv(columns: Sequence[int]) -> str:
        lines = [[rows.fields[n] for n in columns], *([row[n] for n in columns] for row in values)]
        return "\n".join(",".join(line) for line in lines)

    orders = ((one, middle, other), (other, middle, one))
    holds = tuple(
        f"[l.split(',') for l in {LINES}][0] == {[rows.fields[n] for n in order]!r}"
        f" and {LINES}[1].split(',') == {[values[0][n] for n in order]!r}"
        for order in orders
    )
    told = _asked(rng, rules, rows)
    return settle("which column comes first", told, (csv(orders[0]), csv(orders[1])), (holds[0], holds[1]))


def json_key(rng: Rng) -> MirrorContent:
    """A JSON object from person to thing, or from thing to person."""
    rows = records(rng, rng.number(3, 4))
    first, second = rows.fields[:2]
    p, q = both(first, second)
    rules = (
        f"One flat JSON object: the keys are the {p}, the values are the {q}.",
        f"JSON that maps each {p} to the {q}, as one flat object.",
        f"I look things up by {p} and want to get the {q} back; return a single JSON object.",
    )
    forth = {row.who: row.what for row in rows.rows}
    back = {what: who for who, what in forth.items()}
    indent = rng.pick((None, 2, 4))
    texts = (json.dumps(forth, indent=indent, ensure_ascii=False), json.dumps(back, indent=indent, ensure_ascii=False))
    holds = (f"json.loads(r) == {forth!r}", f"json.loads(r) == {back!r}")
    return settle(f"{first} to {second} / {second} to {first}", _asked(rng, rules, rows, False), texts, holds)


def json_shape(rng: Rng) -> MirrorContent:
    """One JSON object of columns, or an array of rows."""
    rows = records(rng, rng.number(2, 3))
    keys = (rows.fields[0], rows.fields[3])
    p, q = both("an array of objects", "an object of arrays")
    rules = (
        f'JSON with the fields "{keys[0]}" and "{keys[1]}". The top level is {p}, not {q}.',
        f'Return {p} in JSON (not {q}); fields "{keys[0]}" and "{keys[1]}".',
        f'The reader expects "{keys[0]}" and "{keys[1]}" in JSON as {p}. It would crash on {q}.',
    )
    by_row = [{keys[0]: row.who, keys[1]: row.number} for row in rows.rows]
    by_column = {key: [row[key] for row in by_row] for key in keys}
    texts = tuple(json.dumps(held, indent=rng.pick((None, 2)), ensure_ascii=False) for held in (by_row, by_column))
    holds = (f"json.loads(r) == {by_row!r}", f"json.loads(r) == {by_column!r}")
    told = _asked(rng, rules, rows, False)
    return settle("an array of objects / an object of arrays", told, (texts[0], texts[1]), holds)


def table_or_list(rng: Rng) -> MirrorContent:
    """A Markdown table, or a list."""
    rows = records(rng, rng.number(3, 4))
    who, what, _, number = rows.fields
    p, q = both("table", "list")
    rules = (
        f"Make it a Markdown {p} with {who}, {what} and {number}; no {q}, please.",
        f"A {p}, not a {q}: {who}, {what}, {number}.",
        f"Our page shows a {p} well and a {q} badly, so give me {who}, {what} and {number} in the form that works.",
    )
    mark = rng.pick("-*")
    texts = (
        _table((who, what, number), [(row.who, row.what, row.number) for row in rows.rows]),
        "\n".join(f"{mark} {who}: {row.who}, {what}: {row.what}, {number}: {row.number}" for row in rows.rows),
    )
    count = len(rows.rows)
    barred, marked = f"sum(l[0] == '|' for l in {LINES})", f"sum(l[0] in '-*' for l in {LINES})"
    holds = (f"({barred}, {marked}) == ({count + 2}, 0)", f"({barred}, {marked}) == (0, {count})")
    return settle("a table / a list", _asked(rng, rules, rows), texts, holds)


def newest_first(rng: Rng) -> MirrorContent:
    """The newest on top, or the oldest."""
    rows = records(rng, rng.number(3, 5))
    who, what, _, _ = rows.fields
    p, q = both("newest", "oldest")
    rules = (
        f"Sort by date, {p} on top, {q} at the bottom. Give date, {who} and {what}.",
        f"The {p} comes first and the {q} last; one line each with date, {who}, {what}.",
        f"In a list of date, {who} and {what}, the {q} must close the list and the {p} open it.",
    )
    down = sorted(rows.rows, key=lambda row: row.when, reverse=True)
    mark = rng.pick(("- ", "* ", "", "• "))
    lines = [f"{mark}{row.spoken}, {row.who}, {row.what}" for row in down]
    names = [row.who for row in down]
    holds = (found_in_order(names), found_in_order(names[::-1]))
    if rows.rows in (down, down[::-1]):
        raise Resample
    texts = ("\n".join(lines), "\n".join(lines[::-1]))
    return settle("newest first / oldest first", _asked(rng, rules, rows), texts, holds)


def sort_column(rng: Rng) -> MirrorContent:
    """Sorted by name, or by number."""
    rows = records(rng, rng.number(3, 5))
    who, _, _, number = rows.fields
    p, q = both(who, number)
    rules = (
        f"Just {who} and {number}, sorted by {p} and not by {q} (names from A to Z, numbers upwards).",
        f"Show {who} and {number}. Sort by {p}, not by {q}: alphabetically where that is a name, smallest first "
        "where it is a number.",
        f"Rows with {who} and {number}. The {p} must be in ascending order (A before B, 1 before 2), the {q} need not "
        f"be.",
    )
    by_name = sorted(rows.rows, key=lambda row: _plain(row.who))
    by_number = sorted(rows.rows, key=lambda row: row.number)
    orders = [[row.who for row in order] for order in (by_name, by_number)]
    if orders[0][0] == orders[1][0] or [row.who for row in rows.rows] in orders:
        raise Resample
    tabled, mark = rng.chance(), rng.pick(("- ", "", "* "))

    def show(order: list[Record]) -> str:
        if tabled:
            return _table((who, number), [(row.who, row.number) for row in order])
        return "\n".join(f"{mark}{row.who}: {row.number}" for row in order)

    holds = (found_in_order(orders[0]), found_in_order(orders[1]))
    return settle(f"by {who} / by {number}", _asked(rng, rules, rows), (show(by_name), show(by_number)), holds)


def total_line(rng: Rng) -> MirrorContent:
    """The total above the lines, or below them."""
    rows = records(rng, rng.number(3, 5))
    who, what, _, number = rows.fields
    p, q = both("above", "below")
    rules = (
        f"List {who}, {what} and {number}; the total of all {number} belongs {p} the rows, not {q} them.",
        f"One row each ({who}, {what}, {number}). Add them up and put the total {p} the rows. Please not {q}.",
        f"Rows with {who}, {what}, {number}. Whoever looks {p} them finds the total; {q} them there is none.",
    )
    total = f"Total: {sum(row.number for row in rows.rows)}"
    mark = rng.pick(("- ", "* ", "", "• "))
    body = "\n".join(f"{mark}{row.who}, {row.what}, {row.number}" for row in rows.rows)
    gap = rng.pick(("\n", "\n\n"))
    holds = (f"{LINES}[0] == {total!r}", f"{LINES}[-1] == {total!r}")
    texts = (f"{total}{gap}{body}", f"{body}{gap}{total}")
    return settle("total above / below", _asked(rng, rules, rows), texts, holds)


def transposed(rng: Rng) -> MirrorContent:
    """People as rows and fields as columns, or the other way round."""
    rows = records(rng, rng.number(2, 3))
    who, what, _, number = rows.fields
    p, q = both("rows", "columns")
    rules = (
        f"A Markdown table where the people are the {p} and {what} and {number} are the {q}.",
        f"As a table. The {p} are the people, the {q} are {what} and {number}.",
        f"Lay the table out so that {what} and {number} make the {q} and the people make the {p}.",
    )
    upright = _table((who, what, number), [(row.who, row.what, row.number) for row in rows.rows])
    lying = _table(
        (who, *(row.who for row in rows.rows)),
        [(what, *(row.what for row in rows.rows)), (number, *(row.number for row in rows.rows))],
    )
    names = [row.who for row in rows.rows]
    cells = f"[[c.strip() for c in l.strip('|').split('|')] for l in {LINES}]"
    holds = (f"[c[0] for c in {cells}][2:] == {names!r}", f"{cells}[0][1:] == {names!r}")
    return settle("people as rows / as columns", _asked(rng, rules, rows), (upright, lying), holds)


def brackets_or_quotes(rng: Rng) -> MirrorContent:
    """Names in round brackets and things in quotation marks, or the other way round."""
    rows = records(rng, rng.number(3, 4))
    who, what, _, number = rows.fields
    p, q = both("round brackets", "quotation marks")
    rules = (
        f"One line each with {who}, {what}, {number}; the {who} in {p}, the {what} in {q}.",
        f"Use {p} for every {who} and {q} for every {what}; the {number} stay bare.",
        f"Line by line. What goes in {p} is the {who}; what goes in {q} is the {what}. The {number} come at the end.",
    )
    mark = rng.pick(("- ", "* ", "", "• "))

    def lines(names: str, things: str) -> str:
        told = (f"{mark}{names.format(row.who)} {things.format(row.what)} {row.number}" for row in rows.rows)
        return "\n".join(told)

    texts = (lines("({})", '"{}"'), lines('"{}"', "({})"))
    names, things = [row.who for row in rows.rows], [row.what for row in rows.rows]
    found = r"(re.findall(r'\((.*?)\)', r), re.findall(r'\"(.*?)\"', r))"
    holds = (f"{found} == {(names, things)!r}", f"{found} == {(things, names)!r}")
    return settle("names in brackets / in quotation marks", _asked(rng, rules, rows), texts, holds)


def bold_column(rng: Rng) -> MirrorContent:
    """Names in bold and numbers plain, or the other way round."""
    rows = records(rng, rng.number(3, 4))
    who, _, _, number = rows.fields
    p, q = both(who, number)
    rules = (
        f"In a list of {who} and {number}, only the {p} should be bold, the {q} plain.",
        f"List {who} and {number}. Bold (two asterisks): {p}. Plain: {q}.",
        f"Show {who} with {number}; put every {p} between double asterisks and leave the {q} without.",
    )
    mark, link = rng.pick(("- ", "", "• ")), rng.pick((": ", " – ", ", "))

    def lines(name: str, value: str) -> str:
        return "\n".join(f"{mark}{name.format(row.who)}{link}{value.format(row.number)}" for row in rows.rows)

    texts = (lines("**{}**", "{}"), lines("{}", "**{}**"))
    bold = r"re.findall(r'\*\*(.*?)\*\*', r)"
    names, values = [row.who for row in rows.rows], [str(row.number) for row in rows.rows]
    holds = (f"{bold} == {names!r}", f"{bold} == {values!r}")
    return settle(f"{who} in bold / {number} in bold", _asked(rng, rules, rows), texts, holds)


TEMPLATES: tuple[Template, ...] = (
    csv_columns,
    json_key,
    json_shape,
    table_or_list,
    newest_first,
    sort_column,
    total_line,
    transposed,
    brackets_or_quotes,
    bold_column,
)
