"""What changes a fingerprint, and what must not."""

import json
import shutil

import pytest
from random_models import make_tokenizer

from rewardbench.models.fingerprint import tokenizer_identity
from rewardbench.scorers import load_scorer
from rewardbench.settings import ModelSpec


def fingerprint(folder, **options):
    return load_scorer(ModelSpec(str(folder), device="cpu", **options)).fingerprint


@pytest.fixture
def folder(tmp_path, model_folder):
    return shutil.copytree(model_folder(), tmp_path / "model")


def test_a_copy_under_another_name_is_the_same_model(tmp_path, folder):
    assert fingerprint(folder) == fingerprint(shutil.copytree(folder, tmp_path / "copy"))


def test_one_changed_weight_is_another_model(folder):
    from safetensors.torch import load_file, save_file

    before = fingerprint(folder)
    weights = load_file(folder / "model.safetensors")
    weights["score.weight"][0, 0] += 1
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    assert fingerprint(folder)["weights"] != before["weights"]


def test_a_changed_configuration_is_another_model(folder):
    before = fingerprint(folder)
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"rms_norm_eps": 0.1}))
    assert fingerprint(folder)["config"] != before["config"]


@pytest.mark.parametrize(
    "options",
    [
        {"max_length": 100},
        {"truncation_side": "right"},
        {"dtype": "bfloat16"},
        {"chat_template": "raw"},
        {"attn_implementation": "eager"},
    ],
    ids=str,
)
def test_what_can_move_a_score_is_in_it(folder, options):
    assert fingerprint(folder, **options) != fingerprint(folder)


def test_padding_and_truncation_of_a_tokenizer_are_not():
    tokenizer = make_tokenizer()
    before = tokenizer_identity(tokenizer)
    tokenizer.backend_tokenizer.enable_truncation(5)
    tokenizer.backend_tokenizer.enable_padding(length=9)
    assert tokenizer_identity(tokenizer) == before
    tokenizer.add_tokens(["<|new|>"])
    assert tokenizer_identity(tokenizer) != before


def test_a_commit_of_the_hub_is_the_identity_of_its_weights(tmp_path, folder):
    cached = tmp_path / "snapshots" / ("0" * 40)
    shutil.copytree(folder, cached)
    assert fingerprint(cached)["weights"] == {"commit": "0" * 40}


def test_a_folder_of_snapshots_is_no_commit(tmp_path, folder):
    one = shutil.copytree(folder, tmp_path / "a" / "snapshots" / "step-100")
    assert fingerprint(one)["weights"] == fingerprint(folder)["weights"]


def test_how_float32_is_multiplied_is_in_it(folder):
    import torch

    before = torch.get_float32_matmul_precision()
    scorer = load_scorer(ModelSpec(str(folder), device="cpu"))
    exact = scorer.fingerprint
    try:
        torch.set_float32_matmul_precision("high")
        assert scorer.fingerprint != exact
    finally:
        torch.set_float32_matmul_precision(before)
