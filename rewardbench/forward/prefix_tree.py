"""What token sequences have in common: each distinct prefix once, as one row of runs; never a model.

A completion shares its prompt, and often its first words, with the others of its item. Laid out in lexicographic
order, every sequence is a path: pieces of the row that others brought, and a run of its own.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Ids: TypeAlias = "array[int]"
Piece = tuple[int, int]
"""A stretch of the row: where it begins, and how many tokens it has."""
Ints = NDArray[np.int64]

LEAST = 8
"""Tokens that must be shared to be worth sharing: a shorter prefix costs an attention call more than it saves."""


@dataclass(frozen=True)
class Run:
    """Tokens that one sequence brings into the row, behind the pieces that it shares with earlier ones."""

    start: int
    length: int
    pieces: tuple[Piece, ...] = ()

    @property
    def shared(self) -> int:
        """How many tokens stand before its own: the depth of its first one."""
        return sum(length for _, length in self.pieces)


@dataclass(frozen=True)
class Tree:
    """Sequences as one row without padding, every shared prefix in it once.

    `ids` and `depths` are [tokens]: what stands in each slot of the row, and its position in its own sequence.
    """

    ids: Ints
    depths: Ints
    runs: tuple[Run, ...]
    paths: tuple[tuple[Piece, ...], ...]
    """Of each sequence, in the order they were given."""

    def slots(self, sequence: int, start: int, end: int) -> Ints:
        """The slots of the row that hold tokens `start` to `end` of a sequence."""
        whole = np.concatenate([np.arange(at, at + length) for at, length in self.paths[sequence]])
        return whole[start:end]


def shared_prefix(a: Ids, b: Ids) -> int:
    """How many leading tokens two sequences share; both are 32-bit arrays.

    >>> shared_prefix(array("i", [1, 2, 3]), array("i", [1, 2, 4, 5])), shared_prefix(array("i"), array("i", [1]))
    (2, 0)
    """
    n = min(len(a), len(b))
    if n == 0:
        return 0
    differs = np.frombuffer(a, np.int32, n) != np.frombuffer(b, np.int32, n)
    at = int(differs.argmax())
    return at if differs[at] else n


def worth_sharing(prefix: int) -> int:
    """The prefix, or 0 where it is too short to be worth it.

    >>> worth_sharing(7), worth_sharing(8)
    (0, 8)
    """
    return prefix if prefix >= LEAST else 0


def costs(ordered: Iterable[Ids]) -> Iterator[int]:
    """The tokens that each sequence, in lexicographic order, adds to those before it.

    >>> list(costs([array("i", range(9)), array("i", [*range(8), 20, 21])]))
    [9, 2]
    """
    before: Ids = array("i")
    for ids in ordered:
        yield len(ids) - worth_sharing(shared_prefix(before, ids))
        before = ids


def plant(sequences: Sequence[Ids]) -> Tree:
    """The tree of some sequences (32-bit arrays, none empty).

    >>> tree = plant([array("i", [*range(9), 30]), array("i", range(9)), array("i", [7, 7])])
    >>> tree.ids.tolist(), tree.depths.tolist()
    ([0, 1, 2, 3, 4, 5, 6, 7, 8, 30, 7, 7], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1])
    >>> tree.paths
    (((0, 10),), ((0, 9),), ((10, 2),))
    """
    paths: list[tuple[Piece, ...]] = [()] * len(sequences)
    runs: list[Run] = []
    own: list[Ids] = []
    size, before, path = 0, array("i"), ()  # type: int, Ids, tuple[Piece, ...]
    for n in sorted(range(len(sequences)), key=lambda n: sequences[n]):
        ids = sequences[n]
        pieces = _cut(path, worth_sharing(shared_prefix(before, ids)))
        kept = sum(length for _, length in pieces)
        if kept < len(ids):
            runs.append(Run(size, len(ids) - kept, pieces))
            own.append(ids[kept:])
            pieces = _joined(pieces, (size, len(ids) - kept))
            size += len(ids) - kept
        paths[n], path, before = pieces, pieces, ids
    depths = [np.arange(run.shared, run.shared + run.length) for run in runs]
    row = np.concatenate([np.asarray(ids, np.int64) for ids in own])
    return Tree(row, np.concatenate(depths), tuple(runs), tuple(paths))


def _cut(path: Sequence[Piece], length: int) -> tuple[Piece, ...]:
    """The first so many tokens of a path.

    >>> _cut([(0, 5), (9, 4)], 7)
    ((0, 5), (9, 2))
    """
    kept: list[Piece] = []
    for at, size in path:
        if length <= 0:
            break
        kept.append((at, min(size, length)))
        length -= size
    return tuple(kept)


def _joined(pieces: tuple[Piece, ...], piece: Piece) -> tuple[Piece, ...]:
    """One piece more; stretches that touch become one.

    >>> _joined(((0, 5),), (5, 2)), _joined(((0, 5),), (7, 2))
    (((0, 7),), ((0, 5), (7, 2)))
    """
    if pieces and sum(pieces[-1]) == piece[0]:
        return (*pieces[:-1], (pieces[-1][0], pieces[-1][1] + piece[1]))
    return (*pieces, piece)
