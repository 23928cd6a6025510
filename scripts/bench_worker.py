"""Start a side of a benchmark in another Python process, and exchange JSON lines with it (see bench_serve.py)."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from bench_job import Unavailable


class Worker:
    """A process that scores each time it is asked.

    Args:
        command: the interpreter and the script.
        environment: variables of the process.
        name: of what it runs, for errors.
        option: option of the benchmark that names the interpreter, for errors.

    Raises:
        Unavailable: If it cannot be started.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], name: str, option: str = "") -> None:
        self._name = name
        self._folder = tempfile.TemporaryDirectory()
        self._errors = Path(self._folder.name, "errors")
        pipe = subprocess.PIPE
        try:
            with self._errors.open("w") as file:
                self._process = subprocess.Popen(
                    command, stdin=pipe, stdout=pipe, stderr=file, text=True, env=dict(environment)
                )
        except OSError as error:
            self._folder.cleanup()
            raise Unavailable(f"There is no Python at {option} {command[0]}: {error.strerror}.") from error

    def request(self, message: object) -> Any:
        """Send a message, and return the answer.

        Raises:
            Unavailable: If the process has ended, with its last line.
        """
        try:
            print(json.dumps(message), file=self._process.stdin, flush=True)
            return json.loads(self._process.stdout.readline())
        except (OSError, ValueError):
            self._process.wait()
            lines = self._errors.read_text().strip().splitlines() or ["no message"]
            raise Unavailable(f"{self._name} failed: {lines[-1].strip()}") from None

    def close(self) -> None:
        """Kill the process, which has nothing to save."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):  # unsent data
                pipe.close()
        self._folder.cleanup()
