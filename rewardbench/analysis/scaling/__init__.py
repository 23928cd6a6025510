"""Fit the accuracy of reward models against their number of parameters, with an intercept for each family."""

from __future__ import annotations

from rewardbench.analysis.scaling.fit import MixedFit, Slope, fit_mixed, fit_within, logit
from rewardbench.analysis.scaling.run import ScalingOptions, analyze
from rewardbench.analysis.scaling.selftest import selftest
from rewardbench.analysis.scaling.table import SizedModel, read_models

__all__ = [
    "MixedFit",
    "ScalingOptions",
    "SizedModel",
    "Slope",
    "analyze",
    "fit_mixed",
    "fit_within",
    "logit",
    "read_models",
    "selftest",
]
