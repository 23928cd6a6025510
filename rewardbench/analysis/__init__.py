"""Analyses of reward models beyond accuracy. Each module answers one question.

Each module has `analyze(inputs, options) -> Report`, which reads stored scores where possible, and `selftest(seeds) ->
Report`, which runs the method on simulated data with a known answer. `registry.ANALYSES` lists the modules.
"""
