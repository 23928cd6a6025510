"""The tree of some sequences: every token in it once where it is shared, every path the sequence it stands for."""

from array import array
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rewardbench.forward.prefix_tree import Run, costs, plant
from rewardbench.forward.tree_attention import Row, grouped, visible

SEQUENCES = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=30), min_size=1, max_size=12, unique_by=tuple)


def arrays(drawn: list[list[int]]) -> list[Any]:
    return [array("i", ids) for ids in drawn]


@given(SEQUENCES)
def test_every_path_spells_its_sequence_at_its_depths(drawn: list[list[int]]) -> None:
    tree = plant(arrays(drawn))
    for n, ids in enumerate(drawn):
        slots = tree.slots(n, 0, len(ids))
        assert tree.ids[slots].tolist() == ids
        assert tree.depths[slots].tolist() == list(range(len(ids)))


@given(SEQUENCES)
def test_the_row_is_as_long_as_the_costs_say(drawn: list[list[int]]) -> None:
    tree = plant(arrays(drawn))
    assert len(tree.ids) == sum(costs(sorted(arrays(drawn)))) == sum(run.length for run in tree.runs)


@given(SEQUENCES, st.sampled_from([None, 1, 5, 12]))
def test_a_token_sees_its_own_past_and_nothing_else(drawn: list[list[int]], window: int | None) -> None:
    import torch

    tree = plant(arrays(drawn))
    seen: dict[int, set[int]] = {}
    for own, keys, mask in Row(tree, np.arange(len(tree.ids))).plan(window, torch.zeros(1)):
        slots = np.arange(keys.start, keys.stop) if isinstance(keys, slice) else keys.numpy()
        allowed = np.tri(len(slots), dtype=bool) if mask is None else (mask == 0).numpy()
        for query, row in zip(range(own.start, own.stop), allowed, strict=True):
            seen[query] = set(slots[row].tolist())
    assert sorted(seen) == list(range(len(tree.ids)))
    for n, ids in enumerate(drawn):
        path = tree.slots(n, 0, len(ids)).tolist()
        for depth, slot in enumerate(path):
            first = 0 if window is None else max(0, depth - window + 1)
            assert seen[slot] == set(path[first : depth + 1])


def test_short_neighbours_with_one_prefix_share_a_call() -> None:
    prompt = ((0, 40),)
    siblings = [Run(40 + 5 * n, 5, prompt) for n in range(20)]
    assert [len(group) for group in grouped([Run(0, 40), *siblings])] == [1, 20]
    long = [Run(40, 400, prompt), Run(440, 400, prompt)]
    assert [len(group) for group in grouped(long)] == [1, 1]


def test_the_mask_of_two_siblings_by_hand() -> None:
    runs = [Run(2, 2, ((0, 2),)), Run(4, 1, ((0, 2),))]
    depths, slots, queries = np.array([0, 1, 2, 3, 2]), np.arange(5), np.array([2, 3, 4])
    allowed = visible(runs, depths, slots, queries, None)
    assert allowed.astype(int).tolist() == [[1, 1, 1, 0, 0], [1, 1, 1, 1, 0], [1, 1, 0, 0, 1]]
    narrow = visible(runs, depths, slots, queries, 2)
    assert narrow.astype(int).tolist() == [[0, 1, 1, 0, 0], [0, 0, 1, 1, 0], [0, 1, 0, 0, 1]]
