"""Test that reading untrusted results takes limited memory and time, and leaves no process."""

import json
import subprocess
import sys
import threading
import time

import bombs
import psutil
import pytest
from submissions import result, write

from rewardbench import results
from rewardbench.errors import InputError
from rewardbench.leaderboard.submissions import bounded
from rewardbench.results import parquet

READ = """
import resource, sys
from rewardbench.errors import InputError
from rewardbench.leaderboard.submissions import bounded
bounded.MEMORY = int(sys.argv[2])
try:
    print(len(bounded.pack_untrusted(sys.argv[1])[1]), "bytes")
except InputError as error:
    print(error)
own = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(int(own.split()[1]) // 1024, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
"""


def read(path, memory=bounded.MEMORY):
    """Return the error message of reading, and the peak MiB of the reading process and of its child."""
    run = subprocess.run(
        [sys.executable, "-c", READ, str(path), str(memory)], capture_output=True, text=True, timeout=60
    )
    assert run.stderr == ""
    message, peaks = run.stdout.splitlines()
    return message, *map(int, peaks.split())


@pytest.mark.parametrize("name", bombs.LINES)
def test_rows_that_expand_in_memory_are_refused_while_they_are_read(tmp_path, name):
    content, words = bombs.LINES[name]
    message, parent_peak, child = read(bombs.write(tmp_path, result()[0], content))
    assert words in message
    assert parent_peak < 200
    assert child < 1_300


def test_limits_on_rows_and_values_apply_while_reading(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "MOST_ROWS", 100)
    monkeypatch.setattr(parquet, "MOST_VALUES", 500)
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'{"id":"a","scores":[1,2]}\n' * 100)
    assert len(parquet.read_jsonl(path)) == 100
    path.write_bytes(b'{"id":"a","scores":[1,2]}\n' * 101)
    with pytest.raises(InputError, match="101 rows, and a result has at most 100"):
        parquet.read_jsonl(path)
    path.write_bytes(b'{"id":"a","scores":[1,2,3,4,5,6]}\n' * 100)
    with pytest.raises(InputError, match="504 values"):
        parquet.read_jsonl(path)
    table = tmp_path / "x.parquet"
    table.write_bytes(parquet.encode_table([{"id": "a", "scores": [0.0] * 6}] * 100))
    with pytest.raises(InputError, match="600 values"):
        parquet.read_table(table)


def test_unknown_columns_are_dropped_line_by_line(tmp_path):
    summary, rows = result()
    lines = b"".join(results.dump(row).encode() for row in rows)
    path = bombs.write(tmp_path, summary, lines + bombs.WIDE)
    message, _, child = read(path)
    assert message.endswith("bytes")
    assert child < 700, "one line at a time"


@pytest.mark.parametrize("make", [bombs.dictionary_bomb, bombs.lying_table])
def test_compressed_bomb_takes_no_more_memory_than_the_limit(tmp_path, make):
    path = bombs.write(tmp_path, result()[0], make(), ".parquet")
    assert results.table_path(path).stat().st_size < 500_000
    message, parent_peak, child = read(path, 2**28)
    assert "result" in message
    assert not message.endswith("bytes")
    assert parent_peak < 200
    assert child < 400


def test_valid_result_is_packed_as_by_submit(tmp_path):
    summary, rows = result()
    path = write(tmp_path, summary, rows)
    summary, table, _ = bounded.pack_untrusted(path, "org/other")
    assert summary["model"] == "org/other"
    results.table_path(path).write_bytes(table)
    assert len(parquet.read_table(results.table_path(path))) == len(rows)


def test_verify_command_refuses_with_a_one_line_error(tmp_path):
    path = bombs.write(tmp_path, result()[0], bombs.LINES["lines of an empty list"][0])
    run = subprocess.run(
        [sys.executable, "-m", "rewardbench", "verify", str(path)], capture_output=True, text=True, timeout=60
    )
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.count("\n") == 1
    assert "line 1, has no id or no scores" in run.stderr


VERIFY = """
import resource, subprocess, sys
run = subprocess.run([sys.executable, "-m", "rewardbench", "verify", sys.argv[1]])
print(run.returncode, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
"""


@pytest.mark.slow
def test_verify_reads_a_table_with_a_false_footer_within_a_gigabyte(tmp_path):
    path = bombs.write(tmp_path, result()[0], bombs.lying_table(200_000_000), ".parquet")
    run = subprocess.run([sys.executable, "-c", VERIFY, str(path)], capture_output=True, text=True, timeout=60)
    code, peak = map(int, run.stdout.split())
    assert code == 2
    assert peak < 1_300


def test_a_summary_above_256_kib_is_refused(tmp_path):
    summary, rows = result()
    summary["manifest"]["zeros"] = [[[0] * 10] * 1_000] * 10
    assert len(json.dumps(summary)) > 2**18
    with pytest.raises(InputError, match="a summary has at most 262,144"):
        bounded.pack_untrusted(write(tmp_path, summary, rows))


SLOW = b'{"id":"a","scores":[1,2]}\n' * 240_000


@pytest.mark.parametrize("parent_ends", [True, False])
def test_child_process_ends_with_its_parent(tmp_path, parent_ends):
    path = bombs.write(tmp_path, result()[0], SLOW if parent_ends else SLOW[:270])
    arguments = ["pack", str(path), "", str(tmp_path / "packed"), str(2**30), "60"]
    (tmp_path / "packed").mkdir()
    command = [sys.executable, "-m", "rewardbench.leaderboard.submissions.bounded", *arguments]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    if parent_ends:
        child.stdin.close()
    code = child.wait(30)
    output = child.stdout.read()
    child.stdout.close()
    child.stdin.close()
    if parent_ends:
        assert (code, output) == (1, b"")
        assert not (tmp_path / "packed" / "result.json").exists()
    else:
        assert code == 2, "the same arguments work as long as the parent lives"
        assert output


NO_LIMIT = """
import resource
def setrlimit(kind, limits):
    raise ValueError("current limit exceeds maximum limit")
resource.setrlimit = setrlimit
"""


@pytest.mark.parametrize("make", [bombs.dictionary_bomb, bombs.lying_table])
def test_memory_is_limited_where_the_system_limits_no_address_space(tmp_path, make, monkeypatch):
    """On macOS RLIMIT_AS cannot be set."""
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(NO_LIMIT)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    path = bombs.write(tmp_path, result()[0], make(), ".parquet")
    message, parent_peak, child = read(path, 2**27)
    assert "memory" in message
    assert parent_peak < 200
    assert child < 2**8 + 2**7 + 300, "it is looked at often"
    path = write(tmp_path, *result())
    assert read(path)[0].endswith("bytes")


def test_slow_reading_is_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(bounded, "SECONDS", 1)
    path = bombs.write(tmp_path, result()[0], SLOW)
    before = psutil.Process().children()  # of other tests
    start = time.monotonic()
    with pytest.raises(InputError, match="or 1 s, which no result does"):
        bounded.pack_untrusted(path)
    assert time.monotonic() - start < 10
    assert psutil.Process().children() == before


def test_reading_stops_with_the_program(tmp_path):
    path = bombs.write(tmp_path, result()[0], SLOW)
    before = psutil.Process().children()
    threading.Timer(1.5, bounded.stop).start()
    with pytest.raises(InputError):
        bounded.pack_untrusted(path)
    assert psutil.Process().children() == before


def test_modules_in_the_current_folder_are_not_imported(tmp_path, monkeypatch):
    summary, rows = result()
    path = write(tmp_path, summary, rows)
    (tmp_path / "json.py").write_text("raise SystemExit(0)")
    (tmp_path / "rewardbench.py").write_text("raise SystemExit(0)")
    monkeypatch.chdir(tmp_path)
    assert bounded.pack_untrusted(path)[0]["model"] == "org/good"
