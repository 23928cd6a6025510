"""The blind check: sheets show no label and only one half of a mirror; answers are counted against the key."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from repository import ROOT

SCRIPT = ROOT / "scripts" / "blind_check"


def run(*arguments: object) -> str:
    done = subprocess.run([sys.executable, str(SCRIPT), *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("blind")
    assert "questions=21 readers=3" in run("draw", folder, "--seed", 1, "--readers", 3, "--each", 3)
    return folder


def questions(folder: Path) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = json.loads((folder / "key.json").read_text())["questions"]
    return found


def answer(folder: Path, said: dict[str, str]) -> str:
    (folder / "answers1.tsv").write_text("".join(f"{question}\t{word}\tclear\t\n" for question, word in said.items()))
    return run("score", folder)


def test_a_reader_sees_one_half_and_no_label(drawn: Path) -> None:
    key = questions(drawn)
    for sheet in sorted(drawn.glob("sheet*.txt")):
        asked = re.findall("^######## (.*)$", sheet.read_text(), re.MULTILINE)
        groups = [key[question]["id"].rpartition("-")[0].rpartition(":")[2] for question in asked]
        assert len(set(groups)) == len(asked) == 7
        assert not any(one["id"] in sheet.read_text() for one in key.values())
    assert {one["answer"] for one in key.values()} == {"first", "second"}


def test_the_key_names_the_chosen_response(drawn: Path) -> None:
    from rewardbench.suites import load_suite

    items = {item.id: item for item in load_suite("core").items}
    text = "\n".join(sheet.read_text() for sheet in drawn.glob("sheet*.txt"))
    for question, found in questions(drawn).items():
        shown = text.split(f"######## {question}\n")[1].split("\n######## ")[0]
        first, second = shown.split("---- FIRST\n")[1].split("\n---- SECOND\n")
        right = first if found["answer"] == "first" else second.removesuffix("\n")
        item = items[found["id"]]
        assert right in [turns[0]["content"] for turns in item.completions[: item.num_correct]]


def test_agreement_counts_misses_and_those_who_cannot_tell(drawn: Path) -> None:
    key = questions(drawn)
    right = {question: one["answer"] for question, one in key.items()}
    assert "subset=all right=21 of=21" in answer(drawn, right)
    first, second, third = list(key)[:3]
    wrong = {"first": "second", "second": "first"}[right[first]]
    told = answer(drawn, {**right, first: wrong, second: "cant"} | {third: ""})
    assert "subset=all right=18 of=21 low=0.65" in told
    assert f"miss={key[first]['id']} said={wrong}" in told


def test_a_second_draw_passes_over_the_first(drawn: Path, tmp_path: Path) -> None:
    run("draw", tmp_path, "--seed", 2, "--each", 3, "--skip", drawn / "key.json")
    before, after = ({one["id"] for one in questions(folder).values()} for folder in (drawn, tmp_path))
    assert len(before) == len(after) == 21
    assert not before & after
