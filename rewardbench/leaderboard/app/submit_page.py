"""Build the page on which results are submitted, and the queue of pull requests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rewardbench.leaderboard.app.frame import Page
from rewardbench.leaderboard.app.markup import address, render
from rewardbench.leaderboard.app.pull_queue import MOST_WAITING, QueuedPull
from rewardbench.leaderboard.app.sign_in import LOGIN, LOGOUT, PROBLEMS, Visitor
from rewardbench.leaderboard.app.submission import UploadChecks
from rewardbench.leaderboard.submissions.pull_state import CLOSED, MERGED
from rewardbench.results import stated

STATES = {
    "waiting": "waiting for review",
    "passed": "passed the checks",
    "flagged": "flagged: a maintainer decides",
    "refused": "refused: submit a corrected result",
    MERGED: "merged",
    CLOSED: "closed",
}
"""What the queue says of a state."""


@dataclass(frozen=True)
class QueueRow:
    """A pull request as a row of the queue.

    Args:
        pull: the pull request.
        title: its title without hidden characters.
        state: its state in words.
        day: day on which it was opened.
        row: address of its row in the leaderboard, if it has one.
    """

    pull: QueuedPull
    title: str
    state: str
    day: str
    row: str


def build_submit_page(checks: UploadChecks, visitor: Visitor | None, query: Mapping[str, str]) -> Page:
    """Build the page above the upload form.

    Args:
        checks: checks and submits uploads.
        visitor: who is signed in.
        query: parameters of the page.
    """
    library = checks.library
    body = render(
        "submit.html",
        takes_files=library.takes_files,
        location=library.location,
        is_hub=library.pulls is not None,
        can_sign_in=checks.sign_in is not None,
        own_token=checks.own_token,
        problem=PROBLEMS.get(query.get("sign_in", ""), ""),
        user=visitor.name if visitor else "",
        login=LOGIN.lstrip("/"),
        logout=LOGOUT.lstrip("/"),
    )
    return Page("Submit a result", body, "submit")


def build_queue_page(checks: UploadChecks, visitor: Visitor | None) -> Page:
    """Build the page with the pull requests of the dataset, those of the visitor first."""
    queue = checks.library.pulls
    user = visitor.name if visitor else ""
    pulls = queue.pulls() if queue else ()
    rows = [_row(checks, pull) for pull in sorted(pulls, key=lambda pull: pull.author != user)]
    waiting = sum(1 for pull in pulls if pull.author == user and pull.state.name not in (MERGED, CLOSED))
    body = render(
        "queue.html",
        rows=rows,
        user=user,
        waiting=waiting,
        limit=MOST_WAITING,
        is_hub=queue is not None,
        offline=queue.offline if queue else "",
    )
    return Page("Submissions", body, "submit")


def _row(checks: UploadChecks, pull: QueuedPull) -> QueueRow:
    """Return the row of a pull request."""
    title = "".join(letter for letter in pull.title if not stated.has_hidden(letter))[:160]
    row = checks.library.row(pull.state.key) if pull.state.key else None
    to = address(suite=row.suite, row=row.key) if row else ""
    return QueueRow(pull, title, STATES[pull.state.name], pull.opened.date().isoformat(), to)
