"""Perturbed items of a suite whose labels are verified again: the checks of embedded suites run on the new texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rewardbench.analysis.robustness.perturbations import PERTURBATIONS, asks_for_form, perturb
from rewardbench.builders.check import Checked, verify
from rewardbench.builders.checked_rows import CheckedRow
from rewardbench.builders.draw import Response
from rewardbench.builders.request import SUITE_NAMES
from rewardbench.builders.style import StyleSuite, read_any_suite
from rewardbench.builders.suite_files import MirrorSuite, data_folder_of, to_jsonl
from rewardbench.errors import InputError
from rewardbench.paths import write_whole
from rewardbench.types import Item, Messages, Suite
from rewardbench.verifiers import missing_tools

SIDES: Mapping[str, tuple[bool, bool]] = {"chosen": (True, False), "rejected": (False, True), "both": (True, True)}
"""Whether right and wrong completions are perturbed."""
TIES = "ties"
"""Kind of check of the ties mirrors, which do not name it."""
Checks = Mapping[str, Mapping[str, Any]]
"""The check of each row, by its id: the `kind` of its verifier, and what must hold of a right response."""


@dataclass(frozen=True)
class PerturbedItem:
    """An item and its perturbed version.

    Attributes:
        name: the perturbation.
        original: the item.
        item: the perturbed item.
        check: the check of its label; empty if there is none, or this machine lacks a tool that it needs.
    """

    name: str
    original: Item
    item: Item
    check: Mapping[str, Any] = field(default_factory=dict)

    def to_row(self) -> CheckedRow:
        """Return the perturbed item as a row of a file."""
        responses = list(map(_response, self.item.completions))
        number = self.item.num_correct
        return CheckedRow(
            id=self.item.id,
            prompt=self.item.prompt,
            right=responses[:number],
            wrong=responses[number:],
            check=self.check,
            tools=tuple(self.item.tools),
            columns={"subset": self.item.subset, "group": self.item.group, "perturbation": self.name},
        )


def _response(completion: Messages) -> Response:
    """Return a completion as a text if it is a single one."""
    if len(completion) == 1 and not completion[0].get("tool_calls"):
        return completion[0]["content"]
    return completion


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

    def write(self, path: Path) -> None:
        """Write the perturbed items with their checks, one JSON object per line.

        Raises:
            InputError: if the file cannot be written.
        """
        write_whole(path, to_jsonl(perturbed.to_row().to_json() for perturbed in self.items))


def perturb_suite(
    suite: Suite,
    names: Sequence[str] = (),
    side: str = "both",
    seed: int = 0,
    tick: Callable[[], None] = lambda: None,
) -> PerturbedSuite:
    """Perturb the items of a suite that have a preference.

    Args:
        suite: the items; the checks of an embedded suite are read from its data folder.
        names: the perturbations; all if empty.
        side: which completions change: `chosen`, `rejected` or `both`.
        seed: random seed.
        tick: called once for each kind of verifier.

    Raises:
        InputError: for an unknown perturbation, or if none applies to an item.
    """
    check_names(names)
    checks = read_checks(suite.name)
    candidates: list[PerturbedItem] = []
    left_out: Counter[str] = Counter()
    for item in suite.items:
        if not item.has_preference or item.problem:
            continue
        check = checks.get(item.id) or checks.get(item.id.partition("/")[0], {})
        check = {} if missing_tools(check) else check
        needs_form = not check and asks_for_form(item)
        for name, perturbed in _perturbed(item, tuple(dict.fromkeys(names)) or tuple(PERTURBATIONS), side, seed):
            perturbation = PERTURBATIONS[name]
            if needs_form and (perturbation.adds_text or perturbation.changes_form):
                left_out[name] += 1
            else:
                candidates.append(PerturbedItem(name, item, perturbed, check))
    failed_rows = verify([candidate.to_row() for candidate in candidates], tick).failed_rows
    verified: Counter[str] = Counter()
    items: list[PerturbedItem] = []
    for candidate in candidates:
        if candidate.item.id in failed_rows:
            left_out[candidate.name] += 1
            continue
        verified[candidate.name] += bool(candidate.check)
        items.append(candidate)
    if not items:
        raise InputError(
            f"No perturbation applies to the {len(suite.items):,} items of {suite.name}: they must have a preference "
            "and responses as text without a template."
        )
    return PerturbedSuite(items, verified, left_out)


def check_names(names: Sequence[str]) -> None:
    """Raise InputError for an unknown perturbation."""
    for name in names:
        if name not in PERTURBATIONS:
            raise InputError(f"There is no perturbation {name!r}: it must be one of {', '.join(PERTURBATIONS)}.")


def _perturbed(item: Item, names: Sequence[str], side: str, seed: int) -> Iterator[tuple[str, Item]]:
    """Yield an item under each perturbation that applies to it."""
    right, wrong = SIDES[side]
    sides = [right] * item.num_correct + [wrong] * (len(item.completions) - item.num_correct)
    for name in names:
        perturbed = perturb(item, name, seed, sides)
        if perturbed is not None:
            yield name, perturbed


def read_checks(name: str) -> Checks:
    """Read the check of each row of an embedded suite that has one; none for other data."""
    checks: dict[str, Mapping[str, Any]] = {}
    if name not in SUITE_NAMES:
        return checks
    suite = read_any_suite(data_folder_of(name), name)
    for group, kind in _checked_groups(suite):
        for cell in group.cells():
            checks[cell.row] = {"kind": kind, **cell.check}
    return checks


def _checked_groups(suite: MirrorSuite | StyleSuite) -> Iterator[tuple[Checked, str]]:
    """Yield the mirrors, squares and ties with a check, and its kind."""
    groups: list[Checked] = []
    if isinstance(suite, StyleSuite):
        for mirrors in suite.mirrors.values():
            groups += mirrors
    else:
        groups += [*suite.all_mirrors(), *suite.squares, *suite.ties]
    for group in groups:
        if group.check:
            yield group, group.check.get("kind", TIES)
