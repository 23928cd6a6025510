"""Requests in, batches out; never text. Longest first, so that the first batch is the one that may not fit."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import TypeVar

from rewardbench.forward.prefix_tree import costs
from rewardbench.types import BatchTraits, Request, TokenRequest, one_bucket

Bucket = Callable[[int], Hashable]
Batch = list[Request]
T = TypeVar("T")


def layout(traits: BatchTraits) -> str:
    """Return how a scorer's batches are laid out, in a word for the manifest."""
    return "one at a time" if traits.max_batch_size == 1 else "row" if traits.packed else "padded"


def arrange(
    groups: Iterable[Sequence[Request]], traits: BatchTraits, budget: int, max_batch_size: int | None = None
) -> list[Batch]:
    """Return the batches of a scorer: packed where it takes them so, else padded.

    Args:
        groups: the requests of each item, which share a prefix; every request once.
        traits: of the scorer.
        budget: tokens a batch may hold, padding counted.
        max_batch_size: requests a batch may hold, unless the scorer takes fewer.
    """
    most = min((count for count in (traits.max_batch_size, max_batch_size) if count), default=None)
    if traits.packed:
        return pack(groups, budget, most, traits.length_bucket)
    return plan([request for group in groups for request in group], budget, most, traits.length_bucket)


def plan(
    requests: Iterable[Request], budget: int, most: int | None = None, length_bucket: Bucket = one_bucket
) -> list[Batch]:
    """Batches of similar length, longest first; the order of the input and the place of an item in it do not matter.

    Args:
        requests: distinct requests.
        budget: padded tokens a batch may hold; one longer request still gets a batch of its own.
        most: requests a batch may hold.
        length_bucket: requests share a batch only if their lengths give the same bucket (see forward.rope).

    >>> [[len(r) for r in batch] for batch in plan([TokenRequest("", "", (1,) * n) for n in (2, 5, 3, 4)], 10)]
    [[5, 4], [3, 2]]
    """
    batches: list[Batch] = []
    room = 0
    bucket: Hashable = None
    for request in sorted(requests, key=lambda r: (-len(r), r.sort_key)):
        if not batches or len(batches[-1]) >= room or length_bucket(len(request)) != bucket:
            batches.append([])
            room = max(1, budget // max(1, len(request)))
            room = min(room, most) if most else room
            bucket = length_bucket(len(request))
        batches[-1].append(request)
    return batches


def pack(
    groups: Iterable[Sequence[Request]], budget: int, most: int | None = None, length_bucket: Bucket = one_bucket
) -> list[Batch]:
    """Return batches of groups that share prefixes: groups in lexicographic order, each whole.

    A group that alone exceeds the budget is split. The order of the groups does not matter.

    Args:
        groups: the requests of each item; every request once.
        budget: distinct tokens a batch may hold, a shared prefix counted once.
        most: as in `plan`.
        length_bucket: as in `plan`.

    >>> a, b, c = (TokenRequest("", "", [*range(9), n]) for n in (20, 30, 40))
    >>> [[r.ids[-1] for r in batch] for batch in pack([[c], [b, a]], budget=12)]
    [[20, 30, 40]]
    >>> [[r.ids[-1] for r in batch] for batch in pack([[c], [b, a]], budget=11)]
    [[20, 30], [40]]
    """
    batches: list[Batch] = []
    room, last_bucket = 0, None  # type: int, Hashable
    for bucket, group in _sorted_groups(groups, length_bucket):
        before = batches[-1] if batches and bucket == last_bucket else []
        added = _cost([*before[-1:], *group]) - (len(before[-1]) if before else 0)
        fits = before and added <= room and not (most and len(before) + len(group) > most)
        if not fits:
            new = _split(group, budget, most)
            batches += new
            room, last_bucket = budget - _cost(new[-1]), bucket
        else:
            batches[-1].extend(group)
            room -= added
    return sorted(batches, key=lambda batch: -max(map(len, batch)))


def _sorted_groups(groups: Iterable[Sequence[Request]], length_bucket: Bucket) -> list[tuple[Hashable, Batch]]:
    """Return each group in lexicographic order, cut by length bucket; the groups in that order too."""
    cut: list[tuple[Hashable, Batch]] = []
    for group in groups:
        by_bucket: dict[Hashable, Batch] = {}
        for request in sorted(group, key=lambda request: request.sort_key):
            by_bucket.setdefault(length_bucket(len(request)), []).append(request)
        cut += by_bucket.items()
    return sorted(cut, key=lambda one: (str(one[0]), one[1][0].sort_key))


def _split(group: Batch, budget: int, most: int | None) -> list[Batch]:
    """Return a group as one batch where it fits, else as several."""
    batches: list[Batch] = [[]]
    used = 0
    for request, cost in zip(group, _added(group), strict=True):
        if batches[-1] and (used + cost > budget or len(batches[-1]) == most):
            batches.append([])
            used, cost = 0, len(request)
        batches[-1].append(request)
        used += cost
    return batches


def _added(batch: Sequence[Request]) -> Iterator[int]:
    return costs(request.ids for request in batch if isinstance(request, TokenRequest))


def _cost(batch: Sequence[Request]) -> int:
    return sum(_added(batch))


def size(batch: Sequence[Request], traits: BatchTraits) -> int:
    """Return the tokens that a batch makes a scorer compute: each distinct prefix once, or padding too."""
    if traits.packed:
        return _cost(sorted(batch, key=lambda request: request.sort_key))
    return len(batch) * max(map(len, batch))


def spread(items: Sequence[T], count: int) -> list[T]:
    """So many items, as far apart as they can be; all where there are fewer.

    >>> spread(range(10), 4), spread(range(2), 4)
    ([0, 2, 5, 7], [0, 1])
    """
    count = min(count, len(items))
    return [items[n * len(items) // count] for n in range(count)]
