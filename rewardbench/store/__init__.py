"""Stores of results: a local folder, a bucket, or a dataset on the Hub, with one interface."""

from __future__ import annotations

from pathlib import Path

from rewardbench.errors import InputError
from rewardbench.paths.objects import is_object_address
from rewardbench.store.base import RunStore, Store
from rewardbench.store.local import LocalStore, safe_name

__all__ = ["LocalStore", "open_run_store", "open_store", "safe_name"]

HUB = "hf://datasets/"


def open_store(location: str | Path) -> Store:
    """Open a store.

    Args:
        location: a folder, which need not exist yet; a bucket with a prefix, `s3://bucket/prefix`, `gs://bucket/prefix`
            or `hf://buckets/org/name/prefix`; or `hf://datasets/org/name[@revision]`.

    Raises:
        InputError: if it is another kind of address.
    """
    if str(location).startswith(HUB):
        from rewardbench.store.hub import HubStore

        repo, _, revision = str(location).removeprefix(HUB).rstrip("/").partition("@")
        return HubStore(repo, revision)
    return open_run_store(location)


def open_run_store(location: str | Path) -> RunStore:
    """Open a store to which runs write their results: a folder or a bucket.

    Raises:
        InputError: if it is another kind of address, such as a Hub dataset.
    """
    if isinstance(location, str) and is_object_address(location):
        from rewardbench.paths.objects import Bucket
        from rewardbench.store.objects import ObjectStore

        return ObjectStore(Bucket(location))
    if str(location).startswith(HUB):
        raise InputError(
            f"A run writes to a folder or a bucket, not to {location}: pass a local --output_dir, then rewardbench "
            "submit."
        )
    if "://" in str(location):
        raise InputError(f"{location} is not a store: pass a folder, s3://bucket/prefix, or {HUB}org/name.")
    return LocalStore(location)
