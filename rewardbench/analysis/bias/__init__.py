"""Bias: how style (length, lists, markdown, refusal, hedging, praise, authorship) and position move a model's choices.

The margin of each right-wrong pair is regressed on the differences of style of its two responses.
"""

from __future__ import annotations

from rewardbench.analysis.bias.run import BiasOptions, analyze, selftest
from rewardbench.analysis.bias.style_pairs import StyleFit, StylePairs, collect_pairs, fit_style

__all__ = ["BiasOptions", "StyleFit", "StylePairs", "analyze", "collect_pairs", "fit_style", "selftest"]
