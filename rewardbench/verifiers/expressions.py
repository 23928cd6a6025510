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

EVALUATOR = Path(__file__).with_name("evaluator.py")


def _ask(kind: str, cells: Sequence[Cell]) -> list[str]:
    asked = [{"kind": kind, "check": dict(cell.check), "response": cell.response} for cell in cells]
    with folder() as at:
        ran = run((sys.executable, "-I", str(EVALUATOR)), at, stdin=json.dumps(asked))
    answers = [json.loads(line) for line in ran.out.splitlines()]
    lost = f"the evaluator stopped: {ran.err.strip().splitlines()[-1:] or ran.code}"
    return answers + [lost] * (len(cells) - len(answers))


def verify_instructions(cells: Sequence[Cell]) -> list[str]:
    """`holds`: an expression over the response `r`."""
    return _ask("holds", cells)


def verify_logic(cells: Sequence[Cell]) -> list[str]:
    """The worlds of `variables` in which `holds` is true are those in `leaves`, and the response `says` so."""
    return _ask("worlds", cells)
