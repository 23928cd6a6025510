"""`--name`: the files of a result have the name that the user gives, whatever ran before."""

import json

import pytest
from synthetic import scores, singles
from terminal import run

from rewardbench import evaluate
from rewardbench.errors import InputError
from rewardbench.paths.objects import Bucket
from rewardbench.results import assemble, read_summary
from rewardbench.store.objects import ObjectStore
from rewardbench.store.run_names import check_run_name

LONGEST = ["--model", "baseline/longest", "--dataset", "pairs.jsonl"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [{"prompt": f"Say {n}.", "chosen": f"yes {n}, it is", "rejected": "no"} for n in range(6)]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def values(output):
    return dict(line.split("=", 1) for line in output.splitlines() if "=" in line and " " not in line)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("../x", "must be a file name"), ("a/b", "must be a file name"), ("a\\b", "must be a file name"),
        ("a\x1b[1m", "must be a file name"), ("a\u202eb", "must be a file name"), ("é" * 61, "at most 120 bytes"),
        ("", "must not be empty"), (".", "must not be empty"), ("a.", "end with a dot"), (" a", "begin or end"),
        ("index", "cannot be called 'index'"), ("aux", "Windows reserves 'aux'"), ("verdicts", "cannot be called"),
        ("{foo}", r"may contain \{model\} and \{suite\}"), ("a.json", "leave that out"),
    ],
)  # fmt: skip
def test_a_name_that_is_no_file_name_is_rejected(name, message):
    with pytest.raises(InputError, match=message):
        check_run_name(name)


def test_the_path_of_a_named_run_does_not_depend_on_what_ran_before(here, capsys):
    for dataset in ("core", "pairs.jsonl", "core"):
        arguments = ["--model", "baseline/longest", "--dataset", dataset, "--limit", "4", "--name", "nightly"]
        code, out, _ = run(capsys, *arguments)
        assert (code, values(out)["results"]) == (0, "results/nightly.json")
        assert read_summary(here / "results" / "nightly.json")["suite"] == dataset
    assert sorted(path.name for path in (here / "results").iterdir()) == ["nightly.json", "nightly_outputs.jsonl"]
    (result,) = json.loads(run(capsys, "compare", *["results/nightly.json"] * 3, "--json")[1])[:1]
    assert result["model"] == "baseline/longest"


def test_a_name_is_filled_in_for_each_suite(here, capsys):
    code, out, _ = run(capsys, *LONGEST[:2], "--dataset", "core,core-style", "--sample", "30", "--name", "{model}-a")
    assert code == 0
    assert "results=results/baseline/longest-a.core.json\n" in out
    assert "results=results/baseline/longest-a.core-style.json\n" in out


def test_a_file_that_is_no_result_is_not_replaced(here, capsys):
    (here / "results").mkdir()
    (here / "results" / "x.json").write_text("{}")
    code, _, error = run(capsys, *LONGEST, "--name", "x")
    assert (code, "is not a result: move it, or pass another --name" in error) == (2, True)
    assert (here / "results" / "x.json").read_text() == "{}"


def test_a_bucket_replaces_the_result_of_that_name():
    from fsspec.implementations.memory import MemoryFileSystem

    bucket = Bucket("gs://bucket/names", MemoryFileSystem(skip_instance_cache=True))
    store = ObjectStore(bucket)
    for share, suite in ((0.5, singles(20)), (0.9, singles(30))):
        result = assemble(suite, "org/m", "Seq. Classifier", scores(suite, share), {})
        assert store.put(result, suite, key="nightly") == "gs://bucket/names/nightly.json"
    assert store.list() == ["nightly"]
    assert len(store.get("nightly").items) == 30
    bucket.write("x.json", b"{}")
    with pytest.raises(InputError, match=r"x\.json in gs://bucket/names is not a result"):
        store.put(result, suite, key="x")


def test_python_and_merge_take_the_name(here, capsys):
    assert evaluate(*LONGEST[1::2]).save("out", name="{suite}-a") == "out/pairs.jsonl-a.json"
    for part in ("0/2", "1/2"):
        assert run(capsys, *LONGEST, "--shard", part, "--output_dir", "shards")[0] == 0
    code, out, _ = run(capsys, "merge", "shards", "--name", "whole")
    assert (code, values(out)["results"]) == (0, "results/whole.json")
    code, _, error = run(capsys, *LONGEST, "--shard", "0/2", "--name", "a")
    assert (code, "pass --name to rewardbench merge" in error) == (2, True)
