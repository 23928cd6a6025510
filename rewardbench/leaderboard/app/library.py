"""Read the results of a store for the pages: rows are refreshed in the background, items are read on demand."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from markupsafe import Markup

from rewardbench import results
from rewardbench.analysis.page import render_report, run_analyses
from rewardbench.errors import InputError
from rewardbench.leaderboard.app.credits import CreditArrays, read_credit_arrays
from rewardbench.leaderboard.app.pairing import SharedMeans
from rewardbench.leaderboard.app.pull_queue import PullQueue
from rewardbench.leaderboard.refresh import ReportProgress, refresh
from rewardbench.leaderboard.rows import with_known_rules
from rewardbench.leaderboard.types import Board, LeaderboardRow
from rewardbench.results import SummaryJson
from rewardbench.results.scored import ModelScores, read_scored
from rewardbench.results.suite_scores import ScoresReader
from rewardbench.store import open_store
from rewardbench.store.hub import HubStore
from rewardbench.suites import load_embedded
from rewardbench.suites.registry import find_spec
from rewardbench.types import Metric

Cached = TypeVar("Cached")
FRESH = 60.0
"""Seconds until rows are refreshed from the store."""
MOST_PAGES = 32
"""Pages that are cached until the rows change."""
MOST_BUILT = 3
"""Pages built concurrently: one with a thousand rows has megabytes, and needs hundreds of megabytes to build."""


class Library:
    """Results of one store. Rows are refreshed in the background, so pages never wait for the Hub.

    Args:
        location: folder or Hub dataset of the store.
        writable: whether visitors may add results to a local folder.
        is_open: whether the rows are read at once; otherwise `open` reads them.
    """

    def __init__(self, location: str, writable: bool = False, is_open: bool = True) -> None:
        self.location = location
        self.store = open_store(location)
        self.takes_files = writable or isinstance(self.store, HubStore)
        """Whether the page accepts submissions: to the Hub by pull request, to a folder only if `writable`."""
        self.pulls = PullQueue(self.store.repo) if isinstance(self.store, HubStore) else None
        """Pull requests of a Hub dataset."""
        self.building = threading.BoundedSemaphore(MOST_BUILT)
        self._pages: OrderedDict[Hashable, Any] = OrderedDict()
        self._making: dict[Hashable, threading.Lock] = {}
        self.board = Board((), time.time())
        self._hashed: tuple[Board | None, int] = (None, 0)
        self.progress: tuple[int, int] | None = (0, 0)
        """Results that `open` has read, and their number; None when the rows are complete."""
        self.requested_at = 0.0
        """Time by the monotonic clock at which a page was last requested."""
        self._refreshed_at = time.monotonic()
        self._refreshing = threading.Lock()
        self.scored = lru_cache(maxsize=64)(self._scored)
        self.pairing = lru_cache(maxsize=32)(self._pairing)
        self._credits: tuple[Board, dict[str, CreditArrays]] | None = None
        self._reading_credits = threading.Lock()
        self.analyses = lru_cache(maxsize=256)(self._analyses)
        if is_open:
            self.open()

    def open(self, report: ReportProgress = lambda key, total: None) -> None:
        """Read the rows.

        Args:
            report: called for each result that is read.

        Raises:
            InputError: if the store cannot be read, and there is no index.
        """

        def count(key: str, total: int) -> None:
            done = self.progress[0] if self.progress else 0
            self.progress = (done + 1, total)
            report(key, total)

        self.board = refresh(self.store, count)
        self._refreshed_at = time.monotonic()
        self.progress = None

    def rows(self) -> Board:
        """Return the current rows; older than `FRESH` seconds, they are refreshed in the background."""
        is_old = self.progress is None and time.monotonic() - self._refreshed_at > FRESH
        if is_old and self._refreshing.acquire(blocking=False):
            threading.Thread(target=self._refresh_in_background, daemon=True).start()
        return self.board

    def _refresh_in_background(self) -> None:
        try:
            self.refresh()
        except InputError as error:
            self.board = replace(self.board, offline=str(error))
        finally:
            self._refreshing.release()

    def refresh(self) -> Board:
        """Refresh the rows from the store, and return them."""
        self._refreshed_at = time.monotonic()
        self.board = refresh(self.store)
        return self.board

    def cached(self, name: Hashable, make: Callable[[], Cached]) -> Cached:
        """Return a page, or a part of one, that depends on the rows alone; one thread at a time builds it."""
        key = (name, self._version())
        with self._making.setdefault(name, threading.Lock()):
            page: Cached | None = self._pages.get(key)
            if page is None:
                page = self._pages[key] = make()
            else:
                with suppress(KeyError):  # another thread has removed it
                    self._pages.move_to_end(key)
        self._making.pop(name, None)
        while len(self._pages) > MOST_PAGES:
            with suppress(KeyError):
                self._pages.popitem(last=False)
        return page

    def _version(self) -> int:
        """Return a hash that changes whenever the rows do."""
        board = self.board
        if self._hashed[0] is not board:
            self._hashed = (board, hash(tuple((row.key, row.mark, row.rank_range) for row in board.rows)))
        return self._hashed[1]

    def of(self, suite: str) -> tuple[LeaderboardRow, ...]:
        """Return the rows of a suite in the order of `Board.of`."""
        return self.cached(("rows", suite), lambda: self.board.of(suite))

    def row(self, key: str) -> LeaderboardRow | None:
        """Return the row with a key, or None."""
        for row in self.rows().rows:
            if row.key == key:
                return row
        return None

    def summary(self, row: LeaderboardRow) -> SummaryJson:
        """Return the summary of a row as its author wrote it."""
        return results.read_summary(self.store.path(row.key))

    def items(self, row: LeaderboardRow) -> ModelScores:
        """Return the items and scores of a row, with texts if the suite is included in the package.

        Raises:
            InputError: if there are no per-item scores, or the store cannot be reached.
        """
        scored: ModelScores = self.scored(row.key, row.mark)
        return scored

    def _scored(self, key: str, mark: str) -> ModelScores:
        row = self.row(key)
        if row is None or not row.ids:
            raise InputError("This row was published as totals only, without per-item scores.")
        path = self.store.path(key)
        reader = self.scores_reader(row.suite, row.revision)
        scored = reader.read(path) if reader else None
        if scored is None:
            scored = with_known_rules(read_scored(path), row.suite, row.revision)
        if scored is None:
            raise InputError(row.note)
        return scored

    @staticmethod
    @lru_cache(maxsize=16)
    def scores_reader(suite: str, revision: str) -> ScoresReader | None:
        """Return a reader of the results of a suite, if the package includes it in this revision."""
        spec = find_spec(suite)
        if spec is None or not spec.embedded:
            return None
        known = with_known_rules(ModelScores("", load_embedded(spec.name), (), Path()), suite, revision)
        return ScoresReader(known.suite) if known else None

    def _analyses(self, key: str, mark: str) -> tuple[Markup, ...]:
        """Return the analyses of a row that its scores allow, such as its calibration, as HTML."""
        try:
            reports, _ = run_analyses(self.scored(key, mark))
        except InputError:  # totals only; the page says so where its items would be
            return ()
        return tuple(render_report(report) for report in reports)

    def credits(self, rows: Sequence[LeaderboardRow]) -> list[CreditArrays]:
        """Return the credits of rows from the indexes; rows that no index has are left out."""
        board = self.board
        with self._reading_credits:
            if self._credits is None or self._credits[0] is not board:
                self._credits = (board, read_credit_arrays(self.store.indexes()))
            credits = self._credits[1]
        return [credits[row.key] for row in rows if row.key in credits]

    def _pairing(self, key: str, mark: str, metric: Metric) -> SharedMeans | None:
        """Return what comparisons of models with the items of a row share; None if the index cannot replace scores."""
        row = self.row(key)
        credits = self.credits([row]) if row else []
        with suppress(KeyError):
            pairing = SharedMeans(self.scored(key, mark), metric)
            if credits and pairing.agrees(credits[0]):
                return pairing
        return None
