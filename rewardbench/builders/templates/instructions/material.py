"""Material of the answers: notices, answers in two sections, records, lists and short texts, from the TOML files here.

For example, `draw_listing` picks a list of `lists.toml` and some of its items:

    Listing(job="the birds we saw from the hide this morning", title="Birds seen", items=["wren", "grebe", "jackdaw"])
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from rewardbench.builders.draw import Resample, Rng
from rewardbench.builders.templates.instructions.rendering import NUMBERS, WEEKDAYS, uncapitalize

MONTHS = (
    "January February March April May June July August September October November December".split()
)  # fmt: skip
REQUESTS = (
    "Write {}",
    "Please write {}",
    "I need {}",
    "Draft {}",
    "Can you do {}?",
    "could you put together {}",
    "we need {}",
)
TEXT_REQUESTS = REQUESTS[:5]
"""Those that fit any text."""


def read_kinds(name: str) -> list[dict[str, Any]]:
    """Return the entries of the file with this name."""
    return list(next(iter(_read_toml(name).values())))


def read_texts(name: str) -> list[Any]:
    """Return the entries of this table in `wording.toml`."""
    return list(next(iter(_read_toml("wording")[name].values())))


@cache
def _read_toml(name: str) -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name(f"{name}.toml").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Notice:
    """Facts for other people, as notes and as sentences that may come in any order."""

    job: str
    notes: str
    """One note per line."""
    sentences: list[str]
    """The notes as sentences."""
    hello: str
    sender: str
    short_head: str
    """A headline of three words."""
    long_head: str
    """A headline of four words."""
    question: str
    thanks: str
    emoji: list[str]

    @property
    def body(self) -> str:
        """The sentences in one paragraph."""
        return " ".join(self.sentences)

    @property
    def short_body(self) -> str:
        """The same with the last two sentences joined to one."""
        *first, second_last, last = self.sentences
        return " ".join([*first, f"{second_last[:-1]}, and {uncapitalize(last)}"])


def draw_notice(rng: Rng, size: int) -> Notice:
    """Return a notice with `size` facts: first its subject, then others in the order of the file."""
    kind = rng.pick(read_kinds("notices"))
    person, sender = rng.people(2)
    fields = {
        "p": person,
        "t": _draw_time(rng),
        "n": NUMBERS[rng.number(3, 9)],
        "day": rng.pick(WEEKDAYS),
    }
    notes, sentences = [], []
    for n in (0, *sorted(rng.sample(range(1, len(kind["facts"])), size - 1))):
        note, sentence = kind["facts"][n]
        notes.append(note.format(**fields))
        sentences.append(sentence.format(**fields))
    return Notice(
        short_head=_draw_headline(rng, kind["heads"], 3),
        long_head=_draw_headline(rng, kind["heads"], 4),
        job=rng.pick(TEXT_REQUESTS).format(rng.pick(kind["jobs"])),
        notes="\n".join(notes),
        sentences=sentences,
        hello=kind["hello"],
        sender=sender,
        question=kind["question"],
        thanks=kind["thanks"],
        emoji=rng.sample(kind["emoji"], 2),
    )


def _draw_time(rng: Rng) -> str:
    if rng.chance():
        return f"{rng.pick(NUMBERS[7:12])} o'clock"
    return f"{rng.number(8, 11)}:{rng.pick(['15', '30', '45'])}"


def _draw_headline(rng: Rng, headlines: Sequence[str], num_words: int) -> str:
    return rng.pick([headline for headline in headlines if len(headline.split()) == num_words])


@dataclass(frozen=True)
class Sections:
    """An answer in two sections: the points of each, as sentences."""

    job: str
    names: list[str]
    points: list[list[str]]

    @property
    def notes(self) -> str:
        """The points as notes, one section per line."""
        lines = []
        for name, points in zip(self.names, self.points, strict=True):
            lines.append(f"{name}: " + "; ".join(point.rstrip(".").lower() for point in points))
        return "\n".join(lines)


def draw_sections(rng: Rng, size: int) -> Sections:
    """Return an answer in two sections, in either order, with `size` points each."""
    kind = rng.pick(read_kinds("sections"))
    named_points = list(zip(kind["names"], (kind["first"], kind["second"]), strict=True))
    (name_1, points_1), (name_2, points_2) = rng.sample(named_points, 2)
    return Sections(kind["job"], [name_1, name_2], [rng.sample(points_1, size), rng.sample(points_2, size)])


@dataclass(frozen=True)
class Record:
    """Who, what, when and how many."""

    who: str
    what: str
    when: date
    number: int

    @property
    def long_date(self) -> str:
        """The date as people write it, such as 4 June 2020."""
        return f"{self.when.day} {MONTHS[self.when.month - 1]} {self.when.year}"

    def format(self, template: str) -> str:
        """Return a template with places {who}, {what}, {when} and {n}, filled with this record."""
        return template.format(who=self.who, what=self.what, when=self.long_date, n=self.number)


@dataclass(frozen=True)
class Records:
    """Records of one kind."""

    about: str
    fields: list[str]
    """What its users call who, what, when and the number."""
    rows: list[Record]
    line: str
    """Template of a record in the notes (see `Record.format`)."""

    @property
    def notes(self) -> str:
        """The records as notes, one per line."""
        return self.format_lines(self.line)

    @property
    def names(self) -> list[str]:
        """`who` of each record."""
        return [row.who for row in self.rows]

    def format_lines(self, template: str) -> str:
        """Return one line for each record, in this template (see `Record.format`)."""
        return "\n".join(row.format(template) for row in self.rows)


def draw_records(rng: Rng, size: int) -> Records:
    """Return `size` records of one kind; no two have the same who, what, month of a year, or number."""
    kind = rng.pick(read_kinds("records"))
    people, items = rng.people(size), rng.sample(kind["things"], size)
    numbers = rng.numbers(size, *kind["range"])
    rows, months = [], set()
    for who, what, number in zip(people, items, numbers, strict=True):
        when = date(2015 + rng.number(0, 10), rng.number(1, 12), rng.number(1, 28))
        rows.append(Record(who, what, when, number))
        months.add((when.year, when.month))
    if len(months) < size:
        raise Resample
    return Records(rng.pick(kind["about"]), kind["fields"], rows, kind["line"])


@dataclass(frozen=True)
class Listing:
    """Items to list."""

    job: str
    title: str
    items: list[str]


def draw_listing(rng: Rng, size: int, stock: bool = False) -> Listing:
    """Return a list with `size` items in no order; no two start with the same letter.

    Args:
        rng: picks the list and the items.
        size: number of items.
        stock: pick a list whose items may be present or missing, with the job and title for that.
    """
    kinds = read_kinds("lists")
    if stock:
        kinds = [kind for kind in kinds if "stock" in kind]
    kind = rng.pick(kinds)
    items = rng.sample(kind["items"], size)
    initials = {item[0].lower() for item in items}
    if len(initials) < size or items in (sorted(items), sorted(items, reverse=True)):
        raise Resample
    job, title = kind["stock"] if stock else (kind["job"], kind["title"])
    return Listing(job, title, items)
