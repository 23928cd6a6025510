"""Stores of results: a local folder, or a dataset on the Hub, with one interface."""

from __future__ import annotations

from pathlib import Path

from rewardbench.errors import InputError
from rewardbench.store.base import Store
from rewardbench.store.local import LocalStore, safe_name

__all__ = ["LocalStore", "open_store", "safe_name"]

HUB = "hf://datasets/"


def open_store(location: str | Path) -> Store:
    """Open a store.

    Args:
        location: a folder, which need not exist yet, or `hf://datasets/org/name[@revision]`.

    Raises:
        InputError: if it is another kind of address.
    """
    if str(location).startswith(HUB):
        from rewardbench.store.hub import HubStore

        repo, _, revision = str(location).removeprefix(HUB).rstrip("/").partition("@")
        return HubStore(repo, revision)
    if "://" in str(location):
        raise InputError(f"{location} is not a store: pass a folder, or {HUB}org/name.")
    return LocalStore(location)
