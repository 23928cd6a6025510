"""The number of parameters, the license and the base of a model, read from its files."""

import json

import pytest
import torch
from safetensors.torch import save_file

from rewardbench.errors import InputError
from rewardbench.models.fingerprint import weights_identity
from rewardbench.models.metadata import read_metadata
from rewardbench.paths import data_dir
from rewardbench.scorers import load_scorer
from rewardbench.settings import ModelSpec


def test_parameters_of_all_files_are_counted_and_the_license_is_read_from_the_card(tmp_path):
    save_file({"a": torch.zeros(3, 4), "b": torch.zeros(5)}, tmp_path / "model-1.safetensors", {"format": "pt"})
    save_file({"c": torch.zeros(2)}, tmp_path / "model-2.safetensors")
    (tmp_path / "README.md").write_text("---\nlanguage: en\nlicense: mit\n---\nlicense: none\n")
    assert read_metadata(tmp_path) == {"parameters": 19, "license": "mit"}


def test_embedded_models_report_their_metadata_and_baselines_have_none():
    metadata = load_scorer(ModelSpec("tiny-rm", device="cpu")).report().metadata
    assert metadata["license"] == "apache-2.0"
    assert 1_000_000 < metadata["parameters"] < 1_200_000
    assert load_scorer(ModelSpec("tiny-dpo", device="cpu")).report().metadata == read_metadata(
        data_dir() / "models/tiny-dpo/policy"
    )
    assert load_scorer(ModelSpec("baseline/longest")).report().metadata == {}


@pytest.mark.parametrize(
    "card",
    [
        b"---\nlicense: [mit\n---\n",
        b"---\n- mit\n---\n",
        b"---\nlicense: [mit]\n---\n",
        b"\xff\xfe---\nlicense: mit\n---\n",
        b"---\nlicense: " + b"[" * 10_000 + b"\n---\n",
        b"license: mit",
    ],
    ids=["broken YAML", "a list", "license is a list", "not UTF-8", "deeply nested", "no front matter"],
)
def test_a_broken_card_has_no_license_and_fails_nothing(tmp_path, card):
    (tmp_path / "README.md").write_bytes(card)
    assert read_metadata(tmp_path) == {}


@pytest.mark.parametrize(
    ("card", "base"),
    [
        ("base_model: org/base-8B", "org/base-8B"),
        ("base_model:\n- org/base", "org/base"),
        ("base_model: [org/a, org/b]", None),
        ("base_model: /tmp/run/base", None),
        ("base_model: ../base", None),
        ("base_model: 'org/<b>'", None),
        ("base_model: {a: b}", None),
    ],
)
def test_the_base_model_is_that_of_the_card(tmp_path, card, base):
    (tmp_path / "README.md").write_text(f"---\n{card}\n---\n")
    assert read_metadata(tmp_path).get("base_model") == base


def test_a_quoted_license_and_windows_line_ends_are_read(tmp_path):
    (tmp_path / "README.md").write_bytes(b'---\r\nlicense: "mit"\r\n---\r\n')
    assert read_metadata(tmp_path) == {"license": "mit"}


@pytest.mark.parametrize("content", [b"", b"123", b"\xff" * 16])
def test_a_broken_file_has_no_parameters(tmp_path, content):
    (tmp_path / "model.safetensors").write_bytes(content)
    assert read_metadata(tmp_path) == {}


def test_a_copy_of_the_weights_that_is_not_loaded_does_not_count(tmp_path):
    save_file({"a": torch.zeros(3, 4)}, tmp_path / "model.safetensors")
    before = weights_identity(tmp_path)
    save_file({"a": torch.zeros(3, 4)}, tmp_path / "consolidated.safetensors")
    assert read_metadata(tmp_path) == {"parameters": 12}
    assert weights_identity(tmp_path) == before


def test_only_the_shards_of_the_index_count(tmp_path):
    for name in ("model-1.safetensors", "model-2.safetensors", "consolidated.safetensors"):
        save_file({name: torch.zeros(4)}, tmp_path / name)
    index = {"weight_map": {"model-1.safetensors": "model-1.safetensors", "b": "model-2.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    assert read_metadata(tmp_path) == {"parameters": 8}


INDEXES = {
    "": "is damaged",
    "[]": "is damaged",
    '{"weight_map": 1}': "is damaged",
    '{"weight_map": {}}': "names no file",
    '{"weight_map": {"a": "lost.safetensors"}}': "names lost.safetensors, which is missing",
    '{"weight_map": {"a": "../model-1.safetensors"}}': "which is outside the folder",
    '{"weight_map": {"a": "/etc/passwd"}}': "which is outside the folder",
}


@pytest.mark.parametrize("index", INDEXES)
def test_a_broken_index_is_rejected(tmp_path, index):
    save_file({"a": torch.zeros(4)}, tmp_path / "model-1.safetensors")
    (tmp_path / "model.safetensors.index.json").write_text(index)
    with pytest.raises(InputError, match=INDEXES[index]):
        read_metadata(tmp_path)
