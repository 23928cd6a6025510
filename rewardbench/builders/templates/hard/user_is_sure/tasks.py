"""Tasks with a computed result: their texts with two settings of one operand."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rewardbench.builders.draw import Rng
from rewardbench.builders.templates.hard.primes import draw_prime
from rewardbench.builders.templates.hard.user_is_sure.long_tasks import (
    draw_balance,
    draw_check_number,
    draw_invoice,
    draw_remainder,
)
from rewardbench.builders.templates.hard.user_is_sure.operands import WORDS, Task, change, numbered, read_texts
from rewardbench.verifiers.hard.user_is_sure import MONTHS, WEEKDAYS


def _units(rng: Rng, n: int) -> Task:
    scene = rng.pick(read_texts("scenes")["units"]["scenes"])
    ratio, (large, small) = scene["ratio"], scene["units"]
    step = 5 if ratio == 1000 else 1
    amounts = []
    for _ in range(n):
        amounts.append([rng.number(1, scene["high"]), rng.number(1, ratio - 1, step)])
    settings = change(rng, amounts, lambda amount: [amount[0], rng.number(1, ratio - 1, step)])
    write = numbered(rng)
    texts = []
    for operands in settings:
        texts.append(scene["text"].format(lines=write([f"{a} {large} {b} {small}" for a, b in operands])))
    return Task("units", {"ratio": ratio, "units": [large, small]}, settings, (texts[0], texts[1]))


def _dates(rng: Rng, n: int) -> Task:
    scene = rng.pick(read_texts("scenes")["dates"]["scenes"])
    year, month, day = rng.number(2015, 2031), rng.number(1, 12), rng.number(1, 28)
    start = f"{day} {MONTHS[month - 1]} {year}"
    intervals = [rng.number(9, 120) for _ in range(n)]
    settings = change(rng, intervals, lambda days: days + rng.pick((-3, -2, -1, 1, 2, 3)))
    write = numbered(rng)
    texts = []
    for operands in settings:
        texts.append(scene["text"].format(start=start, lines=write([f"{days} days later" for days in operands])))
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

    settings = change(rng, lines, exchange)
    write = numbered(rng)
    texts = [scene["text"].format(letter=letter, lines=write(operands)) for operands in settings]
    return Task("letters", {"letter": letter}, settings, (texts[0], texts[1]))


CODE = """x = {x}
for k in range(1, {end}):
    if k % {divisor} == 0:
        x = x + {add}
    else:
        x = ({factor} * x + k) % {modulus}
print(x)"""


BRANCHING_CODE = CODE.replace("if k %", "if x %")
"""The same with a branch that depends on x, so that no formula for the whole loop is at hand."""


def _loop(rng: Rng, n: int) -> Task:
    scene = rng.pick(read_texts("scenes")["loop"]["scenes"])
    fixed: dict[str, int | str] = {
        "passes": n,
        "divisor": rng.number(2, 5),
        "modulus": rng.pick((83, 89, 97, 101, 103)),
    }
    fixed["branch"] = "k" if n < 10 else "x"
    start, add, factor = rng.number(11, 79), rng.number(21, 80), rng.number(2, 7)
    template = CODE
    if n > 10:
        template = BRANCHING_CODE
        fixed["divisor"] = rng.number(3, 5)
        fixed["modulus"], factor = draw_prime(rng, 20011, 98981), rng.number(112, 987)
    if n > 100:
        fixed["modulus"], factor = draw_prime(rng, 300007, 989999), rng.number(1012, 9887)
    changed = rng.number(21, 80)
    settings = ([start, add, factor], rng.pick(([changed, add, factor], [start, changed, factor])))
    fences = rng.pick(("{}", "```python\n{}\n```"))
    texts = []
    for x, extra, times in settings:
        code = template.format(x=x, add=extra, factor=times, end=n + 1, **fixed)
        texts.append(scene["text"].format(code=fences.format(code)))
    return Task("loop", fixed, settings, (texts[0], texts[1]))


def _flights(rng: Rng, n: int) -> Task:
    scene = rng.pick(read_texts("scenes")["flights"]["scenes"])
    day, minute, zone = rng.number(0, 6), 5 * rng.number(0, 287), rng.number(-9, 12)
    legs = []
    for _ in range(n):
        legs.append([5 * rng.number(14, 170), 5 * rng.number(9, 120), rng.number(-9, 12)])
    settings = change(rng, legs, lambda leg: [leg[0] + 5 * rng.pick((-7, -3, 3, 5, 12)), *leg[1:]])
    write = numbered(rng)
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
    settings = change(rng, digits, lambda digit: str(rng.number(1, 9)))
    texts = [scene["text"].format(number="".join(operands)) for operands in settings]
    return Task("digits", {}, settings, (texts[0], texts[1]))


DRAW: Mapping[str, tuple[Callable[[Rng, int], Task], tuple[int, int, int, int]]] = {
    "units": (_units, (3, 8, 0, 0)),
    "dates": (_dates, (2, 5, 0, 0)),
    "letters": (_letters, (2, 5, 0, 0)),
    "flights": (_flights, (1, 2, 0, 0)),
    "digits": (_digits, (6, 12, 0, 0)),
    "loop": (_loop, (4, 9, 60, 600)),
    "balance": (draw_balance, (3, 7, 24, 0)),
    "remainder": (draw_remainder, (0, 0, 40, 0)),
    "check number": (draw_check_number, (0, 0, 4, 8)),
    "invoice": (draw_invoice, (0, 0, 14, 30)),
}
"""For each task its function, and the number of operands at each rung; 0 where a rung does not have it."""
