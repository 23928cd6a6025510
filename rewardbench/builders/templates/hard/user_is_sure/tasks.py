"""Tasks with a computed result: their texts with two settings of one operand."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from rewardbench.builders.draw import Resample, Rng
from rewardbench.verifiers.cells import BrokenCheck
from rewardbench.verifiers.hard.user_is_sure import MONTHS, WEEKDAYS, balance

WORDS = """
    acorn almond anchor autumn banana basket beetle bridge butter candle carpet cellar cheese copper cotton desert
    dinner eleven engine escape fennel ferret fields flower forest garden ginger goblet hammer harbor helmet honeybee
    insect island jacket jungle kettle ladder lantern lemon letter linen marble meadow mirror needle nettle nutmeg
    orange orchard oyster pebble pepper pigeon planet pocket quarter quiver raisin reindeer ribbon saddle seventeen
    shelter silver spider stable summer teapot temple thistle timber tunnel turnip umbrella velvet vessel walnut
    weather whistle willow window winter yellow
""".split()
"""Words of the letter counts, all in lower case."""


@cache
def read_texts(name: str) -> Mapping[str, Any]:
    """Return the content of a TOML file of this package."""
    return tomllib.loads(Path(__file__).with_name(f"{name}.toml").read_text(encoding="utf-8"))


LONG = 12
"""Number of operands from which the single steps are harder: working days, fractions of a percent, larger factors."""


@dataclass(frozen=True)
class Task:
    """A computation with two settings of its operands."""

    name: str
    fixed: dict[str, Any]
    operands: tuple[list[Any], list[Any]]
    texts: tuple[str, str]
    """The question with the operands of each setting."""


def _change(rng: Rng, operands: list[Any], options: Callable[[Any], Any]) -> tuple[list[Any], list[Any]]:
    """Return the operands, and a copy in which one has another value."""
    place = rng.number(0, len(operands) - 1)
    other = list(operands)
    other[place] = options(operands[place])
    if other == operands:
        raise Resample
    return operands, other


def _lines(rng: Rng) -> Callable[[list[str]], str]:
    """Choose how numbered lines look."""
    mark = rng.pick(("{}) ", "{}. ", "#{} "))

    def write(items: list[str]) -> str:
        return "\n".join(mark.format(n) + item for n, item in enumerate(items, 1))

    return write


def _units(rng: Rng, n: int) -> Task:
    scene = rng.pick(read_texts("scenes")["units"]["scenes"])
    ratio, (large, small) = scene["ratio"], scene["units"]
    step = 5 if ratio == 1000 else 1
    amounts = []
    for _ in range(n):
        amounts.append([rng.number(1, scene["high"]), rng.number(1, ratio - 1, step)])
    settings = _change(rng, amounts, lambda amount: [amount[0], rng.number(1, ratio - 1, step)])
    write = _lines(rng)
    texts = []
    for operands in settings:
        texts.append(scene["text"].format(lines=write([f"{a} {large} {b} {small}" for a, b in operands])))
    return Task("units", {"ratio": ratio, "units": [large, small]}, settings, (texts[0], texts[1]))


def _dates(rng: Rng, n: int) -> Task:
    scene = rng.pick(read_texts("scenes")["dates"]["scenes"])
    note = rng.pick(read_texts("scenes")["dates"]["notes"])
    year, month, day = rng.number(2015, 2031), rng.number(1, 12), rng.number(1, 28)
    start = f"{day} {MONTHS[month - 1]} {year}"
    intervals: list[Any] = []
    for _ in range(n):
        kind = "working days" if n >= LONG and rng.chance() else "days"
        intervals.append([kind, rng.number(9, 120)])
    settings = _change(rng, intervals, lambda interval: [interval[0], interval[1] + rng.pick((-3, -2, -1, 1, 2, 3))])
    write = _lines(rng)
    texts = []
    for operands in settings:
        text = scene["text"].format(start=start, lines=write([f"{days} {kind} later" for kind, days in operands]))
        texts.append(f"{text}\n{note}" if n >= LONG else text)
    return Task("dates", {"start": f"{year}-{month:02d}-{day:02d}"}, settings, (texts[0], texts[1]))


def _letters(rng: Rng, n: int) -> Task:
    scene = rng.pick(read_texts("scenes")["letters"]["scenes"])
    letter = rng.pick("eetanirl")
    lines = []
    for _ in range(n):
        lines.append(" ".join(rng.sample(WORDS, 5)))

    def exchange(line: str) -> str:
        words = line.split()
        words[rng.number(0, 4)] = rng.pick(WORDS)
        return " ".join(words)

    settings = _change(rng, lines, exchange)
    write = _lines(rng)
    texts = [scene["text"].format(letter=letter, lines=write(operands)) for operands in settings]
    return Task("letters", {"letter": letter}, settings, (texts[0], texts[1]))


CODE = """x = {x}
for k in range(1, {end}):
    if k % {divisor} == 0:
        x = x + {add}
    else:
        x = ({factor} * x + k) % {modulus}
print(x)"""


def _loop(rng: Rng, n: int) -> Task:
    scene = rng.pick(read_texts("scenes")["loop"]["scenes"])
    fixed = {"passes": n, "divisor": rng.number(2, 5), "modulus": rng.pick((83, 89, 97, 101, 103))}
    start, add, factor = rng.number(11, 79), rng.number(21, 80), rng.number(2, 7)
    if n >= LONG:
        fixed["modulus"], factor = rng.pick((877, 887, 907, 911, 919)), rng.number(12, 38)
    changed = rng.number(21, 80)
    settings = ([start, add, factor], rng.pick(([changed, add, factor], [start, changed, factor])))
    fences = rng.pick(("{}", "```python\n{}\n```"))
    texts = []
    for x, extra, times in settings:
        code = CODE.format(x=x, add=extra, factor=times, end=n + 1, **fixed)
        texts.append(scene["text"].format(code=fences.format(code)))
    return Task("loop", fixed, settings, (texts[0], texts[1]))


def _balance(rng: Rng, n: int) -> Task:
    scene = rng.pick(read_texts("scenes")["balance"]["scenes"])
    start = rng.number(20000, 90000)
    entries: list[Any] = []
    for _ in range(n):
        if rng.chance(0.4):
            percent = rng.pick((-8, -5, -3, -2, 2, 3, 4, 6)) * 100
            entries.append(["percent", percent + (5 * rng.number(-15, 15) if n >= LONG else 0)])
        else:
            entries.append(["amount", rng.number(500, 15000) * rng.pick((-1, 1))])
    settings = _change(rng, entries, lambda entry: [entry[0], _other_value(rng, entry)])
    try:
        list(map(partial(balance, {"start": start}), settings))
    except BrokenCheck:
        raise Resample from None
    write = _lines(rng)
    texts = []
    for operands in settings:
        lines = write([_entry_text(kind, value) for kind, value in operands])
        texts.append(scene["text"].format(start=f"{start / 100:.2f}", lines=lines))
    return Task("balance", {"start": start}, settings, (texts[0], texts[1]))


def _other_value(rng: Rng, entry: list[Any]) -> int:
    kind, value = entry
    if kind == "percent":
        return int(value + rng.pick((-100, 100)) if value % 100 == 0 else value + rng.pick((-10, 10)))
    return int(value + rng.pick((-90, 10, 100)))


def _entry_text(kind: str, value: int) -> str:
    sign = "minus" if value < 0 else "plus"
    amount = f"{abs(value) / 100:g} percent" if kind == "percent" else f"{abs(value) / 100:.2f}"
    return f"{sign} {amount}"


def _flights(rng: Rng, n: int) -> Task:
    scene = rng.pick(read_texts("scenes")["flights"]["scenes"])
    day, minute, zone = rng.number(0, 6), 5 * rng.number(0, 287), rng.number(-9, 12)
    legs = []
    for _ in range(n):
        legs.append([5 * rng.number(14, 170), 5 * rng.number(9, 120), rng.number(-9, 12)])
    settings = _change(rng, legs, lambda leg: [leg[0] + 5 * rng.pick((-7, -3, 3, 5, 12)), *leg[1:]])
    write = _lines(rng)
    start = f"{WEEKDAYS[day]} at {minute // 60:02d}:{minute % 60:02d} (UTC{zone:+d})"
    texts = []
    for operands in settings:
        lines = []
        for flight, wait, landing in operands:
            lines.append(f"{_clock(flight)} in the air, landing at UTC{landing:+d}, then a wait of {_clock(wait)}")
        texts.append(scene["text"].format(start=start, lines=write(lines)))
    return Task("flights", {"day": day, "minute": minute, "zone": zone}, settings, (texts[0], texts[1]))


def _clock(minutes: int) -> str:
    return f"{minutes // 60} h {minutes % 60} min"


def _digits(rng: Rng, n: int) -> Task:
    scene = rng.pick(read_texts("scenes")["digits"]["scenes"])
    digits = list(str(rng.number(10 ** (n - 1), 10**n - 1)))
    settings = _change(rng, digits, lambda digit: str(rng.number(1, 9)))
    texts = [scene["text"].format(number="".join(operands)) for operands in settings]
    return Task("digits", {}, settings, (texts[0], texts[1]))


DRAW: Mapping[str, tuple[Callable[[Rng, int], Task], tuple[int, int, int, int]]] = {
    "units": (_units, (3, 8, 20, 60)),
    "dates": (_dates, (2, 5, 12, 30)),
    "letters": (_letters, (2, 5, 16, 40)),
    "loop": (_loop, (4, 9, 20, 50)),
    "balance": (_balance, (3, 7, 15, 36)),
    "flights": (_flights, (1, 2, 8, 20)),
    "digits": (_digits, (6, 12, 40, 90)),
}
"""For each task its function, and the number of operands at each rung."""
