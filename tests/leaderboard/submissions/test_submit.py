"""Test what is published: packed results, pull requests, datasets of scores and model cards."""

import json
import shlex
from pathlib import Path

import pytest
from hub_server import WHERE

from rewardbench import results
from rewardbench.cli.main import main
from rewardbench.errors import InputError
from rewardbench.leaderboard.submissions.package import describe_submission, pack_submission, pull_request_text
from rewardbench.models.fingerprint import digest
from rewardbench.results.read import sha256_of
from rewardbench.results.scored import read_scored
from rewardbench.store import LocalStore


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    output = capsys.readouterr()
    return stop.value.code, output.out, output.err


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """Score a baseline on core by the command line."""
    folder = tmp_path_factory.mktemp("scored")
    with pytest.raises(SystemExit):
        main(["--model", "baseline/random", "--output_dir", str(folder), "--no_cache"])
    return folder / "baseline" / "random.json"


def test_packed_result_has_no_texts_and_no_local_paths(scored, tmp_path):
    summary = json.loads(scored.read_bytes())
    summary["model"] = summary["manifest"]["model"]["model"] = str(tmp_path / "my" / "model")
    summary["manifest"]["model"]["tokenizer"] = summary["tokenizer"] = summary["model"]
    summary["manifest"]["command"] = f"rewardbench --model {tmp_path}/my/model --dataset core"
    summary["manifest"]["notes"] += [f"It was applied to its base {tmp_path}/base-7b.", "See https://host/org/name."]
    moved = tmp_path / "model.json"
    moved.write_text(json.dumps(summary))
    results.outputs_path(moved).write_bytes(results.outputs_path(scored).read_bytes())
    summary, table, _ = pack_submission(moved, "org/mine", "mit")
    words = json.dumps(summary)
    assert str(tmp_path) not in words
    assert summary["model"] == "org/mine"
    assert summary["manifest"]["model"]["license"] == "mit"
    assert "rewardbench --model org/mine --dataset core" in words
    assert summary["manifest"]["notes"][-2:] == ["It was applied to its base base-7b.", "See https://host/org/name."]
    place = tmp_path / "sent.json"
    place.write_text(words)
    results.table_path(place).write_bytes(table)
    before, after = read_scored(scored), read_scored(place)
    assert [item.scores for item in before.items] == [item.scores for item in after.items]
    assert not any(completion[0]["content"] for item in after.suite.items for completion in item.completions)


def test_the_reason_of_an_unscored_item_has_no_local_path(scored, tmp_path):
    summary = json.loads(scored.read_bytes())
    rows = list(map(json.loads, results.outputs_path(scored).read_text().splitlines()))
    rows[0] |= {"reason": f"The chat template of {tmp_path}/my/model prints no tools.", "scores": [None, None]}
    moved = tmp_path / "model.json"
    results.outputs_path(moved).write_text("".join(json.dumps(row) + "\n" for row in rows))
    summary["outputs_sha256"] = sha256_of(results.outputs_path(moved))
    moved.write_text(json.dumps(summary))
    entry = pack_submission(moved, "org/mine")
    results.table_path(tmp_path / "sent.json").write_bytes(entry.table)
    (tmp_path / "sent.json").write_text(json.dumps(entry.summary))
    assert read_scored(tmp_path / "sent.json").items[0].reason == "The chat template of model prints no tools."


def test_submission_is_described_before_it_is_sent(scored):
    entry = pack_submission(scored)
    summary = dict(line.split("=", 1) for line in describe_submission(entry))
    assert summary["model"] == "baseline/random"
    assert summary["suite"].startswith("core@")
    assert int(summary["scores_bytes"]) == len(entry[1])
    assert "| Chat |" in pull_request_text(entry)


def test_valid_result_is_added_to_a_folder_and_a_malformed_one_is_not(scored, tmp_path, capsys):
    code, out, _ = run(capsys, "submit", scored, "--store", tmp_path / "store", "--name", "org/mine")
    assert (code, "verdict=passed" in out, "key=org/mine" in out) == (0, True, True)
    assert f"submitted={tmp_path / 'store' / 'org' / 'mine.json'}" in out.splitlines()
    assert (tmp_path / "store" / "org" / "mine.json").is_file()
    summary = json.loads(scored.read_bytes())
    summary["score"]["value"] += 0.01
    spoiled = tmp_path / "spoiled.json"
    spoiled.write_text(json.dumps(summary))
    results.outputs_path(spoiled).write_bytes(results.outputs_path(scored).read_bytes())
    code, out, err = run(capsys, "submit", spoiled, "--store", tmp_path / "other", "--name", "org/mine")
    assert (code, "the items give" in out, err.count("\n")) == (2, True, 1)
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("forged", ["no rules", "weightless"])
def test_rules_in_the_file_are_ignored(scored, tmp_path, capsys, forged):
    from rewardbench.leaderboard.refresh import refresh
    from rewardbench.store import LocalStore

    summary = json.loads(scored.read_bytes())
    true = summary["score"]["value"]
    if forged == "no rules":
        del summary["manifest"]["suite"]
    else:
        rules = summary["manifest"]["suite"]["rules"]
        summary["manifest"]["suite"]["rules"] = {name: ["Ties", "strict", None] for name in rules}
    place = tmp_path / "store" / "m.json"
    place.parent.mkdir()
    place.write_text(json.dumps(summary))
    results.outputs_path(place).write_bytes(results.outputs_path(scored).read_bytes())
    (row,) = refresh(LocalStore(place.parent)).rows
    assert row.score.value == pytest.approx(true)
    assert row.rank_range is None
    code, out, _ = run(capsys, "submit", place, "--store", tmp_path / "x", "--name", "org/m", "--dry_run")
    assert (code, "verdict=passed" in out) == (0, True), "the stated figures are the true ones"
    summary["score"]["value"] = 0.9
    place.write_text(json.dumps(summary))
    assert run(capsys, "submit", place, "--store", tmp_path / "x", "--name", "org/m", "--dry_run")[0] == 2


def test_dry_run_sends_nothing(scored, tmp_path, capsys):
    assert run(capsys, "submit", scored, "--store", tmp_path / "store", "--dry_run")[0] == 0
    assert not (tmp_path / "store").exists()


def test_copy_under_another_name_is_flagged_on_submission(scored, tmp_path, capsys):
    store = tmp_path / "store"
    assert run(capsys, "submit", scored, "--store", store, "--name", "org/one")[0] == 0
    code, out, _ = run(capsys, "submit", scored, "--store", store, "--name", "org/two")
    assert (code, "verdict=flagged" in out, "org/one" in out, "key=" in out) == (3, True, True, False)
    assert not (store / "org" / "two.json").exists()
    code, out, _ = run(capsys, "submit", scored, "--store", store, "--name", "org/two", "--replace")
    assert (code, "key=org/two" in out) == (0, True)


def test_original_is_not_flagged_for_a_later_copy(scored, tmp_path, capsys):
    store = LocalStore(tmp_path / "store")
    for name, fingerprint in (("org/one", "1"), ("lab/two", "2")):
        summary, table, _ = pack_submission(scored, name)
        model_fingerprint = {"kind": "baseline/random", "seed": 0, "run": fingerprint}
        manifest = {
            **summary["manifest"],
            "fingerprint": model_fingerprint,
            "fingerprint_sha256": digest(model_fingerprint),
        }
        store.add([({**summary, "manifest": manifest}, table)])
    code, out, _ = run(capsys, "verify", store.path("org/one"), "--store", store.root)
    assert (code, "findings=0" in out) == (0, True), out
    code, out, _ = run(capsys, "verify", store.path("lab/two"), "--store", store.root)
    assert (code, "those of org/one" in out) == (3, True), out


def test_changed_result_is_flagged_and_an_identical_one_is_not(scored, tmp_path, capsys):
    store = tmp_path / "store"
    assert run(capsys, "submit", scored, "--store", store)[0] == 0
    before = (store / "baseline" / "random.json").read_bytes()
    assert run(capsys, "submit", scored, "--store", store)[0] == 0
    code, out, _ = run(capsys, "submit", scored, "--store", store, "--license", "mit")
    assert (code, "would replace baseline/random" in out, "manifest.model.license" in out) == (3, True, True), out
    assert (store / "baseline" / "random.json").read_bytes() == before
    assert run(capsys, "submit", scored, "--store", store, "--license", "mit", "--replace")[0] == 0
    assert (store / "baseline" / "random.json").read_bytes() != before


def test_folder_replaces_nothing_without_replace(scored, tmp_path):
    store = LocalStore(tmp_path / "store")
    summary, table, _ = pack_submission(scored)
    assert store.add([(summary, table)], replace=False) == ["baseline/random"]
    assert store.add([(summary, table)], replace=False) == ["baseline/random"]
    before = store.path("baseline/random").read_bytes()
    with pytest.raises(InputError, match="it was not replaced"):
        store.add([({**summary, "date": "2025-01-01"}, table)], replace=False)
    assert store.path("baseline/random").read_bytes() == before


def test_dry_run_changes_no_file_of_the_store(scored, tmp_path, capsys):
    store = tmp_path / "store"
    run(capsys, "submit", scored, "--store", store)
    before = {path: path.stat().st_mtime_ns for path in store.rglob("*")}
    code, out, _ = run(capsys, "submit", scored, "--store", store, "--dry_run", "--name", "org/x")
    assert (code, "verdict=flagged" in out) == (3, True)
    assert {path: path.stat().st_mtime_ns for path in store.rglob("*")} == before


def test_published_command_is_quoted_and_unknown_license_is_removed(scored, tmp_path):
    summary = json.loads(scored.read_bytes())
    folder = str(tmp_path / "my models" / "m")
    summary["model"] = summary["manifest"]["model"]["model"] = folder
    summary["manifest"]["model"] |= {"license": "my-own-terms", "base_model": "/models/base"}
    summary["manifest"]["command"] = shlex.join(["rewardbench", "--model", folder, "--dataset", "core"])
    moved = tmp_path / "model.json"
    moved.write_text(json.dumps(summary))
    results.outputs_path(moved).write_bytes(results.outputs_path(scored).read_bytes())
    summary, *_ = pack_submission(moved, "org/mine")
    assert summary["manifest"]["command"] == "rewardbench --model org/mine --dataset core"
    assert not {"license", "base_model"} & summary["manifest"]["model"].keys()


def test_a_submission_to_the_hub_is_a_pull_request(scored, hub, capsys):
    code, out, _ = run(capsys, "submit", scored, "--store", WHERE, "--name", "org/mine")
    assert (code, "pull_request=" in out) == (0, True)
    assert sorted(hub.repos["org/results"].pulls[1]) == ["org/mine.json", "org/mine.parquet"]
    code, out, _ = run(capsys, "verify", f"{WHERE}@refs/pr/1", "--merge")
    assert (code, "verdict=passed" in out, "merged=" in out) == (0, True, True)
    code, out, _ = run(capsys, "submit", scored, "--store", WHERE, "--name", "org/copy")
    assert code == 0
    code, out, _ = run(capsys, "verify", f"{WHERE}@refs/pr/2", "--merge")
    assert (code, "and the same scores" in out, "merged=" in out) == (3, True, False)
    assert hub.repos["org/results"].closed == {1}


def test_result_without_items_cannot_be_submitted(tmp_path):
    path = tmp_path / "x.json"
    summary = {"schema": 1, "manifest": {}, "suite": "core", "revision": "1", "model": "m"}
    path.write_text(json.dumps({**summary, results.OUTPUTS_HASH: None}))
    with pytest.raises(InputError, match="no per-item scores"):
        pack_submission(path)


def test_results_are_pushed_to_the_users_dataset(hub, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, _ = run(capsys, "--model", "baseline/random", "--limit", 4, "--push_results_to_hub", "--hf_name", "mine")
    assert (code, "pushed=" in out) == (0, True)
    repo = hub.repos["me/mine"]
    assert sorted(repo.trees[repo.refs["main"]]) == ["random.json", "random_outputs.jsonl"]


def test_model_card_gets_the_estimates(hub, tmp_path):
    from huggingface_hub import HfApi, ModelCard

    from rewardbench.results import assemble
    from rewardbench.results.export import write_card
    from rewardbench.types import Item, ItemScores, Suite

    HfApi().create_repo("me/model")
    items = tuple(Item(str(n), "Math", (), ((), ())) for n in range(4))
    suite = Suite("reward-bench-2", "c" * 40, items, {})
    item_scores = [ItemScores(str(n), (float(n), 1.0)) for n in range(4)]
    assert write_card(assemble(suite, "me/model", "DPO", item_scores, {})).endswith("/me/model")
    repo = hub.repos["me/model"]
    files = repo.trees[repo.refs["main"]]
    assert ".eval_results/rewardbench-reward-bench-2.yaml" in files
    import yaml
    from huggingface_hub import parse_eval_result_entries

    entries = parse_eval_result_entries(yaml.safe_load(files[".eval_results/rewardbench-reward-bench-2.yaml"]))
    assert {(entry.dataset_id, entry.task_id, entry.value) for entry in entries} == {
        ("allenai/reward-bench-2", "score", 50.0),
        ("allenai/reward-bench-2", "accuracy", 50.0),
        ("allenai/reward-bench-2", "Math", 50.0),
    }
    evaluations = ModelCard(files["README.md"].decode()).data.eval_results
    assert {(entry.metric_name, entry.metric_value) for entry in evaluations} == {
        ("score", 0.5),
        ("accuracy", 0.5),
        ("Math", 0.5),
    }


def test_missing_login_is_reported_before_scoring(hub, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, err = run(capsys, "--model", "tiny-rm", "--upload_model_metadata_to_hf")
    assert (code, "not a model on the Hub" in err, err.count("\n")) == (2, True, 2)
    hub.fault = 401
    code, _, err = run(capsys, "--model", "baseline/random", "--push_results_to_hub")
    assert (code, "set HF_TOKEN" in err) == (2, True)
    assert not Path("results").exists()
