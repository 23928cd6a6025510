"""Escape text for HTML pages, and make the environments that render their templates."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
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


def make_environment(folder: Path, finalize: Callable[[object], object] = escaped) -> Environment:
    """Return an environment for the templates in a folder: autoescape is on, and an undefined name is an error.

    Args:
        folder: folder of the templates.
        finalize: applied to each value that a template prints, before it is escaped.
    """
    return Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
