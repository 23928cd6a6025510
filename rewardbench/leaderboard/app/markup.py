"""Texts of strangers in, markup out: the one place where anything becomes HTML."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from urllib.parse import urlencode

_BRACES = str.maketrans({"{": "&#123;", "}": "&#125;", "$": "&#36;", "`": "&#96;"})


def esc(value: object) -> str:
    """Text that is only text, in an element or in a quoted attribute, also where the frame fills in templates.

    >>> esc('<b onclick="x">${1}{{2}}')
    '&lt;b onclick=&quot;x&quot;&gt;&#36;&#123;1&#125;&#123;&#123;2&#125;&#125;'
    """
    return html.escape(str(value)).translate(_BRACES)


def href(**query: object) -> str:
    """A link within the app, as it stands in an attribute.

    >>> href(suite="core", model="a/b&c")
    '?suite=core&amp;model=a%2Fb%26c'
    """
    return html.escape(address(**query))


def address(**query: object) -> str:
    """The same before it is put into markup."""
    return "?" + urlencode({key: str(value) for key, value in query.items() if value not in (None, "")})


def link(words: object, **query: object) -> str:
    """A link within the app."""
    return f'<a href="{href(**query)}">{esc(words)}</a>'


def options(values: Iterable[str] | Mapping[str, str], chosen: str = "", first: str | None = None) -> str:
    """The options of a `<select>`; a mapping is of values to words, `first` the words of an empty one."""
    words = values if isinstance(values, Mapping) else {value: value for value in values}
    parts = [f'<option value="">{esc(first)}</option>'] if first is not None else []
    for value, shown in words.items():
        mark = " selected" if value == chosen else ""
        parts.append(f'<option value="{esc(value)}"{mark}>{esc(shown)}</option>')
    return "".join(parts)
