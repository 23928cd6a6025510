import csv
import io

import pytest

from rewardbench.leaderboard.app import tables
from rewardbench.leaderboard.types import Figure, LeaderboardRow


def row(model="org/m", **changes):
    values = {
        "key": model, "mark": "1", "model": model, "model_type": "Seq. Classifier", "suite": "toy", "revision": "r1",
        "ids": "x", "metric": "pair", "score": Figure("score", 0.8, 0.7, 0.9, 100),
        "sections": (Figure("Chat", 0.9, 0.8, 0.95, 50),), "subsets": (Figure("easy", 1.0),), "gap": (),
        "badge": "recomputed", "rank_range": (1, 3),
    }  # fmt: skip
    return LeaderboardRow(**{**values, **changes})


def test_columns_are_sections_and_optionally_subsets():
    names = [column.name for column in tables.columns([row()])]
    assert names[:4] == ["Rank", "Model", "Score", "Chat"]
    assert "easy" not in names
    assert "easy" in [column.name for column in tables.columns([row()], with_subsets=True)]


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@x", "\t=1", " =1", "\n+1", "\uff1d1"])
def test_no_cell_of_a_csv_is_a_formula(name):
    text = tables.to_csv([row(name)], ["Rank", "Model", "Score"])
    ((rank, model, score, low, high),) = list(csv.reader(io.StringIO(text)))[1:]
    assert (rank, model, score, low, high) == ("1–3", f"'{name}", "80.0", "70.0", "90.0")


def test_latex_is_escaped():
    text = tables.to_latex([row("org/a_b&c\\input{x}")], ["Model", "Score"], ["Score"])
    assert r"org/a\_b\&c\textbackslash{}input\{x\} & 80.0 \\" in text
    assert text.startswith(r"\begin{tabular}{lr}")
