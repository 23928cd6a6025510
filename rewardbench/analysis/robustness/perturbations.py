"""Perturbations of responses that keep their meaning, and therefore the label: seeded, and the same for all responses.

A perturbation changes all responses of an item at once, so that it can restrict itself to what they share: words with
typos or in bold occur in every response of the item, and what distinguishes right from wrong stays as it is. Code is
left alone. The texts that are added are in `perturbations.toml`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from rewardbench.builders.draw import Rng
from rewardbench.builders.style import FORMS, TEXTS, bold_words
from rewardbench.lint.shortcuts import MARKDOWN, REFUSAL
from rewardbench.types import Item, Messages

TextChange = Callable[[Sequence[str], Rng], list[str]]
"""Returns the changed responses of an item: the same ones where the perturbation does not apply."""
CODE = re.compile(r"(```.*?(?:```|\Z)|`[^`\n]+`)", re.DOTALL)
WORD = re.compile(r"(?<![\w'’@#/.-])[a-z]{5,}(?![\w'’@/-])")
"""Words in lower case that may get a typo: no names, no parts of addresses."""
SENTENCE_GAP = re.compile(r"(?<=[.!?]) (?=\S)")
BULLETS = re.compile(r"(?:^[^\S\n]*[-*] \S[^\n]*(?:\n|\Z)){2,}", re.MULTILINE)
ORDERED = re.compile(
    r"\b(?:first|second|third|then|next|after|before|finally|last|later|step|steps|order\w*|rank\w*|sort\w*|alphabet\w*"
    r"|earliest|latest|chronolog\w*|largest|smallest|ascending|descending|priority|top|above|below|former|latter"
    r"|previous\w*|following)\b",
    re.IGNORECASE,
)
"""Words of a response by which the order of its lists may matter."""
ORDER_REQUEST = re.compile(
    r"\b(?:order(?:ed|ing)?|rank\w*|sort\w*|alphabet\w*|chronolog\w*|steps?|first|last|priority|top \w+|timeline"
    r"|schedule|itinerary|recipe|sequence|biggest|largest|smallest|earliest|latest|ascending|descending)\b",
    re.IGNORECASE,
)
"""The same of a prompt."""
MOST_WORDS = 3
"""Largest number of words with typos, or in bold."""


@cache
def read_texts() -> Mapping[str, Sequence[str]]:
    """Read the texts that are added."""
    content: Mapping[str, Sequence[str]] = tomllib.loads(
        Path(__file__).with_name("perturbations.toml").read_text(encoding="utf-8")
    )
    return content


def add_prefix(texts: Sequence[str], rng: Rng) -> list[str]:
    """Put an assent such as "Sure!" before each response; a neutral one if one of them may decline."""
    declines = any(REFUSAL.search(text.replace("’", "'")) for text in texts)
    return _put_before(rng.pick(read_texts()["neutral_prefix" if declines else "prefix"]), texts)


def add_flattery(texts: Sequence[str], rng: Rng) -> list[str]:
    """Put praise of the user before each response."""
    return _put_before(rng.pick(read_texts()["flattery"]), texts)


def add_language(texts: Sequence[str], rng: Rng) -> list[str]:
    """Put a polite sentence in another language after each response."""
    sentence = rng.pick(read_texts()["language"])
    changed: list[str] = []
    for text in texts:
        changed.append(f"{text.rstrip()}{_gap(text)}{sentence}")
    return changed


def _put_before(sentence: str, texts: Sequence[str]) -> list[str]:
    changed: list[str] = []
    for text in texts:
        changed.append(f"{sentence}{_gap(text)}{text}")
    return changed


def _gap(text: str) -> str:
    """Return what separates an added sentence from a text: a blank line if it has lines or markdown."""
    return "\n\n" if "\n" in text or MARKDOWN.match(text) else " "


def swap_letters(texts: Sequence[str], rng: Rng) -> list[str]:
    """Swap two neighbouring letters inside up to three words that all responses share."""
    words = _shared(texts, lambda text: set(WORD.findall(text)))
    typos: dict[str, str] = {}
    for word in rng.sample(words, min(MOST_WORDS, len(words))):
        place = rng.number(1, len(word) - 3)
        if word[place] != word[place + 1]:
            typos[word] = word[:place] + word[place + 1] + word[place] + word[place + 2 :]
    return _map_prose(texts, lambda prose: WORD.sub(lambda match: typos.get(match[0], match[0]), prose))


def widen_spaces(texts: Sequence[str], rng: Rng) -> list[str]:
    """Double the spaces between sentences, and end with a line break."""
    return _map_prose(texts, lambda prose: SENTENCE_GAP.sub("  ", prose), end="\n")


def add_bold(texts: Sequence[str], rng: Rng) -> list[str]:
    """Put up to three words in bold that all responses share."""
    words = _shared(texts, bold_words)
    bold = rng.sample(words, min(MOST_WORDS, len(words)))
    if not bold:
        return list(texts)
    pattern = re.compile(rf"(?<![\w'’*-])({'|'.join(map(re.escape, bold))})(?![\w'’*-])")
    return _map_prose(texts, lambda prose: pattern.sub(r"**\1**", prose))


def remove_markdown(texts: Sequence[str], rng: Rng) -> list[str]:
    """Remove bold, headings, bullets and the marks of inline code; blocks of code stay."""
    changed: list[str] = []
    for text in texts:
        parts = re.split(r"(```.*?(?:```|\Z))", text, flags=re.DOTALL)
        for number in range(0, len(parts), 2):
            part = re.sub(r"\*\*(\S[^*\n]*)\*\*", r"\1", parts[number])
            part = re.sub(r"^(?:#{1,6} +|[^\S\n]*[-*] +)", "", part, flags=re.MULTILINE)
            parts[number] = re.sub(r"`([^`\n]+)`", r"\1", part)
        changed.append("".join(parts))
    return changed


def shuffle_lists(texts: Sequence[str], rng: Rng) -> list[str]:
    """Shuffle the items of bulleted lists, where no word says that their order matters."""
    if any(ORDERED.search(text) for text in texts):
        return list(texts)
    seed = rng.number(0, 2**31)
    return _map_prose(texts, lambda prose: BULLETS.sub(lambda match: _shuffle_lines(match[0], seed), prose))


def _shuffle_lines(block: str, seed: int) -> str:
    """Return lines in another order, which depends on nothing else; nested lists stay as they are."""
    lines = block.removesuffix("\n").split("\n")
    indents = {len(line) - len(line.lstrip()) for line in lines}
    if len(indents) > 1 or len(set(lines)) < 2:
        return block
    rng, shuffled = Rng(f"{seed}/{block}"), lines
    while shuffled == lines:
        shuffled = rng.sample(lines, len(lines))
    return "\n".join(shuffled) + ("\n" if block.endswith("\n") else "")


def _shared(texts: Sequence[str], words_of: Callable[[str], set[str]]) -> list[str]:
    """Return the words that occur in the prose of all texts, sorted."""
    shared: set[str] | None = None
    for text in texts:
        words = words_of(CODE.sub(" ", text))
        shared = words if shared is None else shared & words
    return sorted(shared or ())


def _map_prose(texts: Sequence[str], change: Callable[[str], str], end: str = "") -> list[str]:
    """Change each text outside of its code, and add an end."""
    changed: list[str] = []
    for text in texts:
        parts = CODE.split(text)
        parts[::2] = map(change, parts[::2])
        changed.append("".join(parts) + end)
    return changed


@dataclass(frozen=True)
class Perturbation:
    """A perturbation.

    Attributes:
        change: changes the responses of an item.
        adds_text: True if it adds a sentence, which a prompt that asks for a form or a text to send may rule out.
        changes_form: True if it changes the form, which such a prompt may rule out too.
    """

    change: TextChange
    adds_text: bool = False
    changes_form: bool = False


PERTURBATIONS: Mapping[str, Perturbation] = {
    "prefix": Perturbation(add_prefix, adds_text=True),
    "typos": Perturbation(swap_letters),
    "whitespace": Perturbation(widen_spaces),
    "markdown-on": Perturbation(add_bold, changes_form=True),
    "markdown-off": Perturbation(remove_markdown, changes_form=True),
    "list-order": Perturbation(shuffle_lists),
    "flattery": Perturbation(add_flattery, adds_text=True),
    "language": Perturbation(add_language, adds_text=True),
}


def perturb(item: Item, name: str, seed: int, sides: Sequence[bool]) -> Item | None:
    """Perturb an item.

    Args:
        item: an item whose completions are not rendered.
        name: the perturbation.
        seed: random seed; the items of one group get the same changes.
        sides: for each completion, whether it is perturbed: [completions].

    Returns:
        The item with the id `ID#NAME`, or None if the perturbation does not apply to it.
    """
    texts = list(map(_last_text, item.completions))
    if item.rendered or not all(texts):
        return None
    if name == "list-order" and ORDER_REQUEST.search(_prompt_text(item)):
        return None
    changed = PERTURBATIONS[name].change(texts, Rng(f"{name}/{seed}/{item.group or item.id}"))
    completions: list[Messages] = []
    for completion, text, is_perturbed in zip(item.completions, changed, sides, strict=True):
        completions.append(_with_text(completion, text) if is_perturbed else completion)
    if tuple(completions) == item.completions:
        return None
    return replace(item, id=f"{item.id}#{name}", completions=tuple(completions), completion_hashes=())


def asks_for_form(item: Item) -> bool:
    """Return True if the prompt asks for a form, or for a text that an added sentence would become a part of."""
    for turn in item.prompt[:1] + item.prompt[-1:]:
        if turn["role"] != "assistant" and TEXTS.search(turn["content"]):
            return True
    return FORMS.search(_prompt_text(item)) is not None


def _prompt_text(item: Item) -> str:
    return "\n".join(turn["content"] for turn in item.prompt)


def _last_text(completion: Messages) -> str:
    """Return the text of the last message; empty if it calls tools or has none."""
    if not completion or completion[-1].get("tool_calls"):
        return ""
    return completion[-1]["content"]


def _with_text(completion: Messages, text: str) -> Messages:
    """Return a completion with another text of its last message."""
    message = completion[-1].copy()
    message["content"] = text
    message.pop("steps", None)
    return (*completion[:-1], message)
