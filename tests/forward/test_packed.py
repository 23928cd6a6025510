"""A row's last layer runs for the tokens alone that are read, where the model allows it."""

import random
from typing import Any

import pytest
import torch
from random_models import pairs, words
from reference import DECODERS, by_hand, one_by_one

from rewardbench.forward import packed
from rewardbench.scorers.classifier import load_classifier
from rewardbench.scorers.dpo import load_dpo
from rewardbench.settings import ModelSpec
from rewardbench.types import Message

CUT = [arch for arch in DECODERS if arch != "gpt2"]
"""GPT-2 shapes its output as its input was, so that its last layer runs whole."""


def tokens_leaving(layer: Any) -> list[int]:
    """How many tokens leave a layer, at each of its calls from now on."""
    seen: list[int] = []
    layer.register_forward_hook(
        lambda module, given, found: seen.append((found[0] if isinstance(found, tuple) else found).shape[-2])
    )
    return seen


@pytest.mark.parametrize("arch", CUT)
def test_pooled_tokens_alone_leave_the_last_layer(arch, model_folder):
    scorer = load_classifier(ModelSpec(str(model_folder(arch)), device="cpu"))
    requests = [scorer.prepare(i.prompt, c, False) for i in pairs(6) for c in i.completions]
    truth = one_by_one(scorer.model, requests)
    seen = tokens_leaving(scorer.layout.last)
    assert scorer.run(requests) == pytest.approx(truth, abs=1e-5)
    assert seen == [len(requests)]


@pytest.mark.parametrize("arch", CUT)
def test_few_predicted_tokens_alone_leave_it_and_many_take_all_along(arch, model_folder):
    scorer = load_dpo(ModelSpec(str(model_folder(arch, "causal")), ref_free_type="sum", device="cpu"))
    rng = random.Random(5)
    asked = (Message(role="user", content=words(rng, 60)),)
    few, many = (
        [scorer.prepare(asked, (Message(role="assistant", content=words(rng, n)),), False) for n in lengths]
        for lengths in ([5, 9, 14], [200, 300])
    )
    with scorer.stages[0] as part:
        seen = tokens_leaving(part.layout.last)
        for requests in (few, many):
            wanted = [float(by_hand(part.model, request).sum()) for request in requests]
            seen.clear()
            assert part.run(requests) == pytest.approx(wanted, abs=1e-4)
            whole = len(packed.plant([request.ids for request in requests]).ids)
            assert (seen[0] < whole / 2) == (requests is few)
            assert (seen[0] == whole) == (requests is many)


def test_a_model_that_asks_for_all_tokens_gets_them(model_folder):
    scorer = load_classifier(ModelSpec(str(model_folder("gpt2")), device="cpu"))
    assert scorer.traits.packed
    assert scorer.layout.last is None


def test_a_layer_that_is_cut_wrongly_is_found_out(model_folder, monkeypatch):
    cut = packed._cut
    monkeypatch.setattr(packed, "_cut", lambda given, wanted, total: cut(given, (wanted + 1) % total, total))
    scorer = load_classifier(ModelSpec(str(model_folder("llama")), device="cpu"))
    assert scorer.traits.packed
    assert scorer.layout.last is None


def test_a_forward_that_stood_there_stands_there_again():
    module = torch.nn.Identity()
    with packed.replaced(module, lambda x: x + 1):
        assert module(1) == 2
    assert "forward" not in vars(module)
    module.forward = hook = lambda x: x + 5
    with pytest.raises(ZeroDivisionError), packed.replaced(module, lambda x: x / 0):
        module(1)
    assert module.forward is hook
