"""Filters of a table: their values, their order, and the values of each row."""

import json

import pytest
from repository import SHARED

pytest.importorskip("gradio")

from rewardbench.leaderboard.app import filters
from rewardbench.leaderboard.types import Figure, LeaderboardRow

PUBLISHED = SHARED / "golden" / "published_scores.json"


def row(model="org/m", **changes):
    values = {
        "key": model, "mark": "1", "model": model, "model_type": "Seq. Classifier", "suite": "toy", "revision": "r1",
        "ids": "", "metric": "pair", "score": Figure("score", 0.5), "sections": (), "subsets": (), "gap": (),
        "badge": "recomputed",
    }  # fmt: skip
    return LeaderboardRow(**{**values, **changes})


ROWS = [
    row("Zeta/RM-8B", license="mit", base_model="Org/Base"),
    row("zeta/RM-70B", license="gemma", base_model="org/base", badge="verified"),
    row("openai/gpt-4o", model_type="Generative RM"),
    row("tiny-rm", parameters=1_000_000),
]


def choices(rows):
    return {
        entry.name: [(choice.value, choice.label, choice.count) for choice in entry.choices]
        for entry in filters.filters_of(rows)
    }


def test_filters_have_the_values_of_the_rows_with_their_counts():
    assert choices(ROWS) == {
        "kind": [("Seq. Classifier", "Seq. Classifier", 3), ("Generative RM", "Generative RM", 1)],
        "organization": [("zeta", "Zeta", 2), ("openai", "openai", 1), ("none stated", "none stated", 1)],
        "size": [(name, name, 1) for name in ("up to 1B", "1B to 10B", "over 10B", "unknown size")],
        "license": [("open", "open", 1), ("restricted", "restricted", 1), ("proprietary", "proprietary", 1),
                    ("unknown", "unknown", 1)],
        "weights": [("open weights", "open weights", 2), ("API only", "API only", 1),
                    ("unknown weights", "unknown weights", 1)],
        "base": [("org/base", "Org/Base", 2), ("none stated", "none stated", 2)],
        "badge": [("verified", "verified", 1), ("recomputed", "recomputed", 3)],
    }  # fmt: skip


def test_each_row_has_a_value_that_its_filter_offers():
    offered = choices(ROWS)
    for entry in ROWS:
        for name, value in filters.values_of(entry).items():
            assert value in [choice[0] for choice in offered[name]]


def test_a_filter_with_one_value_is_left_out():
    assert choices(ROWS[:1]) == {}
    assert choices([]) == {}


@pytest.mark.skipif(not PUBLISHED.exists(), reason="the published tables are not at hand")
def test_filters_of_the_published_tables():
    tables = json.loads(PUBLISHED.read_bytes())
    for table in tables.values():
        rows = [row(name, model_type=kind) for name, kind, _ in table]
        offered = choices(rows)
        assert set(offered) == {"kind", "organization", "size", "license", "weights"}
        for values in offered.values():
            assert sum(count for _, _, count in values) == len(rows)
        assert max(offered["organization"], key=lambda choice: choice[2])[0] in ("allenai", "openai", "ai2")
