"""Read the numbered clauses of a developer's ticket, and compute what they demand, without looking at any program."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType

from rewardbench.verifiers.hard.tickets import cache, league, payments, queue, report, rooms, stock, visits
from rewardbench.verifiers.hard.tickets.clauses import Ticket, numbered_clauses, read_ticket
from rewardbench.verifiers.hard.tickets.readings import all_readings, read_run

__all__ = ["WORLDS", "Ticket", "read_prompt"]

WORLDS: tuple[ModuleType, ...] = (cache, league, payments, queue, report, rooms, stock, visits)
"""Each has CLAUSES, SETTINGS, `expected_output(ticket, lines)` and `random_lines(generator, ticket)`."""


def read_prompt(prompt: str) -> tuple[ModuleType, list[Ticket]]:
    """Return the world whose clauses a prompt lists, and what they may say.

    If clauses have two readings, those combinations are returned with which the run in the prompt has its checksum.

    Raises:
        ValueError: unless exactly one world knows all clauses, and some combination fits the run.
    """
    combinations = all_readings(numbered_clauses(prompt))
    run = read_run(prompt)
    world = _find_world(combinations[0])
    tickets = [read_ticket(clauses, world.CLAUSES, world.SETTINGS) for clauses in combinations]
    if run is not None:
        tickets = [ticket for ticket in tickets if run.fits(world.expected_output(ticket, run.lines))]
    elif len(tickets) > 1:
        raise ValueError("clauses with two readings, and no run")
    if not tickets:
        raise ValueError("no reading fits the run")
    return world, tickets


def _find_world(clauses: Sequence[str]) -> ModuleType:
    """Return the world that knows these clauses."""
    matches = []
    reasons = []
    for world in WORLDS:
        try:
            read_ticket(clauses, world.CLAUSES, world.SETTINGS)
            matches.append(world)
        except ValueError as error:
            reasons.append(str(error))
    if len(matches) != 1:
        raise ValueError(f"{len(matches)} worlds know the clauses: {'; '.join(reasons)}")
    return matches[0]
