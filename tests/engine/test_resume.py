"""A run that is killed goes on where it was, and ends in the same bytes; only who gave a score knows it."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from random_models import pairs, write_pairs

from rewardbench.engine.cache import Cache
from rewardbench.engine.loop import score
from rewardbench.scorers.classifier import load_classifier
from rewardbench.scorers.dpo import load_dpo
from rewardbench.settings import ModelSpec


def spec(folder, **options):
    return ModelSpec(str(folder), device="cpu", **options)


def scores(run):
    return [item.scores for item in run.items]


@pytest.fixture
def cache(tmp_path):
    with Cache(tmp_path / "scores.sqlite") as opened:
        yield opened


def test_a_known_score_is_looked_up_and_is_the_same_to_the_last_bit(model_folder, cache):
    items, scorer = pairs(12, 20), load_classifier(spec(model_folder()))
    first = score(items, scorer, cache=cache, batch_tokens=100)
    assert first.computed == first.requests == 24
    again = score(items, scorer, cache=cache)
    assert (again.computed, again.batches) == (0, 0)
    assert scores(again) == scores(first)


def test_of_some_known_items_only_the_others_are_computed(model_folder, cache):
    items, scorer = pairs(12, 20), load_classifier(spec(model_folder()))
    score(items[:5], scorer, cache=cache)
    whole = score(items, scorer, cache=cache)
    assert whole.computed == 14
    fresh = score(items, scorer)
    apart = [abs(a - b) for x, y in zip(scores(whole), scores(fresh), strict=True) for a, b in zip(x, y, strict=True)]
    assert max(apart) <= 1e-5
    assert [x > y for x, y in scores(whole)] == [x > y for x, y in scores(fresh)]


@pytest.mark.parametrize("change", ["weights", "template", "length", "dtype", "kernel", "side"])
def test_what_can_move_a_score_never_reuses_one(change, model_folder, cache):
    items = pairs(3, 20)
    score(items, load_classifier(spec(model_folder())), cache=cache)
    other = {
        "weights": lambda: load_classifier(spec(model_folder(seed=5))),
        "template": lambda: load_classifier(spec(model_folder(), chat_template="raw")),
        "length": lambda: load_classifier(spec(model_folder(), max_length=2000)),
        "dtype": lambda: load_classifier(spec(model_folder(), dtype="float64")),
        "kernel": lambda: load_classifier(spec(model_folder(), attn_implementation="eager")),
        "side": lambda: load_classifier(spec(model_folder(), truncation_side="right")),
    }
    assert score(items, other[change](), cache=cache).computed == 6


def test_the_next_checkpoint_finds_its_reference_known(model_folder, cache):
    items = pairs(4, 20)
    reference = str(model_folder("llama", "causal", seed=1))
    first = score(items, load_dpo(spec(model_folder("llama", "causal", seed=2), ref_model=reference)), cache=cache)
    second = score(items, load_dpo(spec(model_folder("llama", "causal", seed=3), ref_model=reference)), cache=cache)
    assert (first.computed, second.computed) == (16, 8)
    assert second.items[0].scores != first.items[0].scores


def test_a_batch_that_failed_leaves_those_before_it_known_and_the_plan_in_place(model_folder, cache):
    items, scorer = pairs(12, 20), load_classifier(spec(model_folder()))
    whole = score(items, scorer, batch_tokens=100)
    run, left = scorer.run, [3]

    def breaking(batch):
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return run(batch)

    scorer.run = breaking
    with pytest.raises(KeyboardInterrupt):
        score(items, scorer, cache=cache, batch_tokens=100)
    scorer.run = run
    known = sum(entry.scores for entry in cache.entries())
    assert 0 < known < 24
    resumed = score(items, scorer, cache=cache, batch_tokens=7)  # the plan of the first call holds
    assert resumed.computed == 24 - known
    assert resumed.batches == whole.batches - 3
    assert scores(resumed) == scores(whole)


def start(folder: Path, model: Path, cache: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "rewardbench", "--model", str(model), "--dataset", str(folder / "pairs.jsonl")]
    command += ["--batch_tokens", "150", "--device", "cpu", "--output_dir", str(folder / cache)]
    environment = {**os.environ, "REWARDBENCH_CACHE": str(folder / f"{cache}.sqlite"), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def known_scores(path: Path) -> int:
    try:
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10) as db:
            return int(db.execute("SELECT count(*) FROM scores").fetchone()[0])
    except sqlite3.Error:
        return 0


def outputs(folder: Path) -> bytes:
    (path,) = folder.glob("*_outputs.jsonl")
    return path.read_bytes()


@pytest.mark.parametrize(("kills", "count"), [(2, 150), pytest.param(10, 600, marks=pytest.mark.slow)])
def test_a_killed_run_resumes_to_the_same_bytes(kills, count, model_folder, tmp_path):
    folder, model = tmp_path, model_folder("llama")
    write_pairs(folder / "pairs.jsonl", count)
    assert start(folder, model, "whole").wait(300) == 0
    rng, known = random.Random(7), 0
    for _ in range(kills):
        target = known + rng.randint(1, max(1, 2 * count // (kills + 1)))
        child = start(folder, model, "killed")
        while child.poll() is None and known_scores(folder / "killed.sqlite") < target:
            time.sleep(0.005)
        child.send_signal(signal.SIGKILL)
        child.wait()
        known = known_scores(folder / "killed.sqlite")
        assert known >= target or child.returncode == 0
        assert not list((folder / "killed").glob("*.json*")) or child.returncode == 0
    told = start(folder, model, "killed").communicate(timeout=300)[0].decode()
    assert f"computed={2 * count - known}\n" in told
    assert outputs(folder / "killed") == outputs(folder / "whole")
    assert not list((folder / "killed").glob(".*")), "what a killed run left behind is swept up"


@pytest.mark.slow
def test_two_processes_share_a_cache(model_folder, tmp_path):
    write_pairs(tmp_path / "pairs.jsonl", 200)
    children = [start(tmp_path, model_folder("llama"), "shared") for _ in range(2)]
    assert [child.wait(300) for child in children] == [0, 0]
    assert known_scores(tmp_path / "shared.sqlite") == 400
