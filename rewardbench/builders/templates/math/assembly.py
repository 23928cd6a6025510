"""Assemble a mirror of a word problem: two prompts whose roles are swapped, and the worked solution of each.

Every template of this package draws its numbers, writes three wordings of the prompt, and calls `math_mirror` with one
wording and two solutions. Its letters: `u` and `v` are the two numbers that are swapped, `s` and `t` the same two in
the order of one prompt. Example, from `voucher_orders`:

    prompt a: "... The till applies the voucher of 15 euros to begin with and the discount of 20% to whatever is left."
    prompt b: "... The till applies the discount of 20% to begin with and the voucher of 15 euros to whatever is left."
    response x, right for a: "120 − 15 = 105. Then 20% of 105 is 21, and 105 − 21 = 84 euros."
    response y, right for b: "20% of 120 is 24, and 120 − 24 = 96. Then 96 − 15 = 81 euros."
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from typing import NamedTuple

from rewardbench.builders.draw import MirrorContent, Resample, Rng
from rewardbench.builders.prompts import PromptTemplate, render
from rewardbench.types import Messages
from rewardbench.verifiers.arithmetic import exact_value

MAX_LENGTH_DIFFERENCE = 0.15
"""Two solutions whose lengths differ by a larger share of the longer one are drawn again."""

SolutionWriter = Callable[..., str]
"""Writes the steps of a solution, given the numbers in it."""

SHARES = {2: "half", 3: "a third", 4: "a quarter", 5: "a fifth", 6: "a sixth", 8: "an eighth", 10: "a tenth"}
TIMES = {2: "twice", 3: "three times", 4: "four times", 5: "five times"}

CURRENCIES = (
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
"""Name of a currency, how much of it is about one euro, and towns where it is used."""


class Solution(NamedTuple):
    """A worked solution, with the expression that it must evaluate to."""

    expression: str
    """The answer as an arithmetic expression, independent of the steps of `text`."""
    text: str
    answer_text: str = ""
    """The answer as written at the end of the text, unless it is a plain number."""


def math_mirror(edit: str, prompt: PromptTemplate, a: Solution, b: Solution) -> MirrorContent:
    """Assemble the mirror of a prompt and the solutions of its two variants.

    Raises:
        Resample: if the answers are equal, not positive, have more than two decimals, or occur in a prompt; or if the
            texts of the solutions differ too much in length.
    """
    answer_a, answer_b = exact_value(a.expression), exact_value(b.expression)
    prompt_a, prompt_b = render(prompt, 0), render(prompt, 1)
    if answer_a == answer_b or min(answer_a, answer_b) <= 0:
        raise Resample
    if {number(answer_a), number(answer_b)} & {*_numbers(prompt_a), *_numbers(prompt_b)}:
        raise Resample
    if abs(len(a.text) - len(b.text)) > MAX_LENGTH_DIFFERENCE * max(len(a.text), len(b.text)):
        raise Resample
    check = {"kind": "math", "a": _check(a, answer_a), "b": _check(b, answer_b)}
    return MirrorContent(edit, prompt_a, prompt_b, a.text, b.text, check)


def _numbers(prompt: Messages) -> list[str]:
    return re.findall(r"\d+(?:[.,]\d+)*", " ".join(turn["content"] for turn in prompt))


def _check(solution: Solution, answer: Fraction) -> dict[str, str]:
    """Return the check of one prompt; `says` is left out if it equals the answer."""
    formatted = number(answer)
    plain = formatted.replace(",", "")
    check = {"value": solution.expression, "answer": plain}
    answer_text = solution.answer_text or formatted
    if answer_text != plain:
        check["says"] = answer_text
    return check


def number(amount: Fraction | int) -> str:
    """Format an amount with at most two decimals and a comma at the thousands.

    >>> number(Fraction(6251, 5)), number(1200000)
    ('1,250.2', '1,200,000')

    Raises:
        Resample: if two decimals do not suffice.
    """
    cents = Fraction(amount) * 100
    if cents.denominator != 1:
        raise Resample
    units, hundredths = divmod(int(cents), 100)
    return f"{units:,}" + (f".{hundredths:02d}".rstrip("0") if hundredths else "")


def share(dividend: Fraction | int, divisor: int) -> Fraction:
    """Divide exactly.

    >>> share(30, 4)
    Fraction(15, 2)
    """
    return Fraction(dividend) / divisor


def whole_quotient(dividend: int, divisor: int) -> int:
    """Divide without remainder.

    Raises:
        Resample: if there is a remainder.
    """
    if dividend % divisor:
        raise Resample
    return dividend // divisor


def clock(minutes: int) -> str:
    """Format a time of day, given in minutes after midnight.

    >>> clock(545)
    '9:05'
    """
    return f"{minutes // 60}:{minutes % 60:02d}"


def count(n: int, noun: str) -> str:
    """Return a number with a noun, in the plural unless the number is 1.

    >>> count(1, "hour"), count(2, "wash cycle")
    ('1 hour', '2 wash cycles')
    """
    return f"{n} {noun}{'s' * (n > 1)}"


def span(minutes: int) -> str:
    """Return a length of time in words.

    >>> span(90), span(120), span(45)
    ('1 hour 30 minutes', '2 hours', '45 minutes')
    """
    hours, remainder = divmod(minutes, 60)
    parts = []
    if hours:
        parts.append(count(hours, "hour"))
    if remainder:
        parts.append(count(remainder, "minute"))
    return " ".join(parts)


def ordinal(n: int) -> str:
    """Return a number as an ordinal.

    >>> [ordinal(n) for n in (1, 12, 22, 33)]
    ['1st', '12th', '22nd', '33rd']
    """
    ending = "th" if n // 10 % 10 == 1 else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{ending}"


def money(rng: Rng) -> tuple[str, str, int]:
    """Draw a town; return it with its currency and about how much of it one euro is, to scale prices."""
    currency, scale, towns = rng.pick(CURRENCIES)
    return rng.pick(towns), currency, scale
