"""Logic: two sets of premises of the same words, and what follows from each, found by enumeration."""

from __future__ import annotations

from rewardbench.builders.draw import Template
from rewardbench.builders.templates.logic import orders, owners, rules, seats, times, truths

TEMPLATES: tuple[Template, ...] = tuple(
    template for room in (orders, seats, owners, rules, truths, times) for template in room.TEMPLATES
)
