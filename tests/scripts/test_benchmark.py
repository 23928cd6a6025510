"""The benchmark: a whole run with a tiny model, and its counts against hand-computed numbers."""

import importlib
import json
import os
import subprocess
import sys
from importlib.util import find_spec
from types import SimpleNamespace

import pytest
from repository import ROOT

from rewardbench.types import Item, TokenRequest

SCRIPTS = ROOT / "scripts"
ANCHOR = os.environ.get("REWARDBENCH_ANCHOR", "")
FILES = {"benchmark.md", "benchmark.json", "benchmark.png"}


def run(*arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}
    environment.pop("REWARDBENCH_ANCHOR", None)
    command = [sys.executable, str(SCRIPTS / "benchmark"), "--rounds", "1", "--threads", "1", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == code, done.stderr
    return done


def values(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def test_a_run_times_every_side_and_their_scores_agree(model_folder, tmp_path):
    done = run("--model", model_folder(), "--limit", 4, "--sides", "ours,pipeline@8", "--output", tmp_path)
    found = values(done.stdout)
    assert (found["pairs"], found["completions"], found["left_out"], found["scores_agree"]) == ("4", "8", "0", "yes")
    assert float(found["max_abs_diff_pipeline_8"]) <= 1e-4
    for name in ("ours_seconds", "pipeline_8_seconds", "ratio_pipeline_8", "tokens_per_second", "peak_gflops"):
        assert float(found[name]) > 0, name
    assert 0 < float(found["share_of_peak"]) < 1
    assert int(found["unique_tokens"]) < int(found["tokens"])
    written = {path.name for path in tmp_path.iterdir()}
    assert written == (FILES if find_spec("matplotlib") else FILES - {"benchmark.png"})
    figures = json.loads((tmp_path / "benchmark.json").read_text())
    assert [side["name"] for side in figures["sides"]] == ["ours", "pipeline@8"]
    assert [len(side["rounds"]) for side in figures["sides"]] == [1, 1]
    report = (tmp_path / "benchmark.md").read_text()
    assert "| transformers pipeline, batch 8 |" in report
    assert str(model_folder().parent) not in report + json.dumps(figures)


@pytest.mark.parametrize(
    ("sides", "sentence"),
    [
        ("ours,pipe@8", "There is no side 'pipe@8'"),
        ("ours,sorted@8", "There is no side 'sorted@8'"),
        ("pipeline@8", "--sides must hold ours"),
    ],
)
def test_sides_that_cannot_be_are_refused_before_anything_is_loaded(sides, sentence):
    assert sentence in run("--sides", sides, code=2).stderr


@pytest.mark.parametrize(
    ("side", "job", "sentence"),
    [
        ("incumbent@8", {"anchor": None}, "The published package needs an environment of its own"),
        ("incumbent@8", {"anchor": "no/python"}, "There is no Python at --anchor no/python"),
        ("pipeline@8", {"reference": "ref"}, "There is no side pipeline for a policy"),
        ("cross-encoder@8", {"reference": "ref"}, "There is no side cross-encoder for a policy"),
        ("sorted", {}, "There is no side sorted"),
    ],
)
def test_a_side_that_cannot_run_here_says_why(module, side, job, sentence):
    sides, unavailable = module("bench_sides"), module("bench_job").Unavailable
    device = SimpleNamespace(type="cpu")
    made = SimpleNamespace(parts=[object()], device=device, requests=[request([1])], **{"reference": None, **job})
    with pytest.raises(unavailable, match=sentence):
        sides.make_sides([side], made)


@pytest.mark.slow
@pytest.mark.skipif(not ANCHOR, reason="no REWARDBENCH_ANCHOR")
@pytest.mark.parametrize("kind", ["classifier", "dpo"])
def test_the_published_package_runs_beside_ours(kind):
    sides = ("--sides", "ours,incumbent@8,incumbent@64")
    found = json.loads(run("--kind", kind, "--limit", 4, *sides, "--anchor", ANCHOR, "--json").stdout)
    assert found["ratio_incumbent_8"] > 0
    assert found["ratio_incumbent_64"] > 0
    if kind == "classifier":  # a policy's texts get a second BOS and EOS
        assert found["max_abs_diff_incumbent_8"] <= 1e-4


@pytest.fixture
def module(monkeypatch):
    """A module of scripts/ by its name."""
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return importlib.import_module


@pytest.fixture
def work(module):
    return module("bench_work")


def request(ids, start=0):
    return TokenRequest("", "", tuple(ids), start, len(ids))


def test_every_distinct_prefix_of_an_item_counts_once(work):
    """1 2 3, 1 2 4 5 and 9 have the prefixes 1, 12, 123, 124, 1245, 9 at depths 0, 1, 2, 2, 3, 0."""
    found = work.count_item([request([1, 2, 4, 5]), request([9]), request([1, 2, 3])])
    assert found == work.Work(tokens=8, unique=6, attended=1 + 2 + 3 + 3 + 4 + 1, read=3)


def test_equal_and_nested_texts_cost_nothing_more(work):
    found = work.count_item([request([1, 2]), request([1, 2]), request([1])])
    assert (found.tokens, found.unique, found.attended) == (5, 2, 3)


def test_a_completion_is_predicted_from_the_state_before_each_of_its_tokens(work):
    """Prompt 1 2; 3 4 5 is read from 12, 123, 1234, and 3 6 from 12 and 123, which are the same states."""
    found = work.count_item([request([1, 2, 3, 4, 5], 2), request([1, 2, 3, 6], 2)], spans=True)
    assert (found.unique, found.read) == (6, 3)
    assert work.count_item([request([1, 2])], spans=True).read == 1, "the first token has no state before it"


def test_an_encoder_shares_only_equal_texts(work):
    found = work.count_both_ways([request([1, 2, 3]), request([1, 2]), request([1, 2])])
    assert found == work.Work(tokens=7, unique=5, attended=13, read=2)


def test_padding_is_counted_in_batches_of_the_data_order(work):
    assert work.padding(work.chunks([4, 2, 3, 3], 2)) == pytest.approx(2 / 12)


def item(prompt, completions=("yes", "no"), **options):
    turns = tuple({"role": role, "content": role} for role in prompt.split())
    answers = tuple(({"role": "assistant", "content": answer},) for answer in completions)
    return Item("1", "s", turns, answers, **options)


def test_pairs_are_those_that_every_side_can_take(module):
    job = module("bench_job")
    assert job.is_plain_pair(item("user"))
    assert job.is_plain_pair(item("system user assistant user"))
    for other in (
        item("user user"),
        item("user assistant"),
        item("user", ("a", "b", "c")),
        item("user", num_correct=2),
    ):
        assert not job.is_plain_pair(other)
    assert [turn["content"] for turn in job.same_for_all(item("system user")).prompt] == ["system\n\nuser"]


@pytest.mark.parametrize(("kind", "head"), [("reward", 32), ("causal", 512 * 32)])
def test_useful_operations_of_a_small_llama(work, kind, head):
    """2 layers, hidden 32, inner 64, 4 heads of 8, 2 of them for keys and values; one norm behind the layers."""
    from random_models import VOCABULARY, make_config
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

    config = make_config("llama", VOCABULARY)
    config.num_labels = 1
    auto = AutoModelForSequenceClassification if kind == "reward" else AutoModelForCausalLM
    model = auto.from_config(config)
    layer = 2 * 32 * 32 + 2 * 32 * 16 + 3 * 32 * 64 + 2 * 32
    body = 2 * layer + 32
    assert work.count_weights(model) == (body, head)
    made = work.useful_flops(work.Work(tokens=20, unique=10, attended=55, read=3), model)
    assert made == 2 * body * 10 + 2 * head * 3 + 4 * 2 * 4 * 8 * 55
