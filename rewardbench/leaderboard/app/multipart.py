"""Read the multipart body of an upload strictly, and write it again in one form.

Gradio's parser answers some malformed bodies with status 500, and keeps their files. It reads what is written here.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable

from rewardbench.leaderboard.app.uploads import KINDS, MOST_FILES, RejectedError
from rewardbench.results import stated

LARGEST_PART_HEAD = 4_096
"""Maximum size of the headers of a file, in bytes."""
LONGEST_NAME = 200
"""Maximum length of the name of a file, in bytes."""
_CONTENT_TYPE = re.compile(r'multipart/form-data\s*;\s*boundary="?([A-Za-z0-9\'()+_,./:=?-]{1,70})"?\s*', re.IGNORECASE)
_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*")
_DISPOSITION = re.compile(r'form-data\s*;\s*name="files"\s*;\s*filename="([^"]*)"', re.IGNORECASE)
_ENDED_EARLY = "The upload ended before its last boundary."
_NO_BOUNDARY = "The upload does not begin with its boundary, or a boundary in it is incomplete."


def boundary_of(content_type: str) -> bytes:
    """Return the boundary that a Content-Type header states.

    Raises:
        RejectedError: if it is not that of an upload.
    """
    match = _CONTENT_TYPE.fullmatch(content_type)
    if match is None:
        raise RejectedError(415, "An upload must be multipart/form-data with a boundary.")
    return match[1].encode()


class MultipartWriter:
    """Write a multipart body again while its bytes arrive: files only, each with its name and no other header.

    Args:
        boundary: boundary of the body that is read.
    """

    def __init__(self, boundary: bytes) -> None:
        self.boundary = secrets.token_hex(16)
        """Boundary of the body that is written."""
        self.names: list[str] = []
        """Names of the files so far."""
        self._delimiter = b"\r\n--" + boundary
        self._buffer = bytearray(b"\r\n")  # the first boundary has no line break before it
        self._read_next: Callable[[bytearray], bool] = self._read_boundary

    def feed(self, data: bytes) -> bytes:
        """Read the next bytes, and return what is written for them.

        Raises:
            RejectedError: if the body is malformed, or has something other than files of results.
        """
        self._buffer += data
        written = bytearray()
        while self._read_next(written):
            pass
        return bytes(written)

    def finish(self) -> None:
        """Check that the body is complete.

        Raises:
            RejectedError: if it ended early, or has no file.
        """
        if self._read_next != self._read_end:
            raise RejectedError(400, _ENDED_EARLY)
        if not self.names:
            raise RejectedError(400, "The upload has no file.")

    def _read_boundary(self, written: bytearray) -> bool:
        """Read the boundary before a part, or the last one. Return True if another step may follow."""
        size = len(self._delimiter)
        if not self._delimiter.startswith(self._buffer[:size]):
            raise RejectedError(400, _NO_BOUNDARY)
        if len(self._buffer) < size + 2:
            return False
        end = bytes(self._buffer[size : size + 2])
        del self._buffer[: size + 2]
        if end == b"--":
            written += f"--{self.boundary}--\r\n".encode()
            self._read_next = self._read_end
        elif end == b"\r\n":
            self._read_next = self._read_head
        else:
            raise RejectedError(400, _NO_BOUNDARY)
        return True

    def _read_head(self, written: bytearray) -> bool:
        """Read the headers of a part."""
        if self._buffer.startswith(b"\r\n"):
            raise RejectedError(400, "A part of the upload has no headers.")
        size = self._buffer.find(b"\r\n\r\n", 0, LARGEST_PART_HEAD)
        if size < 0:
            if len(self._buffer) >= LARGEST_PART_HEAD:
                raise RejectedError(431, "The headers of an uploaded file are too large.")
            return False
        if len(self.names) == MOST_FILES:
            raise RejectedError(400, f"An upload has at most {MOST_FILES} files.")
        name = _file_name(bytes(self._buffer[:size]))
        self.names.append(name)
        del self._buffer[: size + 4]
        head = f'--{self.boundary}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'
        written += head.encode()
        self._read_next = self._read_data
        return True

    def _read_data(self, written: bytearray) -> bool:
        """Read the content of a file up to the next boundary, which may begin in these bytes and end in later ones."""
        end = self._buffer.find(self._delimiter)
        size = end if end >= 0 else max(0, len(self._buffer) - len(self._delimiter) + 1)
        written += self._buffer[:size]
        del self._buffer[:size]
        if end < 0:
            return False
        written += b"\r\n"
        self._read_next = self._read_boundary
        return True

    def _read_end(self, _: bytearray) -> bool:
        """Read what follows the last boundary: at most a line break."""
        if not b"\r\n".startswith(self._buffer):
            raise RejectedError(400, "The upload continues after its last boundary.")
        return False


def _file_name(head: bytes) -> str:
    """Return the name of a file, without folders.

    Args:
        head: headers of the part.

    Raises:
        RejectedError: if the part is not a file, or has a name that no file of a result has.
    """
    try:
        lines = head.decode().split("\r\n")
    except UnicodeDecodeError as error:
        raise RejectedError(400, "The name of an uploaded file is not UTF-8.") from error
    headers: dict[str, str] = {}
    for line in lines:
        match = _HEADER.fullmatch(line)
        if match is None or match[1].lower() in headers:
            raise RejectedError(400, "A part of the upload has malformed headers.")
        headers[match[1].lower()] = match[2]
    if headers.get("content-type", "").lower().startswith("multipart/"):
        raise RejectedError(400, "A part of the upload is a multipart body itself.")
    disposition = _DISPOSITION.fullmatch(headers.get("content-disposition", ""))
    if disposition is None:
        raise RejectedError(400, 'Each part of an upload must be a file: name="files"; filename="...".')
    name = re.split(r"[/\\]", disposition[1])[-1]
    if len(name.encode()) > LONGEST_NAME or stated.has_hidden(name):
        raise RejectedError(
            400, f"The name of an uploaded file has hidden characters, or more than {LONGEST_NAME} bytes."
        )
    if not name.endswith(KINDS):
        raise RejectedError(400, f"A file of a result is {', '.join(KINDS[:-1])} or {KINDS[-1]}.")
    return name
