"""How a word problem is told: two prompts of the same words with roles exchanged, two workings, one check."""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from typing import NamedTuple

from rewardbench.builders.draw import MirrorContent, Resample, Rng
from rewardbench.builders.prompts import PromptTemplate, render
from rewardbench.types import Messages
from rewardbench.verifiers.arithmetic import exact_value

LENGTHS_APART = 0.15
"""Two workings whose lengths differ by a larger share of the longer one are drawn again."""

Tell = Callable[..., str]
"""A working in words, of the numbers in it."""

SHARES = {2: "half", 3: "a third", 4: "a quarter", 5: "a fifth", 6: "a sixth", 8: "an eighth", 10: "a tenth"}
TIMES = {2: "twice", 3: "three times", 4: "four times", 5: "five times"}

MONEY = (
    ("euros", 1, ("Lisbon", "Ghent", "Tallinn", "Palermo")),
    ("dollars", 1, ("Halifax", "Tucson", "Hobart", "Suva")),
    ("francs", 1, ("Basel", "Lugano", "Chur")),
    ("zlotys", 5, ("Gdynia", "Lublin", "Torun")),
    ("soles", 5, ("Cusco", "Arequipa", "Piura")),
    ("reais", 5, ("Recife", "Manaus", "Curitiba")),
    ("kronor", 10, ("Malmö", "Umeå", "Visby")),
    ("cedis", 10, ("Kumasi", "Tamale", "Accra")),
    ("rand", 20, ("Durban", "Kimberley", "Knysna")),
    ("pesos", 20, ("Puebla", "Oaxaca", "Morelia")),
    ("baht", 20, ("Chiang Mai", "Trang", "Nan")),
    ("rupees", 50, ("Kochi", "Indore", "Mysuru")),
    ("yen", 100, ("Nagoya", "Sendai", "Naha")),
    ("shillings", 100, ("Kisumu", "Nakuru", "Mombasa")),
)


class Work(NamedTuple):
    """A worked solution, with the sum that it must come to."""

    value: str
    """The answer as one sum of numbers, written apart from the steps of `text`."""
    text: str
    says: str = ""
    """How the text writes the answer at its end, where not as a number."""


def problem(edit: str, frame: PromptTemplate, a: Work, b: Work) -> MirrorContent:
    """The drawn mirror. Raises Redraw where the answers are alike, not round, or given in the prompt already."""
    answers = [exact_value(work.value) for work in (a, b)]
    prompts = [render(frame, side) for side in (0, 1)]
    if answers[0] == answers[1] or min(answers) <= 0:
        raise Resample
    if {number(answer) for answer in answers} & {given for prompt in prompts for given in _numbers(prompt)}:
        raise Resample
    if abs(len(a.text) - len(b.text)) > LENGTHS_APART * max(len(a.text), len(b.text)):
        raise Resample
    check = {"kind": "math", "a": _check(a, answers[0]), "b": _check(b, answers[1])}
    return MirrorContent(edit, prompts[0], prompts[1], a.text, b.text, check)


def _numbers(prompt: Messages) -> list[str]:
    return re.findall(r"\d+(?:[.,]\d+)*", " ".join(turn["content"] for turn in prompt))


def _check(work: Work, answer: Fraction) -> dict[str, str]:
    shown = number(answer)
    plain, says = shown.replace(",", ""), work.says or shown
    return {"value": work.value, "answer": plain} | ({"says": says} if says != plain else {})


def number(amount: Fraction | int) -> str:
    """With at most two decimals and a comma at the thousands. Raises Redraw where two do not suffice.

    >>> number(Fraction(6251, 5)), number(1200000)
    ('1,250.2', '1,200,000')
    """
    cents = Fraction(amount) * 100
    if cents.denominator != 1:
        raise Resample
    whole, rest = divmod(int(cents), 100)
    return f"{whole:,}" + (f".{rest:02d}".rstrip("0") if rest else "")


def share(part: Fraction | int, of: int) -> Fraction:
    """One amount over another, exactly.

    >>> share(30, 4)
    Fraction(15, 2)
    """
    return Fraction(part) / of


def whole(part: int, of: int) -> int:
    """The same where it must come out even. Raises Redraw where it does not."""
    if part % of:
        raise Resample
    return part // of


def clock(minutes: int) -> str:
    """The time of day so many minutes after midnight.

    >>> clock(545)
    '9:05'
    """
    return f"{minutes // 60}:{minutes % 60:02d}"


def count(n: int, thing: str) -> str:
    """A number of things, in the plural where there are several.

    >>> count(1, "hour"), count(2, "wash cycle")
    ('1 hour', '2 wash cycles')
    """
    return f"{n} {thing}{'s' * (n > 1)}"


def span(minutes: int) -> str:
    """A length of time in words.

    >>> span(90), span(120), span(45)
    ('1 hour 30 minutes', '2 hours', '45 minutes')
    """
    hours, rest = divmod(minutes, 60)
    return " ".join(count(n, unit) for n, unit in ((hours, "hour"), (rest, "minute")) if n)


def ordinal(place: int) -> str:
    """A place in a row.

    >>> [ordinal(n) for n in (1, 12, 22, 33)]
    ['1st', '12th', '22nd', '33rd']
    """
    ending = "th" if place // 10 % 10 == 1 else {1: "st", 2: "nd", 3: "rd"}.get(place % 10, "th")
    return f"{place}{ending}"


def money(rng: Rng) -> tuple[str, str, int]:
    """A town, its money, and about how much of it one euro is, to scale prices by."""
    coin, scale, towns = rng.pick(MONEY)
    return rng.pick(towns), coin, scale
