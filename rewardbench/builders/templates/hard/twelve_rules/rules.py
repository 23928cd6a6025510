"""Rules that a text obeys: measured in the text, and worded as an instruction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rewardbench.builders.draw import Rng
from rewardbench.builders.templates.hard.twelve_rules.material import rule_texts
from rewardbench.verifiers.hard.twelve_rules import (
    COUNTS,
    EDGES,
    ORDINALS,
    TextParts,
    bare_words,
    count_words,
    split_sentences,
)

CountRule = dict[str, str | int]
NUMBER_WORDS = "no one two three four five six seven eight nine ten eleven twelve".split()
FEW = {"exclamations", "questions", "semicolons", "capitals", "question_paragraphs", "paragraphs", "items", "uses"}
"""Kinds that need a number above 1, so that the wordings are grammatical."""
BANNED = ("very", "amazing", "really", "unique", "perfect", "simply", "actually", "hopefully")
"""Words that a rule may forbid."""
MIN_WORD = 5
"""Letters of a word whose place in the text a rule fixes."""


def ordinals(parts: TextParts) -> list[str]:
    """Return the ordinals of the paragraphs, the last of several as "last"."""
    number = len(parts.paragraphs)
    return [*ORDINALS[: number - 1], "last"] if number > 1 else []


def true_rules(parts: TextParts, rng: Rng, counted: str) -> Iterator[CountRule]:
    """Yield rules that a text obeys, of every kind, in random order."""
    rules: list[CountRule] = []
    for kind, count in COUNTS.items():
        rules.append({"rule": kind, "n": count(parts)})
    for k in ordinals(parts):
        paragraph = parts.paragraph(k)
        words = bare_words(paragraph)
        rules.append({"rule": "paragraph_words", "k": k, "n": count_words(paragraph)})
        rules.append({"rule": "paragraph_sentences", "k": k, "n": len(split_sentences(paragraph))})
        rules.append({"rule": "last_word", "k": k, "w": words[-1]})
        rules.append({"rule": "first_word", "k": k, "w": paragraph.split()[0].strip(EDGES)})
    words = bare_words(parts.text)
    rules.append({"rule": "uses", "w": counted, "n": words.count(counted)})
    rules.append({"rule": "letter", "w": rng.pick("JQXZ")})
    rules.append({"rule": "without", "w": rng.pick(BANNED)})
    rules += [{"rule": "opens", "line": parts.greeting}, {"rule": "closes", "line": parts.signature}]
    rules += [{"rule": "starts"}, {"rule": "plain"}, {"rule": "ten_in_digits"}, {"rule": "ten_in_words"}]
    rules += _orders(parts.text, rng)
    yield from rng.sample(rules, len(rules))


def single_words(text: str, part: str) -> list[str]:
    """Return the long words of a part of a text that occur only once in the text, and without a capital."""
    words = bare_words(text)
    single = []
    for word in bare_words(part):
        if len(word) > MIN_WORD and word.isalpha() and words.count(word) == 1 and word in text:
            single.append(word)
    return single


def _orders(text: str, rng: Rng) -> Iterator[CountRule]:
    """Yield rules on the order of two words that occur only once."""
    unique = single_words(text, text)
    for _ in range(3 if len(unique) > 1 else 0):
        first, second = sorted(rng.sample(range(len(unique)), 2))
        yield {"rule": "order", "w": unique[first], "v": unique[second]}


def is_usable(rule: CountRule) -> bool:
    """Return True if a rule is worth writing: its number is not too small, its line is not empty."""
    if rule["rule"] in ("opens", "closes"):
        return bool(rule["line"])
    if rule["rule"] in ("first_word", "last_word"):
        return str(rule["w"]).isalpha()
    number = rule.get("n", 9)
    return isinstance(number, int) and number > (1 if rule["rule"] in FEW else 2)


def subject(rule: CountRule) -> str:
    """Return what a rule is about; a prompt has no two rules about the same."""
    kind = str(rule["rule"])
    same = {"ten_in_digits": "numbers", "ten_in_words": "numbers", "questions": "question_paragraphs"}
    return f"{same.get(kind, kind)} {rule.get('k', '')}"


def word_rule(rule: CountRule, wording: int, is_spelled: bool) -> str:
    """Return a rule as an instruction.

    Args:
        rule: the rule.
        wording: number of the wording.
        is_spelled: whether a small number is written as a word.
    """
    kind = str(rule["rule"])
    values = dict(rule)
    number = rule.get("n")
    if isinstance(number, int) and number < len(NUMBER_WORDS) and is_spelled:
        values["n"] = NUMBER_WORDS[number]
    options = rule_texts("numbers" if kind.startswith("ten_in") else "")[kind]
    return str(options[wording % len(options)]).format(**values)


def conventions(rules: Sequence[CountRule], rng: Rng) -> list[str]:
    """Return how to count words, sentences and paragraphs, as far as the rules need it."""
    kinds = {str(rule["rule"]) for rule in rules}
    needs = {
        "words": {"words", "paragraph_words", "first_words", "longest", "shortest"},
        "sentences": {"sentences", "paragraph_sentences", "first_words", "longest", "shortest", "starts"},
        "paragraphs": {"paragraphs", "question_paragraphs"},
        "forms": {"uses", "without", "order"},
    }
    about_paragraph = any("k" in rule for rule in rules)
    texts = []
    for convention, users in needs.items():
        if kinds & users or (convention == "paragraphs" and about_paragraph):
            texts.append(rng.pick(rule_texts("conventions")[convention]))
    return texts
