"""Compare reward models and LLM judges: cost of decisions, agreement with the labels, and agreement with each other."""

from __future__ import annotations

from rewardbench.analysis.judge_cost.report import JudgeCostOptions, analyze
from rewardbench.analysis.judge_cost.selftest import selftest

__all__ = ["JudgeCostOptions", "analyze", "selftest"]
