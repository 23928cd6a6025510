"""Format rows as cells of a table, and as CSV and LaTeX."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rewardbench.leaderboard.types import BADGES, Figure, LeaderboardRow, format_rank
from rewardbench.metrics import MEANINGS

TURN = "Turn"
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


def columns(rows: Sequence[LeaderboardRow], with_subsets: bool = False) -> list[Column]:
    """Return the columns of a table.

    Args:
        rows: the rows; each section gets a column, and columns without values are hidden at first.
        with_subsets: whether each subset gets a column too.
    """
    sections: dict[str, Column] = {}
    subsets: dict[str, Column] = {}
    for row in rows:
        for name in _names(row.sections):
            sections.setdefault(name, Column(name, f"Section {name} (%)"))
    for row in rows if with_subsets else ():
        for name in _names(row.subsets):
            if name not in sections:
                subsets.setdefault(name, Column(name, f"Subset {name} (%)"))
    return [
        Column("Rank", f"Range of ranks among verified models, by tests of {rank_measure(rows)}"),
        Column("Model", "", number=False),
        Column("Score", "Percent, with 95% confidence interval", label="Score (95% CI)"),
        *_turn_columns(rows),
        *sections.values(),
        Column(ORDER, ORDER_TITLE, visible=any(row.order_inconsistency for row in rows)),
        *_judge_columns(rows),
        Column("Kind", "Type of reward model", number=False),
        Column("Size", "Number of parameters"),
        Column("Badge", "How the scores were checked (see About)", number=False),
        Column("License", "License of the weights", number=False, visible=any(row.license for row in rows)),
        Column("Date", "Date of submission", number=False, visible=any(row.date for row in rows)),
        Column("Version", "Revision of the suite", number=False, visible=len({row.revision for row in rows}) > 1),
        *subsets.values(),
    ]


def rank_measure(rows: Sequence[LeaderboardRow]) -> str:
    """Return what the ranks of a table compare."""
    return "turn accuracy" if any(row.turn for row in rows) else "score"


def _turn_columns(rows: Sequence[LeaderboardRow]) -> list[Column]:
    """Return the column of turn accuracy, if a row has any."""
    return [Column(TURN, f"Percent of {MEANINGS['turn']}")] if any(row.turn for row in rows) else []


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


def cell_text(row: LeaderboardRow, column: str) -> str:
    """Return the text of a cell."""
    plain = {
        "Rank": format_rank(row.rank_range),
        "Model": row.model,
        "Score": format_percent(row.score),
        TURN: format_percent(row.turn),
        ORDER: format_percent(row.order_inconsistency),
        POSITION: format_points(row.biases, "position_bias"),
        "Protocol": row.protocol,
        "Requests": format_count(row.requests),
        "Failures": format_count(row.failures),
        "Cost": format_cost(row.cost),
        "Kind": row.model_type,
        "Size": format_size(row.parameters),
        "Badge": row.badge,
        "License": row.license,
        "Date": row.date,
        "Version": shorten_hashes(row.revision),
    }
    if column in plain:
        return plain[column]
    for figure in (*row.sections, *row.subsets):
        if figure.name == column:
            return format_percent(figure)
    return format_percent(None)


def _cells(row: LeaderboardRow, names: Sequence[str]) -> list[str]:
    return [cell_text(row, name) for name in names]


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


def search_text(row: LeaderboardRow) -> str:
    """Return the text that the search box matches."""
    return " ".join([row.model, row.model_type, row.badge, row.license, row.date, row.protocol]).lower()


def to_csv(rows: Iterable[LeaderboardRow], names: Sequence[str]) -> str:
    """Return rows as CSV. A cell that a spreadsheet could read as a formula gets a leading apostrophe."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(map(without_formula, [*names, "Low", "High"]))
    for row in rows:
        limits = [_format_limit(row.score.low), _format_limit(row.score.high)]
        writer.writerow([*map(without_formula, _cells(row, names)), *limits])
    return out.getvalue()


def _format_limit(limit: float | None) -> str:
    return "" if limit is None else f"{100 * limit:.1f}"


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


def to_latex(rows: Iterable[LeaderboardRow], names: Sequence[str], numbers: Iterable[str] = ()) -> str:
    """Return rows as a LaTeX table (booktabs); columns in `numbers` are right-aligned."""
    numeric = set(numbers)
    alignment = "".join("r" if name in numeric else "l" for name in names)
    lines = [rf"\begin{{tabular}}{{{alignment}}}", r"\toprule", _latex_row(names), r"\midrule"]
    for row in rows:
        lines.append(_latex_row(_cells(row, names)))
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def _latex_row(cells: Sequence[str]) -> str:
    return " & ".join(map(escape_latex, cells)) + r" \\"


def escape_latex(text: str) -> str:
    """Escape text for LaTeX."""
    return text.translate(_LATEX_TABLE)


def filter_choices(rows: Sequence[LeaderboardRow]) -> dict[str, list[str]]:
    """Return the kinds, sizes and badges of rows, by which a visitor can filter them."""
    kinds = {row.model_type for row in rows}
    sizes = {size_class(row.parameters) for row in rows}
    badges = {row.badge for row in rows}
    return {
        "kind": sorted(kinds),
        "size": sorted(sizes, key=SIZES.index),
        "badge": [name for name in BADGES if name in badges],
    }
