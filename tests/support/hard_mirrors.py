"""Mirrors of core-hard, and the outcomes of both programs on their cells."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from rewardbench.builders.build import draw_mirror
from rewardbench.builders.check import verify
from rewardbench.builders.draw import Response
from rewardbench.builders.mirrors import Mirror
from rewardbench.verifiers import SECOND_VERIFIERS, VERIFIERS, Cell


def draw_mirrors(name: str, indices: Iterable[int], seed: int = 0) -> list[Mirror]:
    """Draw mirrors of a template, by their positions in a build; the rungs take turns."""
    return [replace(draw_mirror(name, seed, index), group=f"{name}-{index}") for index in indices]


def cells_of(mirror: Mirror) -> list[Cell]:
    """Return the four cells of a mirror, with the kind of its check."""
    return [replace(cell, check={**cell.check, "kind": mirror.check["kind"]}) for cell in mirror.cells()]


def right_cells(mirrors: Iterable[Mirror]) -> list[Cell]:
    """Return the cells of right responses."""
    cells: list[Cell] = []
    for mirror in mirrors:
        cells += [cell for cell in cells_of(mirror) if cell.right]
    return cells


def outcomes(cells: Sequence[Cell]) -> list[tuple[str, str]]:
    """Return the outcomes of the first and the second program on cells of one kind."""
    kind = cells[0].check["kind"]
    return list(zip(VERIFIERS[kind](cells), SECOND_VERIFIERS[kind](cells), strict=True))


def cell_outcomes(cell: Cell) -> tuple[str, str]:
    """Return the outcomes of both programs on one cell."""
    return outcomes([cell])[0]


def outcomes_with(mirror: Mirror, half: str, response: Response) -> list[str]:
    """Return the outcomes of both programs on a response to one prompt of a mirror."""
    cell = next(cell for cell in cells_of(mirror) if cell.row.endswith(half))
    text, calls = (response, ()) if isinstance(response, str) else (str(response), response)
    return list(cell_outcomes(replace(cell, response=text, calls=calls)))


def with_check_swapped(mirror: Mirror) -> Mirror:
    """Return a mirror whose check has the data of both prompts swapped: its labels are wrong."""
    return replace(mirror, check=mirror.check | {"a": mirror.check["b"], "b": mirror.check["a"]})


def assert_both_programs_agree(name: str, count: int = 8) -> None:
    """Draw mirrors at all rungs: both programs confirm every row, and the same key gives the same mirror."""
    mirrors = draw_mirrors(name, range(count))
    check = verify(mirrors)
    assert (check.failed, check.skipped) == ((), ())
    assert check.pairs == check.confirmed == 2 * count
    assert mirrors[:4] == draw_mirrors(name, range(4))
    assert [mirror.source["rung"] for mirror in mirrors[:4]] == [1, 2, 3, 4]
