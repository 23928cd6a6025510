"""Read the rows of a leaderboard from a store, and keep its index up to date.

The index is a parquet file with one row per result, and the credits of its model. A row is recomputed when the
files of its result change, so an index that is outdated or damaged costs time only.

An index is trusted as follows: in a local folder only if this machine wrote it (`LocalStore.indexes`); in a Hub dataset
for rows that contain the hashes of the current files, of which some are recomputed in each refresh (`audit`). Whoever
may commit to the dataset may write its index; pull requests that change it are refused. `refresh(..., rebuild=True)`
trusts no index.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from rewardbench.errors import Unreachable
from rewardbench.leaderboard.audit import drop_forged, record
from rewardbench.leaderboard.index import encode_index, read_credits, read_index
from rewardbench.leaderboard.ranking import rank_rows
from rewardbench.leaderboard.reading import compute_rows
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
        indexes = drop_forged(store, indexes, marks)
        for path, board in indexes.items():
            if _is_current(board, marks):
                content = path.read_bytes()
                if save:
                    store.remember(content)
                return replace(board, built=time.time()), _index_reader(path)
        keep = store.remember if save else None
        rows, credits, skipped = _collect(store, marks, indexes, report, keep)
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
    store: Store,
    marks: Mapping[str, str],
    indexes: Mapping[Path, Board],
    report: ReportProgress,
    keep: Callable[[bytes], None] | None = None,
) -> tuple[list[LeaderboardRow], dict[str, Credits], dict[str, str]]:
    """Return the rows of a store, the credits of their models, and the files that have no row.

    Args:
        store: the results.
        marks: marks of the files, by key.
        indexes: rows that have been computed before.
        report: called for each result that is read.
        keep: called from time to time with an index of the rows so far, so that a killed process loses little.
    """
    rows, credits = _unchanged_rows(marks, indexes)
    changed = {key: mark for key, mark in marks.items() if key not in rows}
    skipped: dict[str, str] = {}
    saved_at, pause = time.monotonic(), KEEP_EVERY
    for outcome in compute_rows(store, changed):
        key = outcome.key
        if outcome.row is None:
            skipped[key] = f"{marks[key]} {outcome.error}"
        else:
            rows[key], credits[key] = outcome.row, outcome.credits
        report(key, len(changed))
        if keep and time.monotonic() - saved_at > pause:
            start = time.thread_time()
            keep(encode_index(Board(tuple(rows.values()), time.time(), skipped=skipped), credits))
            saved_at, pause = time.monotonic(), max(KEEP_EVERY, KEEP_SHARE * (time.thread_time() - start))
    record(store, changed)
    return [rows[key] for key in marks if key in rows], credits, skipped


KEEP_EVERY = 5.0
"""Seconds between two copies of an incomplete index."""
KEEP_SHARE = 20
"""Minimum time between two copies, as a multiple of the CPU time that a copy takes."""


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
