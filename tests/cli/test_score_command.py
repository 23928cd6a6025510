"""`rewardbench score`: rows in, one score a row out; the same numbers as in Python, in every form."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time

import pyarrow.parquet
import pytest
from terminal import run

import rewardbench

ROWS = [
    {"id": "a", "messages": [{"role": "user", "content": "Name a city."}, {"role": "assistant", "content": "Lima."}]},
    {
        "id": "b",
        "messages": [{"role": "user", "content": "Name a river."}, {"role": "assistant", "content": "The Po."}],
    },
    {"id": "c", "messages": [{"role": "user", "content": "Name a hill."}, {"role": "assistant", "content": ""}]},
]
MODEL = "baseline/longest"


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


def test_a_row_gives_a_line_in_the_order_of_the_data(rows, capsys):
    code, out, _ = run(capsys, "score", "--model", MODEL, "--dataset", rows)
    lines = list(map(json.loads, out.splitlines()))
    assert code == 0
    assert [(line["id"], line["score"]) for line in lines] == [("a", 5.0), ("b", 7.0), ("c", None)]
    assert "empty" in lines[2]["reason"]


def test_one_response_gives_one_number(capsys):
    code, out, _ = run(capsys, "score", "--model", "tiny-rm", "--prompt", "Name a city.", "--response", "Lima.")
    assert code == 0
    assert float(out) == rewardbench.score("tiny-rm", "Name a city.", "Lima.")


def test_pairs_have_a_score_for_each_completion(tmp_path, capsys):
    path = tmp_path / "pairs.jsonl"
    path.write_text(json.dumps({"prompt": "Name a city.", "chosen": "Lima.", "rejected": "No."}))
    _, out, _ = run(capsys, "score", "--model", MODEL, "--dataset", path, "--json")
    assert [item["scores"] for item in json.loads(out)["items"]] == [[5.0, 3.0]]


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_a_file_holds_the_same_rows(rows, tmp_path, capsys, suffix):
    output = tmp_path / f"scores{suffix}"
    code, out, _ = run(capsys, "score", "--model", MODEL, "--dataset", rows, "--output", output)
    assert (code, out.splitlines()[0]) == (0, "rows=3")
    if suffix == ".jsonl":
        written = list(map(json.loads, output.read_text().splitlines()))
    else:
        written = pyarrow.parquet.read_table(output).to_pylist()
    assert [(row["id"], row["score"]) for row in written] == [("a", 5.0), ("b", 7.0), ("c", None)]
    assert [path.name for path in tmp_path.iterdir() if "partial" in path.name] == []


def test_it_works_in_a_pipe(rows):
    command = f"cat {rows} | {sys.executable} -m rewardbench score --model {MODEL} --dataset - | head -n 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert json.loads(done.stdout)["score"] == 5.0
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "No model was given"),
        (["--model", MODEL], "Pass either --dataset"),
        (["--model", MODEL, "--dataset", "x", "--response", "y"], "Pass either --dataset"),
        (["--model", MODEL, "--dataset", "x", "--prompt", "y"], "need each other"),
        (["--model", MODEL, "--dataset", "x", "--output", "x.csv"], "must end with .jsonl or .parquet"),
        (["--model", MODEL, "--dataset", "nowhere.jsonl"], "nowhere.jsonl"),
        (["--model", MODEL, "--response", "Lima."], "need each other"),
        (["--model", MODEL, "--prompt", "Name a city.", "--response", ""], "empty"),
    ],
)
def test_bad_arguments_give_a_one_line_error(capsys, arguments, message):
    code, out, error = run(capsys, "score", *arguments)
    assert (code, out) == (2, "")
    assert message in error
    assert len(error.strip().splitlines()) == 1


def count_cached(path):
    """Count the scores in a cache that another process writes."""
    try:
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10) as db:
            return db.execute("SELECT count(*) FROM scores").fetchone()[0]
    except sqlite3.Error:
        return 0


def test_a_killed_run_continues_and_writes_the_same_bytes(tmp_path):
    rows = []
    for number in range(300):
        text = f"Answer {number} " + "word " * (number % 40)
        turns = [{"role": "user", "content": f"Question {number}?"}, {"role": "assistant", "content": text}]
        rows.append(json.dumps({"id": str(number), "messages": turns}))
    (tmp_path / "rows.jsonl").write_text("\n".join(rows))
    words = ["score", "--model", "tiny-rm", "--dataset", "rows.jsonl", "--batch_tokens", "100", "--output"]

    def start(name):
        environment = {**os.environ, "REWARDBENCH_CACHE": str(tmp_path / f"{name}.sqlite"), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "rewardbench", *words, f"{name}.jsonl"]
        return subprocess.Popen(command, env=environment, cwd=tmp_path, stdout=-3, stderr=-3)

    assert start("complete").wait(300) == 0
    killed = start("killed")
    while count_cached(tmp_path / "killed.sqlite") < 20:
        time.sleep(0.005)
        assert killed.poll() is None, "it ended before it could be killed"
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert count_cached(tmp_path / "killed.sqlite") < 300
    assert not (tmp_path / "killed.jsonl").exists()
    assert start("killed").wait(300) == 0
    assert (tmp_path / "killed.jsonl").read_bytes() == (tmp_path / "complete.jsonl").read_bytes()
