"""Seeded choices for builders. The same key gives the same draw on every machine; nothing else is random."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from rewardbench.types import Messages

T = TypeVar("T")


class Resample(Exception):
    """A draw that came out degenerate (two answers alike, say): draw again."""


@dataclass(frozen=True)
class MirrorContent:
    """What a mould makes of a draw: the mirror but for its subset, source and group."""

    edit: str
    a: Messages
    b: Messages
    x: str
    y: str
    check: dict[str, Any] = field(default_factory=dict)


class Rng:
    """Seeded choices, and the names of people."""

    def __init__(self, key: str) -> None:
        self.generator = random.Random(key)

    def pick(self, options: Sequence[T]) -> T:
        """One of them."""
        return options[self.generator.randrange(len(options))]

    def sample(self, options: Sequence[T], n: int) -> list[T]:
        """`n` different ones, in random order."""
        return self.generator.sample(list(options), n)

    def number(self, low: int, high: int, step: int = 1) -> int:
        """One of low, low + step, ... up to high, both ends possible."""
        return self.generator.randrange(low, high + 1, step)

    def numbers(self, n: int, low: int, high: int, step: int = 1) -> list[int]:
        """`n` different numbers from low to high."""
        return self.generator.sample(range(low, high + 1, step), n)

    def chance(self, p: float = 0.5) -> bool:
        """True with probability p."""
        return self.generator.random() < p

    def people(self, n: int) -> list[str]:
        """`n` different first names, from all over the world."""
        return self.sample(NAMES, n)


Template = Callable[[Rng], MirrorContent]

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
