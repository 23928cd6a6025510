"""A score never depends on its batch: every layout equals the model's own forward on one unpadded sequence."""

import math
import random
from copy import deepcopy
from typing import Any

import pytest
import torch
from random_models import pairs, words
from reference import DECODERS, LAYOUTS, by_hand, every_layout, lay_out, loaded, one_by_one

from rewardbench.engine.loop import score
from rewardbench.errors import InputError
from rewardbench.forward import padding
from rewardbench.forward.packed import Layout
from rewardbench.scorers.classifier import load_classifier
from rewardbench.scorers.dpo import load_dpo
from rewardbench.settings import ModelSpec
from rewardbench.types import Message

ENCODERS = {"bert": 40.0, "deberta-v2": 12.0, "modernbert": 3.0}
"""With the factor that widens their head until scores spread by .3."""
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
DYNAMIC = {
    "rope_parameters": {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 4.0},
    "max_position_embeddings": 60,
}


def widen(model: Any, factor: float) -> None:
    with torch.no_grad():
        model.classifier.weight.mul_(factor)


@pytest.mark.parametrize("arch", [*DECODERS, *ENCODERS])
def test_every_layout_equals_the_single_forward(arch, model_folder):
    items = pairs()
    scorer = load_classifier(ModelSpec(str(model_folder(arch)), device="cpu"))
    if arch in ENCODERS:
        widen(scorer.model, ENCODERS[arch])
    requests = [scorer.prepare(i.prompt, c, False) for i in items for c in i.completions]
    truth = one_by_one(scorer.model, requests)
    assert max(truth) - min(truth) >= 0.3
    assert scorer.traits.packed == (arch not in ENCODERS)
    for scores in every_layout(scorer, items, ("right",) if arch in ENCODERS else LAYOUTS):
        assert max(abs(a - b) for a, b in zip(scores, truth, strict=True)) <= 1e-5
        decisions = [scores[i] > scores[i + 1] for i in range(0, len(scores), 2)]
        assert decisions == [truth[i] > truth[i + 1] for i in range(0, len(truth), 2)]


@pytest.mark.parametrize(("arch", "rope"), [("phi3", LONGROPE), ("llama", DYNAMIC)], ids=["longrope", "dynamic"])
def test_a_long_neighbour_moves_no_short_item(arch, rope, model_folder):
    items = pairs(longest=45)
    folder = str(model_folder(arch, **rope))
    scorer = load_classifier(ModelSpec(folder, device="cpu", max_length=500))
    requests = [scorer.prepare(i.prompt, c, False) for i in items for c in i.completions]
    assert min(map(len, requests)) < 60 < max(map(len, requests))
    fresh = load_classifier(ModelSpec(folder, device="cpu")).model
    truth = [one_by_one(deepcopy(fresh), [request])[0] for request in requests]  # since dynamic RoPE remembers
    for scores in every_layout(scorer, items):
        assert max(abs(a - b) for a, b in zip(scores, truth, strict=True)) <= 1e-5


def test_the_test_sees_a_dropped_position_id(model_folder, monkeypatch):
    items = pairs()
    scorer = load_classifier(ModelSpec(str(model_folder("gpt2")), device="cpu"))
    right = every_layout(scorer, items, ("right",))[0]
    keep = padding.accepted
    monkeypatch.setattr(
        "rewardbench.scorers.classifier.accepted",
        lambda model, inputs: {k: v for k, v in keep(model, inputs).items() if k != "position_ids"},
    )
    wrong = every_layout(scorer, items, ("left",))[2]
    assert max(abs(a - b) for a, b in zip(right, wrong, strict=True)) > 0.05


def test_encoders_are_padded_on_the_right_only(model_folder):
    scorer = load_classifier(ModelSpec(str(model_folder("bert")), device="cpu"))
    with pytest.raises(InputError, match="encoder"):
        type(scorer)(scorer.model, scorer.chat, "bert", layout=Layout(side="left"))


def test_the_tokenizers_padding_side_changes_nothing(model_folder):
    items = pairs(6)
    scorer = load_classifier(ModelSpec(str(model_folder("llama")), device="cpu"))
    before = [s.scores for s in score(items, scorer).items]
    scorer.chat.tokenizer.padding_side = "left"
    scorer.chat.tokenizer.truncation_side = "right"
    assert [s.scores for s in score(items, scorer).items] == before


@pytest.mark.parametrize("pad", [2, None], ids=["pad is eos", "no pad token"])
def test_pooling_is_the_models_own_without_a_distinct_pad_token(pad, model_folder):
    items = pairs(8)
    scorer = load_classifier(ModelSpec(str(model_folder("llama", pad_token_id=pad)), device="cpu"))
    requests = [scorer.prepare(i.prompt, c, False) for i in items for c in i.completions]
    truth = one_by_one(scorer.model, requests)
    for scores in every_layout(scorer, items):
        assert max(abs(a - b) for a, b in zip(scores, truth, strict=True)) <= 1e-5
    assert ("<|eos|>" in {request.pooled_token for request in requests}) == (pad is None)
    assert scorer.model.config.pad_token_id == pad


@pytest.mark.parametrize("arch", DECODERS)
def test_dpo_equals_a_loop_by_hand(arch, model_folder):
    policy = str(model_folder(arch, "causal", seed=1))
    reference = str(model_folder(arch, "causal", seed=2))
    scorer = load_dpo(ModelSpec(policy, ref_model=reference, device="cpu"))
    rng = random.Random(3)
    asked = (Message(role="user", content=words(rng, 12)),)
    requests = [
        scorer.prepare(asked, (Message(role="assistant", content=words(rng, n)),), False) for n in (20, 90, 400, 1450)
    ]
    lengths = [r.end - r.start for r in requests]
    assert 20 <= min(lengths) < 30
    assert max(lengths) >= 1450
    policy, reference = (loaded(part) for part in scorer.stages)
    assert policy.traits.packed
    truth = [(by_hand(policy.model, request), by_hand(reference.model, request)) for request in requests]
    for layout in LAYOUTS:
        rewards = scorer.combine([lay_out(stage, layout).run(requests) for stage in (policy, reference)])
        for (p, r), reward in zip(truth, rewards, strict=True):
            allowed = 5e-8 * float(p.abs().sum() + r.abs().sum()) + 1e-5
            assert abs(reward - float((p - r).sum())) <= allowed


def test_reference_free_rewards_by_hand(model_folder):
    folder = str(model_folder("llama", "causal", seed=1))
    rules = {"sum": lambda p: p.sum(), "avg": lambda p: p.mean(), "norm": lambda p: -(p**2).sum().sqrt()}
    for name, rule in rules.items():
        scorer = load_dpo(ModelSpec(folder, ref_free_type=name, device="cpu"))
        request = scorer.prepare(
            (Message(role="user", content="Hi"),), (Message(role="assistant", content="Lima"),), False
        )
        assert math.isclose(
            scorer.run([request])[0], float(rule(by_hand(loaded(scorer.stages[0]).model, request))), abs_tol=1e-5
        )
        assert scorer.model_type == f"DPO Ref. Free ({name})"


def test_the_completion_starts_after_the_assistants_header(model_folder):
    scorer = load_dpo(ModelSpec(str(model_folder("llama", "causal")), ref_free_type="sum", device="cpu"))
    request = scorer.prepare(
        (Message(role="user", content="Lima Lima"),), (Message(role="assistant", content="Lima"),), False
    )
    tokens = scorer.chat.tokenizer.convert_ids_to_tokens(list(request.ids))
    assert tokens[request.start - 1] == "<|assistant|>"
    assert scorer.chat.tokenizer.decode(request.ids[request.start :]) == "Lima<|eos|>"
    assert len(loaded(scorer.stages[0]).log_probs([request])[0]) == request.end - request.start
