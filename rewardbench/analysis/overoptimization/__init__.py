"""Measure over-optimisation: the n of best-of-n beyond which the gold reward falls, for single scores and ensembles."""

from __future__ import annotations

from rewardbench.analysis.overoptimization.run import (
    GaoFit,
    OveroptimizationOptions,
    analyze,
    combine_scores,
    fit_gao,
    selftest,
)

__all__ = ["GaoFit", "OveroptimizationOptions", "analyze", "combine_scores", "fit_gao", "selftest"]
