import gzip
import json
import re

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rewardbench.errors import InputError
from rewardbench.suites.sources import pick_splits, read_embedded, read_file, read_source

ROWS = [
    {"prompt": "Q1", "chosen": 'a,\n"b"', "rejected": "ü"},
    {"prompt": "Q2", "chosen": "c", "rejected": "d"},
]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "cache"))


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def columns(rows):
    return {name: [row[name] for row in rows] for name in rows[0]}


WRITERS = {
    "rows.jsonl": lambda p: write(p, lines(ROWS)),
    "blank_lines.jsonl": lambda p: write(p, "\n" + lines(ROWS).replace("\n", "\r\n\r\n")),
    "marked.jsonl": lambda p: write(p, "\ufeff" + lines(ROWS)),
    "list.json": lambda p: write(p, json.dumps(ROWS, indent=2)),
    "lines.json": lambda p: write(p, lines(ROWS)),
    "columns.json": lambda p: write(p, json.dumps(columns(ROWS))),
    "pandas.json": lambda p: pd.DataFrame(ROWS).to_json(p),
    "rows.parquet": lambda p: pq.write_table(pa.Table.from_pylist(ROWS), p),
    "rows.csv": lambda p: pd.DataFrame(ROWS).to_csv(p, index=False),
    "rows.tsv": lambda p: pd.DataFrame(ROWS).to_csv(p, index=False, sep="\t"),
    "rows.csv.gz": lambda p: pd.DataFrame(ROWS).to_csv(p, index=False),
    "rows.jsonl.gz": lambda p: p.write_bytes(gzip.compress(lines(ROWS).encode())),
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_file_format_gives_the_same_rows(tmp_path, name):
    WRITERS[name](tmp_path / name)
    assert read_file(tmp_path / name) == ROWS
    source = read_source(str(tmp_path / name), ["split"], "revision")
    assert (source.rows, source.where) == ([("", row) for row in ROWS], str(tmp_path / name))


def test_json_object_is_one_row_and_types_may_differ_between_rows(tmp_path):
    row = {"prompt": "Q", "chosen": "X", "rejected": "Y"}
    assert read_file(write(tmp_path / "one.json", json.dumps(row))) == [row]
    mixed = [{"prompt": "Q"}, {"prompt": [{"role": "user", "content": "Q"}]}, {"prompt": 3, "more": None}]
    assert read_file(write(tmp_path / "mixed.jsonl", lines(mixed))) == mixed


def test_csv_cells_are_text_except_for_messages(tmp_path):
    messages = [{"role": "user", "content": "Q"}]
    rows = [{"prompt": json.dumps(messages), "chosen": "NA", "rejected": "007", "extra": ""}]
    pd.DataFrame(rows).to_csv(tmp_path / "t.csv", index=False)
    assert read_file(tmp_path / "t.csv") == [{"prompt": messages, "chosen": "NA", "rejected": "007", "extra": ""}]


def test_an_empty_file_has_no_rows(tmp_path):
    for name in ("a.jsonl", "a.json", "a.csv"):
        assert read_file(write(tmp_path / name, "")) == []


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("bad.jsonl", b'{"a": 1}\n\n{"a": \n', r"bad\.jsonl, line 3: this is not JSON \(Expecting value, column \d"),
        ("list.jsonl", b'{"a": 1}\n[1]\n', r"list\.jsonl, line 2: a row must be a JSON object, not \[1\]"),
        ("deep.jsonl", b"[" * 200_000, r"deep\.jsonl, line 1: this is not JSON"),
        ("bad.json", b'[\n{"a": 1},\n{"a" 2}\n]', r"bad\.json, line 3: this is not JSON"),
        ("mixed.json", b'{"a": 1}\n{"a": }\n', r"mixed\.json, line 2: this is not JSON"),
        ("scalar.json", b"3", r"scalar\.json, line 1: a row must be a JSON object, not 3"),
        ("ragged.json", b'{"a": [1], "b": []}', r"ragged\.json: its columns differ in length"),
        ("latin.jsonl", b'{"a": "\xe9"}\n', r"latin\.jsonl, line 1 is not UTF-8 text \(byte 7\)"),
        ("latin.csv", b"a,b\n\xe9,1\n", r"latin\.csv is not UTF-8 text"),
        ("wide.csv", b"a,b\n1,2\n1,2,3\n", r"wide\.csv is not a table that can be read: .*line 3"),
        ("no.parquet", b"not a table", r"no\.parquet is not a Parquet file that can be read"),
        ("no.jsonl.gz", b"not packed", r"no\.jsonl\.gz cannot be read"),
        ("data.xlsx", b"", r"data\.xlsx has a format that cannot be read: give a \.jsonl, \.json, \.parquet"),
    ],
)
def test_unreadable_files_give_a_one_line_error(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message) as raised:
        read_file(tmp_path / name)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "name", ["nowhere.jsonl", "no/where.parquet", "/no/where", "./nowhere", "nowhere", "a/b/c", ""]
)
def test_names_that_are_no_hub_id_are_not_requested_from_the_hub(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=re.escape(f"There is no dataset {name!r}")):
        read_source(name)


def test_folder_splits_follow_file_names(tmp_path):
    write(tmp_path / "d" / "train.jsonl", lines(ROWS[:1]))
    write(tmp_path / "d" / "test.jsonl", lines(ROWS[1:]))
    source = read_source(str(tmp_path / "d"))
    assert source.rows == [("test", ROWS[1])]
    assert read_source(str(tmp_path / "d"), ["train", "test"]).rows == [("train", ROWS[0]), ("test", ROWS[1])]


def test_changed_files_of_a_folder_are_read_again(tmp_path):
    file = write(tmp_path / "d" / "rows.jsonl", lines(ROWS))
    assert len(read_source(str(file.parent)).rows) == 2
    write(file, lines(ROWS * 2))
    assert len(read_source(str(file.parent)).rows) == 4


def test_datasets_saved_to_disk_are_read(tmp_path):
    import datasets

    table = datasets.Dataset.from_list(ROWS)
    table.save_to_disk(tmp_path / "one")
    datasets.DatasetDict({"a": table, "validation": table.select([1])}).save_to_disk(tmp_path / "two")
    assert read_source(str(tmp_path / "one")).rows == [("train", row) for row in ROWS]
    assert read_source(str(tmp_path / "two")).rows == [("validation", ROWS[1])]


def test_folder_with_several_configurations_needs_a_choice(tmp_path):
    card = "---\nconfigs:\n- config_name: en\n  data_files: en.jsonl\n- config_name: de\n  data_files: de.jsonl\n---\n"
    write(tmp_path / "d" / "README.md", card)
    write(tmp_path / "d" / "en.jsonl", lines(ROWS[:1]))
    write(tmp_path / "d" / "de.jsonl", lines(ROWS[1:]))
    source = read_source(str(tmp_path / "d"), config="de")
    assert (source.rows, source.config) == ([("train", ROWS[1])], "de")
    with pytest.raises(InputError, match="d has the configurations en, de: choose one with --subset"):
        read_source(str(tmp_path / "d"))


def test_unreadable_folders_give_a_one_line_error(tmp_path):
    (tmp_path / "empty").mkdir()
    write(tmp_path / "bad" / "rows.jsonl", '{"prompt": "Q"}\n{"prompt": \n')
    for name in ("empty", "bad"):
        with pytest.raises(InputError, match=f"{name} cannot be read as a dataset: ") as raised:
            read_source(str(tmp_path / name))
        assert "\n" not in str(raised.value)


def test_folder_with_files_of_different_columns_is_rejected(tmp_path):
    write(tmp_path / "d" / "a.jsonl", lines(ROWS))
    write(tmp_path / "d" / "b.jsonl", '{"other": 1}\n')
    with pytest.raises(InputError, match="d cannot be read as a dataset: its files differ in their columns"):
        read_source(str(tmp_path / "d"))


def test_pick_splits_prefers_requested_then_test_then_validation():
    assert pick_splits(["train", "validation"], (), "D") == ["validation"]
    assert pick_splits(["odd"], (), "D") == ["odd"]
    assert pick_splits(["a", "b"], ("b",), "D") == ("b",)
    assert pick_splits(["train"], ("filtered",), "D") == ["train"]  # a copy whose files name no split
    with pytest.raises(InputError, match="D has the splits a, b: choose one with --split"):
        pick_splits(["a", "b"], (), "D")
    with pytest.raises(InputError, match="D has no split c, d: it has a, b"):
        pick_splits(["a", "b"], ("c", "a", "d"), "D")
    with pytest.raises(InputError, match="D has no split filtered: it has raw"):
        pick_splits(["raw"], ("filtered",), "D")


def test_embedded_suite_reads_its_files_in_order_and_a_version(tmp_path):
    write(tmp_path / "b.jsonl", lines(ROWS[:1]))
    write(tmp_path / "a.jsonl", lines(ROWS[1:]))
    with pytest.raises(InputError, match="The embedded suite in "):
        read_embedded(tmp_path, ["b", "a"])
    write(tmp_path / "VERSION", "0.2.0\n")
    source = read_embedded(tmp_path, ["b", "a"])
    assert (source.rows, source.version) == ([("b", ROWS[0]), ("a", ROWS[1])], "0.2.0")
    with pytest.raises(InputError, match=r"c\.jsonl cannot be read"):
        read_embedded(tmp_path, ["c"])
