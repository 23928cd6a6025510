"""Read a judge's answer: scores of the completions shown, or the reason why there are none."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator

from rewardbench.scorers.judge.answers import Answer, Failure, Reading
from rewardbench.scorers.judge.parsing.answer_text import (
    MAX_CHARACTERS,
    is_refusal,
    normalise,
    tagged_text,
    without_thought,
)
from rewardbench.scorers.judge.parsing.json_objects import read_field
from rewardbench.scorers.judge.parsing.token_probabilities import read_tokens
from rewardbench.scorers.judge.parsing.values import NOUN, RATING, ValueReader
from rewardbench.scorers.judge.parsing.verdict_texts import (
    DECORATION,
    HEADING,
    LINK,
    MAX_VERDICTS,
    NO_VERDICT,
    VerdictMatch,
    agreement,
    decide,
)
from rewardbench.scorers.judge.protocols import AnswerRule

PARSER_VERSION = 1
"""Version of the rules by which answers are read, part of the fingerprint: raise it when one of them changes."""
_REFUSALS = ("content_filter", "refusal", "safety", "prohibited_content")
_CUTS = ("length", "max_tokens")
_FLAGS = re.IGNORECASE | re.VERBOSE
_MARKED = re.compile(r"\[\[([^\[\]\n]{1,200})\]\]|\\boxed\s?\{((?:[^{}\n]|\{[^{}\n]{0,100}\}){1,200})\}")
_HEADED = re.compile(rf"(?:{HEADING}{LINK}|\[RESULT\]){DECORATION}{{0,12}}", _FLAGS)
_GIVEN = re.compile(
    r"""\bI(?:'d|'ll|\s+would|\s+will)?\s+(?:rate|give|score|grade|assign)\b(?:\s+(?!not\b)[a-z]{1,20}){0,6}\s+[*_]{0,3}""",
    re.IGNORECASE,
)
_STATEMENT = re.compile(
    r"(?:answer|results?|output|choice|order)\b.*?\b(?:is|are|was|be|goes)\b", re.IGNORECASE | re.DOTALL
)
"""A heading in prose that gives no rating: "the answer is 4"."""
_ASCENDING = re.compile(r"\b(?:worst|least)\s+to\s+(?:best|most)\b|从差到好|从低到高", re.IGNORECASE)
_AMOUNT = re.compile(rf"(?<![\w.,/-])(?<!\d:){RATING}", _FLAGS)
_RANGE = re.compile(r"""\s{0,3}(?:[-–—~/]|\b(?:to|or|and)\b|至|到|或)\s{0,3}\d|[\w%]|[,:.]\d""", _FLAGS)
_LIST_ITEM = re.compile(r"^[ \t*_]{0,9}(\d{1,2})[.)、:][ \t*_]{0,9}([^\s][^\n]{0,200})(?:\n|$)", re.MULTILINE)
_REMARK = re.compile(r"\s[-–—]\s|:")
"""What separates an item of a list from a remark about it."""
_BETTER = r"""(?:(?:is|was)\s+(?:(?!(?:not|never|no|hardly)\b)\w+\s+){0,3}?
    (?:better|best|superior|stronger|winner|preferred|preferable)|wins)\b"""
_END_OF_LABEL = rf"(?=\s{{0,3}}(?:$|[.,;!()<。，；！]|[-–—]\s)|\s+{_BETTER})"


def read_answer(rule: AnswerRule, answer: Answer, count: int) -> Reading:
    """Read the scores that an answer gives to the completions.

    Args:
        rule: how the protocol reads answers.
        answer: of the judge; its thought is never read.
        count: completions shown.

    Returns:
        `count` scores, the higher the better (one score for a pointwise rule, and for a difference or an expectation
        of tokens); or a failure.
    """
    failure = _failure(rule, answer)
    if failure:
        return Reading(failure=failure)
    if rule.kind == "tokens":
        return read_tokens(rule, answer, count)
    text = without_thought(answer.text)
    if text is None:
        return NO_VERDICT
    if not text.strip():
        return Reading(failure="empty")
    reading = _read_text(ValueReader(rule, count), text)
    if reading.failure in ("no_verdict", "not_json") and is_refusal(text):
        return Reading(failure="refusal")
    return reading


def _failure(rule: AnswerRule, answer: Answer) -> Failure | None:
    """Return the failure that the server reports, before any text is read."""
    finish = answer.finish_reason.lower()
    if answer.failure:
        return answer.failure
    if answer.refusal or finish in _REFUSALS:
        return "refusal"
    if finish in _CUTS and not (rule.kind == "tokens" and rule.position == "first"):
        return "length"
    if not answer.text.strip() and not (rule.kind == "tokens" and answer.logprobs):
        return "no_logprobs" if rule.kind == "tokens" and answer.text else "empty"
    return None


def _read_text(reader: ValueReader, text: str) -> Reading:
    rule = reader.rule
    text = text[-MAX_CHARACTERS:]
    if rule.span:
        tagged = tagged_text(text, rule.span)
        if tagged is None:
            return NO_VERDICT
        text = tagged.strip()
    if rule.field:
        return read_field(reader, text, rule.field)
    if rule.patterns:
        verdicts = _by_patterns(reader, text)
    else:
        text = normalise(text)
        if rule.kind == "ranking" and _ASCENDING.search(text):
            return NO_VERDICT  # its labels may be in either order
        verdicts = list(_by_default(reader, text))
        if not verdicts and reader.rule.kind == "rating" and reader.count > 1:
            return _labelled_ratings(reader, text)
    return agreement([verdict.reading for verdict in verdicts]) if rule.span else decide(text, verdicts)


def _last(matches: Iterator[re.Match[str]]) -> list[re.Match[str]]:
    """Return the last matches, so that the time is bounded."""
    return list(deque(matches, maxlen=MAX_VERDICTS))


def _by_patterns(reader: ValueReader, text: str) -> list[VerdictMatch]:
    """Return the verdicts of the first of the rule's patterns that matches."""
    for pattern in reader.rule.patterns:
        matches = _last(re.finditer(pattern, text))
        if not matches:
            continue
        verdicts: list[VerdictMatch] = []
        for match in matches:
            reading = reader.read(match[match.lastindex or 0] or "")
            verdicts.append(VerdictMatch(match.start(), match.end(), reading or NO_VERDICT))
        if reader.rule.kind == "rating" and reader.count > 1:
            return _joined_ratings(reader, matches) or verdicts
        return verdicts
    return []


def _joined_ratings(reader: ValueReader, matches: list[re.Match[str]]) -> list[VerdictMatch]:
    """Return one verdict of the last matches, if each of them holds one number."""
    values: list[float] = []
    for match in matches[-reader.count :]:
        value = reader.number(normalise(match[match.lastindex or 0] or ""))
        if value is None:
            return []
        values.append(value)
    if len(values) < reader.count:
        return []
    return [VerdictMatch(matches[-reader.count].start(), matches[-1].end(), reader.ratings(values))]


def _by_default(reader: ValueReader, text: str) -> Iterator[VerdictMatch]:
    """Yield the verdicts of a normalised text in the forms that judges use."""
    yield from _lines(reader, text)
    for match in _last(_MARKED.finditer(text)):
        reading = reader.read(match[1] or match[2])
        if reading:
            yield VerdictMatch(match.start(), match.end(), reading)
    kind = reader.rule.kind
    if kind in ("rating", "scale") and reader.ratings_count == 1:
        yield from _amounts(reader, text)
        return
    yield from _headed_lines(reader, text)
    if kind == "choice":
        yield from _headed_labels(reader, text)


def _lines(reader: ValueReader, text: str) -> Iterator[VerdictMatch]:
    """Yield the verdicts that fill a line: the first or the last one, and any with several values."""
    is_single = reader.rule.kind == "choice" or reader.ratings_count == 1
    lines: list[tuple[int, str]] = []
    start = 0
    for line in text.split("\n"):
        if re.search(r"\w", line):
            lines.append((start, line))
        start += len(line) + 1
    for start, line in [*lines[:1], *(lines[-1:] if is_single else lines[-MAX_VERDICTS:])]:
        plain = line.strip()
        has_mark = "\\boxed" in plain or (is_single and "[[" in plain)
        if len(plain) > 200 or plain.startswith("#") or plain.endswith(":") or has_mark:
            continue
        reading = reader.read(plain) or _conclusion(reader, plain)
        if reading:
            yield VerdictMatch(start, start + len(line), reading)
    if reader.rule.kind == "ranking":
        yield from _numbered_ranking(reader, text)


def _conclusion(reader: ValueReader, line: str) -> Reading | None:
    """Read a line that says of one completion that it is better, and nothing else."""
    if reader.rule.kind != "choice":
        return None
    label = reader.label_pattern
    pattern = rf"""[\s*_]{{0,4}}(?:(?:therefore|thus|so|hence|overall|in\s+conclusion|i\s+(?:think|believe)),?\s+)?
        ({label})\s+{_BETTER}(?:\s+(?:choice|one|{NOUN}|than\s+{label}|overall)){{0,2}}[\s.!*_]{{0,6}}"""
    match = re.fullmatch(pattern, line, _FLAGS)
    return reader.read(match[1]) if match else None


def _numbered_ranking(reader: ValueReader, text: str) -> Iterator[VerdictMatch]:
    """Yield the rankings that are lists: "1. B", "2. A"."""
    names: list[str] = []
    start = end = 0
    for match in _LIST_ITEM.finditer(text):
        if int(match[1]) == 1 or match.start() != end:
            names, start = [], match.start()
        end = match.end()
        name = _REMARK.split(match[2])[0]
        if int(match[1]) == len(names) + 1 and reader.is_label(name):
            names.append(name)
        if len(names) == reader.count:
            reading = reader.read(", ".join(names))
            if reading:
                yield VerdictMatch(start, end, reading)


def _headed_labels(reader: ValueReader, text: str) -> Iterator[VerdictMatch]:
    pattern = re.compile(rf"({reader.label_pattern}){_END_OF_LABEL}", _FLAGS | re.MULTILINE)
    for heading in _last(_HEADED.finditer(text)):
        match = pattern.match(text, heading.end(), heading.end() + 200)
        reading = reader.read(match[1]) if match and match[1][:2] != "[[" else None
        if match and reading:
            yield VerdictMatch(match.start(), match.end(), reading)


def _headed_lines(reader: ValueReader, text: str) -> Iterator[VerdictMatch]:
    """Yield the verdicts that fill a line after a heading."""
    for heading in _last(_HEADED.finditer(text)):
        end = text.find("\n", heading.end(), heading.end() + 200)
        end = min(len(text), heading.end() + 200) if end < 0 else end
        reading = reader.read(text[heading.end() : end].strip()) if end > heading.end() else None
        if reading:
            yield VerdictMatch(heading.end(), end, reading)


def _amounts(reader: ValueReader, text: str) -> Iterator[VerdictMatch]:
    """Yield ratings after a heading, and those with a highest value, such as 8/10, in a sentence."""
    headed = {heading.end() for heading in _GIVEN.finditer(text)}
    headed |= {heading.end() for heading in _HEADED.finditer(text) if not _STATEMENT.match(heading[0])}
    for match in _last(_AMOUNT.finditer(text)):
        is_headed = match.start() in headed
        before = text[max(0, match.start() - 3) : match.start()].rstrip(" *_")
        if not is_headed and (not match["highest"] or before.endswith((":", "：", "|", "="))):
            continue
        is_other_scale = match["highest"] and reader.number(match[0]) != reader.number(match["number"])
        if not is_headed and is_other_scale:
            continue
        is_range = _RANGE.match(text, match.end()) is not None
        yield VerdictMatch(match.start(), match.end(), NO_VERDICT if is_range else reader.read(match[0]) or NO_VERDICT)


def _labelled_ratings(reader: ValueReader, text: str) -> Reading:
    """Read one rating after each label: "Response A: 8/10", or a row of a table."""
    pattern = re.compile(
        rf"^[\s|*_>\d.#•-]{{0,9}}({reader.label_pattern})[\s:：=|*_\[>-]{{1,9}}(?P<rating>{RATING})[\s|*_\].]{{0,9}}$",
        _FLAGS | re.MULTILINE,
    )
    values: dict[int, float] = {}
    for match in reversed(_last(pattern.finditer(text))):
        index = reader.index(match[1])
        value = reader.number(match["rating"])
        if index is None or value is None:
            return NO_VERDICT
        values.setdefault(index, value)
        if len(values) == reader.count:
            return reader.ratings([values[position] for position in range(reader.count)])
    return NO_VERDICT
