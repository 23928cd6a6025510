"""The interface of a store: where results live, a folder or a Hub dataset."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from rewardbench.types import Result, Suite


class Store(Protocol):
    """Where Results live: a local folder or a Hub dataset, one interface. A key is a path in it without `.json`."""

    def put(self, result: Result, suite: Suite) -> str:
        """Write a result whole or not at all; return where it is."""

    def add(self, entries: Iterable[tuple[Mapping[str, Any], bytes | None]], *, replace: bool = True) -> Sequence[str]:
        """Write results that are packed already, each a summary and its table of scores, if any; return their keys.

        Raises: InputError without `replace` if one is there already and differs.
        """

    def get(self, key: str) -> Result:
        """Return the result of a key that `list` gives."""

    def versions(self) -> dict[str, str]:
        """Return the keys of what may be results, each with a mark that changes whenever its files do."""

    def path(self, key: str) -> Path:
        """Where the summary of a key lies on this machine, with its scores beside it."""

    def delete(self, key: str) -> None:
        """Remove a result."""

    def rename(self, key: str, new: str) -> None:
        """Move a result to another key."""

    def load(self, name: str) -> Path | None:
        """Return the path of a file stored with the results (the index, a verdict), or None if there is none."""

    def save(self, name: str, content: bytes, note: str = "") -> None:
        """Write such a file whole."""

    def indexes(self) -> Sequence[Path]:
        """Return the indexes that can be read, that of this machine first."""

    def remember(self, index: bytes) -> None:
        """Keep an index on this machine."""

    def list(self) -> list[str]:
        """Return the keys of all results, sorted."""
