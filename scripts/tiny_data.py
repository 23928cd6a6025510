"""Mirrors for the tiny models: two prompts, two responses, each response right for one prompt only.

Has seeded choices, invented names, the split into training and held-out data, and a check for overlap with the suite.
The templates are in tiny_templates.py. Used by scripts/train_tiny_models.
"""

from __future__ import annotations

import json
import random
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

Messages = tuple[dict[str, str], ...]
T = TypeVar("T")

# An invented name is a head and a tail, about two tokens; no combination is a well-known name.
_HEADS = """
    Bal Bel Bor Brin Dal Dor Dru Fal Fen Fir Gal Gor Gul Hal Hes Hul Jor Jun Kal Kel Kir Kor Lan Lem Lor Mal Mir Mor
    Nal Nes Nor Ost Pal Pel Por Quin Ral Rem Rin Sal Sel Sor Tal Tem Tor Ul Val Ver Vol Wen Wil Yar Yol Zan Zel Zir
""".split()
_TAILS = """
    bask bex bin bo dak dane dex dil do fax fin fo gan gix go ja jin kam ket kim ko lash lin lo mak met mo nak nex nia
    no pek pia po quo rak rix ro sen six sta tak tia tok tun vak vex via vo wick xa xor yas zek zim zo zu
""".split()


@dataclass(frozen=True)
class Mirror:
    """`responses[i]` is right for `prompts[i]` and wrong for the other; it makes two preference pairs."""

    family: str
    prompts: tuple[Messages, Messages]
    responses: tuple[str, str]

    def swapped(self) -> Mirror:
        """Return the mirror with its prompts and responses in reverse order."""
        return Mirror(self.family, self.prompts[::-1], self.responses[::-1])

    def texts(self) -> Iterator[str]:
        """Yield the texts of all messages and responses."""
        for prompt in self.prompts:
            yield from (turn["content"] for turn in prompt)
        yield from self.responses


class Draw:
    """Seeded random choices. Held-out draws use other names and topics than training draws."""

    def __init__(self, rng: random.Random, held_out: bool) -> None:
        self.rng = rng
        self.held_out = held_out

    def pick(self, options: Sequence[T]) -> T:
        """Return one of the options."""
        return options[self.rng.randrange(len(options))]

    def chance(self, p: float) -> bool:
        """Return True with probability `p`."""
        return self.rng.random() < p

    def shuffle(self, options: Sequence[T]) -> list[T]:
        """Return the options in random order."""
        return self.rng.sample(options, len(options))

    def topics(self, options: Sequence[T], n: int) -> list[T]:
        """Return `n` different options from this side of the split; every fifth option is held out."""
        eligible = [option for index, option in enumerate(options) if (index % 5 == 4) == self.held_out]
        return self.rng.sample(eligible, n)

    def names(self, n: int) -> list[str]:
        """Return `n` different invented names; the checksum of a name decides its side of the split."""
        names: list[str] = []
        while len(names) < n:
            name = self._name()
            is_held_out = zlib.crc32(name.encode()) % 8 == 0
            if is_held_out == self.held_out and name not in names:
                names.append(name)
        return names

    def _name(self) -> str:
        tail = self.pick(_TAILS) + (self.pick(_TAILS) if self.chance(0.15) else "")
        return self.pick(_HEADS) + tail


def chat(*turns: str, system: str = "") -> Messages:
    """Return messages whose roles alternate between user and assistant, after a system message if there is one.

    >>> chat("Hello", system="Be kind.")
    ({'role': 'system', 'content': 'Be kind.'}, {'role': 'user', 'content': 'Hello'})
    """
    head = ({"role": "system", "content": system},) if system else ()
    roles = ("user", "assistant")
    messages = [{"role": roles[index % 2], "content": turn} for index, turn in enumerate(turns)]
    return (*head, *messages)


def shingles(text: str, n: int = 8) -> set[str]:
    """Return all sequences of `n` consecutive words, in lower case.

    >>> sorted(shingles("One two, THREE four!", n=3))
    ['one two three', 'two three four']
    """
    words = re.findall(r"\w+", text.lower())
    return {" ".join(words[start : start + n]) for start in range(len(words) - n + 1)}


def find_overlap(mirrors: Iterable[Mirror], suite: Path) -> list[str]:
    """Return the sequences of 8 words that occur both in the training texts and in the suite's `*.jsonl` files."""
    suite_shingles: set[str] = set()
    for path in sorted(suite.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            suite_shingles.update(*map(shingles, _strings(json.loads(line))))
    if not suite_shingles:
        return []
    texts: set[str] = set()
    for mirror in mirrors:
        texts.update(mirror.texts())
    training_shingles: set[str] = set()
    training_shingles.update(*map(shingles, texts))
    return sorted(training_shingles & suite_shingles)


def _strings(value: object) -> Iterator[str]:
    """Yield all strings in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for child in value.values() if isinstance(value, dict) else value:
            yield from _strings(child)
