"""The two verifiers of `hard-code`."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cache
from types import ModuleType

from rewardbench.verifiers.cells import BrokenCheck, Cell
from rewardbench.verifiers.hard.harness import Accepts, Lines, judge_outputs
from rewardbench.verifiers.hard.tickets import Ticket, read_prompt
from rewardbench.verifiers.hard.tickets.readings import read_run

RANDOM_INPUTS = 400


def verify_cases(cells: Sequence[Cell]) -> list[str]:
    """Run each program on the inputs of its check, and compare its output with the expected one."""
    return judge_outputs(cells, _stored_cases)


def verify_clauses(cells: Sequence[Cell]) -> list[str]:
    """Run each program on random inputs, and compare its output with what the clauses of the prompt demand.

    Of the check, only the inputs are used, without their outputs: some are rare ones that matter to a single clause.
    At the upper rungs, the program's output on the run in the prompt must also have the checksum stated there.
    """
    return judge_outputs(cells, _demanded_cases)


def _stored_cases(cell: Cell) -> tuple[list[Lines], Accepts]:
    """Return the inputs of a check, and the comparison with its outputs."""
    inputs: list[Lines] = []
    expected: list[Lines] = []
    for lines, output in cell.check["cases"]:
        inputs.append(lines)
        expected.append(output)
    if not inputs:
        raise BrokenCheck(f"no cases in {cell.row}")
    return inputs, expected.__eq__


def _demanded_cases(cell: Cell) -> tuple[list[Lines], Accepts]:
    """Return inputs, and the comparison with what the clauses of the prompt demand.

    If some clauses have two readings, one combination of those that fit the run must hold for all inputs.
    """
    world, tickets = _read_prompt(cell.prompt)
    inputs = [*_random_inputs(cell.prompt), *(list(lines) for lines, _ in cell.check["cases"])]
    run = read_run(cell.prompt)
    if run is not None:
        inputs.append(run.lines)

    def accepts(outputs: list[Lines]) -> bool:
        if run is not None and not run.fits(outputs[-1]):
            return False
        return any(_follows(world, ticket, inputs, outputs) for ticket in tickets)

    return inputs, accepts


def _follows(world: ModuleType, ticket: Ticket, inputs: Sequence[Lines], outputs: Sequence[Lines]) -> bool:
    """Return True if the outputs for all inputs are those that a ticket demands."""
    pairs = zip(inputs, outputs, strict=True)
    return all(world.expected_output(ticket, lines) == output for lines, output in pairs)


_read_prompt = cache(read_prompt)


@cache
def _random_inputs(prompt: str) -> list[Lines]:
    """Return random inputs for the words and numbers of a prompt."""
    world, tickets = _read_prompt(prompt)
    generator = random.Random(RANDOM_INPUTS)
    return [world.random_lines(generator, tickets[0]) for _ in range(RANDOM_INPUTS)]
