"""Decode texts that encode lists or messages, as exports to csv, pandas or Parquet write them."""

from __future__ import annotations

import ast
import io
import json
import tokenize

_TOO_LONG = 2**24


def decode_messages(text: str) -> list[object] | None:
    r"""Return the messages that a text encodes as JSON, Python or a printed numpy array; None if there are none.

    >>> decode_messages('[{"role": "user", "content": "Hi"}]')
    [{'role': 'user', 'content': 'Hi'}]
    >>> decode_messages("[{'role': 'user', 'content': 'Hi'}\n {'role': 'assistant', 'content': 'Yo'}]")
    [{'role': 'user', 'content': 'Hi'}, {'role': 'assistant', 'content': 'Yo'}]
    >>> decode_messages("[1]"), decode_messages('{"a": 1}')
    (None, None)
    """
    opening = text[:200].lstrip()
    if opening[:1] not in ("[", "{") or "{" not in opening:
        return None
    value = decode_value(text)
    messages: list[object] = value if isinstance(value, list) else [value]
    return messages if messages and all(map(_is_message, messages)) else None


def decode_texts(text: str) -> list[object] | None:
    r"""Return the list of texts that a text encodes; None if there is none.

    >>> decode_texts('["a", "b"]'), decode_texts("['a']"), decode_texts("[1]"), decode_texts("a")
    (['a', 'b'], ['a'], None, None)
    >>> decode_texts("['a'\n \"it's 'b'\" 'c']")
    ['a', "it's 'b'", 'c']
    """
    if text.lstrip()[:1] != "[":
        return None
    value = decode_value(text)
    if not isinstance(value, list) or not value:
        return None
    are_texts = all(entry is None or isinstance(entry, str) for entry in value)
    return value if are_texts else None


def decode_value(text: str) -> list[object] | dict[str, object] | None:
    """Return the list or object that a text encodes as JSON, Python or a numpy array; None for any other text."""
    stripped = text.strip()
    if len(stripped) > _TOO_LONG or (stripped[:1], stripped[-1:]) not in (("[", "]"), ("{", "}")):
        return None
    for parse in (json.loads, _parse_python):
        try:
            value = parse(stripped)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError, tokenize.TokenError):
            continue
        if isinstance(value, list | dict):
            return value
    return None


def _parse_python(text: str) -> object:
    """Parse a Python literal; add the missing commas of a printed numpy array."""
    tokens: list[tuple[int, str]] = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in (tokenize.NL, tokenize.NEWLINE):
            continue
        if tokens and _ends_value(*tokens[-1]) and (token.type == tokenize.STRING or token.string in ("{", "[")):
            tokens.append((tokenize.OP, ","))
        tokens.append((token.type, token.string))
    return ast.literal_eval(tokenize.untokenize(tokens).strip())


def _ends_value(type: int, text: str) -> bool:
    return type == tokenize.STRING or text in ("}", "]")


_SPEAKERS = {"system", "user", "assistant", "human", "gpt", "tool", "function", "developer", "observation", "model"}
_SPEAKERS |= {"function_call", "bot", "chatgpt", "ipython"}


def _is_message(value: object) -> bool:
    """Return True if a value has a role and content, by OpenAI's or ShareGPT's keys.

    >>> _is_message({"from": "human", "value": "Hi"}), _is_message({"from": "Berlin", "to": "Paris"})
    (True, False)
    """
    if not isinstance(value, dict):
        return False
    role = value.get("role") or value.get("from")
    has_content = bool(value.keys() & {"content", "value", "tool_calls"})
    return isinstance(role, str) and role.strip().casefold() in _SPEAKERS and has_content
