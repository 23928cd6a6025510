"""Count syllables and compare the sounds of English words, by rules of spelling and a table of exceptions."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path

TABLE = Path(__file__).with_name("syllables.toml")
_WORD = re.compile(r"[A-Za-zÀ-ÿ]+(?:['’][A-Za-z]+)*")
_VOWELS = re.compile(r"[aeiouy]+")
_SPLIT = re.compile(r"i[aou](?!us)|eo(?!u)|ua(?![rld])|uou|[aeiou]ing|ue[lt]|yi|ie[tnr]|oe[mt]|ue[ns]$|ui[dn]$")
"""Vowels that belong to two syllables."""
_JOINED = re.compile(
    r"[tscg]i[ao][nl]?|[xtscg]ious|[aeo]ue$|qu[aeio]|gu[aei]|ious$|iet[ys]?$|[lnr]ion|shion|geo|ieu|iew"
)
"""Vowels that look like two syllables, and are one."""
_SILENT = (
    re.compile(r"[^aeiouytd]ed$"),
    re.compile(r"(?<![^aeiouy]l)(?<=[^aeiouy])e$"),
    re.compile(r"(?<![^aeiouy]l)(?<![cs]h)(?<=[^aeiouyscxzg])es$"),
)
"""Endings with a silent e."""
_SILENT_INSIDE = re.compile(r"[aeiouy][^aeiouy]+e(?:ly|ful|less|ness|ment)$")
_SYLLABIC = re.compile(r"(?:s|th)ms?$")
"""Endings with a syllable that has no vowel, such as prism."""


@cache
def _table() -> tuple[dict[str, int], tuple[tuple[str, str], ...]]:
    content = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    counts: dict[str, int] = {}
    for number, words in content["syllables"].items():
        for word in words.split():
            counts[word] = int(number)
    sounds: list[tuple[str, str]] = []
    for sound, endings in content["sounds"].items():
        for ending in endings.split():
            sounds.append((ending, sound))
    sounds.sort(key=lambda pair: -len(pair[0]))
    return counts, tuple(sounds)


def words_of(line: str) -> list[str]:
    """Return the words of a line of English in lower case, without marks."""
    return [word.lower().replace("’", "'") for word in _WORD.findall(line)]


def count_syllables(word: str) -> int:
    """Return the number of syllables of an English word.

    >>> [count_syllables(word) for word in ("rain", "quiet", "every", "umbrella", "jumped", "table", "tree's")]
    [1, 2, 2, 3, 1, 2, 1]
    """
    counts, _ = _table()
    word = word.lower().replace("’", "'")
    base = word.removesuffix("'s").replace("'", "")
    for form in (word, base, base.removesuffix("s")):
        if form in counts:
            return counts[form]
    return _by_spelling(base)


def _by_spelling(word: str) -> int:
    """Count groups of vowels, without silent ones, and with vowels of two syllables counted twice."""
    count = len(_VOWELS.findall(word)) - any(pattern.search(word) for pattern in _SILENT)
    count -= bool(_SILENT_INSIDE.search(word))
    count += len(_SPLIT.findall(_JOINED.sub("x", word))) + bool(_SYLLABIC.search(word))
    return max(1, count)


def count_line(line: str) -> int:
    """Return the number of syllables of a line.

    >>> count_line("An old silent pond")
    5
    """
    return sum(map(count_syllables, words_of(line)))


def rhyme_sound(word: str) -> str:
    """Return the sound of the end of a word, from its last vowel on, by a table of spellings.

    >>> rhyme_sound("night") == rhyme_sound("white"), rhyme_sound("stone") == rhyme_sound("rain")
    (True, False)
    """
    _, sounds = _table()
    word = word.removesuffix("'s")
    for ending, sound in sounds:
        if word.endswith(ending):
            return sound
    match = re.search(r"[aeiouy]+[^aeiouy]*e?$", word)
    return match[0] if match else word


def rhyme(first: str, second: str) -> bool:
    """Return True if two lines end in words that rhyme, or in the same word."""
    first_words, second_words = words_of(first), words_of(second)
    if not first_words or not second_words:
        return False
    return rhyme_sound(first_words[-1]) == rhyme_sound(second_words[-1])
