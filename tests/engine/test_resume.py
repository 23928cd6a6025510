"""A killed run resumes with the same bytes; a cached score is used only for the scorer that computed it."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from head_families import FAMILIES
from launched import count_cached
from random_models import pairs, write_pairs
from reference import interrupted

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


def test_a_cached_score_is_the_same_to_the_last_bit(model_folder, cache):
    items, scorer = pairs(12, 20), load_classifier(spec(model_folder()))
    first = score(items, scorer, cache=cache, batch_tokens=100)
    assert first.computed == first.requests == 24
    again = score(items, scorer, cache=cache)
    assert (again.computed, again.batches) == (0, 0)
    assert scores(again) == scores(first)


def test_only_cache_misses_are_computed(model_folder, cache):
    items, scorer = pairs(12, 20), load_classifier(spec(model_folder()))
    score(items[:5], scorer, cache=cache)
    partly_cached = score(items, scorer, cache=cache)
    assert partly_cached.computed == 14
    fresh = score(items, scorer)
    for pair, fresh_pair in zip(scores(partly_cached), scores(fresh), strict=True):
        assert pair == pytest.approx(fresh_pair, abs=1e-5, rel=0)
        assert (pair[0] > pair[1]) == (fresh_pair[0] > fresh_pair[1])


@pytest.mark.parametrize("change", ["weights", "template", "length", "dtype", "kernel", "side"])
def test_a_change_that_can_change_scores_uses_no_cached_score(change, model_folder, cache):
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


def test_another_policy_uses_the_cached_scores_of_the_same_reference(model_folder, cache):
    items = pairs(4, 20)
    reference = str(model_folder("llama", "causal", seed=1))
    first = score(items, load_dpo(spec(model_folder("llama", "causal", seed=2), ref_model=reference)), cache=cache)
    second = score(items, load_dpo(spec(model_folder("llama", "causal", seed=3), ref_model=reference)), cache=cache)
    assert (first.computed, second.computed) == (16, 8)
    assert second.items[0].scores != first.items[0].scores


def test_a_batch_that_fails_leaves_earlier_scores_and_the_plan_in_the_cache(model_folder, cache):
    items, scorer = pairs(12, 20), load_classifier(spec(model_folder()))
    complete = score(items, scorer, batch_tokens=100)
    with interrupted(scorer, 3):
        score(items, scorer, cache=cache, batch_tokens=100)
    cached = sum(entry.scores for entry in cache.entries())
    assert 0 < cached < 24
    resumed = score(items, scorer, cache=cache, batch_tokens=7)  # the plan of the first call is used
    assert resumed.computed == 24 - cached
    assert resumed.batches == complete.batches - 3
    assert scores(resumed) == scores(complete)


def start(folder: Path, model: ModelSpec, cache: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "rewardbench", "--model", model.model, "--dataset", str(folder / "pairs.jsonl")]
    command += ["--adapter", model.adapter] if model.adapter else []
    command += ["--batch_tokens", "150", "--device", "cpu", "--output_dir", str(folder / cache)]
    environment = {**os.environ, "REWARDBENCH_CACHE": str(folder / f"{cache}.sqlite"), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def outputs(folder: Path) -> bytes:
    (path,) = folder.glob("*_outputs.jsonl")
    return path.read_bytes()


MANY_KILLS = [(kind, 10 if kind == "classifier" else 2, 600) for kind in ("classifier", *FAMILIES)]


@pytest.mark.parametrize(
    ("kind", "kills", "count"),
    [("qwen_prm", 2, 60), *(pytest.param(*values, marks=pytest.mark.slow) for values in MANY_KILLS)],
)
def test_a_killed_run_resumes_to_the_same_bytes(kind, kills, count, model_folder, family_spec, tmp_path):
    folder = tmp_path
    model = spec(model_folder("llama")) if kind == "classifier" else family_spec(kind)
    write_pairs(folder / "pairs.jsonl", count)
    assert start(folder, model, "complete").wait(300) == 0
    rng, cached = random.Random(7), 0
    for _ in range(kills):
        target = cached + rng.randint(1, max(1, 2 * count // (kills + 1)))
        child = start(folder, model, "killed")
        while child.poll() is None and count_cached(folder / "killed.sqlite") < target:
            time.sleep(0.005)
        child.send_signal(signal.SIGKILL)
        child.wait()
        cached = count_cached(folder / "killed.sqlite")
        assert cached >= target or child.returncode == 0
        assert not list((folder / "killed").glob("*.json*")) or child.returncode == 0
    printed = start(folder, model, "killed").communicate(timeout=300)[0].decode()
    assert f"computed={2 * count - cached}\n" in printed
    assert outputs(folder / "killed") == outputs(folder / "complete")
    assert not list((folder / "killed").glob(".*")), "temporary files of a killed run are deleted"


@pytest.mark.slow
def test_two_processes_share_a_cache(model_folder, tmp_path):
    write_pairs(tmp_path / "pairs.jsonl", 200)
    children = [start(tmp_path, spec(model_folder("llama")), "shared") for _ in range(2)]
    assert [child.wait(300) for child in children] == [0, 0]
    assert count_cached(tmp_path / "shared.sqlite") == 400
