"""Random primes, for numbers that are multiplied and reduced to a remainder without losing what came before."""

from __future__ import annotations

from rewardbench.builders.draw import Rng


def draw_prime(rng: Rng, low: int, high: int) -> int:
    """Return a prime from `low` to `high`, which must be above 2."""
    while True:
        number = rng.number(low, high)
        if all(number % divisor for divisor in range(2, int(number**0.5) + 1)):
            return number
