"""A store in, the rows of a leaderboard out: figures counted from the items, ranks that chance does not make, badges.

The index is a parquet file that keeps a row a result, with what each cluster earned. A row whose files have changed is
made anew, so that an index that is old or cut off costs time and nothing else. Who may write into a store may write its
index; a submission may not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from rewardbench.board.index import pack, read_earned, read_index
from rewardbench.board.nouns import BADGES, Board, Earned, Figure, Row, age
from rewardbench.board.rows import AGREES, ranked, row_of, trusted
from rewardbench.hub import Unreachable
from rewardbench.types import InputError, Store

__all__ = [
    "AGREES",
    "BADGES",
    "Board",
    "Earned",
    "Figure",
    "Row",
    "age",
    "ranked",
    "read_earned",
    "read_index",
    "refresh",
    "row_of",
    "trusted",
]

Say = Callable[[str, int], None]
"""Told the key of each result that is read, and how many are to be read."""


def refresh(store: Store, say: Say = lambda key, total: None) -> Board:
    """The rows of a store: those of its index that still hold, and the others made anew; the index is kept.

    Raises: InputError where the store cannot be read, and nothing is known of it from before.
    """
    known = {path: found for path in store.indexes() if (found := read_index(path))}
    try:
        marks = store.versions()
        for path, board in known.items():
            if {row.key: row.mark for row in board.rows} == _less(marks, board.skipped):
                store.remember(path.read_bytes())
                return replace(board, built=time.time())
        rows, earned, skipped = _collect(store, marks, known, say)
    except Unreachable as error:
        if not known:
            raise
        return replace(max(known.values(), key=lambda board: board.built), offline=str(error))
    board = Board(tuple(ranked(rows, earned)), time.time(), skipped=skipped)
    store.remember(pack(board, earned))
    return board


def _less(marks: Mapping[str, str], skipped: Mapping[str, str]) -> dict[str, str]:
    """Without those that were no results, and still are the same."""
    return {key: mark for key, mark in marks.items() if skipped.get(key, "").partition(" ")[0] != mark}


def _collect(
    store: Store, marks: Mapping[str, str], known: Mapping[Path, Board], say: Say
) -> tuple[list[Row], dict[str, Earned], dict[str, str]]:
    kept, before = _kept(marks, known)
    rows, earned, skipped = [], {}, {}
    for key, mark in marks.items():
        if key in kept:
            rows.append(kept[key])
            earned[key] = before[key]
            continue
        try:
            row, mine = row_of(store, key, mark)
        except Unreachable:
            raise
        except InputError as error:
            skipped[key] = f"{mark} {error}"
            continue
        rows.append(row)
        earned[key] = mine
        say(key, len(marks) - len(kept))
    return rows, earned, skipped


def _kept(marks: Mapping[str, str], known: Mapping[Path, Board]) -> tuple[dict[str, Row], dict[str, Earned]]:
    """The rows of all indexes whose files are still the same."""
    rows: dict[str, Row] = {}
    earned: dict[str, Earned] = {}
    for path, board in known.items():
        mine = {row.key: row for row in board.rows if marks.get(row.key) == row.mark and row.key not in rows}
        if mine:
            rows |= mine
            earned |= read_earned(path, mine)
    return rows, earned
