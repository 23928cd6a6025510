"""The map: search against brute force, resumption, generators, the command and its self-test."""

import json
import multiprocessing
import os
import signal
import sys
import time
from math import nan
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fake_judge import Behaviour, FakeJudge
from test_map_parts import TINY

from rewardbench.analysis import map as map_analysis
from rewardbench.analysis.map.cells import RuleClassifier
from rewardbench.analysis.map.domains import load_domain
from rewardbench.analysis.map.fitness import PlantedReward
from rewardbench.analysis.map.generators import GeneratedText, TemplateGenerator
from rewardbench.analysis.map.journal import MapJournal
from rewardbench.analysis.map.run import run_map, search_all, summarise
from rewardbench.analysis.map.search import STRATEGIES, MapProblem, SearchBudget
from rewardbench.analysis.map.selftest import selftest
from rewardbench.analysis.output import write_report
from rewardbench.cli import main as cli
from rewardbench.errors import InputError
from rewardbench.settings import ModelSpec

PLANTED = ModelSpec("planted")
KEY = "sk-secret-key-of-this-test"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Run in an empty folder with the domain tiny.toml."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.toml").write_text(TINY)
    return tmp_path


def options(**changes: object) -> map_analysis.MapOptions:
    return map_analysis.MapOptions(**{"model": PLANTED, "iterations": 60, "step_size": 20, **changes})


def problem(**parts: object) -> MapProblem:
    domain = load_domain("poems")
    defaults = {
        "domain": domain,
        "generator": TemplateGenerator(domain),
        "classifier": RuleClassifier(domain),
        "fitness": PlantedReward(domain),
    }
    return MapProblem(**{**defaults, **parts})


def read_journal(path) -> dict[str, list[dict[str, object]]]:
    searches: dict[str, list[dict[str, object]]] = {}
    for line in path.read_text().splitlines()[1:]:
        entry = json.loads(line)
        searches.setdefault(entry["search"], []).extend(entry["evaluations"])
    return searches


def test_elites_curve_and_counts_match_a_brute_force_over_the_journal(folder):
    summary = run_map(options(iterations=110)).summary
    (path,) = folder.glob("analysis/map/*/journal.jsonl")
    searches = read_journal(path)
    assert {name: len(rows) for name, rows in searches.items()} == {f"{name} 0": 110 for name in STRATEGIES}
    for strategy, result in summary.runs[0].items():
        best: dict[tuple[str, str], float] = {}
        curve = []
        for number, row in enumerate(searches[f"{strategy} 0"], 1):
            assert row["iteration"] == number - 1
            if row["cell"]:
                cell = tuple(row["cell"])
                best[cell] = max(best.get(cell, -9.0), row["reward"])
            if number % 20 == 0 or number == 110:
                curve.append(sum(reward + 1.6 for reward in best.values()))
        assert {cell: elite.reward for cell, elite in result.elites.items()} == best
        assert result.qd_curve(-1.6) == pytest.approx(curve)
        assert result.counts.total() + result.unknown + result.unscored == 110
    haikus = [row["reward"] for row in searches["uniform 0"] if row["cell"] and row["cell"][0] == "haiku"]
    mean, half_width, count = summary.text_mean(0, "haiku", "uniform")
    assert (mean, count) == (pytest.approx(np.mean(haikus)), len(haikus))
    assert half_width == pytest.approx(1.959964 * np.std(haikus, ddof=1) / count**0.5)
    rewards = {row["iteration"]: row for row in searches["map-elites 0"]}
    children = [row for row in rewards.values() if row["parent"] is not None]
    assert len(children) == 110 - 25  # the first texts are asked for one cell each
    assert all(rewards[row["parent"]]["cell"] for row in children)


def test_a_child_is_made_of_an_elite_only(folder):
    run_map(options(iterations=100, step_size=10))
    (path,) = folder.glob("analysis/map/*/journal.jsonl")
    rows = read_journal(path)["map-elites 0"]
    for row in rows:
        if row["parent"] is None:
            continue
        step = 10 * (row["iteration"] // 10)
        parent = rows[row["parent"]]
        rivals = [other["reward"] for other in rows[:step] if other["cell"] == parent["cell"]]
        assert parent["reward"] == max(rivals)


def test_a_child_moves_to_an_empty_cell_or_a_near_one(folder):
    run_map(options(iterations=300, step_size=10))
    (path,) = folder.glob("analysis/map/*/journal.jsonl")
    rows = read_journal(path)["map-elites 0"]
    children = [row for row in rows if row["parent"] is not None]
    moves = [row for row in children if row["target"] != rows[row["parent"]]["cell"]]
    assert 0.2 < len(moves) / len(children) < 0.4
    for row in moves:
        filled = {tuple(other["cell"]) for other in rows[: 10 * (row["iteration"] // 10)] if other["cell"]}
        cell, target = rows[row["parent"]]["cell"], row["target"]
        assert tuple(target) not in filled or (len(filled) == 25 and (cell[0] == target[0]) != (cell[1] == target[1]))


def test_the_search_climbs_where_controls_only_sample():
    report = selftest(seeds=1, budget=SearchBudget(1000, 50, 0.3))
    assert report.values["qd_ratio_vs_uniform"] > 1.03
    assert report.values["lowest_genre"] == "sonnet"
    assert report.values["lowest_tone"] == "reflective"
    assert report.values["target_hit_rate"] > 0.98


def test_unknown_cells_and_unscored_texts_are_counted():
    class Classifier:
        identity = "test"

        def classify(self, texts):
            cells = [None, ("haiku", "furious"), ("haiku", "dark"), ("sonnet", "dark")]
            return [cells[index % 4] for index in range(len(texts))]

    class Fitness:
        identity, floor = "test", None

        def score(self, texts):
            return [nan if index % 2 else 2.0 for index in range(len(texts))]

    parts = problem(classifier=Classifier(), fitness=Fitness())
    (run,) = search_all(parts, SearchBudget(40, 20, 0.3), STRATEGIES, (0, 1), MapJournal(None, {}))
    for result in run.values():
        assert (result.unknown, result.unscored, result.counts.total()) == (20, 10, 10)
    summary = summarise(parts, [run], SearchBudget(40, 20, 0.3))
    assert summary.offsets == [2.0]
    assert summary.values()["qd_score"] == 0.0
    assert summary.values()["qd_ratio_vs_random"] != summary.values()["qd_ratio_vs_random"]  # NaN, not a division by 0


def test_a_map_without_any_known_cell_still_has_a_report(folder, monkeypatch):
    monkeypatch.setattr(RuleClassifier, "classify", lambda self, texts: [None] * len(texts))
    report = map_analysis.analyze([], options(iterations=5))
    assert report.values["coverage"] == 0.0
    assert report.values["unknown_cells"] == 15
    assert report.values["lowest_genre"] is None
    assert report.sentence.startswith("No text has a known cell")
    assert "figure" in write_report(report, folder, {})


@pytest.mark.parametrize(
    ("texts", "start"),
    [
        ([" "], "The generator wrote no text that could be scored"),
        (["sun"], "The best texts found for planted have the same mean reward in every category that was reached"),
        (["<b>sun</b>\n" * 3, "{tone}", "\x1b[2J\x00", ""], "The best texts found for planted have the same mean"),
    ],
)
def test_a_generator_may_return_anything(folder, monkeypatch, texts, start):
    def generate(self, requests):
        return [GeneratedText(texts[request.seed % len(texts)]) for request in requests]

    monkeypatch.setattr(TemplateGenerator, "generate", generate)
    monkeypatch.setattr(RuleClassifier, "classify", lambda self, texts: [("haiku", "dark") for _ in texts])
    report = map_analysis.analyze([], options(iterations=30, archive="parquet", offset=0.0))
    assert report.sentence.startswith(start)
    assert "\x1b" not in Path(report.values["elites"]).read_text()
    assert "figure" in write_report(report, folder, {})


def test_the_same_seed_gives_the_same_bytes_and_a_finished_run_is_not_repeated(folder, monkeypatch):
    report = map_analysis.analyze([], options(runs=2))
    files = write_report(report, folder / "first", {})
    (run,) = folder.glob("analysis/map/*")
    archive = (run / "archive.jsonl").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(TemplateGenerator, "generate", lambda self, requests: pytest.fail("generated again"))
        again = write_report(map_analysis.analyze([], options(runs=2)), folder / "again", {})
    assert Path(files["report"]).read_bytes() == Path(again["report"]).read_bytes()
    run.rename(folder / "elsewhere")
    fresh = write_report(map_analysis.analyze([], options(runs=2)), folder / "fresh", {})
    assert Path(files["report"]).read_bytes() == Path(fresh["report"]).read_bytes()
    assert (run / "archive.jsonl").read_bytes() == archive
    assert Path(files["figure"]).read_bytes() == Path(fresh["figure"]).read_bytes()
    other = map_analysis.analyze([], options(runs=2, seed=1))
    assert other.values["archive"] != report.values["archive"]
    assert other.values["qd_score"] != report.values["qd_score"]


def wait_and_kill(process, path_of, lines: int) -> None:
    """Kill a process as soon as its journal has this number of lines."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        paths = list(path_of())
        if paths and paths[0].read_bytes().count(b"\n") >= lines:
            break
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    process.join()


def test_a_run_killed_at_any_moment_continues_with_identical_output(folder, monkeypatch):
    settings = options(iterations=300, step_size=10)
    whole_run = write_report(map_analysis.analyze([], settings), folder / "uninterrupted", {})
    (run,) = folder.glob("analysis/map/*")
    run.rename(folder / "uninterrupted" / "run")
    context = multiprocessing.get_context("fork")
    for lines in (5, 40):
        process = context.Process(target=map_analysis.analyze, args=([], settings))
        process.start()
        wait_and_kill(process, lambda: folder.glob("analysis/map/*/journal.jsonl"), lines)
        assert process.exitcode == -signal.SIGKILL
    assert not (run / "archive.jsonl").exists()
    resumed = write_report(map_analysis.analyze([], settings), folder / "resumed", {})
    assert Path(whole_run["report"]).read_bytes() == Path(resumed["report"]).read_bytes()
    for name in ("archive.jsonl", "elites.md", "journal.jsonl"):
        assert (run / name).read_bytes() == (folder / "uninterrupted" / "run" / name).read_bytes()


def test_a_local_language_model_generates(folder, model_folder):
    generator = f"hf:{model_folder(kind='causal')}"
    settings = options(
        model=ModelSpec("baseline/longest"), domain="tiny.toml", generator=generator, iterations=6, step_size=3
    )
    summary = run_map(settings).summary
    assert summary.total("unknown") + summary.total("unscored") < 18
    (path,) = folder.glob("analysis/map/*/journal.jsonl")
    rows = read_journal(path)
    texts = [row["text"] for row in rows["uniform 0"]]
    assert len(set(texts)) > 1
    before = path.read_bytes()
    path.write_bytes(before[: len(before) // 2])
    run_map(settings)
    assert path.read_bytes() == before


def test_an_endpoint_generates_and_the_key_is_in_no_file(folder, monkeypatch, capsys):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)

    def decide(question):
        seed = question.body["seed"]
        return ["sun\nsun", "rain", "", f"sun {seed}", "rain\n" * (seed % 7 + 2)][seed % 5]

    with FakeJudge(Behaviour(decide=decide, rate_limited=0.2, retry_after=0.01)) as judge:
        report = map_analysis.analyze(
            [],
            options(
                model=ModelSpec("baseline/longest"),
                domain="tiny.toml",
                generator=f"openai:{judge.base_url}#writer",
                step_size=15,
            ),
        )
    assert report.values["coverage"] == 1.0
    assert report.values["unscored"] > 0
    write_report(report, folder, {})
    written = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    assert len(written) >= 5
    assert not any(KEY.encode() in content for content in written)
    streams = capsys.readouterr()
    assert KEY not in streams.out + streams.err


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": None}, "Name a reward model: --model FOLDER, or --model planted"),
        ({"generator": "gpt"}, "There is no generator 'gpt': name template, hf:FOLDER or openai:URL#MODEL"),
        ({"generator": "openai:http://127.0.0.1:1/v1"}, "An endpoint is openai:URL#MODEL"),
        ({"generator": "openai:ftp://x#m"}, "base_url is 'ftp://x'"),
        ({"generator": "hf:"}, "There is no generator 'hf:'"),
        ({"generator": "hf:nowhere"}, "nowhere"),
        ({"cells": "luck"}, "There are no cells by 'luck': name rules, model or openai:URL#MODEL"),
        ({"cells": "model"}, "The planted reward does not read cells"),
        ({"domain": "tiny.toml"}, r"has no table \[planted\]"),
        ({"domain": "none.toml"}, "There is no domain 'none.toml'"),
    ],
)
def test_unfit_options_are_one_line_errors(folder, changes, message):
    with pytest.raises(InputError, match=message) as error:
        map_analysis.analyze([], options(**changes))
    assert "\n" not in str(error.value)
    assert not (folder / "analysis").exists()


def test_inputs_are_rejected():
    with pytest.raises(InputError, match="A map reads no files"):
        map_analysis.analyze(["a.json"], options())


def run_command(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stop:
        cli.main(["analyze", "map", *arguments])
    return stop.value.code


def test_the_command_writes_archive_elites_and_picture(folder, capsys):
    arguments = ("--model", "planted", "--domain", "answers", "--iterations", "80", "--archive", "parquet")
    assert run_command(*arguments, "--check", "coverage>=0.5") == 0
    lines = dict(line.split("=", 1) for line in capsys.readouterr().out.splitlines() if "=" in line)
    frame = pd.read_parquet(lines["archive"])
    assert list(frame.columns) == ["run", "register", "directness", "text", "reward", "iteration", "parent"]
    assert len(frame) == round(16 * float(lines["coverage"]))
    page = Path(lines["elites"]).read_text(encoding="utf-8")
    assert page.startswith("# Answers by register and directness")
    assert page.count("\n## ") == len(frame)
    assert Path(lines["figure"]).read_bytes().startswith(b"\x89PNG")
    assert lines["lowest_directness"] in {"evasive", "hedged"}


def test_a_missing_pyribs_names_the_command(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "ribs.archives", None)
    with pytest.raises(InputError, match=r"pip install 'rewardbench\[map\]'"):
        map_analysis.analyze([], options())


@pytest.mark.slow
def test_the_selftest_keeps_its_bounds():
    report = selftest()
    assert report.missed() == []
    assert (report.values["lowest_genre"], report.values["lowest_tone"]) == ("sonnet", "reflective")
    assert report.values["qd_ratio_vs_uniform_min"] > 1.05
