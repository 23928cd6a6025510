"""The part of a judge's answer that holds the verdict: after the thought, inside the answer tag, normalised."""

from __future__ import annotations

import re
import unicodedata

MAX_CHARACTERS = 32_000
"""Only the end of a longer answer is parsed, so that the time is bounded."""
_NAME = r"(?:seed:)?(?:think|thinking|thought)"
_OPENING = re.compile(rf"<{_NAME}>|\[THINK\]|◁think▷", re.IGNORECASE)
_CLOSING = re.compile(rf"</{_NAME}>|\[/THINK\]|◁/think▷", re.IGNORECASE)
_BRACKETS = str.maketrans(
    {"【": "[", "】": "]", "〖": "[", "〗": "]", "〔": "[", "〕": "]"}
    | dict.fromkeys("“”„«»", '"')
    | dict.fromkeys("‘’", "'")
    | dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff\u00ad\ufe0f", None)
    | dict.fromkeys("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069", None)
    | {"\r": "\n", "\u2028": "\n", "\u2029": "\n"}
)
_LOOKALIKES = dict(zip("АВСЕаВсеΑΒΕ", "ABCEaBceABE", strict=True))
_LONE_LOOKALIKE = re.compile(rf"(?<!\w)[{''.join(_LOOKALIKES)}](?!\w)")
_REFUSAL = re.compile(
    r"""\W{0,5}(?:(?:i['’]?m|i\s+am|we['’]?re)\s+(?:very\s+|so\s+|really\s+)?(?:sorry|afraid|unable|not\s+able)\b
    |sorry,|apologies\b|i\s+apologi[sz]e\b|as\s+an\s+ai\b
    |i\s+(?:can\s?not|can['’]?t|won['’]?t|will\s+not|must\s+decline|decline)\b
        (?!\s+(?:decide|choose|pick|say|tell|determine))
    |(?:很|非常)?抱歉|对不起|我(?:无法|不能))""",
    re.IGNORECASE | re.VERBOSE,
)


def thought_end(text: str) -> int:
    """Return the offset after the last closing tag of a thought; 0 if there is none."""
    end = 0
    for match in _CLOSING.finditer(text):
        end = match.end()
    return end


def without_thought(text: str) -> str | None:
    """Return the text after the last closing tag of a thought, up to an opening tag that is never closed.

    Returns:
        None if the thought was never closed, and no text precedes it.
    """
    text = text[thought_end(text) :]
    opening = _OPENING.search(text)
    if opening is None:
        return text
    return text[: opening.start()] if text[: opening.start()].strip() else None


def tagged_text(text: str, tag: str) -> str | None:
    """Return the text of the last pair of tags, such as <answer>…</answer>; None if there is none.

    Without a pair, an opening tag is enough: the server may have stopped at the closing one.
    """
    name = re.escape(tag)
    closings = list(re.finditer(rf"</{name}\s{{0,9}}>", text, re.IGNORECASE))
    openings = list(re.finditer(rf"<{name}\s{{0,9}}>", text, re.IGNORECASE))
    if openings and not closings:
        return text[openings[-1].end() :]
    for closing in reversed(closings):
        while openings and openings[-1].end() > closing.start():
            openings.pop()
        if openings:
            return text[openings[-1].end() : closing.start()]
    return None


def normalise(text: str) -> str:
    """Return the text with full-width characters, brackets, quotes and lone Cyrillic or Greek letters as Latin ones."""
    text = unicodedata.normalize("NFKC", text.translate(_BRACKETS)).translate(_BRACKETS)
    return _LONE_LOOKALIKE.sub(lambda match: _LOOKALIKES[match[0]], text)


def is_refusal(text: str) -> bool:
    """Return True if a text without a verdict begins as refusals do."""
    return _REFUSAL.match(text.strip()) is not None
