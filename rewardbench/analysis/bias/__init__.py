"""Measure how style (length, lists, markdown, refusal, hedging, praise, authorship) and position bias preferences.

The margin of each pair of a right and a wrong response is regressed on the differences of their style.
"""

from __future__ import annotations

from rewardbench.analysis.bias.run import BiasOptions, analyze, selftest
from rewardbench.analysis.bias.style_pairs import StyleFit, StylePairs, collect_pairs, fit_style

__all__ = ["BiasOptions", "StyleFit", "StylePairs", "analyze", "collect_pairs", "fit_style", "selftest"]
