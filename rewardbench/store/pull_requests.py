"""Pull requests on a Hub dataset: list, read and comment them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rewardbench import hub

if TYPE_CHECKING:
    from huggingface_hub import Discussion, DiscussionWithDetails

OPEN = ("open", "draft")
"""States in which a pull request waits for a decision."""


def list_pulls(repo: str, author: str | None = None, is_open: bool = False) -> Iterator[Discussion]:
    """Yield the pull requests on a dataset, the newest first.

    Args:
        repo: the dataset, `org/name`.
        author: only those of this account.
        is_open: only those that wait for a decision.
    """
    from huggingface_hub import HfApi

    with hub.translate_errors(f"The pull requests of {repo} cannot be read"):
        discussions = HfApi().get_repo_discussions(
            repo,
            repo_type="dataset",
            author=author,
            discussion_type="pull_request",
            discussion_status="open" if is_open else None,
        )
        for discussion in discussions:
            if discussion.is_pull_request and (author is None or discussion.author == author):
                yield discussion


def read_pull_request(repo: str, number: int) -> DiscussionWithDetails:
    """Return a pull request with its comments and commits."""
    from huggingface_hub import HfApi

    with hub.translate_errors(f"Pull request {number} of {repo} cannot be read"):
        return HfApi().get_discussion_details(repo, number, repo_type="dataset")


def comment_pull_request(repo: str, number: int, text: str) -> None:
    """Comment a pull request."""
    from huggingface_hub import HfApi

    with hub.translate_errors(f"Pull request {number} of {repo} was not commented"):
        HfApi().comment_discussion(repo, number, text, repo_type="dataset")
