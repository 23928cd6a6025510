"""Count the syllables of English words by rules of spelling and a table of exceptions."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path

TABLE = Path(__file__).with_name("syllables.toml")
_WORD = re.compile(r"[A-Za-zÀ-ÿ]+(?:['’][A-Za-z]+)*")
_VOWELS = re.compile(r"[aeiouy]+")
_SPLIT = re.compile(
    r"i[aou](?!us)|(?<![tscgx])ious|eo(?!u)|(?<!s)ua(?!rd)|uou|[aeiou]ing|ue[lt]|(?<!fr)ie[tnr]|iest$|oe[mt]|uen|ui[dn]$"
    r"|ying$|[aeou]y[aeiou](?!d$|s$|ng$)|^rea(?=ct|rr|ss|pp)|crea(?=t(?!u))"
)
"""Vowels that belong to two syllables."""
_JOINED = re.compile(
    r"[tscg]i(?:a[nl]|on)|[tscgx]ious|(?<!s)[tc]ien|[aeo]ue$|qu[aeio]|gu[aei](?!ng)|[lnr]ion|shion|geo(?=n|u)|ieu|iew"
)
"""Vowels that look like two syllables, and are one."""
_SILENT = (
    re.compile(r"(?<![bcdfgkpstvz]l)(?<=[^aeiouytd])ed$"),
    re.compile(r"(?<![^aeiouy]l)(?<![bcdgkptv]r)(?<=[^aeiouy])e$"),
    re.compile(r"(?<![^aeiouy]l)(?<![bcdgkptv]r)(?<![cs]h)(?<=[^aeiouyscxzg])es$"),
    re.compile(r"(?<=[aeiou])[qg]ues?$"),
)
"""Endings with a silent e."""
_SILENT_INSIDE = re.compile(
    r"[aeiouy][^aeiouy]+(?:e(?:ly|fully|ful|less|ness)|(?<![lr])ements?)$"
    r"|^(?:some|every|there|where(?!v)|else|fore(?!v)|before|home|life|note|time|house|safe|stone|lake|case|fire|take|care|cheese"
    r"|lime|rose|wise|like|type|voice|hedge|gate|stale|ware|store|space|side|base|grape|whole|stove|pine|wire|fare"
    r"|grave|wave|cave|lone|line|name|face|game|bike|cake|rope|smoke|snake|spade)(?=[^aeiouy]+[aeiouy])"
)
"""A silent e before an ending, or at the end of the first part of a compound."""
_SYLLABIC = re.compile(r"(?:s|th)ms?$")
"""Endings with a syllable that has no vowel, such as prism."""
_SIBILANT_PLURAL = re.compile(r"(?:[sxz]|ch|sh|[cgsz]e)s$")


@cache
def _table() -> dict[str, int]:
    counts: dict[str, int] = {}
    for number, words in tomllib.loads(TABLE.read_text(encoding="utf-8")).items():
        for word in words.split():
            counts[word] = int(number)
    return counts


def words_of(line: str) -> list[str]:
    """Return the words of a line of English in lower case, without marks."""
    return [word.lower().replace("’", "'") for word in _WORD.findall(line)]


def count_syllables(word: str) -> int:
    """Return the number of syllables of an English word.

    >>> [count_syllables(word) for word in ("rain", "quiet", "every", "umbrella", "jumped", "table", "tree's")]
    [1, 2, 2, 3, 1, 2, 1]
    """
    counts = _table()
    word = word.lower().replace("’", "'")
    base = word.removesuffix("'s").replace("'", "")
    forms = [word, base] if _SIBILANT_PLURAL.search(base) else [word, base, base.removesuffix("s")]
    for form in forms:
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
