"""Check uploaded results, and submit those that pass. Nothing is saved before the visitor submits."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rewardbench import results
from rewardbench.errors import InputError
from rewardbench.leaderboard.app.library import Library
from rewardbench.leaderboard.app.limits import ConcurrencyLimit, RateLimit
from rewardbench.leaderboard.app.markup import render
from rewardbench.leaderboard.app.uploads import MOST_FILE
from rewardbench.leaderboard.submissions import ReviewFinding, bounded, verdict_of
from rewardbench.leaderboard.submissions.package import describe_submission, pull_request_text
from rewardbench.leaderboard.submissions.review import review_packed
from rewardbench.results import PackedResult, parquet
from rewardbench.store.hub import HubStore
from rewardbench.suites import load_known

LONGEST_CHECK = 60.0
"""Time limit of the search for copies, in seconds."""


@dataclass(frozen=True)
class CheckedUpload:
    """Outcome of a check.

    Args:
        findings: problems of the upload.
        entry: the result as it would be submitted; None if it cannot be submitted.
    """

    findings: tuple[ReviewFinding, ...]
    entry: PackedResult | None = None


class UploadChecks:
    """Check uploads, with limits so that no visitor keeps the others waiting.

    Args:
        library: results that submissions are added to.
    """

    def __init__(self, library: Library) -> None:
        self.library = library
        self.running = ConcurrencyLimit(per_client=1, total=2)
        self.checked = RateLimit(20, 600)
        self.submitted, self.submitted_by_all = RateLimit(4, 3_600), RateLimit(40, 3_600)
        self.stopped = threading.Event()

    def check(self, client: str, files: Sequence[str], name: str = "") -> CheckedUpload:
        """Check an upload, unless the client exceeds a limit."""
        with self.running.slot(client) as fits:
            if not fits:
                return _refused("Another check is running: wait until it ends, and drop the files again.")
            if not self.checked.take(client):
                return _refused("Too many checks in ten minutes: wait, or use `rewardbench submit`.")
            return check_upload(self.library, files, name, self._deadline(time.monotonic() + LONGEST_CHECK))

    def submit(self, client: str, checked: CheckedUpload) -> str:
        """Submit a checked result.

        Raises:
            InputError: if the store rejects it, or the client exceeds a limit.
        """
        if not (self.submitted.take(client) and self.submitted_by_all.take("all")):
            raise InputError("Too many submissions in an hour: wait, or use `rewardbench submit`.")
        return submit(self.library, checked)

    def stop(self) -> None:
        """Stop all checks, because the server stops."""
        self.stopped.set()
        bounded.stop()

    def _deadline(self, end: float) -> Callable[[], None]:
        """Return a function that raises InputError after the time `end`, or if the server stops."""

        def check_deadline() -> None:
            if self.stopped.is_set() or time.monotonic() > end:
                raise InputError("The check took too long: try again later, or use `rewardbench submit`.")

        return check_deadline


def check_upload(
    library: Library, files: Sequence[str], name: str = "", check_deadline: Callable[[], None] = lambda: None
) -> CheckedUpload:
    """Check an upload of a summary and its scores; only a temporary folder is written to.

    Args:
        library: results that the submission would be added to.
        files: paths of the uploaded files.
        name: name of the model; by default the one in the summary.
        check_deadline: called from time to time; raises InputError to stop the check.
    """
    try:
        check_deadline()
        with _as_result(files) as path:
            try:
                entry = bounded.pack_untrusted(path, name.strip() or None)
            except InputError as error:
                return _refused(str(error).replace(f"{path.parent}/", ""))
        return _check_packed(library, entry, check_deadline)
    except InputError as error:
        return _refused(str(error))


def _refused(reason: str) -> CheckedUpload:
    return CheckedUpload((ReviewFinding("refused", reason),))


@contextmanager
def _as_result(files: Sequence[str]) -> Iterator[Path]:
    """Context manager: copy the uploaded files to a temporary folder, and yield the path of the summary.

    Raises:
        InputError: if they are not the two files of a result.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "result.json")
        places = (results.outputs_path(path), results.table_path(path))
        answers = (results.answers_path(path), results.packed_answers_path(path))
        targets = {target: source for source in files for target in (path, *places, *answers) if _fits(source, target)}
        num_rows, num_answers = sum(place in targets for place in places), sum(place in targets for place in answers)
        if path not in targets or num_rows != 1 or num_answers > 1 or len(targets) != len(files):
            raise InputError(
                "Upload the two files of a result: model.json, and model_outputs.jsonl or model.parquet; of a judge "
                "also its answers, model_answers.jsonl or model_answers.jsonl.gz."
            )
        for target, source in targets.items():
            size = Path(source).stat().st_size
            if size > MOST_FILE:
                raise InputError(f"A file was not read: it has {size:,} bytes, and the limit is {MOST_FILE:,}.")
            shutil.copyfile(source, target)
        yield path


def _fits(source: str, target: Path) -> bool:
    """Return True if an uploaded file is of the kind of a file of a result; rows may have any name."""
    kind = target.name.removeprefix("result")
    if kind == "_outputs.jsonl":
        return source.endswith(".jsonl") and not source.endswith("_answers.jsonl")
    return source.endswith(kind)


def _check_packed(library: Library, entry: PackedResult, check_deadline: Callable[[], None]) -> CheckedUpload:
    summary, table, _ = entry
    suite = load_known(str(summary["suite"]), may_build=False)
    rows = parquet.count_rows(table or b"")
    if rows > len(suite.items):
        return _refused(f"The upload has {rows:,} items, but {suite.name} has {len(suite.items):,}.")
    findings = review_packed(entry, library.store, check_deadline)
    verdict = verdict_of(findings)
    is_reviewed = isinstance(library.store, HubStore)  # maintainers review pull requests
    can_submit = verdict == "passed" or (verdict == "flagged" and is_reviewed)
    return CheckedUpload(tuple(findings), entry if can_submit else None)


def submit(library: Library, checked: CheckedUpload) -> str:
    """Submit a checked result, and return a message for the visitor.

    Raises:
        InputError: if the store rejects it.
    """
    entry = checked.entry
    assert entry is not None
    if isinstance(library.store, HubStore):
        return f"A pull request was opened: {library.store.propose([entry], pull_request_text(entry))}"
    if verdict_of(review_packed(entry, library.store)) != "passed":  # what another visitor added meanwhile
        raise InputError("The results have changed since the check: drop the files again.")
    keys = library.store.add([entry], replace=False)
    library.refresh()
    return f"Added as {keys[0]}."


def render_check(checked: CheckedUpload | None) -> str:
    """Return the findings of a check as HTML."""
    if checked is None:
        return ""
    verdict = verdict_of(checked.findings)
    lines = list(describe_submission(checked.entry)) if checked.entry else []
    summary = _summarize(verdict, can_submit=checked.entry is not None)
    return render("checked.html", verdict=verdict, findings=checked.findings, summary=summary, lines=lines)


def _summarize(verdict: str, can_submit: bool) -> str:
    """Return what a verdict means for the visitor."""
    if verdict == "passed":
        return "All checks that need no model passed. Not submitted yet."
    if verdict == "flagged" and can_submit:
        return "A maintainer will review this. Not submitted yet."
    if verdict == "flagged":
        return "Nothing was saved. A maintainer can add this result with `rewardbench submit --replace`."
    return "Nothing was saved."
