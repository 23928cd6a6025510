"""Rows that are empty, identical, double, in conflict, or nearly the same; by MinHash where there are many."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from rewardbench.audit.shallow import texts
from rewardbench.types import Item

NGRAM, PERMUTATIONS = 5, 128
TOKEN = re.compile(r"\w+")
ENTITY = re.compile(r"(?<=[^\s.!?:\n] )[A-Z][\w’'-]*|\d[\d.,:]*")
"""A number, or a capitalised word that does not open a sentence."""


@dataclass(frozen=True)
class Doubles:
    """Counts of rows; the shares are of prompts."""

    empty: int
    """A prompt or a completion without text."""
    identical: int
    """A right completion that equals a wrong one."""
    duplicates: int
    """The same prompt and completions as an earlier row."""
    conflicts: int
    """The same prompt and completions as an earlier row, with another label."""
    near_duplicates_80: float
    """Prompts with a Jaccard index of word 5-grams of at least .8 with a prompt of another group."""
    masked_50: float
    """The same at .5, with names and numbers masked."""


def find_doubles(items: Sequence[Item]) -> Doubles:
    """Count them all, rows that no model can score included."""
    read = [texts(item) for item in items]
    prompted = [
        (prompt, item.group or item.id) for item, (prompt, _) in zip(items, read, strict=True) if prompt.strip()
    ]
    prompts, groups = [prompt for prompt, _ in prompted], [group for _, group in prompted]
    labels: dict[tuple[str, ...], set[frozenset[str]]] = defaultdict(set)
    rows: Counter[tuple[object, ...]] = Counter()
    for item, (prompt, completions) in zip(items, read, strict=True):
        right = frozenset(completions[: item.num_correct])
        labels[(prompt, *sorted(completions))].add(right)
        rows[(prompt, right, *sorted(completions))] += 1
    return Doubles(
        empty=sum(
            not (prompt.strip() or item.rendered) or not all(map(str.strip, completions))
            for item, (prompt, completions) in zip(items, read, strict=True)
        ),
        identical=sum(
            bool(set(completions[: item.num_correct]) & set(completions[item.num_correct :]))
            for item, (_, completions) in zip(items, read, strict=True)
        ),
        duplicates=sum(rows.values()) - len(rows),
        conflicts=sum(len(found) - 1 for found in labels.values()),
        near_duplicates_80=near_duplicates(prompts, groups, 0.8),
        masked_50=near_duplicates([mask(prompt) for prompt in prompts], groups, 0.5),
    )


def mask(text: str) -> str:
    """A text with its names and numbers taken out, so that filled-in templates look alike.

    >>> mask("Then Ada gave Bo 12 figs. Why?")
    'Then _ gave _ _ figs. Why?'
    """
    return ENTITY.sub("_", text)


def shingles(text: str) -> set[str]:
    """All runs of five lower-case words; of a shorter text the whole.

    >>> sorted(shingles("One two three, four five SIX"))
    ['one two three four five', 'two three four five six']
    """
    words = TOKEN.findall(text.lower())
    return {" ".join(words[n : n + NGRAM]) for n in range(max(1, len(words) - NGRAM + 1))}


def near_duplicates(prompts: Sequence[str], groups: Sequence[str], threshold: float) -> float:
    """The share of prompts that come at least this near to a prompt of another group (Jaccard index of shingles).

    MinHash proposes candidates at a threshold a little lower; the index itself decides.
    """
    from datasketch import MinHash, MinHashLSH

    members: dict[frozenset[str], list[str]] = {}
    for prompt, group in zip(prompts, groups, strict=True):
        members.setdefault(frozenset(shingles(prompt)), []).append(group)  # equal ones need no index
    sets, owners = list(members), [set(of) for of in members.values()]
    near = {n for n, of in enumerate(owners) if len(of) > 1}
    index = MinHashLSH(threshold=0.8 * threshold, num_perm=PERMUTATIONS)
    sketches = MinHash.generator([[word.encode() for word in sorted(one)] for one in sets], num_perm=PERMUTATIONS)
    for n, sketch in enumerate(sketches):
        for other in index.query(sketch):
            if len(owners[other] | owners[n]) > 1 and _jaccard(sets[other], sets[n]) >= threshold:
                near |= {other, n}
        index.insert(n, sketch)
    return sum(len(members[sets[n]]) for n in near) / len(prompts) if prompts else 0.0


def _jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / len(one | other)
