"""Build the history of a row: other results of the same model, and earlier versions of the same result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rewardbench.errors import InputError, Unreachable
from rewardbench.leaderboard.app.frame import Page
from rewardbench.leaderboard.app.library import Library
from rewardbench.leaderboard.app.markup import render
from rewardbench.leaderboard.rows import compute_row
from rewardbench.leaderboard.types import Board, LeaderboardRow
from rewardbench.store.hub import HubStore

if TYPE_CHECKING:
    from rewardbench.store.history import ResultVersion

MOST_RESULTS = 50
"""Other results of a model that are listed."""


@dataclass(frozen=True)
class PastResult:
    """A version of a result, as a commit of a Hub dataset has it.

    Args:
        day: day of the commit, by the Hub.
        commit: the commit.
        row: the row that was computed from it; None if it cannot be read.
        reason: why it cannot be read.
    """

    day: str
    commit: str
    row: LeaderboardRow | None
    reason: str = ""


def other_results(board: Board, row: LeaderboardRow) -> list[LeaderboardRow]:
    """Return the other results of a model on the same suite: of other revisions, settings or versions of rewardbench.

    Newest first; those without a date come last.
    """
    others: list[LeaderboardRow] = []
    for other in board.rows:
        if (other.model, other.suite) == (row.model, row.suite) and other.key != row.key:
            others.append(other)
    others.sort(key=lambda other: (other.date, other.revision, other.key), reverse=True)
    return others[:MOST_RESULTS]


def keeps_versions(library: Library) -> bool:
    """Return True if a store keeps the results that were replaced: a Hub dataset does, in its commits."""
    return isinstance(library.store, HubStore)


def build_page(library: Library, row: LeaderboardRow) -> Page:
    """Return the page with the earlier versions of a result, which is cached until the rows change.

    Raises:
        InputError: if the store keeps no versions, or the Hub cannot be reached.
    """
    store = library.store
    if not isinstance(store, HubStore):
        raise InputError("This store keeps one version of each result: a new one replaces it.")
    return library.cached(("history", row.key), lambda: _build_page(store, row))


def _build_page(store: HubStore, row: LeaderboardRow) -> Page:
    from rewardbench.store.history import list_versions

    versions = [_read_version(store, row, version) for version in list_versions(store, row.key)]
    return Page(f"History of {row.model}", render("history.html", row=row, versions=versions), "model")


def _read_version(store: HubStore, row: LeaderboardRow, version: ResultVersion) -> PastResult:
    """Return a version of a result, with its row as it is computed today."""
    from rewardbench.store.history import PastStore

    day = version.date.date().isoformat()
    try:
        past = PastStore(store.repo, version.commit, row.key)
        return PastResult(day, version.commit, compute_row(past, row.key, version.commit)[0])
    except Unreachable:
        raise
    except InputError as error:
        return PastResult(day, version.commit, None, str(error))
