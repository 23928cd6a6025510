"""Second program for scopes, for rules on counts over the conversation: reads a clause and counts in the messages."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from rewardbench.types import Messages
from rewardbench.verifiers.cells import BrokenCheck

NUMBER = r"(?P<compare>fewer than|at least) (?P<n>\d+)"
CLAUSES = (
    rf"{NUMBER} words in all",
    rf"{NUMBER} words that begin with (?P<initial>[A-Z])",
    rf"{NUMBER} words of (?P<length>\d+) letters",
    rf"the letter (?P<letter>[A-Z]) {NUMBER} times",
)
SPEAKERS = {"the user's messages have ": "user", "your replies so far have ": "assistant"}
COUNTERS: Mapping[str, Callable[[str, str], int]] = {
    "initial": lambda text, letter: len(re.findall(rf"(?<![^\s(]){letter.lower()}", text)),
    "length": lambda text, length: len(re.findall(rf"(?<!\S)(?:[^a-z\s]*[a-z]){{{length}}}[^a-z\s]*(?!\S)", text)),
    "letter": lambda text, letter: len(text.split(letter.lower())) - 1,
}
"""Counts in a text in small letters."""


def is_count(scope: str) -> bool:
    """Return True if a scope depends on a count."""
    return scope.startswith("while ")


def holds_count(scope: str, messages: Messages) -> bool:
    """Return True if a scope such as "while the user's messages have fewer than 90 words in all" holds.

    Raises:
        BrokenCheck: if a clause is not understood.
    """
    condition, _, exception = scope.removeprefix("while ").partition(", unless ")
    clauses = exception.split(" and ") if exception else []
    is_lifted = bool(clauses)
    for clause in clauses:
        is_lifted = _holds(clause, messages) and is_lifted
    return _holds(condition, messages) and not is_lifted


def _holds(clause: str, messages: Messages) -> bool:
    """Return True if one clause is true."""
    for start, role in SPEAKERS.items():
        for pattern in CLAUSES:
            match = re.fullmatch(start + pattern, clause)
            if match:
                count = _count(_text_of(role, messages), match.groupdict())
                return (count < int(match["n"])) == (match["compare"] == "fewer than")
    raise BrokenCheck(f"what does {clause!r} mean?")


def _text_of(role: str, messages: Messages) -> str:
    """Return the contents of the messages of a role, in small letters."""
    contents = ""
    for message in messages:
        if message["role"] == role:
            contents += f"{message['content'].lower()}\n"
    return contents


def _count(text: str, values: Mapping[str, str]) -> int:
    """Count what a clause is about, which is words without a further value."""
    for kind, counter in COUNTERS.items():
        if values.get(kind):
            return counter(text, values[kind])
    return len(re.findall(r"\S+", text))
