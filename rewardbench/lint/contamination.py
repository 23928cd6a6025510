"""Contamination check: n-gram overlap between a suite and other data, in one pass with bounded memory."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from math import isnan

import numpy as np

from rewardbench.lint.arrays import Floats, Hashes, Indices
from rewardbench.lint.shortcuts import item_texts
from rewardbench.types import Suite

WORD = re.compile(r"\w+")
CHUNK = 2000
"""Rows in memory at a time."""
PRIME = np.uint64(0x9E3779B97F4A7C15)
HALF = 0.5
END = 2**63
"""Marks the end of a text; larger than any word number."""


@dataclass(frozen=True)
class Overlap:
    """Overlap of a suite with other data; a row is hit by one shared n-gram, and covered by half of its own."""

    rows_read: int
    rows_hit: int
    """Training rows that contain an n-gram of the suite."""
    n: int
    """Rows of the suite that are long enough to contain an n-gram."""
    hit: int
    covered: int
    ngram: int
    subsets: Mapping[str, Mapping[str, int]]
    examples: Sequence[str]
    """Ids of the rows with the highest coverage, the highest first."""

    @property
    def share(self) -> float:
        """Share of the suite's rows that are hit."""
        return self.hit / self.n if self.n else 0.0

    def to_json(self) -> dict[str, object]:
        """Return the fields as JSON values."""
        return asdict(self) | {"share": round(self.share, 4)}


class NgramIndex:
    """The n-grams of a suite: their sorted hashes, the row of each, and whether the training data has it."""

    def __init__(self, suite: Suite, ngram: int) -> None:
        self.ngram = ngram
        self.words: dict[str, int] = {}
        owners: list[Indices] = []
        hashes: list[Hashes] = []
        for n, item in enumerate(suite.items):
            prompt, completions = item_texts(item)
            ids = self._ids([prompt, *completions], grow=True)
            item_hashes = np.unique(run_hashes(ids, ngram)[0])
            hashes.append(item_hashes)
            owners.append(np.full(len(item_hashes), n))
        self.owners = np.concatenate(owners)
        self.hashes = np.concatenate(hashes)
        self.distinct = np.unique(self.hashes)
        self.occurred = np.zeros(len(self.distinct), dtype=bool)

    def _ids(self, rows: Iterable[str], grow: bool = False) -> Hashes:
        """Convert words to numbers, 0 for one that the suite does not have, with END after each text."""
        ids: list[int] = []
        for text in rows:
            for word in WORD.findall(text.lower()):
                ids.append(self.words.setdefault(word, len(self.words) + 1) if grow else self.words.get(word, 0))
            ids.append(END)
        return np.array(ids, dtype=np.uint64)

    def read(self, rows: Sequence[str]) -> int:
        """Mark the n-grams that occur in these rows; return the number of rows with at least one."""
        hashes, at = run_hashes(self._ids(rows), self.ngram)
        positions = np.searchsorted(self.distinct, hashes).clip(max=len(self.distinct) - 1)
        in_suite = self.distinct[positions] == hashes if len(self.distinct) else np.zeros(len(hashes), dtype=bool)
        self.occurred[positions[in_suite]] = True
        return len(np.unique(at[in_suite]))

    def coverage(self, rows: int) -> Floats:
        """Compute the share of each suite row's n-grams that occurred; NaN for a row without n-grams."""
        ngram_occurred = self.occurred[np.searchsorted(self.distinct, self.hashes)]
        totals = np.bincount(self.owners, minlength=rows).astype(float)
        totals[totals == 0] = np.nan
        return np.asarray(np.bincount(self.owners, ngram_occurred, minlength=rows) / totals)


def run_hashes(ids: Hashes, ngram: int) -> tuple[Hashes, Indices]:
    """Hash every n-gram of known words.

    Two equal hashes are equal n-grams except with a chance of 2^-64.

    Args:
        ids: word numbers of all texts; 0 is an unknown word, and END ends a text: [words].
        ngram: number of words of an n-gram.

    Returns:
        The hash of each n-gram, and the index of its text: both [n-grams].
    """
    if len(ids) < ngram:
        return np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.int64)
    count = len(ids) - ngram + 1
    hashes = np.zeros(count, dtype=np.uint64)
    complete = np.ones(count, dtype=bool)
    with np.errstate(over="ignore"):
        for k in range(ngram):
            step = ids[k : k + count]
            hashes = (hashes ^ (step * PRIME)) * PRIME + (hashes >> np.uint64(29))
            complete &= (step > 0) & (step < END)
    text_numbers = np.cumsum(ids == END)[:count]
    return hashes[complete], text_numbers[complete]


def find_overlap(
    rows: Iterable[str], suite: Suite, ngram: int = 13, tick: Callable[[], None] = lambda: None
) -> Overlap:
    """Search a stream of training texts for the n-grams of a suite.

    The memory is that of the suite's n-grams and of 2,000 rows, whatever the length of the stream.

    Args:
        rows: the training texts.
        suite: the suite to search for.
        ngram: number of words of an n-gram.
        tick: called after every 2,000 rows.
    """
    index = NgramIndex(suite, ngram)
    rows_read = rows_hit = 0
    for chunk in _chunks(rows):
        rows_read += len(chunk)
        rows_hit += index.read(chunk)
        tick()
    coverage = index.coverage(len(suite.items))
    totals: Counter[str] = Counter()
    subsets: dict[str, dict[str, int]] = {}
    for item, share in zip(suite.items, coverage.tolist(), strict=True):
        subset = subsets.setdefault(item.subset, {"n": 0, "hit": 0, "covered": 0})
        flags = {"n": not isnan(share), "hit": share > 0, "covered": share >= HALF}
        for kind, flag in flags.items():
            subset[kind] += flag
            totals[kind] += flag
    highest_first = sorted(np.flatnonzero(coverage > 0).tolist(), key=lambda n: (-coverage[n], n))
    return Overlap(
        rows_read=rows_read,
        rows_hit=rows_hit,
        n=totals["n"],
        hit=totals["hit"],
        covered=totals["covered"],
        ngram=ngram,
        subsets=subsets,
        examples=[suite.items[n].id for n in highest_first[:10]],
    )


def _chunks(rows: Iterable[str]) -> Iterator[list[str]]:
    stream = iter(rows)
    while chunk := list(islice(stream, CHUNK)):
        yield chunk
