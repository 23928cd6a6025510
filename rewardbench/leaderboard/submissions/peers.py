"""Compare a submission with the results that a store contains now."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress

from rewardbench import results
from rewardbench.errors import InputError
from rewardbench.leaderboard.profiles import Profile, layout_of, profile_of
from rewardbench.leaderboard.refresh import read_board
from rewardbench.leaderboard.sketches import SketchTable, StoredSketch, table_of, update_sketches
from rewardbench.leaderboard.submissions.checks import ReviewFinding, are_lookalikes
from rewardbench.leaderboard.submissions.nearest import nearest_models
from rewardbench.leaderboard.submissions.similarity import Difficulty
from rewardbench.leaderboard.submissions.submission import Submission
from rewardbench.leaderboard.types import LeaderboardRow
from rewardbench.results import JsonObject
from rewardbench.results.judges import protocol_of
from rewardbench.results.scored import ModelScores, read_scored
from rewardbench.store.base import Store
from rewardbench.store.hub import HubStore
from rewardbench.store.local import keys_of
from rewardbench.store.verdicts import summary_hash
from rewardbench.types import Suite

FEW = 24
"""Maximum number of results that are all compared exactly, without sketches."""
MOST_UNLIKE = 16
"""Maximum number of results of other items, such as those of an earlier revision, that are compared: the best."""
MOST_FIELDS = 8
"""Maximum number of changed fields that are named."""


class Peers:
    """The results of a store that a submission is compared with.

    Args:
        store: the results.
        submission: the submission.
        save_index: whether the index of the store may be updated.

    Raises:
        InputError: if the store cannot be read, or only outdated rows of it.
    """

    def __init__(self, store: Store, submission: Submission, save_index: bool = True) -> None:
        self.store, self.submission = store, submission
        self.summary = submission.record
        self.board, _ = read_board(store, save=save_index)
        self._sketches: list[StoredSketch] | None = None
        if self.board.offline:
            raise InputError(f"The current results are unknown: {self.board.offline}")
        self.stored_row = self._find_stored_row()
        """The row of this very submission, byte by byte, if it is in the store already."""

    def _find_stored_row(self) -> LeaderboardRow | None:
        digest = summary_hash(self.summary)
        for row in self._same_identity():
            with suppress(InputError):
                if summary_hash(results.read_summary(self.store.path(row.key))) == digest:
                    return row
        return None

    @property
    def names(self) -> list[str]:
        """The names of all models, and the keys of files that have no row."""
        return [*(row.model for row in self.board.rows), *self.board.skipped]

    def others(self, suite: Suite, report: Callable[[], None] = lambda: None) -> Iterator[ModelScores]:
        """Yield the results of a suite that the submission may be made from, chosen by their sketches.

        Those of the same name or fingerprint are among them, and some of other items, such as an earlier revision. If
        the submission is in the store already, results that were added later are left out unless they have a rank,
        since dates are stated by submitters. So are results that were found to be made from the submission.

        Args:
            suite: suite of the submission.
            report: called after each result whose sketch is computed.
        """
        rows: dict[str, LeaderboardRow] = {}
        for row in self.board.of(suite.name):
            if row.ids and row is not self.stored_row and not self._is_derived(row):
                rows[row.key] = row
        for key in self._nearest(rows, suite, report):
            with suppress(InputError):  # a damaged result must not block submissions
                yield read_scored(self.store.path(key))

    def difficulty(self, suite: Suite, report: Callable[[], None] = lambda: None) -> Difficulty | None:
        """Return the difficulty of the items for all stored models; None if few have these items.

        Args:
            suite: suite of the submission.
            report: called after each result whose sketch is computed.
        """
        if len(self.board.of(suite.name)) <= FEW or not layout_of(suite).items:
            return None
        table = self._table(suite, report)
        return Difficulty(table.right_counts, len(table.keys)) if len(table.keys) > FEW else None

    def _table(self, suite: Suite, report: Callable[[], None]) -> SketchTable:
        """Return the sketches of the results of the same items."""
        if self._sketches is None:
            self._sketches = update_sketches(self.store, self.board.rows, suite.name, report)
        return table_of(self._sketches, self._profile(suite).layout)

    def _profile(self, suite: Suite) -> Profile:
        """Return the profile of the submission."""
        return profile_of(self.submission.scored, layout_of(suite))

    def _nearest(self, rows: Mapping[str, LeaderboardRow], suite: Suite, report: Callable[[], None]) -> list[str]:
        """Return the keys of the rows that are compared exactly."""
        same: list[str] = []
        fingerprint = self.submission.fingerprint_hash
        for row in rows.values():
            if row.model == self.summary["model"] or row.fingerprint == fingerprint:
                same.append(row.key)
        profile = self._profile(suite)
        if len(rows) <= FEW or not profile.layout.items:
            return list(rows)[: FEW + MOST_UNLIKE]
        table = self._table(suite, report)
        nearest = nearest_models(profile, table, set(table.keys) - rows.keys())
        unlike = sorted(rows.keys() - set(table.keys), key=lambda key: -(rows[key].score.value or 0.0))
        return list(dict.fromkeys([*same, *nearest, *unlike[:MOST_UNLIKE]]))

    def changes(self, key: str = "") -> Iterator[ReviewFinding]:
        """Yield which stored results the submission would replace or look like; only a maintainer may allow it.

        Args:
            key: key of the submission in a pull request; by default the key that the store would choose.
        """
        keys = keys_of(self.summary)
        wanted = key or keys[0]
        same_identity = {row.key for row in self._same_identity()}
        for stored in sorted({*(row.key for row in self.board.rows), *self.board.skipped}):
            if stored in same_identity or stored == key:
                if self.stored_row is None or stored != self.stored_row.key:
                    changed = self._changed_fields(stored)
                    yield ReviewFinding("flagged", f"it would replace {_plain(stored)} in the store ({changed})")
            elif stored not in keys and are_lookalikes(stored, wanted):
                yield ReviewFinding("flagged", f"its key {wanted} looks like {_plain(stored)}, which is in the store")

    def leads(self) -> Iterator[ReviewFinding]:
        """Yield a finding if the submission would have the highest score of its suite without a re-run."""
        score = self.summary["score"]["value"]
        if self.stored_row is not None or score is None:
            return
        scores: dict[str, float] = {}
        for row in self.board.of(self.summary["suite"], protocol_of(self.summary["manifest"])):
            if row.ids and row.revision == self.summary["revision"]:
                scores[row.model] = row.score.value or 0.0
        best = max(scores, key=scores.__getitem__, default=None)
        if best is not None and score > scores[best]:
            lead = f"{100 * score:.2f}%, ahead of {best} with {100 * scores[best]:.2f}%"
            yield ReviewFinding("flagged", f"it would lead with {lead}, without a re-run", until_rerun=True)

    def _same_identity(self) -> list[LeaderboardRow]:
        """Return the rows with the suite, revision and fingerprint of the submission; without one, with its name."""
        fingerprint = self.submission.fingerprint_hash
        rows: list[LeaderboardRow] = []
        for row in self.board.rows:
            same_suite = (row.suite, row.revision) == (self.summary["suite"], self.summary["revision"])
            same_name = not row.fingerprint and row.model == self.summary["model"]
            if same_suite and (row.fingerprint == fingerprint if fingerprint else same_name):
                rows.append(row)
        return rows

    def _changed_fields(self, key: str) -> str:
        """Return which fields of a stored result the submission would change, as a clause."""
        try:
            names = changed_fields(results.read_summary(self.store.path(key)), self.summary)
        except InputError:
            return "that result cannot be read"
        suffix = f" and {len(names) - MOST_FIELDS} more" if len(names) > MOST_FIELDS else ""
        return f"changes: {', '.join(names[:MOST_FIELDS])}{suffix}"

    def _is_derived(self, row: LeaderboardRow) -> bool:
        """Return True if a result may be made from the submission, by its verdict or because it was added later."""
        if self.summary["model"] in row.alike.split(", "):
            return True
        return not row.is_ranked and self._is_later(row)

    def _is_later(self, row: LeaderboardRow) -> bool:
        """Return True if the submission is in the store, and a row was added later.

        Rows are ordered by date; in a folder, rows of the same date by the time of their files.
        """
        stored = self.stored_row
        if stored is None:
            return False
        if isinstance(self.store, HubStore) or row.date != stored.date:
            return row.date > stored.date
        return self._modified_at(row) > self._modified_at(stored)

    def _modified_at(self, row: LeaderboardRow) -> int:
        return self.store.path(row.key).stat().st_mtime_ns


def changed_fields(stored: JsonObject, submitted: JsonObject, depth: int = 2) -> list[str]:
    """Return the names of the fields in which two summaries differ.

    Args:
        stored: a summary.
        submitted: another summary.
        depth: number of levels of nested fields to compare.

    >>> changed_fields({"date": "1", "manifest": {"command": "a"}}, {"date": "1", "manifest": {"command": "b"}})
    ['manifest.command']
    """
    names: list[str] = []
    for name in sorted(stored.keys() | submitted.keys()):
        old, new = stored.get(name), submitted.get(name)
        if old == new:
            continue
        if depth and isinstance(old, dict) and isinstance(new, dict):
            for inner in changed_fields(old, new, depth - 1):
                names.append(f"{_plain(name)}.{inner}")
        else:
            names.append("scores" if name == results.OUTPUTS_HASH else _plain(name))
    return names


def _plain(text: str) -> str:
    """Return an untrusted text as ASCII, cut to 80 characters."""
    return ascii(text)[1:-1][:80]
