"""Compare a submission with the results of a store, as they are now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from rewardbench import results
from rewardbench.errors import InputError
from rewardbench.leaderboard.refresh import Row, credits_of, look, trusted
from rewardbench.leaderboard.submissions.checks import Finding, are_lookalikes
from rewardbench.leaderboard.submissions.submission import Submission
from rewardbench.results.scored import Scored, read_scored
from rewardbench.store.base import Store
from rewardbench.store.hub import HubStore
from rewardbench.store.local import keys_of
from rewardbench.store.verdicts import summary_hash
from rewardbench.types import Suite

NEAREST = 64
"""Models whose scores are read: those with most mistakes in common. The index knows the mistakes of all."""
MOST_FIELDS = 8
"""Changed fields that are named."""


class Peers:
    """What a store holds beside a submission. Rows are looked at once; scores only of those that may be alike.

    Args:
        store: the results.
        submission: the result that is held against them.
        keep: whether the store's index may be brought up to date.

    Raises: InputError where the store cannot be read, also where only its rows of some time ago are known.
    """

    def __init__(self, store: Store, submission: Submission, keep: bool = True) -> None:
        self.store, self.submission = store, submission
        self.summary = submission.record
        self.board, self._earned = look(store, keep=keep)
        if self.board.offline:
            raise InputError(f"The results as they are now are not known: {self.board.offline}")
        self._hash = summary_hash(self.summary)
        self.own = next((row for row in self._same_identity() if self._stored_hash(row.key) == self._hash), None)
        """The row of this very submission, to the byte, if it is in the store already."""

    @property
    def names(self) -> list[str]:
        """The names of all models, and the keys of files that have no row."""
        return [*(row.model for row in self.board.rows), *self.board.skipped]

    def others(self, suite: Suite) -> Iterator[Scored]:
        """Yield the results of the suite from which the submission may be made: same fingerprint, name or mistakes.

        A result that is in the store already is not held against those that came after it.
        """
        rows = [row for row in self.board.of(suite.name) if row.ids and row is not self.own]
        rows = [row for row in rows if self.own is None or not self._is_later(row, self.own)]
        for row in self._nearest(rows, suite):
            with suppress(InputError):  # one that cannot be read stands in nobody's way
                yield read_scored(self.store.path(row.key))

    def _nearest(self, rows: Sequence[Row], suite: Suite) -> list[Row]:
        scored = trusted(self.submission.scored, suite.name, suite.revision)
        comparable = [row for row in rows if row.revision == suite.revision]
        if scored is None or len(comparable) <= NEAREST:
            return list(rows)
        mistakes = 1 - np.array(credits_of(scored))
        earned = self._earned([row.key for row in comparable])
        shared = {}
        for row in comparable:
            theirs = 1 - np.array(earned[row.key].credits)
            fits = theirs.shape == mistakes.shape
            either = np.maximum(theirs, mistakes).sum() if fits else 0.0
            shared[row.key] = float(np.minimum(theirs, mistakes).sum() / either) if either else float(fits)
        nearest = set(sorted(shared, key=lambda key: -shared[key])[:NEAREST])
        fingerprint = self.submission.fingerprint_hash
        named = {row.key for row in rows if row.model == self.summary["model"] or row.fingerprint == fingerprint}
        return [row for row in rows if row.key in nearest | named or row.revision != suite.revision]

    def changes(self, key: str = "") -> Iterator[Finding]:
        """Yield what the submission would change of results that are there, which only a person may allow.

        Args:
            key: where a pull request puts it; else where the store would.
        """
        wanted = [key] if key else keys_of(self.summary)[:1]
        same = {row.key for row in self._same_identity()}
        for stored in sorted({*(row.key for row in self.board.rows), *self.board.skipped}):
            if stored in same or stored == key:
                if self.own is None or stored != self.own.key:
                    yield Finding(
                        "flagged", f"it would change {_plain(stored)}, which is there already: {self._changed(stored)}"
                    )
            elif stored not in keys_of(self.summary) and any(are_lookalikes(stored, candidate) for candidate in wanted):
                yield Finding(
                    "flagged", f"its key {wanted[0]} is easily taken for {_plain(stored)}, which is there already"
                )

    def leads(self) -> Iterator[Finding]:
        """Yield a finding if the submission would have the highest score of its suite without a re-run."""
        summary = self.summary
        rows = [row for row in self.board.of(summary["suite"]) if row.revision == summary["revision"] and row.ids]
        scores = {row.model: row.score.value or 0.0 for row in rows if row is not self.own}
        score = summary["score"]["value"]
        if self.own is None and scores and score is not None and score > max(scores.values()):
            best = max(scores, key=lambda model: scores[model])
            what = (
                f"it would lead with {100 * score:.2f} %, before {best} with {100 * scores[best]:.2f} %, on no re-run"
            )
            yield Finding("flagged", what, until_rerun=True)

    def _same_identity(self) -> list[Row]:
        """Return the rows of the suite, revision and fingerprint that the submission is of."""
        summary = self.summary
        fingerprint = self.submission.fingerprint_hash
        rows = [row for row in self.board.rows if (row.suite, row.revision) == (summary["suite"], summary["revision"])]
        if fingerprint:
            return [row for row in rows if row.fingerprint == fingerprint]
        return [row for row in rows if not row.fingerprint and row.model == summary["model"]]

    def _stored_hash(self, key: str) -> str:
        try:
            return summary_hash(results.read_summary(self.store.path(key)))
        except InputError:
            return ""

    def _changed(self, key: str) -> str:
        try:
            names = changed_fields(results.read_summary(self.store.path(key)), self.summary)
        except InputError:
            return "what is there cannot be read"
        suffix = f" and {len(names) - MOST_FIELDS} more" if len(names) > MOST_FIELDS else ""
        return ", ".join(names[:MOST_FIELDS]) + suffix

    def _is_later(self, row: Row, reference: Row) -> bool:
        """Return True if a row came after one: by its date, in a folder of one date by that of its file."""
        if isinstance(self.store, HubStore) or row.date != reference.date:
            return row.date > reference.date
        return self._changed_at(row) > self._changed_at(reference)

    def _changed_at(self, row: Row) -> int:
        return self.store.path(row.key).stat().st_mtime_ns


def changed_fields(stored: Mapping[str, Any], submitted: Mapping[str, Any], depth: int = 2) -> list[str]:
    """Return the names of the fields in which two summaries differ, down to `depth` levels below the first.

    >>> changed_fields({"date": "1", "manifest": {"command": "a"}}, {"date": "1", "manifest": {"command": "b"}})
    ['manifest.command']
    """
    names = []
    for name in sorted(stored.keys() | submitted.keys()):
        old, new = stored.get(name), submitted.get(name)
        if old == new:
            continue
        if depth and isinstance(old, Mapping) and isinstance(new, Mapping):
            names += [f"{_plain(name)}.{inner}" for inner in changed_fields(old, new, depth - 1)]
        else:
            names.append("scores" if name == results.OUTPUTS_HASH else _plain(name))
    return names


def _plain(text: str) -> str:
    """Return an untrusted text in ASCII, cut short."""
    return ascii(text)[1:-1][:80]
