"""Names in the lists and replies of rule-by-list, as its second program reads them.

A reply is read word by word; the longest name that begins at a word is the one that is named there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from rewardbench.verifiers.cells import BrokenCheck

SECOND_NAME = re.compile(r"^(.+?) \((?:also known as|alias|also called|listed as well as) (.+)\)$")
LONGEST_NAME = 4
"""Words of a name, at most."""


def named_in(reply: str, names: Mapping[str, str]) -> list[str]:
    """Return the names of a list in a reply, in its order.

    Args:
        reply: the reply.
        names: the name for each key of a name or second name.

    Raises:
        BrokenCheck: if there are none.
    """
    words = key_of(reply).split()
    named: list[str] = []
    n = 0
    while n < len(words):
        name, length = _name_at(words[n : n + LONGEST_NAME], names)
        named += [name] if name else []
        n += length
    if not named:
        raise BrokenCheck("the reply has no name of the list")
    return named


def _name_at(words: list[str], names: Mapping[str, str]) -> tuple[str, int]:
    """Return the longest name at the beginning of some words, and its number of words; else "" and 1."""
    for length in range(len(words), 0, -1):
        name = names.get(" ".join(words[:length]))
        if name:
            return name, length
    return "", 1


def key_of(text: str) -> str:
    """Return the words of a text in lower case, without the s of a genitive."""
    return " ".join(re.findall(r"[\w&-]+", re.sub(r"['’]s\b", "", text.lower())))


def split_label(label: str) -> tuple[str, str]:
    """Return the name and the second name of a label; the second name may be empty.

    Raises:
        BrokenCheck: if it has brackets of another kind.
    """
    second = SECOND_NAME.match(label)
    name, alias = second.groups() if second else (label, "")
    if "(" in name:
        raise BrokenCheck(f"what does {label!r} mean?")
    return name, alias
