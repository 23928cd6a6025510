"""Rules that a text obeys: measured in the text, and worded as an instruction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from rewardbench.builders.draw import Rng
from rewardbench.builders.templates.hard.twelve_rules.material import rule_texts
from rewardbench.verifiers.hard.twelve_rules import (
    COUNTS,
    EDGES,
    ORDINALS,
    TextParts,
    bare_words,
    count_of,
    count_words,
    split_sentences,
)

CountRule = dict[str, str | int]
NUMBER_WORDS = "no one two three four five six seven eight nine ten eleven twelve".split()
FEW = {
    "exclamations",
    "questions",
    "semicolons",
    "capitals",
    "question_paragraphs",
    "paragraphs",
    "items",
    "uses",
    "long_sentences",
}
"""Kinds that need a number above 1, so that the wordings are grammatical."""
BANNED = ("very", "amazing", "really", "unique", "perfect", "simply", "actually", "hopefully")
"""Words that a rule may forbid."""
LETTERS = "ABCDEFGHIKLMNOPRSTUVWY"
"""Letters that a rule may count, without the rare ones."""
LENGTHS = range(2, 10)
"""Lengths of the words that a rule may count, in letters."""
LABORIOUS = (
    *("words", "uses", "letter_words", "letters", "initial_words", "final_words", "length_words"),
    *("doubled_words", "long_sentences"),
)
"""Kinds of rules that count over the whole text."""
LEAST_COUNT = 8
"""Smallest number of a rule that counts as laborious."""
FREQUENT = ("the", "and", "a", "to", "of", "in", "is", "it")
"""Words that a rule may count, beside the one of the scene."""
LONG = range(7, 14)
"""Numbers of words above which a rule may count the sentences."""
LOCAL = {"first_word", "letter", "without", "plain", "starts", "opens", "closes", "order"}
"""Kinds of rules that are tested at one place, or at sight."""
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


def keyed_rules(kind: str) -> list[CountRule]:
    """Return the rules of a kind that count over the whole text, without their number."""
    keys: Mapping[str, tuple[str, Iterable[str | int]]] = {
        "uses": ("w", FREQUENT),
        "letter_words": ("w", LETTERS),
        "long_sentences": ("m", LONG),
        "letters": ("w", LETTERS),
        "initial_words": ("w", LETTERS),
        "final_words": ("w", LETTERS),
        "length_words": ("m", LENGTHS),
    }
    if kind not in keys:
        return [{"rule": kind}]
    key, values = keys[kind]
    return [{"rule": kind, key: value} for value in values]


def laborious_rules(parts: TextParts, rng: Rng) -> list[CountRule]:
    """Return the rules that a text obeys and that need a long count over the whole text, in random order."""
    rules: list[CountRule] = []
    for kind in LABORIOUS:
        for rule in keyed_rules(kind):
            number = count_of(parts, rule)
            if number >= LEAST_COUNT:
                rules.append(rule | {"n": number})
    return rng.sample(rules, len(rules))


def quick_rules(parts: TextParts, rng: Rng, counted: str) -> list[CountRule]:
    """Return the rules of `true_rules`, those on the whole text first."""
    return sorted(true_rules(parts, rng, counted), key=_is_local)


def _is_local(rule: CountRule) -> bool:
    return rule["rule"] in LOCAL


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
    key = rule.get("w" if kind in LABORIOUS else "k", "")
    return f"{same.get(kind, kind)} {key}"


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
    lengths = {"first_words", "longest", "shortest", "long_sentences"}
    letters = {"initial_words", "final_words", "length_words", "doubled_words"}
    needs = {
        "words": {"words", "paragraph_words", "letter_words", *letters, *lengths},
        "sentences": {"sentences", "paragraph_sentences", "starts", *lengths},
        "paragraphs": {"paragraphs", "question_paragraphs"},
        "forms": {"uses", "without", "order"},
        "letters": {"letters", *letters},
    }
    about_paragraph = any("k" in rule for rule in rules)
    texts = []
    for convention, users in needs.items():
        if kinds & users or (convention == "paragraphs" and about_paragraph):
            texts.append(rng.pick(rule_texts("conventions")[convention]))
    return texts
