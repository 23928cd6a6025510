import io
import json
from dataclasses import replace

import pytest
from rich.console import Console

from rewardbench.errors import InputError
from rewardbench.results import report
from rewardbench.types import Estimate, Result

CHAT = Estimate("Chat", 300, 0.7333, 0.68, 0.78, ties=2, unscored=1, truncated=12, section="Chat")
RESULT = Result(
    suite="reward-bench",
    revision="168d848cdbbea9764fae4a544dc9ca1e6cca4931+limit=400",
    model="org/model[v1]",
    model_type="Seq. Classifier",
    score=Estimate("score", 400, 0.7, 0.65, 0.75, 2, 1, 12),
    accuracy=Estimate("accuracy", 400, 0.725, 0.679, 0.766, 2, 1, 12),
    sections=(CHAT, Estimate("Chat Hard", 100, 0.6666, 0.57, 1.0, section="Chat Hard"), Estimate("Math", 0, None)),
    subsets=(
        Estimate("llmbar-adver-neighbor", 200, 0.8, 0.74, 0.85, section="Chat"),
        Estimate("a-subset-with-a-name-that-is-longer-than-any-terminal", 100, 0.6, 0.5, 0.69, section="Chat"),
        Estimate("Chat Hard", 100, 0.6666, 0.57, 1.0, section="Chat Hard"),
        Estimate("gone", 0, None, section="Math"),
    ),
    manifest={"notes": ["One item is unscored: empty response.", "12 items were cut to 512 tokens."]},
)
MIRRORS = replace(
    RESULT,
    score=Estimate("score", 200, 0.4567, 0.39, 0.52, 1, 1, 8),
    mirrors=(Estimate("Chat", 150, 0.5234, 0.44, 0.6, section="Chat"), Estimate("Chat Hard", 50, 0.39, 0.27, 0.53)),
)


def printed(result, width=80):
    console = Console(width=width, file=io.StringIO(), color_system=None)
    report.print_result(result, console)
    return console.file.getvalue().splitlines()


def cells(result, name):
    return next(line.split() for line in printed(result) if line.strip().startswith(name))


def test_title_names_model_and_suite():
    assert printed(RESULT)[0] == "org/model[v1] (Seq. Classifier) on reward-bench@168d848cdbbe+limit=400"


def test_table_row_has_every_estimate():
    assert cells(RESULT, "Chat") == ["Chat", "300", "73.3", "68.0–78.0", "2", "1", "12"]
    assert cells(RESULT, "llmbar") == ["llmbar-adver-neighbor", "200", "80.0", "74.0–85.0", "0", "0", "0"]
    assert cells(RESULT, "Chat Hard") == ["Chat", "Hard", "100", "66.7", "57.0–100.0", "0", "0", "0"]
    assert cells(RESULT, "gone") == ["gone", "0", "–", "0", "0", "0"]
    assert cells(RESULT, "all items") == ["all", "items", "400", "72.5", "67.9–76.6", "2", "1", "12"]
    assert cells(RESULT, "score ") == ["score", "400", "70.0", "65.0–75.0", "2", "1", "12"]


def test_one_number_has_one_interval():
    """On plain pairs of one section the accuracy is the score: its bootstrap interval is the only one."""
    section = Estimate("pairs", 40, 0.5, 0.352, 0.648, section="pairs")
    score, accuracy = replace(section, name="score", low=0.35, high=0.65), replace(section, name="accuracy")
    plain = replace(RESULT, score=score, accuracy=accuracy, sections=(section,), subsets=(section,))
    assert cells(plain, "pairs")[:4] == ["pairs", "40", "50.0", "35.0–65.0"]
    assert cells(plain, "score ")[:4] == ["score", "40", "50.0", "35.0–65.0"]
    assert not any("all items" in line or "35.2" in line for line in printed(plain))


def test_mirrors_have_a_column_that_includes_the_score():
    assert "mirror %" in "\n".join(printed(MIRRORS))
    assert "mirror %" not in "\n".join(printed(RESULT))
    assert cells(MIRRORS, "Chat") == ["Chat", "300", "73.3", "68.0–78.0", "52.3", "2", "1", "12"]
    assert cells(MIRRORS, "score ") == ["score", "200", "39.0–52.0", "45.7", "1", "1", "8"]


def test_a_section_of_one_subset_is_one_row():
    assert sum(line.strip().startswith("Chat Hard") for line in printed(RESULT)) == 1


@pytest.mark.parametrize("result", [RESULT, MIRRORS])
def test_table_fits_80_columns_and_folds_names(result):
    lines = printed(result)
    assert max(map(len, lines)) <= 80
    start = next(k for k, line in enumerate(lines) if "a-subset-with" in line)
    width = lines[start].index(" 100 ") + 1
    folded = "".join(line[:width].strip() for line in lines[start : start + 3])
    assert folded.startswith("a-subset-with-a-name-that-is-longer-than-any-terminal")
    assert "…" not in "".join(lines)


def test_key_value_lines_are_printed():
    assert list(report.key_values(MIRRORS)) == [
        "score=0.4567",
        "score_low=0.3900",
        "score_high=0.5200",
        "accuracy=0.7250",
        "n=400",
        "ties=2",
        "unscored=1",
        "truncated=12",
        "section.chat=0.7333",
        "section.chat_hard=0.6666",
        "section.math=nan",
        "mirror.chat=0.5234",
        "mirror.chat_hard=0.3900",
    ]
    assert set(report.key_values(MIRRORS)) < set(printed(MIRRORS, width=30))


def test_notes_are_printed_as_single_lines():
    assert printed(RESULT, width=20)[-2:] == [
        "note: One item is unscored: empty response.",
        "note: 12 items were cut to 512 tokens.",
    ]


def test_result_without_a_preference_has_no_estimates():
    nothing = Estimate("score", 0, None)
    bare = replace(RESULT, score=nothing, accuracy=nothing, sections=(), subsets=(), manifest={})
    assert cells(bare, "score ") == ["score", "0", "–", "0", "0", "0"]
    assert list(report.key_values(bare))[:5] == ["score=nan", "score_low=nan", "score_high=nan", "accuracy=nan", "n=0"]


def test_json_has_the_same_estimates():
    data = json.loads(json.dumps(report.to_json(MIRRORS), allow_nan=False))
    assert (data["score"]["value"], data["score"]["low"], data["accuracy"]) == (0.4567, 0.39, 0.725)
    assert [mirror["value"] for mirror in data["mirrors"]] == [0.5234, 0.39]
    assert data["sections"][2]["value"] is None
    assert data["notes"] == RESULT.manifest["notes"]


def test_image_is_an_svg_of_the_table(tmp_path):
    report.save_svg(RESULT, tmp_path / "table.svg")
    picture = (tmp_path / "table.svg").read_text()
    assert picture.startswith("<svg")
    assert "llmbar-adver-neighbor" in picture
    assert "70.0" in picture
    assert "url(http" not in picture
    report.save_svg(RESULT, tmp_path / "again.svg")
    assert (tmp_path / "again.svg").read_text() == picture
    with pytest.raises(InputError, match="cannot be written"):
        report.save_svg(RESULT, tmp_path / "no" / "table.svg")
