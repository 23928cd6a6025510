"""Templates about records: their format (CSV, JSON, table, list), their order, their columns, what is emphasized.

The user gives records as notes, and a rule on their format. In a rule, {p} and {q} are the two alternatives that the
prompts swap. For example, `json_shape`:

    prompt a: Hello! Can you format the cheeses that ripen in our cellar for me? JSON with the fields "dairymaker" and
        "wheels". The top level is an array of objects, not an object of arrays.

        All I know:
        60 wheels of goat from Simone, made 3 April 2015
        55 wheels of smoked from Anouk, made 4 January 2021
    prompt b: the same, but "The top level is an object of arrays, not an array of objects."
    response x, right for a: [{"dairymaker": "Simone", "wheels": 60}, {"dairymaker": "Anouk", "wheels": 55}]
    response y, right for b: {"dairymaker": ["Simone", "Anouk"], "wheels": [60, 55]}
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Sequence
from dataclasses import replace

from rewardbench.builders.draw import MirrorContent, Resample, Rng, Template
from rewardbench.builders.prompts import swapped
from rewardbench.builders.templates.instructions.material import Record, Records, draw_records
from rewardbench.builders.templates.instructions.rendering import (
    LINES,
    both_ways,
    for_both,
    in_order,
    make_mirror,
    make_prompts,
)
from rewardbench.types import Messages

JOBS = (
    "These are {about}. Put them in shape for me",
    "Make a clean copy of {about} for our files",
    "I copied {about} from the notebook. Tidy that up for me",
    "Can you format {about} for me?",
    "please set out {about} for the next meeting",
    "Here are {about}; tidy them up",
)


CELLS = f"[[c.strip() for c in l.strip('|').split('|')] for l in {LINES}]"
"""Expression for the cells of a Markdown table, row by row."""


def _record_prompts(rng: Rng, rules: Sequence[str], records: Records, casual: bool = True) -> tuple[Messages, Messages]:
    job = rng.pick(JOBS).format(about=records.about)
    return make_prompts(rng, rules, job, records.notes, casual=casual)


def _without_accents(name: str) -> str:
    """Return a name as it is sorted in an English list."""
    return unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()


def _markdown_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = []
    for row in (header, ["---"] * len(header), *rows):
        lines.append(f"| {' | '.join(map(str, row))} |")
    return "\n".join(lines)


def _name_number_rows(rows: Sequence[Record]) -> list[tuple[str, int]]:
    return [(row.who, row.number) for row in rows]


def _name_item_number_rows(records: Records) -> list[tuple[str, str, int]]:
    return [(row.who, row.what, row.number) for row in records.rows]


def csv_columns(rng: Rng) -> MirrorContent:
    """Ask for one column of a CSV file first and another last, or the reverse."""
    records = draw_records(rng, rng.number(3, 4))
    left, middle, right = rng.sample((0, 1, 3), 3)
    centre = records.fields[middle]
    p, q = swapped(records.fields[left], records.fields[right])
    rules = (
        f"CSV, three columns, {p} first, {centre} in the middle, {q} last, with a header line.",
        f"Output CSV with a header. Leftmost column: {p}. Rightmost column: {q}. Between them: {centre}.",
        f"Columns of the CSV from left to right: {p},{centre},{q}. Include that header.",
    )
    lines = [records.fields]
    for row in records.rows:
        lines.append([row.who, row.what, row.long_date, str(row.number)])

    def columns(first: int, last: int) -> list[list[str]]:
        return [[line[first], line[middle], line[last]] for line in lines]

    def response(first: int, last: int) -> str:
        return "\n".join(map(",".join, columns(first, last)))

    def condition(first: int, last: int) -> str:
        header, first_row, *_ = columns(first, last)
        header_holds = f"[l.split(',') for l in {LINES}][0] == {header!r}"
        return f"{header_holds} and {LINES}[1].split(',') == {first_row!r}"

    return make_mirror(
        "which column comes first",
        _record_prompts(rng, rules, records),
        both_ways(response, left, right),
        both_ways(condition, left, right),
    )


def json_key(rng: Rng) -> MirrorContent:
    """Ask for a JSON object from person to item, or from item to person."""
    records = draw_records(rng, rng.number(3, 4))
    first, second = records.fields[:2]
    p, q = swapped(first, second)
    rules = (
        f"One flat JSON object: the keys are the {p}, the values are the {q}.",
        f"JSON that maps each {p} to the {q}, as one flat object.",
        f"I look things up by {p} and want to get the {q} back; return a single JSON object.",
    )
    by_person, by_item = {}, {}
    for row in records.rows:
        by_person[row.who] = row.what
        by_item[row.what] = row.who
    indent = rng.pick((None, 2, 4))
    prompts = _record_prompts(rng, rules, records, casual=False)
    responses = (_to_json(by_person, indent), _to_json(by_item, indent))
    conditions = (f"json.loads(r) == {by_person!r}", f"json.loads(r) == {by_item!r}")
    return make_mirror(f"{first} to {second} / {second} to {first}", prompts, responses, conditions)


def _to_json(value: object, indent: int | None) -> str:
    return json.dumps(value, indent=indent, ensure_ascii=False)


def json_shape(rng: Rng) -> MirrorContent:
    """Ask for a JSON array of records or a JSON object of columns."""
    records = draw_records(rng, rng.number(2, 3))
    keys = (records.fields[0], records.fields[3])
    p, q = swapped("an array of objects", "an object of arrays")
    rules = (
        f'JSON with the fields "{keys[0]}" and "{keys[1]}". The top level is {p}, not {q}.',
        f'Return {p} in JSON (not {q}); fields "{keys[0]}" and "{keys[1]}".',
        f'The reader expects "{keys[0]}" and "{keys[1]}" in JSON as {p}. It would crash on {q}.',
    )
    by_row = [dict(zip(keys, values, strict=True)) for values in _name_number_rows(records.rows)]
    by_column = {key: [row[key] for row in by_row] for key in keys}
    responses = (_to_json(by_row, rng.pick((None, 2))), _to_json(by_column, rng.pick((None, 2))))
    conditions = (f"json.loads(r) == {by_row!r}", f"json.loads(r) == {by_column!r}")
    prompts = _record_prompts(rng, rules, records, casual=False)
    return make_mirror("an array of objects / an object of arrays", prompts, responses, conditions)


def table_or_list(rng: Rng) -> MirrorContent:
    """Ask for a Markdown table or a list."""
    records = draw_records(rng, rng.number(3, 4))
    who, what, _, number = records.fields
    p, q = swapped("table", "list")
    rules = (
        f"Make it a Markdown {p} with {who}, {what} and {number}; no {q}, please.",
        f"A {p}, not a {q}: {who}, {what}, {number}.",
        f"Our page shows a {p} well and a {q} badly, so give me {who}, {what} and {number} in the form that works.",
    )
    mark = rng.pick("-*")
    responses = (
        _markdown_table((who, what, number), _name_item_number_rows(records)),
        records.format_lines(f"{mark} {who}: {{who}}, {what}: {{what}}, {number}: {{n}}"),
    )
    size = len(records.rows)
    counts = f"(sum(l[0] == '|' for l in {LINES}), sum(l[0] in '-*' for l in {LINES}))"
    conditions = (f"{counts} == ({size + 2}, 0)", f"{counts} == (0, {size})")
    return make_mirror("a table / a list", _record_prompts(rng, rules, records), responses, conditions)


def newest_first(rng: Rng) -> MirrorContent:
    """Ask for the newest record first or the oldest."""
    records = draw_records(rng, rng.number(3, 5))
    who, what, _, _ = records.fields
    p, q = swapped("newest", "oldest")
    rules = (
        f"Sort by date, {p} on top, {q} at the bottom. Give date, {who} and {what}.",
        f"The {p} comes first and the {q} last; one line each with date, {who}, {what}.",
        f"In a list of date, {who} and {what}, the {q} must close the list and the {p} open it.",
    )
    newest_first = replace(records, rows=sorted(records.rows, key=lambda row: row.when, reverse=True))
    oldest_first = replace(records, rows=newest_first.rows[::-1])
    template = rng.pick(("- ", "* ", "", "• ")) + "{when}, {who}, {what}"
    if records in (newest_first, oldest_first):
        raise Resample
    responses = (newest_first.format_lines(template), oldest_first.format_lines(template))
    conditions = for_both(in_order, newest_first.names, oldest_first.names)
    return make_mirror("newest first / oldest first", _record_prompts(rng, rules, records), responses, conditions)


def sort_column(rng: Rng) -> MirrorContent:
    """Ask for records sorted by name or by number."""
    records = draw_records(rng, rng.number(3, 5))
    who, _, _, number = records.fields
    p, q = swapped(who, number)
    rules = (
        f"Just {who} and {number}, sorted by {p} and not by {q} (names from A to Z, numbers upwards).",
        f"Show {who} and {number}. Sort by {p}, not by {q}: alphabetically where that is a name, smallest first "
        "where it is a number.",
        f"Rows with {who} and {number}. The {p} must be in ascending order (A before B, 1 before 2), the {q} need not "
        f"be.",
    )
    by_name = replace(records, rows=sorted(records.rows, key=lambda row: _without_accents(row.who)))
    by_number = replace(records, rows=sorted(records.rows, key=lambda row: row.number))
    if by_name.names[0] == by_number.names[0] or records in (by_name, by_number):
        raise Resample
    is_table, mark = rng.chance(), rng.pick(("- ", "", "* "))

    def response(ordered: Records) -> str:
        if is_table:
            return _markdown_table((who, number), _name_number_rows(ordered.rows))
        return ordered.format_lines(mark + "{who}: {n}")

    conditions = for_both(in_order, by_name.names, by_number.names)
    prompts = _record_prompts(rng, rules, records)
    return make_mirror(f"by {who} / by {number}", prompts, for_both(response, by_name, by_number), conditions)


def total_line(rng: Rng) -> MirrorContent:
    """Ask for the total above or below the records."""
    records = draw_records(rng, rng.number(3, 5))
    who, what, _, number = records.fields
    p, q = swapped("above", "below")
    rules = (
        f"List {who}, {what} and {number}; the total of all {number} belongs {p} the rows, not {q} them.",
        f"One row each ({who}, {what}, {number}). Add them up and put the total {p} the rows. Please not {q}.",
        f"Rows with {who}, {what}, {number}. Whoever looks {p} them finds the total; {q} them there is none.",
    )
    total = f"Total: {sum(row.number for row in records.rows)}"
    body = records.format_lines(rng.pick(("- ", "* ", "", "• ")) + "{who}, {what}, {n}")
    gap = rng.pick(("\n", "\n\n"))
    responses = (f"{total}{gap}{body}", f"{body}{gap}{total}")
    conditions = (f"{LINES}[0] == {total!r}", f"{LINES}[-1] == {total!r}")
    return make_mirror("total above / below", _record_prompts(rng, rules, records), responses, conditions)


def transposed(rng: Rng) -> MirrorContent:
    """Ask for a table with people as rows or as columns."""
    records = draw_records(rng, rng.number(2, 3))
    who, what, _, number = records.fields
    p, q = swapped("rows", "columns")
    rules = (
        f"A Markdown table where the people are the {p} and {what} and {number} are the {q}.",
        f"As a table. The {p} are the people, the {q} are {what} and {number}.",
        f"Lay the table out so that {what} and {number} make the {q} and the people make the {p}.",
    )
    rows = _name_item_number_rows(records)
    name_row, item_row, number_row = zip((who, what, number), *rows, strict=True)
    responses = (
        _markdown_table((who, what, number), rows),
        _markdown_table(name_row, [item_row, number_row]),
    )
    names = records.names
    conditions = (f"[c[0] for c in {CELLS}][2:] == {names!r}", f"{CELLS}[0][1:] == {names!r}")
    return make_mirror("people as rows / as columns", _record_prompts(rng, rules, records), responses, conditions)


def brackets_or_quotes(rng: Rng) -> MirrorContent:
    """Ask for names in brackets and items in quotation marks, or the reverse."""
    records = draw_records(rng, rng.number(3, 4))
    who, what, _, number = records.fields
    p, q = swapped("round brackets", "quotation marks")
    rules = (
        f"One line each with {who}, {what}, {number}; the {who} in {p}, the {what} in {q}.",
        f"Use {p} for every {who} and {q} for every {what}; the {number} stay bare.",
        f"Line by line. What goes in {p} is the {who}; what goes in {q} is the {what}. The {number} come at the end.",
    )
    mark = rng.pick(("- ", "* ", "", "• "))
    responses = (
        records.format_lines(mark + '({who}) "{what}" {n}'),
        records.format_lines(mark + '"{who}" ({what}) {n}'),
    )
    names, items = records.names, [row.what for row in records.rows]
    matches = r"(re.findall(r'\((.*?)\)', r), re.findall(r'\"(.*?)\"', r))"
    conditions = (f"{matches} == {(names, items)!r}", f"{matches} == {(items, names)!r}")
    return make_mirror(
        "names in brackets / in quotation marks", _record_prompts(rng, rules, records), responses, conditions
    )


def bold_column(rng: Rng) -> MirrorContent:
    """Ask for bold names or bold numbers."""
    records = draw_records(rng, rng.number(3, 4))
    who, _, _, number = records.fields
    p, q = swapped(who, number)
    rules = (
        f"In a list of {who} and {number}, only the {p} should be bold, the {q} plain.",
        f"List {who} and {number}. Bold (two asterisks): {p}. Plain: {q}.",
        f"Show {who} with {number}; put every {p} between double asterisks and leave the {q} without.",
    )
    mark, link = rng.pick(("- ", "", "• ")), rng.pick((": ", " – ", ", "))

    responses = (
        records.format_lines(f"{mark}**{{who}}**{link}{{n}}"),
        records.format_lines(f"{mark}{{who}}{link}**{{n}}**"),
    )
    bold = r"re.findall(r'\*\*(.*?)\*\*', r)"
    conditions = (f"{bold} == {records.names!r}", f"{bold} == {[str(row.number) for row in records.rows]!r}")
    return make_mirror(f"{who} in bold / {number} in bold", _record_prompts(rng, rules, records), responses, conditions)


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
