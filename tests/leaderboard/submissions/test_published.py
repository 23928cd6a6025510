import json
from collections import Counter

import pytest
from repository import SHARED

from rewardbench.cli.main import main
from rewardbench.errors import InputError
from rewardbench.leaderboard.refresh import refresh
from rewardbench.leaderboard.submissions.published import find_inconsistent, read_published
from rewardbench.store import LocalStore

PUBLISHED = SHARED / "golden" / "published_scores.json"


@pytest.mark.skipif(not PUBLISHED.exists(), reason="the published tables are not at hand")
def test_published_rows_keep_their_figures(tmp_path):
    tables = json.loads(PUBLISHED.read_bytes())
    local_store = LocalStore(tmp_path)
    entries = read_published(PUBLISHED)
    local_store.add(entries)
    board = refresh(local_store)
    assert Counter(row.badge for row in board.rows) == {"published": 384}
    for name, suite in (("v1", "reward-bench"), ("v2", "reward-bench-2")):
        rows = board.of(suite)
        wanted = sorted(((shares["Score"], model) for model, _, shares in tables[name]), key=lambda entry: -entry[0])
        assert len(rows) == len(wanted)
        by_score = {(row.model, row.score.value): row for row in rows}  # nine models of the table share a name
        for model, kind, shares in tables[name]:
            row = by_score[model, shares["Score"]]
            assert row.model_type == kind
            assert {entry.name: entry.value for entry in row.sections} == {
                section.replace(" (0.5 weight)", ""): value for section, value in shares.items() if section != "Score"
            }
            assert row.rank_range is None
        assert [row.score.value for row in rows] == [score for score, _ in wanted]
    odd = find_inconsistent(entries)  # their Prior Sets stand in the table as 0, and their scores are without
    assert len(odd) == 7
    assert all("-RM-RB2 (reward-bench)" in entry for entry in odd)


def repository(folder):
    """Write a results repository of rewardbench 0.1: figures of subsets, columns of items, prior sets."""
    figures = {"alpacaeval-easy": 0.9, "mt-bench-hard": 0.5, "donotanswer": 0.4, "math-prm": 0.8, "hep-go": 0.6}
    record = {"model": "org/bare", "model_type": "DPO", "chat_template": "tulu", **figures}
    prior = {
        "model": "org/bare",
        "anthropic_helpful": 0.6,
        "anthropic_hhh": 0.8,
        "shp": 0.7,
        "summarize": 0.5,
        "mtbench_human": 0.1,
    }
    items = {
        "model": "org/whole",
        "model_type": "Seq. Classifier",
        "chat_template": "raw",
        "subset": ["donotanswer"] * 3,
        "id": [1, 2, 3],
        "text_chosen": ["a", "b", "c"],
        "text_rejected": ["d", "e", "f"],
        "results": [1, 0, 1],
        "scores_chosen": [[1.0], [0.0], [3.0]],
        "scores_rejected": [[0.0], [1.0], [2.0]],
    }
    for name, value in {
        "eval-set/org/bare.json": record,
        "pref-sets/org/bare.json": prior,
        "eval-set/org/whole.json": {"model": "org/whole", "model_type": "Seq. Classifier", "donotanswer": 2 / 3},
        "eval-set-scores/org/whole.json": items,
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value))
    return folder


def test_results_repository_of_0_1_is_imported(tmp_path, capsys):
    repository(tmp_path / "theirs")
    with pytest.raises(SystemExit) as stop:
        main(["import", str(tmp_path / "theirs"), "--store", str(tmp_path / "ours")])
    assert stop.value.code == 0
    assert "imported=2" in capsys.readouterr().out
    rows = {row.model: row for row in refresh(LocalStore(tmp_path / "ours")).rows}
    bare = rows["org/bare"]
    sections = {section.name: section.value for section in bare.sections}
    assert sections == pytest.approx(
        {
            "Chat": 0.9,
            "Chat Hard": 0.5,
            "Safety": 0.4,
            "Reasoning": (984 * 0.8 + 164 * 0.6) / 1148,
            "Prior Sets": 0.65,
            "mtbench_human": 0.1,
        }
    )
    four = [sections[name] for name in ("Chat", "Chat Hard", "Safety", "Reasoning")]
    assert bare.score.value == pytest.approx((2 * sum(four) + 0.65) / 9)
    assert (bare.badge, bare.score.low) == ("published", None)
    with_items = rows["org/whole"]
    assert with_items.score.value == pytest.approx(2 / 3)
    assert (with_items.badge, with_items.ids != "", with_items.score.low is not None) == ("recomputed", True, True)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("[]", "not a JSON object"),
        ("{", "not JSON"),
        ('{"v7": []}', "not a table of published scores"),
        ('{"v1": [["m", "DPO", {"Chat": 1}]]}', "row 1 of v1"),
        ('{"v1": [["m", "DPO", {"Score": "x"}]]}', "row 1 of v1"),
        ('{"v1": []}', "has no published results"),
    ],
)
def test_invalid_table_is_rejected(tmp_path, content, sentence):
    path = tmp_path / "t.json"
    path.write_text(content)
    with pytest.raises(InputError, match=sentence):
        read_published(path)


@pytest.mark.parametrize("mark", ["\u202e", "\u200f", "\u2066", "\u200b", "\u061c", "\u2028", "\n"])
@pytest.mark.parametrize("place", range(3))
def test_name_with_invisible_characters_is_rejected(tmp_path, mark, place):
    names = ["org/model", "DPO", "Chat"]
    names[place] += mark + "x"
    model, kind, section = names
    path = tmp_path / "table.json"
    path.write_text(json.dumps({"v1": [[model, kind, {"Score": 0.5, section: 0.5}]]}))
    with pytest.raises(InputError, match="invisible characters") as caught:
        read_published(path)
    assert str(caught.value).isascii()
