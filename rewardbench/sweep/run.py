"""Score the rows of a plan in one process: each checkpoint is loaded once, each suite is read and rendered once."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import Literal

from rich.console import Console

from rewardbench.engine.backends.torchrun import launch
from rewardbench.errors import InputError
from rewardbench.evaluation import run
from rewardbench.evaluation.runs import DrawFresh, fresh_folder, read_data
from rewardbench.models.devices import release
from rewardbench.results import to_summary
from rewardbench.results.types import SummaryJson
from rewardbench.scorers import load_scorer
from rewardbench.scorers.base import BaseScorer
from rewardbench.settings import Settings
from rewardbench.store import open_run_store
from rewardbench.store.local import reject_model_name
from rewardbench.sweep.plan import SweepPlan, SweepRow
from rewardbench.sweep.renderings import Renderings
from rewardbench.sweep.sources import fetch, one_ahead
from rewardbench.sweep.state import Fingerprints, StoredResults
from rewardbench.types import Suite


@dataclass(frozen=True)
class RowOutcome:
    """What became of a row."""

    row: SweepRow
    status: Literal["stored", "scored", "failed"]
    """stored: its result was in the store; scored: in this run; failed: see `reason`."""
    path: str = ""
    """Path of the summary of its result."""
    score: float | None = None
    low: float | None = None
    high: float | None = None
    """Bounds of the 95 % interval of the score."""
    items: int = 0
    computed: int = 0
    """Requests that were computed, not read from the cache."""
    rendered: int = 0
    """Texts that were rendered and tokenized for this row, not shared with an earlier one."""
    seconds: float = 0.0
    reason: str = ""
    """Why the row failed, as a one-line error."""


class Suites:
    """The suites of a sweep, each read once; one that cannot be read fails for each of its rows."""

    def __init__(self) -> None:
        self._suites: dict[tuple[object, ...], Suite | InputError] = {}

    def read(self, settings: Settings) -> Suite:
        """Return the data that settings name.

        Raises:
            InputError: if they cannot be read.
        """
        key = (
            *(settings.dataset, settings.split, settings.subset, settings.dataset_revision, settings.protocol),
            *(settings.pairs, settings.limit, settings.sample, settings.sample_seed),
            *(settings.scores_only, settings.load_json),
        )
        if key not in self._suites:
            try:
                self._suites[key] = read_data(settings)
            except InputError as error:
                self._suites[key] = error
        suite = self._suites[key]
        if isinstance(suite, InputError):
            raise suite
        return suite


class Sweep:
    """Runs the rows of a plan, and skips those whose result is in the store.

    Args:
        plan: the rows.
        console: where progress bars are drawn.
        log: receives a line for each row that is finished or failed.
        draw_fresh: builds the fresh draw of a suite.

    Raises:
        InputError: if the folder is not of this machine, a result of a model can have no name, or torchrun started
            several processes.
    """

    def __init__(
        self,
        plan: SweepPlan,
        console: Console,
        log: Callable[[str], None],
        draw_fresh: DrawFresh | None = None,
    ) -> None:
        if launch():
            raise InputError("A sweep is one process: start it without torchrun, and pass --num_processes.")
        for row in plan.rows:
            reject_model_name(row.model.model)
        self.plan, self._console, self._log, self._draw_fresh = plan, console, log, draw_fresh
        self.store = open_run_store(plan.output_dir)
        self.suites, self.renderings, self.fingerprints = Suites(), Renderings(), Fingerprints()
        self.outcomes: dict[SweepRow, RowOutcome] = {}
        self._stored = StoredResults(self.store)
        self._start, self._computed_items = 0.0, 0.0
        self._left: int | None = None
        """Items of the rows that are still to be scored; None before the first row of `run` is scored."""

    def extend(self, plan: SweepPlan) -> None:
        """Add the rows of another plan, which writes to the same folder; a row whose result can have no name fails."""
        rows = dict.fromkeys((*self.plan.rows, *plan.rows))
        self.plan = SweepPlan(tuple(rows), self.plan.output_dir)
        for row in plan.rows:
            try:
                reject_model_name(row.model.model)
            except InputError as error:
                self._fail([row], error)

    def find_stored(self) -> None:
        """Record the rows whose result is in the store, and those whose checkpoint does not exist.

        A row whose fingerprint is known only when its model is loaded is checked again then.
        """
        checkpoints = self.pending()
        self.fingerprints.resolve([rows[0].model for rows in checkpoints])
        for rows in checkpoints:
            spec = rows[0].model
            try:
                fingerprint = self.fingerprints.read(spec)
            except InputError as error:
                self._fail(rows, error)
                continue
            if fingerprint:
                self._skip_stored(rows, fingerprint)

    def pending(self) -> list[list[SweepRow]]:
        """Return the rows without an outcome, those of a checkpoint together."""
        groups: list[list[SweepRow]] = []
        for rows in self.plan.checkpoints():
            group = [row for row in rows if row not in self.outcomes]
            if group:
                groups.append(group)
        return groups

    @property
    def renderings_count(self) -> int:
        """Return the number of rows for which a text was rendered: one for each suite and tokenizer."""
        return sum(outcome.rendered > 0 for outcome in self.outcomes.values())

    def run(self) -> list[RowOutcome]:
        """Score the pending rows; return the outcome of each row, in the order of the plan.

        Raises:
            InputError: if results cannot be written to the folder.
        """
        with self.store.draft():  # before a model is loaded
            pass
        self._start, self._left = time.monotonic(), None
        for rows, error in one_ahead(self.pending(), lambda rows: fetch(rows[0].model)):
            if error:
                self._fail(rows, error)
            else:
                self._run_checkpoint(rows)
                release()
        return self.finished()

    def finished(self) -> list[RowOutcome]:
        """Return the outcomes so far, in the order of the plan."""
        return [self.outcomes[row] for row in self.plan.rows if row in self.outcomes]

    def _run_checkpoint(self, rows: Sequence[SweepRow]) -> None:
        """Load a checkpoint, and score it on its suites; a judge or a server is connected for each suite."""
        scorer: BaseScorer | None = None
        for number, row in enumerate(rows):
            try:
                if scorer is None or row.model.judge or row.model.server:
                    scorer = load_scorer(row.model, row.settings.cache)
                    self.renderings.share(scorer.chat)
                fingerprint = self.fingerprints.remember(row.model, scorer)
            except Exception as error:  # a checkpoint may fail in any way; the others are scored
                self._fail(rows[number:], error)
                return
            if self._skip_stored([row], fingerprint):
                continue
            try:
                self._score(row, scorer)
            except Exception as error:  # as above
                self._fail([row], error)
            self.fingerprints.remember(row.model, scorer)

    def _score(self, row: SweepRow, scorer: BaseScorer) -> None:
        """Score a row, and store its result."""
        settings, start, rendered = row.settings, time.monotonic(), self.renderings.rendered
        suite = self.suites.read(settings)
        fresh = fresh_folder(settings, self._draw_fresh)
        with self.store.draft() as draft:
            result, scored_suite = run(settings, self._console, fresh, draft.add, loaded=scorer, read=suite)
            path = self.store.put(result, scored_suite, draft)
        self._stored.add(path, to_summary(result))
        computed, requests = result.manifest["session"]["computed"], result.manifest["run"]["requests"]
        self._computed_items += len(suite.items) * computed / max(1, requests)
        self._finish(
            RowOutcome(
                row,
                "scored",
                path,
                result.score.value,
                result.score.low,
                result.score.high,
                len(suite.items),
                computed,
                self.renderings.rendered - rendered,
                time.monotonic() - start,
            )
        )

    def _skip_stored(self, rows: Sequence[SweepRow], fingerprint: str) -> bool:
        """Record the rows that are stored; return True if all are."""
        for row in rows:
            try:
                suite = self.suites.read(row.settings)
            except InputError as error:
                self._fail([row], error)
                continue
            match = self._stored.find(row.settings, suite, fingerprint)
            if match:
                self._finish(_stored_outcome(row, *match, len(suite.items)))
        return all(row in self.outcomes for row in rows)

    def _fail(self, rows: Sequence[SweepRow], error: Exception) -> None:
        """Record the failure of rows of one checkpoint, and log it as one line."""
        reason = " ".join(str(error).split()) or type(error).__name__
        if not isinstance(error, InputError):
            reason = f"{type(error).__name__}: {reason}"
        for row in rows:
            self._record(RowOutcome(row, "failed", reason=reason))
        suites = ",".join(row.settings.dataset for row in rows)
        self._log(f"failed {rows[0].label} suites={suites} reason={reason}")

    def _finish(self, outcome: RowOutcome) -> None:
        """Record an outcome, and log it with the progress and the remaining time."""
        self._record(outcome)
        row = outcome.row
        line = (
            f"{outcome.status} rows={len(self.outcomes)}/{len(self.plan.rows)} {row.label} suite={row.settings.dataset}"
        )
        if outcome.status == "scored":
            line += f" score={_decimal(outcome.score)} computed={outcome.computed} seconds={outcome.seconds:.1f}"
            line += f" rendered={outcome.rendered} eta={self._eta():.0f}s"
        self._log(line)

    def _record(self, outcome: RowOutcome) -> None:
        """Record an outcome; its row is no longer to be scored."""
        if self._left is not None and outcome.row not in self.outcomes:
            self._left -= self._size(outcome.row)
        self.outcomes[outcome.row] = outcome

    def _size(self, row: SweepRow) -> int:
        """Return the number of items of a row; 0 if its data cannot be read, so that it fails when its turn comes."""
        with suppress(InputError):
            return len(self.suites.read(row.settings).items)
        return 0

    def _eta(self) -> float:
        """Return the seconds until the pending rows are scored, at the speed so far of items that were computed."""
        if self._left is None:
            self._left = sum(map(self._size, chain.from_iterable(self.pending())))
        return self._left * (time.monotonic() - self._start) / max(1.0, self._computed_items)


def _stored_outcome(row: SweepRow, path: str, summary: SummaryJson, items: int) -> RowOutcome:
    score = summary["score"]
    return RowOutcome(row, "stored", path, score["value"], score.get("low"), score.get("high"), items)


def _decimal(value: float | None) -> str:
    return "nan" if value is None else f"{value:.4f}"
