"""Verify mirrors: run the verifier of each on its four cells, both responses against both prompts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from rewardbench.builders.mirrors import Mirror
from rewardbench.verifiers import VERIFIERS, Cell, faults, missing_tools


@dataclass(frozen=True)
class Verification:
    """Outcome of verifying mirrors."""

    pairs: int
    """Number of preference pairs (rows) that passed."""
    failed: tuple[str, ...]
    """One sentence for each cell with an unexpected outcome."""
    skipped: tuple[str, ...] = ()
    """One sentence for each mirror whose programs this machine cannot run, with the missing tools."""

    def __add__(self, other: Verification) -> Verification:
        return Verification(self.pairs + other.pairs, self.failed + other.failed, self.skipped + other.skipped)


def cells(mirror: Mirror) -> Iterator[Cell]:
    """Yield the four cells of a mirror: both responses against both prompts."""
    for half, prompt, right, wrong in (("a", mirror.a, mirror.x, mirror.y), ("b", mirror.b, mirror.y, mirror.x)):
        text = "\n".join(turn["content"] for turn in prompt)
        for response in (right, wrong):
            yield Cell(f"{mirror.group}-{half}", mirror.check[half], response, response is right, text)


def verify(mirrors: Sequence[Mirror], tick: Callable[[], None] = lambda: None) -> Verification:
    """Verify all mirrors that have a check.

    Args:
        mirrors: each with its `group`, which names it in the outcome.
        tick: called once for each kind of verifier.
    """
    by_kind: dict[str, list[Mirror]] = {kind: [] for kind in VERIFIERS}
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


def _verify_kind(kind: str, mirrors: Sequence[Mirror]) -> Verification:
    kind_cells: list[Cell] = []
    skipped = []
    for mirror in mirrors:
        tools = missing_tools(mirror.check["a"])
        if tools:
            skipped.append(f"{mirror.group}: {', '.join(tools)} not installed")
        else:
            kind_cells += cells(mirror)
    return replace(verify_cells(kind, kind_cells), skipped=tuple(skipped))


def verify_cells(kind: str, kind_cells: Sequence[Cell]) -> Verification:
    """Run one kind of verifier; a row with any failed cell does not count as passed."""
    if not kind_cells:
        return Verification(0, ())
    failures = faults(kind_cells, VERIFIERS[kind](kind_cells))
    rows = {cell.row for cell in kind_cells}
    failed_rows = {row for row, _ in failures}
    return Verification(len(rows - failed_rows), tuple(f"{row}: {reason}" for row, reason in failures))
