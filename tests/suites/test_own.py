"""A suite of one's own from a YAML file."""

import json
from pathlib import Path

import pytest

from rewardbench.cli import main
from rewardbench.suites import load_suite
from rewardbench.types import InputError, Rule

SUITE = """
name: house-rules
dataset: pairs.jsonl
columns:
  prompt: question
  chosen: good
  rejected: bad
  subset: kind
  group: twin
sections:
  Reasoning: [math, code]
  Safety: [refusals]
subsets:
  math: {weight: 3}
  code: {credit: best_of_n}
section_weights:
  Safety: 2
"""
ROWS = [
    {"question": "1+1?", "good": "It is 2, of course.", "bad": "3", "kind": "math", "twin": "a"},
    {"question": "1+2?", "good": "3", "bad": "It is 4, of course.", "kind": "math", "twin": "a"},
    {"question": "Print x.", "good": "print(x)", "bad": "x", "kind": "code", "twin": None},
    {"question": "Help?", "good": "I would rather not.", "bad": "Sure.", "kind": "refusals", "twin": None},
]


def write(folder, text=SUITE, rows=ROWS):
    (folder / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "suite.yaml").write_text(text)
    return str(folder / "suite.yaml")


def test_twenty_lines_make_a_suite(tmp_path):
    assert len(SUITE.strip().splitlines()) <= 20
    suite = load_suite(write(tmp_path))
    assert (suite.name, len(suite.items), suite.items[0].group) == ("house-rules", 4, "a")
    assert suite.rules["math"] == Rule("Reasoning", "strict", 3.0)
    assert suite.rules["code"] == Rule("Reasoning", "best_of_n")
    assert suite.section_weights == {"Safety": 2.0}
    assert suite.revision.startswith("sha256:")


def test_it_runs_end_to_end(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        main(["--model", "baseline/longest", "--dataset", write(tmp_path)])
    assert stop.value.code == 0
    found = json.loads(Path("results/baseline/longest.json").read_text())
    sections = {one["name"]: one["value"] for one in found["sections"]}
    # math .5 with weight 3, code 1 with its one item: 2.5 / 4
    assert {"Reasoning": sections["Reasoning"], "Safety": sections["Safety"]} == {"Reasoning": 0.625, "Safety": 1.0}
    assert found["score"]["value"] == pytest.approx((0.625 + 2 * 1.0) / 3)
    assert found["suite"] == "house-rules"


def test_a_subset_and_a_limit_of_it_may_be_asked_for(tmp_path):
    path = write(tmp_path)
    assert len(load_suite(path, subset="math").items) == 2
    assert len(load_suite(path, limit=1).items) == 2, "a mirror stays whole"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "must be a mapping with a name and a dataset"),
        ("name: x", "has no dataset"),
        ("dataset: x", "has no name"),
        ("name: [", "line 1, is not YAML"),
        (SUITE + "colour: red\n", "unknown key 'colour': known are name, dataset"),
        (SUITE.replace("weight: 3", "wait: 3"), "subset math has an unknown key 'wait'"),
        (SUITE.replace("weight: 3", "weight: heavy"), "weight of math is 'heavy'"),
        (SUITE.replace("Safety: 2", "Safety: -2"), "weight of Safety is -2"),
        (SUITE.replace("best_of_n", "luck"), "credit of code is 'luck', and must be one of strict"),
        (SUITE.replace("[math, code]", "math"), "Reasoning must be a list"),
        (SUITE.replace("  prompt: question", "  ask: question"), "columns has an unknown key 'ask'"),
        (SUITE + "headline: mean\n", "headline is 'mean'"),
        (SUITE.replace("pairs.jsonl", "none.jsonl"), "no dataset 'none.jsonl'"),
        ("!!python/object/apply:os.system ['true']", "is not YAML"),
    ],
)
def test_what_is_wrong_in_it_is_said_in_a_sentence(text, complaint, tmp_path):
    with pytest.raises(InputError, match=complaint):
        load_suite(write(tmp_path, text))


def test_it_takes_no_other_protocol(tmp_path):
    with pytest.raises(InputError, match="says itself how it counts: leave out --protocol"):
        load_suite(write(tmp_path), protocol="reward-bench")


def test_a_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(InputError, match="Cannot read the suite"):
        load_suite(str(tmp_path / "none.yaml"))
