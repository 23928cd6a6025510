"""Pack token sequences into a prefix trie: one sequence without padding, in which every shared prefix occurs once.

Sequences are added in lexicographic order. Each is a path through the trie: spans of earlier branches that it shares,
then a branch of its own.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Ids: TypeAlias = "array[int]"
"""Token ids of a sequence, as 32-bit integers."""
Span = tuple[int, int]
"""Consecutive slots of the packed sequence: the first slot, and the number of slots."""
Ints = NDArray[np.int64]

MIN_SHARED = 8
"""Length from which a shared prefix is computed once; a shorter one costs more attention calls than it saves."""


@dataclass(frozen=True)
class Branch:
    """Tokens of one sequence that follow the prefix it shares with earlier ones."""

    start: int
    """Slot of the first token."""
    length: int
    prefix: tuple[Span, ...] = ()
    """Slots of the shared prefix."""

    @property
    def depth(self) -> int:
        """Return the position of the first token in its sequence: the length of the shared prefix."""
        return sum(length for _, length in self.prefix)


@dataclass(frozen=True)
class PrefixTrie:
    """Sequences packed into one, every shared prefix once."""

    input_ids: Ints
    """Token ids of the packed sequence: [slots]."""
    position_ids: Ints
    """Position of each token in its own sequence (its depth in the trie): [slots]."""
    branches: tuple[Branch, ...]
    """In the order of their slots, without gaps."""
    paths: tuple[tuple[Span, ...], ...]
    """Slots of each sequence, in the order in which the sequences were given."""

    def slots(self, sequence: int, start: int, end: int) -> Ints:
        """Return the slots of tokens `start` to `end` of a sequence."""
        spans = [np.arange(first, first + length) for first, length in self.paths[sequence]]
        return np.concatenate(spans)[start:end]

    def attention_mask(self) -> NDArray[np.bool_]:
        """Return which slots each token attends to: [slots, slots], True for its ancestors and itself.

        This defines tree attention. The forward pass never builds the whole mask, only parts of it
        (`tree_attention.PackedBatch.plan`).
        """
        mask = np.zeros((len(self.input_ids), len(self.input_ids)), dtype=bool)
        for path in range(len(self.paths)):
            slots = self.slots(path, 0, len(self.input_ids))
            for depth, slot in enumerate(slots):
                mask[slot, slots[: depth + 1]] = True
        return mask


def shared_prefix(a: Ids, b: Ids) -> int:
    """Return the number of leading tokens that two sequences share; both are 32-bit arrays.

    >>> shared_prefix(array("i", [1, 2, 3]), array("i", [1, 2, 4, 5])), shared_prefix(array("i"), array("i", [1]))
    (2, 0)
    """
    n = min(len(a), len(b))
    if n == 0:
        return 0
    differs = np.frombuffer(a, np.int32, n) != np.frombuffer(b, np.int32, n)
    first = int(differs.argmax())
    return first if differs[first] else n


def worth_sharing(prefix: int, min_shared: int = MIN_SHARED) -> int:
    """Return the length of a prefix, or 0 if it is too short to be shared.

    >>> worth_sharing(7), worth_sharing(8)
    (0, 8)
    """
    return prefix if prefix >= min_shared else 0


def costs(ordered: Iterable[Ids]) -> Iterator[int]:
    """Yield the number of tokens that each sequence, in lexicographic order, adds to the trie.

    >>> list(costs([array("i", range(9)), array("i", [*range(8), 20, 21])]))
    [9, 2]
    """
    previous: Ids = array("i")
    for ids in ordered:
        yield len(ids) - worth_sharing(shared_prefix(previous, ids))
        previous = ids


def build_trie(sequences: Sequence[Ids], min_shared: int = MIN_SHARED) -> PrefixTrie:
    """Build the prefix trie of sequences (32-bit arrays, none empty).

    Args:
        sequences: token ids.
        min_shared: length from which a shared prefix is stored once.

    >>> trie = build_trie([array("i", [*range(9), 30]), array("i", range(9)), array("i", [7, 7])])
    >>> trie.input_ids.tolist(), trie.position_ids.tolist()
    ([0, 1, 2, 3, 4, 5, 6, 7, 8, 30, 7, 7], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1])
    >>> trie.paths
    (((0, 10),), ((0, 9),), ((10, 2),))
    """
    paths: list[tuple[Span, ...]] = [()] * len(sequences)
    branches: list[Branch] = []
    input_ids: list[Ints] = []
    position_ids: list[Ints] = []
    size, previous, path = 0, array("i"), ()  # type: int, Ids, tuple[Span, ...]
    for n in sorted(range(len(sequences)), key=sequences.__getitem__):
        ids = sequences[n]
        path = _truncate(path, worth_sharing(shared_prefix(previous, ids), min_shared))
        depth = sum(length for _, length in path)
        if depth < len(ids):
            branch = Branch(size, len(ids) - depth, path)
            branches.append(branch)
            input_ids.append(np.asarray(ids[depth:], np.int64))
            position_ids.append(np.arange(depth, len(ids)))
            path = _extend(path, (size, branch.length))
            size += branch.length
        paths[n], previous = path, ids
    return PrefixTrie(np.concatenate(input_ids), np.concatenate(position_ids), tuple(branches), tuple(paths))


def _truncate(path: Sequence[Span], length: int) -> tuple[Span, ...]:
    """Return the first `length` tokens of a path.

    >>> _truncate([(0, 5), (9, 4)], 7)
    ((0, 5), (9, 2))
    """
    spans: list[Span] = []
    for start, size in path:
        if length <= 0:
            break
        spans.append((start, min(size, length)))
        length -= size
    return tuple(spans)


def _extend(path: tuple[Span, ...], span: Span) -> tuple[Span, ...]:
    """Append a span to a path; adjacent spans become one.

    >>> _extend(((0, 5),), (5, 2)), _extend(((0, 5),), (7, 2))
    (((0, 7),), ((0, 5), (7, 2)))
    """
    if path and sum(path[-1]) == span[0]:
        start, length = path[-1]
        return (*path[:-1], (start, length + span[1]))
    return (*path, span)
