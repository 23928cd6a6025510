"""Sequences that are read when they are asked for: a file of any size takes the memory of what is in hand."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar, overload

T = TypeVar("T")


class Lazy(Sequence[T], Generic[T]):
    """A sequence given by how its elements `first` to `end` are read; a slice is a list."""

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
            return list(self._read(first, end)) if step == 1 else [self[n] for n in range(first, end, step)]
        if not -self._length <= at < self._length:
            raise IndexError(at)
        first = at % self._length
        return next(self._read(first, first + 1))

    def map(self, change: Callable[[int, T], Any]) -> Lazy[Any]:
        """The same, each element changed, given its place, when it is read."""

        def read(first: int, end: int) -> Iterator[Any]:
            return (change(n, value) for n, value in enumerate(self._read(first, end), first))

        return Lazy(self._length, read)


def lines(path: Path, decode: Callable[[bytes, int], T]) -> Lazy[T]:
    """The lines of a file that are not blank, decoded (given their number, from 1) when they are read."""
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

    return Lazy(len(starts), read)
