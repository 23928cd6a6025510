"""Compare the sounds of the ends of English words, by rules of spelling and a table of exceptions."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from rewardbench.verifiers.syllables import words_of

TABLE = Path(__file__).with_name("rhymes.toml")
_END = re.compile(r"(?P<vowel>[aeo]w|[aeiouy]+)(?P<coda>[^aeiouy]*)$")
_SILENT_ENDING = re.compile(r"(?<=[aeiouyw])(?P<coda>[^aeiouyw]{1,3}?)(?P<end>e|es|ed)$")
_VOICELESS = re.compile(r"(?:[fkps]|[cs]h)$")
"""Sounds after which the ending ed is a t, as in looked."""
_CONSONANTS = (
    (re.compile(r"(?<=[gq])ue(?=s?$)"), ""),
    (re.compile(r"qu"), "kw"),
    (re.compile(r"gu(?=[ei])"), "g"),
    (re.compile(r"^y(?=[aeiou])"), ""),
    (re.compile(r"war(?=[dmnpt])"), "wor"),
)
"""Spellings of consonants with letters that are vowels elsewhere."""
LONG = {"a": "ay", "e": "ee", "i": "ie", "o": "oh", "u": "oo", "y": "ie"}
"""Sounds of vowels before a consonant and a silent e."""
OPEN = {"a": "ah", "e": "ee", "i": "ee", "o": "oh", "u": "oo"}
"""Sounds of vowels at the end of a word."""


@cache
def _tables() -> Mapping[str, Mapping[str, str]]:
    """Return the sounds by spelling: of whole words, of endings, of vowels, and of consonants after them."""
    tables: dict[str, dict[str, str]] = {}
    for name, sounds in tomllib.loads(TABLE.read_text(encoding="utf-8")).items():
        tables[name] = {}
        for sound, spellings in sounds.items():
            for spelling in spellings.split():
                tables[name][spelling] = sound
    return tables


def rhyme_sound(word: str) -> str:
    """Return the sound of the end of a word, from its last vowel on.

    >>> rhyme_sound("night") == rhyme_sound("white"), rhyme_sound("stone") == rhyme_sound("rain")
    (True, False)
    >>> rhyme_sound("square") == rhyme_sound("chair"), rhyme_sound("quill") == rhyme_sound("hill")
    (True, True)
    """
    tables = _tables()
    word = word.lower().replace("'", "")
    if word in tables["words"]:
        return tables["words"][word]
    for pattern, spelling in _CONSONANTS:
        word = pattern.sub(spelling, word)
    for start in range(len(word)):
        for suffix in ("s", ""):
            base = word[start:].removesuffix(suffix) if suffix else word[start:]
            if base in tables["endings"] and (not suffix or word.endswith(suffix)):
                return tables["endings"][base] + ("z" if suffix else "")
    silent = _SILENT_ENDING.search(word)
    if silent and not (silent["end"] == "ed" and silent["coda"][-1] in "td"):
        return _sound(word[: silent.start()] + silent["coda"], silent["end"])
    return _sound(word, "")


def _sound(stem: str, ending: str) -> str:
    """Return the sound of a stem without its silent ending e, es or ed."""
    tables = _tables()
    match = _END.search(stem)
    if match is None:
        return stem + ending
    vowel, coda = match["vowel"], match["coda"]
    consonants = tables["codas"].get(coda + ending[:1], tables["codas"].get(coda, coda))
    if ending == "ed" and _VOICELESS.search(consonants):
        return _sound(stem, "e" if len(coda) == 1 else "") + "t"
    if coda.startswith("r"):
        sound = tables["vowels"].get(f"{vowel}r{'e' if ending else ''}", f"{vowel}r")
        return sound + consonants[1:] + ending[1:]
    if vowel == "ow" and not coda and re.search("[aeiou]", stem[:-2]):
        sound = "oh"
    elif len(vowel) > 1:
        consonants = "z" if coda == "s" else consonants
        sound = tables["vowels"].get(vowel, vowel)
    elif ending and len(consonants) <= 2 and not re.match(r"(.)\1|[nl][^g]", coda):
        sound = LONG[vowel]
    elif not coda:
        sound = ("ie" if not re.search("[aeiou]", stem[:-1]) else "ee") if vowel == "y" else OPEN[vowel]
    else:
        sound = vowel if vowel != "y" else "i"
    return sound + consonants + ending[1:]


def rhyme(first: str, second: str) -> bool:
    """Return True if two lines end in words that rhyme, or in the same word."""
    first_words, second_words = words_of(first), words_of(second)
    if not first_words or not second_words:
        return False
    return rhyme_sound(first_words[-1]) == rhyme_sound(second_words[-1])
