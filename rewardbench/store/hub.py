"""Store results in a dataset on the Hub: a summary and a parquet table per result, and an index; one commit per change.

Files are read through the cache of the Hub's client, so that they can be read again when the Hub cannot be reached.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rewardbench import hub, results
from rewardbench.errors import InputError, Unreachable
from rewardbench.results import PackedResult
from rewardbench.store.accounts import SIGN_IN
from rewardbench.store.local import INDEX, VERDICTS, choose_key, keys_of, with_verdicts
from rewardbench.store.remote import RemoteStore
from rewardbench.types import Result, Suite

if TYPE_CHECKING:
    from huggingface_hub import CommitInfo, CommitOperationAdd, CommitOperationDelete, HfApi

    Operation = CommitOperationAdd | CommitOperationDelete

TRIES = 8
"""Maximum number of attempts at a commit, if other writers commit at the same time."""
CONFLICTS = (409, 412)
"""HTTP status of a commit whose parent is not the newest commit."""

ANSWERS = "{}_answers.jsonl.gz"
KINDS = ("{}.json", "{}.parquet", ANSWERS, VERDICTS + "{}.json")
"""The files of a result: summary, scores, raw answers of a judge, and verdict."""

CARD = """---
license: cc-by-4.0
pretty_name: Results of reward models
configs:
- config_name: index
  data_files: index.parquet
- config_name: scores
  data_files: "*/*.parquet"
---
# Results of reward models

For each model, `org/model.json` is the summary of its result, and `org/model.parquet` has its scores of each item. The
raw answers of a judge are in `org/model_answers.jsonl.gz`.
`rewardbench index` makes `index.parquet` from them, with one row per model. To show the leaderboard, run
`rewardbench leaderboard --store hf://datasets/...`; to add a result by pull request, run `rewardbench submit`.
"""


class HubStore(RemoteStore):
    """Results in a dataset on the Hub. Errors are InputErrors with a one-line message.

    Args:
        repo: the dataset, `org/name`.
        revision: branch, tag, commit or pull request (`refs/pr/N`); by default main.
    """

    def __init__(self, repo: str, revision: str = "") -> None:
        self.repo, self.revision = repo, revision or "main"
        self._commit = ""
        self.files: dict[str, str] = {}
        """Hash of each file, as of the last `refresh`."""
        self.sizes: dict[str, int] = {}
        """Size of each file in bytes, as of the last `refresh`."""

    @property
    def api(self) -> HfApi:
        """The Hub's client, which reads HF_TOKEN and HF_ENDPOINT."""
        from huggingface_hub import HfApi

        return HfApi()

    def put(self, result: Result, suite: Suite) -> str:
        """Commit a result, and return its key. Results that others commit at the same time are kept."""
        return self.add([pack_for_hub(result, suite)])[0]

    def add(self, entries: Iterable[PackedResult], note: str = "", replace: bool = True) -> Sequence[str]:
        """Commit packed results in one commit, and return their keys.

        Args:
            entries: the results.
            note: commit message.
            replace: whether stored results may change.

        Raises:
            InputError: without `replace`, if a stored result would change.
        """
        entries = tuple(PackedResult(*entry) for entry in entries)
        keys: list[str] = []

        def change() -> list[Operation]:
            keys[:] = self._choose_keys(entries)
            stored = [key for key in keys if f"{key}.json" in self.files]
            if stored and not replace:
                raise InputError(f"{stored[0]} is in {self.repo} already: it was not replaced.")
            operations = _additions(keys, entries)
            if "README.md" not in self.files:
                operations.append(_addition("README.md", CARD.encode()))
            return operations

        self._commit_on_newest(change, note or title_of(entries))
        return keys

    def propose(self, entries: Sequence[PackedResult], description: str, token: str | None = None) -> str:
        """Open a pull request with results, and return its URL.

        Args:
            entries: the results.
            description: description of the pull request, in Markdown.
            token: access token of its author; by default that of this machine.
        """
        from huggingface_hub import HfApi

        self.refresh()
        changes = _additions(self._choose_keys(entries), entries)
        with hub.translate_errors(f"No pull request was opened on {self.repo}", SIGN_IN if token else ""):
            commit = HfApi(token=token).create_commit(
                self.repo,
                changes,
                repo_type="dataset",
                commit_message=title_of(entries),
                commit_description=description,
                create_pr=True,
            )
        return str(commit.pr_url)

    def versions(self) -> dict[str, str]:
        """Return the keys of all files that may be results, each with a mark that changes when its files change.

        Raises:
            Unreachable: if the Hub cannot be reached.
        """
        self.refresh()
        marks: dict[str, str] = {}
        for name, digest in self.files.items():
            key, _, kind = name.rpartition(".")
            if kind == "json":
                marks[key] = f"{digest[:12]}-{self.files.get(f'{key}.parquet', '')[:12]}"
        return with_verdicts(marks)

    def refresh(self) -> str:
        """Read which files the newest commit of the revision has, and return its hash."""
        with hub.translate_errors(f"The dataset {self.repo} cannot be read"):
            info = self.api.repo_info(self.repo, repo_type="dataset", revision=self.revision, timeout=hub.TIMEOUT)
            if info.sha != self._commit:
                self.files, self.sizes = self._list_files(str(info.sha))
                self._commit = str(info.sha)
        return self._commit

    def _list_files(self, commit: str) -> tuple[dict[str, str], dict[str, int]]:
        """Return the hash and the size of each file of a commit."""
        from huggingface_hub.hf_api import RepoFile

        hashes: dict[str, str] = {}
        sizes: dict[str, int] = {}
        for file in self.api.list_repo_tree(self.repo, repo_type="dataset", revision=commit, recursive=True):
            if isinstance(file, RepoFile):
                hashes[file.path] = file.blob_id
                sizes[file.path] = file.size
        return hashes, sizes

    def base(self) -> dict[str, str]:
        """Return the files, with their hashes, of the commit at which this revision branched from main."""
        with hub.translate_errors(f"The history of {self.repo} cannot be read"):
            main = set(self._history("main"))
            start = next((commit for commit in self._history(self.revision) if commit in main), None)
            return self._list_files(start)[0] if start else {}

    def _history(self, revision: str) -> Sequence[str]:
        """Return the commits of a revision, the newest first."""
        commits = self.api.list_repo_commits(self.repo, repo_type="dataset", revision=revision)
        return [commit.commit_id for commit in commits]

    def open_pulls(self) -> dict[int, datetime]:
        """Return the numbers of the open pull requests, each with the time at which it was opened."""
        with hub.translate_errors(f"The pull requests of {self.repo} cannot be read"):
            discussions = self.api.get_repo_discussions(self.repo, repo_type="dataset", discussion_status="open")
            return {discussion.num: discussion.created_at for discussion in discussions if discussion.is_pull_request}

    def pushed(self, number: int) -> datetime:
        """Return when a pull request was last pushed to, by the Hub's clock; a commit's own date can be forged."""
        with hub.translate_errors(f"Pull request {number} of {self.repo} cannot be read"):
            discussion = self.api.get_discussion_details(self.repo, number, repo_type="dataset")
            latest = discussion.created_at
            for event in discussion.events:
                if event.type == "commit":
                    latest = max(latest, event.created_at)
            return latest

    def user(self) -> str:
        """Return the name of the account whose token is used; empty if unknown."""
        try:
            return str(self.api.whoami()["name"])
        except Exception:  # no token or no network, also with errors of the HTTP library
            return ""

    def close(self, number: int, comment: str) -> None:
        """Close a pull request with a comment."""
        with hub.translate_errors(f"Pull request {number} of {self.repo} was not closed"):
            self.api.change_discussion_status(self.repo, number, "closed", comment=comment, repo_type="dataset")

    def path(self, key: str) -> Path:
        """Return the local path of the summary with a key; its scores are next to it."""
        if not self._commit:
            self.refresh()
        if f"{key}.parquet" in self.files:
            self._fetch(f"{key}.parquet")
        return self._fetch(f"{key}.json")

    def fetch_answers(self, key: str) -> Path | None:
        """Read the raw answers of a judge to a file next to its summary; return None if it has none."""
        name = ANSWERS.format(key)
        return self._fetch(name) if name in self.files else None

    def delete(self, key: str) -> None:
        """Delete a result in one commit.

        Raises:
            InputError: if there is no such result.
        """

        def change() -> list[Operation]:
            return [_deletion(kind.format(key)) for kind in self._kinds_of(key)]

        self._commit_on_newest(change, f"Delete {key}")

    def rename(self, key: str, new: str) -> None:
        """Change the key of a result in one commit.

        Raises:
            InputError: if there is no such result, or the new key is taken.
        """

        def change() -> list[Operation]:
            if f"{new}.json" in self.files:
                raise InputError(f"There is a result {new!r} in {self.repo} already; delete it first.")
            operations: list[Operation] = []
            for kind in self._kinds_of(key):
                operations.append(_addition(kind.format(new), self._fetch(kind.format(key)).read_bytes()))
                operations.append(_deletion(kind.format(key)))
            return operations

        self._commit_on_newest(change, f"Rename {key} to {new}")

    def load(self, name: str) -> Path | None:
        """Return the local path of another file of the store (the index, a verdict), or None if it does not exist."""
        if not self._commit:
            self.refresh()
        return self._fetch(name) if name in self.files else None

    def save(self, name: str, content: bytes, note: str = "") -> None:
        """Commit such a file; `note` is the commit message."""
        self._commit_on_newest(lambda: [_addition(name, content)], note or f"Update {name}")

    def _local_index(self) -> Path:
        from huggingface_hub import constants

        name = "--".join([*self.repo.split("/"), self.revision.replace("/", "-")])
        return Path(constants.HF_HOME, "rewardbench", f"{name}.{INDEX}")

    def _fetch(self, name: str) -> Path:
        from huggingface_hub import hf_hub_download

        with hub.translate_errors(f"{name} of the dataset {self.repo} cannot be read"):
            return Path(hf_hub_download(self.repo, name, repo_type="dataset", revision=self._commit))

    def _kinds_of(self, key: str) -> Sequence[str]:
        """Return which of the `KINDS` of files a result has.

        Raises:
            InputError: if there is no such result.
        """
        if f"{key}.json" not in self.files:
            raise InputError(f"There is no result {key!r} in {self.repo}.")
        return [kind for kind in KINDS if kind.format(key) in self.files]

    def _choose_keys(self, entries: Sequence[PackedResult]) -> Sequence[str]:
        """Return a key for each result: that of the stored result with the same identity, or the first that is free.

        Raises:
            InputError: if no key is free.
        """
        taken: dict[str, str] = {}
        for summary, *_ in entries:
            identity, keys = results.identity(summary), keys_of(summary)
            key = choose_key(keys, identity, lambda key: taken.get(key) or self._identity(key))
            if key is None:
                raise InputError(f"{keys[-1]} is in the way of this result in {self.repo}; rename it.")
            taken[key] = identity
        return list(taken)

    def _identity(self, key: str) -> str | None:
        """Return the identity of the result with a key; None if there is no file, empty if it is not a result."""
        if f"{key}.json" not in self.files:
            return "" if f"{key}.parquet" in self.files else None
        try:
            return results.identity(results.read_summary(self._fetch(f"{key}.json")))
        except Unreachable:
            raise
        except InputError:
            return ""

    def _commit_on_newest(self, change: Callable[[], Sequence[Operation]], message: str) -> CommitInfo:
        """Commit changes on top of the newest commit; if another writer commits first, compute them again.

        Args:
            change: returns the changes, given the files of the newest commit in `files`.
            message: commit message.
        """
        from huggingface_hub.errors import HfHubHTTPError

        for n in range(TRIES):
            parent = self.refresh()
            operations = list(change())
            with hub.translate_errors(f"Nothing was written to the dataset {self.repo}"):
                try:
                    return self.api.create_commit(
                        self.repo,
                        operations,
                        repo_type="dataset",
                        revision=self.revision,
                        commit_message=message,
                        parent_commit=parent,
                    )
                except HfHubHTTPError as error:
                    if error.response.status_code not in CONFLICTS or n == TRIES - 1:
                        raise
        raise AssertionError("unreachable")


def pack_for_hub(result: Result, suite: Suite) -> PackedResult:
    """Pack a result as its two published files: the summary, and the scores as parquet."""
    return results.pack_result(results.to_summary(result), results.to_rows(result, suite))


def _additions(keys: Sequence[str], entries: Sequence[PackedResult]) -> list[Operation]:
    operations: list[Operation] = []
    for key, (summary, table, answers) in zip(keys, entries, strict=True):
        operations.append(_addition(f"{key}.json", results.dump(summary, indent=2).encode()))
        if table is not None:
            operations.append(_addition(f"{key}.parquet", table))
        if answers is not None:
            operations.append(_addition(ANSWERS.format(key), answers))
    return operations


def _addition(name: str, content: bytes) -> CommitOperationAdd:
    from huggingface_hub import CommitOperationAdd

    return CommitOperationAdd(name, content)


def _deletion(name: str) -> CommitOperationDelete:
    from huggingface_hub import CommitOperationDelete

    return CommitOperationDelete(name)


def title_of(entries: Sequence[PackedResult]) -> str:
    """Return the title of a commit or pull request that adds results."""
    summary = entries[0].summary
    return f"Add {summary['model']} on {summary['suite']}" if len(entries) == 1 else f"Add {len(entries)} results"
