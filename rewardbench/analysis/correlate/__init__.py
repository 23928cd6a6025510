"""Correlate: whether models with a higher score do better downstream, overall, within a lineage and at the top."""

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
