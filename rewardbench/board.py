"""A store in, the rows of a leaderboard out: figures counted from the items, ranks that chance does not make, badges.

The index is a parquet file that keeps a row a result, with what each cluster earned. It is never the truth: a row
whose files have changed is made anew, so that an index that is old, cut off or forged costs time and nothing else.
"""

from __future__ import annotations

import io
import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rewardbench import results, stats
from rewardbench.compare import choose_metric
from rewardbench.hub import Unreachable
from rewardbench.metrics import credit, measure, rule_of
from rewardbench.scored import Scored, hash_of_ids, read_scored
from rewardbench.store.local import VERDICTS
from rewardbench.suites.table import SUITES
from rewardbench.types import InputError, Suite

VERSION = "1"
"""Of the index: another is made anew."""
BADGES = {
    "verified": "scored again by the maintainers on a sample drawn afterwards: it agrees",
    "recomputed": "the figures follow from the scores of the items; whether the model gave them is not known",
    "self-reported": "figures without items, as their author gave them",
    "published": "imported from a published table, without items",
}
AGREES = 1e-6
"""Within which stated figures must follow from the items."""


@dataclass(frozen=True)
class Figure:
    """A share with its interval, which a published one has not; `n` counts clusters, or is None where unknown."""

    name: str
    value: float | None
    low: float | None = None
    high: float | None = None
    n: int | None = None


@dataclass(frozen=True)
class Row:
    """A model on a suite, as a leaderboard shows it."""

    key: str
    mark: str
    """Changes whenever the result's files do."""
    model: str
    model_type: str
    suite: str
    revision: str
    ids: str
    """Hash of the items; empty where there are none."""
    metric: str
    score: Figure
    sections: tuple[Figure, ...]
    subsets: tuple[Figure, ...]
    gap: tuple[Figure, ...]
    """Mirror accuracy on the suite's built mirrors, on fresh ones, and the difference; where that was asked for."""
    badge: str
    note: str = ""
    parameters: int | None = None
    license: str = ""
    date: str = ""
    weights: str = ""
    """Hash or commit of the weights."""
    command: str = ""
    rank: int = 0
    better: int = 0
    """How many models are significantly better; of a row without items, how many have a higher score."""


@dataclass(frozen=True)
class Earned:
    """What a model earned: by cluster of the score, and by item; both in the order of sorted names."""

    parts: tuple[float, ...] = ()
    credits: tuple[float, ...] = ()


@dataclass(frozen=True)
class Board:
    """All rows of a store at a time; `offline` says why they may be old, `skipped` which files are no results."""

    rows: tuple[Row, ...]
    built: float
    """Seconds since 1970."""
    offline: str = ""
    skipped: Mapping[str, str] = field(default_factory=dict)

    def of(self, suite: str) -> tuple[Row, ...]:
        """A suite's rows, best first."""
        mine = [row for row in self.rows if row.suite == suite]
        return tuple(sorted(mine, key=lambda row: (row.rank, -(row.score.value or 0.0), row.model.lower())))

    @property
    def suites(self) -> tuple[str, ...]:
        """The suites that have rows: core first, then by how many they have."""
        counts: dict[str, int] = defaultdict(int)
        for row in self.rows:
            counts[row.suite] += 1
        return tuple(sorted(counts, key=lambda name: (name != "core", -counts[name], name)))


Say = Callable[[str, int], None]
"""Told the key of each result that is read, and how many are to be read."""


def refresh(store: Any, say: Say = lambda key, total: None) -> Board:
    """The rows of a store: those of its index that still hold, and the others made anew; the index is kept.

    Raises: InputError where the store cannot be read, and nothing is known of it from before.
    """
    known = {path: found for path in store.indexes() if (found := read_index(path))}
    try:
        marks = store.versions()
    except Unreachable as error:
        if not known:
            raise
        return replace(max(known.values(), key=lambda board: board.built), offline=str(error))
    for board in known.values():
        if {row.key: row.mark for row in board.rows} == _less(marks, board.skipped):
            return replace(board, built=time.time())
    rows, earned, skipped = _collect(store, marks, known, say)
    board = Board(tuple(ranked(rows, earned)), time.time(), skipped=skipped)
    store.remember(pack(board, earned))
    return board


def _less(marks: Mapping[str, str], skipped: Mapping[str, str]) -> dict[str, str]:
    """Without those that were no results, and still are the same."""
    return {key: mark for key, mark in marks.items() if skipped.get(key, "").partition(" ")[0] != mark}


def _collect(
    store: Any, marks: Mapping[str, str], known: Mapping[Path, Board], say: Say
) -> tuple[list[Row], dict[str, Earned], dict[str, str]]:
    kept, before = _kept(marks, known)
    rows, earned, skipped = [], {}, {}
    for key, mark in marks.items():
        if key in kept:
            rows.append(kept[key])
            earned[key] = before[key]
            continue
        try:
            row, mine = row_of(store, key, mark)
        except InputError as error:
            skipped[key] = f"{mark} {error}"
            continue
        rows.append(row)
        earned[key] = mine
        say(key, len(marks) - len(kept))
    return rows, earned, skipped


def _kept(marks: Mapping[str, str], known: Mapping[Path, Board]) -> tuple[dict[str, Row], dict[str, Earned]]:
    """The rows of all indexes whose files are still the same."""
    rows: dict[str, Row] = {}
    earned: dict[str, Earned] = {}
    for path, board in known.items():
        mine = {row.key: row for row in board.rows if marks.get(row.key) == row.mark and row.key not in rows}
        if mine:
            rows |= mine
            earned |= read_earned(path, mine)
    return rows, earned


def row_of(store: Any, key: str, mark: str) -> tuple[Row, Earned]:
    """A result as a row, counted from its items by our own rules where we know the suite's.

    Raises: InputError for what is no result.
    """
    path = store.path(key)
    summary = results.read_summary(path)
    try:
        row = _stated(key, mark, summary)
        if summary.get(results.OUTPUTS_HASH) is None:
            return row, Earned()
        return _counted(row, trusted(read_scored(path)), summary, _verdict(store, key))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path} is not a whole result ({error!r}).") from error


def _stated(key: str, mark: str, summary: Mapping[str, Any]) -> Row:
    """What a summary says, without a look at its items."""
    manifest = summary["manifest"]
    model = manifest.get("model") or {}
    weights = (manifest.get("fingerprint") or {}).get("weights") or {}
    mirrors = summary.get("mirrors") or []
    return Row(
        key=key,
        mark=mark,
        model=str(summary["model"]),
        model_type=str(summary.get("model_type") or ""),
        suite=str(summary["suite"]),
        revision=str(summary["revision"]),
        ids="",
        metric="mirror" if mirrors else "pair",
        score=_figure(summary["score"]),
        sections=tuple(map(_figure, mirrors or summary["sections"])),
        subsets=tuple(map(_figure, summary["subsets"])),
        gap=tuple(_figure(one, least=-1.0) for one in summary.get("gap") or ()),
        badge="published" if manifest.get("published") else "self-reported",
        parameters=model.get("parameters") if isinstance(model.get("parameters"), int) else None,
        license=str(model.get("license") or ""),
        date=str(summary.get("date") or ""),
        weights=str(next(iter(weights.values()), "")) if isinstance(weights, dict) else "",
        command=str(manifest.get("command") or ""),
    )


def _figure(told: Mapping[str, Any], least: float = -0.011) -> Figure:
    """Raises: ValueError for a share that is none."""
    value, low, high = numbers = [told.get(name) for name in ("value", "low", "high")]
    for number in numbers:
        if number is not None and not (isinstance(number, int | float) and least <= number <= 1.011):
            raise ValueError(f"{number!r} is no share")
    n = told.get("n")
    return Figure(str(told["name"]), value, low, high, n if isinstance(n, int) else None)


def trusted(scored: Scored) -> Scored:
    """Scores with the rules of the suite as we know them, whatever their file says of it."""
    spec = SUITES.get(scored.suite.name)
    if spec is None:
        return scored
    told = scored.suite.rules
    rules = {name: spec.rules.get(name) or told.get(name) or rule_of(scored.suite, name) for name in _subsets(scored)}
    if spec.sections:  # which of its files a subset stands in is the data's, and only its credit ours
        rules = {
            name: replace(rule, credit=spec.rules.get(name, rule).credit, weight=None) for name, rule in rules.items()
        }
    suite = replace(scored.suite, rules=rules, section_weights=spec.section_weights, headline=spec.headline)
    return replace(scored, suite=suite)


def _subsets(scored: Scored) -> dict[str, None]:
    return dict.fromkeys(item.subset for item in scored.suite.items)


def _counted(row: Row, scored: Scored, summary: Mapping[str, Any], verdict: Mapping[str, Any]) -> tuple[Row, Earned]:
    found = measure(scored.suite, scored.items)
    if found.totals[found.headline] is None:
        raise InputError(f"{scored.path} holds no item with a preference.")
    metric = choose_metric(found, None)
    whole = found.total(metric)
    agrees = row.score.value is not None and abs(row.score.value - whole.value) <= AGREES
    checked = verdict.get("outputs_sha256") == summary[results.OUTPUTS_HASH]
    verified = agrees and checked and verdict.get("badge") == "verified"
    counted = replace(
        row,
        ids=hash_of_ids(scored.suite.items),
        metric=metric,
        score=_of("score", whole),
        sections=tuple(_of(name, mean) for name, mean in found.present(metric).items()),
        subsets=tuple(_of(name, mean) for name, mean in found.subsets.items() if mean),
        badge="verified" if verified else "recomputed",
        note="" if agrees else "The score that its author stated does not follow from the items: this one does.",
    )
    return counted, Earned(_parts(whole), _credits(scored))


def _of(name: str, mean: stats.Mean) -> Figure:
    return Figure(name, mean.value, mean.low, mean.high, len(mean.mass))


def _parts(mean: stats.Mean) -> tuple[float, ...]:
    return tuple(mean.parts[cluster] for cluster in sorted(mean.parts, key=repr))


def _credits(scored: Scored) -> tuple[float, ...]:
    by_id = {one.id: one.scores for one in scored.items}
    items = sorted((item for item in scored.suite.items if item.has_preference), key=lambda item: item.id)
    return tuple(credit(item, by_id[item.id], rule_of(scored.suite, item.subset)) for item in items)


def _verdict(store: Any, key: str) -> Mapping[str, Any]:
    place = store.load(f"{VERDICTS}{key}.json")
    try:
        found = json.loads(place.read_bytes()) if place else {}
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def ranked(rows: Sequence[Row], earned: Mapping[str, Earned]) -> list[Row]:
    """Rows with their ranks: one more than the number of models that are significantly better.

    Only rows of the same items are tested against each other; one without items stands by its score.
    """
    places: dict[str, int] = {}
    groups: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for row in rows:
        groups[(row.suite, row.revision, row.ids, row.metric, str(len(earned[row.key].parts)))].append(row)
    for group in groups.values():
        if group[0].ids:
            ahead = stats.beaten([earned[row.key].parts for row in group]).sum(1)
            places |= {row.key: int(count) for row, count in zip(group, ahead, strict=True)}
    for row in rows:
        if not row.ids:
            rivals = (one.score.value for one in rows if one.suite == row.suite and one.score.value is not None)
            places[row.key] = sum(value > (row.score.value or 0.0) for value in rivals)
    return [replace(row, rank=1 + places[row.key], better=places[row.key]) for row in rows]


# the index


def pack(board: Board, earned: Mapping[str, Earned]) -> bytes:
    """The bytes of an index."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [{**asdict(row), **{name: json.dumps(asdict(row)[name]) for name in FIGURES}} for row in board.rows]
    for row in rows:
        row |= {"parts": earned[row["key"]].parts, "credits": earned[row["key"]].credits}
    told = {"version": VERSION, "built": repr(board.built), "skipped": json.dumps(dict(board.skipped))}
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema=_schema(told)), out, compression="zstd")
    return out.getvalue()


FIGURES = ("score", "sections", "subsets", "gap")
NUMBERS = ("parameters", "rank", "better")
EARNED = ("parts", "credits")


def _schema(told: Mapping[str, str]) -> Any:
    import pyarrow as pa

    columns = [(f.name, pa.int64() if f.name in NUMBERS else pa.string()) for f in fields(Row)]
    columns += [(name, pa.list_(pa.float64())) for name in EARNED]
    return pa.schema(columns, metadata=dict(told))


def read_index(path: Path) -> Board | None:
    """The rows of an index; None where it is not whole, or of another version."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
        told = {key.decode(): value.decode() for key, value in (file.schema_arrow.metadata or {}).items()}
        if told.get("version") != VERSION:
            return None
        table = file.read(columns=[f.name for f in fields(Row)])
        return Board(tuple(map(_row, table.to_pylist())), float(told["built"]), skipped=json.loads(told["skipped"]))
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError):
        return None


def _row(told: dict[str, Any]) -> Row:
    score, *several = (json.loads(told[name]) for name in FIGURES)
    figures = {name: tuple(Figure(**one) for one in found) for name, found in zip(FIGURES[1:], several, strict=True)}
    return Row(**{**told, "score": Figure(**score), **figures})


def read_earned(path: Path, keys: Iterable[str] | None = None) -> dict[str, Earned]:
    """What the models of an index earned, all or those of some keys."""
    import pyarrow.parquet as pq

    wanted = [("key", "in", list(keys))] if keys is not None else None
    table = pq.read_table(path, columns=["key", *EARNED], filters=wanted)
    return {row["key"]: Earned(tuple(row["parts"]), tuple(row["credits"])) for row in table.to_pylist()}


def age(board: Board, now: float) -> str:
    """When the rows were true, in words.

    >>> age(Board((), 0.0), 7200.0)
    '1970-01-01 00:00 UTC, 2 hours ago'
    """
    seconds = max(0.0, now - board.built)
    steps = ((86400, "day"), (3600, "hour"), (60, "minute"))
    size, unit = next(((size, unit) for size, unit in steps if seconds >= size), (1, "second"))
    count = int(seconds // size)
    when = datetime.fromtimestamp(board.built, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f"{when}, {count} {unit}{'' if count == 1 else 's'} ago"


def known_suite(row: Row, load: Callable[[str], Suite]) -> Suite | None:
    """The texts of a row's suite, where `load` gives the revision that the row is of; else None."""
    try:
        suite = load(row.suite)
    except InputError:
        return None
    return suite if suite.revision == row.revision else None
