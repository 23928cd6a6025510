"""Verdicts in a text, and the one that counts.

The rule: a verdict is *final* if it begins its line, or a heading such as "Final verdict:" precedes it, and the line is
not a quotation. The place of the verdict begins in the last line with a final verdict, at the first final one of that
line (without a final verdict: in the last line with a verdict), and ends where the text ends. The lines directly above
belong to it too if they end with a verdict after a full stop or a colon, but for parts above an overall verdict
("Accuracy score: 8", "Overall score: 7"). All verdicts of the place must agree. Those before it do not count, nor do
conditional ones, which restate the instructions ("[[A]] if response A is better").
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rewardbench.scorers.judge.answers import Reading

NO_VERDICT = Reading(failure="no_verdict")
BOTH_VERDICTS = Reading(failure="both_verdicts")
HEADING = r"""(?:verdict|decision|answer|choice|judgment|judgement|conclusion|results?|winner|preference|output
    |selection|(?:better|best|preferred)(?:\s+(?:response|answer|assistant|output|one|model|option|candidate))?
    |rank(?:ing|ed)?(?:\s+order)?|order|(?:from\s+)?best\s+to\s+worst|(?:ratings?|scores?|grades?|marks?)|overall|total|final
    |裁决|判决|结论|判断|答案|结果|评分|得分|分数|打分|总分|评级|排名|排序|选择|更好的回答|最佳回答)"""
"""Words before a verdict, for regular expressions that ignore case and are verbose."""
VERB = r"(?:(?:choose|pick|select|prefer|go\s+with|give\s+it|rate\s+it|rate\s+this|give\s+this|选择|选)(?:\s+a)?)"
LINK = r"""(?:\s{0,3}\([^()\n]{0,40}\)|\s+(?:on|from|out\s+of)\s[^:\n]{1,40}(?=:))?[\s*_"'`\])]{0,8}
    (?:\b(?:is|are|was|would\s+be|should\s+be|goes\s+to)\b|[:：=]|[-=]>|→|为|是)"""
"""What joins a heading with its verdict: a colon, "is", an arrow."""
DECORATION = r"""[\s*_"'`#:：=>$(\[{]"""
_LEAD = re.compile(
    rf"""(?:{HEADING}(?:{LINK}(?:\s+(?:therefore|thus|then|clearly|hence))?)?|{VERB}|\[RESULT\]|最终)
    [\s:：*_"'`=>$,(\[{{-]{{0,12}}(?:(?:the\s+)?(?:response|assistant|output|answer|option)\s+)?$""",
    re.IGNORECASE | re.VERBOSE,
)
_PLAIN = re.compile(r"""[\s*_"'`#:：=>$()（）\[\]{}.,;!。，；！|/&+·•-]*""")
_CONDITION_AFTER = re.compile(
    r"""["'`*_)\]，,]{0,4}\s{0,3}(?:(?:if|when|whenever|in\s+case|means|indicates|denotes|for\s+a\s+tie)\b|如果|表示|代表)""",
    re.IGNORECASE | re.VERBOSE,
)
_CONDITION_BEFORE = re.compile(
    r"""(?:\b(?:if|when|whenever|in\s+case)\b
        (?:(?!\b(?:but|so|therefore|thus|hence|however|since|because)\b)[^.;!?\n]){0,120}
        |(?:如果|若)[^。；\n]{0,60})$""",
    re.IGNORECASE | re.VERBOSE,
)
_NEGATION_BEFORE = re.compile(
    r"""(?:\b(?:not|never|cannot)\b|n['’]t\b|不是|不选|不选择)
        (?:\s+(?:be|choose|pick|select|prefer|go\s+with|the|a|response|assistant|answer|option)\b){0,4}
        [\s:：*_"'`(]{0,6}$""",
    re.IGNORECASE | re.VERBOSE,
)
_NEGATION_AFTER = re.compile(
    r"""["'`*_)\]]{0,4}\s{1,3}(?:is|was|would\s+be)(?:n['’]t|\s+not)\b""", re.IGNORECASE | re.VERBOSE
)
_COMPARISON = re.compile(r"better|best|tie\b|equal|worse|prefer|superior|good|更好|平局|优|一样", re.IGNORECASE)
_SENTENCE_END = re.compile(r"""[.!?:。！？：][\s*_"'`)\]([]{0,9}$""")
_QUOTE = re.compile(r"""\s{0,9}(?:>|["“「『][^"”」』\n]{0,150}\w)""")
"""Beginning of a line that quotes a text, such as one of the responses."""
_OVERALL = re.compile(r"overall|final|total|总|最终|综合", re.IGNORECASE)
_WINDOW = 160
"""Characters around a verdict that are looked at."""
MAX_VERDICTS = 500
"""The last verdicts of a text that are looked at, so that the time is bounded."""


@dataclass(frozen=True)
class VerdictMatch:
    """A verdict at a position of a text."""

    start: int
    end: int
    reading: Reading


def decide(text: str, verdicts: Iterable[VerdictMatch]) -> Reading:
    """Read the verdict that counts, by the rule of this module.

    Args:
        text: the text with the verdicts.
        verdicts: in any order; overlapping ones are allowed.
    """
    line_starts = [0, *(match.end() for match in re.finditer("\n", text))]
    ordered = sorted(verdicts, key=lambda verdict: (verdict.start, verdict.end))
    by_line: dict[int, list[VerdictMatch]] = {}
    for verdict in ordered[-MAX_VERDICTS:]:
        start = line_starts[bisect_right(line_starts, verdict.start) - 1]
        if not _is_conditional(_before(text, start, verdict), text[verdict.end : verdict.end + _WINDOW]):
            by_line.setdefault(start, []).append(verdict)
    return agreement([verdict.reading for verdict in _final_place(text, by_line)])


def agreement(readings: Sequence[Reading]) -> Reading:
    """Return the reading on which all agree; a failure if there is none, or two different ones."""
    if not readings:
        return NO_VERDICT
    return readings[0] if len(set(readings)) == 1 else BOTH_VERDICTS


def _is_conditional(before: str, after: str) -> bool:
    """Return True if a verdict is under a condition, or negated."""
    if _CONDITION_AFTER.match(after) or _NEGATION_BEFORE.search(before) or _NEGATION_AFTER.match(after):
        return True
    condition = _CONDITION_BEFORE.search(before)
    return condition is not None and _COMPARISON.search(condition[0]) is not None


def _final_place(text: str, by_line: Mapping[int, list[VerdictMatch]]) -> list[VerdictMatch]:
    """Return the verdicts of the place.

    Args:
        text: the answer.
        by_line: verdicts by the offset of their line, both in the order of the text.
    """
    starts = list(by_line)
    index = len(starts) - 1
    while index >= 0 and not _final_verdicts(text, starts[index], by_line[starts[index]]):
        index -= 1
    index = index if index >= 0 else len(starts) - 1
    if index < 0:
        return []
    start = starts[index]
    place = _final_verdicts(text, start, by_line[start]) or by_line[start][:]
    for below in starts[index + 1 :]:
        place += by_line[below]
    is_overall = _OVERALL.search(text, start, by_line[start][0].start) is not None
    for above in reversed(starts[:index]):
        if not _ends_with_verdict(text, above, by_line[above], start):
            break
        if is_overall and _names_part(text, above, by_line[above]):
            break
        place += by_line[above]
        start = above
    return place


def _final_verdicts(text: str, start: int, verdicts: Sequence[VerdictMatch]) -> list[VerdictMatch]:
    """Return the verdicts of a line from the first final one on; [] if none is final, or the line is a quotation."""
    if _QUOTE.match(text, start, verdicts[0].start):
        return []
    for position, verdict in enumerate(verdicts):
        before = _before(text, start, verdict)
        if _PLAIN.fullmatch(before) or _LEAD.search(before):
            return list(verdicts[position:])
    return []


def _names_part(text: str, start: int, verdicts: Sequence[VerdictMatch]) -> bool:
    """Return True if the heading of a line is that of a part, such as "Accuracy score:"."""
    end = verdicts[0].start
    return _PLAIN.fullmatch(text, start, end) is None and _OVERALL.search(text, start, end) is None


def _before(text: str, start: int, verdict: VerdictMatch) -> str:
    """Return the text of a line before a verdict, or the end of it if it is long."""
    return text[max(start, verdict.start - _WINDOW) : verdict.start]


def _ends_with_verdict(text: str, start: int, verdicts: Sequence[VerdictMatch], end: int) -> bool:
    """Return True if a line ends with a verdict that is a sentence of its own, and no text follows before `end`."""
    last = verdicts[-1]
    if _PLAIN.fullmatch(text, last.end, max(last.end, end)) is None:
        return False
    return _SENTENCE_END.search(_before(text, start, last)) is not None or bool(_final_verdicts(text, start, [last]))
