"""Turn rows into cells of the table, and into CSV, LaTeX and BibTeX. No HTML here."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rewardbench.leaderboard.refresh import BADGES, Figure, Row

SIZES = ("up to 1B", "1B to 10B", "over 10B", "unknown size")


@dataclass(frozen=True)
class Column:
    """A column of the table.

    Args:
        name: identifies the column.
        title: tooltip of its header.
        number: whether cells are numbers, which are right-aligned.
        shown: whether it is shown at first.
        label: text of its header; the name if empty.
    """

    name: str
    title: str
    number: bool = True
    shown: bool = True
    label: str = ""


def columns(rows: Sequence[Row], with_subsets: bool = False) -> list[Column]:
    """Return the columns for some rows: one for each section, and with `with_subsets` one for each subset."""
    sections = dict.fromkeys(figure.name for row in rows for figure in row.sections)
    subsets = dict.fromkeys(figure.name for row in rows for figure in row.subsets) if with_subsets else {}
    return [
        Column("Rank", "1 + the number of significantly better models"),
        Column("Model", "", number=False),
        Column("Score", "Percent, with 95% confidence interval", label="Score (95% CI)"),
        *(Column(name, f"Section {name} (%)") for name in sections),
        Column("Kind", "Type of reward model", number=False),
        Column("Size", "Number of parameters"),
        Column("Badge", "How the scores were checked (see About)", number=False),
        Column("License", "License of the weights", number=False, shown=any(row.license for row in rows)),
        Column("Date", "Date of submission", number=False, shown=any(row.date for row in rows)),
        Column("Version", "Revision of the suite", number=False, shown=len({row.revision for row in rows}) > 1),
        *(Column(name, f"Subset {name} (%)") for name in subsets if name not in sections),
    ]


def cell(row: Row, column: str) -> str:
    """Return the text of a cell."""
    plain = {
        "Rank": str(row.rank or "–"),
        "Model": row.model,
        "Score": percent(row.score),
        "Kind": row.model_type,
        "Size": size(row.parameters),
        "Badge": row.badge,
        "License": row.license,
        "Date": row.date,
        "Version": short(row.revision),
    }
    if column in plain:
        return plain[column]
    figures = {figure.name: figure for figure in (*row.subsets, *row.sections)}
    return percent(figures.get(column))


def percent(figure: Figure | None) -> str:
    """Return a share in percent with one decimal, or a dash if there is none.

    >>> percent(Figure("a", 0.87654)), percent(None)
    ('87.7', '–')
    """
    return "–" if figure is None or figure.value is None else f"{100 * figure.value:.1f}"


def interval(figure: Figure) -> str:
    """Return both limits in percent, or "no interval".

    >>> interval(Figure("a", 0.8, 0.75, 0.84)), interval(Figure("a", 0.8))
    ('75.0–84.0', 'no interval')
    """
    if figure.low is None or figure.high is None:
        return "no interval"
    return f"{100 * figure.low:.1f}–{100 * figure.high:.1f}"


def size(parameters: int | None) -> str:
    """Return a number of parameters in short form.

    >>> [size(n) for n in (950_000, 1_600_000, 8_030_000_000, None)]
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


def short(revision: str) -> str:
    """Shorten the hashes in a revision to 8 digits.

    >>> short("1.2.0+0123456789abcdef"), short("ids:0123456789abcdef")
    ('1.2.0+01234567', 'ids:01234567')
    """
    return re.sub(r"[0-9a-f]{12,}", lambda match: match[0][:8], revision)


def search_text(row: Row) -> str:
    """Return the text that the search box matches."""
    return " ".join([row.model, row.model_type, row.badge, row.license, row.date]).lower()


def to_csv(rows: Iterable[Row], names: Sequence[str]) -> str:
    """Return rows as CSV. A cell that a spreadsheet could read as a formula gets a leading apostrophe."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([_no_formula(name) for name in [*names, "Low", "High"]])
    for row in rows:
        limits = ["" if limit is None else f"{100 * limit:.1f}" for limit in (row.score.low, row.score.high)]
        writer.writerow([_no_formula(cell(row, name)) for name in names] + limits)
    return out.getvalue()


def _no_formula(text: str) -> str:
    return f"'{text}" if text[:1] in "=+-@\t\r" and text[:1] else text


_LATEX = {c: f"\\{c}" for c in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "–": "--",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
}


def to_latex(rows: Iterable[Row], names: Sequence[str], numbers: Iterable[str] = ()) -> str:
    """Return rows as a LaTeX table (booktabs); columns in `numbers` are right-aligned."""
    right = set(numbers)
    lines = [r"\begin{tabular}{" + "".join("r" if name in right else "l" for name in names) + "}", r"\toprule"]
    lines += [_latex_row(names), r"\midrule"]
    for row in rows:
        lines.append(_latex_row([cell(row, name) for name in names]))
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def _latex_row(cells: Sequence[str]) -> str:
    return " & ".join(map(_latex, cells)) + r" \\"


def _latex(text: str) -> str:
    return "".join(_LATEX.get(c, c) for c in text)


def to_bibtex(rows: Iterable[Row]) -> str:
    """Return a BibTeX entry for each row: model, suite, score, year."""
    entries = []
    for row in rows:
        key = re.sub(r"\W+", "", row.model) or "model"
        year = f"  year = {{{row.date[:4]}}},\n" if re.match(r"\d{4}-", row.date) else ""
        figure = f"{cell(row, 'Score')} ({interval(row.score)})"
        note = _latex(f"{row.suite}@{short(row.revision)}: {figure}, {row.badge}")
        entries.append(
            f"@misc{{rewardbench-{key},\n  title = {{{_latex(row.model)} on {_latex(row.suite)}}},\n{year}"
            f"  howpublished = {{rewardbench leaderboard}},\n  note = {{{note}}}\n}}\n"
        )
    return "\n".join(entries)


def choices(rows: Sequence[Row]) -> dict[str, list[str]]:
    """Return the kinds, sizes and badges that occur in some rows, as filters."""
    sizes = {size_class(row.parameters) for row in rows}
    badges = {row.badge for row in rows}
    return {
        "kind": sorted({row.model_type for row in rows}),
        "size": [name for name in SIZES if name in sizes],
        "badge": [name for name in BADGES if name in badges],
    }
