"""Define what all pages share: the frame with the navigation, and cards that show an item."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from rewardbench.leaderboard.app.conversation import ShownMessage, show_message
from rewardbench.leaderboard.app.markup import render
from rewardbench.leaderboard.types import Board, age
from rewardbench.results.browse import completions_of
from rewardbench.types import Item, Message

PAGES = {
    "board": "Leaderboard",
    "suites": "All suites",
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
    messages: tuple[ShownMessage, ...]
    score: str = ""


@dataclass(frozen=True)
class ItemCard:
    """An item as pages show it."""

    title: str
    prompt: tuple[ShownMessage, ...]
    completions: tuple[Completion, ...]
    note: str = ""


def make_card(
    item: Item, title: str, scores: Sequence[float] | None = None, note: str = "", with_markdown: bool = False
) -> ItemCard:
    """Describe an item for a page.

    Args:
        item: the item; its texts may be missing.
        title: heading of the card.
        scores: score of each completion, if they are to be shown.
        note: line below the heading.
        with_markdown: whether texts are rendered as markdown.
    """
    completions: list[Completion] = []
    for n, text in enumerate(completions_of(item)):
        side = "chosen" if n < item.num_correct else "rejected"
        shown = _show(_completion_messages(item.completions[n], text.strip()), with_markdown)
        if scores is not None:
            completions.append(Completion(side, shown or (_MISSING,), f"{scores[n]:+.3f}"))
        elif shown:
            completions.append(Completion(side, shown))
    return ItemCard(title, _show(item.prompt, with_markdown), tuple(completions), note)


def _show(messages: Sequence[Message], with_markdown: bool) -> tuple[ShownMessage, ...]:
    return tuple(show_message(message, with_markdown) for message in messages)


_MISSING = ShownMessage("assistant", "assistant", "(text not available)")


def _completion_messages(messages: Sequence[Message], text: str) -> list[Message]:
    """Return the messages of a completion; that of one text has the text without a prompt that it repeats."""
    if len(messages) > 1 or (messages and messages[0].get("tool_calls")):
        return list(messages)
    return [Message(role="assistant", content=text)] if text else []
