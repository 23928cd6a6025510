"""Judges on the leaderboard: a table for each protocol, with their biases, failures and cost."""

import json
import re
from dataclasses import replace

import pytest
from synthetic import mirrors, scores, store, verify

pytest.importorskip("gradio")

from terminal import run

from rewardbench import results
from rewardbench.leaderboard.app import serve as app
from rewardbench.leaderboard.app.library import Library
from rewardbench.leaderboard.index import encode_index, read_index
from rewardbench.leaderboard.ranking import rank_rows
from rewardbench.leaderboard.types import Board, Credits
from rewardbench.models.fingerprint import digest
from rewardbench.store import open_store

SUITE = mirrors(60)
CHOICE, RATING = "choice@1#" + "c" * 16, "rating@2#" + "d" * 16


def add_judge(folder, name, share, protocol, cost, seed=0, stopped=""):
    """Store the result of a judge."""
    protocol_name, version, protocol_digest = re.split("[@#]", protocol)
    judge = {
        "protocol": protocol_name,
        "version": int(version),
        "digest": protocol_digest,
        "requests": 480,
        "failures": {"no_verdict": 3, "length": 2},
        "cost": cost,
        "stopped": stopped,
    }
    scored = []
    for item in scores(SUITE, share, seed):
        scored.append(replace(item, order_inconsistency=0.25, position_bias=0.125))
    fingerprint = {"kind": "judge", "model": name, "protocol_digest": protocol_digest}
    manifest = {"fingerprint": fingerprint, "fingerprint_sha256": digest(fingerprint), "run": {"judge": judge}}
    result = results.assemble(SUITE, name, "Generative RM", scored, manifest)
    rows = list(results.to_rows(result, SUITE))
    summary = json.loads(results.dump(results.to_summary(result)))
    return open_store(str(folder)).add([results.pack_result(summary, rows)])[0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    store(folder, SUITE, scores(SUITE, 0.98, 1), "org/classifier")
    store(folder, SUITE, scores(SUITE, 0.6, 2), "org/weak")
    add_judge(folder, "org/judge", 0.9, CHOICE, 12.5, 3)
    add_judge(folder, "org/judge", 0.5, RATING, None, 4)
    add_judge(folder, "org/other-judge", 0.4, CHOICE, 0.004, 5)
    verify(folder)
    return folder


@pytest.fixture(scope="module")
def library(folder):
    return Library(str(folder))


def see(library, **query):
    from urllib.parse import urlencode

    return app.view(library, "?" + urlencode(query))


def test_judges_are_ranked_among_those_of_their_protocol(library):
    rows = {(row.model, row.protocol): row for row in library.rows().rows}
    assert len(rows) == 5
    assert rows["org/judge", CHOICE].rank_range == (1, 1)
    assert rows["org/judge", RATING].rank_range == (1, 1)
    assert rows["org/classifier", ""].rank_range == (1, 1)
    assert rows["org/other-judge", CHOICE].rank_range == (2, 2)
    assert rows["org/weak", ""].rank_range == (2, 2)
    assert library.rows().protocols(SUITE.name) == ("", CHOICE, RATING)


def test_each_protocol_has_a_table_of_its_own(library):
    page = see(library)
    assert "org/classifier" in page
    assert "org/judge" not in page
    assert all(f'value="{name}"' in page for name in (CHOICE, RATING))
    assert "Protocol" not in page.partition("<table")[2]
    page = see(library, protocol=CHOICE)
    assert "org/other-judge" in page
    assert "org/classifier" not in page
    assert page.count("<tr data-key") == 2
    assert f"Judges on {SUITE.name}, {CHOICE}" in page
    page = see(library, protocol=RATING)
    assert page.count("<tr data-key") == 1
    assert see(library, protocol="rating@3#x").count("<tr data-key") == 2  # of the models that are no judges


def test_the_table_of_judges_has_their_columns(library):
    cells = see(library, protocol=CHOICE).partition("<table")[2]
    for name in ("Position bias", "Order inconsistency", "Protocol", "Requests", "Failures", "Cost"):
        assert f'data-name="{name}"' in cells
    assert all(f">{cell}</td>" in cells for cell in ("+12.5", "12.50", "0.0040", "480", "5", "25.0"))


def test_the_link_to_a_row_shows_its_table(library):
    key = next(row.key for row in library.rows().rows if row.protocol == RATING)
    page = see(library, row=key)
    assert page.count("<tr data-key") == 1
    assert "aria-selected" in page


def test_the_page_of_a_judge_states_its_run(library):
    key = next(row.key for row in library.rows().rows if row.protocol == CHOICE and row.cost == 12.5)
    page = see(library, view="model", model=key)
    for words in (CHOICE, "&#36;12.50", "+12.5 points", "Answers without a verdict", "Generative RM"):
        assert words in page


def test_the_exports_have_the_columns_of_judges(library):
    keys = [row.key for row in library.rows().rows if row.protocol == CHOICE]
    text = app.export(library, "CSV", SUITE.name, keys, ["Model", "Position bias", "Protocol", "Cost"])
    assert text.splitlines()[0] == "Model,Position bias,Protocol,Cost,Low,High"
    assert any(line.startswith(f"org/judge,'+12.5,{CHOICE},12.50") for line in text.splitlines())


def test_the_index_keeps_what_the_board_shows(library, tmp_path):
    board = library.rows()
    path = tmp_path / "index.parquet"
    path.write_bytes(encode_index(board, {row.key: Credits() for row in board.rows}))
    assert read_index(path).rows == board.rows


def test_the_position_bias_is_recomputed(folder, library):
    """A judge cannot state another bias than its per-item scores have."""
    row = next(row for row in library.rows().rows if row.cost == 12.5)
    path = library.store.path(row.key)
    original = path.read_bytes()
    summary = json.loads(original)
    summary["biases"] = [{"name": "position_bias", "n": 1, "value": 0.0, "low": 0.0, "high": 0.0}]
    path.write_text(json.dumps(summary))
    try:
        changed = next(row for row in Library(str(folder)).rows().rows if row.cost == 12.5)
        assert [bias.value for bias in changed.biases if bias.name == "position_bias"] == [0.125]
    finally:
        path.write_bytes(original)


def test_the_command_index_lists_each_protocol_apart(folder, capsys):
    out = run(capsys, "index", folder)[1]
    lines = [line for line in out.splitlines() if line.startswith(SUITE.name)]
    tables = [line.partition("  ")[0] for line in lines]
    assert tables == [SUITE.name] * 2 + [f"{SUITE.name}, {CHOICE}"] * 2 + [f"{SUITE.name}, {RATING}"]
    values = json.loads(run(capsys, "index", folder, "--json")[1])
    assert {row["cost"] for row in values} == {None, 12.5, 0.004}


def test_a_run_that_stopped_has_a_note(tmp_path):
    add_judge(tmp_path, "org/judge", 0.9, CHOICE, 1.0, stopped="max_cost")
    (row,) = Library(str(tmp_path)).rows().rows
    assert row.note.startswith("The run stopped at a limit of cost")


def test_rows_without_scores_have_no_rank(library):
    row = next(row for row in library.rows().rows if row.protocol == RATING)
    published = replace(row, key="x", ids="", protocol="", score=replace(row.score, value=0.9))
    ranked = rank_rows([row, published], {row.key: Credits((0.1, 0.2)), "x": Credits()})
    assert [row.rank_range for row in ranked] == [(1, 1), None]
    assert Board((), 0.0).protocols("toy") == ()
