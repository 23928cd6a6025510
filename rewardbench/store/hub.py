"""Results in a dataset of the Hub, one commit a change: a summary a model, its scores in parquet, an index beside.

Reads go through the Hub client's own cache, so that what was read once is there when the Hub is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from rewardbench import hub, results
from rewardbench.errors import InputError
from rewardbench.paths import write_whole
from rewardbench.store.local import INDEX, VERDICTS, Entry, keys_of, with_verdicts
from rewardbench.types import Result, Suite

TRIES = 8
"""How often a commit is begun anew because another writer was faster."""
MOVED = (409, 412)
"""What the Hub answers to a commit whose parent is no longer the newest."""

KINDS = ("{}.json", "{}.parquet", VERDICTS + "{}.json")
"""The files of a result: its summary, its scores, and what was found of it."""

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

A summary for each model (`org/model.json`), what it gave each item (`org/model.parquet`), and `index.parquet`, a row a
model, made from them by `rewardbench index`. Written by rewardbench; `rewardbench leaderboard --results
hf://datasets/...` shows it, `rewardbench submit` adds to it by pull request.
"""


class HubStore:
    """Results in a Hub dataset; a key is a path in it without `.json`. Errors are InputErrors, one sentence each."""

    def __init__(self, repo: str, revision: str = "") -> None:
        self.repo, self.revision = repo, revision or "main"
        self._commit = ""
        self.files: dict[str, str] = {}
        """The files of the newest commit that was looked at, each with its hash."""
        self.sizes: dict[str, int] = {}

    @property
    def api(self) -> Any:
        """The Hub's client, which reads HF_TOKEN and HF_ENDPOINT."""
        from huggingface_hub import HfApi

        return HfApi()

    def put(self, result: Result, suite: Suite) -> str:
        """Commit a result; return its key. No writer's result is lost to another's."""
        return self.add([packed(result, suite)])[0]

    def add(self, entries: Iterable[Entry], note: str = "", replace: bool = True) -> Sequence[str]:
        """Commit results that are packed already, all at once; return their keys.

        Without `replace` no result that is there by the time of the commit is changed.

        Raises: InputError where one would be.
        """
        entries = tuple(entries)
        keys = [""] * len(entries)

        def change() -> list[Any]:
            keys[:] = self._own_keys(entries)
            stored = [key for key in keys if f"{key}.json" in self.files]
            if stored and not replace:
                raise InputError(f"{stored[0]} is in {self.repo} already: it was not replaced.")
            return _additions(keys, entries) + ([] if "README.md" in self.files else [_card()])

        self._commit_all(change, note or f"Add {_names(entries)}")
        return keys

    def propose(self, entries: Sequence[Entry], words: str) -> str:
        """Open a pull request with results; return its address."""
        self.refresh()
        changes = _additions(self._own_keys(entries), entries)
        with hub.translate_errors(f"No pull request was opened on {self.repo}"):
            commit = self.api.create_commit(
                self.repo,
                changes,
                repo_type="dataset",
                commit_message=f"Add {_names(entries)}",
                commit_description=words,
                create_pr=True,
            )
        return str(commit.pr_url)

    def get(self, key: str) -> Result:
        """Return the result of a key as `list` gives it."""
        return results.read_result(self.path(key))

    def list(self) -> list[str]:
        """Return the keys of all files that may be results, sorted."""
        return sorted(self.versions())

    def versions(self) -> dict[str, str]:
        """Keys, each with a mark that changes whenever its files do. Raises: hub.Unreachable where the Hub is."""
        self.refresh()
        keys = [name.removesuffix(".json") for name in self.files if name.endswith(".json")]
        kinds = ("json", "parquet")
        return with_verdicts(
            {key: "-".join(self.files.get(f"{key}.{kind}", "")[:12] for kind in kinds) for key in keys}
        )

    def refresh(self) -> str:
        """Look at the newest commit of the revision: its hash, and what files it has."""
        with hub.translate_errors(f"The dataset {self.repo} cannot be read"):
            info = self.api.repo_info(self.repo, repo_type="dataset", revision=self.revision, timeout=hub.TIMEOUT)
            if info.sha != self._commit:
                tree = self.api.list_repo_tree(self.repo, repo_type="dataset", revision=info.sha, recursive=True)
                files = [file for file in tree if hasattr(file, "blob_id")]
                self.files = {file.path: file.blob_id for file in files}
                self.sizes = {file.path: file.size for file in files}
                self._commit = info.sha
        return self._commit

    def base(self) -> dict[str, str]:
        """Return the files, with their hashes, of the commit at which this revision branched from main."""
        with hub.translate_errors(f"The history of {self.repo} cannot be read"):
            ours, main = (
                [
                    commit.commit_id
                    for commit in self.api.list_repo_commits(self.repo, repo_type="dataset", revision=name)
                ]
                for name in (self.revision, "main")
            )
            start = next((commit for commit in ours if commit in set(main)), None)
            if start is None:
                return {}
            tree = self.api.list_repo_tree(self.repo, repo_type="dataset", revision=start, recursive=True)
            return {file.path: file.blob_id for file in tree if hasattr(file, "blob_id")}

    def open_pulls(self) -> dict[int, datetime]:
        """Return the numbers of the open pull requests, each with the time at which it was opened."""
        with hub.translate_errors(f"The pull requests of {self.repo} cannot be read"):
            discussions = self.api.get_repo_discussions(self.repo, repo_type="dataset", discussion_status="open")
            return {discussion.num: discussion.created_at for discussion in discussions if discussion.is_pull_request}

    def pushed(self, number: int) -> datetime:
        """Return when a pull request was last pushed to, by the Hub's clock; a commit's own date can be forged."""
        with hub.translate_errors(f"Pull request {number} of {self.repo} cannot be read"):
            discussion = self.api.get_discussion_details(self.repo, number, repo_type="dataset")
            opened: datetime = discussion.created_at
            pushes: list[datetime] = [event.created_at for event in discussion.events if event.type == "commit"]
            return max([opened, *pushes])

    def user(self) -> str:
        """Return the name of the account whose token is used; empty where that is not known."""
        try:
            return str(self.api.whoami()["name"])
        except Exception:  # no token, or no Hub: the HTTP library's own errors too
            return ""

    def close(self, number: int, words: str) -> None:
        """Close a pull request with a comment."""
        with hub.translate_errors(f"Pull request {number} of {self.repo} was not closed"):
            self.api.change_discussion_status(self.repo, number, "closed", comment=words, repo_type="dataset")

    def path(self, key: str) -> Path:
        """Where the summary of a key lies on this machine, with its scores beside it."""
        if not self._commit:
            self.refresh()
        if f"{key}.parquet" in self.files:
            self._fetch(f"{key}.parquet")
        return self._fetch(f"{key}.json")

    def delete(self, key: str) -> None:
        """Remove a result in one commit. Raises: InputError where there is none."""
        from huggingface_hub import CommitOperationDelete

        self._commit_all(
            lambda: [CommitOperationDelete(kind.format(key)) for kind in self._kinds_of(key)], f"Delete {key}"
        )

    def rename(self, key: str, new: str) -> None:
        """Move a result to another key in one commit.

        Raises: InputError where there is none, or the new key is taken.
        """
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        def change() -> list[Any]:
            if f"{new}.json" in self.files:
                raise InputError(f"There is a result {new!r} in {self.repo} already; delete it first.")
            kinds = self._kinds_of(key)
            added = [CommitOperationAdd(kind.format(new), self._fetch(kind.format(key)).read_bytes()) for kind in kinds]
            return [*added, *(CommitOperationDelete(kind.format(key)) for kind in kinds)]

        self._commit_all(change, f"Rename {key} to {new}")

    def load(self, name: str) -> Path | None:
        """Return the path of a file beside the results (the index, a verdict), or None if there is none."""
        if not self._commit:
            self.refresh()
        return self._fetch(name) if name in self.files else None

    def save(self, name: str, content: bytes, note: str = "") -> None:
        """Commit such a file."""
        from huggingface_hub import CommitOperationAdd

        self._commit_all(lambda: [CommitOperationAdd(name, content)], note or f"Update {name}")

    def indexes(self) -> Sequence[Path]:
        """Return the indexes at hand: that which this machine has made, and the store's own."""
        paths = [self._memory()] if self._memory().is_file() else []
        with suppress(hub.Unreachable):
            stored = self.load(INDEX)
            return [*paths, stored] if stored else paths
        return paths

    def remember(self, index: bytes) -> None:
        """Keep an index on this machine; `save` puts it into the store."""
        with suppress(InputError):
            write_whole(self._memory(), index)

    def _memory(self) -> Path:
        from huggingface_hub import constants

        name = "--".join([*self.repo.split("/"), self.revision.replace("/", "-")])
        return Path(constants.HF_HOME, "rewardbench", f"{name}.{INDEX}")

    def _fetch(self, name: str) -> Path:
        from huggingface_hub import hf_hub_download

        with hub.translate_errors(f"{name} of the dataset {self.repo} cannot be read"):
            return Path(hf_hub_download(self.repo, name, repo_type="dataset", revision=self._commit))

    def _kinds_of(self, key: str) -> Sequence[str]:
        """Which files a result has here. Raises: InputError where there is none."""
        if f"{key}.json" not in self.files:
            raise InputError(f"There is no result {key!r} in {self.repo}.")
        return [kind for kind in KINDS if kind.format(key) in self.files]

    def _own_keys(self, entries: Sequence[Entry]) -> Sequence[str]:
        """Return a key for each result: that of an earlier one of the same identity, or else the first that is free."""
        taken: dict[str, str] = {}
        for summary, _ in entries:
            identity, keys = results.identity(summary), keys_of(summary)
            stored = {key: taken.get(key) or self._identity(key) for key in keys}
            free = [key for key in keys if stored[key] == identity] or [key for key in keys if stored[key] is None]
            if not free:
                raise InputError(f"{keys[-1]} is in the way of this result in {self.repo}; rename it.")
            taken[free[0]] = identity
        return [*taken]

    def _identity(self, key: str) -> str | None:
        """Return the identity of the result at a key; None if nothing is there, empty if it is no result."""
        if f"{key}.json" not in self.files:
            return "" if f"{key}.parquet" in self.files else None
        try:
            return results.identity(results.read_summary(self._fetch(f"{key}.json")))
        except hub.Unreachable:
            raise
        except InputError:
            return ""

    def _commit_all(self, change: Callable[[], Sequence[Any]], message: str) -> Any:
        """One commit on top of the newest one, made anew as long as others are faster."""
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
                    if error.response.status_code not in MOVED or n == TRIES - 1:
                        raise
        raise AssertionError("unreachable")


def packed(result: Result, suite: Suite) -> Entry:
    """Pack a result as its two published files: the summary, and the scores as parquet."""
    return results.sealed(results.to_json(result), results.to_rows(result, suite))


def _additions(keys: Sequence[str], entries: Sequence[Entry]) -> list[Any]:
    from huggingface_hub import CommitOperationAdd

    files: dict[str, bytes] = {}
    for key, (summary, table) in zip(keys, entries, strict=True):
        files[f"{key}.json"] = results.dump(summary, indent=2).encode()
        files |= {f"{key}.parquet": table} if table is not None else {}
    return [CommitOperationAdd(name, content) for name, content in files.items()]


def _card() -> Any:
    from huggingface_hub import CommitOperationAdd

    return CommitOperationAdd("README.md", CARD.encode())


def _names(entries: Sequence[Entry]) -> str:
    first = f"{entries[0][0]['model']} on {entries[0][0]['suite']}"
    return first if len(entries) == 1 else f"{len(entries)} results"
