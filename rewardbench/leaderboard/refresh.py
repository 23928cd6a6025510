"""Read the rows of a leaderboard from a store, and keep its index up to date.

The index is a parquet file with one row per result, and the credits of its model. A row is recomputed when the
files of its result change, so an index that is outdated or damaged costs time only.

An index is trusted as follows: in a local folder only if this machine wrote it (`LocalStore.indexes`); in a Hub dataset
for rows that contain the hashes of the current files. Whoever may commit to the dataset may write its index; pull
requests that change it are refused. `refresh(..., rebuild=True)` trusts no index.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from rewardbench.errors import InputError, Unreachable
from rewardbench.leaderboard.index import encode_index, read_credits, read_index
from rewardbench.leaderboard.ranking import rank_rows
from rewardbench.leaderboard.rows import compute_row
from rewardbench.leaderboard.types import Board, Credits, LeaderboardRow
from rewardbench.store.base import Store

ReportProgress = Callable[[str, int], None]
"""Called with the key of each result that was read, and the number of results to read."""
CreditsReader = Callable[[Iterable[str]], dict[str, Credits]]
"""Returns the credits of the models with some keys."""


def _report_nothing(key: str, total: int) -> None:
    """Ignore the progress."""


def refresh(store: Store, report: ReportProgress = _report_nothing, rebuild: bool = False) -> Board:
    """Return the rows of a store, and update its index.

    Args:
        store: the results.
        report: called for each result that is read.
        rebuild: read every result again, whatever the index contains.

    Raises:
        InputError: if the store cannot be read, and there is no index.
    """
    return read_board(store, report, rebuild)[0]


def read_board(
    store: Store, report: ReportProgress = _report_nothing, rebuild: bool = False, save: bool = True
) -> tuple[Board, CreditsReader]:
    """Return the rows of a store, and a reader of the credits of their models.

    Args:
        store: the results.
        report: called for each result that is read.
        rebuild: read every result again, whatever the index contains.
        save: update the index; without it, nothing is written.

    Raises:
        InputError: if the store cannot be read, and there is no index.
    """
    indexes = {} if rebuild else _read_indexes(store)
    try:
        marks = store.versions()
        for path, board in indexes.items():
            if _is_current(board, marks):
                content = path.read_bytes()
                if save:
                    store.remember(content)
                return replace(board, built=time.time()), _index_reader(path)
        rows, credits, skipped = _collect(store, marks, indexes, report)
    except Unreachable as error:
        if not indexes:
            raise
        newest = max(indexes, key=lambda path: indexes[path].built)
        return replace(indexes[newest], offline=str(error)), _index_reader(newest)
    board = Board(tuple(rank_rows(rows, credits)), time.time(), skipped=skipped)
    if save:
        store.remember(encode_index(board, credits))
    return board, lambda keys: {key: credits[key] for key in keys if key in credits}


def _read_indexes(store: Store) -> dict[Path, Board]:
    boards: dict[Path, Board] = {}
    for path in store.indexes():
        board = read_index(path)
        if board:
            boards[path] = board
    return boards


def _index_reader(path: Path) -> CreditsReader:
    return lambda keys: read_credits(path, keys)


def _is_current(board: Board, marks: Mapping[str, str]) -> bool:
    """Return True if an index covers every file of a store as it is now, by a row or by a reason why it has none."""
    expected = dict(marks)
    for key, reason in board.skipped.items():
        if expected.get(key) == reason.partition(" ")[0]:
            del expected[key]
    return {row.key: row.mark for row in board.rows} == expected


def _collect(
    store: Store, marks: Mapping[str, str], indexes: Mapping[Path, Board], report: ReportProgress
) -> tuple[list[LeaderboardRow], dict[str, Credits], dict[str, str]]:
    """Return the rows of a store, the credits of their models, and the files that have no row.

    Args:
        store: the results.
        marks: marks of the files, by key.
        indexes: rows that have been computed before.
        report: called for each result that is read.
    """
    unchanged, credits = _unchanged_rows(marks, indexes)
    rows: list[LeaderboardRow] = []
    skipped: dict[str, str] = {}
    for key, mark in marks.items():
        if key in unchanged:
            rows.append(unchanged[key])
            continue
        try:
            row, credits[key] = compute_row(store, key, mark)
        except Unreachable:
            raise
        except InputError as error:
            skipped[key] = f"{mark} {error}"
            continue
        rows.append(row)
        report(key, len(marks) - len(unchanged))
    return rows, credits, skipped


def _unchanged_rows(
    marks: Mapping[str, str], indexes: Mapping[Path, Board]
) -> tuple[dict[str, LeaderboardRow], dict[str, Credits]]:
    """Return the rows of indexes whose files have not changed, and the credits of their models."""
    rows: dict[str, LeaderboardRow] = {}
    credits: dict[str, Credits] = {}
    for path, board in indexes.items():
        unchanged = {row.key: row for row in board.rows if marks.get(row.key) == row.mark and row.key not in rows}
        if unchanged:
            rows |= unchanged
            credits |= read_credits(path, unchanged)
    return rows, credits
