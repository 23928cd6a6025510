"""Read the cell of a text: by rules, by a reward model, or by a language model at an endpoint."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

import numpy as np

from rewardbench.analysis.map.domains import Attribute, CategoryRule, Domain, MapCell
from rewardbench.analysis.map.endpoint import ChatEndpoint
from rewardbench.analysis.map.prosody import rhyme_share, split_lines, split_words
from rewardbench.analysis.map.rewards import score_completions
from rewardbench.errors import InputError
from rewardbench.scoring import LoadedScorer
from rewardbench.verifiers.syllables import count_line


class CellClassifier(Protocol):
    """Reads the cell of texts."""

    @property
    def identity(self) -> str:
        """A text that changes with anything that can change a cell; it contains no secret."""

    def classify(self, texts: Sequence[str]) -> list[MapCell | None]:
        """Return the cell of each text; None if it is unknown."""


class RuleClassifier:
    """Reads cells by the rules of the domain: lines, syllables, rhymes and words."""

    identity = "rules"

    def __init__(self, domain: Domain) -> None:
        self._attributes = (domain.rows, domain.columns)
        self._cell = lru_cache(maxsize=2**14)(self._read)

    def classify(self, texts: Sequence[str]) -> list[MapCell | None]:
        """Return the cell of each text."""
        return list(map(self._cell, texts))

    def _read(self, text: str) -> MapCell | None:
        lines = split_lines(text)
        words = Counter(split_words(text))
        rows, columns = self._attributes
        row, column = read_category(rows, lines, words), read_category(columns, lines, words)
        return None if row is None or column is None else (row, column)


def read_category(attribute: Attribute, lines: Sequence[str], words: Counter[str]) -> str | None:
    """Return the category of a text by the rules of an attribute.

    Args:
        attribute: with its rules.
        lines: of the text, without blank ones.
        words: of the text in lower case, with their counts.
    """
    if attribute.by == "first":
        for category in attribute.category:
            if fits_category(category, lines, words):
                return category.name
        return attribute.default
    counts: list[int] = []
    for category in attribute.category:
        counts.append(count_words(category, words) if fits_category(category, lines, words) else 0)
    largest = max(counts)
    if largest == 0:
        return attribute.default
    return attribute.names[counts.index(largest)] if counts.count(largest) == 1 else None


def count_words(category: CategoryRule, words: Counter[str]) -> int:
    """Count the words of a text that are in the list of a category."""
    return sum(words[word] for word in category.word_set & words.keys())


def fits_category(category: CategoryRule, lines: Sequence[str], words: Counter[str]) -> bool:
    """Return True if all conditions of a category hold, its words included."""
    if category.lines and not category.lines[0] <= len(lines) <= category.lines[1]:
        return False
    if len(lines) % category.line_multiple:
        return False
    if category.word_set and count_words(category, words) < category.min_words:
        return False
    if category.syllables:
        if len(lines) != len(category.syllables):
            return False
        for line, expected in zip(lines, category.syllables, strict=True):
            if abs(count_line(line) - expected) > category.tolerance:
                return False
    return not category.rhyme or rhyme_share(lines, category.rhyme) >= category.rhyme_share


class RewardClassifier:
    """Reads cells by a reward model: the category whose sentence has the highest reward after the text.

    The model scores the prompt "TEXT" with the completion "This poem is a haiku." for each category; a tie of the two
    highest is an unknown cell, and so is a text that the model cannot score.

    Raises:
        InputError: if an attribute of the domain has no `label`.
    """

    def __init__(self, domain: Domain, scorer: LoadedScorer) -> None:
        self._attributes, self._scorer = (domain.rows, domain.columns), scorer
        self.identity = f"model:{scorer.name}"
        for attribute in self._attributes:
            if not attribute.label:
                raise InputError(
                    f"The attribute {attribute.name} of the domain {domain.name} has no label, which --cells model "
                    'needs: add one such as label = "This poem is a {category}."'
                )

    def classify(self, texts: Sequence[str]) -> list[MapCell | None]:
        """Return the cell of each text; one batch of scores for all of them."""
        rows, columns = map(self._categories, self._attributes, (texts, texts))
        cells: list[MapCell | None] = []
        for row, column in zip(rows, columns, strict=True):
            cells.append(None if row is None or column is None else (row, column))
        return cells

    def _categories(self, attribute: Attribute, texts: Sequence[str]) -> list[str | None]:
        prompts: list[str] = []
        labels: list[str] = []
        for text in texts:
            for name in attribute.names:
                prompts.append(text)
                labels.append(attribute.label.format(category=name))
        scores = np.asarray(score_completions(self._scorer, prompts, labels))
        categories: list[str | None] = []
        for row in scores.reshape(len(texts), len(attribute.names)):
            is_clear = np.sum(row == row.max()) == 1
            categories.append(attribute.names[int(row.argmax())] if is_clear else None)
        return categories


class JudgeClassifier:
    """Reads cells by asking a language model at an endpoint for one category of each attribute."""

    def __init__(self, domain: Domain, endpoint: ChatEndpoint) -> None:
        self._attributes, self._endpoint = (domain.rows, domain.columns), endpoint
        self.identity = f"judge:{endpoint.identity}"

    def classify(self, texts: Sequence[str]) -> list[MapCell | None]:
        """Return the cell of each text; None if the answer does not name one category of each attribute."""
        rows, columns = self._attributes
        questions: list[str] = []
        for text in texts:
            questions += (_question(rows, text), _question(columns, text))
        answers = self._endpoint.complete(questions, seeds=[0] * len(questions), temperature=0.0, max_tokens=16)
        cells: list[MapCell | None] = []
        for row_answer, column_answer in zip(answers[::2], answers[1::2], strict=True):
            row, column = read_answer(rows, row_answer), read_answer(columns, column_answer)
            cells.append(None if row is None or column is None else (row, column))
        return cells


def _question(attribute: Attribute, text: str) -> str:
    return (
        f"Which {attribute.name.replace('_', ' ')} does the text below have: {', '.join(attribute.names)}, or none of "
        f"them? Answer with one of these words only.\n\n<text>\n{text}\n</text>"
    )


def read_answer(attribute: Attribute, answer: str | None) -> str | None:
    """Return the only category that an answer names; None if it names several or none.

    >>> from rewardbench.analysis.map.domains import load_domain
    >>> genre = load_domain("poems").rows
    >>> read_answer(genre, "Haiku."), read_answer(genre, "haiku or hymn"), read_answer(genre, None)
    ('haiku', None, None)
    """
    named: set[str] = set()
    for name in attribute.names:
        if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", answer or "", re.IGNORECASE):
            named.add(name)
    return named.pop() if len(named) == 1 else None
