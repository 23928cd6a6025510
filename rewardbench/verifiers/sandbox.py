"""Run untrusted programs with limits on time, memory and files, each in a temporary folder.

The sandbox stops runaway programs, not malicious ones: a program can read whatever its user can read.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

SECONDS = 20
"""Limit on processor time; the limit on elapsed time is three times as long."""
MEGABYTES = 512
"""Default limit on memory."""
FILE_MEGABYTES = 16
"""Limit on the size of a file that a program writes."""
WATCHDOG = "(read line </dev/fd/{}; kill -9 -$$) >/dev/null 2>&1 &"
"""Shell watchdog: wait until the other end of a pipe closes, then kill every process of the command's session."""


@dataclass(frozen=True)
class ProgramResult:
    """Exit code (None if the program ran out of time) and output of a program."""

    code: int | None
    out: str
    err: str


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Context manager: yield an empty temporary folder."""
    with tempfile.TemporaryDirectory(prefix="rewardbench-") as name:
        yield Path(name)


def run_limited(command: Sequence[str], folder: Path, stdin: str = "", memory: int | None = MEGABYTES) -> ProgramResult:
    """Run a command under `ulimit`: processor time, file size, no core dump, and memory in megabytes.

    The environment holds only a PATH, and no secrets; on Linux the network is cut off if the system allows it without
    privileges. Every process that the command starts ends with this call, and with this process.

    Args:
        command: the program and its arguments.
        folder: the working directory.
        stdin: text for its standard input.
        memory: limit in megabytes; None for runtimes that reserve far more address space than they use (Java, Node)
            and have a limit of their own.

    Returns:
        The exit code and the output; of stderr the last 4,000 characters.
    """
    limits = [f"ulimit -t {SECONDS}", f"ulimit -f {FILE_MEGABYTES * 1024 * 2}", "ulimit -c 0"]
    limits += [f"ulimit -v {memory * 1024}"] if memory else []
    lifeline, watched_end = os.pipe()
    shell = ["sh", "-c", "\n".join([*limits, WATCHDOG.format(lifeline), 'exec "$@"']), "sh"]
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8"}
    environment |= {"HOME": str(folder), "TMPDIR": str(folder)}
    try:
        process = subprocess.Popen(
            [*_offline_prefix(), *shell, *command],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
            pass_fds=[lifeline],
        )
        try:
            out, err = process.communicate(stdin, timeout=3 * SECONDS)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()  # without waiting for other holders of its pipes
            return ProgramResult(None, "", f"no end after {3 * SECONDS} s")
        finally:
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe:
                    pipe.close()
    finally:
        os.close(lifeline)
        os.close(watched_end)
    return ProgramResult(process.returncode, out, err[-4000:])


@cache
def _offline_prefix() -> tuple[str, ...]:
    """Return the command prefix that cuts off the network; empty if this system does not allow it."""
    prefix = ("unshare", "--net", "--map-root-user")
    if not shutil.which("unshare"):
        return ()
    trial = subprocess.run([*prefix, "true"], capture_output=True)
    return prefix if trial.returncode == 0 else ()
