"""Checks written as Python expressions: constraints on a response, and worlds in which premises hold.

They are evaluated in a sandboxed process of their own (see `evaluator`), never in this one.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from rewardbench.verifiers.cells import Cell
from rewardbench.verifiers.sandbox import folder, run

AT_ONCE = 64
EVALUATOR = Path(__file__).with_name("evaluator.py")


def _ask(kind: str, cells: Sequence[Cell]) -> list[str]:
    """A few cells a process: its limits are for them, and one that breaks it takes only these along."""
    return [answer for n in range(0, len(cells), AT_ONCE) for answer in _ask_some(kind, cells[n : n + AT_ONCE])]


def _ask_some(kind: str, cells: Sequence[Cell]) -> list[str]:
    asked = [{"kind": kind, "check": dict(cell.check), "response": cell.response} for cell in cells]
    with folder() as at:
        ran = run((sys.executable, "-I", str(EVALUATOR)), at, stdin=json.dumps(asked))
    try:
        answers = [str(json.loads(line)) for line in ran.out.splitlines()]
    except ValueError:
        answers = []
    if len(answers) == len(cells):
        return answers
    if len(cells) > 1:
        return [answer for cell in cells for answer in _ask_some(kind, [cell])]
    return [f"the evaluator stopped: {ran.err.strip().splitlines()[-1:] or ran.code}"]


def verify_instructions(cells: Sequence[Cell]) -> list[str]:
    """`holds`: an expression over the response `r`."""
    return _ask("holds", cells)


def verify_logic(cells: Sequence[Cell]) -> list[str]:
    """The worlds of `variables` in which `holds` is true are those in `leaves`, and the response `says` so."""
    return _ask("worlds", cells)
