"""The interface of a store: a local folder, a bucket or a Hub dataset that contains results."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from rewardbench.results import PackedResult
from rewardbench.types import Result, Suite

if TYPE_CHECKING:
    from rewardbench.store.atomic import Draft


class Store(Protocol):
    """A folder, bucket or Hub dataset of results. The key of a result is the path of its summary without `.json`."""

    def put(self, result: Result, suite: Suite) -> str:
        """Write a result atomically, and return where it is."""

    def add(self, entries: Iterable[PackedResult], *, replace: bool = True) -> Sequence[str]:
        """Write packed results, and return their keys.

        Raises:
            InputError: without `replace`, if a stored result would change.
        """

    def get(self, key: str) -> Result:
        """Read the result with a key."""

    def versions(self) -> dict[str, str]:
        """Return the keys of all files that may be results, each with a mark that changes when its files change."""

    def path(self, key: str) -> Path:
        """Return the local path of the summary with a key; its scores are next to it."""

    def delete(self, key: str) -> None:
        """Delete a result."""

    def rename(self, key: str, new: str) -> None:
        """Change the key of a result."""

    def load(self, name: str) -> Path | None:
        """Return the local path of another file of the store (the index, a verdict), or None if it does not exist."""

    def save(self, name: str, content: bytes, note: str = "") -> None:
        """Write such a file atomically; `note` is the commit message of a Hub dataset."""

    def indexes(self) -> Sequence[Path]:
        """Return the indexes that may be read: the one written on this machine first."""

    def remember(self, index: bytes) -> None:
        """Save an index on this machine."""

    def machine_path(self, name: str) -> Path | None:
        """Return the path of a file about the store on this machine, outside the store; None if there is no folder."""

    def list(self) -> list[str]:
        """Return the keys of all results, sorted."""


class RunStore(Store, Protocol):
    """A store to which runs write: the rows are drafted on this machine while a model is scored."""

    def draft(self) -> AbstractContextManager[Draft]:
        """Context manager: yield a draft for the rows of a run; rows that `put` does not take are deleted.

        Raises:
            InputError: if results cannot be written to the store.
        """

    def put(self, result: Result, suite: Suite, draft: Draft | None = None, key: str | None = None) -> str:
        """Write a result atomically, with the rows of a draft if there is one; return where it is.

        A result with the key is replaced; without a key, only an earlier result of the same run is.
        """
