"""Read the numbered clauses of a developer's ticket, and compute what they demand, without looking at any program."""

from __future__ import annotations

from types import ModuleType

from rewardbench.verifiers.hard.tickets import cache, league, payments, queue, report, rooms, stock, visits
from rewardbench.verifiers.hard.tickets.clauses import Ticket, numbered_clauses, read_ticket

__all__ = ["WORLDS", "Ticket", "read_prompt"]

WORLDS: tuple[ModuleType, ...] = (cache, league, payments, queue, report, rooms, stock, visits)
"""Each has CLAUSES, SETTINGS, `expected_output(ticket, lines)` and `random_lines(generator, ticket)`."""


def read_prompt(prompt: str) -> tuple[ModuleType, Ticket]:
    """Return the world whose clauses a prompt lists, and what they say.

    Raises:
        ValueError: unless exactly one world knows all its clauses.
    """
    clauses = numbered_clauses(prompt)
    matches = []
    reasons = []
    for world in WORLDS:
        try:
            matches.append((world, read_ticket(clauses, world.CLAUSES, world.SETTINGS)))
        except ValueError as error:
            reasons.append(str(error))
    if len(matches) != 1:
        raise ValueError(f"{len(matches)} worlds know the clauses: {'; '.join(reasons)}")
    return matches[0]
