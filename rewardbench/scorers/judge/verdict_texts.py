"""Verdicts in a text, and the one that counts.

The rule: a verdict is *final* if it begins its line, or a heading such as "Final verdict:" precedes it. The place of
the verdict begins in the last line with a final verdict, at the first final one of that line; if the line holds nothing
but verdicts and headings, the lines of the same sort directly above it belong to the place. It ends where the text
ends. Without a final verdict, the place is the last line with a verdict. All verdicts of the place must agree; those
before it do not count, nor do conditional ones, which restate the instructions ("[[A]] if response A is better").
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rewardbench.scorers.judge.answers import Reading

NO_VERDICT = Reading(failure="no_verdict")
BOTH_VERDICTS = Reading(failure="both_verdicts")
HEADING = r"""(?:verdict|decision|answer|choice|judgment|judgement|conclusion|results?|winner|preference|output
    |selection|(?:better|best|preferred)(?:\s+(?:response|answer|assistant|output|one|model|option|candidate))?
    |rank(?:ing|ed)?(?:\s+order)?|order|(?:from\s+)?best\s+to\s+worst|(?:ratings?|scores?|grades?|marks?)|overall|total
    |裁决|判决|结论|判断|答案|结果|评分|得分|分数|打分|总分|评级|排名|排序|选择|更好的回答|最佳回答)"""
"""Words before a verdict, for regular expressions that ignore case and are verbose."""
VERB = r"(?:(?:choose|pick|select|prefer|go\s+with|give\s+it|rate\s+it|rate\s+this|give\s+this|选择|选)(?:\s+a)?)"
LINK = r"""(?:\s{0,3}(?:\([^()\n]{0,40}\)|（[^（）\n]{0,40}）))?[\s*_"'`\])]{0,8}
    (?:\b(?:is|are|was|would\s+be|should\s+be|goes\s+to)\b|[:：=]|[-=]>|→|为|是)"""
"""What joins a heading with its verdict: a colon, "is", an arrow."""
DECORATION = r"""[\s*_"'`#:：=>$(\[{-]"""
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
_COMPARISON = re.compile(r"better|best|tie\b|equal|worse|prefer|superior|good|更好|平局|优|一样", re.IGNORECASE)
_WINDOW = 160


@dataclass(frozen=True)
class Verdict:
    """A verdict at a position of a text."""

    start: int
    end: int
    reading: Reading


def decide(text: str, verdicts: Sequence[Verdict]) -> Reading:
    """Read the verdict that counts, by the rule of this module.

    Args:
        text: the text with the verdicts.
        verdicts: in any order; overlapping ones are allowed.
    """
    ordered = sorted(verdicts, key=lambda verdict: (verdict.start, verdict.end))
    candidates = [verdict for verdict in ordered if not _is_conditional(text, verdict)]
    return agreement([verdict.reading for verdict in _final_place(text, candidates)])


def agreement(readings: Sequence[Reading]) -> Reading:
    """Return the reading on which all agree; a failure if there is none, or two different ones."""
    if not readings:
        return NO_VERDICT
    return readings[0] if len(set(readings)) == 1 else BOTH_VERDICTS


def _is_conditional(text: str, verdict: Verdict) -> bool:
    if _CONDITION_AFTER.match(text, verdict.end, verdict.end + _WINDOW):
        return True
    before = text[max(_line_start(text, verdict.start), verdict.start - _WINDOW) : verdict.start]
    condition = _CONDITION_BEFORE.search(before)
    return condition is not None and _COMPARISON.search(condition[0]) is not None


def _final_place(text: str, verdicts: Sequence[Verdict]) -> Sequence[Verdict]:
    if not verdicts:
        return ()
    first = len(verdicts) - 1
    while first >= 0 and not _is_final(text, verdicts[first]):
        first -= 1
    if first < 0:
        line = _line_start(text, verdicts[-1].start)
        return [verdict for verdict in verdicts if verdict.start >= line]
    line = _line_start(text, verdicts[first].start)
    while first > 0 and verdicts[first - 1].start >= line:
        first -= 1
    while not _is_final(text, verdicts[first]):
        first += 1
    if _has_only(text, verdicts[first:], line, _line_end(text, verdicts[first].end)):
        while first > 0 and _has_only(text, verdicts[first - 1 :], _line_start(text, verdicts[first - 1].start), line):
            first -= 1
            line = _line_start(text, verdicts[first].start)
    return verdicts[first:]


def _is_final(text: str, verdict: Verdict) -> bool:
    before = text[max(_line_start(text, verdict.start), verdict.start - _WINDOW) : verdict.start]
    return _PLAIN.fullmatch(before) is not None or _LEAD.search(before) is not None


def _has_only(text: str, verdicts: Sequence[Verdict], start: int, end: int) -> bool:
    """Return True if a part of the text holds nothing but verdicts, headings and punctuation."""
    position = start
    for verdict in verdicts:
        if verdict.start >= end:
            break
        if not _is_lead(text[position : max(position, verdict.start)]):
            return False
        position = max(position, verdict.end)
    return _PLAIN.fullmatch(text, position, max(position, end)) is not None


def _is_lead(text: str) -> bool:
    if _PLAIN.fullmatch(text):
        return True
    return len(text) <= _WINDOW and text.count("\n") == 0 and _LEAD.search(text) is not None and len(text.split()) <= 6


def _line_start(text: str, position: int) -> int:
    return text.rfind("\n", 0, position) + 1


def _line_end(text: str, position: int) -> int:
    end = text.find("\n", position)
    return len(text) if end < 0 else end
