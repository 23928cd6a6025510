"""Reading untrusted results takes bounded memory and time, and leaves nothing running."""

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
    """What reading says, and the MiB that this process and its child took at most; from a process that is small."""
    run = subprocess.run(
        [sys.executable, "-c", READ, str(path), str(memory)], capture_output=True, text=True, timeout=60
    )
    assert run.stderr == ""
    said, peaks = run.stdout.splitlines()
    return said, *map(int, peaks.split())


@pytest.mark.parametrize("name", bombs.LINES)
def test_rows_that_grow_are_refused_while_they_are_read(tmp_path, name):
    content, words = bombs.LINES[name]
    said, own, child = read(bombs.write(tmp_path, result()[0], content))
    assert words in said
    assert own < 200
    assert child < 1_300


def test_rows_and_values_are_counted_as_they_are_read(tmp_path, monkeypatch):
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


def test_columns_that_a_result_does_not_have_are_dropped_line_by_line(tmp_path):
    told, rows = result()
    lines = b"".join(results.dump(row).encode() for row in rows)
    path = bombs.write(tmp_path, told, lines + bombs.WIDE)
    said, _, child = read(path)
    assert said.endswith("bytes")
    assert child < 700, "one line at a time"


@pytest.mark.parametrize("make", [bombs.dictionary_bomb, bombs.lying_table])
def test_a_table_that_is_larger_inside_than_out_takes_no_more_than_the_limit(tmp_path, make):
    path = bombs.write(tmp_path, result()[0], make(), ".parquet")
    assert results.table_path(path).stat().st_size < 500_000
    said, own, child = read(path, 2**28)
    assert "result" in said
    assert not said.endswith("bytes")
    assert own < 200
    assert child < 400


def test_an_honest_result_is_packed_as_by_submit(tmp_path):
    told, rows = result()
    path = write(tmp_path, told, rows)
    summary, table = bounded.pack_untrusted(path, "org/other")
    assert summary["model"] == "org/other"
    results.table_path(path).write_bytes(table)
    assert len(parquet.read_table(results.table_path(path))) == len(rows)


def test_verify_on_the_command_line_refuses_in_one_sentence(tmp_path):
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
def test_verify_reads_a_table_with_a_lying_footer_in_a_gigabyte(tmp_path):
    path = bombs.write(tmp_path, result()[0], bombs.lying_table(200_000_000), ".parquet")
    run = subprocess.run([sys.executable, "-c", VERIFY, str(path)], capture_output=True, text=True, timeout=60)
    code, peak = map(int, run.stdout.split())
    assert code == 2
    assert peak < 1_300


def test_a_summary_above_256_kib_is_refused(tmp_path):
    told, rows = result()
    told["manifest"]["zeros"] = [[[0] * 10] * 1_000] * 10
    assert len(json.dumps(told)) > 2**18
    with pytest.raises(InputError, match="a summary has at most 262,144"):
        bounded.pack_untrusted(write(tmp_path, told, rows))


SLOW = b'{"id":"a","scores":[1,2]}\n' * 240_000


def test_a_child_ends_when_nobody_waits_for_it(tmp_path):
    path = bombs.write(tmp_path, result()[0], SLOW)
    command = [
        sys.executable,
        "-m",
        "rewardbench.leaderboard.submissions.bounded",
        str(path),
        "",
        str(tmp_path),
        str(2**30),
        "60",
    ]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    child.stdin.close()
    assert child.wait(30) == 1
    assert child.stdout.read() == b""
    child.stdout.close()
    assert not results.table_path(path).exists()


def test_what_takes_too_long_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(bounded, "SECONDS", 1)
    path = bombs.write(tmp_path, result()[0], SLOW)
    before = psutil.Process().children()  # of other tests
    start = time.monotonic()
    with pytest.raises(InputError, match="or 1 s, which no result does"):
        bounded.pack_untrusted(path)
    assert time.monotonic() - start < 10
    assert psutil.Process().children() == before


def test_reading_is_ended_with_the_program(tmp_path):
    path = bombs.write(tmp_path, result()[0], SLOW)
    before = psutil.Process().children()
    threading.Timer(1.5, bounded.stop).start()
    with pytest.raises(InputError):
        bounded.pack_untrusted(path)
    assert psutil.Process().children() == before


def test_nothing_in_the_current_folder_is_imported(tmp_path, monkeypatch):
    told, rows = result()
    path = write(tmp_path, told, rows)
    (tmp_path / "json.py").write_text("raise SystemExit(0)")
    (tmp_path / "rewardbench.py").write_text("raise SystemExit(0)")
    monkeypatch.chdir(tmp_path)
    assert bounded.pack_untrusted(path)[0]["model"] == "org/good"
