"""Checkpoints in formats that are not read: one line with the reason and a way out."""

import json
import re
import shutil

import hub_server
import pytest
import torch
from safetensors.torch import load_file

from rewardbench.errors import InputError
from rewardbench.scorers import load_scorer
from rewardbench.scorers.heads.explain import explain_checkpoint
from rewardbench.settings import ModelSpec

POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'a' * 64}\nsize 140000\n".encode()
FOLDERS = {
    # name: files beside config.json and the tokenizer, and words of the error
    "NeMo archive": (["reward.nemo"], "a NeMo checkpoint .reward.nemo.*export it to Hugging Face format"),
    "NeMo folder": (["model_config.yaml", "model_weights/x.pt"], "a NeMo checkpoint .*export it"),
    "GGUF": (["rm.Q4_K_M.gguf"], "GGUF files only .rm.Q4_K_M.gguf.*the original safetensors files"),
    "ZeRO": (
        ["latest", "zero_to_fp32.py", "global_step9/bf16_zero_pp_rank_0_mp_rank_00_optim_states.pt"],
        "shards of a DeepSpeed checkpoint .*run python zero_to_fp32.py",
    ),
    "ZeRO shards beside the tokenizer": (
        ["zero_pp_rank_0_mp_rank_00_model_states.pt"],
        "shards of a DeepSpeed checkpoint .*run python zero_to_fp32.py",
    ),
    "Megatron": (
        ["latest_checkpointed_iteration.txt", "iter_0000100/mp_rank_00/model_optim_rng.pt"],
        "shards of a Megatron checkpoint .*Megatron's own converter",
    ),
    "FSDP": (["pytorch_model_fsdp_0/__0_0.distcp"], "shards of an FSDP .*accelerate merge-weights"),
    "FSDP at the root": (["__0_0.distcp", ".metadata"], "shards of an FSDP .*accelerate merge-weights"),
    "Llama's own": (["consolidated.00.pth", "params.json"], "original layout of Llama or Mistral .*convert them"),
    "Mistral's own": (["consolidated.safetensors", "params.json"], "original layout of Llama or Mistral"),
    "TensorFlow": (["tf_model.h5"], "weights for TensorFlow, Flax or Rust only .tf_model.h5.*from_tf=True"),
    "Flax": (["flax_model.msgpack"], "weights for TensorFlow, Flax or Rust only .*from_flax=True"),
    "ONNX": (["onnx/model.onnx"], "an export for inference only .*onnx/model.onnx.*the model that was exported"),
    "OpenVINO": (["openvino_model.xml", "openvino_model.bin.zip"], "an export for inference only"),
    "MLX": (["weights.00.npz"], "weights for MLX only .*the original safetensors files"),
    "subfolders": (["step-1/model.safetensors", "step-2/model.safetensors"], r"only in subfolders \(step-1, step-2\)"),
    "nothing": ([], "has no weights in safetensors files: save the model again"),
    "only the state of a trainer": (["optimizer.pt", "training_args.bin"], "has no weights in safetensors files: save"),
}


@pytest.fixture(scope="module")
def bare(tmp_path_factory, model_folder):
    """A model without its weights."""
    folder = shutil.copytree(model_folder(), tmp_path_factory.mktemp("bare") / "model")
    (folder / "model.safetensors").unlink()
    return folder


def add_files(folder, names):
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_bytes(b"content")
    return folder


def error_of(model, **options):
    with pytest.raises(InputError) as error:
        load_scorer(ModelSpec(str(model), device="cpu", **options))
    message = str(error.value)
    assert "\n" not in message
    assert not re.search(r"\. [A-Z]", message)
    return message


@pytest.mark.parametrize("allow_pickle", [False, True], ids=["safetensors", "allow_pickle"])
@pytest.mark.parametrize("case", FOLDERS)
def test_a_format_that_is_not_read_is_named_with_a_way_out(tmp_path, bare, case, allow_pickle):
    names, words = FOLDERS[case]
    folder = add_files(shutil.copytree(bare, tmp_path / "model"), names)
    message = error_of(folder, allow_pickle=allow_pickle)
    assert message.startswith(str(folder))
    assert re.search(words, message)


@pytest.mark.parametrize("case", FOLDERS)
def test_a_repository_of_that_format_is_rejected_likewise(hub, bare, case):
    names, words = FOLDERS[case]
    files = {path.name: path.read_bytes() for path in bare.iterdir()} | dict.fromkeys(names, b"content")
    hub.repos["org/rm"] = hub_server.Repo()
    hub.repos["org/rm"].commit("main", files)
    assert re.search(f"org/rm .*{words}", error_of("org/rm"))
    downloads = [path for _, path in hub.requests if "/resolve/" in path]
    assert not [path for path in downloads if path.endswith((".gguf", ".nemo", ".pt", ".distcp", ".h5", ".onnx"))]


def test_an_empty_folder_is_rejected(tmp_path):
    assert error_of(tmp_path) == f"{tmp_path} is empty: pass the folder of a model as save_pretrained() writes it."


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin", "config.json"])
def test_a_pointer_in_place_of_a_file_is_rejected(tmp_path, bare, name):
    folder = shutil.copytree(bare, tmp_path / "model")
    (folder / name).write_bytes(POINTER)
    message = error_of(folder, allow_pickle=True)
    assert re.search(f"{name} of .* is a Git LFS pointer.*: run git lfs pull", message)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_a_truncated_safetensors_file_is_rejected(tmp_path, model_folder, share):
    folder = shutil.copytree(model_folder(), tmp_path / "model")
    path = folder / "model.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    assert re.search(
        "model.safetensors in .* is not a whole safetensors file .*: download or save it again", error_of(folder)
    )


@pytest.mark.parametrize("has_both", [False, True], ids=["quantization", "quantization_config too"])
def test_weights_that_mlx_quantized_are_rejected(tmp_path, model_folder, has_both):
    folder = shutil.copytree(model_folder(), tmp_path / "model")
    settings = {"group_size": 64, "bits": 4}
    fields = json.loads((folder / "config.json").read_text()) | {"quantization": settings}
    if has_both:
        fields["quantization_config"] = settings
    (folder / "config.json").write_text(json.dumps(fields))
    assert re.search("quantized for MLX, .*: pass the repository with the original", error_of(folder))


def test_models_check_says_what_is_missing(bare, tmp_path, model_folder):
    folder = add_files(shutil.copytree(bare, tmp_path / "model"), ["rm.gguf"])
    explanation = explain_checkpoint(ModelSpec(str(folder)))
    assert explanation["scored"] is False
    assert "GGUF files only" in explanation["reason"]
    pickled = shutil.copytree(bare, tmp_path / "pickled")
    torch.save(load_file(model_folder() / "model.safetensors"), pickled / "pytorch_model.bin")
    assert "--allow_pickle" in explain_checkpoint(ModelSpec(str(pickled)))["reason"]
    assert explain_checkpoint(ModelSpec(str(pickled), allow_pickle=True))["scored"] is True
