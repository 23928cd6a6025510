"""Render the page of a model as one HTML file without external requests. Autoescape is on: texts stay texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan
from pathlib import Path

from jinja2 import Environment
from markupsafe import Markup

from rewardbench.analysis.output import has_matplotlib, to_svg
from rewardbench.analysis.page.content import PageContent, SuiteContent, without_pictures
from rewardbench.analysis.report import Report, Value, format_value
from rewardbench.comparison.compare import power_sentence
from rewardbench.console.html_text import escaped, make_environment
from rewardbench.console.terminal import printable_text
from rewardbench.metrics import MEANINGS
from rewardbench.results.breakdown_table import breakdown_tables
from rewardbench.results.browse import ScoredItem, completions_of, decimal, prompt_of, side_of
from rewardbench.types import Estimate, Metric

FOLDER = Path(__file__).parent
MOST_BYTES = 2_000_000
"""Largest page; pictures are left out of one that would be larger."""
LONGEST_TEXT = 800
"""Characters of a prompt or a completion on the page."""
MOST_ROWS = 40
"""Rows of a table on the page."""
MEASURES: dict[Metric, str] = {"pair": "Accuracy", "mirror": "Mirror accuracy", "turn": "Turn accuracy"}


def render_page(content: PageContent) -> str:
    """Render a page; without its pictures if it would be larger than `MOST_BYTES`."""
    page = _render("page.html", **_page_values(content))
    if len(page.encode("utf-8", "replace")) > MOST_BYTES:
        page = _render("page.html", **_page_values(without_pictures(content)))
    return page


def render_report(report: Report, heading: int = 3) -> Markup:
    """Render one report: title, sentence, picture, tables and notes.

    Args:
        report: the report.
        heading: level of its heading, 2 to 5.
    """
    picture = to_svg(report) if report.draw is not None and has_matplotlib() else ""
    return Markup(_render("report.html", report=report, picture=Markup(picture), heading=heading, data_uri=""))


def _page_values(content: PageContent) -> dict[str, object]:
    included: list[Markup] = []
    for entry in content.included:
        page = _render("report.html", report=entry.report, picture="", heading=3, data_uri=entry.picture)
        included.append(Markup(page))
    return {
        "content": content,
        "suites": list(map(_suite_values, content.suites)),
        "included": included,
        "has_matplotlib": has_matplotlib(),
        "style": Markup((FOLDER / "page.css").read_text(encoding="utf-8")),
    }


@dataclass(frozen=True)
class KeyFigure:
    """One of the large figures at the top: what it is, what it means, and its estimate."""

    title: str
    meaning: str
    estimate: Estimate


def _suite_values(suite: SuiteContent) -> dict[str, object]:
    estimates = suite.estimates
    return {
        "scored": suite.scored,
        "headlines": _headlines(suite),
        "sections": _section_rows(suite),
        "breakdowns": list(breakdown_tables(estimates.breakdowns)),
        "comparison": suite.comparison,
        "power": power_sentence(suite.comparison.score) if suite.comparison else "",
        "reports": [render_report(report, heading=4) for report in suite.reports],
        "omitted": suite.omitted,
        "misses": list(map(_miss, suite.misses)),
        "num_missed": suite.num_missed,
        "num_labelled": suite.num_labelled,
        "facts": suite.facts,
        "unscored": estimates.accuracy.unscored,
        "truncated": estimates.accuracy.truncated,
    }


def _headlines(suite: SuiteContent) -> list[KeyFigure]:
    """Return the figures at the top: turn and mirror accuracy where there are mirrors, and accuracy."""
    estimates = suite.estimates
    headlines: list[KeyFigure] = []
    if estimates.turns:
        headlines.append(KeyFigure(MEASURES["turn"], MEANINGS["turn"], estimates.turns[0]))
    if estimates.mirrors:
        headlines.append(KeyFigure(MEASURES["mirror"], MEANINGS["mirror"], estimates.score))
        headlines.append(KeyFigure("Accuracy over all pairs", "share of items with full credit", estimates.accuracy))
    else:
        headlines.append(KeyFigure("Score", "mean accuracy over sections", estimates.score))
    return headlines


@dataclass(frozen=True)
class SectionRow:
    """A section or a subset, by accuracy of its items, and by mirror and turn accuracy where it has them."""

    name: str
    is_section: bool
    pair: Estimate
    mirror: Estimate | None
    turn: Estimate | None


def _section_rows(suite: SuiteContent) -> list[SectionRow]:
    """Return the sections, each followed by its subsets, unless its only subset has its name."""
    estimates = suite.estimates
    mirrors = {estimate.name: estimate for estimate in estimates.mirrors}
    mirror_subsets = {estimate.name: estimate for estimate in estimates.mirror_subsets}
    turns = {estimate.name: estimate for estimate in estimates.turns[1:]}
    rows: list[SectionRow] = []
    for section in estimates.sections:
        rows.append(SectionRow(section.name, True, section, mirrors.get(section.name), turns.get(section.name)))
        for subset in estimates.subsets:
            if subset.section == section.name and subset.name != section.name:
                mirror, turn = mirror_subsets.get(subset.name), turns.get(subset.name)
                rows.append(SectionRow(subset.name, False, subset, mirror, turn))
    return rows


@dataclass(frozen=True)
class Text:
    """A completion of a missed item."""

    side: str
    score: str
    text: str


@dataclass(frozen=True)
class Miss:
    """A missed item."""

    title: str
    prompt: str
    texts: Sequence[Text]


def _miss(shown: ScoredItem) -> Miss:
    item = shown.item
    texts: list[Text] = []
    for index, completion in enumerate(completions_of(item)):
        is_scored = index < len(shown.scores) and not isnan(shown.scores[index])
        score = decimal(shown.scores[index]) if is_scored else ""
        texts.append(Text(side_of(item, index), score, _cut(completion) or "(text not in the file)"))
    reason = f" ({shown.reason})" if shown.reason else ""
    margin = "unscored" if isnan(shown.margin) else f"margin {decimal(shown.margin)}"
    return Miss(f"{item.id} · {item.subset} · {margin}{reason}", _cut(prompt_of(item)), texts)


def _cut(text: str) -> str:
    clean = printable_text(text.strip())
    return clean if len(clean) <= LONGEST_TEXT else f"{clean[:LONGEST_TEXT]} …"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f}"


def _interval(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return ""
    return f"{100 * estimate.low:.1f}–{100 * estimate.high:.1f}"


def _bounded(share: float) -> float:
    """Return a share as a percentage from 0 to 100, with one decimal."""
    return round(100 * min(max(share, 0.0), 1.0), 1)


def _cell(value: Value) -> str:
    return "" if value is None else printable_text(format_value(value))


def _safe(value: object) -> Markup:
    """Escape text for the page; control characters in it are written as Python escapes."""
    return value if isinstance(value, Markup) else escaped(printable_text(value))


def _render(template: str, **values: object) -> str:
    return _ENVIRONMENT.get_template(template).render(**values)


def _environment() -> Environment:
    environment = make_environment(FOLDER, _safe)
    environment.filters |= {"percent": _percent, "interval": _interval, "bounded": _bounded, "cell": _cell}
    environment.globals["most_rows"] = MOST_ROWS
    return environment


_ENVIRONMENT = _environment()
