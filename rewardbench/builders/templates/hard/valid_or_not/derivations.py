"""Derivations on whole numbers in which each line follows, or one does not.

A derivation interleaves short arguments on different letters. The prompts differ in one assumption: with it all lines
follow, with the other one the delicate line of an argument does not. For example:

    prompt a: (G1) ab = ac (G2) a > 0 ... 1. ab − ac = 0 2. a(b − c) = 0 3. b − c = 0 ...
    prompt b: the same with (G2) a ≥ 0
    response x, right for a: ... every line follows. ... Line 3 ... is just enough for it ...
    response y, right for b: ... one line doesn't follow. ... Line 3 ... is not quite enough for it ...
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from rewardbench.builders.draw import MirrorContent, Resample, Rng
from rewardbench.builders.mirrors import chat
from rewardbench.builders.prompts import join_words
from rewardbench.builders.templates.hard.valid_or_not.polynomials import to_terms
from rewardbench.types import Messages

ARGUMENTS = (1, 2)
"""Arguments in a derivation at each rung; they have four or five lines each."""
LETTERS = "abcdefghkmnpqrstuvwxyz"


@dataclass(frozen=True)
class Lemma:
    """An argument on the letters x, y and z, as in `lemmas.toml`."""

    data: list[str]
    lines: list[str]
    delicate: int
    move: str
    """What the delicate line does."""
    reason: str
    """Why it follows."""
    enough: str = ""
    short: str = ""
    names: dict[str, str] = field(default_factory=dict)
    """The letters that a derivation uses in place of x, y and z."""

    def rename(self, statement: str) -> str:
        """Return a statement in the letters of the derivation (no word of a statement has an x, y or z)."""
        return statement.translate(str.maketrans("".join(self.names), "".join(self.names.values())))

    @property
    def letters(self) -> list[str]:
        """Return the letters that its data and lines use."""
        text = "".join([*self.data, *self.lines, self.enough])
        return [new for old, new in self.names.items() if old in text]


@cache
def _texts() -> tuple[tuple[Mapping[str, object], ...], Mapping[str, Sequence[str]]]:
    content = tomllib.loads(Path(__file__).with_name("lemmas.toml").read_text(encoding="utf-8"))
    return tuple(content["lemma"]), content["words"]


def draw_derivation(rng: Rng, rung: int) -> MirrorContent:
    """Draw a mirror of a derivation."""
    lemmas = _draw_lemmas(rng, ARGUMENTS[rung - 1])
    key = lemmas[0]
    order = _interleave(rng, lemmas)
    lines, numbers = [], {}
    done = dict.fromkeys(range(len(lemmas)), 0)
    for place in order:
        lemma = lemmas[place]
        lines.append(lemma.rename(lemma.lines[done[place]]))
        done[place] += 1
        if done[place] == lemma.delicate:
            numbers[place] = len(lines)
    data = []
    for lemma in lemmas:
        statements = [*lemma.data, lemma.enough] if lemma.enough else lemma.data
        data += list(map(lemma.rename, statements))
    enough, short = key.rename(key.enough), key.rename(key.short)
    data_a = rng.sample(data, len(data))
    data_b = list(data_a)
    data_b[data_a.index(enough)] = short
    prompt_a, prompt_b = _prompts(rng, (data_a, data_b), lines)
    x, y = _responses(rng, lemmas, numbers)
    check = {"kind": "valid-or-not", "a": _check(data_a, lines), "b": _check(data_b, lines)}
    return MirrorContent(f"{enough} or {short}", prompt_a, prompt_b, x, y, check)


def _draw_lemmas(rng: Rng, count: int) -> list[Lemma]:
    """Draw different arguments on different letters; the first has an assumption that can be replaced."""
    lemmas, _ = _texts()
    first = rng.pick([lemma for lemma in lemmas if "short" in lemma])
    others = [lemma for lemma in lemmas if lemma is not first]
    letters = rng.sample(LETTERS, len(LETTERS))
    chosen = []
    for fields in [first, *rng.sample(others, count - 1)]:
        lemma = Lemma(**fields, names={"x": "x", "y": "y", "z": "z"})  # type: ignore[arg-type]
        count = len(lemma.letters)
        if len(letters) < count:
            raise Resample
        names = dict(zip(lemma.letters, letters, strict=False))
        letters = letters[count:]
        chosen.append(replace(lemma, names=names))
    return chosen


def _interleave(rng: Rng, lemmas: Sequence[Lemma]) -> list[int]:
    """Return the argument of each line, in random order."""
    places: list[int] = []
    for n, lemma in enumerate(lemmas):
        places += [n] * len(lemma.lines)
    return rng.sample(places, len(places))


def _prompts(rng: Rng, data: tuple[list[str], list[str]], lines: list[str]) -> tuple[Messages, Messages]:
    """Write both prompts in one layout."""
    _, words = _texts()
    intro, head, link, question = (rng.pick(words[key]) for key in ("intro", "data", "lines", "question"))
    numbered = []
    style = rng.pick(("{}. {}{}", "({}) {}{}", "{}) {}{}"))
    for n, line in enumerate(lines, 1):
        numbered.append(style.format(n, rng.pick(words["connectives"]), line))
    derivation = "\n".join([link, *numbered])
    form = rng.number(0, 2)

    def prompt(statements: list[str]) -> Messages:
        entries = "\n".join(map("(G{}) {}".format, range(1, len(statements) + 1), statements))
        if form == 0:
            return chat(f"{question}\n\n{intro} {head}\n{entries}\n\n{derivation}")
        if form == 1:
            return chat(f"{intro} {head}\n{entries}", "Noted. What follows from them?", f"{derivation}\n\n{question}")
        return chat(f"{intro} {head}\n{entries}\n\n{derivation}\n\n{question}")

    return prompt(data[0]), prompt(data[1])


def _responses(rng: Rng, lemmas: Sequence[Lemma], numbers: Mapping[int, int]) -> tuple[str, str]:
    """Write the responses that all lines follow, and that the delicate line of the first argument does not."""
    _, words = _texts()
    opening, closing = rng.number(0, len(words["sound"]) - 1), rng.number(0, len(words["enough"]) - 1)
    remarks = [rng.pick(words["decoys"])]
    for place in sorted(numbers, key=numbers.__getitem__):
        if place:
            remarks.append(f"Line {numbers[place]} {lemmas[place].move}; it holds, since {lemmas[place].reason}.")
    parts = [" ".join(remarks)] if len(remarks) > 1 else []
    fields = {"k": numbers[0], "letters": join_words(lemmas[0].letters)}
    x = [words["sound"][opening], *parts, words["enough"][closing].format(**fields)]
    y = [words["unsound"][opening], *parts, words["short"][closing].format(**fields)]
    return "\n\n".join(x), "\n\n".join(y)


def _check(data: Sequence[str], lines: Sequence[str]) -> dict[str, object]:
    return {"low": -9, "high": 9, "data": list(map(to_terms, data)), "lines": list(map(to_terms, lines))}
