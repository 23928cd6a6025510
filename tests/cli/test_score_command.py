"""`rewardbench score`: rows in, one score a row out; the same numbers as in Python, in every form."""

import gzip
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time

import pandas
import pyarrow
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


@pytest.mark.parametrize("suffix", [".jsonl", ".csv"])
def test_the_joined_parts_are_the_whole(tmp_path, monkeypatch, capsys, suffix):
    """Rows of a .jsonl file are read on access, those of a .csv file are in memory."""
    monkeypatch.chdir(tmp_path)
    rows = [{"id": f"r{n}", "prompt": f"Say {n}.", "response": "ab" * n} for n in range(11)]
    path = f"rows{suffix}"
    if suffix == ".csv":
        pandas.DataFrame(rows).to_csv(path, index=False)
    else:
        (tmp_path / path).write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = ["score", "--model", "baseline/longest", "--dataset", path]
    _, lines, _ = run(capsys, *command)
    parts = [run(capsys, *command, "--shard", part)[1] for part in ("0/4", "1-2/4", "3/4")]
    assert "".join(parts) == lines
    assert lines.count("\n") == 11
    code, _, error = run(capsys, *command, "--limit", "2", "--shard", "0/4")
    assert (code, "--shard 0/4 has no rows: the data has 2, so pass at most that many parts" in error) == (2, True)
    assert run(capsys, *command, "--shard", "4/4")[0] == 2


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
        (["--model", MODEL, "--prompt", "", "--response", "Lima."], "the prompt is empty"),
        (["--model", MODEL, "--prompt", "x", "--response", "y", "--output", "z.jsonl"], "--output is for --dataset"),
        (["--model", MODEL, "--dataset", "x", "--output", "z.jsonl", "--json"], "pass one of them"),
        (["--model", "tiny-dpo", "--dataset", "x", "--output", "z"], "must end with .jsonl or .parquet"),
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
    for number in range(120):
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
    assert count_cached(tmp_path / "killed.sqlite") < 120
    assert not (tmp_path / "killed.jsonl").exists()
    assert start("killed").wait(300) == 0
    assert (tmp_path / "killed.jsonl").read_bytes() == (tmp_path / "complete.jsonl").read_bytes()


def write_lines(folder, *rows):
    """Write rows, or lines as they are, to a file."""
    path = folder / "data.jsonl"
    lines = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
    path.write_bytes(b"\n".join(lines))
    return path


def score_rows(capsys, path, *options):
    """Return the lines that the command prints."""
    code, out, error = run(capsys, "score", "--model", MODEL, "--dataset", path, *options)
    assert code == 0, error
    return list(map(json.loads, out.splitlines()))


USER = [{"role": "user", "content": "Name a city."}]


@pytest.mark.parametrize(
    ("row", "scores"),
    [
        ({"prompt": "Name a city.", "response": "Lima."}, {"score": 5.0}),
        ({"prompt": USER, "completion": "Lima."}, {"score": 5.0}),
        ({"prompt": USER, "response": [{"role": "assistant", "content": "Lima."}]}, {"score": 5.0}),
        ({"prompt": "Name a city.", "responses": ["No.", "Lima.", "Oslo"]}, {"scores": [3.0, 5.0, 4.0]}),
        (
            {"prompt": USER, "completions": [{"text": "No.", "score": 1}, {"text": "Li", "score": 2}]},
            {"scores": [3, 2]},
        ),
        ({"prompt": "Name a city.", "completion": "Lima.", "label": False}, {"score": 5.0}),
        ({"prompt": "Name a city.", "response": "Lima.", "helpfulness": 3}, {"score": 5.0}),
        ({"prompt": "Name a city.", "chosen": "No.", "rejected": "Lima."}, {"scores": [3.0, 5.0]}),
        ({"instruction": "Name", "input": "a city", "response": "数🙏"}, {"score": 2.0}),
        ({"instruction": "Name a city.", "output": "Lima."}, {"score": 5.0}),
        ({"question": "A city?", "answer": "Lima.", "rating": 4}, {"score": 5.0}),
        ({"prompt": "A city?", "output": ["Lima.", "No."]}, {"scores": [5.0, 3.0]}),
        ({"messages": [*ROWS[0]["messages"]], "kto_tag": True}, {"score": 5.0}),
    ],
)
def test_every_row_is_scored_by_itself_in_its_own_order(tmp_path, capsys, row, scores):
    lines = score_rows(capsys, write_lines(tmp_path, {**row, "id": "x"}, {**row, "id": "y"}))
    assert [line["id"] for line in lines] == ["x", "y"]
    for line in lines:
        assert {name: line[name] for name in scores} == scores
        assert line["reason"] is None


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r", b"\n\n"])
def test_lines_may_end_in_any_way(tmp_path, capsys, end):
    path = tmp_path / "data.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + end.join(json.dumps(row).encode() for row in ROWS) + end)
    assert [line["score"] for line in score_rows(capsys, path)] == [5.0, 7.0, None]


def test_rows_with_labels_give_no_note_on_preferences(tmp_path, capsys):
    path = write_lines(tmp_path, {"prompt": "A city?", "responses": ["No.", "Lima."]})
    assert run(capsys, "score", "--model", MODEL, "--dataset", path)[2] == ""


COLUMNS = [
    {"id": "a", "prompt": "A city?", "response": "Lima.", "score": 3, "n": 1, "tags": ["x"], "mixed": 1, "f": 1},
    {"id": "b", "prompt": "A city?", "response": "Li", "n": None, "mixed": "y", "f": 2.5, "group": "g", "big": 2**70},
    {"id": "c\ud83d", "prompt": "A city?", "response": "", "subset": "s", "reason": "mine", "flag": True},
]


def test_other_columns_are_kept_and_ours_are_not_replaced(tmp_path, capsys):
    first, second, third = score_rows(capsys, write_lines(tmp_path, *COLUMNS))
    assert first == {
        "id": "a",
        "score": 5.0,
        "reason": None,
        "truncated": False,
        "score_input": 3,
        "n": 1,
        "tags": ["x"],
        "mixed": 1,
        "f": 1,
    }
    assert (second["group"], second["big"], second["mixed"]) == ("g", 2**70, "y")
    assert (third["score"], third["subset"], third["reason_input"], third["flag"]) == (None, "s", "mine", True)
    assert "empty" in third["reason"]


def test_a_parquet_file_has_a_type_for_each_column(tmp_path, capsys):
    output = tmp_path / "scores.parquet"
    code, _, _ = run(
        capsys, "score", "--model", MODEL, "--dataset", write_lines(tmp_path, *COLUMNS), "--output", output
    )
    table = pyarrow.parquet.read_table(output)
    assert code == 0
    types = {name: str(table.schema.field(name).type) for name in table.schema.names}
    expected = {"score_input": "int64", "n": "int64", "f": "double", "flag": "bool", "tags": "string", "big": "string"}
    assert types.items() >= expected.items()
    assert table["mixed"].to_pylist() == ["1", '"y"', None]
    assert table["tags"].to_pylist() == ['["x"]', None, None]
    assert table["big"].to_pylist() == [None, str(2**70), None]
    assert table["id"].to_pylist() == ["a", "b", "c\\ud83d"]
    assert table["score"].to_pylist() == [5.0, 2.0, None]


def test_parquet_and_gz_are_read_in_parts(tmp_path, capsys):
    rows = [{"prompt": "A city?", "response": "a" * (n % 7 + 1), "n": n} for n in range(2500)]
    table = pyarrow.Table.from_pylist(rows)
    pyarrow.parquet.write_table(table, tmp_path / "data.parquet", row_group_size=700)
    (tmp_path / "data.jsonl.gz").write_bytes(gzip.compress("\n".join(map(json.dumps, rows)).encode()))
    expected = score_rows(capsys, write_lines(tmp_path, *rows))
    assert [line["n"] for line in expected] == list(range(2500))
    for name in ("data.parquet", "data.jsonl.gz"):
        assert score_rows(capsys, tmp_path / name) == expected


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"prompt": ', "line 2: this is not JSON"),
        (b"[1, 2]", "line 2: a row must be a JSON object"),
        (b'{"prompt": "\xe9", "response": "x"}', "line 2 is not UTF-8 text"),
        (b'{"prompt": "a", "prompt": "b"}', "line 2: this is not JSON (the key 'prompt' occurs twice"),
    ],
)
def test_a_bad_line_is_named_and_nothing_is_written(tmp_path, capsys, line, message, suffix):
    good = {"prompt": "A city?", "response": "Lima."}
    path = write_lines(tmp_path, good, line, good)
    output = tmp_path / f"scores{suffix}"
    for options in ((), ("--output", output)):
        code, out, error = run(capsys, "score", "--model", MODEL, "--dataset", path, *options)
        assert (code, out) == (2, "")
        assert message in error
        assert len(error.splitlines()) == 1
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("content", [b"PAR1 and nothing", b"\x1f\x8b\x08 cut", b""])
@pytest.mark.parametrize("name", ["data.parquet", "data.jsonl.gz", "data.jsonl"])
def test_a_damaged_file_is_one_sentence(tmp_path, capsys, name, content):
    (tmp_path / name).write_bytes(content)
    code, out, error = run(capsys, "score", "--model", MODEL, "--dataset", tmp_path / name)
    assert (code, out, len(error.splitlines())) == (2, "", 1)
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"messages": [{"role": "system", "content": "Be brief."}, *ROWS[0]["messages"][1:]]}, "the prompt is empty"),
        ({"messages": USER}, "the prompt is empty"),
        ({"messages": [*USER, {"role": "assistant", "content": "\ud83d"}]}, "lone surrogate"),
        ({"messages": [*USER, {"role": "assistant", "content": None}]}, "missing"),
        ({"messages": "x"}, "the prompt is empty"),
        ({"text": "x"}, "missing"),
    ],
)
def test_a_row_that_cannot_be_scored_is_null_with_its_reason(tmp_path, capsys, row, reason):
    before, failed, after = score_rows(capsys, write_lines(tmp_path, ROWS[0], row, ROWS[1]))
    assert (before["score"], failed["score"], after["score"]) == (5.0, None, 7.0)
    assert reason in failed["reason"]


def test_a_line_of_a_megabyte_is_scored(tmp_path, capsys):
    lines = score_rows(capsys, write_lines(tmp_path, *({"prompt": "x", "response": "y" * n} for n in (2**20, 5))))
    assert [line["score"] for line in lines] == [2**20, 5.0]


@pytest.mark.parametrize("target", ["missing/scores.jsonl", "folder.parquet"])
def test_an_output_that_cannot_be_written_is_named_before_scoring(rows, tmp_path, capsys, target):
    (tmp_path / "folder.parquet").mkdir()
    code, out, error = run(capsys, "score", "--model", MODEL, "--dataset", rows, "--output", tmp_path / target)
    assert (code, out) == (2, "")
    assert f"The scores cannot be written to {tmp_path / target}" in error
    assert not list(tmp_path.glob(".*partial"))


def test_a_failed_run_leaves_the_earlier_output(tmp_path, capsys):
    output = tmp_path / "scores.jsonl"
    output.write_text("earlier")
    path = write_lines(tmp_path, {"messages": USER})
    assert run(capsys, "score", "--model", MODEL, "--dataset", path, "--output", output)[0] == 2
    assert output.read_text() == "earlier"


MANY = 100_000


def start_scoring(folder, rows, name):
    """Start scoring a file of `rows` rows; return the process."""
    path = folder / f"{rows}.jsonl"
    if not path.exists():
        with path.open("w") as file:
            for n in range(rows):
                file.write(
                    json.dumps({"id": f"row-{n}", "prompt": "A city?", "response": "word " * (n % 60 + 1)}) + "\n"
                )
    command = [sys.executable, "-m", "rewardbench", "score", "--model", MODEL, "--dataset", path, "--output", name]
    return subprocess.Popen(command, cwd=folder, stdout=-3, stderr=-3)


def peak_memory(process):
    """Wait for a process that must succeed; return its peak memory in bytes."""
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0
    return 1024 * usage.ru_maxrss


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_memory_does_not_grow_with_the_rows(tmp_path, suffix):
    few = peak_memory(start_scoring(tmp_path, MANY // 10, f"few.{suffix}"))
    many = peak_memory(start_scoring(tmp_path, MANY, f"many.{suffix}"))
    assert many < 1.12 * few


@pytest.mark.slow
def test_a_large_run_that_is_killed_ends_with_the_same_bytes(tmp_path):
    assert start_scoring(tmp_path, MANY, "complete.jsonl").wait() == 0
    killed = start_scoring(tmp_path, MANY, "killed.jsonl")
    partial = tmp_path / ".killed.jsonl.partial"
    while not partial.exists() or partial.stat().st_size < 10_000:
        time.sleep(0.01)
        assert killed.poll() is None, "it ended before it could be killed"
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert not (tmp_path / "killed.jsonl").exists()
    assert start_scoring(tmp_path, MANY, "killed.jsonl").wait() == 0
    assert (tmp_path / "killed.jsonl").read_bytes() == (tmp_path / "complete.jsonl").read_bytes()
    assert not partial.exists()
