"""The parts of the rounds: what a loop does to its number and its list."""

from __future__ import annotations

from collections.abc import Callable

from rewardbench.builders.draw import Rng
from rewardbench.builders.templates.hard.what_prints.rounds import RoundPart, RoundSize

RoundPartMaker = Callable[[Rng, RoundSize], RoundPart]


def mixing(rng: Rng, size: RoundSize) -> RoundPart:
    """Multiply, add an element times the number of the round, and take a remainder."""
    k = rng.number(3, 5)
    remainder, other = rng.sample(range(k), 2)
    lines = (
        f"$x = ($x * {rng.number(*size.factors)} + $data[$at] * $step) % {size.modulus}",
        f"if $x % {k} == ⟦{remainder}¦{other}⟧:",
        f"    $x = {size.modulus} - $x",
    )
    remarks = (
        "at the end of a round $x is multiplied, gets a multiple of an element added and is cut to a remainder, which "
        "is taken from the modulus under a condition",
        "the new $x is a remainder that depends on the old one, on one element and on the number of the round; "
        "sometimes it is replaced by what it lacks to the modulus",
    )
    return RoundPart(lines, remarks)


def exchange(rng: Rng, size: RoundSize) -> RoundPart:
    """Exchange two elements, at places that depend on the number."""
    divisor, other = rng.sample(range(3, 12), 2)
    lines = (
        f"$other = $spot($x // ⟦{divisor}¦{other}⟧, len($data))",
        "$spare = $data[$at]",
        "$data[$at] = $data[$other]",
        "$data[$other] = $spare",
    )
    remarks = (
        "two elements change places, and $x decides which ones",
        "an exchange of two elements keeps the list in motion; both places depend on $x",
    )
    return RoundPart(lines, remarks)


def to_the_end(rng: Rng, size: RoundSize) -> RoundPart:
    """Take an element out, and append a number made from it."""
    factor, other = rng.sample(range(7, 60), 2)
    lines = (
        "$taken = $data[$at]",
        "del $data[$at]",
        f"$data.append(($taken * ⟦{factor}¦{other}⟧ + $x) % {size.bound})",
    )
    remarks = (
        "an element leaves its place, and a number made from it and from $x goes to the end",
        "one element is deleted, all behind it move up, and a new number is appended",
    )
    return RoundPart(lines, remarks)


def reversal(rng: Rng, size: RoundSize) -> RoundPart:
    """Reverse the first elements, as many as the number demands."""
    shift, other = rng.sample(range(1, 9), 2)
    lines = (
        "$low = 0",
        f"$high = $spot($x + ⟦{shift}¦{other}⟧, len($data))",
        "while $low < $high:",
        "    $spare = $data[$low]",
        "    $data[$low] = $data[$high]",
        "    $data[$high] = $spare",
        "    $low += 1",
        "    $high -= 1",
    )
    remarks = (
        "the front part of the list is turned around, and $x decides how long that part is",
        "with $low and $high moving towards each other, some of the first elements are reversed",
    )
    return RoundPart(lines, remarks)


def sifting(rng: Rng, size: RoundSize) -> RoundPart:
    """Move large elements towards the end in one pass, as in a bubble sort with a tolerance."""
    margin, other = rng.numbers(2, size.bound // 40, size.bound // 5)
    lines = (
        "for i in range(1, len($data)):",
        f"    if $data[i - 1] > $data[i] + ⟦{margin}¦{other}⟧:",
        "        $spare = $data[i]",
        "        $data[i] = $data[i - 1] - $step",
        "        $data[i - 1] = $spare",
    )
    remarks = (
        "one pass over the list exchanges neighbours if the left one is larger by more than a tolerance",
        "neighbours that are clearly in the wrong order change places, and what moves to the right shrinks a little",
    )
    return RoundPart(lines, remarks)


def digits(rng: Rng, size: RoundSize) -> RoundPart:
    """Add the digits of the number with rising weights."""
    weight, other = rng.sample(range(2, 12), 2)
    helper = (
        "def $weigh(n: int) -> int:",
        f"    w = ⟦{weight}¦{other}⟧",
        "    result = 0",
        "    while n > 0:",
        "        result += n % 10 * w",
        "        n = n // 10",
        "        w += 3",
        "    return result",
    )
    remarks = (
        "$weigh adds up the decimal digits of $x with rising weights, and the sum is added to $x",
        "the digits of $x are weighted by $weigh, from the last one on, and their sum is put on top",
    )
    return RoundPart((f"$x += $weigh($x) * {rng.number(11, 29)}",), remarks, helper=helper)


def divisions(rng: Rng, size: RoundSize) -> RoundPart:
    """Add up the quotients of Euclid's algorithm."""
    factor, other = rng.sample(range(2, 12), 2)
    helper = (
        "def $divide(p: int, q: int) -> int:",
        "    result = 0",
        "    while q > 0:",
        f"        result = result * ⟦{factor}¦{other}⟧ % {size.bound} + p // q",
        "        r = p % q",
        "        p = q",
        "        q = r",
        "    return result",
    )
    remarks = (
        "$divide runs Euclid's algorithm on $x and an element, and its result, made of the quotients, is added to $x",
        "the quotients of a chain of divisions with remainder ($divide) change $x",
    )
    return RoundPart((f"$x += $divide($x, $data[$at]) % {size.bound}",), remarks, helper=helper)


def power(rng: Rng, size: RoundSize) -> RoundPart:
    """Replace an element by a power of it, modulo a prime."""
    shift, other = rng.sample(range(1, 30), 2)
    k = rng.number(23, 61)
    helper = (
        "def $lift(base: int, n: int) -> int:",
        "    result = 1",
        "    while n > 0:",
        "        if n % 2 == 1:",
        f"            result = result * base % {size.bound}",
        f"        base = base * base % {size.bound}",
        "        n = n // 2",
        "    return result",
    )
    remarks = (
        "the current element is replaced by a power of itself, modulo a prime; $x sets the exponent ($lift)",
        "$lift raises an element to a power by repeated squaring, with an exponent that depends on $x",
    )
    lines = (f"$data[$at] = $lift($data[$at] + ⟦{shift}¦{other}⟧, $spot($x, {k}) + {rng.number(9, 20)})",)
    return RoundPart(lines, remarks, helper=helper)


def folding(rng: Rng, size: RoundSize) -> RoundPart:
    """Replace an element by a polynomial of all elements, modulo a prime."""
    factor, other = rng.sample(range(3, 30), 2)
    lines = (
        "$acc = $step",
        "for v in $data:",
        f"    $acc = ($acc * ⟦{factor}¦{other}⟧ + v) % {size.bound}",
        "$data[$at] = $acc",
    )
    remarks = (
        "$acc goes once through the list, multiplying and adding, and takes the place of one element",
        "a remainder made of the complete list ($acc) replaces the current element",
    )
    return RoundPart(lines, remarks)


def nearest(rng: Rng, size: RoundSize) -> RoundPart:
    """Find the element nearest to the number, and change it."""
    factor, other = rng.sample(range(3, 40), 2)
    helper = (
        "def $gap(p: int, q: int) -> int:",
        "    if p < q:",
        "        return q - p",
        "    return p - q",
    )
    lines = (
        f"$aim = $x % {size.bound}",
        "$best = 0",
        "for i in range(1, len($data)):",
        "    if $gap($data[i], $aim) < $gap($data[$best], $aim):",
        "        $best = i",
        f"$data[$best] = ($data[$best] * ⟦{factor}¦{other}⟧ + $best) % {size.bound}",
    )
    remarks = (
        "a search finds the element that is nearest to a remainder of $x, and this element is changed",
        "$best is the place of the element closest to $aim; what is there is multiplied and reduced",
    )
    return RoundPart(lines, remarks, helper=helper)


def ranking(rng: Rng, size: RoundSize) -> RoundPart:
    """Count the elements below the current one, with their places."""
    first, second = rng.sample(range(2, 30), 2)
    lines = (
        "$count = 0",
        "for i in range(len($data)):",
        "    if $data[i] < $data[$at]:",
        f"        $count += i + ⟦{first}¦{second}⟧",
        f"$x += $count * {rng.number(7, 23)}",
    )
    remarks = (
        "$count collects the places of all elements below the current one, and moves $x on",
        "how many elements are smaller than the current one, and where they are, is added to $x ($count)",
    )
    return RoundPart(lines, remarks)


def tally(rng: Rng, size: RoundSize) -> RoundPart:
    """Count remainders in a mapping, and add a multiple of the count."""
    k = rng.number(5, 9)
    first, second = rng.sample(range(3, 50), 2)
    lines = (
        f'$key = f"r{{$x % {k}}}"',
        "if $key not in $seen:",
        "    $seen[$key] = 0",
        f"$seen[$key] += $step + ⟦{first}¦{second}⟧",
        "$x += $seen[$key]",
    )
    remarks = (
        "an entry for the remainder of $x grows, and its value is added to $x",
        "$seen keeps a sum for each remainder that came up, which feeds back into $x",
    )
    return RoundPart(lines, remarks, before=("$seen: dict[str, int] = {}",))


def sinking(rng: Rng, size: RoundSize) -> RoundPart:
    """Subtract a multiple of an element, or add a quotient of it, so that the number may become negative."""
    factor, other = rng.sample(range(11, 40), 2)
    lines = (
        f"if $x % {rng.number(3, 5)} != 1:",
        f"    $x -= $data[$at] * ⟦{factor}¦{other}⟧",
        "else:",
        f"    $x = $x // {rng.number(3, 7)} + $data[$at]",
    )
    remarks = (
        "depending on a remainder, $x either loses a multiple of an element or is divided, and it may become negative",
        "one of two branches is taken: in one of them $x falls, perhaps below zero, in the other one it is divided",
    )
    return RoundPart(lines, remarks)


LIGHT = (exchange, to_the_end, reversal, tally, sinking, ranking)
"""Makers of parts with a handful of operations or exchanges."""
HEAVY = (divisions, power, folding, nearest, sifting, digits)
"""Makers of parts with a loop of exact arithmetic or comparisons in every round."""
