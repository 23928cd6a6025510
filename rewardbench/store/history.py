"""Read earlier versions of a result from the commits of a Hub dataset."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from rewardbench import hub
from rewardbench.store.hub import KINDS, HubStore

if TYPE_CHECKING:
    from huggingface_hub.hf_api import RepoFile

MOST_VERSIONS = 8
"""Maximum number of versions that are read."""


@dataclass(frozen=True)
class ResultVersion:
    """A commit that changed the summary of a result."""

    commit: str
    date: datetime
    """Date of the commit, by the Hub."""


class PastStore(HubStore):
    """A Hub dataset as of one commit, with the files of one result, to be read only."""

    def __init__(self, repo: str, commit: str, key: str) -> None:
        super().__init__(repo, commit)
        names = [kind.format(key) for kind in KINDS]
        with hub.translate_errors(f"The history of {repo} cannot be read"):
            for file in _files_at(self, commit, names):
                self.files[file.path], self.sizes[file.path] = file.blob_id, file.size
        self._commit = commit


def list_versions(store: HubStore, key: str, most: int = MOST_VERSIONS) -> list[ResultVersion]:
    """Return the commits that changed the summary of a result, newest first.

    The history ends at a commit that deleted the result.

    Args:
        store: the dataset.
        key: key of the result.
        most: maximum number of versions.

    Raises:
        Unreachable: if the Hub cannot be reached.
    """
    versions: list[ResultVersion] = []
    with hub.translate_errors(f"The history of {store.repo} cannot be read"):
        history = store.api.list_repo_commits(store.repo, repo_type="dataset", revision=store.revision)
        commits = [commit.commit_id for commit in history]
        place = 0
        while place < len(commits) and len(versions) < most:
            files = list(_files_at(store, commits[place], [f"{key}.json"]))
            last = files[0].last_commit if files else None
            if last is None or last.oid not in commits:
                break
            versions.append(ResultVersion(last.oid, last.date))
            place = commits.index(last.oid) + 1
    return versions


def _files_at(store: HubStore, commit: str, names: Sequence[str]) -> Iterable[RepoFile]:
    """Yield those of some files that exist at a commit, each with its last commit."""
    from huggingface_hub.hf_api import RepoFile

    infos = store.api.get_paths_info(store.repo, list(names), expand=True, revision=commit, repo_type="dataset")
    for info in infos:
        if isinstance(info, RepoFile):
            yield info
