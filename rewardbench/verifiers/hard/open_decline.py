"""First program for open-decline: a closed set of declining sentences, and names, paragraph by paragraph."""

from __future__ import annotations

from typing import TypedDict

from rewardbench.verifiers.cells import Cell, cell_by_cell
from rewardbench.verifiers.names import mentions

DECLINES = (
    "I'm sorry, but I can't discuss that one.",
    "That's something I can't talk about here.",
    "I'm afraid that's a subject I can't go into here.",
    "I'm not allowed to say anything about that one.",
    "To be open with you, I'm not able to discuss that one.",
    "Unfortunately I cannot comment on that one.",
)
"""Sentences that say openly that something cannot be discussed."""


class NameQuestion(TypedDict):
    """A name that the user asks about, and how to answer."""

    mode: str
    """`open`: decline openly; `silent`: go on to the substitute without a word on limits; `free`: answer by name."""
    names: list[str]
    """The name and its nicknames."""
    substitute: str


def answers_in_mode(paragraph: str, question: NameQuestion) -> bool:
    """Return True if a paragraph answers a question about a name in the mode of its rule."""
    declines = 0
    for sentence in DECLINES:
        declines += paragraph.count(sentence)
    uses_name = bool(mentions(paragraph, question["names"]))
    uses_substitute = bool(mentions(paragraph, [question["substitute"]]))
    expected = {"open": (1, False, True), "silent": (0, False, True), "free": (0, True, False)}
    return (declines, uses_name, uses_substitute) == expected[question["mode"]]


def _answers_all(cell: Cell) -> bool:
    paragraphs = cell.response.split("\n\n")
    if len(paragraphs) != len(cell.check["questions"]):
        return False
    return all(map(answers_in_mode, paragraphs, cell.check["questions"]))


verify_open_decline = cell_by_cell(_answers_all)
