"""Safe output to the terminal: any text on any encoding, and JSON that every reader takes.

Data comes from strangers: an id may hold escape sequences that move the cursor, and a subset half a surrogate pair that
no encoding takes. All that the program prints goes through `echo`, `echo_json` or a console of `make_console`.
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
"""Control characters above ASCII, line separators, marks of the writing direction, and halves of surrogate pairs."""
_UNPRINTABLE = re.compile(f"[\x00-\x1f{_BEYOND_ASCII}]")
_UNPRINTABLE_IN_TEXT = re.compile(f"[\x00-\x08\x0b-\x1f{_BEYOND_ASCII}]")


def printable(text: object) -> str:
    r"""Return one line that cannot steer a terminal: what is not printable is written as Python's escape.

    >>> printable("a\x1b[2Jb\n\ud83d\u202e"), printable("größer 数")
    ('a\\x1b[2Jb\\n\\ud83d\\u202e', 'größer 数')
    """
    return _UNPRINTABLE.sub(_escape, str(text))


def printable_text(text: object) -> str:
    r"""Return the same for text of several lines: line breaks and tabs stay.

    >>> printable_text("a\r\nb\x07")
    'a\nb\\x07'
    """
    return _UNPRINTABLE_IN_TEXT.sub(_escape, str(text).replace("\r\n", "\n"))


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")


def echo(*values: object, error: bool = False, end: str = "\n") -> None:
    """Print to stdout, or to stderr, at once; no value can steer the terminal."""
    line = printable_text(" ".join(map(str, values)))
    print(line, end=end, file=sys.stderr if error else sys.stdout, flush=True)


def echo_json(value: Any) -> None:
    """Print figures for machines: strict JSON in ASCII, in which NaN and infinities are null."""
    print(dump(value, indent=2), end="", flush=True)


def make_console(stderr: bool = False) -> Console:
    """Build a console for tables and progress bars whose cells cannot steer the terminal."""
    from rich.console import Console
    from rich.segment import Segment

    class SafeConsole(Console):
        def render(self, *arguments: Any, **options: Any) -> Iterable[Segment]:
            for segment in super().render(*arguments, **options):
                safe = segment.control or not _UNPRINTABLE_IN_TEXT.search(segment.text)
                yield segment if safe else Segment(printable_text(segment.text), segment.style)

    return SafeConsole(stderr=stderr)


def listed(names: Iterable[str], most: int = 20) -> str:
    """Join names for a sentence, the first so many of them.

    >>> listed("abc"), listed("abc", most=1)
    ('a, b, c', 'a and 2 more')
    """
    known = list(names)
    more = f" and {len(known) - most:,} more" if len(known) > most else ""
    return ", ".join(known[:most]) + more


def accept_any_text() -> None:
    """Let stdout and stderr write what their encoding lacks as an escape, rather than fail."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
