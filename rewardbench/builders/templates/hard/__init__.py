"""Templates of core-hard: one module a subset, each with a size of four rungs.

A module has `draw(rng, rung)`, which returns the content of a mirror of that size. It may have
`draw_square(rng, rung)`, which returns four prompts with four responses. To add one, write the module, name it in
`builders.registry`, and add its two verifiers to `rewardbench.verifiers`.
"""
