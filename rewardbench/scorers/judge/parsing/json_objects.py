"""Values of a field in the JSON objects of a text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from rewardbench.scorers.judge.answers import Reading
from rewardbench.scorers.judge.parsing.values import ValueReader
from rewardbench.scorers.judge.parsing.verdict_texts import BOTH_VERDICTS, NO_VERDICT, agreement

MAX_OBJECTS = 200
"""Opening braces that are tried, the last ones of the text, so that the time is bounded."""
MAX_DEPTH = 50
_GAP = re.compile(r"(?:[^\w{}]|json)*", re.IGNORECASE)


class _Repeated:
    """The value of a key that an object has twice, with different values."""


def read_field(reader: ValueReader, text: str, field: str) -> Reading:
    """Read the value of a field in the last JSON object that has it.

    Objects with nothing between them but punctuation (a list, lines) are one answer, and must agree.

    Args:
        reader: of values.
        text: the answer.
        field: name of the field, at the top of the object or, if it is not there, in an object inside it.
    """
    readings: list[Reading] = []
    last_end = 0
    for start, end, decoded in _objects(text):
        values = _values(decoded, field)
        if not values:
            continue
        if _GAP.fullmatch(text, last_end, start) is None:
            readings = []
        readings += [_read(reader, value) for value in values]
        last_end = end
    if not readings:
        return _read_malformed(reader, text, field)
    return agreement(readings)


def _read(reader: ValueReader, value: object) -> Reading:
    if isinstance(value, _Repeated):
        return BOTH_VERDICTS
    return reader.read(value) or NO_VERDICT


def _objects(text: str) -> Iterator[tuple[int, int, dict[str, object]]]:
    """Yield start, end and value of each object that is not inside another one."""
    decoder = json.JSONDecoder(object_pairs_hook=_collect, strict=False)
    starts = [match.start() for match in re.finditer(r"\{", text)][-MAX_OBJECTS:]
    end = 0
    for start in starts:
        if start < end:
            continue
        try:
            value, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            continue
        yield start, end, value


def _collect(pairs: list[tuple[str, object]]) -> dict[str, object]:
    values: dict[str, object] = {}
    for name, value in pairs:
        values[name] = _Repeated() if name in values and values[name] != value else value
    return values


def _values(value: object, field: str, depth: int = 0) -> list[object]:
    """Return the value of a field of an object, or, if it has none, those of the objects inside it."""
    if depth > MAX_DEPTH or not isinstance(value, dict | list):
        return []
    if isinstance(value, dict) and field in value:
        return [value[field]]
    values: list[object] = []
    for child in value.values() if isinstance(value, dict) else value:
        values += _values(child, field, depth + 1)
    return values


def _read_malformed(reader: ValueReader, text: str, field: str) -> Reading:
    """Read a field of an object with errors that leave no doubt: single quotes, a trailing comma, stray backslashes."""
    name = re.escape(field)
    pattern = rf"""\{{[^{{}}]*?(?<![\\\w])(["']){name}\1\s*:\s*(?:"([^"{{}}\n]*)"|'([^'{{}}\n]*)'|([-+.\w]+))\s*[,}}]"""
    matches = list(re.finditer(pattern, text[-20_000:]))
    closing = text.rfind("}")
    readings: list[Reading] = []
    for match in matches:
        if match.end() - 1 <= closing - max(0, len(text) - 20_000):
            readings.append(_read(reader, next(group for group in match.groups()[1:] if group is not None)))
    return agreement(readings) if readings else Reading(failure="not_json")
