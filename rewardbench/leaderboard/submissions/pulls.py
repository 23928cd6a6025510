"""Pull requests with results on a Hub dataset: what one adds, and what others that are open hold."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

from rewardbench import results
from rewardbench.errors import InputError
from rewardbench.leaderboard.submissions.fields import is_clean_name
from rewardbench.leaderboard.submissions.submission import Submission, read_submission
from rewardbench.results import parquet
from rewardbench.results.scored import Scored
from rewardbench.store.hub import HubStore
from rewardbench.store.local import MOST_SUMMARY, keys_of, refuse_reserved

KINDS = {"json": MOST_SUMMARY, "parquet": parquet.MOST_BYTES}
"""The files of a result, with the bytes that each may have."""
MOST_OPEN = 256
"""Other open pull requests that are looked at, the newest first."""


def read_pull(name: str, number: int) -> tuple[Submission, str]:
    """Return the submission that a pull request adds, and its key.

    The pull request may touch one result and nothing else. Whether that is there already is not asked here.

    Raises: InputError for one that touches anything else, or is larger than a result can be, or takes the place of
        another model's result.
    """
    proposed, merged = HubStore(name, f"refs/pr/{number}"), HubStore(name)
    proposed.refresh()
    merged.refresh()
    base = proposed.base()
    changed = sorted(file for file, blob in proposed.files.items() if base.get(file) != blob)
    gone = sorted(base.keys() - proposed.files.keys())
    if not changed and not gone:
        raise InputError(f"Pull request {number} changes nothing: what it adds is in {name} already; close it.")
    keys = {file.rpartition(".")[0] for file in changed}
    key = next(iter(keys), "")
    is_complete = all(f"{key}.{kind}" in proposed.files for kind in KINDS)
    if gone or len(keys) != 1 or not is_complete or not {file.rpartition(".")[2] for file in changed} <= KINDS.keys():
        names = ", ".join(ascii(file) for file in [*changed, *gone][:6])
        raise InputError(f"Pull request {number} must add one result and touch nothing else, but it changes {names}.")
    if not is_clean_name(key):
        raise InputError(f"Pull request {number} adds {key!a:.60}, which is no place for a result: org/model.json is.")
    refuse_reserved(key)
    for kind, most in KINDS.items():
        if proposed.sizes[f"{key}.{kind}"] > most:
            raise InputError(f"{key}.{kind} has {proposed.sizes[f'{key}.{kind}']:,} bytes, at most {most:,} are read.")
    submission = read_submission(proposed.path(key))
    summary = submission.record
    if key not in keys_of(summary):
        raise InputError(f"Pull request {number} adds {key}, and {str(summary['model'])!a:.60} does not belong there.")
    if f"{key}.json" in merged.files and _identity(merged, key) != results.identity(summary):
        raise InputError(f"Pull request {number} would replace {key}, which is the result of another model.")
    return submission, key


def _identity(store: HubStore, key: str) -> str:
    try:
        return results.identity(results.read_summary(store.path(key)))
    except InputError:
        return ""


def earlier_pulls(name: str, number: int, suite: str) -> Iterator[Scored]:
    """Yield the results of a suite in other open pull requests that were last pushed to before this one.

    Each is named with its pull request. Of two with the same scores, the later one is told of the earlier, as with
    results that are merged.
    """
    store = HubStore(name)
    submitted = store.pushed(number), number
    opened = {other: when for other, when in store.open_pulls().items() if (when, other) < submitted}
    for other in sorted(opened, reverse=True)[:MOST_OPEN]:
        with suppress(InputError):  # what cannot be read is refused when its own turn comes
            for scored in _added(store, other, suite):
                if (store.pushed(other), other) < submitted:
                    yield replace(scored, model=f"{scored.model} (pull request {other})")


def _added(store: HubStore, number: int, suite: str) -> Iterator[Scored]:
    """Yield the results in a pull request that differ from what is merged."""
    proposed = HubStore(store.repo, f"refs/pr/{number}")
    proposed.refresh()
    if not store.files:
        store.refresh()
    for file, blob in proposed.files.items():
        key, _, kind = file.rpartition(".")
        if kind != "json" or store.files.get(file) == blob or f"{key}.parquet" not in proposed.files:
            continue
        if is_clean_name(key) and all(proposed.sizes[f"{key}.{kind}"] <= most for kind, most in KINDS.items()):
            submission = read_submission(proposed.path(key))
            if submission.record["suite"] == suite:
                yield submission.scored
