"""Compute one forward pass over many texts, so that every score equals that of the unbatched text.

Sequence packing with tree attention
------------------------------------

The completions of an item share their prompt. Padding computes the prompt again for each of them; packing builds a
prefix trie and computes every shared prefix once::

    padded: 3 x 7 = 21 tokens        packed: 9 tokens in one sequence

    A  1 2 3 4 5 6 7                               +-- 6 -- 7     A
    B  1 2 3 4 5 8 _                 1-2-3-4 --+-- 5
    C  1 2 3 4 9 _ _                           |   +-- 8          B
                                               +-- 9              C

Position ids are depths in the trie, so RoPE sees each token where its own sequence has it. Tree attention lets each
token attend to its ancestors only, so A, B and C cannot influence each other:

>>> from array import array
>>> from rewardbench.forward.prefix_tree import build_trie
>>> sequences = [array("i", ids) for ids in ([1, 2, 3, 4, 5, 6, 7], [1, 2, 3, 4, 5, 8], [1, 2, 3, 4, 9])]
>>> trie = build_trie(sequences, min_shared=1)
>>> trie.input_ids.tolist()
[1, 2, 3, 4, 5, 6, 7, 8, 9]
>>> trie.position_ids.tolist()
[0, 1, 2, 3, 4, 5, 6, 5, 4]
>>> for token, row in zip(trie.input_ids, trie.attention_mask(), strict=True):
...     print(token, "attends to", *trie.input_ids[row])
1 attends to 1
2 attends to 1 2
3 attends to 1 2 3
4 attends to 1 2 3 4
5 attends to 1 2 3 4 5
6 attends to 1 2 3 4 5 6
7 attends to 1 2 3 4 5 6 7
8 attends to 1 2 3 4 5 8
9 attends to 1 2 3 4 9

The scores of A, B and C are read at the slots of 7, 8 and 9. (Without `min_shared=1`, prefixes are shared from
`prefix_tree.MIN_SHARED` tokens on.)

When padding is used instead
----------------------------

Each model is probed when it is loaded (`packed.choose_layout`). Encoders, which attend in both directions, and
decoders with attention code of their own are scored in padded batches; architectures whose scores change with their
batch, with batch size 1.

Modules: `prefix_tree` (the trie), `tree_attention` (the attention function), `flex_attention` (the same in one kernel
call a layer, for GPUs), `packed` (the forward pass, and the choice of a layout), `padding`, `prefetch` (collates the
next batch ahead), `batch_effects` (the probe), `rope` (lengths that may share a batch).
"""
