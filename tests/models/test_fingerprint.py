"""Changes that alter a fingerprint, and changes that must not."""

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


def test_a_copy_in_another_folder_has_the_same_fingerprint(tmp_path, folder):
    assert fingerprint(folder) == fingerprint(shutil.copytree(folder, tmp_path / "copy"))


def test_one_changed_weight_changes_the_fingerprint(folder):
    from safetensors.torch import load_file, save_file

    before = fingerprint(folder)
    weights = load_file(folder / "model.safetensors")
    weights["score.weight"][0, 0] += 1
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    assert fingerprint(folder)["weights"] != before["weights"]


def test_a_changed_configuration_changes_the_fingerprint(folder):
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
def test_options_that_can_change_scores_change_the_fingerprint(folder, options):
    assert fingerprint(folder, **options) != fingerprint(folder)


def test_padding_and_truncation_settings_of_a_tokenizer_do_not_count():
    tokenizer = make_tokenizer()
    before = tokenizer_identity(tokenizer)
    tokenizer.backend_tokenizer.enable_truncation(5)
    tokenizer.backend_tokenizer.enable_padding(length=9)
    assert tokenizer_identity(tokenizer) == before
    tokenizer.add_tokens(["<|new|>"])
    assert tokenizer_identity(tokenizer) != before


def test_weights_of_a_hub_snapshot_are_identified_by_its_commit(tmp_path, folder):
    cached = tmp_path / "snapshots" / ("0" * 40)
    shutil.copytree(folder, cached)
    assert fingerprint(cached)["weights"] == {"commit": "0" * 40}


def test_a_folder_in_snapshots_that_is_not_a_commit_is_hashed(tmp_path, folder):
    checkpoint = shutil.copytree(folder, tmp_path / "a" / "snapshots" / "step-100")
    assert fingerprint(checkpoint)["weights"] == fingerprint(folder)["weights"]


def test_the_precision_of_float32_products_changes_the_fingerprint(folder):
    import torch

    before = torch.get_float32_matmul_precision()
    scorer = load_scorer(ModelSpec(str(folder), device="cpu"))
    exact = scorer.fingerprint
    try:
        torch.set_float32_matmul_precision("high")
        assert scorer.fingerprint != exact
    finally:
        torch.set_float32_matmul_precision(before)
