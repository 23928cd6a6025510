"""The two verifiers of `what-prints`: a stored output, and a run of the program in the prompt."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rewardbench.verifiers.cells import FAIL, PASS, Cell, cell_by_cell
from rewardbench.verifiers.programs import BATCH_SIZE, LANGUAGES, run_sources

PROGRAM = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
ANSWER = re.compile(r"`([^`]*)`\W*$")


def _states(cell: Cell) -> bool:
    """Return True if the response ends with the expected output between backticks."""
    answer = ANSWER.search(cell.response)
    if answer is None:
        raise ValueError("the response does not end with an output")
    return str(answer[1]) == str(cell.check["output"])


verify_stated_output = cell_by_cell(_states)
"""Compare the output that a response states with the stored one."""


def verify_run(cells: Sequence[Cell]) -> list[str]:
    """Run the program of each prompt, and compare what it prints with the end of the response."""
    outcomes = [""] * len(cells)
    programs: dict[int, tuple[str, str]] = {}
    for n, cell in enumerate(cells):
        blocks = PROGRAM.findall(cell.messages[-1]["content"])
        if len(blocks) == 1 and blocks[0][0] in LANGUAGES:
            programs[n] = blocks[0]
        else:
            outcomes[n] = f"its check breaks: {len(blocks)} programs in the prompt"
    outputs = _run_all(list(programs.values()))
    for n, program in programs.items():
        lines, reason = outputs[program]
        if reason:
            outcomes[n] = reason
        elif len(lines) != 1 or "`" not in cells[n].response:
            outcomes[n] = f"its check breaks: {len(lines)} lines printed"
        else:
            closing = cells[n].response.rstrip(" .\n").splitlines()[-1]
            outcomes[n] = PASS if closing.endswith(f"`{lines[0]}`") else FAIL
    return outcomes


def _run_all(programs: Sequence[tuple[str, str]]) -> dict[tuple[str, str], tuple[list[str], str]]:
    """Run each different program once; return the printed lines, and why there are none."""
    results: dict[tuple[str, str], tuple[list[str], str]] = {}
    for language in LANGUAGES:
        programs_of_language = [program for program in dict.fromkeys(programs) if program[0] == language]
        for start in range(0, len(programs_of_language), BATCH_SIZE):
            batch = programs_of_language[start : start + BATCH_SIZE]
            sources = [code for _, code in batch]
            for program, result in zip(batch, run_sources(LANGUAGES[language], sources), strict=True):
                reason = "" if result.code == 0 else f"breaks: {result.err.strip()[-200:]}"
                results[program] = (result.out.splitlines(), reason)
    return results
