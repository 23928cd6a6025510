"""Plan batches of requests within a token budget, the longest first, so that running out of memory shows at once."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import TypeVar

from rewardbench.forward.prefix_tree import costs
from rewardbench.types import BatchTraits, Request, TokenRequest, one_bucket

LengthBucket = Callable[[int], Hashable]
Batch = list[Request]
T = TypeVar("T")


def layout_name(traits: BatchTraits) -> str:
    """Name the layout of a scorer's batches, for the manifest."""
    if traits.max_batch_size == 1:
        return "one at a time"
    return "row" if traits.packed else "padded"


def plan_batches(
    groups: Iterable[Sequence[Request]], traits: BatchTraits, budget: int, max_batch_size: int | None = None
) -> list[Batch]:
    """Divide requests into batches, packed or padded as the scorer takes them.

    Args:
        groups: the requests of each item, which share a prefix; each request once.
        traits: how the scorer takes its batches.
        budget: maximum tokens per batch, including padding.
        max_batch_size: maximum requests per batch, if below the maximum of the scorer.
    """
    limits = [limit for limit in (traits.max_batch_size, max_batch_size) if limit]
    max_size = min(limits, default=None)
    if traits.packed:
        return plan_packed(groups, budget, max_size, traits.length_bucket)
    requests = [request for group in groups for request in group]
    if traits.max_in_flight > 1 and max_size == 1:  # item by item, so that a run that stops at a limit has whole items
        return [[request] for request in requests]
    return plan_padded(requests, budget, max_size, traits.length_bucket)


def plan_padded(
    requests: Iterable[Request], budget: int, max_size: int | None = None, length_bucket: LengthBucket = one_bucket
) -> list[Batch]:
    """Divide requests into batches of similar length, the longest first. The order of the input does not matter.

    Args:
        requests: distinct requests.
        budget: maximum padded tokens per batch; a longer request gets a separate batch.
        max_size: maximum requests per batch.
        length_bucket: requests share a batch only if their lengths are in one bucket (see forward.rope).

    >>> [[len(r) for r in batch] for batch in plan_padded([TokenRequest("", "", (1,) * n) for n in (2, 5, 3, 4)], 10)]
    [[5, 4], [3, 2]]
    """
    batches: list[Batch] = []
    capacity = 0
    bucket: Hashable = None
    for request in sorted(requests, key=lambda request: (-len(request), request.sort_key)):
        if not batches or len(batches[-1]) >= capacity or length_bucket(len(request)) != bucket:
            batches.append([])
            capacity = max(1, budget // max(1, len(request)))
            capacity = min(capacity, max_size) if max_size else capacity
            bucket = length_bucket(len(request))
        batches[-1].append(request)
    return batches


def plan_packed(
    groups: Iterable[Sequence[Request]],
    budget: int,
    max_size: int | None = None,
    length_bucket: LengthBucket = one_bucket,
) -> list[Batch]:
    """Divide groups into batches that share prefixes, in lexicographic order. The order of the input does not matter.

    A group stays in one batch, unless it exceeds the budget.

    Args:
        groups: the requests of each item; each request once.
        budget: maximum distinct tokens per batch; a shared prefix counts once.
        max_size: maximum requests per batch.
        length_bucket: as in `plan_padded`.

    >>> a, b, c = (TokenRequest("", "", [*range(9), n]) for n in (20, 30, 40))
    >>> [[r.ids[-1] for r in batch] for batch in plan_packed([[c], [b, a]], budget=12)]
    [[20, 30, 40]]
    >>> [[r.ids[-1] for r in batch] for batch in plan_packed([[c], [b, a]], budget=11)]
    [[20, 30], [40]]
    """
    batches: list[Batch] = []
    free_tokens, last_bucket = 0, None  # type: int, Hashable
    for bucket, group in _sorted_groups(groups, length_bucket):
        open_batch = batches[-1] if batches and bucket == last_bucket else []
        added_tokens = _distinct_tokens([*open_batch[-1:], *group]) - (len(open_batch[-1]) if open_batch else 0)
        is_full = max_size is not None and len(open_batch) + len(group) > max_size
        if open_batch and added_tokens <= free_tokens and not is_full:
            open_batch.extend(group)
            free_tokens -= added_tokens
        else:
            batches += _split_group(group, budget, max_size)
            free_tokens, last_bucket = budget - _distinct_tokens(batches[-1]), bucket
    return sorted(batches, key=lambda batch: -max(map(len, batch)))


def _sorted_groups(groups: Iterable[Sequence[Request]], length_bucket: LengthBucket) -> list[tuple[Hashable, Batch]]:
    """Split groups by length bucket; sort each part, and the parts, in lexicographic order."""
    parts: list[tuple[Hashable, Batch]] = []
    for group in groups:
        by_bucket: dict[Hashable, Batch] = {}
        for request in sorted(group, key=lambda request: request.sort_key):
            by_bucket.setdefault(length_bucket(len(request)), []).append(request)
        parts += by_bucket.items()
    return sorted(parts, key=lambda part: (str(part[0]), part[1][0].sort_key))


def _split_group(group: Batch, budget: int, max_size: int | None) -> list[Batch]:
    """Return a group as one batch, or as several if it exceeds the budget."""
    batches: list[Batch] = [[]]
    used_tokens = 0
    for request, tokens in zip(group, _added_tokens(group), strict=True):
        if batches[-1] and (used_tokens + tokens > budget or len(batches[-1]) == max_size):
            batches.append([])
            used_tokens, tokens = 0, len(request)
        batches[-1].append(request)
        used_tokens += tokens
    return batches


def _added_tokens(batch: Sequence[Request]) -> Iterator[int]:
    """Yield for each request the tokens that it does not share with the one before."""
    return costs(request.ids for request in batch if isinstance(request, TokenRequest))


def _distinct_tokens(batch: Sequence[Request]) -> int:
    """Count the tokens of a sorted batch; a shared prefix counts once."""
    return sum(_added_tokens(batch))


def count_tokens(batch: Sequence[Request], traits: BatchTraits) -> int:
    """Count the tokens that a scorer computes for a batch: without shared prefixes if packed, else with padding."""
    if traits.packed:
        return _distinct_tokens(sorted(batch, key=lambda request: request.sort_key))
    return len(batch) * max(map(len, batch))


def spread(items: Sequence[T], count: int) -> list[T]:
    """Pick items at equal distances from a sequence; return all if there are fewer than `count`.

    >>> spread(range(10), 4), spread(range(2), 4)
    ([0, 2, 5, 7], [0, 1])
    """
    count = min(count, len(items))
    return [items[n * len(items) // count] for n in range(count)]
