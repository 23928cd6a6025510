"""Draw random inputs for the programs of each world."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rewardbench.builders.draw import Rng

Words = Mapping[str, str]
Inputs = Callable[[Rng, Words, Mapping[str, int]], list[str]]
"""Returns the lines of an input, given the words and numbers of the scene, and the clauses of the ticket."""

KEYS = "amber birch cedar dune ember fjord grove heath islet".split()


def _extras(words: Words, settings: Mapping[str, int], *names: str) -> list[str]:
    """Return the command words of those clauses that the ticket has."""
    return [words[name] for name in names if name in settings]


def cache_lines(rng: Rng, words: Words, settings: Mapping[str, int]) -> list[str]:
    """Return a log of a store: puts and gets of a few keys, and the commands of the ticket."""
    extras = _extras(words, settings, "touch", "drop", "pin", "usage", "grow")
    life = int(words["life"])
    keys = KEYS[: rng.number(3, 5)]
    minute = rng.number(0, 60)
    lines = []
    for _ in range(rng.number(6, 16)):
        word = rng.pick([words["put"]] * 4 + [words["get"]] * 3 + extras)
        key = rng.pick(keys)
        if word == words["put"]:
            lines.append(f"{minute} {word} {key} {rng.number(2, int(words['cap']) // 2)}")
        elif word == words["grow"] and "grow" in settings:
            lines.append(f"{minute} {word} - {rng.number(8, 28)}")
        else:
            lines.append(f"{minute} {word} {key}")
        minute += rng.pick([0, 1, 3, 4, 5, 7, life // 4, life // 2])
    return lines


INPUTS: Mapping[str, Inputs] = {
    "cache": cache_lines,
}
"""The function of each world."""
