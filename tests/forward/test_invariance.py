"""A score never depends on its batch: every layout equals the model's own forward on one unpadded sequence."""

import math
import random
from copy import deepcopy
from typing import Any

import pytest
import torch
from random_models import pairs, turn, words
from reference import (
    DECODERS,
    LAYOUTS,
    decisions,
    largest_difference,
    load_stage,
    log_probs_by_hand,
    prepare_all,
    score_in_layouts,
    score_unbatched,
    with_layout,
)

from rewardbench.engine.loop import score
from rewardbench.errors import InputError
from rewardbench.forward import padding
from rewardbench.forward.packed import Layout
from rewardbench.scorers.classifier import load_classifier
from rewardbench.scorers.dpo import load_dpo
from rewardbench.settings import ModelSpec

ENCODERS = {"bert": 40.0, "deberta-v2": 12.0, "modernbert": 3.0}
"""Encoders, with the factor that widens their head until scores spread by .3."""
LONGROPE = {
    "rope_parameters": {
        "rope_type": "longrope",
        "rope_theta": 10000.0,
        "long_factor": [4.0, 8.0, 16.0, 32.0],
        "short_factor": [1.0, 1.1, 1.2, 1.3],
        "original_max_position_embeddings": 60,
    },
    "original_max_position_embeddings": 60,
}
DYNAMIC_ROPE = {
    "rope_parameters": {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 4.0},
    "max_position_embeddings": 60,
}


def widen_head(model: Any, factor: float) -> None:
    with torch.no_grad():
        model.classifier.weight.mul_(factor)


@pytest.mark.parametrize("arch", [*DECODERS, *ENCODERS])
def test_every_layout_equals_the_unbatched_forward(arch, model_folder):
    items = pairs()
    scorer = load_classifier(ModelSpec(str(model_folder(arch)), device="cpu"))
    if arch in ENCODERS:
        widen_head(scorer.model, ENCODERS[arch])
    expected = score_unbatched(scorer.model, prepare_all(scorer, items))
    assert max(expected) - min(expected) >= 0.3
    assert scorer.traits.packed == (arch not in ENCODERS)
    for scores in score_in_layouts(scorer, items, ("padded right",) if arch in ENCODERS else LAYOUTS):
        assert largest_difference(scores, expected) <= 1e-5
        assert decisions(scores) == decisions(expected)


@pytest.mark.parametrize(("arch", "rope"), [("phi3", LONGROPE), ("llama", DYNAMIC_ROPE)], ids=["longrope", "dynamic"])
def test_a_long_text_does_not_change_the_scores_of_short_texts(arch, rope, model_folder):
    items = pairs(longest=45)
    folder = str(model_folder(arch, **rope))
    scorer = load_classifier(ModelSpec(folder, device="cpu", max_length=500))
    requests = prepare_all(scorer, items)
    assert min(map(len, requests)) < 60 < max(map(len, requests))
    fresh = load_classifier(ModelSpec(folder, device="cpu")).model
    expected = []
    for request in requests:
        expected += score_unbatched(deepcopy(fresh), [request])  # since dynamic RoPE keeps state
    for scores in score_in_layouts(scorer, items):
        assert largest_difference(scores, expected) <= 1e-5


def test_the_comparison_notices_missing_position_ids(model_folder, monkeypatch):
    items = pairs()
    scorer = load_classifier(ModelSpec(str(model_folder("gpt2")), device="cpu"))
    correct = score_in_layouts(scorer, items, ("padded right",))[0]
    filter_inputs = padding.filter_inputs

    def without_position_ids(model, inputs):
        filtered = filter_inputs(model, inputs)
        filtered.pop("position_ids", None)
        return filtered

    monkeypatch.setattr("rewardbench.scorers.classifier.filter_inputs", without_position_ids)
    wrong = score_in_layouts(scorer, items, ("padded left",))[2]
    assert largest_difference(correct, wrong) > 0.05


def test_encoders_are_padded_on_the_right_only(model_folder):
    scorer = load_classifier(ModelSpec(str(model_folder("bert")), device="cpu"))
    with pytest.raises(InputError, match="encoder"):
        type(scorer)(scorer.model, scorer.chat, "bert", layout=Layout(side="left"))


def test_the_sides_of_the_tokenizer_change_no_score(model_folder):
    items = pairs(6)
    scorer = load_classifier(ModelSpec(str(model_folder("llama")), device="cpu"))
    before = [item_scores.scores for item_scores in score(items, scorer).items]
    scorer.chat.tokenizer.padding_side = "left"
    scorer.chat.tokenizer.truncation_side = "right"
    assert [item_scores.scores for item_scores in score(items, scorer).items] == before


@pytest.mark.parametrize("pad", [2, None], ids=["pad is eos", "no pad token"])
def test_pooling_is_the_models_own_without_a_distinct_pad_token(pad, model_folder):
    items = pairs(8)
    scorer = load_classifier(ModelSpec(str(model_folder("llama", pad_token_id=pad)), device="cpu"))
    requests = prepare_all(scorer, items)
    expected = score_unbatched(scorer.model, requests)
    for scores in score_in_layouts(scorer, items):
        assert largest_difference(scores, expected) <= 1e-5
    assert ("<|eos|>" in {request.pooled_token for request in requests}) == (pad is None)
    assert scorer.model.config.pad_token_id == pad


@pytest.mark.parametrize("arch", DECODERS)
def test_dpo_rewards_equal_those_by_hand(arch, model_folder):
    policy_folder = str(model_folder(arch, "causal", seed=1))
    reference_folder = str(model_folder(arch, "causal", seed=2))
    scorer = load_dpo(ModelSpec(policy_folder, ref_model=reference_folder, device="cpu"))
    rng = random.Random(3)
    prompt = turn("user", words(rng, 12))
    requests = [scorer.prepare(prompt, turn("assistant", words(rng, n)), False) for n in (20, 90, 400, 1450)]
    lengths = [request.end - request.start for request in requests]
    assert 20 <= min(lengths) < 30
    assert max(lengths) >= 1450
    policy, reference = map(load_stage, scorer.stages)
    assert policy.traits.packed
    expected = [
        (log_probs_by_hand(policy.model, request), log_probs_by_hand(reference.model, request)) for request in requests
    ]
    for layout in LAYOUTS:
        stage_scores = [with_layout(stage, layout).run(requests) for stage in (policy, reference)]
        rewards = scorer.combine(stage_scores)
        for (policy_log_probs, reference_log_probs), reward in zip(expected, rewards, strict=True):
            magnitude = float(policy_log_probs.abs().sum() + reference_log_probs.abs().sum())
            expected_reward = float((policy_log_probs - reference_log_probs).sum())
            assert abs(reward - expected_reward) <= 5e-8 * magnitude + 1e-5


def test_reference_free_rewards_equal_those_by_hand(model_folder):
    folder = str(model_folder("llama", "causal", seed=1))
    rules = {"sum": lambda p: p.sum(), "avg": lambda p: p.mean(), "norm": lambda p: -(p**2).sum().sqrt()}
    for name, rule in rules.items():
        scorer = load_dpo(ModelSpec(folder, ref_free_type=name, device="cpu"))
        request = scorer.prepare(turn("user", "Hi"), turn("assistant", "Lima"), False)
        expected = float(rule(log_probs_by_hand(load_stage(scorer.stages[0]).model, request)))
        assert math.isclose(scorer.run([request])[0], expected, abs_tol=1e-5)
        assert scorer.model_type == f"DPO Ref. Free ({name})"


def test_the_completion_starts_after_the_header_of_the_assistant(model_folder):
    scorer = load_dpo(ModelSpec(str(model_folder("llama", "causal")), ref_free_type="sum", device="cpu"))
    request = scorer.prepare(turn("user", "Lima Lima"), turn("assistant", "Lima"), False)
    tokens = scorer.chat.tokenizer.convert_ids_to_tokens(list(request.ids))
    assert tokens[request.start - 1] == "<|assistant|>"
    assert scorer.chat.tokenizer.decode(request.ids[request.start :]) == "Lima<|eos|>"
    assert len(load_stage(scorer.stages[0]).log_probs([request])[0]) == request.end - request.start
