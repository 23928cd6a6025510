"""Lines, words, syllables and rhymes of English text, from its spelling: rules of thumb, no dictionary."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_HEADING = re.compile(r"#.*|\*\*.*\*\*:?|_+|-{3,}|\*{3,}|title:.*", re.IGNORECASE)
_VOWELS = re.compile(r"[aeiouy]+")

SYLLABLES = {
    2: "being create evening every lion ocean poem poet quiet something sometimes someone somewhere business hundred",
    3: "diary everything idea piano science violin violet area",
}
"""Frequent words for which `count_syllables` would be wrong without them, by their number of syllables."""
RHYMES = {
    "air": "bear pear wear tear prayer where there their",
    "art": "heart",
    "ate": "great eight weight",
    "ed": "said bread head dead thread spread dread",
    "ee": "key quay",
    "ire": "choir",
    "ite": "height",
    "oh": "know though show",
    "oo": "two shoe through you do who",
    "ood": "wood good stood could would",
    "oot": "put foot",
    "ore": "war door floor four your",
    "ud": "blood flood",
    "um": "come some",
    "un": "one done",
    "urd": "word heard",
    "uv": "love above glove",
}
"""Frequent words whose spelling misleads `rhyme_key`, by their sound from the last vowel on."""
_SYLLABLES = {word: count for count, words in SYLLABLES.items() for word in words.split()}
_RHYMES = {word: sound for sound, words in RHYMES.items() for word in words.split()}
_SOUNDS = (
    (r"(?:igh|i|y)te?s?$", "ite"),
    (r"(?:ea|ee|ie|ei)(?=[a-z]+$)", "ee"),
    (r"(?:ai|ay|ei|ey)(?=[a-z]+$)", "ay"),
    (r"(?:oa|oe)(?=[a-z]+$)", "oh"),
    (r"(?:ou|ow)(?=[a-z]+$)", "ow"),
    (r"(?:oo|u[ei]|ew)(?=[a-z]+$)", "oo"),
    (r"^(?:igh|ie|ye|uy|y)$", "eye"),
    (r"^(?:ea|ee|i)$", "ee"),
    (r"^(?:ay|ai|ey|eigh)$", "ay"),
    (r"^(?:oe|o|oh)$", "oh"),
    (r"^(?:oo|u[e]|ew|ou)$", "oo"),
)
_BEFORE_R = ((r"^ayre?$", "air"), (r"^ohre?$|^oore?$", "ore"), (r"^(?:eyer|yre)$", "ire"))
"""Spellings of long vowels before r."""


def split_lines(text: str) -> list[str]:
    r"""Return the lines of a poem without blank lines, headings and rules.

    >>> split_lines("**Rain**\n\nOne drop,\nthen two.\n---")
    ['One drop,', 'then two.']
    """
    lines = map(str.strip, text.splitlines())
    return [line for line in lines if line and not _HEADING.fullmatch(line)]


def split_words(text: str) -> list[str]:
    """Return the words of a text in lower case.

    >>> split_words("Don't WAIT, 2 o’clock")
    ["don't", 'wait', "o'clock"]
    """
    return _WORD.findall(text.lower().replace("’", "'"))


@cache
def count_syllables(word: str) -> int:
    """Estimate the syllables of an English word in lower case: groups of vowels, without a silent e.

    >>> [count_syllables(word) for word in ("stone", "lantern", "beautiful", "table", "wanted", "walked", "quiet")]
    [1, 2, 3, 2, 2, 1, 2]
    """
    if word in _SYLLABLES:
        return _SYLLABLES[word]
    count = len(_VOWELS.findall(word))
    is_silent = re.search(r"[^aeiouy](?:e|es|ed)$", word) and not re.search(
        r"(?:[^aeiouyr]le|[^aeiouy]les|[td]ed|(?:[cgsxz]|sh|ch)es)$", word
    )
    if is_silent and count > 1:
        count -= 1
    return max(count, 1)


def count_line_syllables(line: str) -> int:
    """Estimate the syllables of a line."""
    return sum(map(count_syllables, split_words(line)))


@cache
def rhyme_key(word: str) -> str:
    """Return a spelling of the sound from the last vowel on; two words with the same key rhyme, by rule of thumb.

    >>> rhyme_key("rain") == rhyme_key("lane"), rhyme_key("light") == rhyme_key("kite"), rhyme_key("hill")
    (True, True, 'il')
    """
    word = re.sub(r"[^a-z]", "", word)
    if word in _RHYMES:
        return _RHYMES[word]
    sound = _sound(word.replace("qu", "kw"))
    for pattern, spelling in _BEFORE_R:
        sound = re.sub(pattern, spelling, sound)
    return sound


def _sound(word: str) -> str:
    """Return a spelling of the last vowel and what follows, in which an r may still have changed the vowel."""
    long_vowel = re.search(r"([aeiou])([^aeiouywx])e$", word)
    if long_vowel and len(_VOWELS.findall(word)) > 1:
        sound = {"a": "ay", "e": "ee", "i": "eye", "o": "oh", "u": "oo"}[long_vowel[1]] + long_vowel[2]
        return "ite" if sound == "eyet" else sound
    tail = re.search(r"(?:[aeiou][aeiouyw]?|y)(?:gh)?[^aeiouy]*(?:e)?$", word)
    sound = tail[0] if tail else word
    for pattern, spelling in _SOUNDS:
        if re.search(pattern, sound):
            sound = re.sub(pattern, spelling, sound)
            break
    return re.sub(r"([a-z])\1$", r"\1", sound) if not sound.endswith(("ee", "oo")) else sound


def rhymes(first: str, second: str) -> bool:
    """Return True if the last words of two lines rhyme and differ.

    >>> rhymes("and then the rain", "ran down the lane"), rhymes("the hill", "that hill")
    (True, False)
    """
    endings = [words[-1] for words in (split_words(first), split_words(second)) if words]
    if len(endings) < 2 or endings[0] == endings[1]:
        return False
    return rhyme_key(endings[0]) == rhyme_key(endings[1])


def rhyme_share(lines: Sequence[str], scheme: str) -> float:
    """Return the share of the rhymes of a scheme that lines have.

    Args:
        lines: of a poem.
        scheme: a letter a line, such as "AABBA"; a short scheme is repeated for each stanza.

    Returns:
        The share of pairs of a line and the next one with its letter that rhyme; 0 without such a pair.
    """
    pairs = matches = 0
    for start in range(0, len(lines), len(scheme)):
        stanza = lines[start : start + len(scheme)]
        previous: dict[str, str] = {}
        for letter, line in zip(scheme, stanza, strict=False):
            if letter in previous:
                pairs += 1
                matches += rhymes(previous[letter], line)
            previous[letter] = line
    return matches / pairs if pairs else 0.0
