"""Verify mirrors: run two programs on each cell, every response against every prompt."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from rewardbench.verifiers import SECOND_VERIFIERS, VERIFIERS, Cell, Verifier, faults, missing_tools


class Checked(Protocol):
    """A mirror or a square: prompts and responses with the data of their verifier."""

    @property
    def group(self) -> str:
        """Its name in a suite."""

    @property
    def check(self) -> Mapping[str, Any]:
        """Data of the verifier: its `kind`, and what must hold for each prompt. Empty: no check."""

    def cells(self) -> Iterator[Cell]:
        """Yield every response against every prompt."""


@dataclass(frozen=True)
class Verification:
    """Outcome of verifying mirrors."""

    pairs: int
    """Number of preference pairs (rows) that passed."""
    failed: tuple[str, ...]
    """One sentence for each cell with an unexpected outcome."""
    skipped: tuple[str, ...] = ()
    """One sentence for each mirror whose programs this machine cannot run, with the missing tools."""
    confirmed: int = 0
    """Number of rows that passed a second, independent program too."""
    failed_rows: frozenset[str] = frozenset()
    """Ids of the rows with a cell in `failed`."""

    def __add__(self, other: Verification) -> Verification:
        return Verification(
            self.pairs + other.pairs,
            self.failed + other.failed,
            self.skipped + other.skipped,
            self.confirmed + other.confirmed,
            self.failed_rows | other.failed_rows,
        )


class CheckedSuite(Protocol):
    """Rows whose labels can be verified."""

    def size(self) -> int:
        """Return the number of rows."""

    def verify(self, tick: Callable[[], None] = lambda: None) -> Verification:
        """Run the checks of all rows; `tick` is called once for each kind of verifier."""


def verify(mirrors: Sequence[Checked], tick: Callable[[], None] = lambda: None) -> Verification:
    """Verify all mirrors that have a check.

    Args:
        mirrors: each with its `group`, which names it in the outcome.
        tick: called once for each kind of verifier.
    """
    by_kind: dict[str, list[Checked]] = {kind: [] for kind in VERIFIERS}
    unknown = []
    for mirror in mirrors:
        kind = mirror.check.get("kind")
        if kind in by_kind:
            by_kind[kind].append(mirror)
        elif mirror.check:
            unknown.append(f"{mirror.group}: there is no verifier {kind!r}")
    total = Verification(0, tuple(unknown))
    for kind, same_kind in by_kind.items():
        total += _verify_kind(kind, same_kind)
        tick()
    return total


def _verify_kind(kind: str, mirrors: Sequence[Checked]) -> Verification:
    cells: list[Cell] = []
    skipped = []
    for mirror in mirrors:
        mirror_cells = list(mirror.cells())
        tools: set[str] = set()
        for cell in mirror_cells:
            tools.update(missing_tools(cell.check))
        if tools:
            skipped.append(f"{mirror.group}: {', '.join(sorted(tools))} not installed")
        else:
            cells += mirror_cells
    return replace(verify_cells(kind, cells), skipped=tuple(skipped))


def verify_cells(kind: str, cells: Sequence[Cell]) -> Verification:
    """Run the verifiers of one kind; a row with any failed cell does not count as passed."""
    if not cells:
        return Verification(0, ())
    first = _run(VERIFIERS[kind], cells)
    if kind not in SECOND_VERIFIERS:
        return first
    second = _run(SECOND_VERIFIERS[kind], cells)
    sentences = tuple(f"second program: {sentence}" for sentence in second.failed)
    return first + Verification(0, sentences, confirmed=second.pairs, failed_rows=second.failed_rows)


def _run(verifier: Verifier, cells: Sequence[Cell]) -> Verification:
    """Run one verifier."""
    failures = faults(cells, verifier(cells))
    failed_rows = frozenset(row for row, _ in failures)
    passed = len({cell.row for cell in cells} - failed_rows)
    return Verification(passed, tuple(f"{row}: {reason}" for row, reason in failures), failed_rows=failed_rows)
