"""Untrusted results, read in a process of its own within limits of memory and time.

A parquet file may state sizes that are not its own, and a JSON text may become fifty times as large in memory. Both are
found out only by reading, so that reading is done where it can be stopped.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from rewardbench import results
from rewardbench.console.terminal import echo
from rewardbench.errors import InputError
from rewardbench.leaderboard.submissions.checks import refuse_broken
from rewardbench.leaderboard.submissions.package import pack
from rewardbench.store.local import Entry

MEMORY = 2**30
"""Bytes that reading may take, beside what the process takes when it begins."""
SECONDS = 20
"""Time that reading may take."""
_REFUSED = 2
_running: set[subprocess.Popen[bytes]] = set()
_ENVIRONMENT = {
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
    "ARROW_DEFAULT_MEMORY_POOL": "system",  # other pools reserve address space that they do not use
    "PYTHONIOENCODING": "utf-8:backslashreplace",
}


def pack_untrusted(path: str | Path, name: str | None = None) -> Entry:
    """Read an untrusted result and pack it as `submit.pack` does, in a child process that ends with this one.

    Args:
        path: of its summary, with the rows beside it.
        name: what the model is called; else what the summary calls it.

    Raises: InputError if it is no whole result, or takes more memory or time than a result does.
    """
    with TemporaryDirectory() as folder:
        _run([str(path), name or "", folder, str(MEMORY), str(SECONDS)], Path(path).name)
        place = Path(folder, "result.json")
        return results.read_summary(place), results.table_path(place).read_bytes()


def stop() -> None:
    """End all reading at once, because the program ends."""
    for child in list(_running):
        child.kill()


def _run(arguments: list[str], name: str) -> None:
    """Run this module. Raises: InputError in the child's words, or if it ended in another way."""
    command = [sys.executable, "-P", "-m", "rewardbench.leaderboard.submissions.bounded", *arguments]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, env=_environment(), **pipes) as child:  # type: ignore[call-overload]
        _running.add(child)
        try:
            # stdin stays open meanwhile: its end tells the child that this process is gone.
            reason = child.stdout.read(2**14).decode(errors="replace") if _ends_in_time(child) else ""
        finally:
            child.kill()
            _running.discard(child)
    if child.returncode == _REFUSED and reason:
        raise InputError(reason.strip())
    if child.returncode:
        limits = f"{MEMORY // 2**20:,} MiB of memory or {SECONDS} s"
        raise InputError(f"Reading {name} took more than {limits}, which no result does: it was not read.")


def _environment() -> dict[str, str]:
    """Return the child's environment, in which this package is found wherever the program was started."""
    path = [str(Path(__file__).parents[3]), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, **_ENVIRONMENT, "PYTHONPATH": os.pathsep.join(filter(None, path))}


def _ends_in_time(child: subprocess.Popen[bytes]) -> bool:
    try:
        child.wait(SECONDS + 10)
    except subprocess.TimeoutExpired:
        return False
    return True


def _limit(memory: int, seconds: int) -> None:
    """Limit this process, and let it end with the one that started it."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with suppress(ImportError, AttributeError, ValueError, OSError):  # Windows knows no such limits
        import resource

        import psutil

        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(seconds)
        most = psutil.Process().memory_info().vms + memory
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(1)


def _main(path: str, name: str, folder: str, memory: str, seconds: str) -> int:
    """Pack the result at `path` into `folder`; print why, and return 2, if that is refused."""
    import pyarrow as pa
    import pyarrow.compute
    import pyarrow.parquet

    gc.disable()  # millions of small objects are looked through again and again
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    _limit(int(memory), int(seconds))
    try:
        refuse_broken(Path(path))
        summary, table = pack(path, name or None)
    except InputError as error:
        echo(error)
        return _REFUSED
    except MemoryError:
        return 1
    except Exception as error:
        echo(f"{Path(path).name} is not a whole result ({type(error).__name__}).")
        return _REFUSED
    place = Path(folder, "result.json")
    place.write_text(json.dumps(summary))
    results.table_path(place).write_bytes(table or b"")
    return 0


if __name__ == "__main__":
    os._exit(_main(*sys.argv[1:]))
