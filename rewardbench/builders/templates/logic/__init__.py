"""Logic: two sets of premises of the same words, and what follows from each, found by enumeration."""

from __future__ import annotations

from rewardbench.builders.draw import Mould
from rewardbench.builders.templates.logic import orders, owners, rules, seats, times, truths

MOULDS: tuple[Mould, ...] = tuple(
    mould for room in (orders, seats, owners, rules, truths, times) for mould in room.MOULDS
)
