"""Sequences that read their elements on access, so that a file of any size needs little memory."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Generic, TypeVar, overload

T = TypeVar("T")
Converted = TypeVar("Converted")


class LazySequence(Sequence[T], Generic[T]):
    """A sequence with a reader of its elements `first` to `end`; a slice is a list."""

    def __init__(self, length: int, read: Callable[[int, int], Iterator[T]]) -> None:
        self._length, self._read = length, read

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[T]:
        return self._read(0, self._length)

    @overload
    def __getitem__(self, at: int) -> T: ...
    @overload
    def __getitem__(self, at: slice) -> list[T]: ...
    def __getitem__(self, at: int | slice) -> T | list[T]:
        if isinstance(at, slice):
            first, end, step = at.indices(self._length)
            return list(self._read(first, end)) if step == 1 else list(map(self.__getitem__, range(first, end, step)))
        if not -self._length <= at < self._length:
            raise IndexError(at)
        first = at % self._length
        return next(self._read(first, first + 1))

    def part(self, first: int, end: int) -> LazySequence[T]:
        """Return the elements `first` to `end`, which are read on access too.

        >>> list(LazySequence(5, lambda first, end: iter(range(first, end))).part(1, 4).part(1, 3))
        [2, 3]
        """
        return LazySequence(end - first, lambda start, stop: self._read(first + start, first + stop))

    def map(self, convert: Callable[[int, T], Converted]) -> LazySequence[Converted]:
        """Return a sequence that converts each element, from its index and value, on access."""

        def read(first: int, end: int) -> Iterator[Converted]:
            for n, value in enumerate(self._read(first, end), first):
                yield convert(n, value)

        return LazySequence(self._length, read)


def lazy_lines(path: Path, decode: Callable[[bytes, int], T]) -> LazySequence[T]:
    """Return the non-blank lines of a file, which `decode` converts, with their number (from 1), on access."""
    starts, numbers, at = array("Q"), array("Q"), 0
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                starts.append(at)
                numbers.append(number)
            at += len(line)

    def read(first: int, end: int) -> Iterator[T]:
        with path.open("rb") as file:
            for n in range(first, end):
                file.seek(starts[n])
                yield decode(file.readline(), numbers[n])

    return LazySequence(len(starts), read)
