"""Audit labels: rank pairs that all models miss, and find conflicting labels and features that leak the label.

No label is changed; a person reviews the list. `misses` ranks pairs by the margins of several models and estimates the
share of wrong labels among them; `leaks` measures single features; `lint.duplicates` finds conflicts.
"""

from __future__ import annotations

from rewardbench.analysis.audit.leaks import Leak, find_leaks
from rewardbench.analysis.audit.misses import (
    MirrorMixture,
    Misses,
    error_correlation,
    find_misses,
    fit_mixture,
    standardize_margins,
)
from rewardbench.analysis.audit.run import AuditOptions, analyze
from rewardbench.analysis.audit.selftest import selftest

__all__ = [
    "AuditOptions",
    "Leak",
    "MirrorMixture",
    "Misses",
    "analyze",
    "error_correlation",
    "find_leaks",
    "find_misses",
    "fit_mixture",
    "selftest",
    "standardize_margins",
]
