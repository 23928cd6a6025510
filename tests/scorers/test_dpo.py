"""A policy and its reference must share a vocabulary and differ in weights."""

import pytest
from random_models import make_model, make_tokenizer

from rewardbench.errors import InputError
from rewardbench.scorers.dpo import load_dpo
from rewardbench.settings import ModelSpec
from rewardbench.types import Message


def say(role, content):
    return (Message(role=role, content=content),)


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    tokenizer = make_tokenizer()
    return make_model(tmp_path_factory.mktemp("ref"), kind="causal", tokenizer=tokenizer, vocab_size=len(tokenizer))


def test_a_token_of_the_policy_only_is_rejected_where_a_text_contains_it(tmp_path, reference):
    tokenizer = make_tokenizer()
    tokenizer.add_tokens(["<|extra|>"])
    make_model(tmp_path, kind="causal", tokenizer=tokenizer, vocab_size=len(tokenizer))
    scorer = load_dpo(ModelSpec(str(tmp_path), ref_model=str(reference), device="cpu"))
    assert len(scorer.run([scorer.prepare(say("user", "Hi"), say("assistant", "Lima"), False)])) == 1
    with pytest.raises(InputError, match="a token that the policy or its reference does not embed"):
        scorer.prepare(say("user", "Hi"), say("assistant", "<|extra|>"), False)


def test_another_vocabulary_is_rejected(tmp_path, reference):
    tokenizer = make_tokenizer(corpus=["zyx wvu zyx wvu tsr qpo zyx"] * 9)
    make_model(tmp_path, kind="causal", tokenizer=tokenizer)
    with pytest.raises(InputError, match="have different vocabularies"):
        load_dpo(ModelSpec(str(tmp_path), ref_model=str(reference), device="cpu"))


def test_beta_scales_and_the_reference_is_in_the_fingerprint(tmp_path, reference):
    policy, other = (make_model(tmp_path / str(seed), kind="causal", seed=seed) for seed in (5, 6))
    other_reference = load_dpo(ModelSpec(str(policy), ref_model=str(other), device="cpu"))
    request = other_reference.prepare(say("user", "Hi"), say("assistant", "Lima"), False)
    wide = load_dpo(ModelSpec(str(policy), ref_model=str(reference), beta=0.5, device="cpu"))
    unit = load_dpo(ModelSpec(str(policy), ref_model=str(reference), device="cpu"))
    assert wide.run([request])[0] == pytest.approx(0.5 * unit.run([request])[0])
    assert unit.fingerprint["reference"] != other_reference.fingerprint["reference"]


def resaved(folder, to, dtype=None, shard=None):
    """Save a copy of a policy in another dtype, or in shards."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype or torch.float32)
    model.save_pretrained(to, **({"max_shard_size": shard} if shard else {}))
    AutoTokenizer.from_pretrained(folder).save_pretrained(to)
    return to


def test_a_policy_with_the_weights_of_its_reference_is_rejected(tmp_path, reference):
    message = "have the same weights, so every reward would be 0"
    for copy in (reference, resaved(reference, tmp_path / "again"), resaved(reference, tmp_path / "b", shard="30KB")):
        with pytest.raises(InputError, match=message):
            load_dpo(ModelSpec(str(copy), ref_model=str(reference), device="cpu"))


def test_weights_are_compared_by_value_in_any_dtype(tmp_path, reference):
    import torch

    rounded = resaved(reference, tmp_path / "short", dtype=torch.bfloat16)
    widened = resaved(rounded, tmp_path / "wide", dtype=torch.float32)
    with pytest.raises(InputError, match="same weights"):
        load_dpo(ModelSpec(str(widened), ref_model=str(rounded), device="cpu"))
    load_dpo(ModelSpec(str(rounded), ref_model=str(reference), device="cpu"))
