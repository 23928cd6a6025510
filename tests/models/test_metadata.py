"""What a folder says of a model besides its scores."""

import json

import pytest
import torch
from safetensors.torch import save_file

from rewardbench.models.fingerprint import weights_identity
from rewardbench.models.metadata import facts
from rewardbench.settings import ModelSpec


def test_the_size_is_that_of_all_files_and_the_license_that_of_the_card(tmp_path):
    save_file({"a": torch.zeros(3, 4), "b": torch.zeros(5)}, tmp_path / "model-1.safetensors", {"format": "pt"})
    save_file({"c": torch.zeros(2)}, tmp_path / "model-2.safetensors")
    (tmp_path / "README.md").write_text("---\nlanguage: en\nlicense: mit\n---\nlicense: none\n")
    assert facts(ModelSpec(str(tmp_path))) == {"parameters": 19, "license": "mit"}


def test_an_embedded_model_is_known_and_a_baseline_has_no_size():
    found = facts(ModelSpec("tiny-rm"))
    assert found["license"] == "apache-2.0"
    assert 1_000_000 < found["parameters"] < 1_200_000
    assert facts(ModelSpec("baseline/longest")) == {}


@pytest.mark.parametrize("content", [b"", b"123", b"\xff" * 16])
def test_a_broken_file_has_no_size(tmp_path, content):
    (tmp_path / "model.safetensors").write_bytes(content)
    assert facts(ModelSpec(str(tmp_path))) == {}


def test_a_twin_of_the_weights_that_is_not_loaded_does_not_count(tmp_path):
    save_file({"a": torch.zeros(3, 4)}, tmp_path / "model.safetensors")
    before = weights_identity(tmp_path)
    save_file({"a": torch.zeros(3, 4)}, tmp_path / "consolidated.safetensors")
    assert facts(ModelSpec(str(tmp_path))) == {"parameters": 12}
    assert weights_identity(tmp_path) == before


def test_of_shards_those_of_the_index_count(tmp_path):
    for name in ("model-1.safetensors", "model-2.safetensors", "consolidated.safetensors"):
        save_file({name: torch.zeros(4)}, tmp_path / name)
    index = {"weight_map": {"model-1.safetensors": "model-1.safetensors", "b": "model-2.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    assert facts(ModelSpec(str(tmp_path))) == {"parameters": 8}


@pytest.mark.parametrize("index", ["", "[]", '{"weight_map": 1}', '{"weight_map": {"a": "lost.safetensors"}}'])
def test_a_broken_index_counts_every_file(tmp_path, index):
    save_file({"a": torch.zeros(4)}, tmp_path / "model-1.safetensors")
    (tmp_path / "model.safetensors.index.json").write_text(index)
    assert facts(ModelSpec(str(tmp_path))) == {"parameters": 4}
