"""Read and pack the raw answers of a judge, from which its scores can be recomputed.

A run writes `{model}_answers.jsonl` next to its summary; a published result has the same lines in
`{model}_answers.jsonl.gz`, without what identifies the machine of the run. The summary has the hash of the lines.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, cast

from pydantic import ValidationError

from rewardbench.console.strict_json import dump
from rewardbench.errors import InputError
from rewardbench.results.files import ANSWERS_HASH, answers_path, packed_answers_path
from rewardbench.results.schema import LONGEST_ROW_TEXT
from rewardbench.results.types import SummaryJson
from rewardbench.scorers.judge.answers import Answer
from rewardbench.scorers.judge.verdicts import AnswerRow, answers_row, read_answers_rows

MOST_BYTES = 64 * 2**20
"""Maximum size of a packed file."""
MOST_UNPACKED = 512 * 2**20
"""Maximum size of all lines."""
LONGEST_LINE = 16 * 2**20
"""Maximum size of a line: an answer with its logprobs."""
LEVEL = 3
"""Level of the compression: higher ones take much longer, and save little."""


def find_answers(path: Path) -> Path | None:
    """Return the file with the answers of the result whose summary is at `path`, or None."""
    return next(filter(Path.is_file, (answers_path(path), packed_answers_path(path))), None)


def read_answers(path: Path, summary: SummaryJson) -> Iterator[AnswerRow]:
    """Yield the answers of a result, which may be untrusted, within limits on their size.

    Args:
        path: path of the summary.
        summary: content of the summary, with the hash of the answers.

    Raises:
        InputError: if there are none, a line cannot be read, a limit is exceeded, or the hash differs (at the end).
    """
    answers_file = find_answers(path)
    if answers_file is None:
        raise InputError(f"There are no raw answers next to {path.name}: submit {answers_path(path).name} with it.")
    digest = hashlib.sha256()
    with _open(answers_file) as file:
        for number, line in enumerate(_lines(file, answers_file), 1):
            digest.update(line)
            yield _parse(line, answers_file, number)
    if digest.hexdigest() != summary.get(ANSWERS_HASH):
        raise InputError(f"{answers_file.name} does not have the {ANSWERS_HASH} that its summary states.")


@contextmanager
def _open(answers_file: Path) -> Iterator[BinaryIO]:
    """Context manager: open a file of answers.

    Raises:
        InputError: if it is too large, or cannot be read.
    """
    try:
        size = answers_file.stat().st_size
        most = MOST_BYTES if answers_file.suffix == ".gz" else MOST_UNPACKED
        if size > most:
            raise InputError(
                f"{answers_file.name} was not read: it has {size:,} bytes, and answers have at most {most:,}."
            )
        with gzip.open(answers_file, "rb") if answers_file.suffix == ".gz" else answers_file.open("rb") as file:
            yield cast("BinaryIO", file)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(
            f"{answers_file.name} cannot be read as a file of answers ({type(error).__name__})."
        ) from error


def _lines(file: BinaryIO, answers_file: Path) -> Iterator[bytes]:
    """Yield lines until a limit is exceeded.

    Raises:
        InputError: if one is.
    """
    size = 0
    while line := file.readline(LONGEST_LINE + 1):
        size += len(line)
        if len(line) > LONGEST_LINE:
            raise InputError(f"{answers_file.name} was not read: a line has more than {LONGEST_LINE:,} bytes.")
        if size > MOST_UNPACKED:
            raise InputError(f"{answers_file.name} was not read: its lines have more than {MOST_UNPACKED:,} bytes.")
        yield line


def _parse(line: bytes, answers_file: Path, number: int) -> AnswerRow:
    try:
        (row,) = read_answers_rows([line])
    except ValidationError as error:
        details = error.errors(include_url=False)[0]
        field = ".".join(map(str, details["loc"])) or "it"
        raise InputError(
            f"{answers_file.name}, line {number}: {ascii(field)[1:-1][:80]} is not that of an answer."
        ) from error
    if len(row.id) > LONGEST_ROW_TEXT:
        raise InputError(f"{answers_file.name}, line {number}: the id is too long.")
    return row


def pack_answers(path: Path, summary: SummaryJson) -> tuple[bytes, str] | None:
    """Pack the answers of a result for publication; None if its summary names none.

    Errors of the server, and a model that is named by a path, are left out, since they may name a machine.

    Args:
        path: path of the summary.
        summary: content of the summary.

    Returns:
        The packed file, and the hash of its lines.

    Raises:
        InputError: if they cannot be read, or are too large.
    """
    if summary.get(ANSWERS_HASH) is None:
        return None
    out, digest = io.BytesIO(), hashlib.sha256()
    with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=LEVEL, mtime=0) as file:
        for row in read_answers(path, summary):
            line = dump(answers_row(row.id, row.shown, row.repeat, _public(row.answer))).encode("ascii")
            digest.update(line)
            file.write(line)
    content = out.getvalue()
    if len(content) > MOST_BYTES:
        raise InputError(f"The packed answers of {path.name} have {len(content):,} bytes; the limit is {MOST_BYTES:,}.")
    return content, digest.hexdigest()


def _public(answer: Answer) -> Answer:
    is_path = answer.model.count("/") > 1 or answer.model.startswith(("/", ".", "~")) or "\\" in answer.model
    return replace(answer, detail="", model="" if is_path else answer.model)
