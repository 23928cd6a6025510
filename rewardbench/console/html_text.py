"""Escape text for HTML pages."""

from __future__ import annotations

from markupsafe import Markup, escape

_BRACES = str.maketrans({"{": "&#123;", "}": "&#125;", "$": "&#36;", "`": "&#96;"})


def escaped(value: object) -> Markup:
    """Escape text for an element or a quoted attribute, also against the placeholders of Gradio's templates.

    >>> print(escaped('<b onclick="x">${1}{{2}}'))
    &lt;b onclick=&#34;x&#34;&gt;&#36;&#123;1&#125;&#123;&#123;2&#125;&#125;
    >>> print(escaped(Markup("<b>")))
    <b>
    """
    if isinstance(value, Markup):
        return value
    return Markup(str(escape(str(value))).translate(_BRACES))
