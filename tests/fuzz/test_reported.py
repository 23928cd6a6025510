"""Inputs that users reported, each with its figures or its one-line error."""

import json
from pathlib import Path

import pytest
from fuzz_runner import check, run
from repository import SHARED

FAULTS = SHARED / "faults"
pytestmark = pytest.mark.skipif(not FAULTS.is_dir(), reason="the reported inputs are not here")

FIGURES: dict[str, dict[str, str]] = {
    "arena.csv": {"n": "4", "score": "0.5000", "unscored": "0"},  # six battles, two of them ties
    "csv-none": {"n": "3", "score": "1.0000", "unscored": "0"},
    "csv-numbers": {"n": "2", "score": "0.0000", "ties": "1", "unscored": "0"},
    "escapes.jsonl": {"n": "2", "score": "1.0000"},
    "hs.jsonl": {"n": "3", "score": "1.0000"},
    "lint_same_answers.jsonl": {"n": "200", "score": "1.0000"},
    "prompt-called-query.jsonl": {"n": "2", "score": "1.0000"},
    "reasoning-and-calls.jsonl": {"n": "2", "unscored": "0"},
    "role_list.jsonl": {"n": "3", "unscored": "2", "score": "0.3333"},
    "sharegpt-ranking.jsonl": {"n": "1", "score": "1.0000"},
    "sharegpt.jsonl": {"n": "5", "score": "1.0000"},
    "spaced-header.csv": {"n": "1", "score": "1.0000"},
    "stringified_messages.jsonl": {"n": "1", "score": "1.0000"},
    "surrogate-subset.jsonl": {"n": "2", "score": "1.0000"},
    "text-parts.jsonl": {"n": "1", "score": "1.0000"},
    "tools.jsonl": {"n": "1", "score": "1.0000"},
    "transcript-crlf.jsonl": {"n": "1", "score": "1.0000"},
    "typo.jsonl": {"n": "3", "score": "0.6667"},
    "uf.jsonl": {"n": "3", "score": "0.0000"},
}
"""Figures of baseline/longest on each file, counted by hand."""

SAME_ITEM = ("sharegpt-ranking.jsonl", "spaced-header.csv", "stringified_messages.jsonl", "transcript-crlf.jsonl")
"""The same pair in several formats."""


def key_values(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("note:"))


@pytest.fixture(autouse=True)
def working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def score(name: str, *options: str):
    return check(run("--model", "baseline/longest", "--dataset", str(FAULTS / name), "--no_cache", *options))


@pytest.mark.parametrize("name", FIGURES)
def test_a_data_file_gives_the_figures_counted_by_hand(name):
    outcome = score(name)
    assert outcome.code == 0, outcome.describe()
    figures = key_values(outcome.stdout)
    assert {key: figures[key] for key in FIGURES[name]} == FIGURES[name]


@pytest.mark.parametrize("name", SAME_ITEM)
def test_the_same_pair_in_any_format_has_the_same_scores(name):
    outcome = score(name)
    assert outcome.code == 0, outcome.describe()
    (line,) = Path("results/baseline/longest_outputs.jsonl").read_text().splitlines()
    row = json.loads(line)
    assert (row["prompt"], row["scores"]) == ("Name a river.", [16.0, 3.0])


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("typo.yaml", (), "Safety"),
        ("rmb_loser_null.jsonl", ("--protocol", "rmb"), "loser_list is missing"),
    ],
)
def test_a_file_that_cannot_be_scored_is_a_one_line_error(name, options, words):
    outcome = score(name, *options)
    assert outcome.code == 2
    assert words in outcome.stderr


STORED = ("blank-line", "escapes", "huge-margin", "infinite")


@pytest.mark.parametrize("name", STORED)
@pytest.mark.parametrize("options", [(), ("--json",), ("--html", "out.html")])
def test_stored_rows_are_shown(name, options):
    outcome = check(run("show", str(FAULTS / f"{name}_outputs.jsonl"), *options))
    assert outcome.code == 0
    if "--json" in options:
        (shown,) = json.loads(outcome.stdout)["shown"]
        assert (shown["margin"] is None) == (name in ("huge-margin", "infinite"))
        assert (shown["reason"] is None) == (shown["margin"] is not None)
    if "--html" in options:
        assert "\x1b" not in Path("out.html").read_text()


@pytest.mark.parametrize("name", STORED)
@pytest.mark.parametrize("options", [("--json",), ("--plot", "out.png")])
def test_stored_rows_are_compared_and_gated(name, options):
    path = str(FAULTS / f"{name}_outputs.jsonl")
    for arguments in (("compare", path, path), ("gate", "--baseline", path, "--candidate", path)):
        outcome = check(run(*arguments, *options))
        assert outcome.code == (2 if name == "infinite" else 0), outcome.describe()


def test_every_reported_input_is_tested():
    tried = {*FIGURES, "typo.yaml", "rmb_loser_null.jsonl", *(f"{name}_outputs.jsonl" for name in STORED)}
    assert {path.name for path in FAULTS.iterdir()} == {*tried, "make_inputs.py"}
