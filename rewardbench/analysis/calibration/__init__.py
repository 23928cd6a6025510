"""Measure whether margins of a reward model are log-odds of the preference, and the temperature that corrects them.

The statistics are those of `metrics.calibration`, which documents the formulas and their sources.
"""

from __future__ import annotations

from rewardbench.analysis.calibration.reliability import ReliabilityBin, calibrate_model, reliability_bins
from rewardbench.analysis.calibration.run import CalibrationOptions, analyze, selftest

__all__ = ["CalibrationOptions", "ReliabilityBin", "analyze", "calibrate_model", "reliability_bins", "selftest"]
