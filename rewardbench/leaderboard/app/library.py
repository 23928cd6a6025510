"""What the pages read: the rows of a store, looked at anew now and then, and the items of one result when asked for."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from typing import Any

from rewardbench import results
from rewardbench.errors import InputError
from rewardbench.leaderboard.app.frame import Page
from rewardbench.leaderboard.refresh import Board, Earned, Row, read_earned, refresh, trusted
from rewardbench.results.scored import Scored, read_scored
from rewardbench.store import LocalStore, open_store
from rewardbench.suites import load_embedded
from rewardbench.suites.registry import find_spec
from rewardbench.types import Item

FRESH = 60.0
"""Seconds for which rows are shown without a look at the store."""


MOST_PAGES = 32
"""Pages that are kept until the rows change."""
MOST_BUILT = 3
"""Pages that are built at a time: one of a thousand rows takes megabytes, and hundreds while it is built."""


class Library:
    """The results of one store. Rows are refreshed in the background; pages never wait for the Hub.

    Args:
        location: of the store.
        board: its rows, if they are known already.
        writable: whether visitors may add results to a local folder.
    """

    def __init__(self, location: str, board: Board | None = None, writable: bool = False) -> None:
        self.location = location
        self.store = open_store(location)
        self.takes_files = writable or not isinstance(self.store, LocalStore)
        """Whether results can be submitted on the page: to the Hub by pull request, to a folder only if asked for."""
        self.building = threading.BoundedSemaphore(MOST_BUILT)
        self._pages: OrderedDict[Hashable, Page] = OrderedDict()
        self._making: dict[Hashable, threading.Lock] = {}
        self.board: Board = board or refresh(self.store)
        self._looked = time.monotonic()
        self._busy = threading.Lock()
        self.scored = lru_cache(maxsize=64)(self._scored)

    def rows(self) -> Board:
        """The rows as of now, or as of a minute ago while a newer look is being taken."""
        if time.monotonic() - self._looked > FRESH and self._busy.acquire(blocking=False):
            threading.Thread(target=self._look, daemon=True).start()
        return self.board

    def _look(self) -> None:
        try:
            self.look()
        except InputError as error:
            self.board = replace(self.board, offline=str(error))
        finally:
            self._busy.release()

    def look(self) -> Board:
        """Look at the store now."""
        self._looked = time.monotonic()
        self.board = refresh(self.store)
        return self.board

    def kept(self, name: Hashable, make: Callable[[], Page]) -> Page:
        """Return a page that depends on the rows alone; it is made once for the same rows, by one thread at a time."""
        key = (name, _version(self.board))
        with self._making.setdefault(name, threading.Lock()):
            if key not in self._pages:
                self._pages[key] = make()
            page = self._pages[key]
        while len(self._pages) > MOST_PAGES:
            with suppress(KeyError):
                self._pages.popitem(last=False)
        return page

    def row(self, key: str) -> Row | None:
        """The row of a key, if there is one."""
        return next((row for row in self.rows().rows if row.key == key), None)

    def summary(self, row: Row) -> dict[str, Any]:
        """The file of a row as its author wrote it."""
        return results.read_summary(self.store.path(row.key))

    def items(self, row: Row) -> Scored:
        """A row's items with its scores, and with their texts where those are at hand.

        Raises: InputError where there are none, or the store cannot be reached.
        """
        found: Scored = self.scored(row.key, row.mark)
        return found

    def _scored(self, key: str, mark: str) -> Scored:
        row = self.row(key)
        if row is None or not row.ids:
            raise InputError("This row has figures only: there are no scores of its items.")
        path = self.store.path(key)
        scored = trusted(read_scored(path), row.suite, row.revision)
        if scored is None:
            raise InputError(row.note)
        texts = self.texts(row)
        items = tuple(_with_texts(item, texts) for item in scored.suite.items)
        return replace(scored, suite=replace(scored.suite, items=items))

    def texts(self, row: Row) -> dict[str, Item]:
        """The items of a row's suite by id, where the suite comes with the package in the same revision; else none."""
        spec = find_spec(row.suite)
        if spec is None or not spec.embedded:
            return {}
        suite = load_embedded(spec.name)
        return {item.id: item for item in suite.items} if suite.revision == row.revision else {}

    def earned(self, rows: Sequence[Row]) -> list[Earned]:
        """What the models of some rows earned, as the indexes keep it."""
        found: dict[str, Earned] = {}
        for place in self.store.indexes():
            found = read_earned(place, [row.key for row in rows]) | found
        return [found[row.key] for row in rows if row.key in found]


def _version(board: Board) -> int:
    """Return what changes whenever rows do."""
    return hash(tuple((row.key, row.mark, row.rank) for row in board.rows))


def _with_texts(item: Item, texts: dict[str, Item]) -> Item:
    own = texts.get(item.id)
    if own is None or len(own.completions) != len(item.completions):
        return item
    return replace(item, prompt=own.prompt, completions=own.completions)
