"""Recognise clauses by patterns: which clause it is, its words and numbers, and its setting."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

ITEM = re.compile(r"^(?:[(\[R#]*)(\d+)[.):\]]+ (.+)$", re.MULTILINE)

EXAMPLE = re.compile(r"```.*?```", re.DOTALL)


@dataclass(frozen=True)
class Ticket:
    """The clauses of a prompt."""

    settings: Mapping[str, int]
    """The clauses, each with its setting; 0 if it has only one."""
    words: Mapping[str, str]
    """Command words and numbers, by their names in the patterns."""

    def has(self, clause: str) -> bool:
        """Return True if the prompt has this clause."""
        return clause in self.settings

    def is_second(self, clause: str) -> bool:
        """Return True if the prompt has this clause in its second setting."""
        return self.settings.get(clause) == 1

    def number(self, name: str) -> int:
        """Return a number of the clauses."""
        return int(self.words[name])

    def word(self, name: str) -> str:
        """Return a command word; a text that no line holds if the prompt lacks its clause."""
        return self.words.get(name, "?")

    def commands(self, *names: str) -> dict[str, str]:
        """Return the names of commands by the words that stand for them here; those without a clause are left out."""
        return {self.words[name]: name for name in self.present(*names)}

    def present(self, *names: str) -> list[str]:
        """Return the names of those commands and numbers that the clauses define."""
        return list(filter(self.words.__contains__, names))


def numbered_clauses(prompt: str) -> list[str]:
    """Return the items of the numbered list in a prompt.

    Raises:
        ValueError: unless they are numbered from 1 without a gap.
    """
    items = ITEM.findall(EXAMPLE.sub("", prompt))
    if not items or [int(number) for number, _ in items] != list(range(1, len(items) + 1)):
        raise ValueError(f"{len(items)} numbered clauses out of order")
    return [text for _, text in items]


def read_ticket(
    clauses: Sequence[str], patterns: Mapping[str, Sequence[str]], settings: Mapping[str, tuple[str, str]]
) -> Ticket:
    """Recognise each clause.

    Args:
        clauses: the texts.
        patterns: for each clause its wordings as patterns; named groups are words and numbers.
        settings: for each clause with two settings, a pattern of the first and one of the second.

    Raises:
        ValueError: if a text is not exactly one known clause in exactly one setting, or a clause occurs twice.
    """
    values: dict[str, int] = {}
    words: dict[str, str] = {}
    for text in clauses:
        matches = {}
        for name, wordings in patterns.items():
            match = next(filter(None, (re.search(wording, text) for wording in wordings)), None)
            if match:
                matches[name] = match.groupdict()
        if len(matches) != 1:
            raise ValueError(f"{len(matches)} clauses {list(matches)} match {text!r}")
        ((name, groups),) = matches.items()
        if name in values:
            raise ValueError(f"two clauses are {name}")
        values[name] = _setting(text, *settings[name]) if name in settings else 0
        words |= groups
    return Ticket(values, words)


def _setting(text: str, first: str, second: str) -> int:
    """Return 0 if the first pattern matches, 1 if the second does."""
    is_first, is_second = re.search(first, text) is not None, re.search(second, text) is not None
    if is_first == is_second:
        raise ValueError(f"no clear setting in {text!r}")
    return int(is_second)
