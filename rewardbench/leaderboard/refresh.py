"""Compute the rows of a leaderboard from a store: recomputed figures, ranks by significance, badges.

The index is a parquet file that keeps a row a result, with what each cluster earned. A row whose files have changed is
made anew, so that an index that is old or cut off costs time and nothing else.

Which index is believed: that of a local folder only if this machine wrote it (`LocalStore.indexes`); that of a Hub
dataset as far as its rows name the hashes of the files that are there now. Who may commit to the dataset may write its
index, and a pull request that touches it is refused. `refresh(..., rebuild=True)` believes none.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from rewardbench.errors import InputError
from rewardbench.hub import Unreachable
from rewardbench.leaderboard.index import pack, read_earned, read_index
from rewardbench.leaderboard.rows import AGREES, credits_of, ranked, row_of, trusted
from rewardbench.leaderboard.types import BADGES, Board, Earned, Figure, Row, age
from rewardbench.store.base import Store

__all__ = [
    "AGREES",
    "BADGES",
    "Board",
    "Earned",
    "Figure",
    "Row",
    "age",
    "credits_of",
    "look",
    "ranked",
    "read_earned",
    "read_index",
    "refresh",
    "row_of",
    "trusted",
]

Say = Callable[[str, int], None]
"""Told the key of each result that is read, and how many are to be read."""
Earnings = Callable[[Iterable[str]], dict[str, Earned]]
"""Gives what the models of some keys earned."""


def refresh(store: Store, say: Say = lambda key, total: None, rebuild: bool = False) -> Board:
    """Return the rows of a store: from its index where the files are unchanged, else recomputed; update the index.

    Args:
        store: the results.
        say: told what is read.
        rebuild: read every result again, whatever the index says.

    Raises: InputError where the store cannot be read, and nothing is known of it from before.
    """
    return look(store, say, rebuild)[0]


def look(
    store: Store, say: Say = lambda key, total: None, rebuild: bool = False, keep: bool = True
) -> tuple[Board, Earnings]:
    """Return the rows of a store as `refresh` does, and what their models earned; without `keep` write nothing."""
    known = {} if rebuild else {path: board for path in store.indexes() if (board := read_index(path))}
    try:
        marks = store.versions()
        for path, board in known.items():
            if {row.key: row.mark for row in board.rows} == _less(marks, board.skipped):
                content = path.read_bytes()
                if keep:
                    store.remember(content)
                return replace(board, built=time.time()), _from_index(path)
        rows, earned, skipped = _collect(store, marks, known, say)
    except Unreachable as error:
        if not known:
            raise
        newest = max(known, key=lambda path: known[path].built)
        return replace(known[newest], offline=str(error)), _from_index(newest)
    board = Board(tuple(ranked(rows, earned)), time.time(), skipped=skipped)
    if keep:
        store.remember(pack(board, earned))
    return board, lambda keys: {key: earned[key] for key in keys if key in earned}


def _from_index(path: Path) -> Earnings:
    return lambda keys: read_earned(path, keys)


def _less(marks: Mapping[str, str], skipped: Mapping[str, str]) -> dict[str, str]:
    """Without those that were no results, and still are the same."""
    return {key: mark for key, mark in marks.items() if skipped.get(key, "").partition(" ")[0] != mark}


def _collect(
    store: Store, marks: Mapping[str, str], known: Mapping[Path, Board], say: Say
) -> tuple[list[Row], dict[str, Earned], dict[str, str]]:
    current, before = _kept(marks, known)
    rows, earned, skipped = [], {}, {}
    for key, mark in marks.items():
        if key in current:
            rows.append(current[key])
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
        say(key, len(marks) - len(current))
    return rows, earned, skipped


def _kept(marks: Mapping[str, str], known: Mapping[Path, Board]) -> tuple[dict[str, Row], dict[str, Earned]]:
    """Return the rows of all indexes whose files are still the same."""
    rows: dict[str, Row] = {}
    earned: dict[str, Earned] = {}
    for path, board in known.items():
        mine = {row.key: row for row in board.rows if marks.get(row.key) == row.mark and row.key not in rows}
        if mine:
            rows |= mine
            earned |= read_earned(path, mine)
    return rows, earned
