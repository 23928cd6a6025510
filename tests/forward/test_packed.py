"""The last layer of a packed forward runs only for the tokens that are read, where the model allows it."""

import random
from typing import Any

import pytest
import torch
from random_models import pairs, turn, words
from reference import DECODERS, log_probs_by_hand, prepare_all, score_unbatched

from rewardbench.forward import packed
from rewardbench.forward.prefix_tree import build_trie
from rewardbench.scorers.classifier import load_classifier
from rewardbench.scorers.dpo import load_dpo
from rewardbench.settings import ModelSpec

SHORTENED = [arch for arch in DECODERS if arch != "gpt2"]
"""GPT-2 gives its output the shape of its input, so its last layer runs for all tokens."""


def record_output_lengths(layer: Any) -> list[int]:
    """Return a list that grows by the number of output tokens at each call of a layer."""
    lengths: list[int] = []

    def record(module: torch.nn.Module, inputs: Any, output: Any) -> None:
        states = output[0] if isinstance(output, tuple) else output
        lengths.append(states.shape[-2])

    layer.register_forward_hook(record)
    return lengths


@pytest.mark.parametrize("arch", SHORTENED)
def test_the_last_layer_runs_for_pooled_tokens_only(arch, model_folder):
    scorer = load_classifier(ModelSpec(str(model_folder(arch)), device="cpu"))
    requests = prepare_all(scorer, pairs(6))
    expected = score_unbatched(scorer.model, requests)
    lengths = record_output_lengths(scorer.layout.last_layer)
    assert scorer.run(requests) == pytest.approx(expected, abs=1e-5)
    assert lengths == [len(requests)]


@pytest.mark.parametrize("arch", SHORTENED)
def test_the_last_layer_runs_for_few_completion_tokens_only_and_for_all_if_they_are_many(arch, model_folder):
    scorer = load_dpo(ModelSpec(str(model_folder(arch, "causal")), ref_free_type="sum", device="cpu"))
    rng = random.Random(5)
    prompt = turn("user", words(rng, 60))
    few, many = (
        [scorer.prepare(prompt, turn("assistant", words(rng, n)), False) for n in completion_lengths]
        for completion_lengths in ([5, 9, 14], [200, 300])
    )
    with scorer.stages[0] as policy:
        lengths = record_output_lengths(policy.layout.last_layer)
        for requests in (few, many):
            expected = [float(log_probs_by_hand(policy.model, request).sum()) for request in requests]
            lengths.clear()
            assert policy.run(requests) == pytest.approx(expected, abs=1e-4)
            total = len(build_trie([request.ids for request in requests]).input_ids)
            assert (lengths[0] < total / 2) == (requests is few)
            assert (lengths[0] == total) == (requests is many)


def test_a_model_whose_last_layer_needs_all_tokens_is_packed_without_shortening(model_folder):
    scorer = load_classifier(ModelSpec(str(model_folder("gpt2")), device="cpu"))
    assert scorer.traits.packed
    assert scorer.layout.last_layer is None


def test_the_probe_notices_a_wrongly_shortened_layer(model_folder, monkeypatch):
    select = packed._select_tokens
    monkeypatch.setattr(
        packed, "_select_tokens", lambda argument, wanted, total: select(argument, (wanted + 1) % total, total)
    )
    scorer = load_classifier(ModelSpec(str(model_folder("llama")), device="cpu"))
    assert scorer.traits.packed
    assert scorer.layout.last_layer is None


def test_a_replaced_forward_is_restored():
    module = torch.nn.Identity()
    with packed.replaced_forward(module, lambda x: x + 1):
        assert module(1) == 2
    assert "forward" not in vars(module)
    module.forward = hook = lambda x: x + 5
    with pytest.raises(ZeroDivisionError), packed.replaced_forward(module, lambda x: x / 0):
        module(1)
    assert module.forward is hook
