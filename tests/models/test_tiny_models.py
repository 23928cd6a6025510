"""The embedded models are small, complete, loaded by the standard classes, and made by a deterministic script."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from repository import ROOT

MODELS = ROOT / "data" / "models"
FOLDERS = ["tiny-rm", "tiny-dpo/policy", "tiny-dpo/reference"]
FILES = {
    "README.md",
    "chat_template.jinja",
    "config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
}
CHAT = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Name a river."},
    {"role": "assistant", "content": "The Elbe."},
]


def load(folder: str, **options: Any) -> tuple[Any, dict[str, Any]]:
    """Load a model through its Auto class; return it with the loading info."""
    import transformers

    kind = "AutoModelForSequenceClassification" if folder == "tiny-rm" else "AutoModelForCausalLM"
    options = {"use_safetensors": True, "output_loading_info": True, "local_files_only": True} | options
    return getattr(transformers, kind).from_pretrained(MODELS / folder, **options)


def tokenizer(folder: str = "tiny-rm") -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(MODELS / folder, local_files_only=True)


def size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


@pytest.mark.parametrize("folder", FOLDERS)
def test_folder_has_every_file_and_no_other_weights(folder: str) -> None:
    names = {file.name for file in (MODELS / folder).iterdir()}
    assert names - {"generation_config.json"} == FILES
    assert "not a good judge" in (MODELS / folder / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["tiny-rm", "tiny-dpo"])
def test_each_model_stays_below_four_megabytes(name: str) -> None:
    assert 1_000_000 < size(MODELS / name) <= 4_000_000


@pytest.mark.parametrize("folder", FOLDERS)
def test_weights_are_bf16_and_complete(folder: str) -> None:
    import torch

    model, info = load(folder)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}
    assert not info["missing_keys"]
    assert not info["mismatched_keys"]
    assert not info["unexpected_keys"]
    assert model.config.vocab_size == len(tokenizer(folder)) == 2048
    assert model.config.max_position_embeddings == tokenizer(folder).model_max_length == 4096


def test_reward_model_has_one_label_and_a_trained_head() -> None:
    model, _ = load("tiny-rm")
    assert model.config.num_labels == 1
    assert model.score.weight.shape == (1, 128)
    assert model.score.weight.float().abs().max() > 0.01


def test_policy_moved_away_from_its_reference() -> None:
    policy, reference = (load(f"tiny-dpo/{name}")[0].state_dict() for name in ("policy", "reference"))
    assert policy.keys() == reference.keys()
    assert sum((policy[key] != reference[key]).sum().item() for key in policy) > 100_000


@pytest.mark.parametrize("folder", FOLDERS)
def test_special_tokens_are_distinct_and_agree_with_the_config(folder: str) -> None:
    special = tokenizer(folder)
    config = json.loads((MODELS / folder / "config.json").read_text())
    ids = (special.pad_token_id, special.bos_token_id, special.eos_token_id)
    assert ids == (config["pad_token_id"], config["bos_token_id"], config["eos_token_id"]) == (0, 1, 2)
    assert special.convert_tokens_to_ids(["<|system|>", "<|user|>", "<|assistant|>"]) == [3, 4, 5]


@pytest.mark.parametrize("folder", FOLDERS)
def test_template_renders_one_bos_and_an_eos_after_the_assistant(folder: str) -> None:
    loaded = tokenizer(folder)
    text = loaded.apply_chat_template(CHAT, tokenize=False)
    assert text == "<|bos|><|system|> Be brief.<|user|> Name a river.<|assistant|> The Elbe.<|eos|>"
    ids = loaded.apply_chat_template(CHAT)["input_ids"]
    assert ids.count(1) == ids.count(2) == 1
    assert (ids[0], ids[-1]) == (1, 2)
    opened = loaded.apply_chat_template(CHAT[:2], add_generation_prompt=True)["input_ids"]
    assert ids[: len(opened)] == opened


def test_plain_text_survives_the_tokenizer_behind_one_bos() -> None:
    text = "Grüße, 東京!  Two  spaces,\n\ta tab, and 3.14159 🦆"
    ids = tokenizer()(text)["input_ids"]
    assert ids[0] == 1
    assert tokenizer().decode(ids[1:]) == text


def sum_log_probs(model: Any, inputs: Any) -> float:
    """Return the log-probability of all tokens but the first."""
    mean_loss: float = model(**inputs, labels=inputs["input_ids"]).loss.item()
    return -mean_loss * (inputs["input_ids"].shape[1] - 1)


def test_scores_differ_between_completions() -> None:
    import torch

    model, _ = load("tiny-rm", dtype=torch.float32)
    policy, _ = load("tiny-dpo/policy", dtype=torch.float32)
    reference, _ = load("tiny-dpo/reference", dtype=torch.float32)
    rewards, log_ratios = [], []
    for answer in ("The Elbe.", "I would rather not say."):
        messages = [*CHAT[:2], {"role": "assistant", "content": answer}]
        inputs = tokenizer().apply_chat_template(messages, return_tensors="pt")
        with torch.no_grad():
            rewards.append(model(**inputs).logits.item())
            log_ratios.append(sum_log_probs(policy, inputs) - sum_log_probs(reference, inputs))
    assert abs(rewards[0] - rewards[1]) > 0.01
    assert abs(log_ratios[0] - log_ratios[1]) > 0.01


def train_two_steps(folder: Path) -> list[str]:
    command = [sys.executable, str(ROOT / "scripts" / "train_tiny_models")]
    options = ["--steps", "2", "--held-out", "8", "--output", str(folder)]
    done = subprocess.run(command + options, capture_output=True, text=True, check=True, timeout=120)
    assert "overlap=0" in done.stdout
    return [line for line in done.stdout.splitlines() if "sha256=" in line]


def test_training_twice_gives_the_same_weights(tmp_path: Path) -> None:
    first, second = train_two_steps(tmp_path / "a"), train_two_steps(tmp_path / "b")
    assert len(first) == 3
    assert first == second
    assert {path.name for path in (tmp_path / "a").iterdir()} == {"tiny-rm", "tiny-dpo"}


def test_overlap_with_a_suite_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    from tiny_data import Mirror, chat, find_overlap

    mirror = Mirror("quote", (chat("Say it."), chat("Say it not.")), ("a b c d e f g h", "a b c d e f g"))
    row = {
        "prompt": [{"role": "user", "content": "x"}],
        "chosen": [{"role": "assistant", "content": "Oh! A b, c d e f G h i"}],
    }
    assert find_overlap([mirror], tmp_path) == []
    (tmp_path / "chat.jsonl").write_text(json.dumps(row) + "\n")
    assert find_overlap([mirror], tmp_path) == ["a b c d e f g h"]


def test_held_out_mirrors_share_no_name_and_no_line_with_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    from tiny_templates import draw_mirrors

    training = {m.responses[0] for m in draw_mirrors(1, 4000) if m.family in ("quote", "world_fact")}
    held_out = {m.responses[0] for m in draw_mirrors(1, 400, held_out=True) if m.family in ("quote", "world_fact")}
    assert len(held_out) > 50
    assert not training & held_out


@pytest.mark.parametrize("module", ["tiny_data", "tiny_training"])
def test_examples_in_the_training_code_hold(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import doctest
    import importlib

    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    failed, tried = doctest.testmod(importlib.import_module(module))
    assert tried > 0
    assert failed == 0
