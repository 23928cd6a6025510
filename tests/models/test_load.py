"""`load(spec)` returns a model with everything that is recorded about it."""

import shutil

import pytest

from rewardbench.models.load import load
from rewardbench.settings import ModelSpec

COMMIT = "c" * 40


def test_a_classifier_is_loaded_with_what_is_recorded_about_it(model_folder):
    folder = model_folder()
    loaded = load(ModelSpec(str(folder), device="cpu"))
    assert type(loaded.model).__name__ == "LlamaForSequenceClassification"
    assert not loaded.model.training
    assert (loaded.folder, loaded.commit, loaded.notes) == (folder, None, ())
    assert (loaded.dtype, loaded.max_length) == ("float32", 2048)
    assert loaded.metadata == {"parameters": sum(weight.numel() for weight in loaded.model.parameters())}
    assert set(loaded.fingerprint) == {"weights", "config", "tokenizer", "remote_code", "versions"}
    assert loaded.tokenizer.get_vocab()["<|bos|>"] == loaded.config.bos_token_id


@pytest.mark.parametrize("options", [{"ref_free_type": "sum"}, {"ref_model": "org/reference"}], ids=str)
def test_a_policy_is_loaded_as_a_causal_model(options, model_folder):
    loaded = load(ModelSpec(str(model_folder(kind="causal")), device="cpu", **options))
    assert type(loaded.model).__name__ == "LlamaForCausalLM"


def test_an_embedded_name_is_resolved():
    loaded = load(ModelSpec("tiny-rm", device="cpu", dtype="bfloat16", max_length=100))
    assert loaded.metadata["license"] == "apache-2.0"
    assert (loaded.dtype, loaded.max_length) == ("bfloat16", 100)


def test_the_commit_of_a_snapshot_is_recorded(tmp_path, model_folder):
    folder = shutil.copytree(model_folder(), tmp_path / "snapshots" / COMMIT)
    loaded = load(ModelSpec(str(folder), device="cpu"))
    assert loaded.commit == COMMIT
    assert loaded.fingerprint["weights"] == {"commit": COMMIT}
