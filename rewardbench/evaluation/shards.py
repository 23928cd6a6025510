"""Divide the items of a suite into parts, which machines that know nothing of each other score.

Items that share a prompt, a group or a cluster are in one part, so that their common prefixes are computed once. The
division depends on the items and on the number of parts only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from heapq import heappop, heappush

from rewardbench.errors import InputError
from rewardbench.metrics import column_value
from rewardbench.types import Item, Suite

FORM = re.compile(r"(\d{1,6})(?:-(\d{1,6}))?/(\d{1,6})", re.ASCII)


@dataclass(frozen=True)
class Shard:
    """Parts `first` to `last` of items that are divided into `count` parts of about equal work."""

    first: int
    last: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Parse `i/n`, or `i-j/n` for several parts.

        Raises:
            InputError: if the text has another form, or a part does not exist.

        >>> str(Shard.parse("2/3")), list(Shard.parse("0-1/3").parts)
        ('2/3', [0, 1])
        """
        match = FORM.fullmatch(text)
        if match is None:
            raise InputError(
                f"--shard {text[:40]} is not a part of a run: write i/n, such as 0/3, or 0-1/3 for two parts."
            )
        first, count = int(match[1]), int(match[3])
        last = first if match[2] is None else int(match[2])
        if not first <= last < count:
            raise InputError(
                f"--shard {text} does not exist: the parts of a run are numbered from 0 to one less than their number."
            )
        return cls(first, last, count)

    @property
    def parts(self) -> range:
        """Return the numbers of its parts."""
        return range(self.first, self.last + 1)

    def __str__(self) -> str:
        """Format as `parse` reads it."""
        numbers = str(self.first) if self.first == self.last else f"{self.first}-{self.last}"
        return f"{numbers}/{self.count}"

    def rows(self, count: int) -> range:
        """Return which of `count` rows are in this shard of a file of scores: adjacent rows, so that `cat` joins parts.

        >>> Shard.parse("0/3").rows(7), Shard.parse("1-2/3").rows(7)
        (range(0, 2), range(2, 7))
        """
        return range(count * self.first // self.count, count * (self.last + 1) // self.count)

    def select(self, suite: Suite) -> list[Item]:
        """Return the items of a suite that are in this shard, in the order of the suite."""
        items: list[Item] = []
        for item, part in zip(suite.items, divide(suite, self.count), strict=True):
            if part in self.parts:
                items.append(item)
        return items


def divide(suite: Suite, count: int) -> list[int]:
    """Divide the items of a suite into parts of about equal numbers of characters.

    Args:
        suite: the items.
        count: number of parts; some are empty if there are fewer units.

    Returns:
        The part of each item.
    """
    units = _units(suite)
    work = dict.fromkeys(units, 0)
    for item, unit in zip(suite.items, units, strict=True):
        work[unit] += _characters(item)
    loads = [(0, part) for part in range(count)]
    part_of: dict[int, int] = {}
    for unit in sorted(work, key=lambda unit: (-work[unit], unit)):  # the largest first, each to the emptiest part
        load, part = heappop(loads)
        part_of[unit] = part
        heappush(loads, (load + work[unit], part))
    return list(map(part_of.__getitem__, units))


def _units(suite: Suite) -> list[int]:
    """Return for each item the index of the first item from which it must not be separated, itself included."""
    parents = list(range(len(suite.items)))

    def root(n: int) -> int:
        while parents[n] != n:
            parents[n] = parents[parents[n]]
            n = parents[n]
        return n

    first_with: dict[Hashable, int] = {}
    for n, item in enumerate(suite.items):
        for key in _keys(item, suite.cluster_by):
            a, b = root(n), root(first_with.setdefault(key, n))
            parents[max(a, b)] = min(a, b)
    return list(map(root, range(len(parents))))


def _keys(item: Item, cluster_by: str) -> Iterator[Hashable]:
    """Yield what keeps items together: an equal prompt, group or cluster."""
    if item.prompt:
        prompt = json.dumps(item.prompt, default=str, sort_keys=True)
        yield "prompt", blake2b(prompt.encode(), digest_size=16).digest()
    if item.group:
        yield "group", item.group
    if cluster := column_value(item.meta, cluster_by):
        yield "cluster", cluster


def _characters(item: Item) -> int:
    """Count the characters of the prompt and the completions, and 1 so that no item is free."""
    characters = 1
    for messages in (item.prompt, *item.completions):
        for message in messages:
            characters += len(message["content"])
    return characters
