"""Logic puzzles: two sets of premises in the same words, and what follows from each, found by enumeration.

A template makes its claims and prompts and calls `puzzles.make_mirror`; see the example at the top of each module. To
add one, write it into the module of its theme, and add it to `TEMPLATES` at the end of that module.
"""

from __future__ import annotations

from rewardbench.builders.draw import Template
from rewardbench.builders.templates.logic import orders, owners, rules, seats, times, truths

TEMPLATES: tuple[Template, ...] = (
    *orders.TEMPLATES,
    *seats.TEMPLATES,
    *owners.TEMPLATES,
    *rules.TEMPLATES,
    *truths.TEMPLATES,
    *times.TEMPLATES,
)
