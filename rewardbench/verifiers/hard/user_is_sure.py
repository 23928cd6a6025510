"""First verifier of contested results: compute the result and its partial results from the operands of the check.

The check has the `task`, its `fixed` values and its `operands`, and `stated`: for each sentence of either response the
number of operands that its result takes in ("all" for the final result) and the result, or an empty list.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from itertools import accumulate
from typing import Any

from rewardbench.verifiers.cells import BrokenCheck, Cell, cell_by_cell

Fixed = Mapping[str, Any]
Operands = Sequence[Any]

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = "January February March April May June July August September October November December".split()
DAY = 24 * 60


def sum_units(fixed: Fixed, operands: Operands) -> list[str]:
    """Add amounts of two units, such as 3 h 25 min."""
    ratio, (large, small) = fixed["ratio"], fixed["units"]
    totals = accumulate(amount * ratio + minor for amount, minor in operands)
    return [f"{total // ratio} {large} {total % ratio} {small}" for total in totals]


def add_days(fixed: Fixed, operands: Operands) -> list[str]:
    """Add numbers of days to a date."""
    day, dates = date.fromisoformat(fixed["start"]), []
    for count in operands:
        day += timedelta(days=count)
        dates.append(f"{WEEKDAYS[day.weekday()]}, {day.day} {MONTHS[day.month - 1]} {day.year}")
    return dates


def count_letters(fixed: Fixed, operands: Operands) -> list[str]:
    """Count a letter in lines of words."""
    counts = [line.count(fixed["letter"]) for line in operands]
    return list(map(str, accumulate(counts)))


def run_loop(fixed: Fixed, operands: Operands) -> list[str]:
    """Return x after each pass of the loop that `loop_text` writes."""
    x, add, factor = operands
    values = []
    for k in range(1, fixed["passes"] + 1):
        is_added = (k if fixed["branch"] == "k" else x) % fixed["divisor"] == 0
        x = x + add if is_added else (factor * x + k) % fixed["modulus"]
        values.append(str(x))
    return values


def balance(fixed: Fixed, operands: Operands) -> list[str]:
    """Apply amounts in cents and hundredths of a percent to a balance; half a cent is rounded up."""
    cents, balances = fixed["start"], []
    for kind, value in operands:
        cents = cents + value if kind == "amount" else (cents * (10000 + value) + 5000) // 10000
        if cents < 0:
            raise BrokenCheck("a balance is below 0")
        balances.append(f"{cents // 100}.{cents % 100:02d}")
    return balances


def fly(fixed: Fixed, operands: Operands) -> list[str]:
    """Return weekday and local time of each landing; an operand has flight and wait in minutes, and a zone in hours."""
    utc, landings = fixed["day"] * DAY + fixed["minute"] - 60 * fixed["zone"], []
    for flight, wait, zone in operands:
        utc += flight
        local = utc + 60 * zone
        landings.append(f"{WEEKDAYS[local // DAY % 7]} {local % DAY // 60:02d}:{local % 60:02d}")
        utc += wait
    return landings


def check_digit(fixed: Fixed, operands: Operands) -> list[str]:
    """Return the running sum of digits with the weights 1 and 3 in turn; last of all the digit that completes a ten."""
    sums = list(accumulate(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(operands)))
    return [*map(str, sums[:-1]), str(-sums[-1] % 10)]


def divide(fixed: Fixed, operands: Operands) -> list[str]:
    """Return the remainder after each digit of a long number."""
    remainder, remainders = 0, []
    for digit in operands:
        remainder = (10 * remainder + int(digit)) % fixed["divisor"]
        remainders.append(str(remainder))
    return remainders


def count_check_number(fixed: Fixed, operands: Operands) -> list[str]:
    """Return the check number after each line of words, in all readings of the lines one after another."""
    number, numbers = fixed["start"], []
    for line in [*operands] * fixed["readings"]:
        for letter in line.replace(" ", ""):
            factor = fixed["factors"][number % 2]
            number = (number * factor + ord(letter) - ord("a") + 1) % fixed["modulus"]
        numbers.append(str(number))
    return numbers


def add_invoice(fixed: Fixed, operands: Operands) -> list[str]:
    """Return the running total of pieces at a price in cents."""
    totals = accumulate(count * cents for count, cents in operands)
    return [f"{total // 100}.{total % 100:02d}" for total in totals]


TASKS: Mapping[str, Callable[[Fixed, Operands], list[str]]] = {
    "units": sum_units,
    "dates": add_days,
    "letters": count_letters,
    "loop": run_loop,
    "balance": balance,
    "flights": fly,
    "digits": check_digit,
    "remainder": divide,
    "check number": count_check_number,
    "invoice": add_invoice,
}


def _is_right(cell: Cell) -> bool:
    """Return True if all results that the response states are those of the operands."""
    check = cell.check
    results = TASKS[check["task"]](check["fixed"], check["operands"])
    unread, stated = cell.response, []
    for sentence, result in sorted(check["stated"].items(), key=lambda pair: -len(pair[0])):
        if sentence in unread:
            unread = unread.replace(sentence, " ", 1)
            if result:
                stated.append(result)
    if unread.strip() or not stated:
        raise BrokenCheck(f"no result for {unread.strip()[:80]!r}")
    return all(results[-1 if place == "all" else place - 1] == text for place, text in stated)


verify_user_is_sure = cell_by_cell(_is_right)
