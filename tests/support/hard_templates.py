"""Mirrors of core-hard, and the outcomes of both programs on cells."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from rewardbench.builders.build import draw_mirror
from rewardbench.builders.mirrors import Mirror
from rewardbench.verifiers import SECOND_VERIFIERS, VERIFIERS, Cell


def draw_mirrors(name: str, count: int, seed: int = 0) -> list[Mirror]:
    """Draw mirrors of a template, the rungs in turn."""
    return [replace(draw_mirror(name, seed, n), group=f"{name}-{n}") for n in range(count)]


def right_cells(mirrors: Iterable[Mirror]) -> list[Cell]:
    """Return the cells of right responses, each with the kind of its check."""
    cells = []
    for mirror in mirrors:
        for cell in mirror.cells():
            if cell.right:
                cells.append(replace(cell, check=cell.check | {"kind": mirror.check["kind"]}))
    return cells


def outcomes(cells: Sequence[Cell]) -> list[tuple[str, str]]:
    """Return the outcomes of both programs on cells of one kind."""
    kind = cells[0].check["kind"]
    return list(zip(VERIFIERS[kind](cells), SECOND_VERIFIERS[kind](cells), strict=True))
