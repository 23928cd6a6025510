"""Compare a result with thousands of others by sketches, a few kilobytes each, to find the few to compare exactly.

A sketch has the contrasts of the normal scores of a model (see `profiles`), rounded to 8 bits, and its decisions, a bit
each. Sketches are stored in a parquet file beside the index. A sketch belongs to the mark of its row: it is recomputed
when the files of the result change, or when the file of sketches is damaged.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np

from rewardbench import results
from rewardbench.errors import InputError, Unreachable
from rewardbench.leaderboard.profiles import Profile, ScoreLayout, bounded_values, layout_of, profile_of
from rewardbench.leaderboard.rows import with_known_rules
from rewardbench.leaderboard.types import LeaderboardRow
from rewardbench.paths import write_whole
from rewardbench.results.parquet import read_score_columns
from rewardbench.results.scored import read_scored
from rewardbench.store.base import Store
from rewardbench.store.local import LocalStore
from rewardbench.suites import load_embedded
from rewardbench.suites.registry import find_spec

VERSION = "1"
"""Version of the file of sketches; a file of another version is ignored."""
FILE = "sketches.parquet"
LARGEST = 4.0
"""Contrasts are cut off at this number of standard deviations."""
STEPS = 127 / LARGEST
"""Steps of a rounded contrast per standard deviation."""
CHUNK = 512
"""Number of sketches that are unpacked at once."""
COLUMNS = ("key", "mark", "layout", "contrasts", "right", "wrong")


@dataclass(frozen=True)
class Sketch:
    """The rounded contrasts and the decisions of a model."""

    contrasts: bytes
    right: bytes
    """A bit per item: whether it is decided rightly."""
    wrong: bytes
    """A bit per item: whether it is decided wrongly; an item that is neither is a tie."""


def sketch_of(profile: Profile) -> Sketch:
    """Return the sketch of a model."""
    spread = profile.contrasts.std() or 1.0
    rounded = np.round(np.clip(profile.contrasts / spread, -LARGEST, LARGEST) * STEPS).astype(np.int8)
    right, wrong = np.packbits(profile.decisions > 0), np.packbits(profile.decisions < 0)
    return Sketch(rounded.tobytes(), right.tobytes(), wrong.tobytes())


@dataclass(frozen=True)
class StoredSketch:
    """A sketch of a stored result."""

    key: str
    mark: str
    layout: str
    """Hash of the layout."""
    sketch: Sketch


def encode_sketches(sketches: Sequence[StoredSketch]) -> bytes:
    """Return the bytes of a file of sketches."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows: list[dict[str, object]] = []
    for stored in sketches:
        parts = {"contrasts": stored.sketch.contrasts, "right": stored.sketch.right, "wrong": stored.sketch.wrong}
        rows.append({"key": stored.key, "mark": stored.mark, "layout": stored.layout, **parts})
    types = dict.fromkeys(COLUMNS[:3], pa.string()) | dict.fromkeys(COLUMNS[3:], pa.binary())
    schema = pa.schema(list(types.items()), metadata={"version": VERSION})
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), out, compression="zstd", write_page_checksum=True)
    return out.getvalue()


def read_sketches(path: Path) -> list[StoredSketch]:
    """Return the sketches in a file; none if it is damaged, or of another version."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path, page_checksum_verification=True)
        metadata = file.schema_arrow.metadata or {}
        if metadata.get(b"version") != VERSION.encode() or not set(COLUMNS) <= set(file.schema_arrow.names):
            return []
        columns = [column.to_pylist() for column in file.read(columns=list(COLUMNS)).columns]
    except (OSError, pa.ArrowException, ValueError):
        return []
    sketches: list[StoredSketch] = []
    for key, mark, layout, contrasts, right, wrong in zip(*columns, strict=True):
        if all(isinstance(part, bytes) for part in (contrasts, right, wrong)):
            sketches.append(StoredSketch(str(key), str(mark), str(layout), Sketch(contrasts, right, wrong)))
    return sketches


class SketchTable:
    """The sketches of many models in one layout.

    Args:
        keys: keys of the models.
        sketches: their sketches.
        layout: the layout; sketches of another size are left out.
    """

    def __init__(self, keys: Sequence[str], sketches: Sequence[Sketch], layout: ScoreLayout) -> None:
        self.layout = layout
        size, count = len(layout.contrast_item), len(layout.items)
        fitting: list[Sketch] = []
        self.keys: list[str] = []
        for key, sketch in zip(keys, sketches, strict=True):
            if len(sketch.contrasts) == size and len(sketch.right) == len(sketch.wrong) == (count + 7) // 8:
                fitting.append(sketch)
                self.keys.append(key)
        self._contrasts = _stack(b"".join(sketch.contrasts for sketch in fitting), len(fitting), np.int8)
        self._right = _stack(b"".join(sketch.right for sketch in fitting), len(fitting), np.uint8)
        self._wrong = _stack(b"".join(sketch.wrong for sketch in fitting), len(fitting), np.uint8)

    @property
    def nbytes(self) -> int:
        """Memory of the sketches in bytes."""
        return self._contrasts.nbytes + self._right.nbytes + self._wrong.nbytes

    def contrasts(self, rows: slice | Sequence[int]) -> np.ndarray:
        """Return the contrasts of some rows, with a standard deviation of about 1: [rows, contrasts]."""
        return self._contrasts[rows].astype(np.float32) / np.float32(STEPS)

    def decisions(self, rows: slice | Sequence[int]) -> np.ndarray:
        """Return the decisions of some rows, 1, 0 or -1: [rows, items]."""
        count = len(self.layout.items)
        right = np.unpackbits(self._right[rows], axis=1, count=count)
        return right.astype(np.float32) - np.unpackbits(self._wrong[rows], axis=1, count=count)

    def chunks(self) -> Iterator[slice]:
        """Yield slices of a limited number of rows, which cover all rows."""
        for start in range(0, len(self.keys), CHUNK):
            yield slice(start, min(start + CHUNK, len(self.keys)))

    @cached_property
    def right_counts(self) -> np.ndarray:
        """Number of models that decide each item rightly: [items]."""
        counts = np.zeros(len(self.layout.items))
        for rows in self.chunks():
            counts += np.unpackbits(self._right[rows], axis=1, count=len(counts)).sum(0)
        return counts


def _stack(content: bytes, rows: int, dtype: type) -> np.ndarray:
    array: np.ndarray = np.frombuffer(content, dtype=dtype)
    return array.reshape(rows, -1) if rows else array.reshape(0, 0)


# The file of sketches


def update_sketches(
    store: Store,
    rows: Sequence[LeaderboardRow],
    suite: str | None = None,
    report: Callable[[], None] = lambda: None,
) -> list[StoredSketch]:
    """Return the sketches of results; missing ones are computed, and saved on this machine.

    Args:
        store: the results.
        rows: all rows of the store.
        suite: only results of this suite; None: all.
        report: called after each result that is read.

    Raises:
        Unreachable: if the store cannot be reached.
    """
    marks = {row.key: row.mark for row in rows}
    known: dict[str, StoredSketch] = {}
    for path in _files(store):
        for stored in read_sketches(path):
            if marks.get(stored.key) == stored.mark:
                known.setdefault(stored.key, stored)
    wanted = [row for row in rows if row.ids and suite in (None, row.suite)]
    missing = [row for row in wanted if row.key not in known]
    try:
        for row in missing:
            sketched = _compute(store, row)
            if sketched:
                known[row.key] = sketched
            report()
    finally:
        if missing:
            _remember(store, list(known.values()))
    return [known[row.key] for row in wanted if row.key in known]


def publish_sketches(store: Store, rows: Sequence[LeaderboardRow]) -> None:
    """Compute missing sketches, and save all in a remote store, so that other machines need not compute them.

    Args:
        store: the results.
        rows: all rows of the store.
    """
    sketches = update_sketches(store, rows)
    if isinstance(store, LocalStore):
        return
    content = encode_sketches(sketches)
    stored = store.load(FILE)
    if stored is None or stored.read_bytes() != content:
        store.save(FILE, content, "Update the sketches")


def _files(store: Store) -> Iterator[Path]:
    """Yield the files of sketches that may be read: that of this machine, and that of a remote store.

    A folder may come from elsewhere, so that a file of sketches in it is not trusted.
    """
    path = store.machine_path(FILE)
    if path and path.is_file():
        yield path
    if not isinstance(store, LocalStore):
        with suppress(Unreachable):
            stored = store.load(FILE)
            if stored:
                yield stored


def _compute(store: Store, row: LeaderboardRow) -> StoredSketch | None:
    """Return the sketch of a result; None if its scores cannot be read."""
    try:
        path = store.path(row.key)
        profile = _read_profile(path, row) or _parse_profile(path, row)
    except Unreachable:
        raise
    except InputError:
        return None
    return StoredSketch(row.key, row.mark, profile.layout.digest, sketch_of(profile))


def _parse_profile(path: Path, row: LeaderboardRow) -> Profile:
    """Return the profile of a result of any form."""
    scored = read_scored(path)
    scored = with_known_rules(scored, row.suite, row.revision) or scored
    return profile_of(scored, layout_of(scored.suite))


def _read_profile(path: Path, row: LeaderboardRow) -> Profile | None:
    """Return the same profile, five times faster, of a table with the items of an embedded suite; None for others."""
    layout, place = _embedded_layout(row.suite, row.revision), results.table_path(path)
    if layout is None or not place.is_file():
        return None
    if results.sha256_of(place) != results.read_summary(path).get(results.OUTPUTS_HASH):
        return None
    table = read_score_columns(place)
    if table is None or len(set(table.ids)) < len(table.ids):
        return None
    index = {id: n for n, id in enumerate(table.ids) if table.counts[n] > 1}
    rows = np.array([index.get(item.id, -1) for item in layout.items], dtype=int)
    if len(index) != len(rows) or (rows < 0).any():
        return None
    expected = [(len(item.completions), item.num_correct) for item in layout.items]
    if not np.array_equal(np.column_stack([table.counts[rows], table.num_correct[rows]]), expected):
        return None
    ends = np.cumsum(table.counts)
    first = (ends - table.counts)[rows]
    values = table.scores[np.repeat(first - layout.starts, table.counts[rows]) + np.arange(len(layout.item_of))]
    return Profile(row.model, layout, bounded_values(values))


@lru_cache(maxsize=8)
def _embedded_layout(suite: str, revision: str) -> ScoreLayout | None:
    """Return the layout of a suite that is embedded in this revision; None for others."""
    spec = find_spec(suite)
    if spec is None or not spec.embedded:
        return None
    embedded = load_embedded(spec.name)
    return layout_of(embedded) if embedded.revision == revision else None


def _remember(store: Store, sketches: Sequence[StoredSketch]) -> None:
    """Save sketches on this machine, if it has a folder for them."""
    path = store.machine_path(FILE)
    if path:
        with suppress(InputError):
            write_whole(path, encode_sketches(sketches))


def table_of(sketches: Sequence[StoredSketch], layout: ScoreLayout) -> SketchTable:
    """Return the sketches of one layout."""
    fitting = [stored for stored in sketches if stored.layout == layout.digest]
    return SketchTable([stored.key for stored in fitting], [stored.sketch for stored in fitting], layout)
