"""One run on several suites: the model is loaded once, each result is stored, and one table shows all."""

import json
from pathlib import Path

import pytest

from rewardbench.cli.main import main
from rewardbench.evaluation import runs

SUITES = "core,core-style"


@pytest.fixture
def loads(monkeypatch):
    """Count how often a model is loaded."""
    counts = []
    original = runs.load_scorer

    def load(*arguments):
        counts.append(arguments)
        return original(*arguments)

    monkeypatch.setattr(runs, "load_scorer", load)
    return counts


def exit_code(*arguments):
    with pytest.raises(SystemExit) as stop:
        main(list(arguments))
    return stop.value.code


def run(tmp_path, *options):
    output_dir = str(tmp_path / "r")
    return exit_code("--model", "baseline/shortest", "--dataset", SUITES, "--output_dir", output_dir, *options)


def test_one_table_shows_all_suites_and_the_model_is_loaded_once(tmp_path, capsys, loads):
    assert run(tmp_path) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(loads) == 1
    starts = [line.split()[0] for line in lines if line.split()]
    assert starts.index("core") < starts.index("core-style")
    assert "core.turn.score=0.5000" in lines
    assert "core_style.turn.score=0.5000" in lines
    assert "core_style.level.hard=" in "\n".join(lines)
    paths = [line.removeprefix("results=") for line in lines if line.startswith("results=")]
    suites = [json.loads(Path(path).read_text())["suite"] for path in paths]
    assert suites == ["core", "core-style"]


def test_json_has_the_result_of_each_suite(tmp_path, capsys):
    assert run(tmp_path, "--json") == 0
    results = json.loads(capsys.readouterr().out)["suites"]
    assert [result["suite"] for result in results] == ["core", "core-style"]
    assert {result["turn"]["score"]["value"] for result in results} == {0.5}


def test_a_suite_is_named_once(tmp_path, capsys):
    code = exit_code("--model", "baseline/longest", "--dataset", "core,core", "--output_dir", str(tmp_path))
    assert code == 2
    assert "--dataset core,core names a suite twice." in capsys.readouterr().err


def test_a_comma_in_a_file_name_is_part_of_the_name(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "core,pairs.jsonl").write_text('{"prompt": "2 + 2?", "chosen": "4, of course.", "rejected": "5."}\n')
    assert exit_code("--model", "baseline/longest", "--dataset", "core,pairs.jsonl", "--output_dir", "r") == 0
    assert "accuracy=1.0000" in capsys.readouterr().out


def test_an_ensemble_takes_one_suite(tmp_path, capsys):
    assert run(tmp_path, "--model", "baseline/longest", "--ensemble", "mean") == 2
    assert "An ensemble is scored on one suite at a time" in capsys.readouterr().err
