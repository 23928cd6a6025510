"""`~` in the path of any option of any command, and what help and errors of a command say."""

import json
from pathlib import Path

import pytest
from terminal import run

ROWS = [{"prompt": f"Name city {n}.", "chosen": "Lima, by the river.", "rejected": "No."} for n in range(3)]
RESULT = "~/out/baseline/longest.json"


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home folder with data, which is not the working folder."""
    home, here = tmp_path / "home", tmp_path / "here"
    home.mkdir()
    here.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("REWARDBENCH_CACHE", "~/cache/scores.sqlite")
    monkeypatch.chdir(here)
    (home / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return home


@pytest.mark.parametrize("apart", [False, True])
def test_every_path_option_expands_the_home_folder(apart, home, capsys):
    def command(*arguments):
        words = [word for argument in arguments for word in (argument.split("=", 1) if apart else [argument])]
        code, _, err = run(capsys, *words)
        assert (code, err) == (0, "")

    command("--model=baseline/longest", "--dataset=~/rows.jsonl", "--output_dir=~/out")
    command("show", RESULT, "--html=~/page.html")
    command("compare", RESULT, RESULT, "--plot=~/plot.svg")
    limits = ["--junit=~/j.xml", "--markdown=~/m.md", "--plot=~/gate.svg"]
    command("gate", f"--baseline={RESULT}", f"--candidate={RESULT}", *limits)
    command("data", "lint", "~/rows.jsonl")
    command("index", "~/out")
    names = {path.name for path in home.iterdir()}
    assert names >= {"out", "page.html", "plot.svg", "j.xml", "m.md", "gate.svg", "cache"}
    assert list(Path.cwd().iterdir()) == []


def test_an_unknown_home_is_a_one_line_error_and_search_text_is_no_path(home, capsys):
    code, out, err = run(capsys, "index", "--", "~nobody-of-this-name/out")
    assert (code, out, err) == (
        *(2, ""),
        "rewardbench: No home folder is known for ~nobody-of-this-name/out: write the path in full.\n",
    )
    assert run(capsys, "--model=baseline/longest", "--dataset=~/rows.jsonl", "--output_dir=~/out")[0] == 0
    for search in (["--search=~/x"], ["--search", "~/x"]):
        code, out, _ = run(capsys, "show", RESULT, *search)
        assert (code, "no item matches" in out) == (0, True)


def test_the_python_api_expands_it_too(home):
    from rewardbench import evaluate
    from rewardbench.results.scored import read_scored
    from rewardbench.store import LocalStore

    assert evaluate("baseline/longest", "~/rows.jsonl").score.value == 1
    assert LocalStore("~/out").root == home / "out"
    (home / "scores.jsonl").write_text('{"scores": [1, 0]}\n')
    assert len(read_scored("~/scores.jsonl").items) == 1


@pytest.mark.parametrize(
    ("arguments", "ending"),
    [
        (["--modle", "x"], ": see rewardbench --help."),
        (["list"], "(rewardbench index lists results, rewardbench data list lists suites): see rewardbench --help."),
        (["evaluate"], "(rewardbench --model MODEL --dataset DATASET scores a model): see rewardbench --help."),
        (["gate", "--nope"], ": see rewardbench gate --help."),
        (["evaluate-and-gate", "--model", "x"], ": see rewardbench evaluate-and-gate --help."),
        (["data", "lint"], ": see rewardbench data lint --help."),
        (["cache", "prune", "--days", "3"], ": see rewardbench cache prune --help."),
        (["--torch_dtype", "int4"], "'fp16', 'bf16', 'fp32': see rewardbench --help."),
    ],
)
def test_an_error_points_to_the_help_of_its_command(arguments, ending, capsys):
    code, out, err = run(capsys, *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert ending in err
    assert "Value error" not in err


@pytest.mark.parametrize("command", [[], ["gate"], ["show"], ["cache"], ["cache", "prune"], ["data", "lint"]])
def test_help_shows_boolean_flags_without_a_type(command, capsys):
    code, out, _ = run(capsys, *command, "--help")
    assert (code, "bool" in out) == (0, False)
    assert "--help" in out


def test_help_says_what_a_floor_applies_to(capsys):
    out = " ".join(run(capsys, "gate", "--help")[1].split())
    assert "mirror accuracy, printed as mirror.NAME" in out
