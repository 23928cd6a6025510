"""What all pages share: the way between them, figures with bars, badges, and where the rows come from."""

from __future__ import annotations

import time
from dataclasses import dataclass

from rewardbench.leaderboard.app import tables
from rewardbench.leaderboard.app.markup import esc, href, link, options
from rewardbench.leaderboard.refresh import BADGES, Board, Figure, Row, age

PAGES = {
    "board": "Leaderboard",
    "compare": "Compare",
    "size": "Size and time",
    "items": "Hardest items",
    "suite": "Suite",
    "submit": "Submit",
    "about": "About",
}


@dataclass(frozen=True)
class Page:
    """A title, and the markup below it; `name` says which of PAGES it is."""

    title: str
    body: str
    name: str = "board"


def framed(page: Page, board: Board, suite: str) -> str:
    """A page with the way to all others, and a word where the rows are old."""
    links = "".join(
        f'<a href="{href(view=name, suite=suite)}"{" aria-current=page" if name == page.name else ""}>{esc(words)}</a>'
        for name, words in PAGES.items()
    )
    return (
        f'<nav class="rb-nav" aria-label="Pages">{links}</nav>{_warning(board)}'
        f'<main class="rb-main" tabindex="-1"><h1>{esc(page.title)}</h1>{page.body}</main>'
        f'<footer class="rb-foot">Rows as of {esc(age(board, time.time()))}.</footer>'
    )


def _warning(board: Board) -> str:
    if not board.offline:
        return ""
    return (
        f'<p class="rb-note" role="status">The results cannot be reached just now. These rows are as of '
        f"{esc(age(board, time.time()))}.</p>"
    )


def suite_choice(board: Board, suite: str, page: str) -> str:
    """A choice of the suites that have rows; choosing leads there."""
    if len(board.suites) < 2:
        return ""
    choice = options(board.suites, suite)
    return f'<label>Suite <select data-go="{href(view=page)}" data-name="suite">{choice}</select></label>'


def badge(name: str) -> str:
    """A badge with what it means."""
    return f'<span class="rb-badge {esc(name)}" title="{esc(BADGES.get(name, ""))}">{esc(name)}</span>'


def model_link(row: Row) -> str:
    """A row's model, as a link to its page."""
    return link(row.model, view="model", suite=row.suite, model=row.key)


def share(figure: Figure) -> str:
    """A figure in percent with its interval beside it."""
    return f'<b>{tables.percent(figure)}</b> <span class="rb-dim">{esc(tables.interval(figure))}</span>'


def bar(figure: Figure) -> str:
    """A bar from 0 to 100 with its interval, in the colours of the page; hidden from those who hear the figure."""
    if figure.value is None:
        return ""
    value = _percent(figure.value)
    whisker = ""
    if figure.low is not None and figure.high is not None:
        low, high = _percent(figure.low), _percent(figure.high)
        whisker = f'<i style="left:{low:.1f}%;width:{max(high - low, 0.5):.1f}%"></i>'
    return f'<span class="rb-bar" aria-hidden="true"><b style="width:{value:.1f}%"></b>{whisker}</span>'


def _percent(share: float) -> float:
    return 100 * min(max(share, 0.0), 1.0)


def figures_table(head: str, lines: str, name: str = "Figures") -> str:
    """A table of figures that scrolls by itself where a screen is narrow; `head` and `lines` are rows."""
    return (
        f'<div class="rb-scroll" tabindex="0" role="region" aria-label="{esc(name)}"><table class="rb-figures">'
        f"<thead>{head}</thead><tbody>{lines}</tbody></table></div>"
    )
