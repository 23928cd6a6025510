"""Read the results in pull requests on a Hub dataset."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

from rewardbench import results
from rewardbench.errors import InputError
from rewardbench.leaderboard.submissions import bounded
from rewardbench.leaderboard.submissions.fields import is_clean_name
from rewardbench.leaderboard.submissions.submission import Submission, read_submission
from rewardbench.results import answers, parquet
from rewardbench.results.scored import ModelScores
from rewardbench.store.hub import ANSWERS, HubStore
from rewardbench.store.local import MOST_SUMMARY, keys_of, reject_reserved

MOST_BYTES = {"{}.json": MOST_SUMMARY, "{}.parquet": parquet.MOST_BYTES}
"""Maximum size of each file that every result has."""
MOST_OPTIONAL = {ANSWERS: answers.MOST_BYTES}
"""Maximum size of the file that judges have too."""
MOST_OPEN = 256
"""Maximum number of other open pull requests that are read, the newest first."""


def read_pull(name: str, number: int) -> tuple[Submission, str]:
    """Return the submission in a pull request, and its key.

    Args:
        name: the dataset, `org/name`.
        number: number of the pull request.

    Raises:
        InputError: if it changes other files than those of one result, is too large, or would replace the result of
            another model.
    """
    proposed, merged = HubStore(name, f"refs/pr/{number}"), HubStore(name)
    proposed.refresh()
    merged.refresh()
    key = _changed_key(proposed, number)
    if not is_clean_name(key):
        raise InputError(f"Pull request {number} adds {key!a:.60}, but a result is org/model.json.")
    reject_reserved(key)
    for kind, most in (MOST_BYTES | MOST_OPTIONAL).items():
        name_of_file = kind.format(key)
        size = proposed.sizes.get(name_of_file, 0)
        if size > most:
            raise InputError(f"{name_of_file} was not read: it has {size:,} bytes, and the limit is {most:,}.")
    proposed.fetch_answers(key)
    submission = read_submission(proposed.path(key))
    summary = submission.record
    if key not in keys_of(summary):
        model = f"{str(summary['model'])!a:.60}"
        raise InputError(f"Pull request {number} adds {key}, but the result of {model} does not belong there.")
    if f"{key}.json" in merged.files and _identity(merged, key) != results.identity(summary):
        raise InputError(f"Pull request {number} would replace {key}, which is the result of another model.")
    return submission, key


def _changed_key(proposed: HubStore, number: int) -> str:
    """Return the key of the only result that a pull request changes.

    Raises:
        InputError: if it changes nothing, or anything else.
    """
    base = proposed.base()
    changed = sorted(file for file, digest in proposed.files.items() if base.get(file) != digest)
    deleted = sorted(base.keys() - proposed.files.keys())
    if not changed and not deleted:
        raise InputError(f"Pull request {number} changes nothing: the dataset has its result already. Close it.")
    key = changed[0].rpartition(".")[0] if changed else ""
    required = {kind.format(key) for kind in MOST_BYTES}
    allowed = required | {kind.format(key) for kind in MOST_OPTIONAL}
    if deleted or not set(changed) <= allowed or not required <= proposed.files.keys():
        names = ", ".join(map(ascii, [*changed, *deleted][:6]))
        raise InputError(f"Pull request {number} must add one result and change nothing else, but it changes {names}.")
    return key


def _identity(store: HubStore, key: str) -> str:
    try:
        return results.identity(results.read_summary(store.path(key)))
    except InputError:
        return ""


def earlier_pulls(name: str, number: int, suite: str) -> Iterator[ModelScores]:
    """Yield the results in other open pull requests that were pushed before this one.

    Each model is named with its pull request. If two pull requests have the same scores, only the later one is
    compared with the other, as with merged results.

    Args:
        name: the dataset, `org/name`.
        number: number of this pull request.
        suite: suite of the results.
    """
    store = HubStore(name)
    submitted = store.pushed(number), number
    opened = {other: time for other, time in store.open_pulls().items() if (time, other) < submitted}
    for other in sorted(opened, reverse=True)[:MOST_OPEN]:
        with suppress(InputError):  # a pull request that cannot be read is refused by its own review
            for scored in _added_results(store, other, suite):
                if (store.pushed(other), other) < submitted:
                    yield replace(scored, model=f"{scored.model} (pull request {other})")


def _added_results(store: HubStore, number: int, suite: str) -> Iterator[ModelScores]:
    """Yield the results of a suite in a pull request that differ from the merged ones."""
    proposed = HubStore(store.repo, f"refs/pr/{number}")
    proposed.refresh()
    if not store.files:
        store.refresh()
    for file, digest in proposed.files.items():
        key, _, extension = file.rpartition(".")
        if extension != "json" or store.files.get(file) == digest or not _is_readable(proposed, key):
            continue
        path = proposed.path(key)
        submission = read_submission(path)
        if submission.record["suite"] == suite:
            bounded.check_readable(path)
            yield submission.scored


def _is_readable(proposed: HubStore, key: str) -> bool:
    """Return True if a key has both files of a result, within the limits on their size."""
    if not is_clean_name(key):
        return False
    return all(proposed.sizes.get(kind.format(key), most + 1) <= most for kind, most in MOST_BYTES.items())
