"""`--dataset -` reads the data from standard input, in any format."""

import gzip
import json
import os
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rewardbench.suites.stdin import unpack

ROWS = [{"prompt": f"Why {n}?", "chosen": "It is so.", "rejected": "No."} for n in range(8)]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
CSV = b"prompt,chosen,rejected\n" + b"".join(f"Why {n}?,It is so.,No.\n".encode() for n in range(8))


def as_parquet():
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(ROWS), sink)
    return sink.getvalue().to_pybytes()


LOAD = """
import json, sys
from rewardbench.suites import load_suite
first, again = load_suite("-"), load_suite("-")
print(json.dumps([first.name, first.revision, first.source, len(first.items), first.items == again.items]))
"""


def run(data, *command):
    env = {**os.environ, "HF_HUB_OFFLINE": "1"}
    return subprocess.run([sys.executable, *command], input=data, capture_output=True, env=env, timeout=100)


def test_every_format_is_read_from_standard_input(tmp_path):
    formats = [
        LINES,
        gzip.compress(LINES),
        json.dumps(ROWS, indent=1).encode(),
        CSV,
        CSV.replace(b",", b"\t"),
        as_parquet(),
    ]
    revisions = set()
    for data in formats:
        completed = run(data, "-c", LOAD)
        assert completed.returncode == 0, completed.stderr
        name, revision, source, count, same = json.loads(completed.stdout)
        assert (name, count, same) == ("stdin", 8, True)
        assert source.startswith("stdin (sha256:")
        revisions.add(revision)
    assert len(revisions) == 1


@pytest.mark.parametrize("options", [[], pytest.param(["--num_processes", "2"], marks=pytest.mark.slow)])
def test_command_scores_standard_input(tmp_path, options):
    command = ["-m", "rewardbench", "--model", "baseline/longest", "--dataset", "-", "--output_dir", str(tmp_path)]
    completed = run(LINES, *command, "--json", *options)
    assert completed.returncode == 0, completed.stderr
    result = json.loads(completed.stdout)
    assert (result["suite"], result["accuracy"]) == ("stdin", 1.0)


REFUSED = """
from rewardbench.suites import load_suite
from rewardbench.errors import InputError
try:
    load_suite("-")
except InputError as error:
    print(error)
"""


def test_empty_standard_input_gives_a_one_line_error():
    for data, message in (
        (b"", "holds no rows to score"),
        (b"hello", "holds no rows to score"),
        (b'{"a": ', "not JSON"),
    ):
        completed = run(data, "-c", REFUSED)
        assert (completed.returncode, completed.stderr) == (0, b"")
        assert message in completed.stdout.decode()


def test_packed_files_of_one_name_are_unpacked_apart(tmp_path):
    paths = []
    for folder in ("a", "b"):
        path = tmp_path / folder / "rows.jsonl.gz"
        path.parent.mkdir()
        path.write_bytes(gzip.compress(folder.encode()))
        paths.append(path)
    unpacked = [unpack(path) for path in paths]
    assert [path.read_text() for path in unpacked] == ["a", "b"]
    assert unpack(paths[0]) == unpacked[0]
    paths[0].write_bytes(gzip.compress(b"changed"))
    assert unpack(paths[0]).read_text() == "changed"
