"""The benchmark: a run with a tiny model, and its counts compared with values worked out by hand."""

import importlib
import json
import os
import random
import subprocess
import sys
from importlib.util import find_spec
from types import SimpleNamespace

import pytest
from repository import ROOT

from rewardbench.types import Item, TokenRequest

SCRIPTS = ROOT / "scripts"
PUBLISHED_PYTHON = os.environ.get("REWARDBENCH_PUBLISHED_PYTHON", "")
FILES = {"benchmark.md", "benchmark.json", "benchmark.png"}


def run(*arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}
    environment.pop("REWARDBENCH_PUBLISHED_PYTHON", None)
    command = [sys.executable, str(SCRIPTS / "benchmark"), "--rounds", "1", "--threads", "1", *map(str, arguments)]
    completed = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert completed.returncode == code, completed.stderr
    return completed


def values(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def test_a_run_times_every_side_and_their_scores_agree(model_folder, tmp_path):
    completed = run("--model", model_folder(), "--limit", 4, "--sides", "ours,sorted,pipeline@8", "--output", tmp_path)
    figures = values(completed.stdout)
    counts = {name: figures[name] for name in ("pairs", "completions", "left_out", "scores_agree")}
    assert counts == {"pairs": "4", "completions": "8", "left_out": "0", "scores_agree": "yes"}
    assert max(float(figures["max_abs_diff_sorted"]), float(figures["max_abs_diff_pipeline_8"])) <= 1e-4
    for name in ("ours_seconds", "pipeline_8_seconds", "ratio_pipeline_8", "tokens_per_second", "peak_gflops"):
        assert float(figures[name]) > 0, name
    assert 0 < float(figures["share_of_peak"]) < 1
    assert int(figures["unique_tokens"]) < int(figures["tokens"])
    written = {path.name for path in tmp_path.iterdir()}
    assert written == (FILES if find_spec("matplotlib") else FILES - {"benchmark.png"})
    stored = json.loads((tmp_path / "benchmark.json").read_text())
    assert [(side["name"], len(side["rounds"])) for side in stored["sides"]] == [
        ("ours", 1),
        ("sorted", 1),
        ("pipeline@8", 1),
    ]
    report = (tmp_path / "benchmark.md").read_text()
    assert "| transformers pipeline, batch 8 |" in report
    assert str(model_folder().parent) not in report + json.dumps(stored)


@pytest.mark.parametrize(
    ("sides", "sentence"),
    [
        ("ours,pipe@8", "There is no side 'pipe@8'"),
        ("ours,sorted@8", "There is no side 'sorted@8'"),
        ("pipeline@8", "--sides must include ours"),
    ],
)
def test_unknown_sides_are_rejected_before_anything_is_loaded(sides, sentence):
    assert sentence in run("--sides", sides, code=2).stderr


@pytest.mark.parametrize(
    ("side", "job", "sentence"),
    [
        ("published@8", {"published_python": None}, "The published package needs its own environment"),
        ("published@8", {"published_python": "no/python"}, "There is no Python at --published_python no/python"),
        ("pipeline@8", {"reference": "ref"}, "There is no side pipeline for a policy"),
        ("cross-encoder@8", {"reference": "ref"}, "There is no side cross-encoder for a policy"),
        ("sorted", {}, "There is no side sorted"),
    ],
)
def test_a_side_that_cannot_run_here_says_why(module, side, job, sentence):
    sides, unavailable = module("bench_sides"), module("bench_job").Unavailable
    device = SimpleNamespace(type="cpu")
    fields = {"reference": None, **job}
    job = SimpleNamespace(parts=[object()], device=device, requests=[request([1])], **fields)
    with pytest.raises(unavailable, match=sentence):
        sides.make_sides([side], job)


@pytest.mark.slow
@pytest.mark.skipif(not PUBLISHED_PYTHON, reason="no REWARDBENCH_PUBLISHED_PYTHON")
@pytest.mark.parametrize("kind", ["classifier", "dpo"])
def test_the_published_package_is_timed(kind):
    options = ("--sides", "ours,published@8,published@64", "--published_python", PUBLISHED_PYTHON, "--json")
    figures = json.loads(run("--kind", kind, "--limit", 4, *options).stdout)
    assert figures["ratio_published_8"] > 0
    assert figures["ratio_published_64"] > 0
    if kind == "classifier":  # a policy's texts get a second BOS and EOS
        assert figures["max_abs_diff_published_8"] <= 1e-4


@pytest.fixture
def module(monkeypatch):
    """A function that imports a module of scripts/ by its name."""
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return importlib.import_module


@pytest.fixture
def work(module):
    return module("bench_work")


def request(ids, start=0):
    return TokenRequest("", "", tuple(ids), start, len(ids))


def test_every_distinct_prefix_of_an_item_counts_once(work):
    """1 2 3, 1 2 4 5 and 9 have the prefixes 1, 12, 123, 124, 1245, 9 at depths 0, 1, 2, 2, 3, 0."""
    counts = work.count_item([request([1, 2, 4, 5]), request([9]), request([1, 2, 3])])
    assert counts == work.Work(tokens=8, unique=6, attended=1 + 2 + 3 + 3 + 4 + 1, read=3)


def test_equal_and_nested_texts_cost_nothing_more(work):
    counts = work.count_item([request([1, 2]), request([1, 2]), request([1])])
    assert (counts.tokens, counts.unique, counts.attended) == (5, 2, 3)


def test_a_completion_is_predicted_from_the_state_before_each_of_its_tokens(work):
    """Prompt 1 2; 3 4 5 is read from 12, 123, 1234, and 3 6 from 12 and 123, which are the same states."""
    counts = work.count_item([request([1, 2, 3, 4, 5], 2), request([1, 2, 3, 6], 2)], spans=True)
    assert (counts.unique, counts.read) == (6, 3)
    assert work.count_item([request([1, 2])], spans=True).read == 1, "the first token has no state before it"


def test_an_encoder_shares_only_equal_texts(work):
    counts = work.count_bidirectional([request([1, 2, 3]), request([1, 2]), request([1, 2])])
    assert counts == work.Work(tokens=7, unique=5, attended=13, read=2)


def test_padding_is_counted_in_batches_of_the_data_order(work):
    assert work.padding(work.chunks([4, 2, 3, 3], 2)) == pytest.approx(2 / 12)


def item(prompt, completions=("yes", "no"), **options):
    turns = [{"role": role, "content": role} for role in prompt.split()]
    answers = [({"role": "assistant", "content": answer},) for answer in completions]
    return Item("1", "s", tuple(turns), tuple(answers), **options)


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
    assert [turn["content"] for turn in job.without_system_turn(item("system user")).prompt] == ["system\n\nuser"]


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
    flops = work.useful_flops(work.Work(tokens=20, unique=10, attended=55, read=3), model)
    assert flops == 2 * body * 10 + 2 * head * 3 + 4 * 2 * 4 * 8 * 55


FAKE = """
import time

class Fake:
    def score(self, messages):
        time.sleep({seconds})
        return [float(len(rows)) for rows in messages]

def load_scorer(model, **options):
    return Fake()
"""
"""A package whose scorer takes a known time."""


@pytest.fixture
def compare_fakes(module, tmp_path):
    """A function that compares two packages whose scorers take these seconds."""
    quick = module("bench_quick")
    job = {"model": "any", "device": "cpu", "dtype": "float32", "rows": [[{"role": "user", "content": "a"}]] * 4}

    def compare(*seconds):
        sides = []
        for number, duration in enumerate(seconds):
            package = tmp_path / str(number) / "rewardbench"
            package.mkdir(parents=True)
            (package / "__init__.py").write_text(FAKE.format(seconds=duration))
            sides.append(quick.TreeSide(f"side {number}", package.parent, job, 1))
        try:
            return quick.compare(sides, 7, "abc")
        finally:
            for side in sides:
                side.close()

    return compare


def test_a_version_that_is_slower_is_a_regression(compare_fakes):
    comparison = compare_fakes(0.06, 0.02)
    assert comparison.is_slower
    assert comparison.ratio_low <= comparison.ratio <= comparison.ratio_high
    assert 1.5 < comparison.ratio < 6
    assert comparison.max_abs_diff == 0


def test_a_version_that_is_faster_is_none(compare_fakes):
    comparison = compare_fakes(0.02, 0.06)
    assert not comparison.is_slower
    assert comparison.ratio < 1


@pytest.mark.parametrize(
    ("ratio", "low", "verdict"),
    [(1.3, 1.1, "regression"), (1.3, 0.9, "pass"), (1.14, 1.1, "pass"), (0.8, 0.7, "pass")],
)
def test_a_regression_is_above_the_limit_with_an_interval_above_1(ratio, low, verdict, module, capsys):
    quick = module("bench_quick")
    comparison = quick.Comparison("abc", 9, ratio, 1.0, ratio, low, 2.0, 0.0)
    quick.show(comparison, as_json=False)
    assert values(capsys.readouterr().out)["verdict"] == verdict
    quick.show(comparison, as_json=True)
    assert json.loads(capsys.readouterr().out)["verdict"] == verdict


def test_the_interval_of_a_median_holds_it_as_often_as_stated(module):
    interval = module("bench_quick").median_interval
    assert interval(list(range(9))) == (1, 7)
    assert interval(list(range(5))) == (0, 4), "fewer values than a confidence of 95 % takes"
    rng = random.Random(0)
    hits = 0
    for _ in range(2_000):
        low, high = interval(sorted(rng.gauss(0, 1) for _ in range(12)))
        hits += low <= 0 <= high
    assert 0.95 <= hits / 2_000 <= 0.99


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="needs the history of the repository")
def test_the_package_of_a_commit_is_extracted(module, tmp_path):
    quick, unavailable = module("bench_quick"), module("bench_job").Unavailable
    commit = quick.extract("HEAD", tmp_path / "commit")
    assert len(commit) >= 7
    assert (tmp_path / "commit/rewardbench/__init__.py").is_file()
    assert (tmp_path / "commit/data/core").is_dir()
    with pytest.raises(unavailable, match="rev-parse"):
        quick.extract("no-such-commit", tmp_path / "other")


@pytest.mark.parametrize(
    "options", [["--quick", "--sides", "ours"], ["--quick", "--kind", "dpo"], ["--against", "HEAD"]]
)
def test_options_of_the_two_comparisons_are_not_mixed(options):
    assert "--quick" in run(*options, code=2).stderr.splitlines()[-1]


@pytest.mark.slow
@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="needs the history of the repository")
def test_this_version_is_compared_with_a_commit(model_folder):
    arguments = ["--quick", "--against", "HEAD", "--model", model_folder(), "--limit", 4, "--json"]
    figures = json.loads(run(*arguments).stdout)
    assert figures["max_abs_diff"] <= 1e-5
    assert 0.2 < figures["ratio_low"] <= figures["ratio"] <= figures["ratio_high"] < 5
