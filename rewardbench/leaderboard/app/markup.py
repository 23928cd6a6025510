"""Render the templates of the pages. Autoescape is on: text from submissions stays text."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlencode

from jinja2 import Environment
from markupsafe import Markup

from rewardbench.console.html_text import escaped, make_environment
from rewardbench.leaderboard.app import tables
from rewardbench.leaderboard.types import BADGES, format_rank

TEMPLATES = Path(__file__).with_name("templates")


def render(template: str, **values: object) -> Markup:
    """Render a template of this package.

    Args:
        template: file name in `templates/`.
        values: variables of the template. Everything but `Markup` is escaped.
    """
    return Markup(_ENVIRONMENT.get_template(template).render(**values))


def macros_of(template: str, **values: object) -> Mapping[str, Callable[..., str]]:
    """Return the macros of a template by name, in which these variables are known."""
    return vars(_ENVIRONMENT.get_template(template).make_module(values))


def with_code(text: object) -> Markup:
    """Escape a sentence, and show what is in backticks as code.

    >>> print(with_code("run `rewardbench <x>`"))
    run <code>rewardbench &lt;x&gt;</code>
    """
    return Markup(re.sub("&#96;(.*?)&#96;", r"<code>\1</code>", str(escaped(text))))


def address(**query: object) -> str:
    """Return the address of a page of the app; empty values are left out, and a list gives several parameters.

    >>> address(suite="core", model="a/b&c", row="")
    '?suite=core&model=a%2Fb%26c'
    >>> address(m=["a", "b"])
    '?m=a&m=b'
    """
    values: dict[str, object] = {}
    for key, value in query.items():
        if value not in (None, ""):
            values[key] = value if isinstance(value, list) else str(value)
    return "?" + urlencode(values, doseq=True)


def _bounded_percent(share: float) -> float:
    """Return a share as a percentage from 0 to 100, with one decimal."""
    return round(100 * min(max(share, 0.0), 1.0), 1)


def css_string(text: str) -> Markup:
    r"""Return text as a string of CSS in which no character has a meaning: all but letters and digits are escaped.

    >>> print(css_string('a"}</style>'))
    "a\22 \7d \3c \2f style\3e "
    """
    parts: list[str] = []
    for character in text:
        is_plain = character.isascii() and character.isalnum()
        parts.append(character if is_plain else f"\\{ord(character):x} ")
    return Markup(f'"{"".join(parts)}"')


def _environment() -> Environment:
    environment = make_environment(TEMPLATES)
    environment.globals |= {"address": address, "badges": BADGES}
    environment.filters |= {
        "with_code": with_code,
        "percent": tables.format_percent,
        "interval": tables.format_interval,
        "rank": format_rank,
        "short": tables.shorten_hashes,
        "share": _bounded_percent,
        "css": css_string,
    }
    return environment


_ENVIRONMENT = _environment()
