"""Print a result: as a table, as `key=value` lines, as JSON, and as an SVG image."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from rewardbench import results
from rewardbench.console.terminal import printable
from rewardbench.errors import InputError
from rewardbench.metrics import MEANINGS, reaches
from rewardbench.results.breakdown_table import breakdown_tables, to_rich
from rewardbench.results.judges import JudgeRecord, count_reasons, judge_of
from rewardbench.types import Calibration, Estimate, Metric, Result

PREFIXES = {"pair": "section", "mirror": "mirror", "turn": "turn"}
"""Prefix of the `key=value` line of a section, by metric: accuracy of items, of mirrors, or of turn pairs."""
MOST_ROWS = 200
"""Maximum number of sections and subsets that are printed; the JSON file has all."""
WIDTH = 80
"""Columns of the SVG image."""


def table(result: Result) -> Table:
    """Return a table with a row per section and subset, then the totals, in percent.

    The interval is that of the accuracy, and in the last row that of the score. Where the only section is the score,
    its row has the interval of the score, and there is no row of all items. Only the first `MOST_ROWS` sections and
    subsets are shown.
    """
    columns = list(_group_columns(result))
    out = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    out.add_column("", overflow="fold")
    measure = "F1, acc. %" if results.counts_steps(result.manifest) else "acc.\n%"
    headers = [f"{column.metric}\n%" for column in columns]
    for header in ("n", measure, "95 %", *headers, "ties", "un-\nscored", "trun-\ncated"):
        out.add_column(header, justify="right")
    for estimate, is_section in islice(_sections_with_subsets(result), MOST_ROWS):
        if len(result.sections) == 1 and _is_same_share(estimate, result.score):
            estimate = replace(estimate, low=result.score.low, high=result.score.high)  # one number has one interval
        name = estimate.name if is_section else f" {estimate.name}"
        shares = [(column.sections if is_section else column.subsets).get(estimate.name) for column in columns]
        out.add_row(*_cells(name, estimate, shares), style="bold" if is_section else "")
    out.add_section()
    if len(result.sections) != 1 or columns or not _is_same_share(result.accuracy, result.score):
        out.add_row(*_cells("all pairs" if columns else "all items", result.accuracy, [None] * len(columns)))
    out.add_row(*_score_cells(result.score, [column.total for column in columns]), style="bold")
    if result.order_inconsistency:
        out.add_row(*_order_cells(result.order_inconsistency, len(columns)))
    for bias in result.biases:
        out.add_row(*_bias_cells(bias, len(columns)))
    return out


def _is_same_share(a: Estimate, b: Estimate) -> bool:
    """Return True if two estimates have the same value and the same number of units."""
    return a.n == b.n and a.value == b.value


@dataclass(frozen=True)
class _GroupColumn:
    """A column of the table with the shares by a metric that counts groups."""

    metric: Metric
    sections: Mapping[str, Estimate]
    subsets: Mapping[str, Estimate]
    total: Estimate | None


def _group_columns(result: Result) -> Iterator[_GroupColumn]:
    """Yield the columns of mirror accuracy and of turn accuracy that a result has."""
    if result.mirrors:
        sections = {mirror.name: mirror for mirror in result.mirrors}
        subsets = {mirror.name: mirror for mirror in result.mirror_subsets}
        yield _GroupColumn("mirror", sections, subsets, result.score)
    if result.turns:
        total, *turns = result.turns
        by_name = {turn.name: turn for turn in turns}
        yield _GroupColumn("turn", by_name, by_name, total)


def _sections_with_subsets(result: Result) -> Iterator[tuple[Estimate, bool]]:
    """Yield sections (True), each followed by its subsets (False), unless the only one has its name."""
    subsets: dict[str, list[Estimate]] = {}
    for subset in result.subsets:
        subsets.setdefault(subset.section, []).append(subset)
    for section in result.sections:
        yield section, True
        for subset in subsets.get(section.name, ()):
            if subset.name != section.name:
                yield subset, False


NO_PREFERENCE = (
    "note: No item has a preference, so there is no accuracy. The scores are in the outputs file next to the result; "
    "rewardbench score prints one per row."
)


def print_result(result: Result, console: Console) -> None:
    """Print a title, the table, `key=value` lines for scripts, and the notes of the run."""
    _print_table(result, console)
    for line in key_values(result):
        _print(console, line)
    for note in result.manifest.get("notes", ()):
        _print(console, f"note: {note}")
    if result.items and result.accuracy.n == 0:
        _print(console, NO_PREFERENCE)
    judge = judge_of(result.manifest)
    if judge and judge.stopped:
        _print(console, f"warning: {judge.stop_sentence}", style="bold red")


def _print_table(result: Result, console: Console) -> None:
    _print(console, f"{result.model} ({result.model_type}) on {result.suite}@{_short(result.revision)}", style="bold")
    if judge := judge_of(result.manifest):
        protocol, _, figures = judge.description.partition(": ")
        _print(console, protocol)
        _print(console, figures)
        if judge.stopped:
            _print(console, judge.stop_sentence, style="bold red")
    console.print(table(result))
    left_out = len(list(_sections_with_subsets(result))) - MOST_ROWS
    if left_out > 0:
        _print(console, f"… and {left_out:,} more sections and subsets, in the JSON file")
    print_meanings([result], console)
    print_breakdowns(result, console)
    if result.calibration:
        _print(console, _calibration_sentence(result.calibration))


def _calibration_sentence(calibration: Calibration) -> str:
    """Say how far confidence is from accuracy, before and after temperature scaling, and what chance alone gives."""
    before, after = calibration.before, calibration.after
    temperature = f"{calibration.temperature:.2f}{' (its bound)' if calibration.at_bound else ''}"
    return (
        f"calibration: ECE {before.ece:.3f} as is, {after.ece:.3f} at temperature {temperature}; "
        f"chance alone gives {after.floor:.3f} (95 %: {after.floor_high:.3f}) on these {calibration.n:,} pairs."
    )


def print_meanings(suite_results: Iterable[Result], console: Console) -> None:
    """Print what mirror and turn accuracy mean, each in a sentence, if a result has them."""
    metrics: dict[Metric, None] = {}
    for result in suite_results:
        metrics |= {column.metric: None for column in _group_columns(result)}
    for metric in metrics:
        console.print(Text(f"{metric} %: {MEANINGS[metric]}.", style="dim"))


def print_breakdowns(result: Result, console: Console) -> None:
    """Print a table of each column by which the score is broken down."""
    for breakdown in breakdown_tables(result.breakdowns):
        console.print(to_rich(breakdown, MOST_ROWS))


def key_values(result: Result) -> Iterator[str]:
    """Yield the estimates as `key=value` lines: shares from 0 to 1 with four decimals, `nan` if unscored.

    `n` is the number of items with a preference, `computed` the number of texts that were scored rather than read from
    the cache. Only the first `MOST_ROWS` sections have a line; `more_sections` is the number of the others.
    """
    accuracy = result.accuracy
    shares = {"score": result.score.value, "score_low": result.score.low, "score_high": result.score.high}
    for name, share in (shares | {"accuracy": accuracy.value}).items():
        yield f"{name}={_decimal(share)}"
    for name in ("n", "ties", "unscored", "truncated"):
        yield f"{name}={getattr(accuracy, name)}"
    if "session" in result.manifest:
        yield f"computed={result.manifest['session']['computed']}"
    if order := result.order_inconsistency:
        shares = {"order_inconsistency": order.value, "order_inconsistency_low": order.low}
        for name, share in (shares | {"order_inconsistency_high": order.high}).items():
            yield f"{name}={_decimal(share)}"
        yield f"order_inconsistency_n={order.n}"
    yield from _bias_values(result.biases)
    if judge := judge_of(result.manifest):
        yield from _judge_values(judge, result)
    yield from _metric_values(result)
    for estimate in result.gap:
        yield f"built.{estimate.name}={_decimal(estimate.value)}"
    for estimate in result.gap[2:]:
        yield f"built.gap_low={_decimal(estimate.low)}"
        yield f"built.gap_high={_decimal(estimate.high)}"
    if result.calibration:
        yield from _calibration_values(result.calibration)


def _calibration_values(calibration: Calibration) -> Iterator[str]:
    """Yield the temperature, and the calibration errors before and after it, as `key=value` lines."""
    for name in ("temperature", "temperature_low", "temperature_high"):
        yield f"{name}={_decimal(getattr(calibration, name))}"
    yield f"temperature_at_bound={int(calibration.at_bound)}"
    for suffix, errors in (("", calibration.before), ("_scaled", calibration.after)):
        for name, value in asdict(errors).items():
            yield f"calibration.{name}{suffix}={_decimal(value)}"
    yield f"calibration.n={calibration.n}"


def _metric_values(result: Result) -> Iterator[str]:
    """Yield the sections by each metric as `key=value` lines; by mirror and by turn also the subsets.

    A subset with the name of a section has no line.
    """
    metrics: tuple[tuple[Metric, Sequence[Estimate]], ...] = (
        ("pair", result.sections),
        ("mirror", [*result.mirrors, *result.mirror_subsets]),
        ("turn", result.turns),
    )
    for metric, estimates in metrics:
        prefix = PREFIXES[metric]
        by_key: dict[str, Estimate] = {}
        for estimate in estimates:
            by_key.setdefault(slug(estimate.name), estimate)
        for key, estimate in islice(by_key.items(), MOST_ROWS):
            yield f"{prefix}.{key}={_decimal(estimate.value)}"
        if len(by_key) > MOST_ROWS:
            yield f"more_{prefix}s={len(by_key) - MOST_ROWS}"
    for total in result.turns[:1]:
        yield f"turn.score_low={_decimal(total.low)}"
        yield f"turn.score_high={_decimal(total.high)}"
    for breakdown in result.breakdowns:
        if "/" not in breakdown.name:
            column, _, value = breakdown.name.partition(".")
            yield f"{slug(column)}.{slug(value)}={_decimal(breakdown.value)}"
    for subset, rung in reaches(result.breakdowns).items():
        yield f"reach.{slug(subset)}={rung}"


def _bias_values(biases: Iterable[Estimate]) -> Iterator[str]:
    """Yield each bias of a judge with its interval, and the number of items, as `key=value` lines."""
    for bias in biases:
        yield f"{bias.name}={_decimal(bias.value)}"
        yield f"{bias.name}_low={_decimal(bias.low)}"
        yield f"{bias.name}_high={_decimal(bias.high)}"
        yield f"{bias.name}_n={bias.n}"


def _judge_values(judge: JudgeRecord, result: Result) -> Iterator[str]:
    """Yield the facts of a judge's run as `key=value` lines: `unscored.CODE` counts items, `failed.CODE` answers."""
    for name, value in judge.figures.items():
        yield f"{name}={_decimal(value) if isinstance(value, float) else printable(str(value))}"
    for code, count in count_reasons(result.items).items():
        yield f"unscored.{slug(code)}={count}"
    for code, count in judge.failures.items():
        yield f"failed.{slug(code)}={count}"


def to_json(result: Result) -> dict[str, object]:
    """Return the summary of a result, as a store keeps it, with the notes of the run; of judges also their facts."""
    values: dict[str, object] = {**results.to_summary(result), "notes": list(result.manifest.get("notes", ()))}
    judge = judge_of(result.manifest)
    if judge is None:
        return values
    biases = {bias.name: asdict(bias) for bias in result.biases}
    return {**values, **biases, "unscored": count_reasons(result.items), **judge.figures, "failures": judge.failures}


def save_svg(result: Result, path: str | Path) -> None:
    """Write the title and the table as an SVG image of 80 columns, which loads no fonts.

    Raises:
        InputError: if the file cannot be written.
    """
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    _print_table(result, console)
    svg = re.sub(r"@font-face\s*{[^}]*}", "", console.export_svg(title="rewardbench"))
    try:
        Path(path).write_text(svg, encoding="utf-8")
    except OSError as error:
        raise InputError(f"The image cannot be written to {path}: {error.strerror}.") from error


def slug(name: str) -> str:
    """Return a name in lower case, with underscores for other characters.

    >>> slug("Chat Hard")
    'chat_hard'
    """
    return re.sub(r"\W+", "_", name.lower()).strip("_")


def _short(revision: str) -> str:
    return re.sub(r"[0-9a-f]{40,}", lambda commit: commit[0][:12], revision)


def _cells(name: str, estimate: Estimate, shares: Sequence[Estimate | None]) -> list[Text]:
    """Return the cells of a section or a subset; `shares` are those by the metrics that count groups."""
    return [
        Text(printable(name)),
        Text(str(estimate.n)),
        share_cell(estimate),
        interval_cell(estimate),
        *map(share_cell, shares),
        *count_cells(estimate),
    ]


def _score_cells(score: Estimate, totals: Sequence[Estimate | None]) -> list[Text]:
    """Return the cells of the score, in the column of mirrors if there are any."""
    interval = interval_cell(score)
    shares = [Text(""), interval, *map(share_cell, totals)] if totals else [share_cell(score), interval]
    return [Text("score"), Text(str(score.n)), *shares, *count_cells(score)]


def _order_cells(estimate: Estimate, group_columns: int) -> list[Text]:
    """Return the cells of the order inconsistency, which has no counts."""
    empty = [Text("")] * (3 + group_columns)
    return [Text("order inconsistency"), Text(str(estimate.n)), share_cell(estimate), interval_cell(estimate), *empty]


def _bias_cells(bias: Estimate, group_columns: int) -> list[Text]:
    """Return the cells of a bias of a judge: a signed difference in percentage points, without counts."""
    cells = [
        Text(printable(bias.name.replace("_", " "))),
        Text(str(bias.n)),
        _signed(bias),
        interval_cell(bias, sign="+"),
    ]
    return cells + [Text("")] * (3 + group_columns)


def _signed(estimate: Estimate) -> Text:
    return Text("–" if estimate.value is None else f"{100 * estimate.value:+.1f}")


def share_cell(estimate: Estimate | None) -> Text:
    """Return a share in percent; empty if there is no estimate."""
    if estimate is None:
        return Text("")
    return Text("–" if estimate.value is None else f"{100 * estimate.value:.1f}")


def interval_cell(estimate: Estimate, sign: str = "") -> Text:
    """Return a confidence interval in percent; empty if there is none."""
    if estimate.low is None or estimate.high is None:
        return Text("")
    separator = " … " if sign else "–"
    return Text(f"{100 * estimate.low:{sign}.1f}{separator}{100 * estimate.high:{sign}.1f}", style="dim")


def count_cells(estimate: Estimate) -> list[Text]:
    """Return the numbers of ties, of unscored and of truncated units."""
    return [
        Text(str(estimate.ties), style="" if estimate.ties else "dim"),
        Text(str(estimate.unscored), style="yellow" if estimate.unscored else "dim"),
        Text(str(estimate.truncated), style="yellow" if estimate.truncated else "dim"),
    ]


def _decimal(share: float | None) -> str:
    return "nan" if share is None else f"{share:.4f}"


def _print(console: Console, line: str, style: str | None = None) -> None:
    """Print one line without markup, highlighting or line breaks."""
    console.print(Text(printable(line), style=style or ""), soft_wrap=True)
