"""Contamination check: n-gram overlap between a suite and other data, in one pass with bounded memory."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardbench.lint.shortcuts import texts
from rewardbench.types import Suite

WORD = re.compile(r"\w+")
CHUNK = 2000
"""Rows in memory at a time."""
PRIME = np.uint64(0x9E3779B97F4A7C15)
HALF = 0.5
END = 2**63
"""Marks the end of a text; larger than any word number."""

Hashes = NDArray[np.uint64]


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

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return asdict(self) | {"share": round(self.share, 4)}


class Index:
    """The n-grams of a suite: their sorted hashes, and the row of each."""

    def __init__(self, suite: Suite, ngram: int) -> None:
        self.ngram = ngram
        self.words: dict[str, int] = {}
        owners: list[NDArray[np.int64]] = []
        hashes: list[Hashes] = []
        for n, item in enumerate(suite.items):
            prompt, completions = texts(item)
            ids = self._ids([prompt, *completions], grow=True)
            item_hashes = np.unique(run_hashes(ids, ngram)[0])
            hashes.append(item_hashes)
            owners.append(np.full(len(item_hashes), n))
        self.owners = np.concatenate(owners)
        self.all = np.concatenate(hashes)
        self.known = np.unique(self.all)
        self.met = np.zeros(len(self.known), dtype=bool)

    def _ids(self, rows: Iterable[str], grow: bool = False) -> NDArray[np.uint64]:
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
        positions = np.searchsorted(self.known, hashes).clip(max=len(self.known) - 1)
        in_suite = self.known[positions] == hashes if len(self.known) else np.zeros(len(hashes), dtype=bool)
        self.met[positions[in_suite]] = True
        return len(np.unique(at[in_suite]))

    def coverage(self, rows: int) -> NDArray[np.float64]:
        """Compute the share of each suite row's n-grams that occurred; NaN for a row without n-grams."""
        occurred = self.met[np.searchsorted(self.known, self.all)]
        totals = np.bincount(self.owners, minlength=rows).astype(float)
        totals[totals == 0] = np.nan
        return np.asarray(np.bincount(self.owners, occurred, minlength=rows) / totals)


def run_hashes(ids: Hashes, ngram: int) -> tuple[Hashes, NDArray[np.int64]]:
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
    index = Index(suite, ngram)
    rows_read = rows_hit = 0
    for chunk in _chunks(rows):
        rows_read += len(chunk)
        rows_hit += index.read(chunk)
        tick()
    coverage = index.coverage(len(suite.items))
    subset_names = [item.subset for item in suite.items]
    shares = list(zip(subset_names, coverage, strict=True))
    counts_by_kind = {
        "n": Counter(name for name, share in shares if share == share),
        "hit": Counter(name for name, share in shares if share > 0),
        "covered": Counter(name for name, share in shares if share >= HALF),
    }
    subsets: dict[str, dict[str, int]] = {}
    for name in dict.fromkeys(subset_names):
        subsets[name] = {kind: counts[name] for kind, counts in counts_by_kind.items()}
    worst = sorted(np.flatnonzero(coverage > 0), key=lambda n: (-coverage[n], n))
    return Overlap(
        rows_read=rows_read,
        rows_hit=rows_hit,
        **{name: sum(counts.values()) for name, counts in counts_by_kind.items()},
        ngram=ngram,
        subsets=subsets,
        examples=[suite.items[int(n)].id for n in worst[:10]],
    )


def _chunks(rows: Iterable[str]) -> Iterator[list[str]]:
    stream = iter(rows)
    while chunk := list(islice(stream, CHUNK)):
        yield chunk
