"""User-defined suites from a YAML file."""

import json
from pathlib import Path

import pytest

from rewardbench.cli.main import main
from rewardbench.errors import InputError
from rewardbench.suites import load_suite
from rewardbench.types import Rule

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


def test_suite_file_of_twenty_lines(tmp_path):
    assert len(SUITE.strip().splitlines()) <= 20
    suite = load_suite(write(tmp_path))
    assert (suite.name, len(suite.items), suite.items[0].group) == ("house-rules", 4, "a")
    assert suite.rules["math"] == Rule("Reasoning", "strict", 3.0)
    assert suite.rules["code"] == Rule("Reasoning", "best_of_n")
    assert suite.section_weights == {"Safety": 2.0}
    assert suite.revision.startswith("sha256:")


def test_suite_file_runs_from_the_command_line(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        main(["--model", "baseline/longest", "--dataset", write(tmp_path)])
    assert stop.value.code == 0
    summary = json.loads(Path("results/baseline/longest.json").read_text())
    sections = {section["name"]: section["value"] for section in summary["sections"]}
    # math .5 with weight 3, code 1 with its one item: 2.5 / 4
    assert {"Reasoning": sections["Reasoning"], "Safety": sections["Safety"]} == {"Reasoning": 0.625, "Safety": 1.0}
    assert summary["score"]["value"] == pytest.approx((0.625 + 2 * 1.0) / 3)
    assert summary["suite"] == "house-rules"


def test_suite_file_takes_subset_and_limit(tmp_path):
    path = write(tmp_path)
    assert len(load_suite(path, subset="math").items) == 2
    assert len(load_suite(path, limit=1).items) == 2, "a mirror stays whole"


@pytest.mark.parametrize(
    ("text", "message"),
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
def test_invalid_suite_files_give_a_one_line_error(text, message, tmp_path):
    with pytest.raises(InputError, match=message):
        load_suite(write(tmp_path, text))


def test_suite_file_rejects_a_protocol(tmp_path):
    with pytest.raises(InputError, match="is a suite file with its own rules: leave out --protocol"):
        load_suite(write(tmp_path), protocol="reward-bench")


def test_missing_suite_file_gives_an_error(tmp_path):
    with pytest.raises(InputError, match="Cannot read the suite"):
        load_suite(str(tmp_path / "none.yaml"))


def load_text(tmp_path, text, rows=ROWS, **options):
    return load_suite(write(tmp_path, text, rows), **options)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            SUITE.replace("[refusals]", "[refusal]"),
            "names a subset 'refusal' that is not in its data.*mean refusals?",
        ),
        (SUITE.replace("  code: {credit", "  maths: {credit"), "names a subset 'maths' .*did you mean math?"),
        (
            SUITE.replace("  Safety: 2", "  Safty: 2"),
            "has a weight for a section 'Safty' that does not exist.*did you mean Safety?",
        ),
        (
            SUITE.replace("prompt: question", "prompt: quest"),
            "has no column 'quest', .* are bad, good, kind, quest",
        ),
        (SUITE.replace("prompt: question", "promt: question"), "unknown key 'promt': .*did you mean prompt?"),
        (SUITE.replace("sections:", "section:", 1), "the file has an unknown key 'section': .*did you mean sections?"),
        (SUITE.replace("weight: 3", "wieght: 3"), "unknown key 'wieght': .*did you mean weight?"),
        (SUITE.replace("best_of_n", "best-of-n"), "credit of code is 'best-of-n', .*did you mean best_of_n?"),
        (SUITE + "revision: 1234567\n", "revision is 1234567, which YAML does not read as text: put it in quotes"),
        (SUITE + "revision: 2020.01\n", "revision is 2020.01, which YAML does not read as text"),
        (SUITE + "revision: 1e5\n", None),
        (SUITE + "revision: true\n", "revision is True, which YAML does not read as text"),
        (SUITE + "revision: [a]\n", "revision is .*, and must be text"),
        (SUITE.replace("name: house-rules", "name: 7"), "name is 7, which YAML does not read as text"),
        (SUITE.replace("[refusals]", "[no]"), "a name in section Safety is False, which YAML does not read as text"),
        (SUITE.replace("[refusals]", "[[refusals]]"), "a name in section Safety is .*, and must be text"),
        (SUITE.replace("[refusals]", "[]"), "section Safety is empty"),
        (SUITE.replace("[refusals]", "[math]"), "subset math is in two sections, Reasoning and Safety"),
        (SUITE.replace("chosen: good", "chosen: [good]"), "column chosen is .*, and must be text"),
        (SUITE + "splits: test\n", "splits must be a list"),
        (SUITE + "name: other\n", "the key 'name' occurs twice"),
        (SUITE.replace("sections:", "sections: 0\nsections_:", 1), "unknown key 'sections_'"),
        (SUITE.replace("  Safety: 2", "  Safety: .nan"), "weight of Safety is nan"),
        (SUITE.replace("{weight: 3}", "3"), "subset math must be a mapping"),
        (SUITE + "headline: [mirror]\n", "headline is .*, and must be one of accuracy, mirror"),
    ],
)
def test_every_key_and_value_is_checked(text, message, tmp_path):
    if message is None:
        assert load_text(tmp_path, text).items  # YAML reads 1e5 as text
        return
    with pytest.raises(InputError, match=message) as raised:
        load_text(tmp_path, text)
    assert "\n" not in str(raised.value)


def test_revision_has_a_hash_of_the_rules(tmp_path):
    texts = [SUITE, SUITE.replace("weight: 3", "weight: 4"), SUITE.replace("Safety: 2", "Safety: 3")]
    texts += [
        SUITE.replace("best_of_n", "strict"),
        SUITE + "headline: mirror\n",
        SUITE.replace("[math, code]", "[math]"),
    ]
    revisions = [load_text(tmp_path, text).revision for text in texts]
    assert len(set(revisions)) == len(texts)
    assert len({revision.partition("+rules=")[0] for revision in revisions}) == 1
    plain = SUITE.partition("sections:")[0]
    assert "+" not in load_text(tmp_path, plain).revision


def test_results_of_two_suite_files_do_not_overwrite_each_other(tmp_path):
    from rewardbench.evaluation import run_and_store
    from rewardbench.settings import ModelSpec, Settings

    paths = []
    for text in (SUITE, SUITE.replace("weight: 3", "weight: 9")):
        stored = run_and_store(
            Settings(ModelSpec("baseline/longest"), write(tmp_path, text)), str(tmp_path / "results")
        )
        paths.append(stored[1])
    assert len(set(paths)) == 2


def test_split_without_a_subset_gives_a_note(tmp_path):
    for name, rows in (("train", ROWS), ("test", ROWS[:3])):
        (tmp_path / "d").mkdir(exist_ok=True)
        (tmp_path / "d" / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    text = SUITE.replace("pairs.jsonl", "d")
    assert "This split has no items of refusals." in load_text(tmp_path, text, split="test").note
    with pytest.raises(InputError, match="names a subset 'refusals' that is not in its data"):
        load_text(tmp_path, text)
