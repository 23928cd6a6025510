"""Name the files of a result in a bucket, and copy them to this machine.

A result is its summary, `{key}.json`, and files named by their content, such as `{key}_outputs.{hash}.jsonl`. They are
never changed, and written before the summary that contains their hashes: whoever reads a summary finds its files.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from pathlib import Path

from rewardbench.errors import InputError
from rewardbench.paths import cache_dir, home_path, write_whole
from rewardbench.paths.objects import Bucket, is_object_address
from rewardbench.results.files import ANSWERS_HASH, OUTPUTS_HASH
from rewardbench.results.types import JsonObject

JSON_ROWS, TABLE, ANSWERS, PACKED_ANSWERS = "_outputs.jsonl", ".parquet", "_answers.jsonl", "_answers.jsonl.gz"
"""Endings of the files of a result: rows of a run, published scores, raw answers of a judge, the same packed."""
ROWS_ENDINGS, ANSWERS_ENDINGS = (JSON_ROWS, TABLE), (ANSWERS, PACKED_ANSWERS)
DIGITS = 16
"""Hexadecimal digits of the hash in a name."""


def content_name(key: str, ending: str, digest: str) -> str:
    """Return the name of a file of a result.

    >>> content_name("org/m", JSON_ROWS, "0123456789abcdef0123"), content_name("org/m", TABLE, "0123456789abcdef0123")
    ('org/m_outputs.0123456789abcdef.jsonl', 'org/m.0123456789abcdef.parquet')
    """
    stem, _, extension = ending.partition(".")
    return f"{key}{stem}.{digest[:DIGITS]}.{extension}"


def is_content_name(name: str, key: str) -> bool:
    """Return True if a file belongs to a version of the result with a key.

    >>> is_content_name("m_outputs.0123456789abcdef.jsonl", "m"), is_content_name("m.core-01234567.json", "m")
    (True, False)
    """
    pattern = rf"{re.escape(key)}(_outputs|_answers)?\.[0-9a-f]{{{DIGITS}}}\.(jsonl|parquet|jsonl\.gz)"
    return re.fullmatch(pattern, name) is not None


def names_of(key: str, summary: JsonObject) -> list[str]:
    """Return the names that the files of a summary may have."""
    names: list[str] = []
    for field, endings in ((OUTPUTS_HASH, ROWS_ENDINGS), (ANSWERS_HASH, ANSWERS_ENDINGS)):
        digest = summary.get(field)
        if isinstance(digest, str):
            names += [content_name(key, ending, digest) for ending in endings]
    return names


def copy_folder(bucket: Bucket) -> Path:
    """Return the folder on this machine for copies of the files of a bucket."""
    return cache_dir() / "objects" / hashlib.sha256(bucket.address.encode()).hexdigest()[:DIGITS]


def fetch_result(bucket: Bucket, key: str, with_answers: bool = False) -> Path:
    """Copy a result to this machine, unless this version of it has been copied before.

    Args:
        bucket: where the result is.
        key: its key.
        with_answers: copy the raw answers of a judge too.

    Returns:
        The path of its summary; its scores are next to it. Each version has a folder of its own.

    Raises:
        InputError: if there is no such result, or it cannot be read.
    """
    previous = None
    while True:
        content = bucket.read(f"{key}.json")
        if content is None:
            raise InputError(f"There is no result {key!r} in {bucket.address}; `rewardbench index` lists the keys.")
        version = copy_folder(bucket) / hashlib.sha256(content).hexdigest()[:DIGITS]
        path = version / f"{key}.json"
        if not path.is_file():
            write_whole(path, content)
        is_complete = _fetch_content(bucket, key, path, OUTPUTS_HASH, ROWS_ENDINGS)
        if with_answers:
            is_complete &= _fetch_content(bucket, key, path, ANSWERS_HASH, ANSWERS_ENDINGS)
        if is_complete or content == previous:  # a reader of the result reports a missing file
            return path
        previous = content  # another writer may have replaced the result


def _fetch_content(bucket: Bucket, key: str, path: Path, field: str, endings: tuple[str, ...]) -> bool:
    """Copy the file whose hash a summary contains next to the summary; return False if it does not exist."""
    try:
        summary = json.loads(path.read_bytes())
        digest = summary.get(field)
    except (ValueError, AttributeError, RecursionError):
        return True  # not a summary
    if not isinstance(digest, str):
        return True
    for ending in endings:
        place = path.with_name(f"{path.stem}{ending}")
        if place.is_file():
            return True
        for name in (content_name(key, ending, digest), f"{key}{ending}"):  # the latter of a folder that was copied
            partial = place.with_name(f".{place.name}.{secrets.token_hex(4)}")
            try:
                if bucket.download(name, partial):
                    partial.replace(place)
                    return True
            finally:
                partial.unlink(missing_ok=True)
    return False


def local_result(source: str | Path) -> Path:
    """Return the local path of a result: of one in a bucket, that of its copy.

    Args:
        source: a path, or an address such as `s3://bucket/results/org/model.json`.

    Raises:
        InputError: if it is the address of anything else, or cannot be read.
    """
    if isinstance(source, Path) or not is_object_address(source):
        return home_path(source)
    folder, _, name = source.rpartition("/")
    if not name.endswith(".json"):
        raise InputError(f"{source} is not the address of a result: it must end with .json.")
    return fetch_result(Bucket(folder), name.removesuffix(".json"), with_answers=True)
