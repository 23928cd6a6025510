"""Mirrors of a template of core-hard, and the outcomes of both of its programs."""

from dataclasses import replace

from rewardbench.builders.build import draw_mirror
from rewardbench.builders.check import verify
from rewardbench.verifiers import SECOND_VERIFIERS, VERIFIERS


def drawn(name, indices, seed=0):
    return [replace(draw_mirror(name, seed, index), group=f"{name}-{index}") for index in indices]


def both_outcomes(cell):
    """Return what the first and the second program say of a cell."""
    kind = cell.check["kind"]
    (first,), (second,) = VERIFIERS[kind]([cell]), SECOND_VERIFIERS[kind]([cell])
    return first, second


def cells_of(mirror):
    """Return the four cells of a mirror, with the kind of its check."""
    return [replace(cell, check={**cell.check, "kind": mirror.check["kind"]}) for cell in mirror.cells()]


def assert_both_programs_agree(name, count=8):
    """Draw mirrors at all rungs: both programs confirm every row, and the same key gives the same mirror."""
    mirrors = drawn(name, range(count))
    check = verify(mirrors)
    assert (check.failed, check.skipped) == ((), ())
    assert check.pairs == check.confirmed == 2 * count
    assert mirrors[:4] == drawn(name, range(4))
    assert [mirror.source["rung"] for mirror in mirrors[:4]] == [1, 2, 3, 4]
