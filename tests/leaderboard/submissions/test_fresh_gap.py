"""Test the gap between the mirrors of a suite and freshly generated ones, as a re-run measures it."""

import json
import shutil
from collections import Counter
from dataclasses import asdict

import pytest
from repository import ROOT
from synthetic import mirrors, scores, store, verify
from terminal import run

from rewardbench.leaderboard.refresh import refresh
from rewardbench.leaderboard.submissions.fresh_gap import draw_mirrors, find_gap
from rewardbench.leaderboard.types import MEASURED, STATED
from rewardbench.metrics import gap
from rewardbench.store import LocalStore
from rewardbench.store.verdicts import make_verdict

DEMO = ROOT / "leaderboard" / "demo"


def test_random_mirrors_are_complete_and_depend_on_the_seed():
    suite = mirrors(30)
    part = draw_mirrors(suite, 21, 1)
    assert set(Counter(item.group for item in part.items).values()) == {2}
    assert len(part.items) == 20
    assert {item.group for item in part.items} != {item.group for item in draw_mirrors(suite, 21, 2).items}
    assert len(draw_mirrors(suite, 1, 1).items) == 2
    assert len(draw_mirrors(suite, 1_000, 1).items) == len(suite.items)


def built(suite):
    for item in suite.items:
        item.meta["origin"] = "built"
    return suite


@pytest.mark.parametrize(("fresh", "flagged"), [(0.5, True), (0.97, False)])
def test_a_model_that_is_better_on_the_suite_than_on_fresh_mirrors_is_flagged(fresh, flagged):
    suite, draw = built(mirrors(100)), mirrors(100)
    findings = find_gap(gap(suite, scores(suite, 0.98, 1), draw, scores(draw, fresh, 2)))
    assert [finding.kind for finding in findings] == ["flagged"] * flagged
    assert all("may have been trained on the suite" in finding.message for finding in findings)
    assert find_gap(()) == []


def test_the_measured_gap_replaces_the_stated_one(tmp_path):
    suite = built(mirrors(40))
    estimates = gap(suite, scores(suite, 0.9, 1), suite, scores(suite, 0.6, 2))
    path = store(tmp_path, suite, scores(suite, 0.9, 1), "org/a")
    summary = json.loads(path.read_bytes())
    stated = [{**asdict(estimate), "value": 0.0, "low": -0.1, "high": 0.1} for estimate in estimates]
    path.write_text(json.dumps({**summary, "gap": stated}))
    local_store = LocalStore(tmp_path)
    (row,) = refresh(local_store).rows
    assert ([figure.value for figure in row.gap], row.gap_source) == ([0.0] * 3, STATED)
    verify(tmp_path)
    (row,) = refresh(local_store).rows
    assert ([figure.value for figure in row.gap], row.gap_source) == ([0.0] * 3, STATED), "no fresh draw was scored"
    verdict = make_verdict(json.loads(path.read_bytes()), True, {"gap": list(map(asdict, estimates))})
    local_store.save("verdicts/org/a.json", json.dumps(verdict).encode())
    (row,) = refresh(local_store).rows
    assert [figure.value for figure in row.gap] == [estimate.value for estimate in estimates]
    assert row.gap_source == MEASURED
    for spoiled in (7, [{}], [{"name": "gap", "value": 9.0}]):
        verdict = make_verdict(json.loads(path.read_bytes()), True, {"gap": spoiled})
        local_store.save("verdicts/org/a.json", json.dumps(verdict).encode())
        assert refresh(local_store).rows[0].gap_source == STATED


@pytest.mark.slow
def test_a_rerun_scores_a_fresh_draw_and_stores_the_gap(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    demo = shutil.copytree(DEMO, tmp_path / "demo")
    rerun = ("verify", demo / "tiny-rm.json", "--rerun", 8, "--model", "tiny-rm", "--device", "cpu", "--store", demo)
    code, out, _ = run(capsys, *rerun, "--record")
    assert code == 0, out
    verdict = json.loads((demo / "verdicts" / "tiny-rm.json").read_bytes())
    values = dict(line.split("=", 1) for line in out.splitlines() if "=" in line)
    core, fresh, difference = verdict["gap"]
    assert (core["name"], fresh["name"], difference["name"]) == ("core", "fresh", "gap")
    assert difference["value"] == pytest.approx(core["value"] - fresh["value"])
    assert int(values["built.fresh_mirrors"]) == fresh["n"] >= 10
    row = next(row for row in refresh(LocalStore(demo)).rows if row.key == "tiny-rm")
    assert (row.gap_source, row.gap[1].value) == (MEASURED, fresh["value"])
    assert row.rank_range == (2, 3)
    assert not list((tmp_path / "cache").rglob("fresh-*")), "the draw is removed"
    code, out, _ = run(capsys, *rerun, "--no_fresh")
    assert (code, "built." in out) == (0, False)
