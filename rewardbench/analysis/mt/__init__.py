"""Rate the replies of a chat model to two-turn questions from 1 to 10 by a judge."""

from __future__ import annotations

from rewardbench.analysis.mt.report import MtOptions, analyze
from rewardbench.analysis.mt.selftest import selftest

__all__ = ["MtOptions", "analyze", "selftest"]
