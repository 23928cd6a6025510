"""Show a sweep: a table of its rows, `key=value` lines, JSON, and curves of the score over training steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from rewardbench.analysis.figures import COLOURS, MARKS, error_bars, label_axes, legend_name
from rewardbench.console.pictures import open_picture
from rewardbench.console.tables import add_text_row, make_table
from rewardbench.sweep.estimate import RowEstimate
from rewardbench.sweep.run import RowOutcome

if TYPE_CHECKING:
    from rich.table import Table

STATUSES = ("scored", "stored", "failed")


def outcome_table(outcomes: Sequence[RowOutcome]) -> Table:
    """Return a table with a row for each row of a sweep: its score in percent with the 95 % interval."""
    table = make_table("model", "revision", "suite", "score %", "95 %", "items", "state", right_from=3)
    for outcome in outcomes:
        interval = "" if outcome.low is None else f"{_percent(outcome.low)}–{_percent(outcome.high)}"
        settings = outcome.row.settings
        names = (settings.model.model, settings.model.revision or "", settings.dataset)
        score = "" if outcome.status == "failed" else _percent(outcome.score)
        add_text_row(table, *names, score, interval, outcome.items or "", outcome.status)
    return table


def estimate_table(estimates: Sequence[RowEstimate]) -> Table:
    """Return a table with what each row of a sweep takes."""
    table = make_table("model", "revision", "suite", "items", "tokens", "size", "cost", "hours", "state", right_from=3)
    for estimate in estimates:
        settings = estimate.row.settings
        add_text_row(
            table,
            *(settings.model.model, settings.model.revision or "", settings.dataset),
            "" if estimate.items is None else f"{estimate.items:,}",
            "" if estimate.tokens is None else f"{estimate.tokens:,}",
            "" if estimate.bytes is None else format_bytes(estimate.bytes),
            "" if estimate.cost is None else f"${estimate.cost:,.2f}",
            "" if estimate.hours is None else f"{estimate.hours:.2g}",
            estimate.state,
        )
    return table


def format_bytes(count: float) -> str:
    """Return a number of bytes with its unit.

    >>> format_bytes(512), format_bytes(15_000_000_000)
    ('512 B', '15.0 GB')
    """
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def outcome_lines(outcomes: Sequence[RowOutcome], renderings: int) -> Iterator[str]:
    """Yield the counts of a sweep as `key=value` lines, then a line for each failed checkpoint."""
    for key, value in outcome_counts(outcomes, renderings).items():
        yield f"{key}={value}"
    failures: dict[tuple[str, str], list[str]] = {}
    for outcome in outcomes:
        if outcome.status == "failed":
            failures.setdefault((outcome.row.label, outcome.reason), []).append(outcome.row.settings.dataset)
    for (label, reason), suites in failures.items():
        yield f"failed {label} suites={','.join(suites)} reason={reason}"


def outcome_counts(outcomes: Sequence[RowOutcome], renderings: int) -> dict[str, int]:
    """Return the number of rows by status, of computed requests, and of renderings: suites that were rendered."""
    counts = {"rows": len(outcomes)}
    for status in STATUSES:
        counts[status] = sum(outcome.status == status for outcome in outcomes)
    counts["computed"] = sum(outcome.computed for outcome in outcomes)
    counts["renderings"] = renderings
    return counts


def estimate_lines(estimates: Sequence[RowEstimate]) -> Iterator[str]:
    """Yield the totals of the pending rows as `key=value` lines."""
    for key, value in estimate_totals(estimates).items():
        yield f"{key}={value}"


def estimate_totals(estimates: Sequence[RowEstimate]) -> dict[str, int | float]:
    """Return the totals of the pending rows; a model's bytes count once for all its suites."""
    pending = [estimate for estimate in estimates if estimate.state == "pending"]
    sizes = {estimate.row.model: estimate.bytes or 0 for estimate in pending}
    done = sum(estimate.state == "done" for estimate in estimates)
    return {
        "rows": len(estimates),
        "done": done,
        "pending": len(pending),
        "failing": len(estimates) - done - len(pending),
        "tokens": sum(estimate.tokens or 0 for estimate in pending),
        "bytes": sum(sizes.values()),
        "cost": round(sum(estimate.cost or 0 for estimate in pending), 2),
        "hours": round(sum(estimate.hours or 0 for estimate in pending), 3),
    }


def outcomes_json(outcomes: Sequence[RowOutcome], renderings: int) -> dict[str, object]:
    """Return the counts and the rows of a sweep as a JSON object."""
    rows: list[dict[str, object]] = []
    for outcome in outcomes:
        values = asdict(outcome)
        del values["row"]
        settings = outcome.row.settings
        rows.append(
            {
                "model": settings.model.model,
                "revision": settings.model.revision,
                "suite": settings.dataset,
                "step": outcome.row.step,
                "key": outcome.row.key,
                **values,
            }
        )
    return {**outcome_counts(outcomes, renderings), "results": rows}


def estimates_json(estimates: Sequence[RowEstimate]) -> dict[str, object]:
    """Return the totals and the rows of a dry run as a JSON object, each row with its command."""
    rows: list[dict[str, object]] = []
    for estimate in estimates:
        values = asdict(estimate)
        del values["row"]
        row = estimate.row
        names = {"model": row.model.model, "revision": row.model.revision, "suite": row.settings.dataset}
        rows.append({**names, "key": row.key, "command": row.command(), **values})
    return {**estimate_totals(estimates), "results": rows}


def curves(outcomes: Sequence[RowOutcome]) -> dict[tuple[str, str], list[RowOutcome]]:
    """Return the outcomes of each training run on each suite that has at least two steps, sorted by step."""
    series: dict[tuple[str, str], dict[int, RowOutcome]] = {}
    for outcome in outcomes:
        if outcome.score is not None and outcome.row.step is not None:
            points = series.setdefault((outcome.row.series, outcome.row.settings.dataset), {})
            points[outcome.row.step] = outcome
    return {key: [points[step] for step in sorted(points)] for key, points in series.items() if len(points) > 1}


def draw_curves(outcomes: Sequence[RowOutcome], path: str) -> bool:
    """Draw the score over training steps with 95 % intervals, a line for each training run and suite.

    Returns:
        False if no training run has two steps, so that there is nothing to draw.

    Raises:
        InputError: if the picture cannot be drawn or written.
    """
    lines = curves(outcomes)
    if not lines:
        return False
    has_one_run = len({run for run, _ in lines}) == 1
    with open_picture(path, 8, 4.5) as axes:
        for number, ((run, suite), points) in enumerate(lines.items()):
            steps = [point.row.step or 0 for point in points]
            scores = [100 * (point.score or 0) for point in points]
            lows = [100 * _or_score(point.low, point) for point in points]
            highs = [100 * _or_score(point.high, point) for point in points]
            axes.errorbar(
                steps,
                scores,
                yerr=error_bars(scores, lows, highs),
                color=COLOURS[number % len(COLOURS)],
                marker=MARKS[(number + number // len(COLOURS)) % len(MARKS)],
                markersize=5,
                linewidth=1.2,
                capsize=2,
                label=suite if has_one_run else f"{legend_name(run)}, {suite}",
            )
        axes.legend(fontsize=8, framealpha=0.9, edgecolor="none")
        run, _ = next(iter(lines))
        title = "Score over training steps, 95 % intervals"
        label_axes(axes, f"{title}: {legend_name(run)}" if has_one_run else title, "training step", "score, %")
    return True


def _or_score(bound: float | None, outcome: RowOutcome) -> float:
    """Return the bound of an interval, or the score itself if it has none."""
    return bound if bound is not None else outcome.score or 0.0


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f}"
