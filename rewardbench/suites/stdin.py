"""Copy standard input, or a pipe, to a temporary file whose name has the suffix of its format."""

from __future__ import annotations

import gzip
import hashlib
import io
import shutil
import sys
import tempfile
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from rewardbench.errors import InputError

STDIN = "-"
"""The dataset that is read from standard input."""
_HEAD = 2**16


@dataclass(frozen=True)
class StreamCopy:
    """A copy of a stream, which exists as long as the process."""

    path: Path
    sha256: str


@lru_cache(maxsize=8)
def copy_stream(name: str) -> StreamCopy:
    """Copy standard input ("-") or a named pipe to a file, once per process.

    Raises:
        InputError: if nothing is piped into standard input, or the copy fails.
    """
    if name != STDIN:
        with Path(name).open("rb") as pipe:
            return _copy(pipe)
    stream = getattr(sys.stdin, "buffer", None)
    if stream is None or sys.stdin.isatty():
        raise InputError("--dataset - reads standard input, and nothing is piped into it: cat FILE | rewardbench ...")
    return _copy(stream)


_folder: list[tempfile.TemporaryDirectory[str]] = []


def _copy(stream: BinaryIO) -> StreamCopy:
    spooled = _temporary_folder() / "spooled"
    digest = hashlib.sha256()
    try:
        with spooled.open("wb") as copy:
            while block := stream.read(2**20):
                digest.update(block)
                copy.write(block)
        path = spooled.with_name(f"{digest.hexdigest()[:12]}{_find_format(spooled)}")
        shutil.move(spooled, path)
    except OSError as error:
        raise InputError(f"Standard input cannot be copied to {spooled.parent}: {error.strerror or error}.") from error
    return StreamCopy(path, digest.hexdigest())


def unpack(path: Path) -> Path:
    """Decompress a .gz file to a temporary file, once per process unless it changes, and return its path.

    Raises:
        OSError, EOFError, zlib.error: if the file is damaged, or cannot be copied.
    """
    stored = path.stat()
    key = f"{path.resolve()} {stored.st_mtime_ns} {stored.st_size}".encode(errors="surrogateescape")
    unpacked = _temporary_folder() / hashlib.sha256(key).hexdigest()[:12] / path.stem
    if not unpacked.is_file():
        unpacked.parent.mkdir(exist_ok=True)
        draft = unpacked.with_name(f"{path.stem}.partial")
        with gzip.open(path, "rb") as file, draft.open("wb") as copy:
            shutil.copyfileobj(file, copy, 2**20)
        draft.replace(unpacked)
    return unpacked


def _temporary_folder() -> Path:
    """Return a folder that is removed when the process ends."""
    if not _folder:
        _folder.append(tempfile.TemporaryDirectory(prefix="rewardbench-stdin-"))
    return Path(_folder[0].name)


def _find_format(path: Path) -> str:
    """Detect the format from the first bytes, and return its suffix."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if head.startswith(b"PAR1"):
        return ".parquet"
    if head.startswith(b"ARROW1"):
        return ".arrow"
    if head.startswith(b"\x1f\x8b"):
        return f"{_find_text_format(_unpack_head(head))}.gz"
    return _find_text_format(head)


def _unpack_head(head: bytes) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(head)) as file:
            return file.read1(_HEAD)
    except (OSError, EOFError, zlib.error):
        return b""


def _find_text_format(head: bytes) -> str:
    r"""Detect the format of text.

    >>> [_find_text_format(head) for head in (b'{"a": 1}', b'[{"a": 1}]', b"a,b", b"a\tb")]
    ['.jsonl', '.json', '.csv', '.tsv']
    """
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    first_line = text.partition(b"\n")[0].rstrip()
    if text.startswith(b"{"):
        return ".jsonl" if first_line.endswith(b"}") or len(first_line) == len(text) == _HEAD else ".json"
    if text.startswith(b"["):
        return ".json"
    return ".tsv" if b"\t" in first_line and b"," not in first_line else ".csv"
