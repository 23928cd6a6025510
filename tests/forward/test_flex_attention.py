"""FlexAttention over a packed sequence: its block mask equals tree attention, and its scores the unbatched forward."""

import random
from array import array
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from random_models import pairs
from reference import decisions, largest_difference, prepare_all, score_unbatched
from torch.nn.attention.flex_attention import create_mask
from torch.nn.attention.flex_attention import flex_attention as torch_flex_attention

from rewardbench.errors import InputError
from rewardbench.forward import flex_attention
from rewardbench.forward.flex_attention import BLOCK, classify_blocks, subtree_ends, tree_block_mask
from rewardbench.forward.prefix_tree import PrefixTrie, build_trie
from rewardbench.models import placement
from rewardbench.scorers.classifier import load_classifier
from rewardbench.settings import ModelSpec


def random_trie(seed: int, longest: int = 200) -> PrefixTrie:
    """Return the trie of sequences that share prefixes of many lengths."""
    rng = random.Random(seed)
    sequences = [array("i", [rng.randrange(3) for _ in range(longest)])]
    for _ in range(6):
        parent = rng.choice(sequences)
        ending = [rng.randrange(3, 9) for _ in range(rng.randrange(1, longest))]
        sequences.append(parent[: rng.randrange(len(parent))] + array("i", ending))
    return build_trie(sequences)


def expected_mask(trie: PrefixTrie, query_slots: np.ndarray, window: int | None) -> np.ndarray:
    """Return the definition of tree attention, within a window, for some queries."""
    mask = trie.attention_mask()
    if window is not None:
        mask &= trie.position_ids[:, None] - trie.position_ids < window
    return mask[query_slots]


@pytest.mark.parametrize("window", [None, 7, 150])
@pytest.mark.parametrize("seed", range(5))
def test_blocks_and_mask_equal_tree_attention(seed, window):
    trie = random_trie(seed)
    slots = np.arange(len(trie.input_ids))
    for query_slots in (slots, slots[5::3], slots[-1:]):
        expected = expected_mask(trie, query_slots, window)
        block_mask = tree_block_mask(trie, query_slots, window, torch.device("cpu"))
        mask = create_mask(block_mask.mask_mod, 1, 1, *expected.shape, device="cpu")
        assert np.array_equal(mask[0, 0].numpy(), expected)
        masked, full = classify_blocks(subtree_ends(trie), trie.position_ids, query_slots, window)
        assert block_mask.kv_num_blocks[0, 0].tolist() == masked.sum(1).tolist()
        for row, column in np.ndindex(masked.shape):
            block = expected[row * BLOCK : (row + 1) * BLOCK, column * BLOCK : (column + 1) * BLOCK]
            assert masked[row, column] or full[row, column] or not block.any()
            assert not full[row, column] or block.all()


def test_blocks_of_other_branches_are_skipped():
    prompt = array("i", range(2 * BLOCK))
    trie = build_trie([prompt + array("i", [number] * 2 * BLOCK) for number in (7001, 7002, 7003)])
    slots = np.arange(len(trie.input_ids))
    masked, full = classify_blocks(subtree_ends(trie), trie.position_ids, slots, None)
    assert masked.sum() == len(masked)  # the diagonal
    assert full.sum() == 1 + 3 * (2 * 2 + 1)


@pytest.mark.parametrize("arch", ["llama", "gemma2"])
def test_scores_equal_the_unbatched_forward(arch, model_folder):
    items = pairs(3)
    folder = str(model_folder(arch))
    scorer = load_classifier(ModelSpec(folder, device="cpu"))
    expected = score_unbatched(scorer.model, prepare_all(scorer, items))
    flex_scorer = load_classifier(ModelSpec(folder, device="cpu", attn_implementation="flex_attention"))
    assert flex_scorer.traits.packed
    assert flex_scorer.fingerprint["attn_implementation"] == "flex_attention"
    scores = flex_scorer.run(prepare_all(flex_scorer, items))
    assert largest_difference(scores, expected) <= 1e-5
    assert decisions(scores) == decisions(expected)


def test_compiled_graphs_serve_other_lengths_and_batches(model_folder, monkeypatch):
    graphs = []

    def backend(graph: torch.fx.GraphModule, inputs: list[torch.Tensor]) -> Callable[..., Any]:
        graphs.append(graph)
        return graph.forward

    kernel = torch.compile(torch_flex_attention, dynamic=True, backend=backend)
    scorer = load_classifier(ModelSpec(str(model_folder()), device="cpu", attn_implementation="flex_attention"))
    monkeypatch.setattr(flex_attention, "_kernel", lambda is_compiled: kernel)
    counts = []
    for seed in range(4):
        requests = prepare_all(scorer, pairs(4, longest=90, seed=seed))
        assert largest_difference(scorer.run(requests), score_unbatched(scorer.model, requests)) <= 1e-5
        counts.append(len(graphs))
    assert 0 < counts[1] == counts[3], counts


def test_an_older_torch_is_rejected(model_folder, monkeypatch):
    monkeypatch.setattr(placement, "version", lambda package: "2.6.0")
    spec = ModelSpec(str(model_folder()), device="cpu", attn_implementation="flex_attention")
    with pytest.raises(InputError, match=r"flex_attention needs torch 2\.7 or newer"):
        load_classifier(spec)


def test_a_model_that_is_not_packed_is_recorded_with_its_own_attention(model_folder):
    scorer = load_classifier(ModelSpec(str(model_folder("bert")), device="cpu", attn_implementation="flex_attention"))
    assert scorer.fingerprint["attn_implementation"] == "sdpa"
    assert any("not packed, so flex_attention is not used" in note for note in scorer.report().notes)
