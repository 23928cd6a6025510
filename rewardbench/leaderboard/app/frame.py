"""Define what all pages share: the frame with the navigation, and cards that show an item."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from rewardbench.leaderboard.app.markup import render
from rewardbench.leaderboard.types import Board, age
from rewardbench.results.browse import completions_of, prompt_of
from rewardbench.types import Item

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
    """A page without its frame.

    Args:
        title: heading of the page.
        body: HTML below the heading.
        name: key of the page in `PAGES`.
    """

    title: str
    body: Markup
    name: str = "board"


def render_page(page: Page, board: Board, suite: str) -> str:
    """Return the HTML of a page with navigation, and a warning if the rows are old."""
    state = age(board, time.time())
    return str(render("frame.html", page=page, pages=PAGES, suite=suite, offline=board.offline, age=state))


@dataclass(frozen=True)
class Completion:
    """A completion of an item, as a card shows it."""

    side: str
    """chosen or rejected."""
    text: str
    score: str = ""


@dataclass(frozen=True)
class ItemCard:
    """An item as pages show it."""

    title: str
    prompt: str
    texts: tuple[Completion, ...]
    note: str = ""


def make_card(item: Item, title: str, scores: Sequence[float] | None = None, note: str = "") -> ItemCard:
    """Describe an item for a page.

    Args:
        item: the item; its texts may be missing.
        title: heading of the card.
        scores: score of each completion, if they are to be shown.
        note: line below the heading.
    """
    texts = []
    for n, completion in enumerate(completions_of(item)):
        side = "chosen" if n < item.num_correct else "rejected"
        text = completion.strip()
        if scores is not None:
            texts.append(Completion(side, text or "(text not available)", f"{scores[n]:+.3f}"))
        elif text:
            texts.append(Completion(side, text))
    return ItemCard(title, prompt_of(item) if item.prompt else "", tuple(texts), note)
