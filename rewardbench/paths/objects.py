"""Read and write objects of a bucket through fsspec: on S3 and servers like it, Google Cloud Storage, or the Hub.

Credentials come from the places where the client of each kind of bucket looks for them (environment variables, files
such as ~/.aws, HF_TOKEN). No message contains a text of the server, so none can contain a key.
"""

from __future__ import annotations

import importlib.util
import os
import random
import socket
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, ParamSpec, TypeVar

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

from rewardbench.errors import InputError, Unreachable

HUB_BUCKETS = "hf://buckets/"
PREFIXES = ("s3://", "gs://", HUB_BUCKETS)
"""Prefixes of addresses in buckets."""
CREDENTIALS = {
    "s3": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE to a profile of ~/.aws",
    "gs": "run gcloud auth application-default login, or set GOOGLE_APPLICATION_CREDENTIALS",
    "hf": "set HF_TOKEN, or run hf auth login",
}
PACKAGES = {"s3": ("s3fs", "'rewardbench[s3]'"), "gs": ("gcsfs", "gcsfs")}
"""Package that reads each kind of bucket, and what pip installs for it."""

TRIES = 6
"""Attempts at a request while the server fails or does not answer."""
WAIT = 0.25
"""Seconds before the second attempt; doubled before each later one."""
CONNECT_TIMEOUT, READ_TIMEOUT = 5.0, 30.0
"""Seconds until a connection, and a silent connection, count as failed."""

CONFLICT = ("PreconditionFailed", "412")
BUSY = ("SlowDown", "ServiceUnavailable", "RequestTimeout", "ConditionalRequestConflict", "OperationAborted")
BAD_KEY = (
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "InvalidToken",
    "ExpiredToken",
    "AuthFailure",
    "InvalidClientTokenId",
)
NO_CREDENTIALS = ("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "ProfileNotFound")
CLIENTS = ("botocore", "aiobotocore", "aiohttp", "gcsfs", "google", "huggingface_hub", "httpx", "urllib3", "requests")
"""Packages whose errors are those of a connection, if they have no status."""
CONNECTION_ERRORS = (ConnectionError, TimeoutError, socket.gaierror)

P = ParamSpec("P")
T = TypeVar("T")


class BucketObject(NamedTuple):
    """Properties of an object."""

    mark: str
    """Changes when the content changes: the ETag, where there are ETags."""
    size: int
    """Bytes."""
    modified: float
    """When it was written by the clock of the server, in seconds since 1970; 0 if unknown."""


def is_object_address(location: object) -> bool:
    """Return True for an address in a bucket.

    >>> is_object_address("s3://bucket/prefix"), is_object_address("hf://datasets/org/name")
    (True, False)
    """
    return isinstance(location, str) and location.startswith(PREFIXES)


class Bucket:
    """The objects below a prefix of a bucket; names are relative to the prefix.

    Args:
        address: bucket and prefix, such as `s3://bucket/prefix`.
        file_system: the fsspec file system; None is the one of the address.

    Raises:
        InputError: if the address is malformed, or the package that reads it is missing.
    """

    def __init__(self, address: str, file_system: AbstractFileSystem | None = None) -> None:
        self.address = address.rstrip("/")
        self.kind, _, path = self.address.partition("://")
        if not path or "@" in path.partition("/")[0]:
            raise InputError(
                f"{self.kind}:// is followed by the name of a bucket, without a key: {self.kind}://bucket."
            )
        self.name = path.split("/")[0] if self.kind != "hf" else "/".join(path.split("/")[1:3])
        self._root = path
        self._files = _open_file_system(self.kind, self.address) if file_system is None else file_system
        self.is_conditional = self.kind == "s3"
        """True if the server checks and writes in one step."""

    def list(self, folder: str = "") -> dict[str, BucketObject]:
        """Return all objects of a folder and its subfolders, by name.

        Raises:
            InputError: if it cannot be listed.
        """
        top = f"{self._root}/{folder}".rstrip("/")
        try:
            entries = self._call("list", self._files.find, top, detail=True)
        except FileNotFoundError:
            return {}
        objects: dict[str, BucketObject] = {}
        for path, entry in entries.items():
            objects[path.lstrip("/").removeprefix(f"{self._root}/")] = _describe(entry)
        return objects

    def info(self, name: str) -> BucketObject | None:
        """Return the properties of an object, or None if it does not exist.

        Raises:
            InputError: if it cannot be read.
        """
        try:
            entry = self._call("read", self._files.info, self._path(name), refresh=True)
        except FileNotFoundError:
            return None
        return _describe(entry) if entry["type"] == "file" else None

    def read(self, name: str) -> bytes | None:
        """Return the content of an object, or None if it does not exist.

        Raises:
            InputError: if it cannot be read.
        """
        try:
            content: bytes = self._call("read", self._files.cat_file, self._path(name))
        except FileNotFoundError:
            return None
        return content

    def download(self, name: str, path: Path) -> bool:
        """Copy an object to a new file; return False if it does not exist.

        Raises:
            InputError: if it cannot be read.
        """
        try:
            self._call("read", self._files.get_file, self._path(name), str(path))
        except FileNotFoundError:
            return False
        return True

    def upload(self, path: Path, name: str) -> None:
        """Write a file as an object, in place of an earlier one.

        Raises:
            InputError: if it cannot be written.
        """
        self._write(self._files.put_file, str(path), self._path(name))

    def write(self, name: str, content: bytes) -> None:
        """Write an object, in place of an earlier one.

        Raises:
            InputError: if it cannot be written.
        """
        self._write(self._files.pipe_file, self._path(name), content)

    def replace(self, name: str, content: bytes, mark: str | None) -> bool:
        """Write an object if it is as it was read; return False if another writer has changed it since.

        S3 checks and writes in one step (If-Match, If-None-Match). Elsewhere the object is checked before and after it
        is written: two writers of one object within the same second may both return True, and the later content stays.

        Args:
            name: the object.
            content: its new content.
            mark: mark of the object that is replaced; None: there must be none.

        Raises:
            InputError: if it cannot be written.
        """
        path = self._path(name)
        if self.is_conditional:
            condition = {"IfNoneMatch": "*"} if mark is None else {"IfMatch": mark}
            try:
                self._call("write to", self._files.pipe_file, path, content, **condition)
            except (FileExistsError, FileNotFoundError):
                pass  # an attempt whose answer was lost may have written it
            else:
                return True
            return self.read(name) == content
        current = self.info(name)
        if (current.mark if current else None) != mark:
            return False
        self.write(name, content)
        return self.read(name) == content

    def delete(self, names: Iterable[str]) -> None:
        """Delete objects; missing ones are skipped.

        Raises:
            InputError: if one cannot be deleted.
        """
        for name in names:
            try:
                self._call("delete from", self._files.rm_file, self._path(name))
            except FileNotFoundError:
                continue

    def _write(self, function: Callable[P, object], *arguments: P.args, **options: P.kwargs) -> None:
        """Write an object without a condition.

        Raises:
            InputError: if it cannot be written.
        """
        try:
            self._call("write to", function, *arguments, **options)
        except FileNotFoundError:
            raise self._no_bucket() from None

    def _no_bucket(self) -> InputError:
        return InputError(f"There is no bucket {self.name}: create it, or check its name and endpoint.")

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _call(self, action: str, function: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
        """Call the client; retry while the server fails or does not answer.

        Raises:
            FileNotFoundError: if the object does not exist.
            FileExistsError: if a condition does not hold.
            InputError: if the server refuses.
            Unreachable: if it still fails after `TRIES` attempts.
        """
        for attempt in range(1, TRIES + 1):
            try:
                return function(*arguments, **options)
            except Exception as error:  # each client has its own classes
                reason = self._classify(error, action)
            if attempt < TRIES:
                time.sleep(WAIT * 2 ** (attempt - 1) * random.uniform(0.75, 1.25))
        raise Unreachable(
            f"{self.address} cannot be reached ({reason}, {TRIES} attempts): check the network and the endpoint, or "
            "try again later."
        )

    def _classify(self, error: Exception, action: str) -> str:
        """Return the name of a temporary error; raise the error that any other one means."""
        status, code = _read_code(error)
        name = type(error).__name__
        if code == "NoSuchBucket" or name == "BucketNotFoundError":
            raise self._no_bucket() from None
        if code in CONFLICT or isinstance(error, FileExistsError):
            raise FileExistsError(code) from None
        if code in BUSY or status in (408, 429) or status >= 500:
            return code or str(status)
        if code in BAD_KEY or status == 401:
            reason = f"The credentials for {self.address} are not accepted ({code or status})"
        elif code == "AccessDenied":
            reason = f"The credentials lack the right to {action} {self.address} ({code})"
        elif status == 403 or isinstance(error, PermissionError):
            reason = f"The credentials are not accepted, or lack the right to {action} {self.address} ({status})"
        elif name in NO_CREDENTIALS:
            reason = f"There are no credentials for {self.address} ({name})"
        else:
            return self._classify_other(error, action, status, code)
        raise InputError(f"{reason}: {CREDENTIALS.get(self.kind, 'check them')}.") from None

    def _classify_other(self, error: Exception, action: str, status: int, code: str) -> str:
        """Return the name of an error of the connection; raise the error that any other one means."""
        name = type(error).__name__
        if status == 404 or isinstance(error, FileNotFoundError):
            raise FileNotFoundError(code) from None
        if name == "ParamValidationError":
            raise InputError(f"{self.address} is not a valid address of a bucket: check the name.") from None
        if status or code:
            raise InputError(f"Failed to {action} {self.address} ({code or status}): check the address.") from None
        if isinstance(error, CONNECTION_ERRORS) or type(error).__module__.partition(".")[0] in CLIENTS:
            return name
        if isinstance(error, OSError):
            raise InputError(
                f"Failed to {action} {self.address} ({error.strerror or name}): check this machine."
            ) from None
        raise error


def _open_file_system(kind: str, address: str) -> AbstractFileSystem:
    """Return the file system of an address, without caches of its own and without retries of its own.

    Raises:
        InputError: if its package is missing.
    """
    package, requirement = PACKAGES.get(kind, ("", ""))
    if package and importlib.util.find_spec(package) is None:
        raise InputError(f"{address} needs {package}. Run pip install {requirement}.")
    credentials = frozenset(item for item in os.environ.items() if item[0].startswith(("AWS_", "GOOGLE_", "HF_")))
    return _connect(kind, os.getpid(), credentials, READ_TIMEOUT)


@lru_cache(maxsize=8)
def _connect(
    kind: str, process: int, credentials: frozenset[tuple[str, str]], read_timeout: float
) -> AbstractFileSystem:
    """Return a file system; starting a client takes a third of a second.

    A client is shared by all buckets of a process, until `credentials`, environment variables, change.
    """
    import fsspec

    if kind != "s3":
        return fsspec.filesystem(kind, use_listings_cache=False, skip_instance_cache=True)
    config = {"retries": {"total_max_attempts": 1}, "connect_timeout": CONNECT_TIMEOUT, "read_timeout": read_timeout}
    file_system = fsspec.filesystem("s3", use_listings_cache=False, skip_instance_cache=True, config_kwargs=config)
    file_system.retries = 1
    return file_system


def _describe(entry: dict[str, object]) -> BucketObject:
    """Return the properties of an object in the listing of a client."""
    marks = (entry.get(name) for name in ("ETag", "etag", "xet_hash", "generation"))
    modified = next(filter(None, (entry.get(name) for name in ("LastModified", "mtime", "updated", "created"))), 0)
    seconds = modified.timestamp() if isinstance(modified, datetime) else 0.0
    size = int(str(entry.get("size") or 0))
    mark = next(filter(None, marks), None) or f"{size}-{seconds}"
    return BucketObject(str(mark), size, seconds)


def _read_code(error: BaseException | None) -> tuple[int, str]:
    """Return the HTTP status of an error, or of one that caused it, and the code of the server; 0 and empty if none."""
    while error is not None:
        response = getattr(error, "response", None)
        if isinstance(response, dict):
            status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            return int(status), str(response.get("Error", {}).get("Code", ""))
        for holder, attribute in ((response, "status_code"), (error, "status"), (error, "code")):
            status = str(getattr(holder, attribute, ""))
            if status.isdigit():
                return int(status), ""
        error = error.__cause__ or error.__context__
    return 0, ""
