"""Check uploaded results, and submit those that pass. Nothing is saved before the visitor submits."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from rewardbench import results
from rewardbench.errors import InputError
from rewardbench.leaderboard.app.library import Library
from rewardbench.leaderboard.app.limits import ConcurrencyLimit, RateLimit
from rewardbench.leaderboard.app.markup import address, render
from rewardbench.leaderboard.app.pending import CheckedUpload, PendingUploads
from rewardbench.leaderboard.app.pull_queue import Proposals
from rewardbench.leaderboard.app.sign_in import SignIn, Visitor
from rewardbench.leaderboard.app.uploads import MOST_FILE
from rewardbench.leaderboard.submissions import ReviewFinding, bounded, verdict_of
from rewardbench.leaderboard.submissions.owners import check_account
from rewardbench.leaderboard.submissions.package import describe_submission
from rewardbench.leaderboard.submissions.review import review_packed
from rewardbench.results import PackedResult, parquet
from rewardbench.store.hub import HubStore
from rewardbench.suites import load_known

LONGEST_CHECK = 60.0
"""Time limit of the search for copies, in seconds."""


@dataclass(frozen=True)
class SentResult:
    """What a submission became: a row, or a pull request.

    Args:
        message: sentence for the visitor.
        links: addresses, by what they show.
    """

    message: str
    links: Mapping[str, str]


class UploadChecks:
    """Check uploads and submit them, with limits so that no visitor keeps the others waiting.

    Args:
        library: results that submissions are added to.
        sign_in: sign-in of visitors, if the server has one.
        own_token: whether pull requests may be opened with the token of this machine.
    """

    def __init__(self, library: Library, sign_in: SignIn | None = None, own_token: bool = False) -> None:
        self.library, self.sign_in, self.own_token = library, sign_in, own_token
        store, pulls = library.store, library.pulls
        self.proposals = Proposals(store, pulls) if isinstance(store, HubStore) and pulls else None
        self.pending = PendingUploads()
        self.running = ConcurrencyLimit(per_client=1, total=2)
        self.checked = RateLimit(20, 600)
        self.submitted, self.submitted_by_all = RateLimit(4, 3_600), RateLimit(40, 3_600)
        self.stopped = threading.Event()

    def visitor(self, session: Mapping[str, object]) -> Visitor | None:
        """Return the visitor who is signed in, by the content of the cookie; None if nobody is."""
        return self.sign_in.visitor(session) if self.sign_in else None

    def obstacle(self, visitor: Visitor | None) -> str:
        """Return why a visitor cannot submit anything here; empty if the visitor can."""
        if self.proposals is None or visitor or self.own_token:
            return ""
        if self.sign_in:
            return "Sign in to submit it."
        return f"This page cannot open pull requests: run `rewardbench submit` with --store {self.library.location}."

    def check(self, client: str, files: Sequence[str], name: str = "", visitor: Visitor | None = None) -> CheckedUpload:
        """Check an upload, unless the client exceeds a limit."""
        with self.running.slot(client) as fits:
            if not fits:
                return _refused("Another check is running: wait until it ends, and drop the files again.")
            if not self.checked.take(client):
                wait = self.checked.wait(client)
                return _refused(f"Too many checks in ten minutes: try again {wait}, or use `rewardbench submit`.")
            checked = check_upload(self.library, files, name, self._deadline(time.monotonic() + LONGEST_CHECK))
        return self._for_visitor(checked, visitor)

    def _for_visitor(self, checked: CheckedUpload, visitor: Visitor | None) -> CheckedUpload:
        """Return a check with what follows from who submits."""
        if checked.entry is None:
            return checked
        obstacle = self.obstacle(visitor)
        if visitor and self.proposals:
            try:
                check_account(str(checked.entry.summary["model"]), visitor.account)
            except InputError as error:
                return replace(checked, findings=(ReviewFinding("refused", str(error)), *checked.findings), entry=None)
        return replace(checked, obstacle=obstacle)

    def submit(self, client: str, checked: CheckedUpload, visitor: Visitor | None = None) -> SentResult:
        """Submit a checked result.

        Raises:
            InputError: if the store rejects it, or the client exceeds a limit.
        """
        assert checked.entry is not None
        if obstacle := self.obstacle(visitor):
            raise InputError(obstacle)
        if self.proposals:
            token = visitor.token if visitor else _own_token()
            pull = self.proposals.propose(checked.entry, token)
            message = f"Pull request {pull.number} was opened in the name of {pull.author}. It waits for a review."
            return SentResult(message, {"Show it on the Hub": pull.url, "Show the queue": address(view="queue")})
        for limit, user in ((self.submitted, client), (self.submitted_by_all, "all")):
            if not limit.take(user):
                raise InputError(f"Too many submissions in an hour: try again {limit.wait(user)}.")
        return add_to_folder(self.library, checked.entry)

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


def add_to_folder(library: Library, entry: PackedResult) -> SentResult:
    """Add a checked result to a local folder.

    Raises:
        InputError: if a stored result would change.
    """
    if verdict_of(review_packed(entry, library.store)) != "passed":  # what another visitor added meanwhile
        raise InputError("The results have changed since the check: drop the files again.")
    (key,) = library.store.add([entry], replace=False)
    library.refresh()
    suite = entry.summary["suite"]
    links = {
        "Show it in the leaderboard": address(suite=suite, row=key),
        "Show the model": address(view="model", suite=suite, model=key),
    }
    return SentResult(f"Added as {key}.", links)


def _own_token() -> str:
    """Return the token of this machine.

    Raises:
        InputError: if it has none.
    """
    from huggingface_hub import get_token

    token = get_token()
    if not token:
        raise InputError("This machine has no token of the Hub: set HF_TOKEN, or run hf auth login.")
    return token


def describe_missing(files: Sequence[str]) -> str:
    """Return which file of a result is missing if there is one file only; else an empty text."""
    if len(files) != 1:
        return ""
    name = Path(files[0]).name
    if name.endswith(".json"):
        stem = name.removesuffix(".json")
        return f"One file of two: now add the scores, {stem}_outputs.jsonl or {stem}.parquet."
    if name.endswith((".jsonl", ".parquet", ".gz")):
        return f"One file of two: {name} is there, now add the summary (.json) from the same folder."
    return f"{name} is not a file of a result: drop name.json and name_outputs.jsonl."


def render_check(checked: CheckedUpload | None) -> str:
    """Return the findings of a check as HTML."""
    if checked is None:
        return ""
    verdict = verdict_of(checked.findings)
    lines = list(describe_submission(checked.entry)) if checked.entry else []
    summary = f"{_summarize(verdict, can_submit=checked.entry is not None)} {checked.obstacle}".strip()
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
