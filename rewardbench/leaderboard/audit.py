"""Check the index that a remote store contains against the files of the store, a few rows at a time.

Whoever may write to a Hub dataset or a bucket may write its index, and a pull request that a person merges may change
it. Each refresh recomputes a few rows that this machine has not computed yet, the leading ones first. An index with a
row that does not follow from its files is not used at all.
"""

from __future__ import annotations

import json
import logging
import random
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from rewardbench.errors import InputError, Unreachable
from rewardbench.leaderboard.index import read_credits
from rewardbench.leaderboard.rows import TOLERANCE, compute_row
from rewardbench.leaderboard.types import Board, Credits, Figure, LeaderboardRow
from rewardbench.paths import write_whole
from rewardbench.store.base import Store
from rewardbench.store.remote import RemoteStore

MOST_ROWS = 8
"""Rows that are recomputed in one refresh."""
LEADING = 4
"""How many of them are the leading ones; the others are chosen at random."""
STATED = (
    *("model", "model_type", "suite", "revision", "ids", "metric", "badge", "alike"),
    *("parameters", "license", "command"),
)
"""Fields of a row that must be equal."""
FIGURES = ("sections", "subsets", "gap", "turns", "biases", "breakdowns")
"""Fields with several figures, whose values must be equal up to rounding."""

log = logging.getLogger(__name__)


def drop_forged(store: Store, boards: Mapping[Path, Board], marks: Mapping[str, str]) -> dict[Path, Board]:
    """Return the indexes of a store, without those with a row that does not follow from its files.

    Args:
        store: the results. The index of a local folder is used only if this machine wrote it, so it is not checked.
        boards: rows of the indexes.
        marks: marks of the files, by key.
    """
    if not isinstance(store, RemoteStore):
        return dict(boards)
    checked = _read_checked(store)
    honest: dict[Path, Board] = {}
    for path, board in boards.items():
        keys = _choose(board, marks, checked)
        if all(_follows(store, path, board, key, marks[key]) for key in keys):
            honest[path] = board
            checked |= {key: marks[key] for key in keys}
        else:
            log.warning("The index of the store does not follow from its files: it is not used.")
    record(store, checked)
    return honest


def record(store: Store, marks: Mapping[str, str]) -> None:
    """Record which rows this machine has computed, by key, with the marks of their files."""
    if isinstance(store, RemoteStore) and marks:
        with suppress(InputError):
            write_whole(_record(store), json.dumps(_read_checked(store) | dict(marks)))


def _record(store: RemoteStore) -> Path:
    return store.local_file("checked.json")


def _read_checked(store: RemoteStore) -> dict[str, str]:
    try:
        checked = json.loads(_record(store).read_bytes())
    except (OSError, ValueError):
        return {}
    return checked if isinstance(checked, dict) else {}


def _choose(board: Board, marks: Mapping[str, str], checked: Mapping[str, str]) -> list[str]:
    """Return the keys to check: those of leading rows, then any, also of files without a row in the index."""
    leading: list[str] = []
    for suite in board.suites:
        leading += [row.key for row in board.of(suite)]
    current = {row.key for row in board.rows if marks.get(row.key) == row.mark}
    skipped = [key for key, reason in board.skipped.items() if marks.get(key) == reason.partition(" ")[0]]
    unchecked = [key for key in leading if key in current and checked.get(key) != marks[key]]
    others = [key for key in (*unchecked[LEADING:], *skipped) if checked.get(key) != marks[key]]
    random.shuffle(others)
    return [*unchecked[:LEADING], *others[: MOST_ROWS - LEADING]]


def _follows(store: Store, path: Path, board: Board, key: str, mark: str) -> bool:
    """Return True if the row of a result in an index follows from its files, or cannot be checked now."""
    stored = next((row for row in board.rows if row.key == key), None)
    try:
        row, credits = compute_row(store, key, mark)
    except Unreachable:
        return True
    except InputError:
        return stored is None
    return stored is not None and are_equal(stored, row) and _same(read_credits(path, [key])[key], credits)


def are_equal(stored: LeaderboardRow, row: LeaderboardRow) -> bool:
    """Return True if two rows of one result state the same, up to rounding and the limits of their intervals."""
    if any(getattr(stored, name) != getattr(row, name) for name in STATED):
        return False
    figures, expected = [stored.score], [row.score]
    for name in FIGURES:
        figures += getattr(stored, name)
        expected += getattr(row, name)
    return len(figures) == len(expected) and all(map(_is_near, figures, expected))


def _is_near(figure: Figure, expected: Figure) -> bool:
    if figure.name != expected.name:
        return False
    limits = [(figure.low, expected.low), (figure.high, expected.high)]
    return _differ([(figure.value, expected.value)]) <= TOLERANCE and _differ(limits) <= 0.01


def _differ(pairs: Iterable[tuple[float | None, float | None]]) -> float:
    """Return the largest difference of two numbers; 1 where one of them is missing."""
    largest = 0.0
    for value, expected in pairs:
        if value is None or expected is None:
            largest = max(largest, float(value is not expected))
        else:
            largest = max(largest, abs(value - expected))
    return largest


def _same(credits: Credits, expected: Credits) -> bool:
    for values, others in ((credits.by_cluster, expected.by_cluster), (credits.by_item, expected.by_item)):
        if len(values) != len(others) or _differ(zip(values, others, strict=True)) > TOLERANCE:
            return False
    return True
