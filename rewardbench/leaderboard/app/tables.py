"""Format rows as cells of a table, and as CSV and LaTeX."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from rewardbench.leaderboard import facts
from rewardbench.leaderboard.app.scales import ABOVE, SCORE, TURN, Scale, scales_of
from rewardbench.leaderboard.types import Figure, LeaderboardRow, format_rank
from rewardbench.metrics import MEANINGS

ORDER = "Order inconsistency"
ORDER_TITLE = "Share of items whose preferred completion changes with the order shown (%), of pairwise models"
POSITION = "Position bias"
JUDGE_COLUMNS = (
    (POSITION, "How often the response shown first is preferred, minus what chance gives (percentage points)", True),
    ("Protocol", "How the judge is asked and its answers are read, with its version and hash", False),
    ("Requests", "Requests that the judge was sent", True),
    ("Failures", "Answers without a verdict; their items get no credit", True),
    ("Cost", "Dollars, by the prices that the submitter stated", True),
)
"""Name, tooltip and whether it is a number, of the columns of judges."""
TOTALS = (SCORE, TURN, ABOVE, ORDER)
"""Columns of figures over the suite."""
SIZES = ("up to 1B", "1B to 10B", "over 10B", "unknown size")


@dataclass(frozen=True)
class Column:
    """A column of the table.

    Args:
        name: identifies the column.
        title: tooltip of its header.
        number: whether cells are numbers, which are right-aligned.
        visible: whether it is shown at first.
        label: text of its header; the name if empty.
    """

    name: str
    title: str
    number: bool = True
    visible: bool = True
    label: str = ""


def columns(rows: Sequence[LeaderboardRow], with_subsets: bool = False, scale: Scale | None = None) -> list[Column]:
    """Return the columns of a table.

    Args:
        rows: the rows; each section gets a column, and columns without values are hidden at first.
        with_subsets: whether each subset gets a column too.
        scale: what the numbers are; by default the scale that ranks the models.
    """
    scale = scale or scales_of(rows, rows[0].suite if rows else "")[0]
    sections: dict[str, Column] = {}
    subsets: dict[str, Column] = {}
    for row in rows:
        for name in _names(row.turns[1:] if scale.metric == "turn" else row.sections):
            sections.setdefault(name, Column(name, f"Section {name}: {scale.label.lower()}"))
    for row in rows if with_subsets else ():
        for name in _names(row.subsets):
            if name not in sections:
                subsets.setdefault(name, Column(name, f"Subset {name}: percent of items right"))
    return [
        Column(
            "Rank",
            f"Range of ranks among verified models, by tests of {rank_measure(rows)}",
            visible=any(row.rank_range for row in rows),
        ),
        Column("Model", "Name, with its page", number=False),
        *_totals(rows, scale),
        *sections.values(),
        Column(ORDER, ORDER_TITLE, visible=any(row.order_inconsistency for row in rows)),
        *_judge_columns(rows),
        Column("Kind", "Type of reward model", number=False),
        Column("Size", "Number of parameters; ~ if it is from the model's name", visible=_has_sizes(rows)),
        Column("Badge", "How the scores were checked", number=False),
        Column("Organization", "Owner in the model's name", number=False, visible=False),
        Column("License", "License of the weights, as stated", number=False, visible=_has_licenses(rows)),
        Column("Date", "Date of submission", number=False, visible=False),
        Column("Version", "Revision of the suite", number=False, visible=len({row.revision for row in rows}) > 1),
        *subsets.values(),
    ]


def _totals(rows: Sequence[LeaderboardRow], scale: Scale) -> list[Column]:
    """Return the columns of totals: that of the scale first, the others hidden."""
    has_turns = any(row.turn for row in rows)
    is_mirror = any(row.metric == "mirror" for row in rows)
    totals = {SCORE: Column(SCORE, f"Percent of {MEANINGS['mirror' if is_mirror else 'pair']}", visible=False)}
    if has_turns:
        totals[TURN] = Column(TURN, f"Percent of {MEANINGS['turn']}", visible=False)
    totals[ABOVE] = Column(ABOVE, "0 is guessing, 100 is all right", visible=False)
    main = totals.pop(scale.column)
    if scale.column != ABOVE:
        del totals[ABOVE]
    label = f"{scale.label} (95% CI)" if any(row.score.low is not None for row in rows) else scale.label
    return [Column(main.name, main.title, label=label), *totals.values()]


def _has_licenses(rows: Sequence[LeaderboardRow]) -> bool:
    """Return True if the license of a model is known, other than of toy models."""
    return any(row.license and not facts.is_toy(row) for row in rows)


def _has_sizes(rows: Sequence[LeaderboardRow]) -> bool:
    return any(facts.size_of(row).parameters for row in rows)


def rank_measure(rows: Sequence[LeaderboardRow]) -> str:
    """Return what the ranks of a table compare."""
    return "turn accuracy" if any(row.turn for row in rows) else "score"


def _judge_columns(rows: Sequence[LeaderboardRow]) -> list[Column]:
    """Return the columns of judges, if there are any."""
    if not any(row.protocol for row in rows):
        return []
    has_cost = any(row.cost is not None for row in rows)
    columns: list[Column] = []
    for name, title, is_number in JUDGE_COLUMNS:
        columns.append(Column(name, title, is_number, visible=name != "Cost" or has_cost))
    return columns


def _names(figures: Iterable[Figure]) -> list[str]:
    return [figure.name for figure in figures]


def figure_of(row: LeaderboardRow, column: str, scale: Scale) -> Figure | None:
    """Return the figure of a cell; None if the column has no figures, or the row does not have this one."""
    if column == scale.column:
        return scale.total(row)
    if column in (SCORE, TURN):
        return row.turn if column == TURN else row.score
    return row.order_inconsistency if column == ORDER else scale.section(row, column)


def cell_text(row: LeaderboardRow, column: str, scale: Scale | None = None) -> str:
    """Return the text of a cell."""
    if column in PLAIN:
        return PLAIN[column](row)
    return format_percent(figure_of(row, column, scale or scales_of([row], row.suite)[0]))


def _cells(row: LeaderboardRow, names: Sequence[str], scale: Scale | None) -> list[str]:
    return [cell_text(row, name, scale) for name in names]


def format_percent(figure: Figure | None) -> str:
    """Return a share in percent with one decimal, or a dash if there is none.

    >>> format_percent(Figure("a", 0.87654)), format_percent(None)
    ('87.7', '–')
    """
    return "–" if figure is None or figure.value is None else f"{100 * figure.value:.1f}"


def format_points(figures: Iterable[Figure], name: str) -> str:
    """Return a difference in percentage points with its sign, or a dash if there is none.

    >>> format_points([Figure("position_bias", 0.1234)], "position_bias"), format_points([], "position_bias")
    ('+12.3', '–')
    """
    for figure in figures:
        if figure.name == name and figure.value is not None:
            return f"{100 * figure.value:+.1f}"
    return "–"


def format_count(count: int | None) -> str:
    """Return a count, or a dash if it is unknown."""
    return "–" if count is None else str(count)


def format_cost(cost: float | None) -> str:
    """Return an amount of dollars, or a dash if it is unknown.

    >>> format_cost(0.004), format_cost(12.5), format_cost(None)
    ('0.0040', '12.50', '–')
    """
    if cost is None:
        return "–"
    return f"{cost:.2f}" if cost >= 1 else f"{cost:.4f}"


def format_interval(figure: Figure) -> str:
    """Return both limits in percent, or "no interval".

    >>> format_interval(Figure("a", 0.8, 0.75, 0.84)), format_interval(Figure("a", 0.8))
    ('75.0–84.0', 'no interval')
    """
    if figure.low is None or figure.high is None:
        return "no interval"
    return f"{100 * figure.low:.1f}–{100 * figure.high:.1f}"


def format_size(parameters: int | None) -> str:
    """Return a number of parameters in short form.

    >>> [format_size(n) for n in (950_000, 1_600_000, 8_030_000_000, None)]
    ['950K', '1.6M', '8B', '']
    """
    if parameters is None:
        return ""
    for step, unit in ((10**9, "B"), (10**6, "M"), (10**3, "K")):
        if parameters >= step:
            return f"{parameters / step:.2g}{unit}" if parameters < 10 * step else f"{parameters / step:.0f}{unit}"
    return str(parameters)


def format_row_size(row: LeaderboardRow) -> str:
    """Return the size of a model in short form, with ~ if it is from its name."""
    size = facts.size_of(row)
    return f"~{size.text}" if size.source == facts.NAME else format_size(size.parameters)


PLAIN: Mapping[str, Callable[[LeaderboardRow], str]] = {
    "Rank": lambda row: format_rank(row.rank_range),
    "Model": lambda row: row.model,
    POSITION: lambda row: format_points(row.biases, "position_bias"),
    "Protocol": lambda row: row.protocol,
    "Requests": lambda row: format_count(row.requests),
    "Failures": lambda row: format_count(row.failures),
    "Cost": lambda row: format_cost(row.cost),
    "Kind": lambda row: row.model_type,
    "Size": format_row_size,
    "Badge": lambda row: row.badge,
    "Organization": facts.organization,
    "License": lambda row: row.license,
    "Date": lambda row: row.date,
    "Version": lambda row: shorten_hashes(row.revision),
}
"""Columns without figures, each with the function that returns its text."""


def size_class(parameters: int | None) -> str:
    """Return the size class of a model, one of `SIZES`."""
    if parameters is None:
        return SIZES[3]
    return SIZES[0] if parameters <= 10**9 else SIZES[1] if parameters <= 10**10 else SIZES[2]


def shorten_hashes(revision: str) -> str:
    """Shorten the hashes in a revision to 8 digits.

    >>> shorten_hashes("1.2.0+0123456789abcdef"), shorten_hashes("ids:0123456789abcdef")
    ('1.2.0+01234567', 'ids:01234567')
    """
    return re.sub(r"[0-9a-f]{12,}", lambda match: match[0][:8], revision)


def to_csv(rows: Iterable[LeaderboardRow], names: Sequence[str], scale: Scale | None = None) -> str:
    """Return rows as CSV; Low and High are the interval of the total.

    A cell that a spreadsheet could read as a formula gets a leading apostrophe.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(map(without_formula, [*names, "Low", "High"]))
    for row in rows:
        total = (scale or scales_of([row], row.suite)[0]).total(row)
        limits = [_format_limit(total.low), _format_limit(total.high)] if total else ["", ""]
        writer.writerow([*map(without_formula, _cells(row, names, scale)), *limits])
    return out.getvalue()


def _format_limit(limit: float | None) -> str:
    return "" if limit is None else f"{100 * limit:.1f}"


def headline(row: LeaderboardRow) -> tuple[str, Figure]:
    """Return the name of the figure by which a row is ranked, such as turn accuracy, and the figure."""
    scale = scales_of([row], row.suite)[0]
    return scale.label.lower(), scale.total(row) or row.score


def without_formula(text: str) -> str:
    """Return text with a leading apostrophe if a spreadsheet could read it as a formula.

    >>> [without_formula(text) for text in ("=1+1", " =1", "+1", "org/model")]
    ["'=1+1", "' =1", "'+1", 'org/model']
    """
    is_formula = text.lstrip()[:1] in FORMULAS or text[:1] in ("\t", "\r", "\n")
    return f"'{text}" if is_formula else text


FORMULAS = (*"=+-@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""Characters with which a formula begins, also in full width."""


_LATEX = {character: f"\\{character}" for character in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "–": "--",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
}


_LATEX_TABLE = {ord(character): command for character, command in _LATEX.items()}


def to_latex(
    rows: Iterable[LeaderboardRow], names: Sequence[str], numbers: Iterable[str] = (), scale: Scale | None = None
) -> str:
    """Return rows as a LaTeX table (booktabs); columns in `numbers` are right-aligned."""
    numeric = set(numbers)
    alignment = "".join("r" if name in numeric else "l" for name in names)
    lines = [rf"\begin{{tabular}}{{{alignment}}}", r"\toprule", _latex_row(names), r"\midrule"]
    for row in rows:
        lines.append(_latex_row(_cells(row, names, scale)))
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def _latex_row(cells: Sequence[str]) -> str:
    return " & ".join(map(escape_latex, cells)) + r" \\"


def escape_latex(text: str) -> str:
    """Escape text for LaTeX."""
    return text.translate(_LATEX_TABLE)
