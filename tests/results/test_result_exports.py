"""Test results in the formats of other programs: evaluation results of the Hub, Every Eval Ever, and badges."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml
from huggingface_hub import parse_eval_result_entries
from repository import ROOT
from synthetic import mirrors, scores, store

from rewardbench.cli.main import main
from rewardbench.results import read_result
from rewardbench.results.every_eval_ever import to_evaluation_log
from rewardbench.results.export import benchmark_tasks, encode_eval_results

DEMO = ROOT / "leaderboard" / "demo" / "tiny-rm.json"
HARD = next((ROOT / "leaderboard" / "demo").glob("tiny-rm.core-hard-*.json"))
BENCHMARK = yaml.safe_load((ROOT / "data" / "eval.yaml").read_text())


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as stop:
        main(["export", *map(str, arguments)])
    printed = capsys.readouterr()
    return stop.value.code, printed.out, printed.err


def test_every_task_of_the_benchmark_is_a_configuration_of_the_dataset():
    card = yaml.safe_load((ROOT / "data" / "README.md").read_text().split("---\n")[1])
    splits = {config["config_name"]: {file["split"] for file in config["data_files"]} for config in card["configs"]}
    ids = [task["id"] for task in BENCHMARK["tasks"]]
    assert len(set(ids)) == len(ids)
    for task in BENCHMARK["tasks"]:
        assert task["split"] in splits[task["config"]]
        assert re.fullmatch(r"[a-z_]+", task["id"])
    assert set(BENCHMARK) == {"name", "description", "tasks"}


def test_every_task_of_the_benchmark_is_written_by_a_suite():
    written = [task for suite in ("core", "core-style", "core-hard") for task in benchmark_tasks(suite).values()]
    assert sorted(written) == sorted(task["id"] for task in BENCHMARK["tasks"])


@pytest.mark.parametrize("path", [DEMO, HARD])
def test_results_of_an_embedded_suite_have_the_task_ids_of_the_benchmark(path, tmp_path, capsys):
    code, out, _ = run(
        capsys, path, "--to", "eval_results", "--dataset_id", "org/rewardbench-core", "--output", tmp_path
    )
    written = Path(out.strip().removeprefix("file="))
    summary = json.loads(path.read_bytes())
    assert code == 0
    assert written == tmp_path / ".eval_results" / f"rewardbench-{summary['suite']}.yaml"
    entries = {entry.task_id: entry for entry in parse_eval_result_entries(yaml.safe_load(written.read_text()))}
    prefix = summary["suite"].replace("-", "_")
    assert set(entries) == {task["id"] for task in BENCHMARK["tasks"]} & set(benchmark_tasks(summary["suite"]).values())
    assert entries[prefix].value == pytest.approx(100 * summary["score"]["value"], abs=1e-3)
    assert entries[f"{prefix}_turn"].value == pytest.approx(100 * summary["turn"]["score"]["value"], abs=1e-3)
    assert {entry.dataset_id for entry in entries.values()} == {"org/rewardbench-core"}
    assert summary["revision"] in entries[prefix].notes
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", entries[prefix].date)


def test_dataset_of_an_embedded_suite_must_be_named(tmp_path, capsys):
    code, _, err = run(capsys, DEMO, "--to", "eval_results", "--output", tmp_path)
    assert (code, err.count("\n"), "--dataset_id" in err) == (2, 1, True)
    assert list(tmp_path.iterdir()) == []
    assert encode_eval_results(read_result(DEMO)) == b""


def test_results_of_a_part_of_a_suite_are_not_exported(tmp_path, capsys):
    summary = json.loads(DEMO.read_bytes())
    path = tmp_path / "part.json"
    path.write_text(json.dumps(summary | {"revision": summary["revision"] + "+limit=20"}))
    path.with_suffix(".parquet").write_bytes(DEMO.with_suffix(".parquet").read_bytes())
    code, _, err = run(capsys, path, "--to", "badge", "--output", tmp_path)
    assert (code, "a part of the suite (limit=20)" in err) == (2, True)


TEXT, NUMBER, OBJECT = str, (int, float), dict
RECORD = {
    "schema_version": TEXT,
    "evaluation_id": TEXT,
    "retrieved_timestamp": TEXT,
    "source_metadata": OBJECT,
    "eval_library": OBJECT,
    "model_info": OBJECT,
    "evaluation_results": list,
}
"""Required fields of a record of schema 0.3.0, with their types; it has no others at this level but optional ones."""
REQUIRED = {
    "source_metadata": {"source_type": TEXT, "source_organization_name": TEXT, "evaluator_relationship": TEXT},
    "eval_library": {"name": TEXT, "version": TEXT},
    "model_info": {"name": TEXT, "id": TEXT, "additional_details": OBJECT},
}
EVALUATION = {"evaluation_name": TEXT, "source_data": OBJECT, "metric_config": OBJECT, "score_details": OBJECT}


def check_types(record, types):
    for name, kind in types.items():
        assert isinstance(record[name], kind), name


def test_record_has_the_required_fields_of_every_eval_ever(tmp_path, capsys):
    code, out, _ = run(
        capsys, DEMO, "--to", "every_eval_ever", "--organization", "Example Lab", "--name", "org/tiny-rm",
        "--relationship", "third_party", "--output", tmp_path,
    )  # fmt: skip
    path = Path(out.strip().removeprefix("file="))
    assert code == 0
    assert path.parent == tmp_path / "data" / "rewardbench-core" / "org" / "tiny-rm"
    uuid = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\.json"
    assert re.fullmatch(uuid, path.name)
    record, summary = json.loads(path.read_bytes()), json.loads(DEMO.read_bytes())
    assert set(record) == set(RECORD)
    check_types(record, RECORD)
    for name, types in REQUIRED.items():
        check_types(record[name], types)
    assert record["schema_version"] == "0.3.0"
    assert record["source_metadata"]["source_type"] == "evaluation_run"
    assert record["source_metadata"]["evaluator_relationship"] == "third_party"
    details = record["model_info"]["additional_details"]
    assert (details["deployment_type"], details["model_availability"]) == ("self_deployed", "unknown")
    assert all(isinstance(value, str) for value in details.values())
    for evaluation in record["evaluation_results"]:
        check_types(evaluation, EVALUATION)
        config, score = evaluation["metric_config"], evaluation["score_details"]
        assert (config["lower_is_better"], config["score_type"]) == (False, "continuous")
        assert config["min_score"] <= score["score"] <= config["max_score"]
        interval = score["uncertainty"]["confidence_interval"]
        assert interval["lower"] <= score["score"] <= interval["upper"]
        assert evaluation["source_data"]["source_type"] == "other"
    headline, *sections, turn = record["evaluation_results"]
    assert headline["score_details"]["score"] == summary["score"]["value"]
    assert headline["metric_config"]["metric_id"] == "rewardbench.mirror_accuracy"
    assert len(sections) == 4
    assert turn["score_details"]["score"] == summary["turn"]["score"]["value"]


def test_the_same_record_has_the_same_path(tmp_path):
    from rewardbench.results.every_eval_ever import datastore_path

    result = read_result(store(tmp_path, mirrors(4), scores(mirrors(4), 0.6), "org/m"))
    first = to_evaluation_log(result, "Lab", now=7.0)
    assert datastore_path(first, result.suite) == datastore_path(to_evaluation_log(result, "Lab", now=7.0), "toy")
    assert datastore_path(first, result.suite) != datastore_path(to_evaluation_log(result, "Lab", now=8.0), "toy")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--name", "org/m"], "--organization"),
        (["--organization", "Lab"], "tiny-rm is not the name of a model as org/name"),
        (["--organization", "Lab", "--name", "../../x"], "is not the name of a model"),
        (["--organization", "Lab", "--name", "/etc/passwd"], "is not the name of a model"),
        (["--organization", "Lab", "--name", "org/.."], "is not the name of a model"),
    ],
)
def test_a_record_needs_its_organization_and_a_name(options, words, tmp_path, capsys):
    code, _, err = run(capsys, DEMO, "--to", "every_eval_ever", "--output", tmp_path, *options)
    assert (code, err.count("\n"), words in err) == (2, 1, True)
    assert list(tmp_path.rglob("*")) == []


def test_badge_of_a_result_claims_no_check(tmp_path, capsys):
    code, out, _ = run(capsys, DEMO, "--to", "badge", "--output", tmp_path / "tiny.svg")
    assert (code, out) == (0, f"file={tmp_path / 'tiny.svg'}\n")
    texts = [text.text for text in ElementTree.parse(tmp_path / "tiny.svg").iter("{http://www.w3.org/2000/svg}text")]
    assert texts[0] == "rewardbench core"
    assert texts[1].endswith("self-reported")
    assert "verified" not in (tmp_path / "tiny.svg").read_text()
