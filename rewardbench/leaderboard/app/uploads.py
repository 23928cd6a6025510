"""Manage the folder of uploaded files: limit its size, and check the paths that requests name."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import time
from pathlib import Path

from rewardbench.results import JsonObject

MOST_FILE = 64 * 2**20
"""Maximum size of a file, in bytes."""
MOST_REQUEST = MOST_FILE + 2**20
"""Maximum size of an upload, in bytes: scores and summary, with the multipart overhead."""
MOST_FILES = 3
"""Files in one upload: the summary, the scores, and the answers of a judge."""
MOST_STORED = 2**30
"""Bytes that the folder may hold, not counting uploads in progress."""
LONGEST_KEPT, SHORTEST_KEPT = 3_600.0, 300.0
"""Seconds until an uploaded file is deleted: normally, and when the folder is full."""
LONGEST_TEXT = 2_000
DEEPEST = 4


class RejectedError(Exception):
    """Raised to reject a request; its text is a one-line error for the client.

    Args:
        status: HTTP status of the response.
        reason: the text.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Uploads:
    """Private folder of uploaded files, which Gradio writes to; `close` deletes it."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="rewardbench-uploads-")).resolve()
        os.environ["GRADIO_TEMP_DIR"] = str(self.folder)

    def close(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def has_room(self, size: int) -> bool:
        """Delete old files, and return True if a file of `size` bytes may be added."""
        return self.sweep(LONGEST_KEPT) + size <= MOST_STORED or self.sweep(SHORTEST_KEPT) + size <= MOST_STORED

    def sweep(self, keep: float) -> int:
        """Delete files older than `keep` seconds, also parts of broken uploads, and return the bytes that remain."""
        oldest = time.time() - keep
        total = 0
        for folder, _, names in os.walk(self.folder, topdown=False):
            for name in names:
                place = os.path.join(folder, name)
                try:
                    status = os.lstat(place)
                    if status.st_mtime < oldest:
                        os.unlink(place)
                    else:
                        total += status.st_size
                except FileNotFoundError:
                    continue
            if folder != str(self.folder):
                _remove_empty(folder, oldest)
        return total

    def inputs(self, value: object, depth: int = 0) -> object:
        """Return the validated inputs of an event: plain values, and uploaded files.

        Raises:
            RejectedError: for anything else.
        """
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, str) and len(value) <= LONGEST_TEXT:
            return value
        if isinstance(value, list) and len(value) <= 2 * MOST_FILES and depth < DEEPEST:
            return [self.inputs(inner, depth + 1) for inner in value]
        if isinstance(value, dict) and isinstance(value.get("path"), str):
            return self._file(value["path"], value)
        raise RejectedError(400, "The request has inputs that this page does not send.")

    def _file(self, path: str, description: JsonObject) -> JsonObject:
        """Return the description of an uploaded file; only path and display name come from the request."""
        try:
            real = Path(os.path.realpath(path, strict=True))
            status = os.lstat(path)
        except (OSError, ValueError) as error:
            raise RejectedError(403, NOT_UPLOADED) from error
        is_upload = stat.S_ISREG(status.st_mode) and status.st_nlink == 1  # a file with two names was not uploaded
        if str(real) != path or not real.is_relative_to(self.folder) or not is_upload:
            raise RejectedError(403, NOT_UPLOADED)
        if status.st_size > MOST_FILE:
            raise RejectedError(
                413, f"A file of {status.st_size:,} bytes is too large: the limit is {MOST_FILE:,} bytes."
            )
        name = description.get("orig_name")
        return {
            "path": path,
            "orig_name": name[:200] if isinstance(name, str) else real.name,
            "size": status.st_size,
            "meta": {"_type": "gradio.FileData"},
        }


NOT_UPLOADED = "The file is not on the server. Upload it again."


def _remove_empty(folder: str, oldest: float) -> None:
    """Remove a folder if it is old and empty; a recent one may belong to an upload in progress."""
    try:
        if os.stat(folder).st_mtime < oldest:
            os.rmdir(folder)
    except OSError:
        return
