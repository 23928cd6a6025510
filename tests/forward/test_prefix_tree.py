"""The prefix trie: every shared token occurs once, and every path spells its sequence."""

from array import array

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from rewardbench.forward.prefix_tree import Branch, Ids, build_trie, costs
from rewardbench.forward.tree_attention import PackedBatch, group_branches, group_mask

SEQUENCES = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=30), min_size=1, max_size=12, unique_by=tuple)


def arrays(sequences: list[list[int]]) -> list[Ids]:
    return [array("i", ids) for ids in sequences]


@given(SEQUENCES)
def test_every_path_spells_its_sequence_with_its_position_ids(sequences: list[list[int]]) -> None:
    trie = build_trie(arrays(sequences))
    for n, ids in enumerate(sequences):
        slots = trie.slots(n, 0, len(ids))
        assert trie.input_ids[slots].tolist() == ids
        assert trie.position_ids[slots].tolist() == list(range(len(ids)))


@given(SEQUENCES)
def test_the_packed_sequence_is_as_long_as_the_costs(sequences: list[list[int]]) -> None:
    trie = build_trie(arrays(sequences))
    length = sum(branch.length for branch in trie.branches)
    assert len(trie.input_ids) == sum(costs(sorted(arrays(sequences)))) == length


@given(SEQUENCES, st.sampled_from([None, 1, 5, 12]))
def test_a_token_attends_to_its_ancestors_and_nothing_else(sequences: list[list[int]], window: int | None) -> None:
    trie = build_trie(arrays(sequences))
    attended: dict[int, list[int]] = {}
    for call in PackedBatch(trie, np.arange(len(trie.input_ids))).plan(
        window, False, torch.float32, torch.device("cpu")
    ):
        slots = np.arange(call.keys.start, call.keys.stop) if isinstance(call.keys, slice) else call.keys.numpy()
        allowed = np.tri(len(slots), dtype=bool) if call.mask is None else (call.mask == 0).numpy()
        for query, allowed_keys in zip(range(call.queries.start, call.queries.stop), allowed, strict=True):
            attended[query] = sorted(slots[allowed_keys].tolist())
    assert sorted(attended) == list(range(len(trie.input_ids)))
    for n, ids in enumerate(sequences):
        path = trie.slots(n, 0, len(ids)).tolist()
        for depth, slot in enumerate(path):
            first = 0 if window is None else max(0, depth - window + 1)
            assert attended[slot] == sorted(path[first : depth + 1])
    if window is None:
        for slot, row in enumerate(trie.attention_mask()):
            assert np.flatnonzero(row).tolist() == attended[slot]


def test_short_adjacent_branches_with_one_prefix_share_a_kernel_call() -> None:
    prompt = ((0, 40),)
    siblings = [Branch(40 + 5 * n, 5, prompt) for n in range(20)]
    assert [len(group) for group in group_branches([Branch(0, 40), *siblings])] == [1, 20]
    long = [Branch(40, 400, prompt), Branch(440, 400, prompt)]
    assert [len(group) for group in group_branches(long)] == [1, 1]


def test_the_mask_of_two_siblings_by_hand() -> None:
    group = [Branch(2, 2, ((0, 2),)), Branch(4, 1, ((0, 2),))]
    position_ids, key_slots, query_slots = np.array([0, 1, 2, 3, 2]), np.arange(5), np.array([2, 3, 4])
    full = group_mask(group, position_ids, key_slots, query_slots, None)
    assert full.astype(int).tolist() == [[1, 1, 1, 0, 0], [1, 1, 1, 1, 0], [1, 1, 0, 0, 1]]
    windowed = group_mask(group, position_ids, key_slots, query_slots, 2)
    assert windowed.astype(int).tolist() == [[0, 1, 1, 0, 0], [0, 0, 1, 1, 0], [0, 1, 0, 0, 1]]
