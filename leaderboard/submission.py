"""Uploaded files in, what is wrong with them out; only where nothing is, a submission. Nothing is written before."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from library import Library
from markup import esc

from rewardbench import columns, results
from rewardbench.board import Row
from rewardbench.scored import Scored
from rewardbench.store.hub import HubStore
from rewardbench.store.local import Entry
from rewardbench.submit import card, pack, shown
from rewardbench.types import InputError
from rewardbench.verify import Finding, check_packed, refuse_broken, verdict_of

MOST_OTHERS = 200
"""Models of the suite that a copy is looked for among, the best first; `rewardbench verify` looks at all."""


@dataclass(frozen=True)
class Looked:
    """What was found, and the result as it would be sent; without it where it cannot be."""

    findings: tuple[Finding, ...]
    entry: Entry | None = None


def look(library: Library, files: Sequence[str], name: str = "") -> Looked:
    """Look through an upload of a summary and its scores; nothing outside a temporary folder is written."""
    try:
        with _as_result(files) as path:
            refuse_broken(path)
            entry = pack(path, name.strip() or None)
        return _checked(library, entry)
    except InputError as error:
        return Looked((Finding("refused", str(error)),))


@contextmanager
def _as_result(files: Sequence[str]) -> Iterator[Path]:
    """The uploaded files under names of ours. Raises: InputError where they are not the two files of a result."""
    kinds = {Path(file).suffix: file for file in files}
    rows = kinds.get(".jsonl") or kinds.get(".parquet")
    if len(files) != 2 or ".json" not in kinds or rows is None:
        raise InputError("Upload the two files of a result: model.json, and model_outputs.jsonl or model.parquet.")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "result.json")
        place = results.table_path(path) if rows.endswith(".parquet") else results.outputs_path(path)
        for source, target in ((kinds[".json"], path), (rows, place)):
            if Path(source).stat().st_size > 8 * columns.MOST_BYTES:
                raise InputError(f"A file of {Path(source).stat().st_size:,} bytes is no result: it was not read.")
            shutil.copyfile(source, target)
        yield path


def _checked(library: Library, entry: Entry) -> Looked:
    found = check_packed(entry, _others(library, entry[0]), [row.model for row in library.rows().rows])
    verdict = verdict_of(found)
    takes = verdict == "passed" or (verdict == "flagged" and isinstance(library.store, HubStore))  # there people look
    return Looked(tuple(found), entry if takes else None)


def _others(library: Library, summary: Mapping[str, Any]) -> list[Scored]:
    rows: list[Row] = [row for row in library.rows().of(str(summary["suite"])) if row.ids][:MOST_OTHERS]
    found = []
    for row in rows:
        with suppress(InputError):  # one that cannot be read is nobody's reason to wait
            found.append(library.items(row))
    return found


def send(library: Library, looked: Looked) -> str:
    """Submit what was looked through. Raises: InputError where the store does not take it."""
    assert looked.entry is not None
    if isinstance(library.store, HubStore):
        return f"A pull request was opened: {library.store.propose([looked.entry], card(looked.entry))}"
    keys = library.store.add([looked.entry])
    library.look()
    return f"Added as {keys[0]}."


def words(looked: Looked | None) -> str:
    """What was found, for the page."""
    if looked is None:
        return ""
    verdict = verdict_of(looked.findings)
    found = "".join(f"<li><b>{one.kind}</b> {esc(one.what)}</li>" for one in looked.findings)
    listed = f"<ul>{found}</ul>" if found else ""
    facts = "<br>".join(esc(line) for line in shown(looked.entry)) if looked.entry else ""
    after = {
        "refused": "Nothing was written.",
        "flagged": "A person has to look at this. Nothing was written yet.",
        "passed": "Everything that can be checked without the model holds. Nothing was written yet.",
    }[verdict]
    body = f'<h2>{verdict}</h2>{listed}<p>{after}</p><p class="rb-dim">{facts}</p>'
    return f'<div class="rb-looked {verdict}" role="status">{body}</div>'
