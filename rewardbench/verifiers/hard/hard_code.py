"""The two verifiers of `hard-code`."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cache

from rewardbench.verifiers.cells import BrokenCheck, Cell
from rewardbench.verifiers.hard.harness import Lines, judge_outputs
from rewardbench.verifiers.hard.tickets import read_prompt

RANDOM_INPUTS = 400


def verify_cases(cells: Sequence[Cell]) -> list[str]:
    """Run each program on the inputs of its check, and compare its output with the expected one."""
    return judge_outputs(cells, _stored_cases)


def verify_clauses(cells: Sequence[Cell]) -> list[str]:
    """Run each program on random inputs, and compare its output with what the clauses of the prompt demand.

    Of the check, only the inputs are used, without their outputs: some are rare ones that matter to a single clause.
    """
    return judge_outputs(cells, _demanded_cases)


def _stored_cases(cell: Cell) -> tuple[list[Lines], list[Lines]]:
    """Return the inputs and outputs of a check."""
    inputs: list[Lines] = []
    outputs: list[Lines] = []
    for lines, output in cell.check["cases"]:
        inputs.append(lines)
        outputs.append(output)
    if not inputs:
        raise BrokenCheck(f"no cases in {cell.row}")
    return inputs, outputs


def _demanded_cases(cell: Cell) -> tuple[list[Lines], list[Lines]]:
    """Return random inputs and those of the check, and the outputs that the clauses of the prompt demand."""
    inputs, outputs = _random_cases(cell.prompt)
    world, ticket = read_prompt(cell.prompt)
    stored = [list(lines) for lines, _ in cell.check["cases"]]
    return inputs + stored, outputs + [world.expected_output(ticket, lines) for lines in stored]


@cache
def _random_cases(prompt: str) -> tuple[list[Lines], list[Lines]]:
    """Return random inputs, and the outputs that the clauses of a prompt demand."""
    world, ticket = read_prompt(prompt)
    generator = random.Random(RANDOM_INPUTS)
    inputs = [world.random_lines(generator, ticket) for _ in range(RANDOM_INPUTS)]
    return inputs, [world.expected_output(ticket, lines) for lines in inputs]
