"""`--config FILE`: the options of a file, which the command line overrides."""

import json

import pytest
from terminal import run

from rewardbench.cli.config import expand_config
from rewardbench.cli.main import build_command, main

FILE = """\
model: baseline/longest
dataset: pairs.jsonl
output-dir: out
name: "{model}.{suite}"
limit: 4
no_cache: true
debug: false
split: null
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [{"prompt": f"Say {n}.", "chosen": f"yes {n}, it is", "rejected": "no"} for n in range(6)]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "run.yaml").write_text(FILE)


def test_options_of_the_file_apply_and_those_of_the_command_line_win(capsys):
    code, out, _ = run(capsys, "--config", "run.yaml", "--json")
    values = json.loads(out)
    assert (code, values["results"], values["num_prompts"]) == (0, "out/baseline/longest.pairs.jsonl.json", 4)
    code, out, _ = run(capsys, "--limit=3", "--config=run.yaml", "--model", "baseline/shortest", "--json")
    values = json.loads(out)
    assert (code, values["model"], values["num_prompts"]) == (0, "baseline/shortest", 3)


def test_a_command_reads_its_own_options(capsys):
    with open("score.yaml", "w") as file:
        file.write("model: baseline/longest\nprompt: Say 1.\nresponse: ab\n")
    assert run(capsys, "score", "--config", "score.yaml")[:2] == (0, "2.0\n")
    assert run(capsys, "score", "--config", "score.yaml", "--response", "abcd")[:2] == (0, "4.0\n")


def test_lists_are_repeated_options_or_several_suites():
    with open("lists.yaml", "w") as file:
        file.write("model: [a, b]\ndataset: [core, core-hard]\nrevision: 0123\n")
    arguments = expand_config(["--ensemble", "mean", "--config", "lists.yaml"], build_command())
    assert arguments == ["--model=a", "--model=b", "--dataset=core,core-hard", "--revision=0123", "--ensemble", "mean"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("models: x", "run.yaml sets 'models', which is not an option of rewardbench: did you mean model?"),
        ("zzz: 1", "run.yaml sets 'zzz', which is not an option of rewardbench; rewardbench --help lists them."),
        ("config: a.yaml", "run.yaml sets 'config', which is not an option"),
        ("limit: 1\nlimit: 2", "is not valid YAML: line 1: the key 'limit' occurs twice"),
        ("- a", "must have an option and its value on each line"),
        ("limit: [1, 2]", "sets limit to a list, and it takes one value"),
        ("limit: {a: 1}", "must be text or a number"),
        ("revision: yes", "sets revision to true: it must be text or a number"),
        ("debug: often", "sets debug to 'often': it must be true or false"),
        ("limit: few", "Invalid value for '--limit'"),
        ("a: [", "is not valid YAML: line "),
        ("\xff", "it is not text in UTF-8"),
    ],
)
def test_a_wrong_file_is_a_one_line_error(text, message, capsys):
    with open("run.yaml", "wb") as file:
        file.write(text.encode("latin-1"))
    code, _, error = run(capsys, "--config", "run.yaml")
    assert (code, error.count("\n")) == (2, 1)
    assert message in error


def test_a_file_that_does_not_exist_and_a_missing_name_are_errors(capsys):
    assert "none.yaml cannot be read: No such file" in run(capsys, "--config", "none.yaml")[2]
    assert "'--config' requires an argument" in run(capsys, "--model", "m", "--config")[2]


def test_a_command_without_the_option_rejects_it(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["compare", "a.json", "b.json", "--config", "run.yaml"])
    assert stop.value.code == 2
    assert "No such option: --config" in capsys.readouterr().err
