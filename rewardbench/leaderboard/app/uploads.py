"""Uploaded files: the one folder they are in, how much it holds, and which paths a request may name."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MOST_FILE = 64 * 2**20
"""Bytes of the largest file."""
MOST_REQUEST = MOST_FILE + 2**20
"""Bytes of the largest upload: scores and a summary, with what multipart adds."""
MOST_FILES = 2
"""Files of one upload: the summary and the scores."""
MOST_STORED = 2**30
"""Bytes that the folder holds, beside uploads that are under way."""
LONGEST_KEPT, SHORTEST_KEPT = 3_600.0, 300.0
"""Seconds after which an uploaded file is deleted: as a rule, and where the folder is full."""
LONGEST_TEXT = 2_000
DEEPEST = 4


class Refused(Exception):
    """Raised for a request that is not answered; its text is one sentence for the client.

    Args:
        status: HTTP status of the answer.
        reason: the sentence.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Uploads:
    """A private folder for uploaded files, deleted by `close`. Gradio writes into it."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="rewardbench-uploads-")).resolve()
        os.environ["GRADIO_TEMP_DIR"] = str(self.folder)

    def close(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def has_room(self, size: int) -> bool:
        """Delete old files. Return True if a file of `size` bytes may be added."""
        return any(self.sweep(keep) + size <= MOST_STORED for keep in (LONGEST_KEPT, SHORTEST_KEPT))

    def sweep(self, keep: float) -> int:
        """Delete files older than `keep` seconds, also parts of broken uploads. Return the bytes that are left."""
        oldest = time.time() - keep
        total = 0
        for folder, _, names in os.walk(self.folder, topdown=False):
            for name in names:
                place = os.path.join(folder, name)
                try:
                    about = os.lstat(place)
                    if about.st_mtime < oldest:
                        os.unlink(place)
                    else:
                        total += about.st_size
                except FileNotFoundError:
                    continue
            if folder != str(self.folder):
                _remove_empty(folder, oldest)
        return total

    def inputs(self, value: Any, depth: int = 0) -> Any:
        """Return the inputs of an event as they may be passed on: plain values, and files that were uploaded.

        Raises: Refused for anything else.
        """
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, str) and len(value) <= LONGEST_TEXT:
            return value
        if isinstance(value, list) and len(value) <= 2 * MOST_FILES and depth < DEEPEST:
            return [self.inputs(each, depth + 1) for each in value]
        if isinstance(value, dict) and isinstance(value.get("path"), str):
            return self._file(value["path"], value)
        raise Refused(400, "The request holds inputs that the page does not send.")

    def _file(self, path: str, about: Mapping[str, Any]) -> dict[str, Any]:
        """Describe an uploaded file anew; of the request only its path and its shown name are kept."""
        try:
            real = Path(os.path.realpath(path, strict=True))
            status = os.lstat(path)
        except (OSError, ValueError) as error:
            raise Refused(403, NOT_UPLOADED) from error
        if str(real) != path or not real.is_relative_to(self.folder) or not stat.S_ISREG(status.st_mode):
            raise Refused(403, NOT_UPLOADED)
        if status.st_size > MOST_FILE:
            raise Refused(413, f"A file of {status.st_size:,} bytes is too large: at most {MOST_FILE:,} are read.")
        shown = about.get("orig_name")
        return {
            "path": path,
            "orig_name": shown[:200] if isinstance(shown, str) else real.name,
            "size": status.st_size,
            "meta": {"_type": "gradio.FileData"},
        }


NOT_UPLOADED = "The request names a file that was not uploaded: upload it again."


def _remove_empty(folder: str, oldest: float) -> None:
    """Remove an old folder if it is empty; one that an upload is about to fill stays."""
    try:
        if os.stat(folder).st_mtime < oldest:
            os.rmdir(folder)
    except OSError:
        return
