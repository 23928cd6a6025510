"""Texts with places that can change in one detail, from the sentences of a scene.

A sentence such as "The stairs are <very> steep // sturdy shoes are a good idea." becomes pieces, of which some are
places with two options each; a place has a state, 0 or 1. The marks are described in `scenes_1.toml`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache

from rewardbench.builders.draw import Rng

MARKS = re.compile(r"<[^<>]+>|\{[^{}]+\}| // |@|\*\w+\*|\.!")
JOINT = ("; ", ". ")
NUMBERS = "zero one two three four five six seven eight nine ten".split()


@dataclass(frozen=True)
class TextPlace:
    """A part of a sentence with two options."""

    kind: str
    """`word`, `comma`, `joint`, `count`, `capitals`, `bang`, `letter`, `pair`, `ten` or `question`."""
    options: tuple[str, str]
    state: int

    @property
    def text(self) -> str:
        """The option that is in the text."""
        return self.options[self.state]

    def flipped(self) -> TextPlace:
        """Return the place with its other option."""
        return replace(self, state=1 - self.state)


Sentence = tuple[str | TextPlace, ...]


@dataclass(frozen=True)
class Composition:
    """A text in parts: greeting, paragraphs, a list, and a signature."""

    greeting: str
    paragraphs: tuple[tuple[Sentence, ...], ...]
    items: tuple[str, ...]
    """Items of the list after the last paragraph; empty without one."""
    signature: str
    lines: tuple[str, ...] = ()
    """Lines of the scene from which the sentences come."""

    @cached_property
    def text(self) -> str:
        """The text, with blank lines between its blocks."""
        blocks = [self.greeting] if self.greeting else []
        for paragraph in self.paragraphs:
            blocks.append(" ".join(map(render_sentence, paragraph)))
        if self.items:
            blocks.append("\n".join(f"- {item}" for item in self.items))
        if self.signature:
            blocks.append(self.signature)
        return "\n\n".join(blocks)

    def places(self, kind: str) -> list[tuple[int, int, int]]:
        """List the places of a kind, each as paragraph, sentence and piece."""
        positions = []
        for i, paragraph in enumerate(self.paragraphs):
            for j, sentence in enumerate(paragraph):
                for k, piece in enumerate(sentence):
                    if isinstance(piece, TextPlace) and piece.kind == kind:
                        positions.append((i, j, k))
        return positions

    def place(self, position: tuple[int, int, int]) -> TextPlace:
        """Return the place at a position of `places`."""
        i, j, k = position
        place = self.paragraphs[i][j][k]
        assert isinstance(place, TextPlace)
        return place

    def flipped(self, position: tuple[int, int, int]) -> Composition:
        """Return the text with the other option at one place."""
        i, j, k = position
        sentence = list(self.paragraphs[i][j])
        sentence[k] = self.place(position).flipped()
        paragraph = list(self.paragraphs[i])
        paragraph[j] = tuple(sentence)
        return self.with_paragraph(i, paragraph)

    def with_paragraph(self, i: int, *paragraphs: Sequence[Sentence]) -> Composition:
        """Return the text with paragraph `i` replaced by others."""
        after = [*self.paragraphs[:i], *map(tuple, paragraphs), *self.paragraphs[i + 1 :]]
        return replace(self, paragraphs=tuple(after))


@lru_cache(maxsize=2048)
def render_sentence(sentence: Sentence) -> str:
    """Return the text of a sentence."""
    text = ""
    for piece in sentence:
        part = piece if isinstance(piece, str) else piece.text
        if not text.strip() or text.endswith(". "):
            part = part.lstrip()
            part = part[:1].upper() + part[1:]
        text += part
    return re.sub(r" +(?=[ ;,.!?])", "", text).strip()


@dataclass(frozen=True)
class Slots:
    """What the slots of a scene are filled with."""

    rng: Rng
    place: str
    day: str
    counted: str
    synonym: str
    people: list[str] = field(default_factory=list)
    liveliness: float = 0.25
    """Share of the places for capitals and exclamation marks that have them."""

    def person(self) -> str:
        """Return a first name that no other slot has."""
        return self.people.pop()

    def time(self) -> str:
        """Return a clock time."""
        return f"{self.rng.number(6, 11)}:{self.rng.pick(('15', '30', '45'))}"

    def fill(self, text: str) -> str:
        """Return a text without marks other than names, with its slots filled."""
        while "{person}" in text:
            text = text.replace("{person}", self.person(), 1)
        return text.replace("{place}", self.place).replace("{day}", self.day)


def parse_sentence(line: str, slots: Slots) -> Sentence:
    """Return the pieces of a marked sentence, its places in random states."""
    state = int(slots.rng.chance())
    if " || " in line:
        question, statement = line.split(" || ")
        return (TextPlace("question", (statement, question), state),)
    pieces: list[str | TextPlace] = []
    end = 0
    for match in MARKS.finditer(line):
        pieces += [line[end : match.start()], _parse_mark(match.group(), slots)]
        end = match.end()
    pieces.append(line[end:])
    return tuple(piece for piece in pieces if piece)


def _parse_mark(mark: str, slots: Slots) -> str | TextPlace:
    state = int(slots.rng.chance())
    simple: Mapping[str, Callable[[], str | TextPlace]] = {
        "@": lambda: TextPlace("count", (slots.counted, slots.synonym), state),
        ".!": lambda: TextPlace("bang", (".", "!"), int(slots.rng.chance(slots.liveliness))),
        " // ": lambda: TextPlace("joint", JOINT, state),
        "<,>": lambda: TextPlace("comma", ("", ","), state),
        "{10}": lambda: TextPlace("ten", ("10", "ten"), state),
        "{person}": slots.person,
        "{time}": slots.time,
        "{day}": lambda: slots.day,
        "{place}": lambda: slots.place,
    }
    if mark in simple:
        return simple[mark]()
    inside = mark[1:-1]
    if mark.startswith("*"):
        return TextPlace("capitals", (inside, inside.upper()), int(slots.rng.chance(slots.liveliness)))
    if mark.startswith("<"):
        return TextPlace("word", ("", inside), state)
    if "~" in inside:
        with_j, with_x = inside.split("~")
        return TextPlace("letter", (with_j, with_x), state)
    if " & " in inside:
        first, second = inside.split(" & ")
        return TextPlace("pair", (f"{first} and {second}", f"{second} and {first}"), state)
    if "|" in inside:
        return slots.rng.pick(inside.split("|"))
    low, high = map(int, inside.split("-"))
    number = slots.rng.number(low, high)
    return NUMBERS[number] if number < len(NUMBERS) else str(number)
