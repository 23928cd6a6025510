"""Duplicate checks: empty, identical, duplicate, conflicting and nearly duplicate rows.

Near duplicates are found by MinHash: texts that agree in a band of their signatures share a bucket, and each text is
compared with a few representatives of its bucket only. Time and memory are linear in the number of words.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from rewardbench.lint.arrays import Floats, Hashes, Indices
from rewardbench.lint.shortcuts import LONGEST, item_texts
from rewardbench.types import Item

NGRAM, PERMUTATIONS = 5, 128
TOKEN = re.compile(r"\w+")
ENTITY = re.compile(r"(?<=[^\s.!?:\n] )[A-Z][\w’'-]*|\d[\d.,:]*")
"""A number, or a capitalised word that does not open a sentence."""
REPRESENTATIVES = 16
"""Texts of a bucket that every other text of it is compared with."""
MOST_CHECKS = 16
"""Largest number of failed exact comparisons per text."""
BELOW = 0.12
"""Tolerance of the estimated Jaccard index: 3 standard errors."""
CHUNK = 20_000
"""Pairs of signatures compared at a time."""

Signatures = NDArray[np.uint32]


@dataclass(frozen=True)
class Duplicates:
    """Counts of duplicate rows; the shares are of prompts."""

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


def find_duplicates(items: Sequence[Item], tick: Callable[[], None] = lambda: None) -> Duplicates:
    """Count all kinds of duplicates, including in rows that cannot be scored."""
    prompts: list[str] = []
    groups: list[str] = []
    labels: dict[tuple[str, ...], set[frozenset[str]]] = defaultdict(set)
    rows: Counter[tuple[object, ...]] = Counter()
    empty = identical = 0
    for item in items:
        prompt, completions = item_texts(item)
        if prompt.strip():
            prompts.append(prompt)
            groups.append(item.group or item.id)
        right = frozenset(completions[: item.num_correct])
        labels[(prompt, *sorted(completions))].add(right)
        rows[(prompt, right, *sorted(completions))] += 1
        empty += not (prompt.strip() or item.rendered) or not all(map(str.strip, completions))
        identical += has_identical(item)
    return Duplicates(
        empty=empty,
        identical=identical,
        duplicates=sum(rows.values()) - len(rows),
        conflicts=sum(map(len, labels.values())) - len(labels),
        near_duplicates_80=near_duplicates(prompts, groups, 0.8, tick=tick),
        masked_50=near_duplicates(prompts, groups, 0.5, edit=mask, tick=tick),
    )


def find_conflicts(items: Sequence[Item]) -> list[tuple[Item, ...]]:
    """Return each set of items with the same prompt and completions but different labels, in the order of the items."""
    rows: dict[tuple[str, ...], list[Item]] = defaultdict(list)
    for item in items:
        prompt, completions = item_texts(item)
        rows[(prompt, *sorted(completions))].append(item)
    conflicts: list[tuple[Item, ...]] = []
    for members in rows.values():
        labels = {frozenset(item_texts(item)[1][: item.num_correct]) for item in members} if members[1:] else ()
        if len(labels) > 1:
            conflicts.append(tuple(members))
    return conflicts


def has_identical(item: Item) -> bool:
    """Return True if a right completion equals a wrong one."""
    _, completions = item_texts(item)
    return bool(set(completions[: item.num_correct]) & set(completions[item.num_correct :]))


def mask(text: str) -> str:
    """Mask the names and numbers of a text, so that instances of one template look alike.

    >>> mask("Then Ada gave Bo 12 figs. Why?")
    'Then _ gave _ _ figs. Why?'
    """
    return ENTITY.sub("_", text)


def shingle_hashes(text: str) -> Hashes:
    """Hash all 5-word shingles of a text, in lower case (a shorter text is one shingle): sorted, distinct.

    >>> len(shingle_hashes("One two three, four five SIX")), len(shingle_hashes("six six six six six six six"))
    (2, 1)
    """
    matches = TOKEN.finditer(text.lower())
    words = np.array([crc32(word.group().encode("utf-8", "surrogatepass")) for word in matches], dtype=np.uint64)
    length = min(NGRAM, len(words))
    count = max(1, len(words) - NGRAM + 1)
    hashes = np.full(count, length, dtype=np.uint64)
    with np.errstate(over="ignore"):
        for n in range(length):
            hashes = _mixed(hashes + words[n : n + count])
    return np.unique(hashes)


def _mixed(values: Hashes) -> Hashes:
    """Spread 64-bit values evenly (the finaliser of SplitMix64, Steele et al. 2014)."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def near_duplicates(
    prompts: Sequence[str],
    groups: Sequence[str],
    threshold: float,
    edit: Callable[[str], str] = str,
    tick: Callable[[], None] = lambda: None,
) -> float:
    """Compute the share of prompts within a Jaccard index of `threshold` of a prompt of another group.

    The index is of 5-word shingles of the first characters (`LONGEST`) of each prompt after `edit`. Texts that have the
    same shingles are one text from the start on.
    """
    if not prompts:
        return 0.0
    distinct = _Distinct()
    for prompt, group in zip(prompts, groups, strict=True):
        distinct.add(edit(prompt[:LONGEST]), group)
        tick()
    near = _near(distinct, threshold)
    return float(np.array(distinct.counts)[near].sum() / len(prompts))


@dataclass
class _Distinct:
    """Texts with different shingles: how many prompts have them, and of which group."""

    places: dict[bytes, int] = field(default_factory=dict)
    shingles: list[Hashes] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    owners: list[int] = field(default_factory=list)
    """Number of the group of each text; -1 if several groups have it."""
    groups: dict[str, int] = field(default_factory=dict)

    def add(self, text: str, group: str) -> None:
        """Count a prompt of a group."""
        hashes = shingle_hashes(text)
        owner = self.groups.setdefault(group, len(self.groups))
        place = self.places.setdefault(blake2b(hashes.tobytes(), digest_size=16).digest(), len(self.counts))
        if place == len(self.counts):
            self.shingles.append(hashes)
            self.counts.append(1)
            self.owners.append(owner)
            return
        self.counts[place] += 1
        if self.owners[place] != owner:
            self.owners[place] = -1


def _near(distinct: _Distinct, threshold: float) -> NDArray[np.bool_]:
    """Return for each distinct text whether one of another group is near, or has it too: [texts]."""
    owners = np.array(distinct.owners)
    near: NDArray[np.bool_] = owners == -1
    signatures = _signatures(distinct.shingles)
    failures: dict[int, set[int]] = defaultdict(set)
    rows = 5 if threshold > 0.65 else 3  # pairs at the threshold share a band with a chance of 99.6 % at least
    for start in range(0, PERMUTATIONS - rows + 1, rows):
        for first, second in _candidates(signatures[:, start : start + rows], owners):
            undecided = ~(near[first] & near[second])
            first, second = first[undecided], second[undecided]
            close = _agreement(signatures, first, second) >= threshold - BELOW
            for left, right in zip(first[close].tolist(), second[close].tolist(), strict=True):
                if (near[left] and near[right]) or left in failures[right] or len(failures[right]) >= MOST_CHECKS:
                    continue
                if _jaccard(distinct.shingles[left], distinct.shingles[right]) >= threshold:
                    near[left] = near[right] = True
                else:
                    failures[right].add(left)
    return near


def _signatures(shingles: Sequence[Hashes]) -> Signatures:
    """Sign each set of shingles with its smallest hash under every permutation: [texts, permutations]."""
    random = np.random.default_rng(1)
    factors = random.integers(2**63, size=(PERMUTATIONS, 1), dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    signatures = np.full((len(shingles), PERMUTATIONS), 2**32 - 1, dtype=np.uint32)
    with np.errstate(over="ignore"):
        for n, hashes in enumerate(shingles):
            for start in range(0, len(hashes), CHUNK):
                smallest = ((hashes[start : start + CHUNK] * factors) >> np.uint64(32)).min(axis=1)
                signatures[n] = np.minimum(signatures[n], smallest.astype(np.uint32))
    return signatures


def _candidates(band: Signatures, owners: Indices) -> Iterator[tuple[Indices, Indices]]:
    """Pair the texts of each bucket with its representatives: both [pairs], one representative a step.

    Texts of different groups come first in a bucket, so that each text meets a representative of another group.
    """
    _, keys = np.unique(band, axis=0, return_inverse=True)
    keys = keys.reshape(-1)
    order = np.lexsort((owners, keys))
    ranks = np.empty(len(keys), dtype=np.int64)
    ranks[order] = _places(np.stack([keys[order], owners[order]], axis=1))
    order = np.lexsort((ranks, keys))
    places = _places(keys[order][:, None])
    for offset in range(min(REPRESENTATIVES, int(places.max(initial=0)))):
        later = np.flatnonzero(places > offset)
        first, second = order[later - places[later] + offset], order[later]
        other_group = (owners[first] != owners[second]) | (owners[first] == -1)
        yield first[other_group], second[other_group]


def _places(keys: Indices) -> Indices:
    """Enumerate the rows of each run of equal keys from 0; `keys` are sorted: [rows, columns]."""
    count = np.arange(len(keys))
    starts = np.append(True, (keys[1:] != keys[:-1]).any(axis=1))[: len(keys)]
    return count - np.maximum.accumulate(np.where(starts, count, 0))


def _agreement(signatures: Signatures, first: Indices, second: Indices) -> Floats:
    """Estimate the Jaccard index of pairs from their signatures: [pairs]."""
    blocks: list[Floats] = []
    for start in range(0, len(first), CHUNK):
        chunk = slice(start, start + CHUNK)
        blocks.append((signatures[first[chunk]] == signatures[second[chunk]]).mean(axis=1))
    return np.concatenate(blocks) if blocks else np.empty(0)


def _jaccard(first: Hashes, second: Hashes) -> float:
    """Compute the Jaccard index of two sets of hashes."""
    common = len(np.intersect1d(first, second, assume_unique=True))
    return common / (len(first) + len(second) - common)
