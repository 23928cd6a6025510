"""Compute the ceiling of accuracy under label noise: the accuracy of a perfect model against partly wrong labels."""

from __future__ import annotations

from rewardbench.analysis.ceiling.annotations import Annotations, read_annotations
from rewardbench.analysis.ceiling.drift import DriftTest, find_drift
from rewardbench.analysis.ceiling.noise import (
    DawidSkene,
    dawid_skene,
    flip_rate,
    krippendorff_alpha,
    majority_ceiling,
    pair_agreement,
)
from rewardbench.analysis.ceiling.run import CeilingOptions, analyze
from rewardbench.analysis.ceiling.selftest import selftest

__all__ = [
    "Annotations",
    "CeilingOptions",
    "DawidSkene",
    "DriftTest",
    "analyze",
    "dawid_skene",
    "find_drift",
    "flip_rate",
    "krippendorff_alpha",
    "majority_ceiling",
    "pair_agreement",
    "read_annotations",
    "selftest",
]
