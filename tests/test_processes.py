"""A command that ends, in whatever way, ends its processes too, silently and with the right exit code."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import psutil
import pytest
from repository import ROOT

from rewardbench.errors import InputError
from rewardbench.processes import whole_number

CODES = {"SIGTERM": 143, "SIGINT": 130, "SIGHUP": 129, "SIGKILL": -9}
SOON = 20
"""Seconds in which everything has ended on a machine with ten times as much work as cores; else it takes one."""


def start(arguments, folder, **environment):
    settings = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **environment}
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        cwd=folder,
        env={**os.environ, **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def descendants(process, count):
    """Return all descendants of a process, once there are `count`."""
    parent, deadline = psutil.Process(process.pid), time.monotonic() + 120
    while True:
        assert process.poll() is None, process.communicate()
        below = parent.children(recursive=True)
        if len(below) >= count:
            return below
        assert time.monotonic() < deadline
        time.sleep(0.02)


def end(process, name, count, patience=0.0):
    """Send a signal once there are enough descendants; return exit code and stderr when all have ended."""
    below = descendants(process, count)
    time.sleep(random.random() * patience)
    below = psutil.Process(process.pid).children(recursive=True) or below
    process.send_signal(getattr(signal, name))
    try:
        code = process.wait(SOON)
        left = psutil.wait_procs(below, timeout=SOON)[1]
        assert [child.cmdline() for child in left] == []
    finally:
        for child in [*below, process]:
            if child.is_running() if isinstance(child, psutil.Process) else child.poll() is None:
                child.kill()
    return code, process.communicate()[1]


WORKER = """
import sys, time
sys.path.insert(0, {folder!r})
from busy import work
from rewardbench.processes import Child, end_all, end_on_signals
end_on_signals()
children = [Child(work), Child(work)]
try:
    print(children[0].connection.recv(), flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    sys.exit(130)
finally:
    end_all(children)
"""
BUSY = """
import time

def work(connection):
    connection.send("ready")
    while True:
        sum(range(1000))
"""
MAP = """
import sys, time
from rewardbench.processes import end_on_signals, map_in_workers
end_on_signals()
try:
    for _ in map_in_workers(time.sleep, [0.5] * 200, 2, chunk=1):
        pass
except KeyboardInterrupt:
    sys.exit(130)
"""
SANDBOX = """
import sys
from pathlib import Path
from rewardbench.processes import end_on_signals
from rewardbench.verifiers import sandbox
end_on_signals()
try:
    sandbox.run_limited(["sh", "-c", "sleep 61 & sleep 62"], Path("."))
except KeyboardInterrupt:
    sys.exit(130)
"""
SCRIPTS = {"workers": (WORKER, 3), "map": (MAP, 3), "sandbox": (SANDBOX, 4)}
"""A program, and how many processes are below it at least, the tracker of multiprocessing counted."""


@pytest.mark.parametrize("name", CODES)
@pytest.mark.parametrize("script", SCRIPTS)
def test_a_program_that_ends_ends_its_workers(script, name, tmp_path):
    (tmp_path / "busy.py").write_text(BUSY)
    source, count = SCRIPTS[script]
    process = start(["-c", source.replace("{folder!r}", repr(str(tmp_path)))], tmp_path)
    code, err = end(process, name, count, patience=0.5)
    assert code == CODES[name]
    assert "Traceback" not in err
    if name != "SIGKILL":  # multiprocessing's own tracker complains of semaphores that nobody could give back
        assert err == ""


def test_a_signal_to_the_whole_group_is_silent_too(tmp_path):
    (tmp_path / "busy.py").write_text(BUSY)
    source = WORKER.replace("{folder!r}", repr(str(tmp_path)))
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        process = subprocess.Popen(
            [sys.executable, "-c", source],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        process.stdout.readline()
        below = descendants(process, 3)
        os.killpg(process.pid, getattr(signal, name))
        assert (process.wait(SOON), process.communicate()[1]) == (CODES[name], "")
        assert psutil.wait_procs(below, timeout=SOON)[1] == []


def test_a_signal_that_is_ignored_stays_ignored(tmp_path):
    """A command started by nohup ignores SIGHUP."""
    source = "import signal, time; from rewardbench.processes import end_on_signals as f; f(); print(1, flush=True); "
    command = f"trap '' HUP; exec {sys.executable} -c \"{source} time.sleep(1)\""
    process = subprocess.Popen(["sh", "-c", command], env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=-1)
    process.stdout.readline()
    process.send_signal(signal.SIGHUP)
    assert process.wait(SOON) == 0


DEAF = """
import ctypes
from rewardbench import processes
processes.GRACE = 0.5
processes.end_on_signals()
libc, mutex = ctypes.CDLL(None), ctypes.create_string_buffer(64)
libc.pthread_mutex_init(mutex, None)
libc.pthread_mutex_lock(mutex)
print("ready", flush=True)
libc.pthread_mutex_lock(mutex)
"""


def test_a_command_inside_a_library_that_waits_forever_is_ended(tmp_path):
    """Python runs no signal handler inside a library, where torch waits for another rank."""
    process = start(["-c", DEAF], tmp_path)
    process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    assert process.wait(SOON) == 143
    process.communicate()


LONG = " ".join(["a long answer that takes a while"] * 60)
RUN = ["--model", "tiny-rm", "--dataset", "long.jsonl", "--no_cache", "--device", "cpu", "--batch_tokens", "500"]
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m", "rewardbench", *RUN]
SIDES = ["--limit", "40", "--rounds", "99", "--sides", "ours,pipeline@8"]
COMMANDS = {
    "pool": (["-m", "rewardbench", *RUN, "--num_processes", "2"], 2),
    "build": (["-m", "rewardbench", "data", "build", "math", "--count", "90000", "--workers", "2"], 3),
    "verify": (["-m", "rewardbench", "data", "verify"], 1),
    "benchmark": ([ROOT / "scripts/benchmark", "--threads", "1", *SIDES], 2),
    "torchrun": (TORCHRUN, 2),
}
"""Each command that starts processes, and how many are below it."""
CASES = [
    pytest.param(command, name, marks=() if (command, name) == ("pool", "SIGTERM") else pytest.mark.slow)
    for command in COMMANDS
    for name in CODES
]


@pytest.mark.parametrize(("command", "name"), CASES)
def test_a_command_that_ends_ends_its_processes(command, name, tmp_path):
    rows = [{"prompt": "Q", "chosen": f"{n} {LONG}", "rejected": f"{LONG} {n}"} for n in range(1500)]
    (tmp_path / "long.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    arguments, count = COMMANDS[command]
    process = start([*arguments, *(["--output", "out"] if command == "build" else [])], tmp_path)
    if command == "torchrun":  # whose ranks must have come to our first line
        descendants(process, count)
        time.sleep(8)
    code, err = end(process, name, count, patience=2)
    assert not list(tmp_path.glob("results/*.json"))
    if command == "torchrun":  # the code and the words are torchrun's
        return
    assert code == CODES[name]
    assert "Traceback" not in err
    if name in ("SIGTERM", "SIGHUP"):
        assert [line for line in err.splitlines() if "rewardbench" not in line and "round" not in line] == []


def test_a_script_without_a_main_guard_may_use_num_processes(tmp_path):
    (tmp_path / "script.py").write_text(
        "from rewardbench import evaluate\n"
        "print('once')\n"
        "print(evaluate('baseline/longest', 'pairs.jsonl', num_processes=2, batch_size=1).accuracy.value)\n"
    )
    rows = [{"prompt": "Q", "chosen": f"{n} and more", "rejected": str(n)} for n in range(3000)]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    process = start(["script.py"], tmp_path)
    assert process.communicate(timeout=120) == ("once\n1.0\n", "")
    assert process.returncode == 0


def test_an_environment_variable_that_is_no_number_is_a_one_line_error(monkeypatch):
    values = {"": None, "  ": None, "3": 3, " -1 ": -1}
    for text, value in values.items():
        monkeypatch.setenv("RANK", text)
        assert whole_number("RANK") == value
    for text in ("x", "1.5", "0x1", "²"):
        monkeypatch.setenv("RANK", text)
        with pytest.raises(InputError, match=r"RANK in the environment is .*: set it to a whole number, or unset it"):
            whole_number("RANK")
