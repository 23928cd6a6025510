"""How much of a suite stands in other data: shared runs of words, found in one pass and in bounded memory."""

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
"""Rows held at a time."""
PRIME = np.uint64(0x9E3779B97F4A7C15)
HALF = 0.5
END = 2**63
"""Behind the last word of a text; no vocabulary is so large."""

Hashes = NDArray[np.uint64]


@dataclass(frozen=True)
class Overlap:
    """What of the suite was met, in rows; a row is hit by one shared run, and covered by half of its runs."""

    rows_read: int
    rows_hit: int
    """Training rows that hold a run of the suite."""
    n: int
    """Rows of the suite that are long enough to hold a run."""
    hit: int
    covered: int
    ngram: int
    subsets: Mapping[str, Mapping[str, int]]
    examples: Sequence[str]
    """Ids of the rows hit hardest, the hardest first."""

    @property
    def share(self) -> float:
        """Of the suite's rows that are hit."""
        return self.hit / self.n if self.n else 0.0

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self) | {"share": round(self.share, 4)}


class Index:
    """The runs of a suite: their hashes, sorted, and which row has which."""

    def __init__(self, suite: Suite, ngram: int) -> None:
        self.ngram = ngram
        self.words: dict[str, int] = {}
        owners: list[NDArray[np.int64]] = []
        hashes: list[Hashes] = []
        for n, item in enumerate(suite.items):
            prompt, completions = texts(item)
            ids = self._ids([prompt, *completions], grow=True)
            mine = np.unique(run_hashes(ids, ngram)[0])
            hashes.append(mine)
            owners.append(np.full(len(mine), n))
        self.owners = np.concatenate(owners)
        self.all = np.concatenate(hashes)
        self.known = np.unique(self.all)
        self.met = np.zeros(len(self.known), dtype=bool)

    def _ids(self, rows: Iterable[str], grow: bool = False) -> NDArray[np.uint64]:
        """Words as numbers, 0 for one that the suite does not have, and END behind each text."""
        ids: list[int] = []
        for text in rows:
            for word in WORD.findall(text.lower()):
                ids.append(self.words.setdefault(word, len(self.words) + 1) if grow else self.words.get(word, 0))
            ids.append(END)
        return np.array(ids, dtype=np.uint64)

    def read(self, rows: Sequence[str]) -> int:
        """Mark what stands in these rows; return how many of them hold anything."""
        found, at = run_hashes(self._ids(rows), self.ngram)
        where = np.searchsorted(self.known, found).clip(max=len(self.known) - 1)
        real = self.known[where] == found if len(self.known) else np.zeros(len(found), dtype=bool)
        self.met[where[real]] = True
        return len(np.unique(at[real]))

    def coverage(self, rows: int) -> NDArray[np.float64]:
        """Share of each suite row's runs that were met; NaN where a row has none."""
        met = self.met[np.searchsorted(self.known, self.all)]
        have = np.bincount(self.owners, minlength=rows).astype(float)
        have[have == 0] = np.nan
        return np.asarray(np.bincount(self.owners, met, minlength=rows) / have)


def run_hashes(ids: Hashes, ngram: int) -> tuple[Hashes, NDArray[np.int64]]:
    """The hash of every run of `ngram` known words, and the text it stands in: both [runs].

    0 is a word unknown, and END ends a text; two equal hashes are equal runs but for one chance in 2^64.
    """
    if len(ids) < ngram:
        return np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.int64)
    count = len(ids) - ngram + 1
    hashes = np.zeros(count, dtype=np.uint64)
    whole = np.ones(count, dtype=bool)
    with np.errstate(over="ignore"):
        for k in range(ngram):
            step = ids[k : k + count]
            hashes = (hashes ^ (step * PRIME)) * PRIME + (hashes >> np.uint64(29))
            whole &= (step > 0) & (step < END)
    text = np.cumsum(ids == END)[:count]
    return hashes[whole], text[whole]


def find_overlap(
    rows: Iterable[str], suite: Suite, ngram: int = 13, tick: Callable[[], None] = lambda: None
) -> Overlap:
    """Hold a stream of training texts against a suite; `tick` is called for every 2,000 rows.

    Memory is that of the suite's runs and of 2,000 rows, whatever the length of the stream.
    """
    index = Index(suite, ngram)
    read = hit = 0
    for chunk in _chunks(rows):
        read += len(chunk)
        hit += index.read(chunk)
        tick()
    coverage = index.coverage(len(suite.items))
    names = [item.subset for item in suite.items]
    counted = {
        "n": Counter(name for name, share in zip(names, coverage, strict=True) if share == share),
        "hit": Counter(name for name, share in zip(names, coverage, strict=True) if share > 0),
        "covered": Counter(name for name, share in zip(names, coverage, strict=True) if share >= HALF),
    }
    worst = sorted(np.flatnonzero(coverage > 0), key=lambda n: (-coverage[n], n))
    return Overlap(
        rows_read=read,
        rows_hit=hit,
        **{name: sum(counts.values()) for name, counts in counted.items()},
        ngram=ngram,
        subsets={name: {kind: counts[name] for kind, counts in counted.items()} for name in dict.fromkeys(names)},
        examples=[suite.items[int(n)].id for n in worst[:10]],
    )


def _chunks(rows: Iterable[str]) -> Iterator[list[str]]:
    stream = iter(rows)
    while chunk := list(islice(stream, CHUNK)):
        yield chunk
