"""State of a pull request: waiting, passed, flagged, refused, merged or closed, as comments of maintainers say."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rewardbench.leaderboard.submissions.checks import ReviewFinding, verdict_of
from rewardbench.leaderboard.submissions.package import ABSOLUTE_PATH
from rewardbench.store.accounts import read_members
from rewardbench.store.pull_requests import OPEN, comment_pull_request, read_pull_request

if TYPE_CHECKING:
    from huggingface_hub import DiscussionEvent, DiscussionWithDetails

WAITING, MERGED, CLOSED = "waiting", "merged", "closed"
_VERDICT = re.compile(r"rewardbench verify: (passed|flagged|refused)(?:\n|$)")
_ADDED = re.compile(r"Verified, and added as ([^\s]{1,200})\.")
MOST_COMMENTED = 20
"""Maximum number of findings in a comment."""


@dataclass(frozen=True)
class PullState:
    """State of a pull request.

    Args:
        name: waiting, passed, flagged, refused, merged or closed.
        reasons: findings of the last verdict, one per line.
        key: key of its result in the store, if it is merged.
    """

    name: str
    reasons: str = ""
    key: str = ""


def merge_comment(key: str) -> str:
    """Return the comment that closes a pull request whose result was added."""
    return f"Verified, and added as {key}."


def verdict_comment(findings: Sequence[ReviewFinding]) -> str:
    """Return the comment that states the verdict on a pull request; findings are in a code block, as plain text."""
    lines = [f"rewardbench verify: {verdict_of(findings)}"]
    if findings:
        lines += ["", "```text"]
        for finding in findings[:MOST_COMMENTED]:
            text = "".join(filter(str.isprintable, ABSOLUTE_PATH.sub(r"\1", finding.message))).replace("`", "'")
            lines.append(f"{finding.kind}: {text}")
        if len(findings) > MOST_COMMENTED:
            lines.append(f"and {len(findings) - MOST_COMMENTED} more")
        lines.append("```")
    return "\n".join(lines)


def state_of(pull: DiscussionWithDetails, maintainers: Collection[str]) -> PullState:
    """Return the state of a pull request. A verdict does not apply to later commits.

    Args:
        pull: the pull request.
        maintainers: accounts whose comments count.
    """
    comment = _last_verdict(pull.events, maintainers)
    verdict = _VERDICT.match(comment)
    added = _ADDED.match(comment)
    if pull.status in OPEN:
        if verdict is None:
            return PullState(WAITING)
        reasons = [line for line in comment.splitlines()[2:] if line and not line.startswith("```")]
        return PullState(verdict[1], "\n".join(reasons))
    return PullState(MERGED, key=added[1] if added else "") if added or pull.status == "merged" else PullState(CLOSED)


def _last_verdict(events: Sequence[DiscussionEvent], maintainers: Collection[str]) -> str:
    """Return the last comment of a maintainer with a verdict, if it is newer than all commits; else an empty text."""
    verdict = ""
    for event in sorted(events, key=lambda event: event.created_at):
        content = str(getattr(event, "content", "")).strip()
        if event.type == "commit":
            verdict = ""
        elif event.author in maintainers and (_VERDICT.match(content) or _ADDED.match(content)):
            verdict = content
    return verdict


def read_maintainers(repo: str) -> frozenset[str]:
    """Return the accounts that maintain a dataset: its owner, and the public members of that organization."""
    owner = repo.partition("/")[0]
    return frozenset({owner, *(read_members(owner) or ())})


def announce_verdict(repo: str, number: int, findings: Sequence[ReviewFinding], by: str) -> bool:
    """Comment the verdict on a pull request, unless the last comment since its newest commit states the same.

    Args:
        repo: the dataset, `org/name`.
        number: number of the pull request.
        findings: findings of the review.
        by: account that comments.

    Returns:
        Whether it was commented.
    """
    comment = verdict_comment(findings)
    if _last_verdict(read_pull_request(repo, number).events, {by}) == comment:
        return False
    comment_pull_request(repo, number, comment)
    return True
