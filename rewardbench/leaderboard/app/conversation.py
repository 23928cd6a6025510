"""Show the messages of an item: the role of each, its text, its tool calls, and markdown as safe HTML.

Texts are untrusted. By default they are shown as they are. As markdown they are parsed by markdown-it-py with HTML off,
and only tags of a list are written, without attributes: a link is its text and its address in plain text, an image its
description and its address, so that nothing can be clicked or loaded.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

from rewardbench.console.html_text import escaped
from rewardbench.types import Message

ROLES = ("system", "user", "assistant", "tool")
OTHER_ROLE = "other"
"""CSS class of a role that is not in `ROLES`."""
LONGEST_ROLE = 30
"""Characters of a role that are shown."""
LONGEST_MARKDOWN = 20_000
"""Characters of a text that is parsed; a longer one is shown as it is."""
DEEPEST = 20
"""Levels of nested blocks and emphasis that are parsed."""
_TAGS = frozenset(
    "p em strong s ul ol li blockquote table thead tbody tr th td hr br h1 h2 h3 h4 h5 h6".split()
)  # h1 to h6 become paragraphs, so that the headings of the page are its own


@dataclass(frozen=True)
class ShownMessage:
    """A message as a page shows it."""

    role: str
    kind: str
    """CSS class of the role: one of `ROLES`, or `OTHER_ROLE`."""
    text: str
    markdown: Markup | None = None
    """The text as HTML; None if it is shown as it is."""


def show_message(message: Message, with_markdown: bool = False) -> ShownMessage:
    """Describe a message for a page.

    Args:
        message: the message.
        with_markdown: whether its text is rendered as markdown.
    """
    role = str(message["role"])
    text = text_of(message)
    markdown = render_markdown(text) if with_markdown and len(text) <= LONGEST_MARKDOWN else None
    return ShownMessage(role[:LONGEST_ROLE], role if role in ROLES else OTHER_ROLE, text, markdown)


def text_of(message: Message) -> str:
    """Return the content of a message, and its tool calls on lines of their own.

    >>> call = {"type": "function", "function": {"name": "look_up", "arguments": {"id": 3}}}
    >>> print(text_of({"role": "assistant", "content": "Wait.", "tool_calls": [call]}))
    Wait.
    Call: look_up({"id": 3})
    """
    lines = [text] if (text := message["content"].strip()) else []
    for call in message.get("tool_calls") or ():
        lines.append(f"Call: {_call_text(call)}")
    return "\n".join(lines)


def _call_text(call: object) -> str:
    """Return a tool call as name(arguments), or as JSON if it has another form."""
    function = call.get("function", call) if isinstance(call, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        return json.dumps(call, ensure_ascii=False)
    arguments = function.get("arguments", {})
    text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    return f"{function['name']}({text})"


def render_markdown(text: str) -> Markup:
    """Return markdown as HTML that has no attribute of the text, no link and no image.

    >>> print(render_markdown("*a* <b>b</b> [c](javascript:d) [e](https://f.g) ![h](https://i.j/k.png)"))
    <p><em>a</em> &lt;b&gt;b&lt;/b&gt; [c](javascript:d) e (https://f.g) [image: h] (https://i.j/k.png)</p>
    """
    return Markup("").join(_to_html(_parser().parse(text)))


@cache
def _parser() -> MarkdownIt:
    options = {"html": False, "linkify": False, "typographer": False, "maxNesting": DEEPEST}
    return MarkdownIt("commonmark", options).enable(["table", "strikethrough"])


def _to_html(tokens: Sequence[Token]) -> list[Markup]:
    """Return the HTML of tokens; a token that is not known is written as its escaped text."""
    parts: list[Markup] = []
    links: list[str] = []
    for token in tokens:
        if token.type == "inline":
            parts += _to_html(token.children or ())
        elif token.type in ("fence", "code_block"):
            parts.append(Markup("<pre><code>{}</code></pre>").format(escaped(token.content)))
        elif token.type == "code_inline":
            parts.append(Markup("<code>{}</code>").format(escaped(token.content)))
        elif token.type == "link_open":
            links.append(str(token.attrGet("href") or ""))
        elif token.type == "link_close":
            link = links.pop() if links else ""
            parts.append(escaped(f" ({link})" if link and token.info != "auto" else ""))
        elif token.type == "image":
            parts.append(escaped(f"[image: {token.content}] ({token.attrGet('src') or ''})"))
        elif token.type == "softbreak":
            parts.append(Markup("\n"))
        elif token.tag in _TAGS:
            parts.append(Markup("") if token.hidden else _tag(token))
        else:
            parts.append(escaped(token.content))
    return parts


def _tag(token: Token) -> Markup:
    """Return a tag of the list; a numbered list keeps the number of its first item."""
    name = "p" if token.type.startswith("heading_") else token.tag
    if token.nesting < 0:
        return Markup(f"</{name}>")
    emphasis = ' class="rb-heading"' if token.type == "heading_open" else ""
    start = token.attrGet("start")
    number = f' start="{start}"' if isinstance(start, int) else ""
    return Markup(f"<{name}{emphasis}{number}>")
