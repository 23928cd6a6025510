"""Leave out near twins: mirrors that repeat much of the text of another mirror of their subset."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product

from rewardbench.builders.mirrors import Mirror, response_text

NGRAM, NEAR_TWIN = 4, 0.4
"""Two mirrors are near twins if two of their prompts, or two of their responses, have a Jaccard index of word 4-grams
of at least .4."""

Grams = frozenset[tuple[str, ...]]


@dataclass(frozen=True)
class MirrorGrams:
    """The word 4-grams of both prompts and both responses of a mirror."""

    prompts: tuple[Grams, Grams]
    responses: tuple[Grams, Grams]

    def similarity(self, other: MirrorGrams) -> float:
        """Return the largest Jaccard index of any two prompts, or any two responses, of the two mirrors."""
        pairs = [*product(self.prompts, other.prompts), *product(self.responses, other.responses)]
        return max(jaccard(first, second) for first, second in pairs)


def mirror_grams(mirror: Mirror) -> MirrorGrams:
    """Return the word 4-grams of a mirror."""
    a, b = ("\n".join(turn["content"] for turn in prompt) for prompt in (mirror.a, mirror.b))
    return MirrorGrams(
        (word_grams(a), word_grams(b)),
        (word_grams(response_text(mirror.x)), word_grams(response_text(mirror.y))),
    )


def word_grams(text: str) -> Grams:
    """Return the word 4-grams of a text, in lower case.

    >>> sorted(word_grams("One two three, four five"))
    [('one', 'two', 'three', 'four'), ('two', 'three', 'four', 'five')]
    """
    words = re.findall(r"\w+", text.lower())
    return frozenset(tuple(words[start : start + NGRAM]) for start in range(len(words) - NGRAM + 1))


def jaccard(first: Grams, second: Grams) -> float:
    """Return the share of the n-grams of two texts that both have; 0 if there are none."""
    shared = len(first & second)
    return shared / (len(first) + len(second) - shared) if shared else 0.0


def without_near_twins(candidates: Iterable[Mirror], count: int, earlier: Sequence[Mirror] = ()) -> list[Mirror]:
    """Return the first candidates that are near twins neither of each other nor of the mirrors before them.

    Args:
        candidates: mirrors of one subset, in the order in which they are preferred.
        count: the largest number to return.
        earlier: mirrors that the candidates join; those of other subsets are ignored.
    """
    chosen: list[Mirror] = []
    grams_by_subset: dict[str, list[MirrorGrams]] = {}
    for mirror in earlier:
        grams_by_subset.setdefault(mirror.subset, []).append(mirror_grams(mirror))
    for mirror in candidates:
        if len(chosen) == count:
            break
        others, grams = grams_by_subset.setdefault(mirror.subset, []), mirror_grams(mirror)
        if all(grams.similarity(other) < NEAR_TWIN for other in others):
            others.append(grams)
            chosen.append(mirror)
    return chosen
