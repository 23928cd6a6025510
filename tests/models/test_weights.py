"""Weight files of published checkpoints: pickles, shards and files of other names have the scores of safetensors."""

import json
import os
import pickle
import shutil
from functools import partial

import pytest
import torch
from head_models import make_headed, random_layers
from random_models import make_model, turn
from safetensors.torch import load_file, save_file

from rewardbench import evaluate
from rewardbench.errors import InputError
from rewardbench.models.weight_files import weight_files
from rewardbench.scorers import load_scorer
from rewardbench.settings import ModelSpec

WIDTH = 32
ROWS = [{"prompt": "Name a city.", "chosen": "Lima by the river.", "rejected": "Oslo"}]


def load(folder, **options):
    return load_scorer(ModelSpec(str(folder), device="cpu", **options))


def score(scorer):
    """Return the score of one text."""
    (number,) = scorer.run([scorer.prepare(turn("user", "Name a city."), turn("assistant", "Lima"), rendered=False)])
    return number


def reject_changes(before, after):
    """Check that two scorers have the same weights, to the bit, and the same score.

    MKL rounds by the alignment of the weights in memory, so the score is equal to rounding only.
    """
    first, second = before.model.state_dict(), after.model.state_dict()
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert score(after) == pytest.approx(score(before), abs=2e-6)


def to_pickles(folder, name="pytorch_model.bin", wrap=dict, **options):
    """Replace the safetensors file of a folder by a pickle."""
    path = folder / "model.safetensors"
    torch.save(wrap(load_file(path)), folder / name, **options)
    path.unlink()
    return folder


def to_shards(folder, suffix):
    """Replace the safetensors file of a folder by two shards with an index."""
    tensors = load_file(folder / "model.safetensors")
    stem = "model" if suffix == "safetensors" else "pytorch_model"
    weight_map = {}
    for number in (1, 2):
        part = {name: tensors[name] for name in sorted(tensors)[number - 1 :: 2]}
        file = f"{stem}-{number:05}-of-00002.{suffix}"
        save = partial(save_file, metadata={"format": "pt"}) if suffix == "safetensors" else torch.save
        save(part, folder / file)
        weight_map |= dict.fromkeys(part, file)
    (folder / "model.safetensors").unlink()
    (folder / f"{stem}.{suffix}.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    return folder


@pytest.fixture(scope="module")
def classifier(model_folder):
    return model_folder()


@pytest.fixture(scope="module")
def expected(classifier):
    """The score of the classifier from its safetensors file."""
    return score(load(classifier))


@pytest.fixture
def folder(tmp_path, classifier):
    return shutil.copytree(classifier, tmp_path / "model")


# pickles


def test_pickles_are_read_only_with_the_flag_and_the_result_says_so(folder, expected):
    plain = dict(load(folder).fingerprint)
    to_pickles(folder)
    with pytest.raises(InputError, match=r"pickles \(pytorch_model.bin\), .*: save the model again .*--allow_pickle"):
        load(folder)
    result = evaluate(folder, ROWS, allow_pickle=True, device="cpu")
    (note,) = [note for note in result.manifest["notes"] if "pickles" in note]
    assert "only tensors were read (--allow_pickle)" in note
    assert "--allow_pickle" in result.manifest["command"] or result.manifest["command"] == ""
    assert result.manifest["model"]["parameters"] > 10_000
    fingerprint = result.manifest["fingerprint"]
    assert fingerprint["weights"]["format"] == "pickle"
    assert {key for key in plain if fingerprint[key] != plain[key]} == {"weights"}
    assert score(load(folder, allow_pickle=True)) == expected


@pytest.mark.parametrize(
    "layout",
    [
        partial(to_shards, suffix="bin"),
        partial(to_shards, suffix="safetensors"),
        partial(to_pickles, name="model.pt"),
        partial(to_pickles, _use_new_zipfile_serialization=False),
        partial(to_pickles, wrap=lambda tensors: {"state_dict": tensors, "epoch": 3}),
        partial(to_pickles, wrap=lambda tensors: {f"module.{name}": tensor for name, tensor in tensors.items()}),
        partial(to_pickles, wrap=lambda tensors: {name: torch.nn.Parameter(value) for name, value in tensors.items()}),
    ],
    ids=["bin shards", "safetensors shards", "bare .pt", "old format", "wrapped", "data parallel", "parameters"],
)
def test_every_layout_of_a_classifier_has_the_same_score(folder, expected, layout):
    for name in ("training_args.bin", "optimizer.pt", "rng_state.pth"):
        (folder / name).write_bytes(b"not weights")
    layout(folder)
    assert score(load(folder, allow_pickle=True)) == expected


def test_a_safetensors_file_of_another_name_is_read(folder, expected):
    (folder / "model.safetensors").rename(folder / "reward.safetensors")
    assert score(load(folder)) == expected
    shutil.copy(folder / "reward.safetensors", folder / "step-2.safetensors")
    with pytest.raises(InputError, match=r"Several weight files .* have the tensor .*step-2.safetensors"):
        load(folder)


def test_policy_and_reference_may_be_pickles(tmp_path, model_folder):
    policy = shutil.copytree(model_folder(kind="causal"), tmp_path / "policy")
    reference = shutil.copytree(model_folder(kind="causal", seed=1), tmp_path / "reference")
    before = score(load(policy, ref_model=str(reference)))
    to_pickles(policy)
    to_shards(reference, "bin")
    with pytest.raises(InputError, match=r"policy has no weights in safetensors files.*--allow_pickle"):
        load(policy, ref_model=str(reference))
    scorer = load(policy, ref_model=str(reference), allow_pickle=True)
    assert score(scorer) == before != 0
    assert scorer.fingerprint["reference"]["weights"]["format"] == "pickle"
    copy = shutil.copytree(policy, tmp_path / "copy")
    with pytest.raises(InputError, match="have the same weights"):
        load(policy, ref_model=str(copy), allow_pickle=True)


HEADS = {
    "among the weights": ({}, "pytorch_model.bin"),
    "bare state dict": ({}, "starling.pt"),
    "in a file of its own": ({"file": "value_head"}, "pytorch_model.bin"),
}


@pytest.mark.parametrize("case", HEADS)
def test_a_declared_head_may_be_in_pickles(tmp_path, case):
    options, name = HEADS[case]
    folder = make_headed(tmp_path / "model", random_layers("v_head.summary", WIDTH, 1), **options)
    scorer = load(folder, chat_template="tokenizer")
    before, weights = score(scorer), scorer.fingerprint["weights"]
    to_pickles(folder, name)
    if options:
        torch.save(load_file(folder / "value_head.safetensors"), folder / "value_head.bin")
        (folder / "value_head.safetensors").unlink()
    scorer = load(folder, chat_template="tokenizer", allow_pickle=True)
    assert score(scorer) == pytest.approx(before, abs=1e-6)
    assert scorer.fingerprint["weights"] != weights
    assert scorer.report().metadata["parameters"] > 10_000


def test_a_head_in_a_pickle_beside_safetensors_needs_the_flag(tmp_path):
    tensors = random_layers("v_head.summary", WIDTH, 1)
    folder = make_headed(tmp_path / "model", tensors, file="value_head")
    before = score(load(folder))
    torch.save(tensors, folder / "value_head.bin")
    (folder / "value_head.safetensors").unlink()
    with pytest.raises(InputError, match=r"has its head in a pickle \(value_head.bin\).*--allow_pickle"):
        load(folder)
    assert score(load(folder, allow_pickle=True)) == before
    torch.save({name: tensor * 2 for name, tensor in tensors.items()}, folder / "value_head.bin")
    assert score(load(folder, allow_pickle=True)) != before


def test_pickles_beside_an_adapter_need_the_flag_too(folder):
    to_pickles(folder)
    (folder / "adapter_config.json").write_text("{}")
    with pytest.raises(InputError, match="has no weights in safetensors files, and pickles"):
        load(folder)


def test_files_of_a_head_are_part_of_the_fingerprint(tmp_path):
    tensors = random_layers("v_head.summary", WIDTH, 1)
    folder = make_headed(tmp_path / "model", tensors, file="value_head")
    before = load(folder).fingerprint["weights"]
    save_file({name: tensor * 2 for name, tensor in tensors.items()}, folder / "value_head.safetensors")
    assert load(folder).fingerprint["weights"] != before


class Exploit:
    """Unpickling this creates a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "value_head.bin"])
@pytest.mark.parametrize("is_zip", [True, False])
def test_a_pickle_that_runs_code_is_rejected_and_does_not_run(folder, tmp_path, name, is_zip):
    mark = tmp_path / "mark"
    content = {"score.weight": torch.ones(1, WIDTH), "x": Exploit(mark)}
    if name != "value_head.bin":
        (folder / "model.safetensors").unlink()
    if is_zip:
        torch.save(content, folder / name)
    else:
        (folder / name).write_bytes(pickle.dumps(Exploit(mark)))
    with pytest.raises(InputError, match="--allow_pickle"):
        load(folder)
    with pytest.raises(InputError, match=rf"{name} .* (holds more than tensors \(.*system\)|cannot be read)") as error:
        load(folder, allow_pickle=True)
    assert "\n" not in str(error.value)
    assert not mark.exists()
    pickle.loads(pickle.dumps(Exploit(mark)))  # the exploit works where it is let
    assert mark.exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "cannot be read as a pickle"), (b"PK\x03\x04" + b"\0" * 99, "cannot be read"), ([1, 2], "has no tensors")],
    ids=["empty", "broken zip", "a list"],
)
def test_a_damaged_pickle_is_rejected(folder, content, words):
    to_pickles(folder)
    path = folder / "pytorch_model.bin"
    path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
    with pytest.raises(InputError, match=rf"pytorch_model.bin in .* {words}"):
        load(folder, allow_pickle=True)


# shards


@pytest.mark.parametrize("suffix", ["bin", "safetensors"])
@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("{stem}-00009-of-00002.{suffix}", "which is missing: download or save the model again"),
        ("../{stem}.{suffix}", "which is outside the folder"),
        ("/etc/passwd", "which is outside the folder"),
        ("..\\x.{suffix}", "which is outside the folder"),
    ],
)
def test_an_index_that_names_a_missing_or_outside_file_is_rejected(folder, suffix, file, words):
    to_shards(folder, suffix)
    (index,) = folder.glob("*.index.json")
    fields = json.loads(index.read_text())
    name = file.format(stem="x", suffix=suffix)
    fields["weight_map"]["score.weight"] = name
    index.write_text(json.dumps(fields))
    shutil.copy(next(iter(folder.glob(f"*.{suffix}"))), folder.parent / f"x.{suffix}")
    with pytest.raises(InputError, match=rf"{index.name} in .* {words}"):
        load(folder, allow_pickle=True)


@pytest.mark.parametrize("suffix", ["bin", "safetensors"])
def test_shards_of_a_declared_head_have_the_same_score(tmp_path, suffix):
    folder = make_headed(tmp_path / "model", random_layers("v_head", WIDTH, 1))
    before = load(folder)
    to_shards(folder, suffix)
    reject_changes(before, load(folder, allow_pickle=True))


def test_a_file_that_config_json_names_is_read_and_identified(folder, expected):
    (folder / "model.safetensors").rename(folder / "rm.safetensors")
    make_model(folder / "other", seed=3)
    shutil.copy(folder / "other" / "model.safetensors", folder / "model.safetensors")
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"transformers_weights": "rm.safetensors"}))
    assert [file.name for file in weight_files(folder)] == ["rm.safetensors"]
    assert score(load(folder)) == expected
