"""Methods of the stores that are read over the network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from rewardbench import results
from rewardbench.errors import InputError, Unreachable
from rewardbench.paths import write_whole
from rewardbench.store.local import INDEX
from rewardbench.types import Result


class RemoteStore(ABC):
    """Base of stores whose files are copied to this machine when they are read."""

    @abstractmethod
    def versions(self) -> dict[str, str]:
        """Return the keys of all files that may be results, each with a mark that changes when its files change."""

    @abstractmethod
    def path(self, key: str) -> Path:
        """Return the local path of the summary with a key; its scores are next to it."""

    @abstractmethod
    def load(self, name: str) -> Path | None:
        """Return the local path of another file of the store (the index, a verdict), or None if it does not exist."""

    @abstractmethod
    def _local_index(self) -> Path:
        """Return the path on this machine of the index of the store."""

    def local_file(self, suffix: str) -> Path:
        """Return the path on this machine of another file about the store, next to its index."""
        return self._local_index().with_suffix(f".{suffix}")

    def get(self, key: str) -> Result:
        """Read the result with a key."""
        return results.read_result(self.path(key))

    def list(self) -> list[str]:
        """Return the keys of all files that may be results, sorted."""
        return sorted(self.versions())

    def indexes(self) -> Sequence[Path]:
        """Return the index that this machine made, and the one in the store, if they exist."""
        paths = [self._local_index()] if self._local_index().is_file() else []
        with suppress(Unreachable):
            stored = self.load(INDEX)
            return [*paths, stored] if stored else paths
        return paths

    def remember(self, index: bytes) -> None:
        """Save an index on this machine; `save` writes it to the store."""
        with suppress(InputError):
            write_whole(self._local_index(), index)
