"""Requests in, batches out; never text. Longest first, so that the first batch is the one that may not fit."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from rewardbench.forward.prefix_tree import costs
from rewardbench.types import Request

Company = Callable[[int], Hashable]
Batch = list[Request]
T = TypeVar("T")


def traits(scorer: Any) -> tuple[bool, Company, int | None]:
    """Whether a scorer takes a row, which lengths may share a batch, and how many requests it takes at most."""
    company: Company = getattr(scorer, "company", lambda length: 0)
    return getattr(scorer, "packed", False), company, 1 if getattr(scorer, "alone", False) else None


def layout(scorer: Any) -> str:
    """How a scorer's batches are laid out, in a word for the manifest."""
    packed, _, most = traits(scorer)
    return "one at a time" if most == 1 else "row" if packed else "padded"


def arrange(families: Iterable[Sequence[Request]], scorer: Any, budget: int, most: int | None = None) -> list[Batch]:
    """The batches of a scorer: rows where it takes them, else padded ones.

    Args:
        families: the requests of each item; every request once.
        budget: tokens a batch may hold, padding counted.
        most: requests a batch may hold.
    """
    packed, company, cap = traits(scorer)
    most = cap or most
    if packed:
        return pack(families, budget, most, company)
    return plan([request for family in families for request in family], budget, most, company)


def plan(
    requests: Iterable[Request], budget: int, most: int | None = None, company: Company = lambda length: 0
) -> list[Batch]:
    """Batches of similar length, longest first; the order of the input and the place of an item in it do not matter.

    Args:
        requests: distinct requests.
        budget: padded tokens a batch may hold; one longer request still gets a batch of its own.
        most: requests a batch may hold.
        company: lengths may share a batch only where this number agrees (see scorers.rope).

    >>> [[len(r) for r in batch] for batch in plan([Request("", "", (1,) * n) for n in (2, 5, 3, 4)], 10)]
    [[5, 4], [3, 2]]
    """
    batches: list[Batch] = []
    room = 0
    company_now: Hashable = None
    for request in sorted(requests, key=lambda r: (-len(r), r.ids, r.text, r.completion)):
        if not batches or len(batches[-1]) >= room or company(len(request)) != company_now:
            batches.append([])
            room = max(1, budget // max(1, len(request)))
            room = min(room, most) if most else room
            company_now = company(len(request))
        batches[-1].append(request)
    return batches


def pack(
    families: Iterable[Sequence[Request]], budget: int, most: int | None = None, company: Company = lambda length: 0
) -> list[Batch]:
    """Batches in which what shares a prefix stands together: families in lexicographic order, each whole.

    A family that alone exceeds the budget is split. The order of the families does not matter.

    Args:
        families: the requests of each item; every request once.
        budget: distinct tokens a batch may hold, a shared prefix counted once.
        most, company: as in `plan`.

    >>> a, b, c = (Request("", "", [*range(9), n]) for n in (20, 30, 40))
    >>> [[r.ids[-1] for r in batch] for batch in pack([[c], [b, a]], budget=12)]
    [[20, 30, 40]]
    >>> [[r.ids[-1] for r in batch] for batch in pack([[c], [b, a]], budget=11)]
    [[20, 30], [40]]
    """
    batches: list[Batch] = []
    room, company_now = 0, None  # type: int, Hashable
    for shared, family in _kin(families, company):
        before = batches[-1] if batches and shared == company_now else []
        added = _cost([*before[-1:], *family]) - (len(before[-1]) if before else 0)
        fits = before and added <= room and not (most and len(before) + len(family) > most)
        if not fits:
            new = _split(family, budget, most)
            batches += new
            room, company_now = budget - _cost(new[-1]), shared
        else:
            batches[-1].extend(family)
            room -= added
    return sorted(batches, key=lambda batch: -max(map(len, batch)))


def _kin(families: Iterable[Sequence[Request]], company: Company) -> list[tuple[Hashable, Batch]]:
    """Each family in lexicographic order, cut where company must be avoided; families in that order too."""
    found: list[tuple[Hashable, Batch]] = []
    for family in families:
        by_company: dict[Hashable, Batch] = {}
        for request in sorted(family, key=lambda request: request.ids):
            by_company.setdefault(company(len(request)), []).append(request)
        found += by_company.items()
    return sorted(found, key=lambda one: (str(one[0]), one[1][0].ids))


def _split(family: Batch, budget: int, most: int | None) -> list[Batch]:
    """A family as one batch where it fits, else as several."""
    batches: list[Batch] = [[]]
    used = 0
    for request, cost in zip(family, _added(family), strict=True):
        if batches[-1] and (used + cost > budget or len(batches[-1]) == most):
            batches.append([])
            used, cost = 0, len(request)
        batches[-1].append(request)
        used += cost
    return batches


def _added(batch: Sequence[Request]) -> Iterator[int]:
    return costs(request.ids for request in batch)


def _cost(batch: Sequence[Request]) -> int:
    return sum(_added(batch))


def size(batch: Sequence[Request], scorer: Any) -> int:
    """The tokens that a batch makes a scorer compute: each distinct prefix once, or padding too."""
    if traits(scorer)[0]:
        return _cost(sorted(batch, key=lambda request: request.ids))
    return len(batch) * max(map(len, batch))


def spread(items: Sequence[T], count: int) -> list[T]:
    """So many items, as far apart as they can be; all where there are fewer.

    >>> spread(range(10), 4), spread(range(2), 4)
    ([0, 2, 5, 7], [0, 1])
    """
    count = min(count, len(items))
    return [items[n * len(items) // count] for n in range(count)]
