"""Run the command line in this process under a time limit, and check what every command promises."""

import io
import json
import os
import re
import signal
import sys
import traceback
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from rewardbench.cli.main import main

EXIT_CODES = {0, 1, 2, 3, 130}
EXITS: Counter[object] = Counter()
"""How often each exit code was seen: a fuzzer whose commands all end with 2 tests nothing but the first check."""
TIME_LIMIT = 60
"""Seconds after which a command counts as hanging."""


class Hang(BaseException):
    """Raised inside a command that runs too long; no `except Exception` catches it."""


@dataclass(frozen=True)
class Outcome:
    """What a command printed and how it ended."""

    arguments: tuple[str, ...]
    code: object
    stdout: str
    stderr: str
    traceback: str = ""

    def describe(self) -> str:
        """Return the whole outcome as text for an assertion message."""
        parts = (f"arguments={self.arguments}", f"exit={self.code}", self.stdout, self.stderr, self.traceback)
        return "\n".join(ascii(part) if part is self.arguments else part for part in parts)[-6000:]


def run(*arguments: str, stdin: bytes = b"", encoding: str = "utf-8") -> Outcome:
    """Run `rewardbench ARGUMENTS` as the console script would, in this process.

    Args:
        arguments: of the command line.
        stdin: bytes that the command may read.
        encoding: of the terminal; "ascii" and "latin-1" terminals exist.
    """
    streams = {name: io.TextIOWrapper(io.BytesIO(), encoding, "strict") for name in ("stdout", "stderr")}
    streams["stdin"] = io.TextIOWrapper(io.BytesIO(stdin), encoding)
    saved = {name: getattr(sys, name) for name in streams}
    environment = dict(os.environ)
    code: object = None
    trace = ""
    try:
        for name, stream in streams.items():
            setattr(sys, name, stream)
        with _time_limit(TIME_LIMIT):
            main(list(arguments))
    except SystemExit as error:
        code = error.code
    except Hang:
        code = "hang"
    except BaseException:
        trace = traceback.format_exc()
    finally:
        for name, stream in saved.items():
            setattr(sys, name, stream)
        os.environ.clear()
        os.environ.update(environment)
    printed = {name: _text(streams[name], encoding) for name in ("stdout", "stderr")}
    return Outcome(arguments, code, printed["stdout"], printed["stderr"], trace)


def check(outcome: Outcome) -> Outcome:
    """Assert what holds for every command on every input, and return the outcome.

    A known exit code, no traceback, one sentence with exit code 2, strict JSON with --json, and no raw control
    characters on the terminal.
    """
    EXITS[outcome.code] += 1
    assert not outcome.traceback, outcome.describe()
    assert outcome.code in EXIT_CODES, outcome.describe()
    assert "Traceback (most recent call last)" not in outcome.stderr, outcome.describe()
    if outcome.code == 2:
        complaints = [line for line in outcome.stderr.splitlines() if line.startswith("rewardbench:")]
        assert len(complaints) == 1, outcome.describe()
        assert len(complaints[0]) < 2000, outcome.describe()
    elif "--json" in outcome.arguments and outcome.code in (0, 1, 3) and outcome.stdout.strip():
        json.loads(outcome.stdout, parse_constant=_reject_constant)
    raw = set(outcome.stdout + outcome.stderr) & CONTROL
    assert not raw, f"raw control characters {raw}: {outcome.describe()}"
    return outcome


CONTROL = {chr(code) for code in (*range(0x09), *range(0x0B, 0x0D), *range(0x0E, 0x20), 0x7F, *range(0x80, 0xA0))}
"""Characters that drive a terminal, but for tab, line feed and carriage return."""


def _text(stream: io.TextIOWrapper, encoding: str) -> str:
    stream.flush()
    buffer = stream.buffer
    assert isinstance(buffer, io.BytesIO)
    text = buffer.getvalue().decode(encoding)
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text) if "\x1b" in text and _is_colour_only(text) else text


def _is_colour_only(text: str) -> bool:
    """Return True if every escape in the text is a colour or cursor sequence, as a progress bar writes them."""
    return not re.sub(r"\x1b\[[0-9;]*m", "", text).count("\x1b")


def _reject_constant(name: str) -> None:
    raise AssertionError(f"{name} is not JSON")


@contextmanager
def _time_limit(seconds: int):
    """Context manager: raise `Hang` in the main thread after so many seconds."""

    def expire(number: int, frame: FrameType | None) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
