"""Correlate benchmark scores with downstream performance: over all models, within groups, and among the best."""

from __future__ import annotations

from rewardbench.analysis.correlate.correlation import (
    Correlation,
    bootstrap_coefficients,
    coefficient,
    fisher_interval,
    leave_one_out,
    within_groups,
)
from rewardbench.analysis.correlate.run import CorrelateOptions, analyze, selftest

__all__ = [
    "CorrelateOptions",
    "Correlation",
    "analyze",
    "bootstrap_coefficients",
    "coefficient",
    "fisher_interval",
    "leave_one_out",
    "selftest",
    "within_groups",
]
