"""Run the analysis of correlations, and its self-test on planted ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan, sqrt
from typing import TYPE_CHECKING, Annotated

import numpy as np

from rewardbench.analysis.correlate.correlation import (
    COEFFICIENTS,
    FEWEST,
    MOST_RESAMPLED,
    Correlation,
    coefficient,
    correlate,
    leave_one_out,
    rows_by_group,
    within_groups,
)
from rewardbench.analysis.correlate.figure import ScatterPanel, draw_panels
from rewardbench.analysis.correlate.model_table import ModelTable, is_table, join, read_table, table_of_results
from rewardbench.analysis.options import OptionHelp
from rewardbench.analysis.report import Report, ReportTable, Value, parse_bars, unique_keys
from rewardbench.comparison.compare import ComparedResult
from rewardbench.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ABOVE = 45.0
"""Default limit of the range restriction, on a scale of 100: it leaves out models near the 25 % that guessing gives on
best-of-4 benchmarks, which anchor a correlation without any use for a choice among working models."""
FEWEST_RESAMPLED = 10
"""Minimum number of rows for which a bootstrap is of use."""
MOST_TARGETS = 20
MOST_PANELS = 3
SELFTEST_SEEDS = 200


@dataclass(frozen=True)
class CorrelateOptions:
    """Options of the analysis."""

    x: Annotated[str, OptionHelp("Column of the benchmark score; default: the first numeric one")] = ""
    y: Annotated[
        tuple[str, ...], OptionHelp("Column of downstream performance; repeat it for more; default: all numeric ones")
    ] = ()
    key: Annotated[str, OptionHelp("Column with the name of the model, on which tables are joined")] = "model"
    group: Annotated[str, OptionHelp("Column of groups, such as lineage, to correlate within as well")] = ""
    above: Annotated[
        float | None,
        OptionHelp("Also correlate only rows with a score above this; default: 45, or 0.45 if no score exceeds 1"),
    ] = None
    seed: Annotated[int, OptionHelp("Random seed of the bootstrap", min=0)] = 0


@dataclass(frozen=True)
class Columns:
    """The columns of one correlation, without the rows that lack a number.

    Attributes:
        name: name of the downstream column.
        x: scores: [rows].
        y: downstream performance: [rows].
        labels: the name of each row: [rows].
        groups: the group of each row; empty if there are none: [rows].
    """

    name: str
    x: np.ndarray
    y: np.ndarray
    labels: tuple[str, ...]
    groups: tuple[str, ...]


@dataclass(frozen=True)
class TargetCorrelations:
    """The correlations of the score with one downstream column.

    Attributes:
        columns: the data.
        pooled: over all rows, by coefficient.
        above: over the rows above the limit, by coefficient.
        within: within groups, by coefficient; empty without groups.
        influence: without each row, Pearson's and Spearman's: {coefficient: [rows]}; empty for many rows.
    """

    columns: Columns
    pooled: dict[str, Correlation]
    above: dict[str, Correlation]
    within: dict[str, float]
    influence: dict[str, np.ndarray]


def analyze(inputs: Sequence[ComparedResult], options: CorrelateOptions) -> Report:
    """Correlate a score with downstream performance.

    Args:
        inputs: one table (.csv, .tsv, .parquet, or .json of `columns` and `rows`), or several, which are joined by the
            model, or results and a table of downstream performance.
        options: see CorrelateOptions.

    Raises:
        InputError: if the inputs cannot be read or joined, or have fewer than three rows with both numbers.
    """
    table, notes = _read(inputs, options.key)
    x_name, targets = _choose_columns(table, options)
    limit = _limit_of(table.number(x_name), options.above)
    measured: list[TargetCorrelations] = []
    for name in targets:
        columns = _complete(table, x_name, name, options)
        if len(columns.x) < len(table):
            notes.append(f"{name}: {len(table) - len(columns.x)} of {len(table)} rows lack a number and are left out.")
        measured.append(measure_target(columns, limit, options.seed))
    return _report(x_name, limit, measured, notes)


def _read(inputs: Sequence[ComparedResult], key: str) -> tuple[ModelTable, list[str]]:
    """Read and join the inputs; return notes on rows without a partner."""
    if not inputs:
        raise InputError(
            "There is nothing to correlate: name a table (.csv or .json), two tables, or results and a table."
        )
    files: list[ComparedResult] = []
    results: list[ComparedResult] = []
    for source in inputs:
        (files if is_table(source) else results).append(source)
    tables = [table_of_results(results, key)] if results else []
    for file in files:
        tables.append(read_table(str(file)))
    if results and not files:
        raise InputError("Results hold no downstream performance: name a table (.csv) with the same models too.")
    notes: list[str] = []
    table = tables[0]
    for other in tables[1:]:
        table, unmatched = join(table, other, key)
        if unmatched:
            notes.append(f"{unmatched} rows have no partner in the other table, and are left out.")
    return table, notes


def _choose_columns(table: ModelTable, options: CorrelateOptions) -> tuple[str, list[str]]:
    """Return the column of the score, and those of downstream performance."""
    names = [name for name in table.numbers if name not in (options.key, options.group)]
    if options.x:
        table.number(options.x)
    elif len(names) < 2:
        raise InputError(f"{table.path} has {len(names)} columns of numbers: a score and one to correlate are needed.")
    x_name = options.x or names[0]
    targets = list(options.y) or [name for name in names if name != x_name]
    if not targets or len(targets) > MOST_TARGETS:
        raise InputError(f"{table.path} has {len(targets)} columns to correlate: name one or more by --y.")
    for name in targets:
        table.number(name)
    return x_name, targets


def _limit_of(x: np.ndarray, above: float | None) -> float:
    """Return the limit of the range restriction, on the scale of the scores."""
    if above is not None:
        return above
    return ABOVE / 100 if np.nanmax(np.abs(x)) <= 1 else ABOVE


def _complete(table: ModelTable, x_name: str, y_name: str, options: CorrelateOptions) -> Columns:
    """Return two columns without the rows that lack a number."""
    x, y = table.number(x_name), table.number(y_name)
    rows = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
    if len(rows) < FEWEST:
        raise InputError(f"{table.path} has {len(rows)} rows with both {x_name} and {y_name}: at least 3 are needed.")
    has_names = options.key in table.texts
    names = table.texts[options.key] if has_names else [f"row {row + 1}" for row in range(len(table))]
    groups = table.text(options.group) if options.group else ()
    labels = tuple(names[row] for row in rows)
    return Columns(y_name, x[rows], y[rows], labels, tuple(groups[row] for row in rows) if groups else ())


def measure_target(columns: Columns, limit: float, seed: int = 0) -> TargetCorrelations:
    """Compute the correlations of one downstream column: pooled, above the limit, within groups, without each row.

    Args:
        columns: the data.
        limit: the range restriction leaves the rows with a score above this.
        seed: seed of the bootstrap.
    """
    x, y = columns.x, columns.y
    top = x > limit
    pooled: dict[str, Correlation] = {}
    above: dict[str, Correlation] = {}
    within: dict[str, float] = {}
    influence: dict[str, np.ndarray] = {}
    for kind in COEFFICIENTS:
        pooled[kind] = correlate(kind, x, y, seed)
        above[kind] = correlate(kind, x[top], y[top], seed)
        if columns.groups:
            within[kind] = within_groups(kind, x, y, columns.groups)
        if kind != "kendall" and len(x) <= MOST_RESAMPLED:
            influence[kind] = leave_one_out(kind, x, y)
    return TargetCorrelations(columns, pooled, above, within, influence)


def _report(x_name: str, limit: float, measured: Sequence[TargetCorrelations], notes: list[str]) -> Report:
    values: dict[str, Value] = {"rows": len(measured[0].columns.x), "above": limit}
    rows: list[list[Value]] = []
    targets: dict[str, object] = {}
    for target, prefix in zip(measured, unique_keys([target.columns.name for target in measured]), strict=True):
        name = target.columns.name
        for kind in COEFFICIENTS:
            pooled, above = target.pooled[kind], target.above[kind]
            values[f"{prefix}_{kind}"] = pooled.value
            values[f"{prefix}_{kind}_low"], values[f"{prefix}_{kind}_high"] = pooled.low, pooled.high
            values[f"{prefix}_{kind}_above{limit:g}"] = above.value
            rows.append([name, kind, "all", pooled.rows, pooled.value, pooled.low, pooled.high])
            rows.append([name, kind, f"above {limit:g}", above.rows, above.value, above.low, above.high])
            if target.within:
                values[f"{prefix}_{kind}_within"] = target.within[kind]
                rows.append([name, kind, "within groups", pooled.rows, target.within[kind], None, None])
        rows.extend(_group_rows(target.columns))
        targets[name] = {
            "x": target.columns.x.tolist(),
            "y": target.columns.y.tolist(),
            "labels": target.columns.labels,
        }
        above_rows = target.above["pearson"].rows
        if above_rows < FEWEST:
            notes.append(f"{name}: {above_rows} rows have a score above {limit:g}, too few to correlate: pass --above.")
    size = measured[0].pooled["pearson"].rows
    if size < FEWEST_RESAMPLED:
        notes.append(f"With {size} rows the intervals of a bootstrap are rough: do not rely on them.")
    notes.append(f"The intervals take the {size} rows as independent; models of one lineage are not: pass --group.")
    columns = ["downstream", "coefficient", "rows", "n", "value", "low", "high"]
    tables = [ReportTable(f"Correlation of {x_name} with downstream performance", columns, rows)]
    influential = _influence_rows(measured)
    if influential:
        header = ["downstream", "without", "pearson", "change", "spearman"]
        tables.append(ReportTable("Rows without which each Pearson correlation changes most", header, influential))
    return Report(
        name="correlate",
        values=values,
        sentence=_sentence(x_name, limit, measured),
        tables=tables,
        draw=lambda figure: _draw(figure, x_name, limit, measured),
        size=(5.0 * min(MOST_PANELS, len(measured)) + 0.5, 5.0),
        details={"x": x_name, "downstream": targets},
        notes=notes,
    )


def _group_rows(columns: Columns) -> list[list[Value]]:
    """Tabulate Spearman's correlation in each group of three rows or more."""
    rows: list[list[Value]] = []
    for group, chosen in rows_by_group(columns.groups).items():
        if len(chosen) >= FEWEST:
            value = coefficient("spearman", columns.x[chosen], columns.y[chosen])
            rows.append([columns.name, "spearman", f"group {group}", len(chosen), value, None, None])
    return rows


def _influence_rows(measured: Sequence[TargetCorrelations]) -> list[list[Value]]:
    """Tabulate the correlations without the most influential rows."""
    rows: list[list[Value]] = []
    for target in measured:
        if not target.influence:
            continue
        changes = np.nan_to_num(target.influence["pearson"] - target.pooled["pearson"].value)
        for row in np.argsort(-np.abs(changes), kind="stable")[:5]:
            pearson, spearman = float(target.influence["pearson"][row]), float(target.influence["spearman"][row])
            rows.append([target.columns.name, target.columns.labels[row], pearson, float(changes[row]), spearman])
    return rows


def _sentence(x_name: str, limit: float, measured: Sequence[TargetCorrelations]) -> str:
    """Return what follows, for the column whose correlation loses most by the range restriction."""
    for target in measured:
        if isnan(target.pooled["pearson"].value):
            return f"{x_name} or {target.columns.name} is the same for all models: no correlation is defined."

    def loss(target: TargetCorrelations) -> float:
        above = target.above["pearson"].value
        return -2.0 if isnan(above) else target.pooled["pearson"].value - above

    worst = max(measured, key=loss)
    pooled, above, name = worst.pooled["pearson"], worst.above["pearson"], worst.columns.name
    text = f"over all {pooled.rows} models {x_name} correlates with {name} at r = {pooled.value:.2f}"
    interval = f" (95 % interval {pooled.low:.2f} to {pooled.high:.2f})"
    doubt = " The interval over all contains 0: no correlation is shown." if pooled.low <= 0 <= pooled.high else ""
    if isnan(above.value):
        return f"{text[0].upper()}{text[1:]}{interval}.{doubt}"
    limits = f"({above.low:.2f} to {above.high:.2f})"
    restricted = f"among the {above.rows} models above {limit:g} at r = {above.value:.2f} {limits}"
    if above.value <= 0 < pooled.value:
        return f"Do not choose among the better models by {x_name} for {name}: {text}{interval}, but {restricted}."
    return f"{text[0].upper()}{text[1:]}{interval}, and {restricted}.{doubt}"


def _draw(figure: Figure, x_name: str, limit: float, measured: Sequence[TargetCorrelations]) -> None:
    panels: list[ScatterPanel] = []
    for target in measured[:MOST_PANELS]:
        pooled, above, columns = target.pooled["pearson"], target.above["pearson"], target.columns
        title = f"{columns.name}, n = {pooled.rows}\nPearson {pooled.value:.2f} [{pooled.low:.2f}, {pooled.high:.2f}]"
        if not isnan(above.value):
            title += f"\nabove {limit:g}: {above.value:.2f} [{above.low:.2f}, {above.high:.2f}], n = {above.rows}"
        panels.append(ScatterPanel(title, columns.name, columns.x, columns.y, columns.labels, columns.groups))
    draw_panels(figure, panels, x_name, limit)


def selftest(seeds: int | None = None) -> Report:
    """Check coefficients, intervals, groups, range restriction and influence on data with a known correlation."""
    seeds = seeds or SELFTEST_SEEDS
    estimates: list[float] = []
    covered = outliers = 0
    within: list[float] = []
    restricted: list[float] = []
    for seed in range(seeds):
        random = np.random.default_rng(seed)
        x = random.normal(size=60)
        y = 0.6 * x + 0.8 * random.normal(size=60)
        pearson = correlate("pearson", x, y, seed)
        estimates.append(pearson.value)
        covered += pearson.low <= 0.6 <= pearson.high
        groups = tuple(np.repeat(["a", "b", "c"], 20))
        shift = 4.0 * np.repeat([0, 1, 2], 20)
        within.append(within_groups("pearson", x + shift, shift - 0.6 * x + 0.8 * random.normal(size=60), groups))
        outlier = int(random.integers(60))
        x[outlier], y[outlier] = 6, -6
        outliers += int(np.abs(leave_one_out("pearson", x, y) - coefficient("pearson", x, y)).argmax()) == outlier
        long_x = random.normal(size=2_000)
        long_y = 0.6 * long_x + 0.8 * random.normal(size=2_000)
        restricted.append(coefficient("pearson", long_x[long_x > 1], long_y[long_x > 1]))
    variance = 1 + 1 * _mills() - _mills() ** 2  # of a standard normal above 1
    expected = 0.6 * np.sqrt(variance) / np.sqrt(0.36 * variance + 0.64)
    values: dict[str, Value] = {
        "pearson_error": abs(float(np.mean(estimates)) - 0.6),
        "coverage": covered / seeds,
        "within_error": abs(float(np.mean(within)) + 0.6),
        "restricted_error": abs(float(np.mean(restricted)) - float(expected)),
        "outlier_hits": outliers / seeds,
        "seeds": seeds,
    }
    sentence = (
        f"With a correlation of 0.6 between 60 rows, the 95 % interval contains it in {100 * covered / seeds:.0f} % of "
        f"{seeds} seeds, and the correlation within groups is -0.6 where the pooled one is positive."
    )
    wider = max(1.0, sqrt(SELFTEST_SEEDS / seeds))  # fewer seeds leave more to chance
    fewest = 0.95 - 3 * sqrt(0.95 * 0.05 / seeds)
    bars = (
        f"pearson_error<={0.02 * wider:.3f} coverage>={fewest:.3f} within_error<={0.03 * wider:.3f} "
        f"restricted_error<={0.02 * wider:.3f} outlier_hits>=0.95"
    )
    return Report("correlate", values, sentence, bars=parse_bars(bars))


def _mills() -> float:
    """Return the mean of a standard normal above 1."""
    from scipy.stats import norm

    return float(norm.pdf(1) / norm.sf(1))
