"""First program for twelve-rules: each rule, given as data, is a test on the text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from rewardbench.verifiers.cells import Cell, cell_by_cell

RuleData = Mapping[str, object]
"""A rule: its kind under "rule", and its number `n`, ordinal `k`, words `w` and `v`, or `line`."""
EDGES = ".,;:!?"
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth")
SPELLED = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen".split()


@dataclass(frozen=True)
class TextParts:
    """A text in parts; greeting and signature are empty and the list has no items if the text has none."""

    text: str
    greeting: str
    paragraphs: Sequence[str]
    items: Sequence[str]
    signature: str

    @property
    def sentences(self) -> list[str]:
        """The sentences of all paragraphs."""
        sentences = []
        for paragraph in self.paragraphs:
            sentences += split_sentences(paragraph)
        return sentences

    def paragraph(self, ordinal: str) -> str:
        """Return the paragraph of an ordinal, such as "second" or "last"."""
        return self.paragraphs[-1 if ordinal == "last" else ORDINALS.index(ordinal)]


@lru_cache(maxsize=8)
def split_text(text: str) -> TextParts:
    """Split a text at its blank lines.

    A first block that ends with a comma is the greeting, a last block without a sentence mark is the signature, and a
    block whose lines begin with dashes is the list.
    """
    blocks = [block.strip() for block in text.strip().split("\n\n")]
    greeting = blocks.pop(0) if blocks[0].endswith(",") else ""
    signature = blocks.pop() if blocks and blocks[-1][-1] not in ".!?" and not blocks[-1].startswith("- ") else ""
    paragraphs, items = [], []
    for block in blocks:
        if block.startswith("- "):
            items += re.findall(r"^- (.*)$", block, re.MULTILINE)
        else:
            paragraphs.append(block)
    return TextParts(text, greeting, paragraphs, items, signature)


def split_sentences(paragraph: str) -> list[str]:
    """Split a paragraph after full stops, question marks and exclamation marks."""
    return list(filter(None, re.split(r"(?<=[.!?])\s+", paragraph)))


def count_words(text: str) -> int:
    r"""Count the words of a text: what is between spaces, without the dashes of a list.

    >>> count_words("Come at 7:30.\\n- a half-full bag")
    6
    """
    return len(text.split()) - text.split().count("-")


@lru_cache(maxsize=8)
def bare_words(text: str) -> Sequence[str]:
    """Return the words of a text in lower case, without punctuation at their ends."""
    words = []
    for token in text.split():
        word = token.strip(EDGES).lower()
        if word and word != "-":
            words.append(word)
    return words


def sentence_lengths(parts: TextParts) -> list[int]:
    """Return the number of words of each sentence."""
    return list(map(count_words, parts.sentences))


def count_capitals(parts: TextParts) -> int:
    """Count the words of two letters and more that are wholly in capitals."""
    number = 0
    for token in parts.text.split():
        word = token.strip(EDGES)
        number += len(word) > 1 and word.isalpha() and word.isupper()
    return number


def _ends_with_question(paragraph: str) -> bool:
    return paragraph.endswith("?")


COUNTS: Mapping[str, Callable[[TextParts], int]] = {
    "words": lambda parts: count_words(parts.text),
    "first_words": lambda parts: sentence_lengths(parts)[0],
    "longest": lambda parts: max(sentence_lengths(parts)),
    "shortest": lambda parts: min(sentence_lengths(parts)),
    "sentences": lambda parts: len(parts.sentences),
    "paragraphs": lambda parts: len(parts.paragraphs),
    "commas": lambda parts: parts.text.count(","),
    "exclamations": lambda parts: parts.text.count("!"),
    "questions": lambda parts: parts.text.count("?"),
    "semicolons": lambda parts: parts.text.count(";"),
    "capitals": count_capitals,
    "items": lambda parts: len(parts.items),
    "question_paragraphs": lambda parts: sum(map(_ends_with_question, parts.paragraphs)),
}
"""What a rule with a number counts in the text."""


def count_letters(word: str) -> int:
    """Count the letters of a word, without hyphens, apostrophes and digits."""
    return sum(map(str.isalpha, word))


def _has_doubled_letter(word: str) -> bool:
    return any(left == right and left.isalpha() for left, right in pairwise(word))


@dataclass(frozen=True)
class WordCounts:
    """Numbers of words of a text by a property."""

    first: Counter[str]
    """By first letter."""
    last: Counter[str]
    """By last letter."""
    having: Counter[str]
    """By letter that they have."""
    length: Counter[int]
    """By number of letters."""


@lru_cache(maxsize=8)
def word_counts(text: str) -> WordCounts:
    """Count the words of a text by several properties."""
    counts = WordCounts(Counter(), Counter(), Counter(), Counter())
    for word in bare_words(text):
        counts.first[word[0]] += 1
        counts.last[word[-1]] += 1
        counts.having.update(set(word))
        counts.length[count_letters(word)] += 1
    return counts


def _letter(rule: RuleData) -> str:
    return str(rule["w"]).lower()


KEYED_COUNTS: Mapping[str, Callable[[TextParts, RuleData], int]] = {
    "uses": lambda parts, rule: bare_words(parts.text).count(str(rule["w"])),
    "letter_words": lambda parts, rule: word_counts(parts.text).having[_letter(rule)],
    "letters": lambda parts, rule: parts.text.lower().count(_letter(rule)),
    "initial_words": lambda parts, rule: word_counts(parts.text).first[_letter(rule)],
    "final_words": lambda parts, rule: word_counts(parts.text).last[_letter(rule)],
    "length_words": lambda parts, rule: word_counts(parts.text).length[int(str(rule["m"]))],
    "doubled_words": lambda parts, rule: sum(map(_has_doubled_letter, bare_words(parts.text))),
    "long_sentences": lambda parts, rule: sum(length > int(str(rule["m"])) for length in sentence_lengths(parts)),
}
"""What a rule with a number, and mostly with a word, a letter or a length, counts in the text."""


def count_of(parts: TextParts, rule: RuleData) -> int:
    """Return what a rule with a number counts in a text."""
    kind = str(rule["rule"])
    return COUNTS[kind](parts) if kind in COUNTS else KEYED_COUNTS[kind](parts, rule)


def _comes_first(parts: TextParts, rule: RuleData) -> bool:
    words = bare_words(parts.text)
    if rule["w"] not in words or rule["v"] not in words:
        return False
    return words.index(str(rule["w"])) < words.index(str(rule["v"]))


def _has_different_starts(parts: TextParts) -> bool:
    return all(bare_words(left)[0] != bare_words(right)[0] for left, right in pairwise(parts.sentences))


def _spells_numbers(parts: TextParts, ten_is_spelled: bool) -> bool:
    """Return True if small numbers are words and large ones digits; the text has no spelled number above fifteen."""
    smallest_in_digits = 11 if ten_is_spelled else 10
    for word in bare_words(parts.text):
        is_small_in_digits = word.isdecimal() and int(word) < smallest_in_digits
        if is_small_in_digits or (word in SPELLED and SPELLED.index(word) >= smallest_in_digits):
            return False
    return True


def _is_plain(parts: TextParts) -> bool:
    return not re.search(r"[()\[\]{}\"“”„«»]|(?<!\d):|:(?!\d)", parts.text)


TESTS: Mapping[str, Callable[[TextParts, RuleData], bool]] = {
    "paragraph_words": lambda parts, rule: count_words(parts.paragraph(str(rule["k"]))) == rule["n"],
    "paragraph_sentences": lambda parts, rule: len(split_sentences(parts.paragraph(str(rule["k"])))) == rule["n"],
    "letter": lambda parts, rule: str(rule["w"]).lower() not in parts.text.lower(),
    "last_word": lambda parts, rule: bare_words(parts.paragraph(str(rule["k"])))[-1] == rule["w"],
    "first_word": lambda parts, rule: bare_words(parts.paragraph(str(rule["k"])))[0] == str(rule["w"]).lower(),
    "order": _comes_first,
    "opens": lambda parts, rule: parts.greeting == rule["line"],
    "closes": lambda parts, rule: parts.signature == rule["line"],
    "without": lambda parts, rule: str(rule["w"]) not in bare_words(parts.text),
    "starts": lambda parts, rule: _has_different_starts(parts),
    "plain": lambda parts, rule: _is_plain(parts),
    "ten_in_digits": lambda parts, rule: _spells_numbers(parts, False),
    "ten_in_words": lambda parts, rule: _spells_numbers(parts, True),
}


def obeys(parts: TextParts, rule: RuleData) -> bool:
    """Return True if a text obeys a rule."""
    kind = str(rule["rule"])
    if kind in COUNTS or kind in KEYED_COUNTS:
        return count_of(parts, rule) == rule["n"]
    return TESTS[kind](parts, rule)


def broken_rules(text: str, rules: Sequence[RuleData]) -> list[RuleData]:
    """Return the rules that a text breaks."""
    parts = split_text(text)
    return [rule for rule in rules if not obeys(parts, rule)]


def _obeys_all(cell: Cell) -> bool:
    return not broken_rules(cell.response, cell.check["rules"])


verify_twelve_rules = cell_by_cell(_obeys_all)
