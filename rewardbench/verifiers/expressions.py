"""Verifiers for checks written as Python expressions: constraints on a response, and logic puzzles.

They are evaluated in a sandboxed process (see `evaluator`), never in this one.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from rewardbench.verifiers.cells import Cell
from rewardbench.verifiers.sandbox import run_limited, temporary_folder

BATCH_SIZE = 64
"""Number of cells per process."""
EVALUATOR = Path(__file__).with_name("evaluator.py")


def _evaluate(kind: str, cells: Sequence[Cell]) -> list[str]:
    """Evaluate the cells in batches, each in a process with its own limits."""
    outcomes: list[str] = []
    for start in range(0, len(cells), BATCH_SIZE):
        outcomes += _evaluate_batch(kind, cells[start : start + BATCH_SIZE])
    return outcomes


def _evaluate_batch(kind: str, cells: Sequence[Cell]) -> list[str]:
    """Evaluate one batch of cells; if the process fails, evaluate them one at a time."""
    questions = [{"kind": kind, "check": dict(cell.check), "response": cell.response} for cell in cells]
    with temporary_folder() as folder:
        result = run_limited((sys.executable, "-I", str(EVALUATOR)), folder, stdin=json.dumps(questions))
    outcomes = _parse_outcomes(result.out)
    if len(outcomes) == len(cells):
        return outcomes
    if len(cells) > 1:
        outcomes = []
        for cell in cells:
            outcomes += _evaluate_batch(kind, [cell])
        return outcomes
    return [f"the evaluator stopped: {result.err.strip().splitlines()[-1:] or result.code}"]


def _parse_outcomes(output: str) -> list[str]:
    """Parse the evaluator's output; empty if a line is not JSON."""
    try:
        return list(map(str, map(json.loads, output.splitlines())))
    except ValueError:
        return []


def verify_instructions(cells: Sequence[Cell]) -> list[str]:
    """Check each response `r` with the expression `holds`."""
    return _evaluate("holds", cells)


def verify_logic(cells: Sequence[Cell]) -> list[str]:
    """Check that `holds` is true in exactly the worlds `leaves` of `variables`, and that the response `says` so."""
    return _evaluate("worlds", cells)
