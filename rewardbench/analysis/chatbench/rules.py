"""Rules that programs check in a reply: counts, contents, forms, poems, JSON, and relations to earlier replies."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, starmap

from rewardbench.verifiers.hard.languages.stated import WORD
from rewardbench.verifiers.rhymes import rhyme
from rewardbench.verifiers.syllables import count_line

FENCED = re.compile(r"```[\w+-]*\n(.*?)```", re.DOTALL)
ITEM = re.compile(r"^\s*(?:[-*•·]|(\d{1,3})[.)])\s+(\S.*)$")
NUMBER = re.compile(r"-?(?:\d{1,3}(?:[,\u00a0\u202f ]\d{3})+(?!\d)|\d+)(?:\.\d+)?")
SENTENCE_END = re.compile(r"[!?।。！？؟]|(?<!\d)\.(?=\s|$)|\.$")
"""A full stop after a digit ends no sentence, unless the text ends there."""
TABLE_RULE = re.compile(r"\s*:?-+:?\s*")
TABLE_ROW = re.compile(r"^\s*\|(.+)\|\s*$")
SCRIPT_SHARE = 0.9
"""Share of letters that must be of the script."""
SCRIPTS: Mapping[str, tuple[str, ...]] = {
    "latin": ("LATIN",),
    "cyrillic": ("CYRILLIC",),
    "greek": ("GREEK",),
    "arabic": ("ARABIC",),
    "hebrew": ("HEBREW",),
    "devanagari": ("DEVANAGARI",),
    "bengali": ("BENGALI",),
    "tamil": ("TAMIL",),
    "thai": ("THAI",),
    "hangul": ("HANGUL",),
    "han": ("CJK",),
    "japanese": ("HIRAGANA", "KATAKANA", "CJK"),
    "ethiopic": ("ETHIOPIC",),
    "georgian": ("GEORGIAN",),
    "armenian": ("ARMENIAN",),
}
"""Prefixes of the Unicode names of letters, by script."""


def _has_letter(text: str) -> bool:
    """Return True if a text has a letter or a digit."""
    return any(map(str.isalnum, text))


@dataclass(frozen=True)
class Reply:
    """A reply of the assistant, with its earlier replies."""

    text: str
    previous: tuple[str, ...] = ()

    @cached_property
    def lines(self) -> list[str]:
        """The lines that are not empty, without surrounding space."""
        return list(filter(None, map(str.strip, self.text.splitlines())))

    @cached_property
    def words(self) -> list[str]:
        """The words, without the marks around them."""
        return list(filter(_has_letter, WORD.findall(self.text)))

    @cached_property
    def items(self) -> list[str]:
        """The items of bulleted and numbered lists."""
        return [match[2].strip() for match in map(ITEM.match, self.text.splitlines()) if match]

    @cached_property
    def paragraphs(self) -> list[str]:
        """The parts between empty lines."""
        return list(filter(str.strip, re.split(r"\n\s*\n", self.text.strip())))

    @cached_property
    def sentences(self) -> list[str]:
        """The sentences, each with its mark."""
        parts = SENTENCE_END.sub(lambda mark: f"{mark[0]}\0", self.text.strip()).split("\0")
        return list(filter(_has_letter, parts[:-1]))

    @cached_property
    def json_text(self) -> str:
        """The only code block, or else the text."""
        blocks = FENCED.findall(self.text)
        return str(blocks[0]) if len(blocks) == 1 else self.text

    @property
    def last(self) -> Reply:
        """The reply before this one; empty if there is none."""
        return Reply(self.previous[-1] if self.previous else "")


Passes = Callable[[Reply, object], bool]
CountLimits = tuple[float, float]


def read_limits(value: object) -> CountLimits:
    """Return the least and the greatest count of `3`, `[2, 4]`, `[null, 50]` or `[10, null]`.

    Raises:
        ValueError: if it is none of these.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value), float(value)
    if isinstance(value, list) and len(value) == 2:
        bounds: list[float] = []
        for bound, missing in zip(value, (0.0, float("inf")), strict=True):
            if bound is not None and (isinstance(bound, bool) or not isinstance(bound, int)):
                raise ValueError("a bound is not a whole number")
            bounds.append(missing if bound is None else float(bound))
        if value != [None, None] and bounds[0] <= bounds[1]:
            return bounds[0], bounds[1]
    raise ValueError("write a number, or [least, greatest] with null for no bound")


def _count(measure: Callable[[Reply], int]) -> Passes:
    """Return a rule that compares a count with limits."""

    def passes(reply: Reply, value: object) -> bool:
        low, high = read_limits(value)
        return low <= measure(reply) <= high

    return passes


def _texts(value: object) -> list[str]:
    texts = value if isinstance(value, list) else [value]
    if not texts or set(map(type, texts)) != {str} or not all(texts):
        raise ValueError("write a text, or a list of texts")
    return list(map(str, texts))


def _options_in(reply: Reply, options: Sequence[str]) -> list[str]:
    """Return the options that a reply has as a word or words, in any case."""
    return [option for option in options if re.search(_option_pattern(option), reply.text.casefold())]


def _option_pattern(option: str) -> str:
    """Return a pattern of a word or words; marks, and letters of scripts without spaces, need no boundary."""
    pattern = re.escape(option.casefold())
    if option[0].isalnum() and ord(option[0]) < 0x900:
        pattern = rf"(?<![^\W_]){pattern}"
    if option[-1].isalnum() and ord(option[-1]) < 0x900:
        pattern = rf"{pattern}(?![^\W_])"
    return pattern


def _contains(reply: Reply, value: object) -> bool:
    return _options_in(reply, _texts(value)) == _texts(value)


def _contains_any(reply: Reply, value: object) -> bool:
    return bool(_options_in(reply, _texts(value)))


def _omits(reply: Reply, value: object) -> bool:
    return bool(reply.text.strip()) and not _options_in(reply, _texts(value))


def _omits_letter(reply: Reply, value: object) -> bool:
    letters = "".join(_texts(value)).casefold()
    return bool(reply.words) and not set(reply.text.casefold()) & set(letters)


def _is_numbered(reply: Reply, value: object) -> bool:
    matches = filter(None, map(ITEM.match, reply.text.splitlines()))
    numbers = [int(match[1]) for match in matches if match[1]]
    return numbers == list(range(1, len(numbers) + 1)) and _count(lambda _: len(numbers))(reply, value)


def _is_haiku(reply: Reply, value: object) -> bool:
    return list(map(count_line, reply.lines)) == ([5, 7, 5] if _flag(value) else None)


def _has_syllables(reply: Reply, value: object) -> bool:
    if not isinstance(value, list) or set(map(type, value)) != {int} or min(value) < 1:
        raise ValueError("write the syllables of each line, such as [5, 7, 5]")
    return list(map(count_line, reply.lines)) == value


def _has_no_rhyme(reply: Reply, value: object) -> bool:
    _flag(value)
    return len(reply.lines) > 1 and not any(starmap(rhyme, combinations(reply.lines, 2)))


def _flag(value: object) -> bool:
    if value is not True:
        raise ValueError("write true")
    return True


def _parse(reply: Reply) -> object:
    """Return the JSON of a reply. Raises ValueError if it is not JSON."""

    def reject(constant: str) -> object:
        raise ValueError(f"{constant} is not JSON")

    return json.loads(reply.json_text, parse_constant=reject)


def _is_json(reply: Reply, value: object) -> bool:
    _flag(value)
    try:
        _parse(reply)
    except (ValueError, RecursionError):
        return False
    return True


def _has_keys(reply: Reply, value: object) -> bool:
    keys = _texts(value)
    try:
        content = _parse(reply)
    except (ValueError, RecursionError):
        return False
    return isinstance(content, dict) and sorted(content) == sorted(keys)


def _equals_json(reply: Reply, value: object) -> bool:
    try:
        return json.dumps(_parse(reply), sort_keys=True) == json.dumps(value, sort_keys=True)
    except (ValueError, RecursionError):
        return False


def _is_in_script(reply: Reply, value: object) -> bool:
    (script,) = _texts(value)
    if script not in SCRIPTS:
        raise ValueError(f"there is no script {script}: write one of {', '.join(SCRIPTS)}")
    letters = list(filter(str.isalpha, reply.text))
    matches = sum(unicodedata.name(letter, "").startswith(SCRIPTS[script]) for letter in letters)
    return bool(letters) and matches >= SCRIPT_SHARE * len(letters)


def _starts(reply: Reply, value: object) -> bool:
    return reply.text.strip().casefold().startswith(tuple(map(str.casefold, _texts(value))))


def _ends(reply: Reply, value: object) -> bool:
    return reply.text.strip().casefold().endswith(tuple(map(str.casefold, _texts(value))))


def _matches(reply: Reply, value: object) -> bool:
    try:
        return all(re.search(pattern, reply.text, re.MULTILINE) for pattern in _texts(value))
    except re.error as error:
        raise ValueError(f"{value!r} is not a regular expression") from error


def _has_case(reply: Reply, value: object) -> bool:
    if value not in ("lower", "upper"):
        raise ValueError("write lower or upper")
    cased = reply.text.lower() if value == "lower" else reply.text.upper()
    return bool(reply.words) and reply.text == cased


def _ends_with_number(reply: Reply, value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("write a number")
    numbers = NUMBER.findall(reply.text)
    return bool(numbers) and abs(float(re.sub(r"[,\s]", "", numbers[-1])) - value) < 1e-9


def _is_sorted(reply: Reply, value: object) -> bool:
    _flag(value)
    items = list(map(str.casefold, reply.items))
    return len(items) > 1 and items == sorted(items)


def _has_table(reply: Reply, value: object) -> bool:
    if not isinstance(value, list) or list(map(type, value)) != [int, int]:
        raise ValueError("write [rows, columns], without the header row")
    rows: list[list[str]] = []
    for match in map(TABLE_ROW.match, reply.text.splitlines()):
        if match:
            rows.append(match[1].split("|"))
    is_ruled = len(rows) > 1 and all(map(TABLE_RULE.fullmatch, rows[1]))
    return is_ruled and len(rows) - 2 == value[0] and set(map(len, rows)) == {value[1]}


def _is_shorter(reply: Reply, value: object) -> bool:
    _flag(value)
    return 0 < len(reply.words) < len(reply.last.words)


def _keeps_line(reply: Reply, value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError("write the number of the line, from 1")
    lines, last_lines = reply.lines, reply.last.lines
    return value <= len(lines) and value <= len(last_lines) and lines[value - 1] == last_lines[value - 1]


def _is_new(reply: Reply, value: object) -> bool:
    _flag(value)
    return bool(reply.text.strip()) and reply.text.strip() not in map(str.strip, reply.previous)


RULES: Mapping[str, Passes] = {
    "lines": _count(lambda reply: len(reply.lines)),
    "words": _count(lambda reply: len(reply.words)),
    "sentences": _count(lambda reply: len(reply.sentences)),
    "paragraphs": _count(lambda reply: len(reply.paragraphs)),
    "characters": _count(lambda reply: len(reply.text.strip())),
    "items": _count(lambda reply: len(reply.items)),
    "questions": _count(lambda reply: len(re.findall(r"[?？؟]", reply.text))),
    "numbered": _is_numbered,
    "sorted": _is_sorted,
    "haiku": _is_haiku,
    "syllables": _has_syllables,
    "no_rhyme": _has_no_rhyme,
    "json": _is_json,
    "json_keys": _has_keys,
    "json_is": _equals_json,
    "contains": _contains,
    "contains_any": _contains_any,
    "omits": _omits,
    "omits_letter": _omits_letter,
    "script": _is_in_script,
    "starts": _starts,
    "ends": _ends,
    "matches": _matches,
    "case": _has_case,
    "number": _ends_with_number,
    "table": _has_table,
    "shorter": _is_shorter,
    "keeps_line": _keeps_line,
    "new": _is_new,
}
"""Rules that are checked in this process, by name; each takes the reply and the value that the chain gives it."""
SANDBOXED = ("holds", "python")
"""Rules that run code, in a process with limits: an expression of the reply `r`, and tests of a Python program."""


def check_value(name: str, value: object) -> None:
    """Check the value of a rule.

    Raises:
        ValueError: if there is no such rule, or the value is not one that it takes.
    """
    if name in SANDBOXED:
        if not isinstance(value, str) or not value.strip():
            raise ValueError("write code")
    elif name in RULES:
        RULES[name](Reply("1. a\n2. b", ("1. a\n2. b",)), value)
    else:
        raise ValueError(f"there is no such rule: the rules are {', '.join((*RULES, *SANDBOXED))}")
