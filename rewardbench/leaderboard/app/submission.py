"""Check uploaded results, and submit those that pass. Nothing is saved before."""

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
from rewardbench.leaderboard.app.limits import Open, Rate
from rewardbench.leaderboard.app.markup import render
from rewardbench.leaderboard.app.uploads import MOST_FILE
from rewardbench.leaderboard.submissions import Finding, bounded, verdict_of
from rewardbench.leaderboard.submissions.package import card, shown
from rewardbench.leaderboard.submissions.review import verify_packed
from rewardbench.results import parquet
from rewardbench.store.hub import HubStore
from rewardbench.store.local import Entry
from rewardbench.suites import load_known

LONGEST_CHECK = 60.0
"""Time limit of the search for copies, in seconds."""


@dataclass(frozen=True)
class Looked:
    """Outcome of a check.

    Args:
        findings: what the check found.
        entry: the result as it would be submitted; None if it cannot be.
    """

    findings: tuple[Finding, ...]
    entry: Entry | None = None


class Checks:
    """Check uploads, with limits so that no visitor keeps the others waiting.

    Args:
        library: results that submissions are added to.
    """

    def __init__(self, library: Library) -> None:
        self.library = library
        self.running = Open(each=1, total=2)
        self.checked = Rate(20, 600)
        self.sent, self.sent_by_all = Rate(4, 3_600), Rate(40, 3_600)
        self.over = threading.Event()

    def look(self, client: str, files: Sequence[str], name: str = "") -> Looked:
        """Check an upload, unless the client exceeds a limit."""
        with self.running.slot(client) as fits:
            if not fits:
                return _refused("Another check is running: wait until it ends, and drop the files again.")
            if not self.checked.take(client):
                return _refused("Too many checks in ten minutes: wait, or use `rewardbench submit`.")
            return look(self.library, files, name, self._refuse_late(time.monotonic() + LONGEST_CHECK))

    def send(self, client: str, looked: Looked) -> str:
        """Submit a checked result.

        Raises:
            InputError: if the store rejects it, or the client exceeds a limit.
        """
        if not (self.sent.take(client) and self.sent_by_all.take("all")):
            raise InputError("Too many submissions in an hour: wait, or use `rewardbench submit`.")
        return send(self.library, looked)

    def stop(self) -> None:
        """Stop all checks, because the server stops."""
        self.over.set()
        bounded.stop()

    def _refuse_late(self, end: float) -> Callable[[], None]:
        """Return a function that raises InputError after the deadline `end`, or if the server stops."""

        def refuse() -> None:
            if self.over.is_set() or time.monotonic() > end:
                raise InputError("The check took too long: try again later, or use `rewardbench submit`.")

        return refuse


def look(library: Library, files: Sequence[str], name: str = "", still: Callable[[], None] = lambda: None) -> Looked:
    """Check an upload of a summary and its scores; only a temporary folder is written to.

    Args:
        library: results that the submission would be added to.
        files: paths of the uploaded files.
        name: name of the model; by default the one in the summary.
        still: called now and then; raises InputError to stop the check.
    """
    try:
        still()
        with _as_result(files) as path:
            try:
                entry = bounded.pack_untrusted(path, name.strip() or None)
            except InputError as error:
                return _refused(str(error).replace(f"{path.parent}/", ""))
        return _checked(library, entry, still)
    except InputError as error:
        return _refused(str(error))


def _refused(reason: str) -> Looked:
    return Looked((Finding("refused", reason),))


@contextmanager
def _as_result(files: Sequence[str]) -> Iterator[Path]:
    """Context manager: copy the uploaded files to a temporary folder, and yield the path of the summary.

    Raises:
        InputError: if they are not the two files of a result.
    """
    kinds = {Path(file).suffix: file for file in files}
    rows = kinds.get(".jsonl") or kinds.get(".parquet")
    if len(files) != 2 or ".json" not in kinds or rows is None:
        raise InputError("Upload the two files of a result: model.json, and model_outputs.jsonl or model.parquet.")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "result.json")
        place = results.table_path(path) if rows.endswith(".parquet") else results.outputs_path(path)
        for source, target in ((kinds[".json"], path), (rows, place)):
            if Path(source).stat().st_size > MOST_FILE:
                raise InputError(
                    f"A file of {Path(source).stat().st_size:,} bytes is larger than any result: it was not read."
                )
            shutil.copyfile(source, target)
        yield path


def _checked(library: Library, entry: Entry, still: Callable[[], None]) -> Looked:
    summary, table = entry
    suite = load_known(str(summary["suite"]))
    rows = parquet.count_rows(table or b"")
    if rows > len(suite.items):
        return _refused(f"The upload has {rows:,} items, but {suite.name} has {len(suite.items):,}.")
    findings = verify_packed(entry, library.store, still)
    verdict = verdict_of(findings)
    reviewed = isinstance(library.store, HubStore)  # maintainers review pull requests
    can_submit = verdict == "passed" or (verdict == "flagged" and reviewed)
    return Looked(tuple(findings), entry if can_submit else None)


def send(library: Library, looked: Looked) -> str:
    """Submit a checked result, and return a message for the visitor.

    Raises:
        InputError: if the store rejects it.
    """
    assert looked.entry is not None
    if isinstance(library.store, HubStore):
        return f"A pull request was opened: {library.store.propose([looked.entry], card(looked.entry))}"
    keys = library.store.add([looked.entry], replace=False)
    library.look()
    return f"Added as {keys[0]}."


SUMMARIES = {
    "refused": "Nothing was saved.",
    "flagged": "A maintainer has to review this. Not submitted yet.",
    "passed": "All checks that need no model passed. Not submitted yet.",
}


def words(looked: Looked | None) -> str:
    """Return the findings of a check as HTML."""
    if looked is None:
        return ""
    verdict = verdict_of(looked.findings)
    facts = list(shown(looked.entry)) if looked.entry else []
    summary = SUMMARIES[verdict]
    return str(render("checked.html", verdict=verdict, findings=looked.findings, summary=summary, facts=facts))
