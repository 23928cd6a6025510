"""Where results live: a local folder, or a dataset of the Hub, behind one interface."""

from __future__ import annotations

from pathlib import Path

from rewardbench.errors import InputError
from rewardbench.store.base import Store
from rewardbench.store.local import LocalStore, safe_name

__all__ = ["LocalStore", "open_store", "safe_name"]

HUB = "hf://datasets/"


def open_store(location: str | Path) -> Store:
    """Open the store at a folder, which need not exist yet, or at `hf://datasets/org/name[@revision]`.

    Raises: InputError for another kind of address.
    """
    if str(location).startswith(HUB):
        from rewardbench.store.hub import HubStore

        return HubStore(*str(location).removeprefix(HUB).rstrip("/").partition("@")[::2])
    if "://" in str(location):
        raise InputError(f"{location} is no store: name a folder, or {HUB}org/name.")
    return LocalStore(location)
