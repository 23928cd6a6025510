"""Tables as exported by common tools: no cell is assigned to another column, and other columns may hold anything."""

import gzip
import json
from decimal import Decimal

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rewardbench.errors import InputError
from rewardbench.suites import load_suite, stream_texts
from rewardbench.suites.readers import read_file
from rewardbench.suites.sources import read_source

ROW = {"prompt": "Name a river.", "chosen": "The Elbe is one.", "rejected": "No."}
CSV = "prompt,chosen,rejected\nName a river.,The Elbe is one.,No.\n"


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    "text",
    [
        CSV,
        CSV.replace("\n", "\r\n"),
        "\ufeff" + CSV,
        CSV.replace(",", ", "),
        CSV.replace(",", ", ").replace(" No.", ' "No."'),
        CSV.replace(",", ";"),
        "sep=;\n" + CSV.replace(",", ";"),
        CSV.replace(",", "\t"),
        "\n\n" + CSV + "\n   \n",
        ' "prompt" ,chosen ,rejected\nName a river.,The Elbe is one.,No.\n',
        '"prompt","chosen","rejected"\n"Name a river.","The Elbe is one.","No."\n',
        "rejected,prompt,chosen\nNo.,Name a river.,The Elbe is one.\n",
    ],
)
def test_tables_are_read_with_any_spacing_and_separator(tmp_path, text):
    if text.startswith(' "'):
        text = text.replace(' "prompt" ', " prompt ")
    assert read_file(write(tmp_path / "t.csv", text)) == [ROW]


def test_index_columns_do_not_shift_cells(tmp_path):
    frame = pd.DataFrame([ROW, ROW])
    frame.to_csv(tmp_path / "index.csv")
    frame.to_csv(tmp_path / "named.csv", index_label="n")
    for name in ("index.csv", "named.csv"):
        assert [{k: row[k] for k in ROW} for row in read_file(tmp_path / name)] == [ROW, ROW]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("prompt,chosen,rejected\n0,Name a river.,The Elbe is one.,No.\n", "line 2 has 4 fields, and the header 3"),
        (CSV + "1,a,b,c\n", r"line 3 has 4 fields, and the header 3 \(prompt, chosen, rejected\); put quotes around"),
        (CSV + "a,b\n", "line 3 has 2 fields, and the header 3"),
        (CSV + "A river, please.,b,c\n", "line 3 has 4 fields"),
        ("prompt,chosen,chosen,rejected\na,b,c,d\n", "the header names the column 'chosen' 2 times"),
        ("prompt, chosen,chosen,rejected\na,b,c,d\n", "the header names the column 'chosen' 2 times"),
        ('prompt,chosen,rejected\na,"b,c\nd,e,f\n', "unexpected end of data, line 3"),
        ('prompt,chosen,rejected\na,"b"x,c\n', "expected after"),
    ],
)
def test_tables_with_shifted_fields_are_rejected_with_the_line_number(tmp_path, text, message):
    path = write(tmp_path / "d" / "t.csv", text)
    for dataset in (path, path.parent):
        with pytest.raises(InputError, match=message):
            load_suite(str(dataset))
    with pytest.raises(InputError, match=message):
        list(stream_texts(str(path)))


@pytest.mark.parametrize("suffix", ["jsonl", "json"])
def test_duplicate_keys_with_two_values_are_rejected(tmp_path, suffix):
    path = write(tmp_path / f"t.{suffix}", '{"prompt": "Q", "chosen": "a", "rejected": "b", "chosen": "c"}\n')
    with pytest.raises(InputError, match="the key 'chosen' occurs twice in one object, with two values"):
        read_file(path)
    path = write(tmp_path / f"t.{suffix}", '{"prompt": "Q", "chosen": "a", "rejected": "b", "chosen": "a"}\n')
    assert len(read_file(path)) == 1


def test_keyed_columns_are_joined_by_row_key(tmp_path):
    columns = {"prompt": {"a": "Q1", "b": "Q2"}, "chosen": {"b": "x2", "a": "x1"}, "rejected": {"a": "y1", "b": "y2"}}
    rows = read_file(write(tmp_path / "t.json", json.dumps(columns)))
    assert rows[0] == {"prompt": "Q1", "chosen": "x1", "rejected": "y1"}
    del columns["chosen"]["a"]
    with pytest.raises(InputError, match="its columns differ in their rows"):
        read_file(write(tmp_path / "t.json", json.dumps(columns)))


WORDS = "prompt,chosen,rejected\nIs there a moon?,None,NA\n1+1?,2,007\nWhen?,2020-01-01,nan\nSo?,true,1e5\n"


def test_csv_cells_are_text_for_files_folders_and_globs(tmp_path, monkeypatch):
    file = write(tmp_path / "d" / "train.csv", WORDS)
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    names = [str(file), "d", "d/train.csv", "d/*.csv", "**/train.csv", str(tmp_path / "d")]
    suites = [load_suite(name) for name in names]
    assert [item.completions[0][0]["content"] for item in suites[0].items] == ["None", "2", "2020-01-01", "true"]
    assert [item.completions[1][0]["content"] for item in suites[1].items] == ["NA", "007", "nan", "1e5"]
    assert {suite.revision for suite in suites} == {suites[0].revision}
    assert not any(item.problem for suite in suites for item in suite.items)


@pytest.mark.parametrize("name", ["train.jsonl", "train.json", "train.parquet", "train.jsonl.gz", "train.csv.gz"])
def test_files_give_the_same_items_alone_and_in_a_folder(tmp_path, name):
    rows = [{"prompt": "When?", "chosen": f"2020-01-0{n}", "rejected": "12:00:00", "extra": None} for n in (1, 2)]
    (tmp_path / "d").mkdir()
    path = tmp_path / "d" / name
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    if "parquet" in name:
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif "csv" in name:
        pd.DataFrame(rows).to_csv(path, index=False)
    else:
        write(path, gzip.compress(lines.encode()) if name.endswith("gz") else lines)
    file_suite, folder_suite = load_suite(str(path)), load_suite(str(tmp_path / "d"))
    assert file_suite.items == folder_suite.items
    assert file_suite.items[0].completions[0][0]["content"] == "2020-01-01"


@pytest.mark.parametrize("suffix", ["jsonl", "json", "csv", "tsv"])
@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_damaged_gz_files_give_a_one_line_error(tmp_path, suffix, damage):
    lines = (json.dumps(ROW) + "\n").encode() * 200 if suffix.startswith("json") else CSV.encode() * 200
    packed = bytearray(gzip.compress(lines))
    if damage == "flipped":
        packed[len(packed) // 2] ^= 255
    path = write(tmp_path / "d" / f"t.{suffix}.gz", bytes(packed if damage == "flipped" else packed[:-20]))
    for dataset in (path, path.parent):
        with pytest.raises(InputError, match=r"cut off or damaged|cannot be read") as raised:
            load_suite(str(dataset))
        assert "\n" not in str(raised.value)
    with pytest.raises(InputError, match=r"cut off or damaged|cannot be read"):
        list(stream_texts(str(path)))


ODD_COLUMNS = {
    "far year": pa.array([2**60], pa.timestamp("ms")),
    "far date": pa.array([2**30], pa.date32()),
    "far duration": pa.array([2**62], pa.duration("s")),
    "zone": pa.array([1], pa.timestamp("us", "Mars/Olympus")),
    "nested": pa.array([[{"t": 2**60}]], pa.list_(pa.struct([("t", pa.timestamp("ms"))]))),
    "map": pa.array([[("a", 2**60)]], pa.map_(pa.string(), pa.timestamp("ms"))),
    "decimal": pa.array([Decimal("1.5")]),
    "bytes": pa.array([b"\xff"]),
    "dictionary": pa.array(["x"]).dictionary_encode(),
    "half": pa.array([1.5], pa.float16()),
}


@pytest.mark.parametrize("name", ODD_COLUMNS)
def test_other_columns_may_have_any_arrow_type(tmp_path, name):
    table = pa.table({**{key: [value] for key, value in ROW.items()}, "made": ODD_COLUMNS[name]})
    (tmp_path / "d").mkdir()
    pq.write_table(table, tmp_path / "d" / "t.parquet")
    with pa.OSFile(str(tmp_path / "t.arrow"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    for dataset in ("d", "d/t.parquet", "t.arrow"):
        assert [item.problem for item in load_suite(str(tmp_path / dataset)).items] == [None], dataset
    assert "Name a river." in next(iter(stream_texts(str(tmp_path / "d" / "t.parquet"))))


def test_texts_of_any_arrow_type_are_read_as_text(tmp_path):
    columns = {
        "prompt": pa.array([ROW["prompt"]], pa.large_string()),
        "chosen": pa.array([ROW["chosen"]]).dictionary_encode(),
        "rejected": pa.array([ROW["rejected"].encode()], pa.binary()),
    }
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    assert read_file(tmp_path / "t.parquet") == [ROW]


def test_parquet_file_in_a_partition_folder_is_read_alone(tmp_path):
    path = tmp_path / "subset=odd" / "t.parquet"
    path.parent.mkdir()
    pq.write_table(pa.Table.from_pylist([ROW]), path)
    assert read_file(path) == [ROW]
    names = ["prompt", "chosen", "rejected", "chosen"]
    pq.write_table(pa.table([pa.array(["a"])] * 4, names=names), path)
    with pytest.raises(InputError, match="it has 2 columns called 'chosen'"):
        read_file(path)


def test_saved_datasets_may_have_columns_of_any_type(tmp_path):
    import datasets

    table = pa.table({**{key: [value] for key, value in ROW.items()}, "made": ODD_COLUMNS["far year"]})
    datasets.DatasetDict({"test": datasets.Dataset(table), "train": datasets.Dataset(table)}).save_to_disk(tmp_path)
    suite = load_suite(str(tmp_path))
    assert suite.items[0].problem is None
    assert suite.note == "The split test was taken; there are also train (--split)."


def test_note_names_the_selected_split_and_the_others(tmp_path):
    for name in ("train", "test"):
        write(tmp_path / "d" / f"{name}.jsonl", json.dumps(ROW) + "\n")
    assert load_suite(str(tmp_path / "d")).note == "The split test was taken; there are also train (--split)."
    assert load_suite(str(tmp_path / "d"), split="train").note == ""


def test_options_without_an_effect_give_a_note(tmp_path):
    path = str(write(tmp_path / "d" / "t.jsonl", json.dumps(ROW) + "\n"))
    assert load_suite(path, split="test").note == f"--split has no effect on {path}."
    assert load_suite(path, revision="v1").note == f"--dataset_revision has no effect on {path}."
    assert "--load_json has no effect" in load_suite(str(tmp_path / "d"), as_json=True).note
    assert "--prioritize_scoring has no effect" in load_suite(path, scores_only=True).note
    assert "--dataset_revision has no effect on core" in load_suite("core", revision="v1", limit=1).note
    for slice_ in ("test[:1]", "test[10%:]", "train+test"):
        with pytest.raises(InputError, match="a slice of a split cannot be taken; pass the split's name, and --limit"):
            load_suite(path, split=slice_)


def test_glob_reads_its_files_in_order(tmp_path):
    for n in (2, 1):
        write(tmp_path / f"part-{n}.jsonl", json.dumps({**ROW, "id": n}) + "\n")
    assert [row["id"] for _, row in read_source(str(tmp_path / "part-*.jsonl")).rows] == [1, 2]
    with pytest.raises(InputError, match="There is no dataset"):
        read_source(str(tmp_path / "none-*.jsonl"))
