"""Lines, words and rhymes of a poem."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rewardbench.verifiers.rhymes import rhyme_sound

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_HEADING = re.compile(r"#.*|\*\*.*\*\*:?|_+|-{3,}|\*{3,}|title:.*", re.IGNORECASE)


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


def rhymes(first: str, second: str) -> bool:
    """Return True if the last words of two lines rhyme and differ.

    >>> rhymes("and then the rain", "ran down the lane"), rhymes("the hill", "that hill")
    (True, False)
    """
    endings = [words[-1] for words in (split_words(first), split_words(second)) if words]
    if len(endings) < 2 or endings[0] == endings[1]:
        return False
    return rhyme_sound(endings[0]) == rhyme_sound(endings[1])


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
