"""Over-optimisation: where optimising a reward model harder lowers the gold reward, and whether ensembles resist."""

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
