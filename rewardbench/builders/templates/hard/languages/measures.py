"""Rules that are read off finished texts: limits and words to avoid that both responses of a mirror respect."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from rewardbench.builders.draw import Rng
from rewardbench.builders.templates.hard.languages.drafts import TextRule, TextScene

ENDINGS = re.compile(r"(?<!\d)[.](?=\s|$)|[!?।。！？]")
"""The end of a sentence; a full stop after a digit belongs to a date."""
HAN = re.compile(r"[\u4e00-\u9fff]")


def split_sentences(text: str) -> list[str]:
    """Split a text into sentences, without the marks that end them.

    >>> split_sentences("Am 3. März. Kommt!")
    ['Am 3. März', 'Kommt']
    """
    return [part.strip() for part in ENDINGS.split(text) if part.strip()]


def measure_length(text: str, by_character: bool) -> int:
    """Count the words of a text, or its Chinese characters."""
    return len(HAN.findall(text)) if by_character else len(text.split())


def measured_rules(rng: Rng, texts: Mapping[str, Any], scene: TextScene, replies: Sequence[str]) -> list[TextRule]:
    """Return rules that all replies follow, one of each kind.

    The limits leave a margin, so that no convention of counting decides, such as whether lists count.
    """
    by_character = bool(texts["by_character"])
    longest, totals = [], []
    starts, ends = set(), set()
    for reply in replies:
        first, second = reply.split("\n\n")[:2]
        for sentence in split_sentences(f"{first} {second}"):
            longest.append(measure_length(sentence, by_character))
        totals += [measure_length(reply, by_character), measure_length(f"{first} {second}", by_character)]
        starts.add(second.split()[0].strip(","))
        ends.add(split_sentences(second)[-1])
    limit = max(longest) + rng.number(4, 8)
    low, high = min(totals) - rng.number(12, 20), max(totals) + rng.number(12, 20)
    low, high = low // 5 * 5, -(-high // 5) * 5
    rules = [
        TextRule("longest", {"n": limit}, {"limit": limit}),
        TextRule("total", {"p": low, "q": high}, {"low": low, "high": high}),
    ]
    text = "\n".join(replies).lower()
    for kind, options in (("mark", texts["marks"]), ("letter", texts["letters"]), ("absent", scene.absent)):
        free = [option for option in options if option.lower() not in text]
        if free:
            value = rng.pick(free)
            rules.append(TextRule(kind, {"u": value}, {"text": value}))
    if len(ends) == 1:
        ending = next(sentence for sentence in scene.endings if sentence[:-1].strip() in ends)
        rules.append(TextRule("ending", {"u": ending}, {"text": ending}))
    if len(starts) == 1 and not by_character and not re.search("['’¡¿]", "".join(starts)):
        start = starts.pop()
        rules.append(TextRule("start", {"u": start}, {"text": start}))
    return rules
