"""Test whether small score differences predict ties, and estimate below which difference a tie is likeliest.

`models` has the models and their sources; the Ties score of RewardBench 2 is `metrics.ties`.
"""

from __future__ import annotations

from rewardbench.analysis.ties.fit import TieAnalysis, analyze_comparisons, held_out_losses
from rewardbench.analysis.ties.models import (
    LabelledPairs,
    TieFit,
    davidson_probabilities,
    fit_bradley_terry,
    fit_davidson,
    fit_rao_kupper,
    rao_kupper_probabilities,
)
from rewardbench.analysis.ties.run import TiesOptions, analyze, selftest

__all__ = [
    "LabelledPairs",
    "TieAnalysis",
    "TieFit",
    "TiesOptions",
    "analyze",
    "analyze_comparisons",
    "davidson_probabilities",
    "fit_bradley_terry",
    "fit_davidson",
    "fit_rao_kupper",
    "held_out_losses",
    "rao_kupper_probabilities",
    "selftest",
]
