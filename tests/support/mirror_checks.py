"""Checks of mirrors with the verifiers of their kind, for the tests of core-hard."""

from dataclasses import replace

from rewardbench.builders.build import draw_mirror
from rewardbench.verifiers import SECOND_VERIFIERS, VERIFIERS


def drawn(name, count, seed=0):
    """Return some mirrors of a builder, each with its group."""
    return [replace(draw_mirror(name, seed, n), group=f"{name}-{n}") for n in range(count)]


def outcomes(mirror, half, response):
    """Return what both programs say of a response to one prompt of a mirror."""
    cell = next(cell for cell in mirror.cells() if cell.row.endswith(half))
    text, calls = (response, ()) if isinstance(response, str) else (str(response), response)
    changed = replace(cell, response=text, calls=calls)
    kind = mirror.check["kind"]
    return [VERIFIERS[kind]([changed])[0], SECOND_VERIFIERS[kind]([changed])[0]]


def with_check_swapped(mirror):
    """Return a mirror whose check has the data of both prompts swapped: its labels are wrong."""
    return replace(mirror, check=mirror.check | {"a": mirror.check["b"], "b": mirror.check["a"]})
