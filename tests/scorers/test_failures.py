"""Errors inside a model become one-line errors that name the model, the item and what to do."""

import json
import pickle

import pytest
from random_models import make_model, make_tokenizer

from rewardbench.cli.main import main
from rewardbench.engine.loop import score
from rewardbench.errors import InputError
from rewardbench.models.failures import ModelFailure, run_reported
from rewardbench.scorers import load_scorer
from rewardbench.settings import ModelSpec
from rewardbench.types import Item, TokenRequest


def say(role, content):
    return ({"role": role, "content": content},)


@pytest.fixture(scope="module")
def short_positions(tmp_path_factory):
    """Return a GPT-J with 40 positions, which fails on longer texts if --max_length allows them."""
    folder = tmp_path_factory.mktemp("models") / "gptj"
    return make_model(folder, "gptj", tokenizer=make_tokenizer(), max_position_embeddings=40, rotary_dim=4)


def test_the_item_on_which_a_model_fails_is_named(short_positions):
    scorer = load_scorer(ModelSpec(str(short_positions), device="cpu", max_length=500))
    items = [
        Item(name, "all", say("user", "Hi"), (say("assistant", "Lima"), say("assistant", answer)))
        for name, answer in (("short", "No."), ("long", "a b c d " * 30))
    ]
    with pytest.raises(
        InputError, match=r"Item long: .*gptj \(architecture gptj\) failed on a text of \d+ tokens, with"
    ):
        score(items, scorer)
    assert len(score(items[:1], scorer).items) == 1


def test_a_failure_ends_the_command_with_a_one_line_error(short_positions, tmp_path, capsys):
    data = tmp_path / "data.jsonl"
    data.write_text(json.dumps({"id": "x", "prompt": "Hi", "chosen": "a b c d " * 30, "rejected": "No."}))
    with pytest.raises(SystemExit) as stop:
        main(
            [
                "--model",
                str(short_positions),
                "--dataset",
                str(data),
                "--max_length",
                "500",
                "--output_dir",
                str(tmp_path),
            ]
        )
    assert stop.value.code == 2
    (error,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("rewardbench: ")]
    assert "Item x: " in error
    assert "rewardbench doctor --model" in error


def test_a_batch_that_fails_only_as_a_batch_is_scored_one_by_one():
    def forward(requests):
        if len(requests) > 1:
            raise ValueError("one at a time")
        return [float(len(requests[0]))]

    config = type("Config", (), {"model_type": "shy"})
    requests = [TokenRequest("", "", range(1, n)) for n in (3, 5)]
    assert run_reported("m", config, requests, forward) == [2.0, 4.0]


def test_out_of_memory_errors_pass_through_to_the_engine():
    def forward(requests):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    with pytest.raises(RuntimeError, match="allocate"):
        run_reported("m", None, [TokenRequest("", "", (1,))], forward)


def test_a_failure_can_be_pickled():
    failure = pickle.loads(pickle.dumps(ModelFailure("It failed.", b"key")))
    assert (str(failure), failure.key) == ("It failed.", b"key")


def test_an_error_while_loading_is_a_one_line_error(tmp_path):
    make_model(tmp_path, "llama", tokenizer=make_tokenizer())
    (tmp_path / "config.json").write_text('{"model_type": "llama", "rope_parameters": "no", "num_labels": 1}')
    with pytest.raises(InputError, match="Cannot load"):
        load_scorer(ModelSpec(str(tmp_path), device="cpu"))
