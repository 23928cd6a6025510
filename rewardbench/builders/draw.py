"""Seeded random choices for templates, and what a template returns.

A template is a function from an Rng to a MirrorContent. The Rng is its only source of randomness, so that the same key
gives the same mirror on every machine.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from rewardbench.types import Messages, Tools

T = TypeVar("T")

RUNGS = (1, 2, 3, 4)
"""Sizes of a template of core-hard, from small to large."""
Response = str | Messages
"""A response as text, or as messages if it calls tools."""


class Resample(Exception):
    """Raised by a template if its choices make a degenerate mirror, such as two equal answers; it is called again."""


@dataclass(frozen=True)
class MirrorContent:
    """The mirror that a template makes, without subset, source and group."""

    edit: str
    """The differing detail of the prompts, in one line."""
    a: Messages
    b: Messages
    x: Response
    """The response that is right for prompt `a` and wrong for prompt `b`."""
    y: Response
    """The response that is right for prompt `b` and wrong for prompt `a`."""
    check: dict[str, Any] = field(default_factory=dict)
    """Data of the verifier: its `kind`, and what must hold of a right response to `a` and to `b`."""
    tools: Tools = ()
    """The functions that the assistant may call, for both prompts."""


@dataclass(frozen=True)
class SquareContent:
    """Four prompts and four responses: response i is right for prompt i only. Without subset, source and group."""

    edit: str
    """The differing detail of the prompts, in one line."""
    prompts: tuple[Messages, ...]
    responses: tuple[str, ...]
    check: dict[str, Any] = field(default_factory=dict)
    """Data of the verifier: its `kind`, and for each prompt, by its position ("0", "1", ...), what must hold."""


class Rng:
    """Seeded random choices, and first names."""

    def __init__(self, key: str) -> None:
        self.generator = random.Random(key)

    def pick(self, options: Sequence[T]) -> T:
        """Return one of the options."""
        return options[self.generator.randrange(len(options))]

    def sample(self, options: Sequence[T], n: int) -> list[T]:
        """Return `n` different options in random order."""
        return self.generator.sample(list(options), n)

    def number(self, low: int, high: int, step: int = 1) -> int:
        """Return one of low, low + step, ... up to and including high."""
        return self.generator.randrange(low, high + 1, step)

    def numbers(self, n: int, low: int, high: int, step: int = 1) -> list[int]:
        """Return `n` different numbers of low, low + step, ... up to and including high."""
        return self.generator.sample(range(low, high + 1, step), n)

    def chance(self, p: float = 0.5) -> bool:
        """Return True with probability `p`."""
        return self.generator.random() < p

    def people(self, n: int) -> list[str]:
        """Return `n` different first names, from all over the world."""
        return self.sample(NAMES, n)


Template = Callable[[Rng], MirrorContent]
SizedTemplate = Callable[[Rng, int], MirrorContent]
"""A template of core-hard; the number is the rung, one of RUNGS."""
SquareTemplate = Callable[[Rng, int], SquareContent]

NAMES = """
    Abena Adaeze Adil Aiko Ailsa Akira Alba Alejo Amara Amina Anand Anouk Anselm Arjun Asel Astrid Ayşe Azadeh Bahar
    Beatriz Bohdan Bilal Boris Caio Carmen Chidi Chiara Dagny Dalia Damir Daria Dawit Deepa Diego Dina Ebba Edda Efua
    Eino Elena Elif Emeka Esra Farah Femi Fiona Freya Gabor Gita Goran Greta Gustavo Hana Haruto Hassan Heidi Hugo
    Ibrahim Ida Ilse Imani Ines Ingrid Ioana Ivo Jaana Jakub Jamal Jasmin Jonas João Jun Kaito Kalinda Kamala Karim
    Katya Keira Kenji Kofi Kwame Lara Leila Lena Liang Lina Linh Lucia Luka Maeve Malik Marek Mateo Mei Milan Mina
    Miriam Moana Nadia Naoko Nasrin Nia Niko Nils Nora Nuno Oksana Olga Omar Oriol Otto Paloma Pavel Petra Priya
    Rafael Rania Ravi Renata Rosa Ruben Sabine Sakura Salma Samir Sanjay Selma Sena Signe Simone Sofia Soren Stella
    Sunita Svetlana Tadeo Tamar Tariq Tessa Thandi Tomas Tuva Uma Uri Valentina Vera Vikram Wanjiru Wei Xenia Yara
    Yasmin Yuki Yusuf Zahra Zainab Zofia Zoran Zuri
""".split()
