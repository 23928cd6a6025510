"""Programs of others, run with limits on time, memory and files, in a folder of their own that is thrown away.

It holds in check what runs away, not what means harm: such a program may read what its user may read.
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
from pathlib import Path

SECONDS = 20
MEGABYTES = 512
FILE_MEGABYTES = 16


WATCH = "(read line </dev/fd/{}; kill -9 -$$) >/dev/null 2>&1 &"
"""Beside the command: wait until the other end of a pipe is closed, then end every process of the command's session."""


@dataclass(frozen=True)
class Ran:
    """How a program ended: its exit code (None: it ran out of time), and what it printed."""

    code: int | None
    out: str
    err: str


@contextmanager
def folder() -> Iterator[Path]:
    """An empty folder, gone afterwards whatever happened in it."""
    with tempfile.TemporaryDirectory(prefix="rewardbench-") as name:
        yield Path(name)


def run(command: Sequence[str], at: Path, stdin: str = "", memory: int | None = MEGABYTES) -> Ran:
    """Run a command under `ulimit`: processor time, file size, no core dump, and memory in megabytes.

    `memory` is None for runtimes that reserve far more addresses than they use (Java, Node) and take a limit of
    their own. The environment holds a PATH and nothing else of ours, secrets above all; on Linux the network is cut
    off where the system lets an ordinary user do so. Whatever the command has started ends with this call, and with
    this process.
    """
    limits = [f"ulimit -t {SECONDS}", f"ulimit -f {FILE_MEGABYTES * 1024 * 2}", "ulimit -c 0"]
    limits += [f"ulimit -v {memory * 1024}"] if memory else []
    lifeline, ours = os.pipe()
    shell = ["sh", "-c", "\n".join([*limits, WATCH.format(lifeline), 'exec "$@"']), "sh"]
    clean = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(at), "TMPDIR": str(at), "LANG": "C.UTF-8"}
    try:
        process = subprocess.Popen(
            [*_offline(), *shell, *command],
            cwd=at,
            env=clean,
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
            process.wait()  # not for whoever still holds its pipes
            return Ran(None, "", f"no end after {3 * SECONDS} s")
        finally:
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe:
                    pipe.close()
    finally:
        os.close(lifeline)
        os.close(ours)
    return Ran(process.returncode, out, err[-4000:])


_PREFIX: list[list[str]] = []


def _offline() -> list[str]:
    """The command that takes the network away; empty where this system has none that an ordinary user may use."""
    if not _PREFIX:
        prefix = ["unshare", "--net", "--map-root-user"]
        usable = shutil.which("unshare") and subprocess.run([*prefix, "true"], capture_output=True).returncode == 0
        _PREFIX.append(prefix if usable else [])
    return _PREFIX[0]
