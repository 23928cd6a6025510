"""Perturbed items of a suite whose labels are verified again: the checks of embedded suites run on the new texts."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from rewardbench.analysis.robustness.perturbations import PERTURBATIONS, asks_for_form, perturb
from rewardbench.builders.check import Checked
from rewardbench.builders.mirrors import response_text
from rewardbench.builders.request import SUITE_NAMES
from rewardbench.builders.style import StyleSuite, read_any_suite, restyled_cells
from rewardbench.builders.suite_files import MirrorSuite, data_folder_of
from rewardbench.types import Item, Messages, Suite
from rewardbench.verifiers import SECOND_VERIFIERS, VERIFIERS, Cell, faults, missing_tools
from rewardbench.verifiers.cells import BrokenCheck
from rewardbench.verifiers.programs import only_block

SIDES: Mapping[str, tuple[bool, bool]] = {"chosen": (True, False), "rejected": (False, True), "both": (True, True)}
"""Whether right and wrong completions are perturbed."""
TIES = "ties"
"""Kind of check of the ties mirrors, whose cells do not name it."""
CODE = "code"
"""Kind of check that runs a program, whatever text is around it."""


@dataclass(frozen=True)
class CheckedCell:
    """A cell with the kind of its verifier."""

    kind: str
    cell: Cell


Cells = Mapping[tuple[str, str], CheckedCell]
"""Cells by the id of their row and the text of their response."""


@dataclass(frozen=True)
class PerturbedItem:
    """An item, the name of its perturbation, and the perturbed item."""

    name: str
    original: Item
    item: Item


@dataclass(frozen=True)
class PerturbedSuite:
    """The perturbed items of a suite that have the label of their original.

    Attributes:
        items: the perturbed items.
        verified: number of those whose label a verifier confirmed, by perturbation.
        left_out: number of items that were left out, by perturbation: their check fails on the new text, or, without
            a check, their prompt asks for a form that the perturbation may break.
    """

    items: Sequence[PerturbedItem]
    verified: Mapping[str, int]
    left_out: Mapping[str, int]
    failed: int = 0
    """Number of the perturbed items whose check fails: 0, since those are left out."""


def perturb_suite(
    suite: Suite,
    names: Sequence[str],
    side: str = "both",
    seed: int = 0,
    tick: Callable[[], None] = lambda: None,
) -> PerturbedSuite:
    """Perturb the items of a suite that have a preference.

    Args:
        suite: the items; the checks of an embedded suite are read from its data folder.
        names: the perturbations.
        side: which completions change: `chosen`, `rejected` or `both`.
        seed: random seed.
        tick: called once for each kind of verifier.
    """
    right, wrong = SIDES[side]
    cells = read_cells(suite.name)
    candidates: list[PerturbedItem] = []
    left_out: Counter[str] = Counter()
    for item in suite.items:
        if not item.has_preference or item.problem:
            continue
        is_checked = _check_of(cells, item, item.completions[0]) is not None
        needs_form = not is_checked and asks_for_form(item)
        sides = [right] * item.num_correct + [wrong] * (len(item.completions) - item.num_correct)
        for name in names:
            perturbed = perturb(item, name, seed, sides)
            if perturbed is None:
                continue
            perturbation = PERTURBATIONS[name]
            if needs_form and (perturbation.adds_text or perturbation.changes_form):
                left_out[name] += 1
                continue
            candidates.append(PerturbedItem(name, item, perturbed))
    checks = _checks(cells, candidates)
    failed = _failed_rows(checks, tick)
    confirmed = {cell.cell.row for cell in checks} - failed
    verified: Counter[str] = Counter()
    items: list[PerturbedItem] = []
    for candidate in candidates:
        if candidate.item.id in failed:
            left_out[candidate.name] += 1
            continue
        verified[candidate.name] += candidate.item.id in confirmed
        items.append(candidate)
    scored_ids = {perturbed.item.id for perturbed in items}
    return PerturbedSuite(items, verified, left_out, len(scored_ids & failed))


def count_failed_labels(suite: Suite, items: Sequence[PerturbedItem]) -> int:
    """Verify the labels of perturbed items, and return the number of items whose label a verifier contradicts."""
    return len(_failed_rows(_checks(read_cells(suite.name), items), lambda: None))


def read_cells(name: str) -> Cells:
    """Return the cells of an embedded suite that have a check; none for other data."""
    cells: dict[tuple[str, str], CheckedCell] = {}
    if name in SUITE_NAMES:
        for checked in _all_cells(read_any_suite(data_folder_of(name), name)):
            cells[checked.cell.row, checked.cell.response] = checked
    return cells


def _all_cells(suite: MirrorSuite | StyleSuite) -> Iterator[CheckedCell]:
    """Yield the cells of all mirrors, squares and ties with a check."""
    if isinstance(suite, StyleSuite):
        for mirrors in suite.mirrors.values():
            for mirror in mirrors:
                if mirror.check:
                    for cell in restyled_cells(mirror):
                        yield CheckedCell(mirror.check["kind"], cell)
        return
    groups: list[Checked] = [*suite.all_mirrors(), *suite.squares]
    for group in groups:
        if group.check:
            for cell in group.cells():
                yield CheckedCell(group.check["kind"], cell)
    for ties in suite.ties:
        if ties.check:
            for cell in ties.cells():
                yield CheckedCell(TIES, cell)


def _check_of(cells: Cells, item: Item, completion: Messages) -> CheckedCell | None:
    """Return the cell of a completion; None if it has no check, or this machine lacks a tool that the check needs."""
    text = response_text(completion[-1]["content"] if len(completion) == 1 else completion)
    checked = cells.get((item.id, text)) or cells.get((item.id.partition("/")[0], text))
    return None if checked is None or missing_tools(checked.cell.check) else checked


def _checks(cells: Cells, candidates: Sequence[PerturbedItem]) -> list[CheckedCell]:
    """Return the checks of the perturbed completions of items; the row of a check is the id of the perturbed item."""
    checks: list[CheckedCell] = []
    for candidate in candidates:
        for before, after in zip(candidate.original.completions, candidate.item.completions, strict=True):
            checked = _check_of(cells, candidate.original, before)
            if checked is not None and before != after:
                text = after[-1]["content"]
                cell = replace(checked.cell, row=candidate.item.id, response=text, calls=())
                checks.append(replace(checked, cell=cell))
    return checks


def _failed_rows(checks: Sequence[CheckedCell], tick: Callable[[], None]) -> set[str]:
    """Run both programs of each kind on its cells, equal ones once; return the rows with an unexpected outcome."""
    by_kind: dict[str, dict[str, list[Cell]]] = {}
    for checked in checks:
        cells = by_kind.setdefault(checked.kind, {})
        cells.setdefault(_question(checked), []).append(checked.cell)
    failed: set[str] = set()
    for kind, groups in by_kind.items():
        representatives = [replace(cells[0], row=question) for question, cells in groups.items()]
        for verifiers in (VERIFIERS, SECOND_VERIFIERS):
            if kind not in verifiers:
                continue
            for question, _ in faults(representatives, verifiers[kind](representatives)):
                failed.update(cell.row for cell in groups[question])
        tick()
    return failed


def _question(checked: CheckedCell) -> str:
    """Return what decides the outcome of a cell: of a program its block of code, else the response."""
    cell, response = checked.cell, checked.cell.response
    if checked.kind == CODE:
        with suppress(BrokenCheck):  # no block or several: the verifier says so
            response = only_block(cell)
    return json.dumps([cell.prompt, dict(cell.check), response, cell.right], sort_keys=True)
