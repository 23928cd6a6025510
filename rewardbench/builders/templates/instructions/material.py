"""What the answers are made of: notices, answers in two parts, records and lists, drawn from the files beside."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from rewardbench.builders.draw import Resample, Rng
from rewardbench.builders.templates.instructions.asking import NUMBERS, WEEKDAYS

MONTHS = (
    "January February March April May June July August September October November December".split()
)  # fmt: skip
ASKING = (
    "Write {}",
    "Please write {}",
    "I need {}",
    "Draft {}",
    "Can you do {}?",
    "could you put together {}",
    "we need {}",
)


def kinds(name: str) -> list[dict[str, Any]]:
    """All that a file holds."""
    return list(next(iter(_tables(name).values())))


def short_texts(name: str) -> list[Any]:
    """The texts of one of the moulds on wording."""
    return list(next(iter(_tables("wording")[name].values())))


@cache
def _tables(name: str) -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name(f"{name}.toml").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Notice:
    """A few facts for other people: as jotted down, and as sentences that may stand in any order."""

    job: str
    notes: list[str]
    sentences: list[str]
    hello: str
    sender: str
    short_head: str
    long_head: str
    """Headlines of three words and of four."""
    question: str
    thanks: str
    emoji: list[str]

    @property
    def paste(self) -> str:
        """The jottings, one a line."""
        return "\n".join(self.notes)


def notice(rng: Rng, size: int) -> Notice:
    """One of the notices, with `size` of its facts: what it is about, then the others in the order of the file."""
    kind = rng.pick(kinds("notices"))
    person, sender = rng.people(2)
    time = (
        f"{rng.pick(NUMBERS[7:12])} o'clock" if rng.chance() else f"{rng.number(8, 11)}:{rng.pick(['15', '30', '45'])}"
    )
    fill = {"p": person, "n": NUMBERS[rng.number(3, 9)], "t": time, "day": rng.pick(WEEKDAYS)}
    others = sorted(rng.sample(range(1, len(kind["facts"])), size - 1))
    facts = [kind["facts"][n] for n in (0, *others)]
    heads = {n: rng.pick([head for head in kind["heads"] if len(head.split()) == n]) for n in (3, 4)}
    return Notice(
        job=rng.pick(ASKING[:5]).format(rng.pick(kind["jobs"])),
        notes=[note.format(**fill) for note, _ in facts],
        sentences=[sentence.format(**fill) for _, sentence in facts],
        hello=kind["hello"],
        sender=sender,
        short_head=heads[3],
        long_head=heads[4],
        question=kind["question"],
        thanks=kind["thanks"],
        emoji=rng.sample(kind["emoji"], 2),
    )


@dataclass(frozen=True)
class Sections:
    """An answer in two parts, with what is known for each."""

    job: str
    names: list[str]
    points: list[list[str]]

    @property
    def paste(self) -> str:
        """What is known, as jotted down."""
        return "\n".join(
            f"{name}: " + "; ".join(point.rstrip(".").lower() for point in points)
            for name, points in zip(self.names, self.points, strict=True)
        )


def sections(rng: Rng, size: int) -> Sections:
    """One of the answers in two parts, `size` points in each; the parts in either order."""
    kind = rng.pick(kinds("sections"))
    parts = rng.sample([(kind["names"][0], kind["first"]), (kind["names"][1], kind["second"])], 2)
    return Sections(kind["job"], [name for name, _ in parts], [rng.sample(points, size) for _, points in parts])


@dataclass(frozen=True)
class Record:
    """Who, what, when and how many."""

    who: str
    what: str
    when: date
    number: int

    @property
    def spoken(self) -> str:
        """The date as people write it."""
        return f"{self.when.day} {MONTHS[self.when.month - 1]} {self.when.year}"


@dataclass(frozen=True)
class Records:
    """Rows that people keep."""

    about: str
    fields: list[str]
    rows: list[Record]
    line: str

    @property
    def paste(self) -> str:
        """The rows as jotted down."""
        return "\n".join(
            self.line.format(who=row.who, what=row.what, when=row.spoken, n=row.number) for row in self.rows
        )


def records(rng: Rng, size: int) -> Records:
    """One kind of record, `size` rows; no two share a name, a thing, a date, a month's day or a number."""
    kind = rng.pick(kinds("records"))
    whos, whats = rng.people(size), rng.sample(kind["things"], size)
    numbers = rng.numbers(size, *kind["range"])
    days = [date(2015 + rng.number(0, 10), rng.number(1, 12), rng.number(1, 28)) for _ in whos]
    if len({(day.year, day.month) for day in days}) < size:
        raise Resample
    rows = [Record(*row) for row in zip(whos, whats, days, numbers, strict=True)]
    return Records(rng.pick(kind["about"]), kind["fields"], rows, kind["line"])


@dataclass(frozen=True)
class Listing:
    """Things to list."""

    job: str
    title: str
    items: list[str]


def listing(rng: Rng, size: int, stock: bool = False) -> Listing:
    """One of the lists, `size` of its things in no order; no two open with the same letter.

    `stock` asks for one whose things may be there or missing, with the job and the title for that.
    """
    kind = rng.pick([kind for kind in kinds("lists") if not stock or "stock" in kind])
    items = rng.sample(kind["items"], size)
    if len({item[0].lower() for item in items}) < size or items in (sorted(items), sorted(items, reverse=True)):
        raise Resample
    job, title = kind["stock"] if stock else (kind["job"], kind["title"])
    return Listing(job, title, items)
