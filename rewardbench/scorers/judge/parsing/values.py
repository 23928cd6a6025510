"""What the text of a verdict means: a label, ratings, a number on a scale, or a ranking, as scores of completions."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from rewardbench.scorers.judge.answers import Reading
from rewardbench.scorers.judge.parsing.answer_text import normalise
from rewardbench.scorers.judge.parsing.verdict_texts import BOTH_VERDICTS, NO_VERDICT
from rewardbench.scorers.judge.protocols import AnswerRule

MAX_CHARACTERS = 400
"""A longer text is no verdict."""
OUT_OF_RANGE = Reading(failure="out_of_range")
NOUN = r"""(?:(?:the\s+)?(?:ai\s+)?(?:response|assistant|output|answer|model|option|candidate|completion|chatbot|system
    |回答|回复|助手|选项|模型|答案)(?:'s\s+(?:response|answer))?)"""
NUMBER = r"[-+−]?(?:\d{1,15}(?:\.\d{0,15})?|\.\d{1,15})(?:[eE][-+]?\d{1,3})?"
_HIGHEST = rf"\s{{0,3}}(?:/|\bout\s+of\b|\bof\b)\s{{0,3}}(?P<highest>{NUMBER})"
RATING = rf"(?P<number>{NUMBER})(?:{_HIGHEST}|\s{{0,3}}(?:分|points?\b|stars?\b))?"
_RATING = re.compile(RATING, re.IGNORECASE)
_WRAPPED = re.compile(r"\\(?:text|textbf|mathbf|mathrm|boxed|textrm|mathsf)\s{0,3}\{([^{}]*)\}")
_EDGES = " \t\n*_\"'`#()[]{}<>$.:;,!。，；！\\"
_RELATION = re.compile(r"\s{0,9}(>+|<+|≻|≺|=+|≈|~|→|->|,|;|、)\s{0,9}")
_COMPARISON = re.compile(r"[<>≻≺=≈]")
_SEPARATOR = re.compile(r"[\s,;、|]+")
_LINE_BREAK = re.compile(r"\s*[\n,;、|]\s*")


@dataclass(frozen=True)
class ValueReader:
    """Read the values of verdicts by one rule.

    Attributes:
        rule: how scores are read.
        count: completions shown, so that labels beyond it are unknown.
    """

    rule: AnswerRule
    count: int

    @cached_property
    def labels(self) -> Mapping[str, int]:
        """Return the index of each completion shown by its plain label."""
        return {_plain(label): index for index, label in enumerate(self.rule.labels[: self.count])}

    @cached_property
    def ties(self) -> frozenset[str]:
        """Return the plain labels that mean a tie."""
        return frozenset(map(_plain, (*self.rule.tie, "tie"))) if self.rule.tie else frozenset()

    @cached_property
    def label_pattern(self) -> str:
        """Return a regular expression of any label, shown or not, with the words and brackets around it."""
        names = {*map(_plain, self.rule.labels), *self.ties, *"abcdefghijklmnopqrstuvwxyz"}
        choices = "|".join(re.escape(name) for name in sorted(names, key=lambda name: (-len(name), name)) if name)
        return (
            rf"(?:{NOUN}\s{{0,3}})?[(\[*_\"'`]{{0,6}}(?<!\w)(?:{NOUN}\s{{0,3}})?(?:{choices})(?!\w)[)\]*_\"'`]{{0,6}}"
        )

    @property
    def ratings_count(self) -> int:
        """Return how many numbers a verdict holds."""
        return 1 if self.rule.kind == "scale" else self.count

    def read(self, value: object) -> Reading | None:
        """Read a value: text, or a JSON value.

        Returns:
            None if it is no verdict at all.
        """
        if value is None or isinstance(value, bool):
            return None
        if isinstance(value, Mapping) and self.rule.kind == "rating":
            value = self._by_label(value)
        if isinstance(value, list) and not any(isinstance(element, list | Mapping) for element in value):
            value = ", ".join(map(str, value))
        if not isinstance(value, str | int | float) or len(text := str(value)) > MAX_CHARACTERS:
            return None
        text = _unwrap(normalise(text))
        if self.rule.kind == "choice":
            return self._choice(text)
        if self.rule.kind == "ranking":
            return self._ranking(text)
        return self._numbers(text)

    def ratings(self, values: Sequence[float]) -> Reading:
        """Return the scores of ratings, or a failure if one is out of range."""
        rule = self.rule
        for value in values:
            is_low = rule.low is not None and value < rule.low
            if is_low or not math.isfinite(value) or (rule.high is not None and value > rule.high):
                return OUT_OF_RANGE
        if rule.kind == "scale":
            margin = (rule.middle or 0.0) - values[0]
            margin = -margin if rule.is_reversed else margin
            return Reading((margin, -margin))
        return Reading(tuple(-value if rule.is_reversed else value for value in values))

    def number(self, text: str) -> float | None:
        """Read one rating such as 8, 8.5 or 8/10; NaN if it is on another scale, None if it is not a number."""
        match = _RATING.fullmatch(text.strip(_EDGES.replace(".", "")).rstrip("."))
        if match is None:
            return None
        value = float(match["number"].replace("−", "-"))
        if match["highest"] and self.rule.high is not None and float(match["highest"]) != self.rule.high:
            return math.nan
        return value

    def index(self, text: str) -> int | None:
        """Return the index of the completion that a label names."""
        return self.labels.get(_plain(text))

    def is_label(self, text: str) -> bool:
        """Return True if a text is a label, of a completion shown or of another one."""
        plain = _plain(text)
        return plain in self.labels or plain in self.ties or plain in self._all_labels

    @cached_property
    def _all_labels(self) -> frozenset[str]:
        return frozenset(map(_plain, (*self.rule.labels, *"ABCDEFGHIJKLMNOPQRSTUVWXYZ")))

    def _by_label(self, values: Mapping[object, object]) -> list[object]:
        ordered: dict[int, object] = {}
        for name, value in values.items():
            index = self.index(str(name))
            if index is None or index in ordered:
                return []
            ordered[index] = value
        return [ordered[index] for index in sorted(ordered)] if len(ordered) == self.count else []

    def _choice(self, text: str) -> Reading | None:
        index = self.index(text)
        if index is not None:
            return Reading(tuple(float(position == index) for position in range(self.count)))
        if _plain(text) in self.ties:
            return self._tie()
        if self.is_label(text):
            return NO_VERDICT
        ranking = self._ranking(text) if _COMPARISON.search(text) else None
        if ranking is None or ranking.failure:
            return ranking
        best = max(ranking.scores)
        if ranking.scores.count(best) > 1:
            return self._tie() if self.rule.tie and ranking.scores.count(best) == self.count else NO_VERDICT
        return Reading(tuple(float(score == best) for score in ranking.scores))

    def _tie(self) -> Reading:
        return Reading((1 / self.count,) * self.count)

    def _ranking(self, text: str) -> Reading | None:
        parts = _RELATION.split(text.strip(" \t\n.。!"))
        if len(parts) == 1 and self.count > 1:
            parts = _SEPARATOR.sub(" , ", text.strip(_EDGES)).split(" ")
        names, relations = parts[::2], {relation[0] for relation in parts[1::2]}
        if not all(map(self.is_label, names)) or (len(names) == 1 and self.count > 1):
            return None
        is_ascending = bool(relations & set("<≺"))
        if is_ascending and relations & set(">≻→-,;、"):
            return NO_VERDICT
        indices = list(map(self.index, names))
        if None in indices or len(set(indices)) < self.count:
            return NO_VERDICT
        if len(indices) > self.count:
            return BOTH_VERDICTS
        groups: list[list[int]] = [[]]
        for position, index in enumerate(indices):
            if position and parts[2 * position - 1][0] not in "=≈~":
                groups.append([])
            groups[-1].append(index or 0)
        return self._ranks(groups[::-1] if is_ascending else groups)

    def _ranks(self, groups: Sequence[Sequence[int]]) -> Reading:
        """Return scores from 0 (the worst) to count - 1 (the best); ties share the mean rank."""
        scores = [0.0] * self.count
        below = self.count
        for group in groups:
            below -= len(group)
            for index in group:
                scores[index] = below + (len(group) - 1) / 2
        return Reading(tuple(scores))

    def _numbers(self, text: str) -> Reading | None:
        count = self.ratings_count
        single = self.number(text)
        if single is not None:
            return self.ratings([single]) if count == 1 else None
        parts = _LINE_BREAK.split(text.strip(_EDGES.replace(".", "")))
        if len(parts) != count:
            parts = _SEPARATOR.split(text.strip(_EDGES.replace(".", "")))
        values: dict[int, float] = {}
        for position, part in enumerate(parts):
            label, _, number = part.rpartition(":")
            value = self.number(number)
            index = self.index(label) if label else position
            if value is None or index is None or index in values:
                return None
            values[index] = value
        if sorted(values) != list(range(count)):
            return None
        return self.ratings([values[index] for index in range(count)])


def _plain(label: str) -> str:
    """Return a label without brackets, emphasis and nouns ("Response A", "Output (a)"), in lower case."""
    text = re.sub(r"\s+", " ", normalise(label)).strip(_EDGES)
    text = re.sub(rf"^{NOUN}(?=\W|\d|$)|^{NOUN}(?=[a-z]$)", "", text, flags=re.IGNORECASE | re.VERBOSE).strip(_EDGES)
    return text.casefold() or label.casefold()


def _unwrap(text: str) -> str:
    for _ in range(3):
        text = _WRAPPED.sub(r"\1", text)
    return text
