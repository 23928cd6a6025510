"""Statistics of credits by cluster: means, intervals and tests. This package knows no item, model or suite."""

from rewardbench.stats.differences import (
    Difference,
    bootstrap,
    bounds,
    detectable,
    holm,
    items_needed,
    paired,
    resample,
    sign_flip,
)
from rewardbench.stats.intervals import (
    COVERAGE,
    NO_VARIANCE,
    Interval,
    Mean,
    combine,
    difference,
    interval,
    mean,
    normal,
    weighted,
    wilson,
)
from rewardbench.stats.ranking import significantly_worse

__all__ = [
    "COVERAGE",
    "NO_VARIANCE",
    "Difference",
    "Interval",
    "Mean",
    "bootstrap",
    "bounds",
    "combine",
    "detectable",
    "difference",
    "holm",
    "interval",
    "items_needed",
    "mean",
    "normal",
    "paired",
    "resample",
    "sign_flip",
    "significantly_worse",
    "weighted",
    "wilson",
]
