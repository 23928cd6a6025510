"""Read untrusted results in a child process with limits on memory and time.

The metadata of a parquet file may state false sizes, and JSON may take fifty times its size in memory. Both show only
while the file is read, so it is read in a process that can be killed.
"""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from rewardbench import results
from rewardbench.console.terminal import echo
from rewardbench.engine.cache import default_path
from rewardbench.errors import InputError
from rewardbench.leaderboard.submissions import reparse
from rewardbench.leaderboard.submissions.package import pack_submission, read_entry, write_entry
from rewardbench.leaderboard.submissions.submission import read_submission
from rewardbench.paths import write_whole
from rewardbench.results import PackedResult

MEMORY = 2**30
"""Maximum memory for reading, in bytes, in addition to that of the process before."""
LOOK = 0.02
"""Seconds between two looks at the memory of the child process, for systems that cannot limit it."""
SECONDS = 20
"""Maximum time for reading."""
SECONDS_FOR_ANSWERS = 60
"""Maximum time for parsing the raw answers of a judge."""
_BASE = 2**28
"""Memory of the child process before it reads, in bytes: at most so much."""
_REFUSED = 2
"""Exit code of the child process if the result is invalid."""
_running: set[subprocess.Popen[bytes]] = set()
_ENVIRONMENT = {
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
    "ARROW_DEFAULT_MEMORY_POOL": "system",  # other pools reserve address space that they do not use
    "PYTHONIOENCODING": "utf-8:backslashreplace",
}


def pack_untrusted(path: str | Path, name: str | None = None) -> PackedResult:
    """Read and pack an untrusted result as `pack_submission` does, in a child process that ends with this one.

    Args:
        path: path of its summary; the rows are next to it.
        name: name of the model; by default that in the summary.

    Raises:
        InputError: if it is not a valid result, or reading it exceeds a limit.
    """
    with TemporaryDirectory() as folder:
        _run(["pack", str(path), name or "", folder], Path(path).name, SECONDS)
        packed = Path(folder, "result.json")
        return read_entry(packed, results.read_summary(packed))


def check_readable(path: Path) -> None:
    """Check that the scores of an untrusted result can be read within the limits; once for the same scores.

    Args:
        path: path of its summary; the scores are next to it.

    Raises:
        InputError: if they cannot be read, or reading them exceeds a limit.
    """
    digest = results.sha256_of(results.table_path(path))
    record: Path | None = None
    with suppress(InputError):  # this machine may have no cache folder
        record = default_path().with_name("readable") / digest
    if record and record.is_file():
        return
    _run(["rows", str(path), "", ""], path.name, SECONDS)
    with suppress(InputError):
        if record:
            write_whole(record, b"")


def check_answers(path: Path) -> list[str]:
    """Parse the raw answers of a judge again, in a child process; return why its scores do not follow from them.

    Args:
        path: path of the summary, whose protocol is one of this package; the other files are next to it.
    """
    try:
        _run(["answers", str(path), "", ""], path.name, SECONDS_FOR_ANSWERS)
    except InputError as error:
        return [str(error)]
    return []


def stop() -> None:
    """Kill all child processes, because the program ends."""
    for child in list(_running):
        child.kill()


def _run(arguments: list[str], name: str, seconds: int) -> None:
    """Run this module in a child process.

    Args:
        arguments: of `_main`, but for the limits.
        name: of the file, for messages.
        seconds: maximum time.

    Raises:
        InputError: with the message of the child, or if the child exceeded a limit.
    """
    limits = [str(MEMORY), str(seconds)]
    command = [sys.executable, "-P", "-m", "rewardbench.leaderboard.submissions.bounded", *arguments, *limits]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, env=_environment(), **pipes) as child:  # type: ignore[call-overload]
        _running.add(child)
        try:
            # stdin stays open: the child exits when it is closed, which happens also if this process is killed
            reason = child.stdout.read(2**14).decode(errors="replace") if _ends_within(child, seconds) else ""
        finally:
            child.kill()
            _running.discard(child)
    if child.returncode == _REFUSED and reason:
        raise InputError(reason.strip())
    if child.returncode:
        most = f"{MEMORY // 2**20:,} MiB of memory or {seconds} s"
        raise InputError(f"{name} was not read: it takes more than {most}, which no result does.")


def _environment() -> dict[str, str]:
    """Return the environment of the child, in which this package can be imported from any folder."""
    path = [str(Path(__file__).parents[3]), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, **_ENVIRONMENT, "PYTHONPATH": os.pathsep.join(filter(None, path))}


def _ends_within(child: subprocess.Popen[bytes], seconds: int) -> bool:
    """Return True if the child ends within limits on time and memory, which some systems do not enforce themselves."""
    end = time.monotonic() + seconds + 10
    most = _BASE + MEMORY
    while child.poll() is None:
        if time.monotonic() > end or _memory(child.pid) > most:
            return False
        with suppress(subprocess.TimeoutExpired):
            child.wait(LOOK)
    return True


def _memory(pid: int) -> int:
    """Return the memory in use by a process, in bytes; 0 if it has ended."""
    import psutil

    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


def _limit(memory: int, seconds: int) -> None:
    """Limit memory and time of this process, and let it end with its parent, which watches the same limits."""
    import psutil

    threading.Thread(target=_end_with_parent, daemon=True).start()
    with suppress(AttributeError):  # Windows has no alarm
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(seconds)
    most = psutil.Process().memory_info().vms + memory
    for name, limit in (("RLIMIT_CORE", 0), ("RLIMIT_AS", most)):
        with suppress(ImportError, AttributeError, ValueError, OSError):  # macOS has no limit of the address space
            import resource

            resource.setrlimit(getattr(resource, name), (limit, limit))


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(1)


def _main(task: str, path: str, name: str, folder: str, memory: str, seconds: str) -> int:
    """Pack the result at `path` into `folder`, or read its rows or its answers; if invalid, print why and return 2."""
    import pyarrow as pa
    import pyarrow.compute
    import pyarrow.parquet

    gc.disable()  # it would scan millions of small objects again and again
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    _limit(int(memory), int(seconds))
    try:
        submission = read_submission(Path(path))
        if task == "answers":
            reparse.reject_mismatch(submission)
            return 0
        if task == "rows":
            return 0 if submission.scored.items else _REFUSED
        entry = pack_submission(path, name or None)
    except InputError as error:
        echo(error)
        return _REFUSED
    except MemoryError:
        return 1
    except Exception as error:
        echo(f"{Path(path).name} is not a valid result ({type(error).__name__}).")
        return _REFUSED
    write_entry(entry, Path(folder, "result.json"))
    return 0


if __name__ == "__main__":
    os._exit(_main(*sys.argv[1:]))
