"""Second verifier of grounded reports: reads the table out of the prompt and the figures out of each sentence.

It uses nothing of the check. Each sentence is matched with a grammar of its own; what a phrase says about a column is
in `grounded_phrases.toml`. A sentence with a digit or a value of the table that does not match is an error.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Callable
from functools import cache
from operator import itemgetter
from pathlib import Path

from rewardbench.verifiers.cells import BrokenCheck, Cell, cell_by_cell
from rewardbench.verifiers.hard.points_second import LEADS, has_most, play_points

SheetRow = dict[str, str]
Test = Callable[[SheetRow], bool]

MONTH = {name: n for n, name in enumerate(("March", "April", "May", "June", "July", "August"), 3)}
LINK = re.compile(r"^(?:Also|Beyond that|In addition|What is more|Besides|Next), ")
SENTENCE = re.compile(r"(?<=[.?!])\s+")
KEY = r"(?P<{}>[#A-Z][A-Z0-9-]*\d)"


@cache
def _phrases() -> tuple[list[list[str]], set[str]]:
    content = tomllib.loads(Path(__file__).with_name("grounded_phrases.toml").read_text(encoding="utf-8"))
    return content["phrases"], set(content["clock"])


def _moment(text: str) -> tuple[int, int, int, int]:
    """Return month, day, hour and minute of "14 May 07:42", "07:42 on 14 May" or "07:42"."""
    clock = re.search(r"(\d\d):(\d\d)", text)
    date = re.search(r"(\d+) ([A-Z][a-z]+)", text)
    if not clock:
        raise BrokenCheck(f"no time in {text!r}")
    month, day = (MONTH[date[2]], int(date[1])) if date else (0, 0)
    return month, day, int(clock[1]), int(clock[2])


class Sheet:
    """The table of a prompt, and the phrases that its columns allow."""

    def __init__(self, prompt: str) -> None:
        self.prompt = prompt
        self.records = _read_table(prompt)
        self.by_key = dict(zip(self.column("key"), self.records, strict=True))
        if len(self.by_key) != len(self.records) or not self.records:
            raise BrokenCheck("the keys of the table are not unique")
        phrases, self.clock = _phrases()
        self.phrases: list[list[str]] = []
        self.verbs: list[str] = []
        self.amounts: list[str] = []
        for column, before, after in phrases:
            if column in self.records[0]:
                self.phrases.append([column, before, after])
                self.verbs.append(before)
                if after:
                    self.amounts.append(rf"{before} \d+ {after}")

    def column(self, heading: str) -> list[str]:
        """Return the cells of a column."""
        return [record[heading] for record in self.records]

    def read(self, phrase: str) -> tuple[str, str]:
        """Return the column that a phrase is about, and the text of the value in it."""
        candidates = []
        for column, before, after in self.phrases:
            match = re.fullmatch(rf"{before} (.+?)(?: {after})?" if after else rf"{before} (.+)", phrase)
            if match and (not after or phrase.endswith(after)) and self._fits(column, match[1]):
                candidates.append((column, match[1]))
        if len(candidates) != 1:
            raise BrokenCheck(f"{phrase!r} fits {len(candidates)} columns")
        return candidates[0]

    def _fits(self, column: str, value: str) -> bool:
        """Return True if a text can be a value or a bound of a column."""
        if column in self.clock:
            return bool(re.match(r"(at|before|after) \d\d:\d\d", value))
        if self.records[0][column].isdigit():
            return bool(re.fullmatch(r"(more than |at most )?\d+", value))
        return value in self.column(column)

    def test(self, phrase: str) -> Test:
        """Return the test of a record that a phrase such as "weighed more than 12 kg" states."""
        column, value = self.read(phrase)
        if column in self.clock:
            word, moment = value.split(" ", 1)
            bound = _moment(moment)
            if word == "at":
                return lambda record: _moment(record[column]) == bound
            if word == "before":
                return lambda record: _moment(record[column]) < bound
            return lambda record: _moment(record[column]) > bound
        if value.startswith("more than "):
            return lambda record: int(record[column]) > int(value[10:])
        if value.startswith("at most "):
            return lambda record: int(record[column]) <= int(value[8:])
        return lambda record: record[column] == value

    def where(self, phrases: str) -> list[SheetRow]:
        """Return the records that meet one phrase, or two joined by "and"."""
        records = self.records
        for phrase in phrases.split(" and "):
            records = list(filter(self.test(phrase), records))
        return records

    def amount(self, phrase: str) -> tuple[str, int]:
        """Return the column and the number of a phrase such as "weighed 12 kg"."""
        column, value = self.read(phrase)
        return column, int(value)

    def moment_or_number(self, record: SheetRow, column: str) -> tuple[int, ...]:
        """Return a cell in a form that sorts."""
        return _moment(record[column]) if column in self.clock else (int(record[column]),)


def _read_table(prompt: str) -> list[SheetRow]:
    """Return the rows of the table in a prompt; the first column, a row's name, is called "key"."""
    lines = list(map(str.strip, prompt.split("\n")))
    logged = list(filter(None, map(re.compile(r"\[(.+?)\] (\S+): (.+)").fullmatch, lines)))
    if logged:
        return list(map(_logged, logged))
    for separator, is_row in ((r" \| ", r"\| (?!---)"), (r"; ", r"\* .*;|Each line has: ")):
        rows = list(filter(re.compile(is_row).match, lines))
        if rows:
            plain = re.sub(r"(?m)^\* |^Each line has: |^\| | \|$", "", "\n".join(rows))
            return _records(list(map(re.compile(separator).split, plain.split("\n"))))
    for separator in (r",", r" {2,}"):
        table = list(filter(_is_row, map(re.compile(separator).split, lines)))
        for n, cells in enumerate(table):
            if not re.search(r"[\d ]", "".join(cells)):
                return _records(table[n:])
    raise BrokenCheck("no table in the prompt")


def _is_row(cells: list[str]) -> bool:
    """Return True if the parts of a line are the cells of a row, rather than parts of a sentence."""
    return len(cells) == 6 and not any(cell.startswith(" ") for cell in cells)


def _records(rows: list[list[str]]) -> list[SheetRow]:
    header = ["key", *map(str.strip, rows[0][1:])]
    records = []
    for row in rows[1:]:
        records.append(dict(zip(header, map(str.strip, row), strict=True)))
    return records


def _logged(match: re.Match[str]) -> SheetRow:
    record = {"key": match[2]}
    for pair in match[3].split(", "):
        column, value = pair.split("=")
        record[column] = value
    return record | dict.fromkeys(_phrases()[1] - set(record), match[1])


def _has(sheet: Sheet, key: str, says: str) -> bool:
    return sheet.by_key[key] in sheet.where(says.replace("; it also ", " and "))


def _sums(sheet: Sheet, says: str, *groups: str) -> tuple[int, list[int]]:
    column, n = sheet.amount(says)
    totals = []
    for group in groups:
        totals.append(sum(map(int, map(itemgetter(column), sheet.where(group)))))
    return n, totals


def _total(sheet: Sheet, c: str, says: str) -> bool:
    n, (total,) = _sums(sheet, says, c)
    return total == n


def _total_lead(sheet: Sheet, c: str, c2: str, says: str) -> bool:
    n, (total, other) = _sums(sheet, says, c, c2)
    return total - other == n


def _extreme(sheet: Sheet, key: str, c: str, says: str, rank: str) -> bool:
    """Return True if the row has this value and all others of the group a smaller (or larger) one."""
    row, column = sheet.by_key[key], sheet.read(says)[0]
    value, group = sheet.moment_or_number(row, column), sheet.where(c)
    if row not in group or not sheet.test(says)(row):
        return False
    values = [sheet.moment_or_number(record, column) for record in group]
    best = max(values) if rank in ("highest", "latest", "Last") else min(values)
    return best == value and values.count(best) == 1


RANKS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh")


def _figures(sheet: Sheet, group: str, column: str) -> Counter[int]:
    """Return how often each figure of a column occurs in a group."""
    return Counter(map(int, map(itemgetter(column), sheet.where(group))))


def _rank(sheet: Sheet, c: str, column: str, nth: str, end: str, n: str) -> bool:
    """Return True if a figure takes this place: fewer figures lie beyond it, and enough beyond it or equal to it."""
    figures, figure, place = _figures(sheet, c, column), int(n), RANKS.index(nth) + 1
    beyond = sum(times for other, times in figures.items() if (other > figure if end == "highest" else other < figure))
    return beyond < place <= beyond + figures[figure]


def _median(sheet: Sheet, c: str, column: str, n: str) -> bool:
    """Return True if a figure is the mean of the two in the middle, which are the same if their number is odd."""
    ordered = list(_figures(sheet, c, column).elements())
    ordered.sort()
    while len(ordered) > 2:
        ordered = ordered[1:-1]
    return bool(ordered) and sum(ordered) == int(n) * len(ordered)


def _distinct(sheet: Sheet, c: str, column: str, n: str) -> bool:
    return len(Counter(map(itemgetter(column), sheet.where(c)))) == int(n)


def _run(sheet: Sheet, c: str, n: str) -> bool:
    """Return True if the longest run of "1" in the list's pattern of 0 and 1 has this length."""
    meets = sheet.test(c)
    pattern = "".join("01"[meets(record)] for record in sheet.records)
    return len(max(pattern.split("0"), key=len)) == int(n)


def _before(sheet: Sheet, key: str, key2: str, verb: str, order: str) -> bool:
    column, _ = sheet.read(f"{verb} at 00:00")
    first, second = _moment(sheet.by_key[key][column]), _moment(sheet.by_key[key2][column])
    return first < second if order == "earlier" else first > second


def _gap(sheet: Sheet, key: str, key2: str, says: str) -> bool:
    column, n = sheet.amount(says)
    return int(sheet.by_key[key][column]) == int(sheet.by_key[key2][column]) + n


def _leads(sheet: Sheet, names: str, leader: str) -> bool:
    accounts = play_points(sheet.prompt, sheet.records, _moment)
    return has_most(accounts, re.split(r", | and ", names), leader)


GROUP = r"(?:\w+) that (?P<c>.+?)"
COLUMN = r"\"(?P<column>[^\"]+)\""
RULES: tuple[tuple[str, Callable[..., bool]], ...] = (
    (
        rf"With equal figures counted one by one, the (?P<nth>\w+) (?P<end>\w+) entry under {COLUMN} among the {GROUP}"
        r" is (?P<n>\d+)",
        _rank,
    ),
    (
        rf"Sort the {GROUP} by {COLUMN}, keep equal figures apart, and the (?P<nth>\w+) (?P<end>\w+) is (?P<n>\d+)",
        _rank,
    ),
    (rf"The median of {COLUMN} over the {GROUP} is (?P<n>\d+)", _median),
    (rf"Half-way up the sorted {COLUMN} figures of the {GROUP} stands (?P<n>\d+)", _median),
    (rf"The {GROUP} have (?P<n>\d+) different entries under {COLUMN}", _distinct),
    (rf"Under {COLUMN}, (?P<n>\d+) different entries occur among the {GROUP}", _distinct),
    (rf"In the order of the list, the longest unbroken run of {GROUP} is (?P<n>\d+) long", _run),
    (r"Going down the list, as many as (?P<n>\d+) \w+ in a row (?P<c>.+), and never more", _run),
    (rf"\w+ {KEY.format('key')} (?P<verb>.+?) (?P<order>earlier|later) than {KEY.format('key2')}", _before),
    (rf"\w+ {KEY.format('key')} (?P<says>.+), the (?P<rank>highest|lowest) figure among the {GROUP}", _extreme),
    (rf"\w+ {KEY.format('key')} (?P<says>.+) more than {KEY.format('key2')}", _gap),
    (rf"Compared with {KEY.format('key2')}, \w+ {KEY.format('key')} (?P<says>.+) more", _gap),
    (rf"Among the {GROUP}, the (?P<rank>\w+) figure belongs to {KEY.format('key')}, which (?P<says>.+)", _extreme),
    (rf"The (?P<rank>earliest|latest) of the {GROUP} is {KEY.format('key')}, which (?P<says>.+)", _extreme),
    (rf"(?P<rank>First|Last) in time among the {GROUP} is {KEY.format('key')}, which (?P<says>.+)", _extreme),
    (rf"\w+ {KEY.format('key')} (?P<says>.+), according to the list", _has),
    (rf"(?:\w+|As for \w+) {KEY.format('key')},? (?:it )?(?P<says>.+)", _has),
    (rf"I count (?P<n>\d+) {GROUP}", lambda sheet, n, c: len(sheet.where(c)) == int(n)),
    (rf"The list has (?P<n>\d+) {GROUP}", lambda sheet, n, c: len(sheet.where(c)) == int(n)),
    (rf"The number of {GROUP} comes to (?P<n>\d+)", lambda sheet, n, c: len(sheet.where(c)) == int(n)),
    (r"In all, (?P<n>\d+) \w+ (?P<c>.+)", lambda sheet, n, c: len(sheet.where(c)) == int(n)),
    (
        rf"(?:Of|Looking at) the {GROUP}, (?:I find that )?(?P<n>\d+) (?P<c2>.+)",
        lambda sheet, n, c, c2: len(sheet.where(f"{c} and {c2}")) == int(n),
    ),
    (rf"(?:None|Not one) of the {GROUP} (?P<c2>VERB .+)", lambda sheet, c, c2: not sheet.where(f"{c} and {c2}")),
    (
        rf"(?:Every|Without exception, the) {GROUP} (?P<c2>VERB .+)",
        lambda sheet, c, c2: sheet.where(c) == sheet.where(f"{c} and {c2}"),
    ),
    (
        r"By number, (?P<n>\d+) more \w+ (?P<c>.+) than (?P<c2>VERB .+)",
        lambda sheet, n, c, c2: len(sheet.where(c)) == len(sheet.where(c2)) + int(n),
    ),
    (
        rf"The {GROUP} outnumber those that (?P<c2>.+) by (?P<n>\d+)",
        lambda sheet, n, c, c2: len(sheet.where(c)) == len(sheet.where(c2)) + int(n),
    ),
    (rf"(?:In sum, the|The) {GROUP} (?P<says>AMOUNT) more (?:in total )?than those that (?P<c2>.+)", _total_lead),
    *[(pattern, _leads) for pattern in LEADS],
    (rf"(?:Added up|Taken together), the {GROUP} (?P<says>AMOUNT)", _total),
    (rf"The {GROUP} (?P<says>AMOUNT) in total", _total),
)
"""Sentences without their full stop, and what they state. VERB is any beginning of a phrase, AMOUNT any
phrase with a number and its unit."""


def _states_truth(sheet: Sheet, sentence: str) -> bool:
    """Return True if what a sentence states is true of the table."""
    plain = LINK.sub("", sentence).rstrip(".")
    plain = plain[0].upper() + plain[1:]
    verbs, amounts = "|".join(sheet.verbs), "|".join(sheet.amounts)
    for pattern, holds in RULES:
        match = re.fullmatch(pattern.replace("VERB", f"(?:{verbs})").replace("AMOUNT", amounts), plain)
        if match:
            return holds(sheet, **match.groupdict())
    raise BrokenCheck(f"cannot read {sentence!r}")


def _has_figures(sentence: str) -> bool:
    """Return True if a sentence names a number or a row group, so that it states something about the table."""
    pattern = r"\d|None of|Not one of|Every |Without exception|Among|First in|Last in|most|ends ahead"
    return bool(re.search(pattern, sentence))


def _is_true_report(cell: Cell) -> bool:
    sheet = Sheet(cell.prompt)
    sentences = list(filter(_has_figures, SENTENCE.split(cell.response)))
    if not sentences:
        raise BrokenCheck("the response states nothing")
    truths = [_states_truth(sheet, sentence) for sentence in sentences]
    return all(truths)


verify_grounded_again = cell_by_cell(_is_true_report)
