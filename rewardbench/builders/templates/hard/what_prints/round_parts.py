"""The parts of the rounds: what a loop does to its number and its list."""

from __future__ import annotations

from rewardbench.builders.draw import Rng
from rewardbench.builders.templates.hard.what_prints.rounds import PRIMES, SMALL_PRIMES, RoundPart


def mixing(rng: Rng) -> RoundPart:
    """Multiply, add an element, take a remainder, and subtract the number of the round under a condition."""
    factor, prime, k = rng.number(3, 9), rng.pick(PRIMES), rng.number(3, 5)
    remainder, other = rng.sample(range(k), 2)
    lines = (
        f"$x = ($x * {factor} + $data[$at]) % {prime}",
        f"if $x % {k} == ⟦{remainder}¦{other}⟧:",
        "    $x -= $step",
    )
    remarks = (
        "$x is multiplied, gets an element of the list added and is cut to a remainder, and under a condition it loses "
        "the number of the round",
        "the new $x is a remainder that depends on the old one and on one element; sometimes the number of the round "
        "is taken off",
    )
    return RoundPart(lines, remarks)


def swap(rng: Rng) -> RoundPart:
    """Exchange two elements, one of them at a place that depends on the number."""
    shift, other = rng.sample(range(2, 9), 2)
    lines = (
        f"$other = $spot($x + ⟦{shift}¦{other}⟧, len($data))",
        "$spare = $data[$at]",
        "$data[$at] = $data[$other]",
        "$data[$other] = $spare",
    )
    remarks = (
        "two elements change places, and $x decides which ones",
        "an exchange of two elements keeps the list in motion; the second place depends on $x",
    )
    return RoundPart(lines, remarks)


def to_the_end(rng: Rng) -> RoundPart:
    """Take an element out, and append a number made from it."""
    prime = rng.pick(SMALL_PRIMES)
    factor, other = rng.sample(range(2, 6), 2)
    lines = (
        "$taken = $data[$at]",
        "del $data[$at]",
        f"$data.append(($taken * ⟦{factor}¦{other}⟧ - $x) % {prime})",
    )
    remarks = (
        "an element leaves its place, and a number made from it and from $x goes to the end",
        "one element is deleted, all behind it move up, and a new number is appended",
    )
    return RoundPart(lines, remarks)


def tally(rng: Rng) -> RoundPart:
    """Count remainders in a mapping, and add the count."""
    k = rng.number(3, 5)
    first, second = rng.sample(range(1, 6), 2)
    lines = (
        f'$key = f"r{{$x % {k}}}"',
        "if $key not in $seen:",
        "    $seen[$key] = 0",
        f"$seen[$key] += ⟦{first}¦{second}⟧",
        "$x += $seen[$key]",
    )
    remarks = (
        "a counter for the remainder of $x goes up, and its value is added to $x",
        "$seen remembers how often each remainder came up, which feeds back into $x",
    )
    return RoundPart(lines, remarks, before=("$seen: dict[str, int] = {}",))


def nested(rng: Rng) -> RoundPart:
    """Call a function of the number and an element."""
    k = rng.number(2, 4)
    margin, other = rng.sample(range(9), 2)
    helper = (
        "def $call(p: int, q: int) -> int:",
        f"    if p < q + ⟦{margin}¦{other}⟧:",
        f"        return q - p * {k}",
        f"    return (p - q) // {k}",
    )
    remarks = (
        "$call makes a new $x of the old one and an element, with two cases",
        "for $x, the call of $call compares it with an element and takes one of two branches",
    )
    return RoundPart(("$x = $call($x, $data[$at]) + $step",), remarks, helper=helper)


def skipping(rng: Rng) -> RoundPart:
    """End the round early under a condition."""
    k, bonus = rng.number(4, 6), rng.number(3, 17)
    first, second = rng.sample(range(k), 2)
    lines = (
        f"if ($x + $step) % {k} == ⟦{first}¦{second}⟧:",
        f"    $x += {bonus}",
        "    continue",
    )
    remarks = (
        "some rounds end early, so that what stands below is skipped in them",
        "whenever a sum has a certain remainder, the round is over before its last lines",
    )
    return RoundPart(lines, remarks)


def halving(rng: Rng) -> RoundPart:
    """Halve an element, or multiply it, depending on whether it is even."""
    factor, prime = rng.number(3, 7), rng.pick(SMALL_PRIMES)
    first, second = rng.sample(range(1, 8), 2)
    lines = (
        "if $data[$at] % 2 == 0:",
        f"    $data[$at] = $data[$at] // 2 + ⟦{first}¦{second}⟧",
        "else:",
        f"    $data[$at] = ($data[$at] * {factor} + $step) % {prime}",
    )
    remarks = (
        "an even element is halved, with a little added, and an odd one becomes a remainder",
        "the current element changes too, in another way if it is even than if it is odd",
    )
    return RoundPart(lines, remarks)


def record(rng: Rng) -> RoundPart:
    """Compare an element with the highest one so far, which sinks in time."""
    first, second = rng.sample(range(1, 7), 2)
    lines = (
        "if $data[$at] > $top:",
        "    $top = $data[$at]",
        f"    $x += {rng.number(2, 9)}",
        "else:",
        f"    $top -= ⟦{first}¦{second}⟧",
    )
    remarks = (
        "$top rises to an element above it and sinks otherwise, and a rise also changes $x",
        "a mark ($top) is compared with the current element; it is replaced or lowered",
    )
    return RoundPart(lines, remarks, before=("$top = 0",))


OTHERS = (swap, to_the_end, tally, nested, skipping, halving, record)
"""All makers of parts but `mixing`, which closes every round and keeps the number small."""
