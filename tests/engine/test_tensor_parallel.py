"""Tensor parallelism: the ranks of torchrun run each batch together, and write the result of one process."""

import json
from pathlib import Path

import pytest
from launched import start, wait
from ports import free_port
from random_models import write_pairs

from rewardbench.errors import InputError
from rewardbench.scorers import load_scorer
from rewardbench.settings import ModelSpec

PARALLEL = ("--device_map", "tensor_parallel")
SECONDS = 400
"""Time limit of processes that start together on a busy machine."""


def ranks(folder, *arguments):
    """Start two ranks, as torchrun does."""
    launcher = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": "2"}
    started = []
    for rank in ("0", "1"):
        started.append(start(folder, *arguments, *PARALLEL, RANK=rank, LOCAL_RANK=rank, **launcher))
    return started


def read_scores(folder):
    """Return the scores of a result, item by item."""
    (path,) = Path(folder).rglob("*.jsonl")
    return [score for line in path.read_text().splitlines() for score in json.loads(line)["scores"]]


@pytest.fixture
def folder(tmp_path):
    write_pairs(tmp_path / "pairs.jsonl", 40)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["classifier", "flex", "policy"])
def test_two_ranks_that_share_a_model_have_the_scores_of_one_process(kind, folder, model_folder):
    model = model_folder("llama", "causal" if kind == "policy" else "reward")
    options = ["--model", model, "--no_cache", "--batch_tokens", "300"]
    options += ["--ref_free_type", "avg"] if kind == "policy" else []
    options += ["--attn_implementation", "flex_attention"] if kind == "flex" else []
    processes = [start(folder, *options, "--output_dir", "single")]
    processes += ranks(folder, *options, "--output_dir", "parallel")
    single, *parallel = wait(processes, SECONDS)
    assert [code for code, _, _ in (single, *parallel)] == [0, 0, 0], parallel
    assert [out.count("results=") for _, out, _ in parallel] == [1, 0]
    assert read_scores(folder / "parallel") == pytest.approx(read_scores(folder / "single"), abs=1e-5)
    (path,) = (folder / "parallel").rglob("*.json")
    notes = json.loads(path.read_text())["manifest"]["notes"]
    assert "Each layer was divided among 2 processes (tensor parallelism)." in notes


@pytest.mark.slow
def test_ranks_that_cannot_divide_a_model_end_with_one_sentence(folder, model_folder):
    for code, out, err in wait(ranks(folder, "--model", model_folder("gpt2"), "--no_cache"), SECONDS):
        assert (code, out) == (2, "")
        assert "transformers has no plan to divide the layers of" in err
        assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("world_size", "options", "message"),
    [
        ("", {}, "start them by torchrun --nproc_per_node 2 -m rewardbench"),
        ("2", {"compile": True}, "excludes quantised weights, --compile and --max_memory"),
        ("2", {"max_memory": "cpu=1GB"}, "excludes quantised weights, --compile and --max_memory"),
        ("3", {}, "has num_attention_heads 4, which 3 processes cannot divide evenly"),
        ("4", {}, "has num_key_value_heads 2, which 4 processes cannot divide evenly"),
    ],
)
def test_options_and_numbers_that_do_not_fit_are_rejected(world_size, options, message, model_folder, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", world_size)
    with pytest.raises(InputError, match=message):
        load_scorer(ModelSpec(str(model_folder("llama")), device_map="tensor_parallel", **options))
