"""Describe rows as the records that other programs read: JSON with a published schema, CSV and parquet.

Fields may be added. If a field is removed or changes its meaning, `VERSION` increases. `rows.schema.json` is the JSON
Schema of the JSON. Local paths are replaced by their last part.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict, Field

from rewardbench.leaderboard.app.markup import address
from rewardbench.leaderboard.app.tables import without_formula
from rewardbench.leaderboard.submissions.package import ABSOLUTE_PATH
from rewardbench.leaderboard.types import Figure, LeaderboardRow

VERSION = 1
"""Version of the records."""
DIGITS = 6
"""Decimals of a share."""
MOST_COLUMNS = 500
"""Columns of sections and subsets in CSV and parquet; the JSON has all."""
_WINDOWS_PATH = re.compile(r"[A-Za-z]:\\(?:[^\\\s]+\\)+")
PlainValue = str | int | float | bool | None


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True, protected_namespaces=())


class ExportedFigure(_Record):
    """A share with its 95% confidence interval."""

    name: str
    """Name of the section, subset or metric."""
    value: float | None
    """From 0 to 1; null if unknown."""
    low: float | None = None
    """Lower limit of the interval; null if there is no interval."""
    high: float | None = None
    """Upper limit of the interval; null if there is no interval."""
    n: int | None = None
    """Number of clusters (templates, mirrors or prompts); null if unknown."""


class ExportedRank(_Record):
    """A range of ranks among the verified models of a table."""

    best: int
    """1 + the number of verified models that are significantly better."""
    worst: int
    """1 + the number of verified models that are not significantly worse."""


class ExportedRow(_Record):
    """A model on a suite."""

    key: str
    """Identifies the row; value of `model` in addresses."""
    model: str
    """Name of the model, usually its Hub id."""
    model_type: str
    """Type of reward model, such as "Seq. Classifier" or "DPO"."""
    is_baseline: bool
    """Whether it is a baseline, which does not read the prompt."""
    suite: str
    """Name of the suite."""
    revision: str
    """Revision of the suite's items and rules."""
    items: str
    """Hash of the scored items; rows with the same hash can be compared. Empty without per-item scores."""
    protocol: str
    """Protocol of a judge; empty for other models."""
    badge: str
    """How the scores were checked: verified, recomputed, self-reported or published."""
    checked_by: str
    """Who scored the model again; empty if not verified, or unknown."""
    rank: ExportedRank | None
    """Rank range; null for baselines and rows that are not verified."""
    metric: str
    """Unit of the score: `mirror` (all items of a mirror right) or `pair` (items)."""
    score: ExportedFigure
    """Headline score of the suite."""
    turn: ExportedFigure | None
    """Turn accuracy: whether the preference turns with the prompt; null if the suite has no mirrors."""
    sections: tuple[ExportedFigure, ...]
    """Score of each section."""
    turn_sections: tuple[ExportedFigure, ...]
    """Turn accuracy of each section."""
    subsets: tuple[ExportedFigure, ...]
    """Pair accuracy of each subset."""
    breakdowns: tuple[ExportedFigure, ...]
    """The score by rung or level."""
    order_inconsistency: ExportedFigure | None
    """Share of items whose preferred completion changes with the order shown; null for other than pairwise models."""
    biases: tuple[ExportedFigure, ...]
    """Biases of a judge, from -1 to 1."""
    requests: int | None
    """Requests that the judge was sent, as stated."""
    failures: int | None
    """Answers of the judge without a verdict, as stated."""
    cost: float | None
    """Cost of the judge in dollars, as stated."""
    parameters: int | None
    """Number of parameters, as stated."""
    license: str
    """License of the weights, as stated."""
    base_model: str
    """Hub id of the model from which it was trained, as stated."""
    weights: str
    """Commit or SHA-256 of the weights, as stated."""
    fingerprint: str
    """Hash of everything that decides the scores, as stated."""
    date: str
    """Date of submission, YYYY-MM-DD."""
    note: str
    """Remark on how the row was computed."""
    page: str
    """Address of the model's page, relative to this document."""


class ExportedRows(_Record):
    """Rows of a leaderboard: those of each table in order, verified models first, each best first."""

    model_config = ConfigDict(title="Rows of a rewardbench leaderboard")

    version: int = VERSION
    """Version of these records."""
    built: str
    """When the rows were read, as ISO 8601 in UTC."""
    suites: tuple[str, ...]
    """Names of the suites that have rows."""
    rows: tuple[ExportedRow, ...] = Field(())
    """The rows."""


def json_schema() -> str:
    """Return the JSON Schema of the records, the content of `rows.schema.json`."""
    return json.dumps(ExportedRows.model_json_schema(mode="serialization"), indent=2) + "\n"


def encode_json(rows: Iterable[LeaderboardRow], built: float, suites: Sequence[str]) -> bytes:
    """Return rows as JSON.

    Args:
        rows: the rows.
        built: when they were read, in seconds since 1970.
        suites: names of all suites.
    """
    when = datetime.fromtimestamp(built, UTC).isoformat(timespec="seconds")
    exported = ExportedRows(built=when, suites=tuple(map(_public, suites)), rows=tuple(map(to_record, rows)))
    return exported.model_dump_json().encode()


def to_record(row: LeaderboardRow) -> ExportedRow:
    """Return the record of a row."""
    rank = ExportedRank(best=row.rank_range[0], worst=row.rank_range[1]) if row.rank_range else None
    return ExportedRow(
        key=row.key,
        model=_public(row.model),
        model_type=_public(row.model_type),
        is_baseline=row.is_baseline,
        suite=_public(row.suite),
        revision=_public(row.revision),
        items=row.ids,
        protocol=_public(row.protocol),
        badge=row.badge,
        checked_by=_public(row.checked_by),
        rank=rank,
        metric=row.metric,
        score=_figure(row.score),
        turn=_figure(row.turn) if row.turn else None,
        sections=tuple(map(_figure, row.sections)),
        turn_sections=tuple(map(_figure, row.turns[1:])),
        subsets=tuple(map(_figure, row.subsets)),
        breakdowns=tuple(map(_figure, row.breakdowns)),
        order_inconsistency=_figure(row.order_inconsistency) if row.order_inconsistency else None,
        biases=tuple(map(_figure, row.biases)),
        requests=row.requests,
        failures=row.failures,
        cost=row.cost,
        parameters=row.parameters,
        license=_public(row.license),
        base_model=_public(row.base_model),
        weights=_public(row.weights),
        fingerprint=_public(row.fingerprint),
        date=_public(row.date),
        note=_public(row.note),
        page=address(view="model", suite=row.suite, model=row.key),
    )


def without_paths(row: LeaderboardRow) -> LeaderboardRow:
    """Return a row in whose model and note each local path is replaced by its last part."""
    return replace(row, model=_public(row.model), note=_public(row.note))


def _figure(figure: Figure) -> ExportedFigure:
    limits = [None if share is None else round(share, DIGITS) for share in (figure.value, figure.low, figure.high)]
    return ExportedFigure(name=_public(figure.name), value=limits[0], low=limits[1], high=limits[2], n=figure.n)


def _public(text: str) -> str:
    r"""Return a text with the last part of each local path, and without halves of characters.

    >>> _public("/" + "home/ann/models/rm-7b"), _public("org/rm-7b"), _public("C:\\Users\\ann\\rm")
    ('rm-7b', 'org/rm-7b', 'rm')
    """
    clean = text.encode("utf-8", "replace").decode()
    return _WINDOWS_PATH.sub("", ABSOLUTE_PATH.sub(r"\1", clean))


def encode_csv(rows: Iterable[LeaderboardRow]) -> bytes:
    """Return rows as CSV, with shares from 0 to 1.

    Text that a spreadsheet could read as a formula gets a leading apostrophe.
    """
    cells, names = _cells(rows)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(map(without_formula, names))
    for row_cells in cells:
        writer.writerow([_csv_cell(row_cells.get(name)) for name in names])
    return out.getvalue().encode()


def _csv_cell(value: PlainValue) -> PlainValue:
    if isinstance(value, bool):
        return str(value).lower()
    return without_formula(value) if isinstance(value, str) else value


def encode_parquet(rows: Iterable[LeaderboardRow]) -> bytes:
    """Return rows as a parquet file with the columns of the CSV."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    cells, names = _cells(rows)
    types = {str: pa.string(), bool: pa.bool_(), int: pa.int64(), float: pa.float64()}
    fields = [(name, types[FIXED_COLUMNS.get(name, float)]) for name in names]
    schema = pa.schema(fields, metadata={"rewardbench_rows": str(VERSION)})
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(cells), schema=schema), out, compression="zstd")
    return out.getvalue()


FIXED_COLUMNS: Mapping[str, type] = {
    **dict.fromkeys(("key", "model", "model_type", "suite", "revision", "protocol", "badge", "checked_by"), str),
    "is_baseline": bool,
    **dict.fromkeys(("rank_best", "rank_worst"), int),
    **dict.fromkeys(("score", "score_low", "score_high"), float),
    "score_n": int,
    **dict.fromkeys(("turn", "turn_low", "turn_high", "order_inconsistency"), float),
    **dict.fromkeys(("requests", "failures"), int),
    "cost": float,
    "parameters": int,
    **dict.fromkeys(("license", "base_model", "weights", "fingerprint", "date", "items", "note", "page"), str),
}
"""Columns of CSV and parquet that every table has, with their types; those of sections and subsets follow."""


def _cells(rows: Iterable[LeaderboardRow]) -> tuple[list[dict[str, PlainValue]], list[str]]:
    """Return the cells of rows by column, and the columns."""
    cells: list[dict[str, PlainValue]] = []
    figure_names: dict[str, None] = {}
    for row in rows:
        record = to_record(row)
        figures: dict[str, PlainValue] = {}
        for prefix, group in (("section", record.sections), ("subset", record.subsets)):
            for figure in group:
                figures.setdefault(f"{prefix}.{figure.name}", figure.value)
        for name in figures:
            if len(figure_names) < MOST_COLUMNS:
                figure_names[name] = None
        cells.append(_fixed_cells(record) | figures)
    sections = [name for name in figure_names if name.startswith("section.")]
    subsets = [name for name in figure_names if name.startswith("subset.")]
    return cells, [*FIXED_COLUMNS, *sections, *subsets]


def _fixed_cells(record: ExportedRow) -> dict[str, PlainValue]:
    values = dict(record)
    turn, rank, order = record.turn, record.rank, record.order_inconsistency
    values |= {
        "rank_best": rank.best if rank else None,
        "rank_worst": rank.worst if rank else None,
        "score": record.score.value,
        "score_low": record.score.low,
        "score_high": record.score.high,
        "score_n": record.score.n,
        "turn": turn.value if turn else None,
        "turn_low": turn.low if turn else None,
        "turn_high": turn.high if turn else None,
        "order_inconsistency": order.value if order else None,
    }
    return {name: values[name] for name in FIXED_COLUMNS}
