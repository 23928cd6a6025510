"""The blind check: sheets show no label and only one half of a mirror; answers are compared with the key."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from repository import ROOT

SCRIPT = ROOT / "scripts" / "blind_check"


def run(*arguments: object) -> str:
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    completed = subprocess.run(command, capture_output=True, text=True)
    assert completed.returncode == 0, completed.stderr
    return completed.stdout


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("blind")
    assert "questions=21 readers=3" in run("draw", folder, "--seed", 1, "--readers", 3, "--each", 3)
    return folder


def questions(folder: Path) -> dict[str, dict[str, str]]:
    key: dict[str, dict[str, dict[str, str]]] = json.loads((folder / "key.json").read_text())
    return key["questions"]


def score(folder: Path, answers: dict[str, str]) -> str:
    lines = [f"{question}\t{answer}\tclear\t\n" for question, answer in answers.items()]
    (folder / "answers1.tsv").write_text("".join(lines))
    return run("score", folder)


def test_a_reader_sees_one_half_and_no_label(drawn: Path) -> None:
    key = questions(drawn)
    for sheet in sorted(drawn.glob("sheet*.txt")):
        text = sheet.read_text()
        names = re.findall("^######## (.*)$", text, re.MULTILINE)
        groups = {key[name]["id"].rpartition("-")[0].rpartition(":")[2] for name in names}
        assert len(groups) == len(names) == 7
        assert [entry["id"] for entry in key.values() if entry["id"] in text] == []
    assert {entry["answer"] for entry in key.values()} == {"first", "second"}


def test_the_key_names_the_chosen_response(drawn: Path) -> None:
    from rewardbench.suites import load_suite

    items = {item.id: item for item in load_suite("core").items}
    text = "\n".join(sheet.read_text() for sheet in drawn.glob("sheet*.txt"))
    for question, entry in questions(drawn).items():
        shown = text.split(f"######## {question}\n")[1].split("\n######## ")[0]
        first, second = shown.split("---- FIRST\n")[1].split("\n---- SECOND\n")
        right = first if entry["answer"] == "first" else second.removesuffix("\n")
        item = items[entry["id"]]
        right_completions = item.completions[: item.num_correct]
        assert right in [completion[0]["content"] for completion in right_completions]


def test_agreement_counts_wrong_and_missing_answers_and_cant_as_misses(drawn: Path) -> None:
    key = questions(drawn)
    right = {question: entry["answer"] for question, entry in key.items()}
    assert "subset=all right=21 of=21" in score(drawn, right)
    first, second, third = list(key)[:3]
    wrong = {"first": "second", "second": "first"}[right[first]]
    output = score(drawn, {**right, first: wrong, second: "cant", third: ""})
    assert "subset=all right=18 of=21 low=0.65" in output
    assert f"miss={key[first]['id']} second_program=none answer={wrong}" in output


def test_the_second_program_decides_each_miss_again(tmp_path: Path) -> None:
    run(
        "draw",
        tmp_path,
        "--suite",
        "core-hard",
        "--subset",
        "scopes",
        "--rung",
        1,
        "--each",
        2,
        "--seed",
        1,
        "--readers",
        1,
    )
    wrong = {"first": "second", "second": "first"}
    output = score(tmp_path, {question: wrong[entry["answer"]] for question, entry in questions(tmp_path).items()})
    for entry in questions(tmp_path).values():
        assert f"miss={entry['id']} second_program=pass,fail answer={wrong[entry['answer']]}" in output


def test_a_second_draw_leaves_out_the_first(drawn: Path, tmp_path: Path) -> None:
    run("draw", tmp_path, "--seed", 2, "--each", 3, "--skip", drawn / "key.json")
    first_ids = {entry["id"] for entry in questions(drawn).values()}
    second_ids = {entry["id"] for entry in questions(tmp_path).values()}
    assert len(first_ids) == len(second_ids) == 21
    assert not first_ids & second_ids
