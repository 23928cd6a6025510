"""Verifiers for checks written as Python expressions: constraints on a response, and logic puzzles.

They are evaluated in a sandboxed process (see `evaluator`), never in this one.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

from rewardbench.verifiers.cells import Cell
from rewardbench.verifiers.sandbox import folder, run

AT_ONCE = 64
EVALUATOR = Path(__file__).with_name("evaluator.py")


def _ask(kind: str, cells: Sequence[Cell]) -> list[str]:
    """Evaluate the cells in batches, each in a process with its own limits."""
    answers: list[str] = []
    for start in range(0, len(cells), AT_ONCE):
        answers += _ask_some(kind, cells[start : start + AT_ONCE])
    return answers


def _ask_some(kind: str, cells: Sequence[Cell]) -> list[str]:
    """Evaluate one batch of cells; if the process fails, evaluate them one at a time."""
    questions = [{"kind": kind, "check": dict(cell.check), "response": cell.response} for cell in cells]
    with folder() as directory:
        result = run((sys.executable, "-I", str(EVALUATOR)), directory, stdin=json.dumps(questions))
    try:
        answers = [str(json.loads(line)) for line in result.out.splitlines()]
    except ValueError:
        answers = []
    if len(answers) == len(cells):
        return answers
    if len(cells) > 1:
        return list(chain.from_iterable(_ask_some(kind, [cell]) for cell in cells))
    return [f"the evaluator stopped: {result.err.strip().splitlines()[-1:] or result.code}"]


def verify_instructions(cells: Sequence[Cell]) -> list[str]:
    """Check each response `r` with the expression `holds`."""
    return _ask("holds", cells)


def verify_logic(cells: Sequence[Cell]) -> list[str]:
    """Check that `holds` is true in exactly the worlds `leaves` of `variables`, and that the response `says` so."""
    return _ask("worlds", cells)
