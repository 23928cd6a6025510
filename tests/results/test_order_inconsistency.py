"""Per-item rows of pairwise scorers store the order inconsistency; rows of other scorers do not change."""

import hashlib
import json

import pytest

from rewardbench import results
from rewardbench.results.scored import read_scored
from rewardbench.types import Item, ItemScores, Rule, Suite

COLUMN = "order_inconsistency"
SUITE = Suite(
    "toy",
    "r1",
    tuple(Item(id, "pairs", (), ((), ()), meta={"source": "web"}) for id in "abc"),
    {"pairs": Rule("Chat")},
)


def scores_of(inconsistencies):
    return [
        ItemScores(item.id, (0.75, 0.25), tokens=(1, 1), texts=("x", "y"), order_inconsistency=inconsistency)
        for item, inconsistency in zip(SUITE.items, inconsistencies, strict=True)
    ]


def write(folder, inconsistencies):
    """Store a result with one order inconsistency per item; return the path of its summary."""
    result = results.assemble(SUITE, "judge", "Custom", scores_of(inconsistencies), {})
    rows = "".join(map(results.dump, results.to_rows(result, SUITE))).encode()
    path = folder / "judge.json"
    results.outputs_path(path).write_bytes(rows)
    summary = results.to_summary(result) | {results.OUTPUTS_HASH: hashlib.sha256(rows).hexdigest()}
    path.write_text(results.dump(summary))
    return path


def test_order_inconsistency_is_written_and_read_again(tmp_path):
    path = write(tmp_path, (0.0, 1.0, 0.5))
    rows = list(map(json.loads, results.outputs_path(path).read_text().splitlines()))
    assert [row[COLUMN] for row in rows] == [0.0, 1.0, 0.5]
    for read in (results.read_result, read_scored):
        assert [item.order_inconsistency for item in read(path).items] == [0.0, 1.0, 0.5]
    assert [item.order_inconsistency for item in read_scored(results.outputs_path(path)).items] == [0.0, 1.0, 0.5]


def test_rows_of_pointwise_scorers_have_no_such_column(tmp_path):
    path = write(tmp_path, (None, None, None))
    assert COLUMN not in results.outputs_path(path).read_text()
    for read in (results.read_result, read_scored):
        assert {item.order_inconsistency for item in read(path).items} == {None}


@pytest.mark.parametrize("value", ["yes", 7, -0.5, True, None])
def test_a_column_of_the_dataset_with_this_name_is_not_read_as_ours(value):
    item = Item("a", "pairs", (), ((), ()), meta={COLUMN: value})
    row = results.to_row(item, ItemScores("a", (1.0, 0.0)), Rule("Chat"))
    assert row[COLUMN] == value
    assert results.read.read_order_inconsistency(row) is None


def test_our_column_replaces_one_of_the_dataset():
    item = Item("a", "pairs", (), ((), ()), meta={COLUMN: "theirs", "source": "web"})
    row = results.to_row(item, ItemScores("a", (1.0, 0.0), order_inconsistency=0.5), Rule("Chat"))
    assert (row[COLUMN], row["source"]) == (0.5, "web")
