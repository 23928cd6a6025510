"""Attention by oneDNN: what the kernel of torch computes, and only where it is faster."""

import pytest
import torch
from random_models import pairs
from torch.nn.functional import scaled_dot_product_attention

from rewardbench.forward import onednn_attention
from rewardbench.forward.onednn_attention import BLOCK, attend_by_onednn, is_faster
from rewardbench.models import linear
from rewardbench.scorers.classifier import load_classifier
from rewardbench.settings import ModelSpec

pytestmark = pytest.mark.skipif(
    not (torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")),
    reason="this build of torch has no oneDNN",
)


def random_states(queries, keys, width=24, value_width=16):
    """Return queries, keys and values as a model lays them out: in memory, the heads of a token are adjacent."""
    torch.manual_seed(0)
    shapes = (queries, width), (keys, width), (keys, value_width)
    return [torch.randn(1, tokens, 3, size).transpose(1, 2) for tokens, size in shapes]


@pytest.mark.parametrize("tokens", [1, 70, BLOCK, BLOCK + 1, 2 * BLOCK + 30])
def test_causal_attention_equals_that_of_torch(tokens):
    query, key, value = random_states(tokens, tokens)
    expected = scaled_dot_product_attention(query, key, value, is_causal=True, scale=0.3)
    torch.testing.assert_close(attend_by_onednn(query, key, value, None, 0.3), expected, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize(("queries", "keys"), [(1, 9), (40, 130), (BLOCK + 20, 2 * BLOCK)])
def test_masked_attention_equals_that_of_torch(queries, keys):
    query, key, value = random_states(queries, keys)
    allowed = torch.rand(queries, keys) < 0.5
    allowed[:, 0] = True
    mask = torch.zeros(queries, keys).masked_fill_(~allowed, -torch.inf)
    expected = scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=0.3)
    torch.testing.assert_close(attend_by_onednn(query, key, value, mask, 0.3), expected, rtol=1e-5, atol=2e-6)


def test_it_is_for_long_texts_in_one_thread_without_gradients():
    threads = torch.get_num_threads()
    long, short = random_states(300, 300)[:2], random_states(100, 100)[:2]
    few = random_states(10, 9000)[:2]
    try:
        torch.set_num_threads(1)
        with torch.no_grad():
            assert [is_faster(*states) for states in (long, short, few)] == [True, False, False]
            torch.set_num_threads(2)
            assert not is_faster(*long)
            torch.set_num_threads(1)
        assert not is_faster(*long)
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("arch", ["llama", "qwen3", "gpt2", "gemma2"])
def test_scores_of_a_classifier_are_those_of_its_own_forward(arch, model_folder, monkeypatch):
    called = []
    attend = onednn_attention.attend_by_onednn
    monkeypatch.setattr(linear, "is_onednn_faster", lambda: True)
    monkeypatch.setattr(onednn_attention, "is_faster", lambda query, key: True)
    monkeypatch.setattr(onednn_attention, "attend_by_onednn", lambda *states: called.append(1) or attend(*states))
    scorer = load_classifier(ModelSpec(str(model_folder(arch)), device="cpu"))
    requests = [scorer.prepare(item.prompt, item.completions[0], False) for item in pairs(6)]
    expected = [scorer.score_unbatched(request) for request in requests]
    called.clear()
    assert scorer.run(requests) == pytest.approx(expected, abs=1e-5)
    assert bool(called) is (arch != "gemma2")  # its attention scores are capped
