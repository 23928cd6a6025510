"""Compare what decisions of reward models and of judges cost, and how far they agree with the labels and each other."""

from __future__ import annotations

from rewardbench.analysis.judge_cost.report import JudgeCostOptions, analyze
from rewardbench.analysis.judge_cost.selftest import selftest

__all__ = ["JudgeCostOptions", "analyze", "selftest"]
