"""Mirrors to the verifiers: all four cells of each, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from rewardbench.builders.mirrors import Mirror
from rewardbench.verifiers import VERIFIERS, Cell, faults, missing_tools


@dataclass(frozen=True)
class Verified:
    """How many pairs passed, one sentence for each cell that did not come out as it should, and what was left out."""

    pairs: int
    failed: tuple[str, ...]
    skipped: tuple[str, ...] = ()
    """Mirrors whose language this machine cannot run, with what it lacks."""

    def __add__(self, other: Verified) -> Verified:
        return Verified(self.pairs + other.pairs, self.failed + other.failed, self.skipped + other.skipped)


def cells(mirror: Mirror) -> Iterator[Cell]:
    """Both responses against both prompts."""
    for half, prompt, right, wrong in (("a", mirror.a, mirror.x, mirror.y), ("b", mirror.b, mirror.y, mirror.x)):
        text = "\n".join(turn["content"] for turn in prompt)
        for response in (right, wrong):
            yield Cell(f"{mirror.group}-{half}", mirror.check[half], response, response is right, text)


def verify(mirrors: Sequence[Mirror], tick: Callable[[], None] = lambda: None) -> Verified:
    """Run every check there is; a mirror without one is not counted. `tick` is called for each kind of check."""
    kinds = {mirror.group: mirror.check.get("kind") for mirror in mirrors if mirror.check}
    unknown = [f"{group}: there is no verifier {kind!r}" for group, kind in kinds.items() if kind not in VERIFIERS]
    found = Verified(0, tuple(unknown))
    for kind in VERIFIERS:
        mine = [mirror for mirror in mirrors if mirror.check.get("kind") == kind]
        lacking = {mirror.group: missing_tools(mirror.check["a"]) for mirror in mine}
        skipped = [f"{group}: {', '.join(tools)} not installed" for group, tools in lacking.items() if tools]
        asked = [cell for mirror in mine if not lacking[mirror.group] for cell in cells(mirror)]
        found += replace(verify_cells(kind, asked), skipped=tuple(skipped))
        tick()
    return found


def verify_cells(kind: str, asked: Sequence[Cell]) -> Verified:
    """One kind of check on its cells; a row with any fault is not counted as verified."""
    failed = faults(asked, VERIFIERS[kind](asked)) if asked else []
    rows = {cell.row for cell in asked} - {row for row, _ in failed}
    return Verified(len(rows), tuple(f"{row}: {said}" for row, said in failed))
