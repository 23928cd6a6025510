"""Download repositories of the Hub: check once with a timeout, then fetch only the requested files."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rewardbench.errors import InputError, Unreachable

if TYPE_CHECKING:
    from huggingface_hub import Discussion

RepoType = Literal["model", "dataset"]

TIMEOUT = 10.0
"""Seconds until the Hub counts as unreachable."""

PASSING = (408, 429)
"""Status codes of temporary errors: timeout, too many requests."""


_CACHE_ONLY: ContextVar[bool] = ContextVar("cache_only", default=False)


@contextmanager
def translate_errors(action: str, remedy: str = "") -> Iterator[None]:
    """Context manager: turn any error of the Hub client into a one-line error that begins with `action`.

    Args:
        action: what failed.
        remedy: what to do if the Hub does not allow it; by default, to set HF_TOKEN.

    Raises:
        InputError: if the Hub refuses (4xx).
        Unreachable: if the Hub fails or cannot be reached.
    """
    from huggingface_hub.errors import HFValidationError

    try:
        yield
    except InputError:
        raise
    except HFValidationError as error:
        raise InputError(f"{action}: {_reason(error)}.") from error
    except Exception as error:  # includes errors of the HTTP library, which differ between versions of the client
        status = getattr(getattr(error, "response", None), "status_code", 500)
        if status < 500 and status not in PASSING:
            raise InputError(f"{action}: {_refusal(status, error, remedy)}.") from error
        raise Unreachable(f"{action}, since the Hub cannot be reached ({_reason(error)}): try again later.") from error


def _refusal(status: int, error: Exception, remedy: str) -> str:
    if status in (401, 403):
        return f"the Hub does not allow it ({status}); {remedy or 'set HF_TOKEN to a token with that right'}"
    if status == 404:
        return "the Hub has none of that name or revision for this user; check both, and HF_TOKEN"
    return _reason(error)


@contextmanager
def cache_only() -> Iterator[None]:
    """Context manager: read repositories from the cache without a request, since this run has just resolved them."""
    token = _CACHE_ONLY.set(True)
    try:
        yield
    finally:
        _CACHE_ONLY.reset(token)


def snapshot(kind: RepoType, name: str, revision: str | None, files: Sequence[str]) -> Path:
    """Return the local folder of a repository at a revision (None: main), named by its commit.

    The revision is resolved to a commit by one request. Files of that commit that are not cached are downloaded; if
    the Hub is unreachable, the repository is read from the cache.

    Args:
        kind: model or dataset.
        name: the Hub id.
        revision: branch, tag or commit.
        files: patterns of the requested files.

    Raises:
        InputError: if this user cannot access the repository or revision, or it is neither reachable nor cached.
    """
    from huggingface_hub import constants, snapshot_download

    commit, failure = _resolve(kind, name, revision)
    try:
        folder = Path(
            snapshot_download(
                name,
                repo_type=kind,
                revision=commit or revision,
                allow_patterns=list(files),
                local_files_only=failure is not None,
            )
        )
    except Exception as error:  # includes errors of the HTTP library, which differ between versions of the client
        if failure is None:
            raise _download_error(kind, name, revision, error) from error
        cached = _cached(kind, name) if revision is None else []
        if len(cached) == 1:
            return cached[0]
        if cached:
            option = "--revision" if kind == "model" else "--dataset_revision"
            commits = ", ".join(path.name for path in cached)
            raise InputError(
                f"The cache holds {len(cached)} commits of the {kind} {name} and does not say which is its main, and "
                f"the Hub cannot be reached ({failure}): pass {option} with one of {commits}."
            ) from error
        raise InputError(
            f"There is no local {kind} {name}, none in the cache, and the Hub at {constants.ENDPOINT} cannot be "
            f"reached ({failure}): check the name, the network, HF_ENDPOINT and HF_HUB_OFFLINE."
        ) from error
    if commit and commit != revision:
        save_reference(folder.parent.parent, revision or constants.DEFAULT_REVISION, commit)
    return folder


def list_files(name: str, commit: str) -> dict[str, str]:
    """Return the files of a model repository at a commit: path to a digest of the content.

    Raises:
        InputError: if the Hub refuses or cannot be reached.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoFile

    files: dict[str, str] = {}
    with translate_errors(f"The files of {name} cannot be listed"):
        for entry in HfApi().list_repo_tree(name, revision=commit, recursive=True):
            if isinstance(entry, RepoFile):
                files[entry.path] = entry.lfs.sha256 if entry.lfs else entry.blob_id
    return files


def download_size(name: str, commit: str, patterns: Sequence[str]) -> int:
    """Return the bytes of those files of a model repository at a commit that match one of the patterns.

    Raises:
        InputError: if the Hub refuses or cannot be reached.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoFile

    size = 0
    with translate_errors(f"The files of {name} cannot be listed"):
        for entry in HfApi().list_repo_tree(name, revision=commit):
            if isinstance(entry, RepoFile) and any(fnmatch(entry.path, pattern) for pattern in patterns):
                size += entry.size
    return size


def open_pull_requests(name: str) -> Iterator[Discussion]:
    """Yield the open pull requests of a model repository, the newest first.

    Raises:
        InputError: if the Hub refuses or cannot be reached.
    """
    from huggingface_hub import HfApi

    with translate_errors(f"The pull requests of {name} cannot be listed"):
        yield from HfApi().get_repo_discussions(name, discussion_type="pull_request", discussion_status="open")


def resolve_commit(kind: RepoType, name: str, revision: str | None) -> str:
    """Return the commit of a revision.

    Raises:
        InputError: if this user cannot access it, or the Hub cannot be reached.
    """
    commit, failure = _resolve(kind, name, revision)
    if commit is None:
        raise Unreachable(f"The Hub cannot be reached for {revision or 'main'} of {name} ({failure}): try again later.")
    return commit


def fetch_files(name: str, folder: Path, files: Sequence[str], ignored: Sequence[str]) -> None:
    """Download files of a model repository into a snapshot that is in the cache, unless they are there.

    Args:
        name: the Hub id.
        folder: the snapshot.
        files: patterns of the requested files.
        ignored: patterns of files that are left out.

    Raises:
        InputError: if a file is neither cached nor can be downloaded.
    """
    from huggingface_hub import snapshot_download

    try:
        snapshot_download(
            name,
            revision=folder.name,
            allow_patterns=list(files),
            ignore_patterns=list(ignored),
            local_files_only=_CACHE_ONLY.get(),
        )
    except Exception as error:  # includes errors of the HTTP library, which differ between versions of the client
        raise _download_error("model", name, folder.name, error) from error


def _download_error(kind: RepoType, name: str, revision: str | None, error: Exception) -> InputError:
    """Return the error about a failed download."""
    refusal = _access_error(kind, name, revision, error)
    return refusal or InputError(f"The download of the {kind} {name} failed: {_reason(error)}.")


def reads_cache_only() -> bool:
    """Return True in a `cache_only` context, and if the Hub is switched off (HF_HUB_OFFLINE)."""
    from huggingface_hub import constants

    return _CACHE_ONLY.get() or bool(constants.HF_HUB_OFFLINE)


def save_reference(repository: Path, revision: str, commit: str) -> None:
    """Record in the cache which commit a branch or tag is, so that it can be read while the Hub is unreachable.

    The client records it only if it resolves the revision itself, by a second request.
    """
    reference = repository / "refs" / revision
    with suppress(OSError):  # a read-only cache
        reference.parent.mkdir(parents=True, exist_ok=True)
        if not reference.is_file() or reference.read_text() != commit:
            draft = reference.with_name(f"{reference.name}.{os.getpid()}.tmp")
            draft.write_text(commit)
            os.replace(draft, reference)  # a concurrent reader sees the old commit or the new one


def _cached(kind: RepoType, name: str) -> list[Path]:
    """Return the cached snapshots of a repository, as a download by commit leaves them: without refs/main."""
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    folder = Path(constants.HF_HUB_CACHE, repo_folder_name(repo_id=name, repo_type=kind), "snapshots")
    return sorted(path for path in folder.glob("*") if path.is_dir() and any(path.iterdir()))


def cached_commit(name: str, revision: str | None) -> str | None:
    """Return the commit of a model's branch or tag when it was last downloaded; None if it is not known."""
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    if revision and re.fullmatch("[0-9a-f]{40}", revision):
        return revision
    folder = Path(constants.HF_HUB_CACHE, repo_folder_name(repo_id=name, repo_type="model"))
    try:
        return (folder / "refs" / (revision or constants.DEFAULT_REVISION)).read_text()
    except OSError:
        return None


def commit_of(folder: Path) -> str | None:
    """Return the commit of a snapshot in the Hub cache; None for any other folder.

    >>> commit_of(Path("snapshots", "a" * 40)) == "a" * 40, commit_of(Path("snapshots/step-100"))
    (True, None)
    """
    is_snapshot = folder.parent.name == "snapshots" and re.fullmatch("[0-9a-f]{40}", folder.name)
    return folder.name if is_snapshot else None


def repository_of(folder: Path) -> str:
    """Return the Hub id of the model whose snapshot in the Hub cache a folder is; empty for any other folder.

    >>> repository_of(Path("models--org--rm", "snapshots", "a" * 40)), repository_of(Path("models/org/rm"))
    ('org/rm', '')
    """
    prefix, repository = "models--", folder.parent.parent.name
    return repository.removeprefix(prefix).replace("--", "/") if repository.startswith(prefix) else ""


def cache_note(folder: Path, name: str, revision: str | None) -> list[str]:
    """Return a note if a folder is the only cached commit and the cache does not say which commit is main."""
    repository = folder.parent.parent
    in_cache = folder.parent.name == "snapshots" and repository.name.startswith(("models--", "datasets--"))
    if revision is not None or not in_cache or (repository / "refs" / "main").exists():
        return []
    return [f"The cache does not say which commit of {name} is its main: the only one there, {folder.name}, was used."]


def upload(folder: Path, dataset: str, files: Sequence[str], private: bool, create_pr: bool) -> str:
    """Upload files of a folder to a Hub dataset, in one commit or pull request; return its address.

    The dataset is created if necessary.

    Raises:
        InputError: if the Hub refuses or cannot be reached.
    """
    from huggingface_hub import HfApi

    api = HfApi()
    try:
        if not create_pr:
            api.create_repo(dataset, repo_type="dataset", private=private, exist_ok=True)
        commit = api.upload_folder(
            folder_path=folder,
            repo_id=dataset,
            repo_type="dataset",
            allow_patterns=list(files),
            delete_patterns=[pattern for pattern in files if "*" in pattern],  # files that no longer exist
            commit_message="Upload the suite",
            create_pr=create_pr,
        )
    except Exception as error:  # HTTP errors, invalid names, a missing token: each has its own class
        raise InputError(
            f"Nothing was pushed to the dataset {dataset}: {_reason(error)}; check the name, and HF_TOKEN."
        ) from error
    return str(commit.pr_url or commit.commit_url)


def _resolve(kind: RepoType, name: str, revision: str | None) -> tuple[str | None, str | None]:
    """Resolve a revision to a commit by one request, with a timeout that snapshot_download lacks.

    Returns:
        The commit and None, or None and the name of the error if the Hub is unreachable (or must not be asked).

    Raises:
        InputError: if the Hub has no such repository or revision for this user.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HFValidationError

    if _CACHE_ONLY.get():
        return None, "this process reads the cache only"
    try:
        return HfApi().repo_info(name, repo_type=kind, revision=revision, timeout=TIMEOUT).sha, None
    except HFValidationError as error:
        raise InputError(f"{name!r} is neither a local {kind} nor a Hub id (org/name): {_reason(error)}.") from error
    except Exception as error:  # connection errors, timeouts, offline mode, a failing server
        refusal = _access_error(kind, name, revision, error)
        if refusal:
            raise refusal from error
        return None, type(error).__name__


def _access_error(kind: RepoType, name: str, revision: str | None, error: Exception) -> InputError | None:
    """Return what to do if the Hub refuses this user a repository; None for all other errors."""
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    if isinstance(error, GatedRepoError):
        return InputError(f"The {kind} {name} is gated: accept its terms on the Hub, and set HF_TOKEN.")
    if isinstance(error, RepositoryNotFoundError):
        return InputError(
            f"The Hub has no {kind} {name} for this user: check the name, or set HF_TOKEN if it is private."
        )
    if isinstance(error, RevisionNotFoundError):
        return InputError(f"The {kind} {name} has no revision {revision!r}: check the name of the revision.")
    status = _status(error)
    if status in (401, 403):
        return InputError(
            f"The Hub does not let this user read the {kind} {name} ({status}): set HF_TOKEN to a valid token with "
            "that right, or run hf auth login."
        )
    return None


def _status(error: BaseException | None) -> int | None:
    """Return the HTTP status of an error, or of the one that caused it; None if there is none."""
    while error is not None:
        status = getattr(getattr(error, "response", None), "status_code", None)
        if status is not None:
            return int(status)
        error = error.__cause__
    return None


def _reason(error: BaseException) -> str:
    """Return the first line of the root cause of an error."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error).strip().split("\n")[0] or type(error).__name__).rstrip(".:")
