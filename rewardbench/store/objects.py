"""Store results in a bucket (S3, Google Cloud Storage, or a bucket on the Hub), to which many machines may write.

`results.remote` names the files. A summary is written last, on condition that no other writer has changed it since it
was read: two writers lose nothing, and a result that is being replaced can be read all the time. Files that no summary
contains, of writers that were killed and of earlier versions, are deleted by a later writer of the result.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from rewardbench import results
from rewardbench.errors import InputError, Unreachable
from rewardbench.paths import write_whole
from rewardbench.paths.objects import Bucket
from rewardbench.results import PackedResult, SummaryJson
from rewardbench.results import remote as files
from rewardbench.store.atomic import ABANDONED, Draft
from rewardbench.store.local import INDEX, VERDICTS, choose_key, keys_of, safe_name, with_verdicts
from rewardbench.store.remote import RemoteStore
from rewardbench.types import Result, Suite

PROBE = ".rewardbench"
"""Object that is written before a run, to check that results can be written after it."""
MOST_CONFLICTS = 20
"""Maximum number of times that a result is written again because other writers have changed it meanwhile."""

Contents = Mapping[str, Path | bytes]
"""Files of a result by their endings: paths of files, or their content."""


class ObjectStore(RemoteStore):
    """Results in a bucket. The key of a result is the name of its summary without `.json`.

    Args:
        bucket: the bucket, with the prefix of the store.
    """

    def __init__(self, bucket: Bucket) -> None:
        self.bucket = bucket
        self._modified: dict[str, float] = {}
        """When each summary was written, as of the last `versions`."""

    @contextmanager
    def draft(self) -> Iterator[Draft]:
        """Context manager: yield a draft on this machine for the rows of a run.

        Raises:
            InputError: if the bucket is not writable.
        """
        self.bucket.write(PROBE, b"")
        with tempfile.TemporaryDirectory(prefix="rewardbench-") as folder:
            draft = Draft(Path(folder))
            try:
                yield draft
            finally:
                draft.discard()

    def put(self, result: Result, suite: Suite, draft: Draft | None = None, key: str | None = None) -> str:
        """Write a result atomically.

        Args:
            result: the result; without a draft, its items must contain their texts.
            suite: its suite.
            draft: rows that have been written already.
            key: where a result is replaced, whatever it is of; None: the first free key of the model.

        Returns:
            The address of its summary.

        Raises:
            InputError: if it cannot be written.
        """
        if draft is None:
            with self.draft() as new_draft:
                new_draft.fill(result, suite)
                return self.put(result, suite, new_draft, key)
        summary = draft.finish(result)
        contents: dict[str, Path | bytes] = {files.JSON_ROWS: draft.rows.path}
        if not draft.answers.is_empty():
            contents[files.ANSWERS] = draft.answers.path
        key = self._write(summary, contents, safe_name(result.model).as_posix(), key=key)
        return f"{self.bucket.address}/{key}.json"

    def add(self, entries: Iterable[PackedResult], replace: bool = True) -> Sequence[str]:
        """Write packed results, and return their keys.

        Raises:
            InputError: if one cannot be written, or, without `replace`, a stored result would change.
        """
        keys: list[str] = []
        for entry in entries:
            summary, table, answers = PackedResult(*entry)
            contents: dict[str, Path | bytes] = {}
            if table is not None:
                contents[files.TABLE] = table
            if answers is not None:
                contents[files.PACKED_ANSWERS] = answers
            keys.append(self._write(summary, contents, str(summary["model"]), replace))
        return keys

    def _write(
        self, summary: SummaryJson, contents: Contents, name: str, replace: bool = True, key: str | None = None
    ) -> str:
        """Write the files of a result, then its summary; return its key.

        Args:
            summary: the summary, with the hashes of the other files.
            contents: the other files.
            name: name of the model in the store.
            replace: whether a stored result may change.
            key: where a result is replaced, whatever it is of; None: the first free key of the model.

        Raises:
            InputError: if it cannot be written, or, without `replace`, a stored result would change.
        """
        place, document = key, results.dump(summary, indent=2).encode()
        keys = keys_of({**summary, "model": name})
        identity = results.identity(summary)
        for _ in range(MOST_CONFLICTS):
            key, mark = self._choose_key(keys, identity) if place is None else self._mark_of(place)
            if not replace and mark and self.bucket.read(f"{key}.json") != document:
                raise InputError(f"{key} is in {self.bucket.address} already: it was not replaced.")
            for ending, content in contents.items():
                self._write_content(files.content_name(key, ending, _hash_in(summary, ending)), content)
            if self.bucket.replace(f"{key}.json", document, mark):
                self._delete_unused(key, summary)
                return key
        raise InputError(f"Other writers change {keys[0]} in {self.bucket.address} all the time: try again later.")

    def _write_content(self, name: str, content: Path | bytes) -> None:
        if isinstance(content, Path):
            self.bucket.upload(content, name)
        else:
            self.bucket.write(name, content)

    def _choose_key(self, keys: Sequence[str], identity: str) -> tuple[str, str | None]:
        """Return the key of a result, and the mark of the summary that it replaces; None if the key is free.

        Raises:
            InputError: if no key is free.
        """
        marks: dict[str, str | None] = {}

        def identity_at(key: str) -> str | None:
            current = self.bucket.info(f"{key}.json")
            marks[key] = current.mark if current else None
            return self._identity(key) if current else None

        key = choose_key(keys, identity, identity_at)
        if key is None:
            raise InputError(f"{keys[-1]} is in the way of this result in {self.bucket.address}: rename it.")
        return key, marks[key]

    def _mark_of(self, key: str) -> tuple[str, str | None]:
        """Return a key, and the mark of the summary that is replaced there; None if the key is free.

        Raises:
            InputError: if the object with the key is not a result.
        """
        current = self.bucket.info(f"{key}.json")
        if current and not self._identity(key):
            raise InputError(f"{key}.json in {self.bucket.address} is not a result: pass another --name.")
        return key, current.mark if current else None

    def _identity(self, key: str) -> str:
        """Return the identity of the result with a key; empty if it is not a result."""
        try:
            return results.identity(results.read_summary(self._copy(f"{key}.json")))
        except Unreachable:
            raise
        except InputError:
            return ""

    def _delete_unused(self, key: str, summary: SummaryJson) -> None:
        """Delete files of earlier versions of a result, unless they are recent: another writer may need them.

        Ages are measured by the clock of the server.
        """
        objects = self.bucket.list(key.rpartition("/")[0])
        now = objects[f"{key}.json"].modified if f"{key}.json" in objects else 0.0
        used = files.names_of(key, summary)
        unused: list[str] = []
        for name, properties in objects.items():
            is_old = 0 < properties.modified < now - ABANDONED
            if is_old and name not in used and files.is_content_name(name, key):
                unused.append(name)
        self.bucket.delete(unused)

    def versions(self) -> dict[str, str]:
        """Return the keys of all files that may be results, each with a mark that changes when its files change."""
        marks: dict[str, str] = {}
        for name, properties in self.bucket.list().items():
            key, _, kind = name.rpartition(".")
            if kind == "json":
                marks[key] = properties.mark.strip('"')
                self._modified[key] = properties.modified
        return with_verdicts(marks)

    def path(self, key: str) -> Path:
        """Return the path of a local copy of the summary with a key; its scores are next to it.

        Raises:
            InputError: if there is no such result.
        """
        path = files.fetch_result(self.bucket, key)
        if modified := self._modified.get(key):
            os.utime(path, (modified, modified))
        return path

    def fetch_answers(self, key: str) -> Path | None:
        """Copy the raw answers of a judge next to the copy of its summary; return None if it has none."""
        path = files.fetch_result(self.bucket, key, with_answers=True)
        places = (results.answers_path(path), results.packed_answers_path(path))
        return next(filter(Path.is_file, places), None)

    def delete(self, key: str) -> None:
        """Delete a result and its verdict, the summary first.

        Raises:
            InputError: if there is no such result.
        """
        self._read_existing(key)
        contents = [name for name in self.bucket.list(key.rpartition("/")[0]) if files.is_content_name(name, key)]
        self.bucket.delete([f"{key}.json", f"{VERDICTS}{key}.json", *contents])

    def rename(self, key: str, new: str) -> None:
        """Change the key of a result and its verdict; at every moment the result is complete under one of the keys.

        Raises:
            InputError: if there is no such result, or the new key is taken.
        """
        document = self._read_existing(key)
        for name in self.bucket.list(key.rpartition("/")[0]):
            if files.is_content_name(name, key) and (content := self.bucket.read(name)):
                self.bucket.write(f"{new}{name.removeprefix(key)}", content)
        verdict = self.bucket.read(f"{VERDICTS}{key}.json")
        if not self.bucket.replace(f"{new}.json", document, None):
            raise InputError(f"There is a result {new!r} in {self.bucket.address} already; delete it first.")
        if verdict is not None:
            self.bucket.write(f"{VERDICTS}{new}.json", verdict)
        self.delete(key)

    def _read_existing(self, key: str) -> bytes:
        document = self.bucket.read(f"{key}.json")
        if document is None:
            raise InputError(f"There is no result {key!r} in {self.bucket.address}.")
        return document

    def load(self, name: str) -> Path | None:
        """Return the path of a local copy of another file (the index, a verdict), or None if it does not exist."""
        try:
            return self._copy(name)
        except FileNotFoundError:
            return None

    def _copy(self, name: str) -> Path:
        """Copy an object to this machine.

        Raises:
            FileNotFoundError: if it does not exist.
        """
        content = self.bucket.read(name)
        if content is None:
            raise FileNotFoundError(name)
        path = files.copy_folder(self.bucket) / hashlib.sha256(content).hexdigest()[: files.DIGITS] / name
        if not path.is_file():
            write_whole(path, content)
        return path

    def save(self, name: str, content: bytes, note: str = "") -> None:
        """Write such a file; `note` is not used."""
        self.bucket.write(name, content)

    def _local_index(self) -> Path:
        return files.copy_folder(self.bucket) / INDEX


def _hash_in(summary: SummaryJson, ending: str) -> str:
    """Return the hash that a summary contains of one of its files."""
    is_rows = ending in files.ROWS_ENDINGS
    return str(summary.get(results.OUTPUTS_HASH if is_rows else results.ANSWERS_HASH))
