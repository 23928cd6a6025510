import errno
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from rewardbench import results
from rewardbench.errors import InputError
from rewardbench.metrics import rule_of, summarize
from rewardbench.store import local as store
from rewardbench.store import open_store, safe_name
from rewardbench.types import Item, ItemScores, Result, Suite

ANSWERS = tuple(({"role": "assistant", "content": text},) for text in ("yes", "no"))
SUITE = Suite("toy", "r1", (Item("1", "a", ({"role": "user", "content": "q"},), ANSWERS),), {})


def result_of(model="org/model", chosen=1.0, fingerprint="ab", suite=SUITE):
    scores = (ItemScores("1", (chosen, 0.0), tokens=(1, 1), texts=("yes", "no")),)
    estimates = summarize(suite, scores)
    figures = (estimates.score, estimates.accuracy, estimates.sections, estimates.subsets, estimates.mirrors, scores)
    return Result(suite.name, suite.revision, model, "Seq. Classifier", *figures, {"fingerprint_sha256": fingerprint})


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_put_get_list(tmp_path):
    local_store = open_store(tmp_path / "new" / "results")
    path = local_store.put(result_of(), SUITE)
    assert path == str(tmp_path / "new" / "results" / "org" / "model.json")
    assert files(local_store.root) == ["org/model.json", "org/model_outputs.jsonl"]
    local_store.put(result_of("tiny-rm"), SUITE)
    assert local_store.list() == ["org/model", "tiny-rm"]
    assert local_store.get("org/model") == result_of()


def test_missing_folder_is_an_empty_store(tmp_path):
    assert open_store(str(tmp_path / "none")).list() == []


def test_unknown_address_is_not_a_store():
    with pytest.raises(InputError, match="is not a store"):
        open_store("ftp://host/x")


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("tiny-rm", "tiny-rm"),
        ("baseline/longest", "baseline/longest"),
        ("org/Llama-3.1-8B", "org/Llama-3.1-8B"),
        ("/models/run-7", "run-7"),
        ("~/run", "run"),
        ("./out/ckpt/", "ckpt"),
        ("a/b/c", "c"),
        ("..\\..\\evil", "evil"),
        ("../evil", "evil"),
        ("org/..", "org"),
        ("org/../../evil", "evil"),
        ("", "model"),
        ("/", "model"),
        ("org/.hidden", "org/hidden"),
        ("a\x00b:c\n", "a_b_c_"),
        ("x" * 300, "x" * 120),
    ],
)
def test_safe_names(model, expected):
    assert str(safe_name(model)) == expected


def test_local_folder_is_named_by_its_last_part(tmp_path, monkeypatch):
    (tmp_path / "runs" / "ckpt").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "runs")
    assert str(safe_name("ckpt")) == str(safe_name(".././runs/ckpt/")) == "ckpt"
    assert str(safe_name(".")) == "runs"
    monkeypatch.chdir(tmp_path)
    assert str(safe_name("runs/ckpt")) == "ckpt"


@pytest.mark.parametrize("model", ["../../out", "/etc/passwd", "..", "org/../../../out", "a\x00/b"])
def test_nothing_is_written_outside_the_store(tmp_path, model):
    local_store = open_store(tmp_path / "deep" / "store")
    path = local_store.put(result_of(model), SUITE)
    assert os.path.realpath(path).startswith(f"{local_store.root}{os.sep}")
    assert all(name.startswith("deep/store/") for name in files(tmp_path))


@pytest.mark.parametrize("key", ["../model", "/etc/hosts", "org/../../model"])
def test_nothing_is_read_outside_the_store(tmp_path, key):
    open_store(tmp_path).put(result_of("model"), SUITE)
    (tmp_path / "in").mkdir()
    with pytest.raises(InputError, match="outside the store"):
        open_store(tmp_path / "in").get(key)


def test_rerun_replaces_its_own_result(tmp_path):
    local_store = open_store(tmp_path)
    first, second = local_store.put(result_of(chosen=1.0), SUITE), local_store.put(result_of(chosen=-1.0), SUITE)
    assert first == second
    assert files(tmp_path) == ["org/model.json", "org/model_outputs.jsonl"]
    assert local_store.get("org/model").accuracy.value == 0.0


def test_results_of_other_weights_revisions_and_suites_are_kept(tmp_path):
    local_store = open_store(tmp_path)
    other_suites = [replace(SUITE, revision="r2"), replace(SUITE, name="org/else")]
    kinds = [(result_of(), SUITE), (result_of(fingerprint="cd"), SUITE)]
    kinds += [(result_of(suite=suite), suite) for suite in other_suites]
    paths = [local_store.put(result, suite) for result, suite in kinds]
    for result, suite in kinds:
        local_store.put(result, suite)
    digits = [results.identity(results.to_summary(result))[:8] for result, _ in kinds]
    names = ["model", f"model.toy-{digits[1]}", f"model.toy-{digits[2]}", f"model.org-else-{digits[3]}"]
    assert paths == [str(tmp_path / "org" / f"{name}.json") for name in names]
    assert local_store.list() == sorted(f"org/{name}" for name in names)
    assert [local_store.get(f"org/{name}") for name in names] == [result for result, _ in kinds]
    assert len(files(tmp_path)) == 8


@pytest.mark.parametrize("content", ["", "{", '{"accuracy": 0.5}', '{"schema": 99}'])
def test_foreign_summary_is_kept(tmp_path, content):
    (tmp_path / "model.json").write_text(content)
    path = open_store(tmp_path).put(result_of("model"), SUITE)
    assert (tmp_path / "model.json").read_text() == content
    assert os.path.basename(path).startswith("model.toy-")
    assert open_store(tmp_path).list() == [os.path.basename(path).removesuffix(".json")]


def test_foreign_outputs_are_kept(tmp_path):
    (tmp_path / "model_outputs.jsonl").write_text("theirs")
    open_store(tmp_path).put(result_of("model"), SUITE)
    assert (tmp_path / "model_outputs.jsonl").read_text() == "theirs"
    assert len(files(tmp_path)) == 3


def test_nothing_is_written_if_every_name_is_taken(tmp_path):
    identity = results.identity(results.to_summary(result_of("model")))
    for name in ("model", f"model.toy-{identity[:8]}", f"model.toy-{identity}"):
        (tmp_path / f"{name}.json").write_text("theirs")
    with pytest.raises(InputError, match="is in the way"):
        open_store(tmp_path).put(result_of("model"), SUITE)
    assert len(files(tmp_path)) == 3


def test_full_disk_is_a_one_line_error_and_leaves_no_file(tmp_path, monkeypatch):
    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(store.os, "fsync", full)
    with pytest.raises(InputError, match=r"disk of .* is full"):
        open_store(tmp_path).put(result_of(), SUITE)
    assert files(tmp_path) == []


def test_disk_full_during_backup_keeps_the_earlier_result(tmp_path, monkeypatch):
    from rewardbench.store import atomic

    local_store = open_store(tmp_path)
    local_store.put(result_of(chosen=1.0), SUITE)

    def half(source, to):
        Path(to).write_bytes(Path(source).read_bytes()[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(atomic.shutil, "copyfile", half)
    with pytest.raises(InputError, match="full"):
        local_store.put(result_of(chosen=-1.0), SUITE)
    monkeypatch.undo()
    assert local_store.get("org/model") == result_of(chosen=1.0)
    assert len(files(tmp_path)) == 2


def test_reader_retries_if_the_result_is_replaced(tmp_path, monkeypatch):
    local_store = open_store(tmp_path)
    local_store.put(result_of(chosen=1.0), SUITE)
    read = results.read_result

    def meets_a_writer(path):
        monkeypatch.setattr(results, "read_result", read)
        local_store.put(result_of(chosen=-1.0), SUITE)
        raise InputError("the rows are not those of the summary")

    monkeypatch.setattr(results, "read_result", meets_a_writer)
    assert local_store.get("org/model") == result_of(chosen=-1.0)


def test_foreign_table_is_not_overwritten(tmp_path):
    foreign = tmp_path / "org" / "model.parquet"
    foreign.parent.mkdir()
    foreign.write_text("of somebody")
    open_store(tmp_path).put(result_of(), SUITE)
    assert foreign.read_text() == "of somebody"


def test_full_disk_keeps_the_earlier_result(tmp_path, monkeypatch):
    local_store, calls = open_store(tmp_path), []
    local_store.put(result_of(chosen=1.0), SUITE)

    def full_at_the_second_file(handle):
        calls.append(handle)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(store.os, "fsync", full_at_the_second_file)
    with pytest.raises(InputError, match="full"):
        local_store.put(result_of(chosen=-1.0), SUITE)
    assert local_store.get("org/model") == result_of(chosen=1.0)
    assert len(files(tmp_path)) == 2


@pytest.mark.parametrize("error", [OSError(errno.EIO, "Input/output error"), KeyboardInterrupt()])
@pytest.mark.parametrize("earlier", [True, False])
@pytest.mark.parametrize("target", ["model.json", "model_outputs.jsonl"])
def test_failed_move_is_rolled_back(tmp_path, monkeypatch, error, earlier, target):
    local_store, replace_file = open_store(tmp_path), os.replace
    if earlier:
        local_store.put(result_of(chosen=1.0), SUITE)

    def fail_once(source, to):
        if os.path.basename(to) == target and "spare" not in os.path.basename(source):
            raise error
        replace_file(source, to)

    monkeypatch.setattr(store.os, "replace", fail_once)
    with pytest.raises(InputError if isinstance(error, OSError) else KeyboardInterrupt):
        local_store.put(result_of(chosen=-1.0), SUITE)
    assert len(files(tmp_path)) == (2 if earlier else 0)
    if earlier:
        assert local_store.get("org/model") == result_of(chosen=1.0)


@pytest.mark.parametrize("earlier", [True, False])
@pytest.mark.parametrize("target", ["model.json", "model_outputs.jsonl", "model_answers.jsonl"])
def test_failed_move_keeps_the_answers_of_the_earlier_result(tmp_path, monkeypatch, earlier, target):
    def with_answer(text):
        result = result_of()
        answers = ({"id": "1", "shown": [0, 1], "repeat": 0, "answer": {"text": text}},)
        return replace(result, items=(replace(result.items[0], answers=answers),))

    local_store, replace_file = open_store(tmp_path), os.replace
    if earlier:
        local_store.put(with_answer("A"), SUITE)
    contents = {name: (tmp_path / name).read_bytes() for name in files(tmp_path)}
    assert len(contents) == (3 if earlier else 0)

    def fail_once(source, to):
        if os.path.basename(to) == target and "spare" not in os.path.basename(source):
            raise OSError(errno.EIO, "Input/output error")
        replace_file(source, to)

    monkeypatch.setattr(store.os, "replace", fail_once)
    with pytest.raises(InputError):
        local_store.put(with_answer("B"), SUITE)
    assert {name: (tmp_path / name).read_bytes() for name in files(tmp_path)} == contents
    monkeypatch.undo()
    local_store.put(with_answer("B"), SUITE)
    assert b'"B"' in (tmp_path / "org" / "model_answers.jsonl").read_bytes()
    assert len(files(tmp_path)) == 3


def test_foreign_answers_are_kept(tmp_path):
    foreign = tmp_path / "org" / "model_answers.jsonl"
    foreign.parent.mkdir()
    foreign.write_text("of somebody")
    open_store(tmp_path).put(result_of(), SUITE)
    assert foreign.read_text() == "of somebody"
    assert len(files(tmp_path)) == 3


def test_unwritable_folder_is_a_one_line_error(tmp_path):
    (tmp_path / "results").write_text("a file")
    with pytest.raises(InputError, match=r"cannot be written to .*results.* name another output folder"):
        open_store(tmp_path / "results").put(result_of(), SUITE)
    assert (tmp_path / "results").read_text() == "a file"


def test_concurrent_writers_keep_every_result(tmp_path, monkeypatch):
    def choose_slowly(*arguments, choose=store._choose_path):
        path = choose(*arguments)
        time.sleep(0.01)  # long enough for another writer to choose the same name
        return path

    monkeypatch.setattr(store, "_choose_path", choose_slowly)
    local_store = open_store(tmp_path)
    jobs = [result_of("model", chosen=float(k), fingerprint=str(k % 8)) for k in range(1, 49)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda result: local_store.put(result, SUITE), jobs))
    stored = [local_store.get(key) for key in local_store.list()]
    assert sorted(stored_result.manifest["fingerprint_sha256"] for stored_result in stored) == [
        str(k) for k in range(8)
    ]
    assert len(files(tmp_path)) == 16


def test_summary_is_readable_by_scripts_for_rewardbench_0_1(tmp_path):
    path = open_store(tmp_path).put(result_of("m"), SUITE)
    with open(path) as file:
        assert json.load(file)["accuracy"] == 1.0
    with open(tmp_path / "m_outputs.jsonl") as file:
        rows = [json.loads(line) for line in file]
    assert [(row["results"], row["scores_chosen"], row["text_rejected"]) for row in rows] == [(1, 1.0, "no")]


def test_draft_becomes_the_outputs_of_its_result(tmp_path):
    plain = open_store(tmp_path / "plain").put(result_of("m"), SUITE)
    local_store = open_store(tmp_path / "drafted")
    with local_store.draft() as draft:
        for item, item_scores in zip(SUITE.items, result_of("m").items, strict=True):
            draft.add(item, item_scores, rule_of(SUITE, item.subset))
        path = local_store.put(result_of("m"), SUITE, draft)
    for plain_file, drafted_file in zip(
        sorted((tmp_path / "plain").iterdir()), sorted((tmp_path / "drafted").iterdir()), strict=True
    ):
        assert plain_file.name == drafted_file.name
        assert plain_file.read_bytes() == drafted_file.read_bytes()
    assert (Path(plain).name, local_store.get("m").items) == (Path(path).name, result_of("m").items)


def test_discarded_draft_leaves_no_file(tmp_path):
    local_store = open_store(tmp_path / "new")
    with local_store.draft():
        pass
    assert not (tmp_path / "new").exists()
    with local_store.draft() as draft:
        draft.add(SUITE.items[0], result_of().items[0], rule_of(SUITE, SUITE.items[0].subset))
        assert len(files(tmp_path / "new")) == 1
    assert not (tmp_path / "new").exists()


def test_drafts_of_killed_runs_are_deleted(tmp_path):
    gone, mine = tmp_path / ".999999999.ab.outputs.tmp", tmp_path / f".{os.getpid()}.ab.outputs.tmp"
    gone.write_text("half")
    mine.write_text("of another thread")
    elsewhere = tmp_path / ".999999999-0123abcd.ab.outputs.tmp"
    elsewhere.write_text("of another machine, which writes to the same folder")
    with open_store(tmp_path).draft() as draft:
        draft.add(SUITE.items[0], result_of().items[0], rule_of(SUITE, SUITE.items[0].subset))
    assert not gone.exists()
    assert mine.exists()
    assert elsewhere.exists()
