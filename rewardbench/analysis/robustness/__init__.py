"""Robustness: how often a model changes its decision where a perturbation changes the text, but not its meaning."""

from __future__ import annotations

from rewardbench.analysis.robustness.flips import Robustness, measure_robustness
from rewardbench.analysis.robustness.run import RobustnessOptions, analyze, selftest
from rewardbench.analysis.robustness.suite import PerturbedSuite, perturb_suite

__all__ = [
    "PerturbedSuite",
    "Robustness",
    "RobustnessOptions",
    "analyze",
    "measure_robustness",
    "perturb_suite",
    "selftest",
]
