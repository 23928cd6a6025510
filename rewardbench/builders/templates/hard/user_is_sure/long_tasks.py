"""Tasks in which each step needs the exact result of the one before, or whose results agree in their last digits."""

from __future__ import annotations

from typing import Any

from rewardbench.builders.draw import Resample, Rng
from rewardbench.builders.templates.hard.primes import draw_prime
from rewardbench.builders.templates.hard.user_is_sure.operands import (
    WORDS,
    Task,
    change,
    change_alike,
    numbered,
    read_texts,
)
from rewardbench.verifiers.cells import BrokenCheck
from rewardbench.verifiers.hard.user_is_sure import balance

SAME_DIGITS = 90
"""The results of both settings differ by a multiple of this, so that last digit and digit sum do not tell which."""


def draw_balance(rng: Rng, n: int) -> Task:
    """Draw amounts and percentages that change a balance."""
    scene = rng.pick(read_texts("scenes")["balance"]["scenes"])
    start = rng.number(20000, 90000)
    entries: list[Any] = []
    for _ in range(n):
        if rng.chance(0.4 if n < 10 else 0.6):
            percent = rng.pick((-8, -5, -3, -2, 2, 3, 4, 6)) * 100
            entries.append(["percent", percent + (5 * rng.number(-15, 15) if n > 10 else 0)])
        else:
            entries.append(["amount", rng.number(500, 15000) * rng.pick((-1, 1))])

    def cents(operands: list[Any]) -> int:
        return int(balance({"start": start}, operands)[-1].replace(".", ""))

    def is_alike(first: list[Any], second: list[Any]) -> bool:
        return n < 10 or (cents(first) - cents(second)) % SAME_DIGITS == 0

    try:
        settings = change_alike(rng, entries, lambda entry: [entry[0], _other_value(rng, entry)], is_alike)
        list(map(cents, settings))
    except BrokenCheck:
        raise Resample from None
    write = numbered(rng)
    texts = []
    for operands in settings:
        lines = write([_entry_text(kind, value) for kind, value in operands])
        texts.append(scene["text"].format(start=f"{start / 100:.2f}", lines=lines))
    return Task("balance", {"start": start}, settings, (texts[0], texts[1]))


def _other_value(rng: Rng, entry: list[Any]) -> int:
    kind, value = entry
    if kind == "percent":
        return int(value + rng.pick((-100, 100)) if value % 100 == 0 else value + rng.pick((-10, 10)))
    return int(value + rng.pick((-1, 1)) * rng.number(10, 900))


def _entry_text(kind: str, value: int) -> str:
    sign = "minus" if value < 0 else "plus"
    amount = f"{abs(value) / 100:g} percent" if kind == "percent" else f"{abs(value) / 100:.2f}"
    return f"{sign} {amount}"


def draw_remainder(rng: Rng, n: int) -> Task:
    """Draw a long number and a prime to divide it by."""
    scene = rng.pick(read_texts("scenes")["remainder"]["scenes"])
    divisor = draw_prime(rng, 1009, 9973) if n < 50 else draw_prime(rng, 2000003, 9899999)
    digits = list(str(rng.number(10 ** (n - 1), 10**n - 1)))
    settings = change(rng, digits, lambda digit: str(rng.number(1, 9)))
    texts = [scene["text"].format(number="".join(operands), divisor=divisor) for operands in settings]
    return Task("remainder", {"divisor": divisor}, settings, (texts[0], texts[1]))


def draw_check_number(rng: Rng, n: int) -> Task:
    """Draw lines of words whose letters make a number."""
    scene = rng.pick(read_texts("scenes")["check number"]["scenes"])
    modulus, factors, readings = draw_prime(rng, 503, 997), rng.numbers(2, 12, 98), 2
    if n > 6:
        modulus, factors, readings = draw_prime(rng, 10007, 98981), rng.numbers(2, 112, 987), 12
    fixed: dict[str, Any] = {"start": rng.number(11, 499), "factors": factors, "modulus": modulus}
    fixed["readings"] = readings
    lines = [" ".join(rng.sample(WORDS, 2)) for _ in range(n)]
    settings = change(rng, lines, lambda line: " ".join(rng.sample(WORDS, 2)))
    write = numbered(rng)
    texts = []
    for operands in settings:
        texts.append(scene["text"].format(lines=write(operands), even=factors[0], odd=factors[1], **fixed))
    return Task("check number", fixed, settings, (texts[0], texts[1]))


def draw_invoice(rng: Rng, n: int) -> Task:
    """Draw pieces and prices.

    The totals of both settings differ by a multiple of 9, 10 and 11 cents, at the top of 7 and 100 too, and by less
    than a ten-thousandth there, so that neither an estimate nor a remainder tells which is right.
    """
    scene = rng.pick(read_texts("scenes")["invoice"]["scenes"])
    pieces, price, difference = ((12, 98), (1003, 9899), 990) if n < 20 else ((1013, 9887), (10013, 98989), 69300)
    items = [[rng.number(*pieces), rng.number(*price)] for _ in range(n)]
    place = rng.number(0, n - 1)
    counts = [count for count in range(pieces[0], pieces[1] + 1) if difference % count == 0]
    items[place][0] = rng.pick(counts)
    other = [list(item) for item in items]
    other[place][1] += difference // other[place][0] * rng.pick((-1, 1))
    if other[place][1] < price[0]:
        raise Resample
    settings = (items, other)
    write = numbered(rng)
    texts = []
    for operands in settings:
        lines = write([f"{count} at {cents // 100}.{cents % 100:02d}" for count, cents in operands])
        texts.append(scene["text"].format(lines=lines))
    return Task("invoice", {}, settings, (texts[0], texts[1]))
