"""Print safely to the terminal: any text in any encoding, and strict JSON.

Data is untrusted: an id may contain escape sequences that move the cursor, or half a surrogate pair, which no encoding
can write. All output goes through `echo`, `echo_json` or a console from `make_console`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rewardbench.console.strict_json import dump

if TYPE_CHECKING:
    from rich.console import Console

_BEYOND_ASCII = "\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff"
"""Control characters above ASCII, line separators, text direction marks, and halves of surrogate pairs."""
_UNPRINTABLE = re.compile(f"[\x00-\x1f{_BEYOND_ASCII}]")
_UNPRINTABLE_IN_TEXT = re.compile(f"[\x00-\x08\x0b-\x1f{_BEYOND_ASCII}]")


def printable(text: object) -> str:
    r"""Return text as one line in which unprintable characters are written as Python escapes.

    >>> printable("a\x1b[2Jb\n\ud83d\u202e"), printable("größer 数")
    ('a\\x1b[2Jb\\n\\ud83d\\u202e', 'größer 数')
    """
    return _UNPRINTABLE.sub(_escape, str(text))


def printable_text(text: object) -> str:
    r"""Return text in which unprintable characters, except line breaks and tabs, are written as Python escapes.

    >>> printable_text("a\r\nb\x07")
    'a\nb\\x07'
    """
    return _UNPRINTABLE_IN_TEXT.sub(_escape, str(text).replace("\r\n", "\n"))


def _escape(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode("ascii")


def echo(*values: object, error: bool = False, end: str = "\n") -> None:
    """Print values to stdout or stderr, flushed; escape sequences in them have no effect."""
    line = printable_text(" ".join(map(str, values)))
    print(line, end=end, file=sys.stderr if error else sys.stdout, flush=True)


def echo_json(value: object) -> None:
    """Print a value as strict JSON in ASCII; NaN and infinities become null."""
    print(dump(value, indent=2), end="", flush=True)


def make_console(stderr: bool = False) -> Console:
    """Return a console for tables and progress bars, in which escape sequences of the data have no effect."""
    from rich.console import Console
    from rich.segment import Segment

    class SafeConsole(Console):
        def render(self, *arguments: Any, **options: Any) -> Iterable[Segment]:
            for segment in super().render(*arguments, **options):
                safe = segment.control or not _UNPRINTABLE_IN_TEXT.search(segment.text)
                yield segment if safe else Segment(printable_text(segment.text), segment.style)

    return SafeConsole(stderr=stderr)


def listed(names: Iterable[str], most: int = 20) -> str:
    """Join names for a sentence, at most `most` of them.

    >>> listed("abc"), listed("abc", most=1)
    ('a, b, c', 'a and 2 more')
    """
    names = list(names)
    suffix = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + suffix


def accept_any_text() -> None:
    """Write characters that the encoding of stdout or stderr lacks as escapes, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
