"""Analyses: what one accuracy hides, and a look inside a reward model. One module answers one question.

Each module has `analyze(inputs, options) -> Report`, which reads stored scores where it can, and `selftest(seeds) ->
Report`, which runs the analysis on data with a planted truth. `registry.ANALYSES` lists them.
"""
