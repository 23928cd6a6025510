"""Activations on disk in random order, so that training reads the file in sequence and memory does not grow."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK_BYTES = 16 * 2**20
"""Bytes that are in memory at a time."""


class ActivationRows(Protocol):
    """Rows of activations that are read block by block."""

    width: int

    def blocks(self, generator: np.random.Generator | None = None) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Yield the number of the first row, and rows [rows, width]; in random order with a generator."""


class ArrayRows:
    """Rows of an array in memory."""

    def __init__(self, rows: NDArray[np.float32]) -> None:
        self.rows, self.width = rows, rows.shape[1]

    def blocks(self, generator: np.random.Generator | None = None) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Yield the whole array."""
        yield 0, self.rows


class ActivationFile:
    """Context manager: a temporary file of rows, each written to a random place.

    Neighbouring tokens of a text are alike; a block of the file mixes all texts.

    Args:
        lengths: number of tokens of each text.
        seed: seed of the order.
    """

    def __init__(self, lengths: Sequence[int], seed: int) -> None:
        self.starts = np.concatenate([[0], np.cumsum(np.asarray(lengths, np.int64))])
        self.total, self.width = int(self.starts[-1]), 0
        self.places = np.random.default_rng(seed).permutation(self.total)
        self.file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  # closed by __exit__

    def __enter__(self) -> ActivationFile:
        return self

    def __exit__(self, *error: object) -> None:
        self.file.close()

    def write(self, text: int, rows: NDArray[np.float32]) -> None:
        """Write the activations of a text: [tokens, width]."""
        self.width = rows.shape[1]
        row_bytes = rows.shape[1] * 4
        for place, row in zip(self.places[self.starts[text] : self.starts[text + 1]], rows, strict=True):
            self.file.seek(int(place) * row_bytes)
            self.file.write(row.tobytes())

    def blocks(self, generator: np.random.Generator | None = None) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Yield the place of the first row, and the rows [rows, width]; in random order with a generator."""
        size = max(1, BLOCK_BYTES // (4 * self.width))
        firsts = np.arange(0, self.total, size)
        if generator is not None:
            generator.shuffle(firsts)
        for first in firsts.tolist():
            self.file.seek(first * 4 * self.width)
            content = bytearray(min(size, self.total - first) * 4 * self.width)
            view = memoryview(content)
            read = 0
            while count := self.file.readinto(view[read:]):
                read += count
            yield first, np.frombuffer(content, np.float32).reshape(-1, self.width)
