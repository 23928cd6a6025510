"""Models that are rejected when they are loaded, because their scores would be meaningless, and limits of length."""

import json
import shutil
from importlib.util import find_spec

import pytest
from random_models import make_model, make_tokenizer, turn

from rewardbench.errors import InputError
from rewardbench.models import load as loading
from rewardbench.scorers import load_scorer
from rewardbench.settings import ModelSpec


@pytest.fixture
def folder(tmp_path, model_folder):
    return shutil.copytree(model_folder(), tmp_path / "model")


def load(folder, **options):
    return load_scorer(ModelSpec(str(folder), device="cpu", **options))


def edit_weights(folder, change):
    from safetensors.torch import load_file, save_file

    path = folder / "model.safetensors"
    save_file(change(load_file(path)), path, {"format": "pt"})


@pytest.mark.parametrize("key", ["model.layers.0.self_attn.q_proj.bias", "model.norm.weight_scale"])
def test_a_weight_that_a_module_in_use_would_ignore_is_rejected(folder, key):
    import torch

    edit_weights(folder, lambda weights: weights | {key: torch.ones(1)})
    with pytest.raises(InputError, match=rf"has a weight {key} that its config.json does not use"):
        load(folder)


def test_weights_of_a_vocabulary_head_are_noted(folder):
    import torch

    edit_weights(folder, lambda weights: weights | {"lm_head.weight": torch.ones(512, 32)})
    notes = list(load(folder).report().notes)
    assert notes == [f"The files of {folder} have weights that are not used: lm_head.weight."]


def test_labels_that_no_config_counts_are_counted_by_the_weights(folder):
    expected = load(folder).model.config.num_labels
    fields = json.loads((folder / "config.json").read_text())
    for key in ("id2label", "label2id"):
        fields.pop(key)
    (folder / "config.json").write_text(json.dumps(fields))
    assert load(folder).model.config.num_labels == expected == 1


def test_a_backbone_without_its_embeddings_is_rejected(folder):
    edit_weights(folder, lambda weights: {key: weights[key] for key in weights if "embed_tokens" not in key})
    with pytest.raises(InputError, match=r"lacks weights \(model.embed_tokens.weight\)"):
        load(folder)


def test_a_classifier_with_tied_embeddings_is_rejected_as_a_policy(tmp_path):
    make_model(tmp_path, "llama", tokenizer=make_tokenizer(), tie_word_embeddings=True)
    with pytest.raises(InputError, match="is a classifier, not a policy"):
        load(tmp_path, ref_free_type="sum")


def test_an_adapter_next_to_weights_is_rejected_if_peft_would_load_it(folder, monkeypatch):
    (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "org/base"}))
    if find_spec("peft") is None:
        load(folder)
    monkeypatch.setattr(loading, "find_spec", lambda name: name == "peft")
    with pytest.raises(InputError, match="has an adapter as well as complete weights"):
        load(folder)


def test_a_config_with_return_dict_false_is_scored(folder):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"return_dict": False}))
    request = load(folder).prepare((), turn("assistant", "Lima"), True)
    assert len(load(folder).run([request])) == 1


@pytest.mark.parametrize(
    ("arch", "options", "limit"), [("nystromformer", {}, 40), ("openai-gpt", {}, 40), ("roberta", {}, 39)]
)
def test_learned_positions_limit_the_length_whatever_their_table_is_called(arch, options, limit, tmp_path):
    encoder = arch != "openai-gpt"
    make_model(tmp_path, arch, tokenizer=make_tokenizer(encoder=encoder), max_position_embeddings=40, **options)
    scorer = load(tmp_path)
    assert scorer.chat.max_length == limit
    request = scorer.prepare((), turn("assistant", "x y z " * 60), True)
    assert (len(request), len(scorer.run([request]))) == (limit, 1)
    with pytest.raises(InputError, match=f"more than the {limit} positions"):
        load(tmp_path, max_length=limit + 1)


@pytest.mark.parametrize("name", ["tokenizer.json", "config.json", "model.safetensors"])
def test_a_git_lfs_pointer_is_rejected(name, folder):
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'a' * 64}\nsize 140000\n"
    (folder / name).write_text(pointer)
    with pytest.raises(InputError, match=rf"{name} of .* is a Git LFS pointer, .* run git lfs pull"):
        load(folder)


@pytest.mark.parametrize("part", ["lora_A.default", "lora_B", "lora_magnitude_vector", "modules_to_save.default"])
def test_an_adapter_that_was_never_merged_is_rejected(folder, part):
    import torch

    key = f"model.layers.0.self_attn.q_proj.{part}.weight"
    edit_weights(folder, lambda weights: weights | {key: torch.ones(2, 2)})
    with pytest.raises(InputError, match=rf"adapter that was never merged \({key}\)"):
        load(folder)


def test_an_added_token_without_an_embedding_rejects_only_texts_with_it(folder):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    filler = [f"<|unused{n}|>" for n in range(512 - len(tokenizer))]
    tokenizer.add_special_tokens({"extra_special_tokens": filler})
    tokenizer.add_special_tokens({"pad_token": "[PAD]"})
    tokenizer.save_pretrained(folder)
    scorer = load(folder)
    assert list(scorer.report().notes) == [
        f"The tokenizer has the special token [PAD], for which {folder} has no embedding: a text with it is not scored."
    ]
    assert len(scorer.run([scorer.prepare(turn("user", "Hi"), turn("assistant", "Lima"), False)])) == 1
    with pytest.raises(InputError, match=r"a token that the model does not embed: \[PAD\], id 512 of 512"):
        scorer.prepare(turn("user", "Hi"), turn("assistant", "[PAD]"), False)


def test_ordinary_tokens_without_an_embedding_are_rejected(tmp_path):
    make_model(tmp_path, "llama", tokenizer=make_tokenizer(), vocab_size=200)
    with pytest.raises(InputError, match=r"has ids up to \d+, but .* embeds only 200"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("arch", "options", "limit"),
    [
        ("mpt", {"max_seq_len": 40, "d_model": 32, "n_heads": 4, "n_layers": 2}, 40),
        ("ibert", {"max_position_embeddings": 40}, 39),
    ],
)
def test_positions_that_are_not_a_torch_embedding_limit_the_length_too(arch, options, limit, tmp_path):
    make_model(tmp_path, arch, tokenizer=make_tokenizer(encoder=arch == "ibert"), **options)
    scorer = load(tmp_path)
    request = scorer.prepare((), turn("assistant", "x y z " * 60), True)
    assert (len(request), request.dropped > 0, len(scorer.run([request]))) == (limit, True, 1)
    with pytest.raises(InputError, match=f"more than the {limit} positions"):
        load(tmp_path, max_length=limit + 1)


def test_an_encoder_decoder_without_a_decoder_start_token_is_rejected(tmp_path):
    narrow = {"d_ff": 64, "d_kv": 8, "num_layers": 2, "num_heads": 4}
    make_model(tmp_path, "t5", tokenizer=make_tokenizer(), **narrow)
    path = tmp_path / "config.json"
    config = json.loads(path.read_text())
    config.pop("decoder_start_token_id", None)
    path.write_text(json.dumps(config))
    with pytest.raises(InputError, match="names no decoder_start_token_id"):
        load(tmp_path)


def fill_cache(home, commits, source):
    """Fill a Hub cache as downloads by commit do: without refs/main."""
    for commit in commits:
        shutil.copytree(source, home / "models--org--rm" / "snapshots" / commit)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    from huggingface_hub import constants

    home = tmp_path / "hub"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(home))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return home


def test_the_only_commit_of_a_cache_without_a_main_is_used_with_a_note(cache, folder):
    commit = "a" * 40
    fill_cache(cache, [commit], folder)
    scorer = load("org/rm")
    assert scorer.fingerprint["weights"] == {"commit": commit}
    note = f"The cache does not say which commit of org/rm is its main: the only one there, {commit}, was used."
    assert note in scorer.report().notes
    assert load("org/rm", revision=commit).report().notes == ()


def test_several_commits_in_a_cache_without_a_main_are_rejected(cache, folder):
    fill_cache(cache, ["a" * 40, "b" * 40], folder)
    with pytest.raises(InputError, match=f"pass --revision with one of {'a' * 40}, {'b' * 40}"):
        load("org/rm")
