"""Credits and clusters in, estimates and tests out; this room knows no item, no model and no suite."""

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
from rewardbench.stats.paired import (
    Difference,
    bootstrap,
    bounds,
    detectable,
    holm,
    items_needed,
    paired,
    resampled,
    sign_flip,
)
from rewardbench.stats.ranking import beaten

__all__ = [
    "COVERAGE",
    "NO_VARIANCE",
    "Difference",
    "Interval",
    "Mean",
    "beaten",
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
    "resampled",
    "sign_flip",
    "weighted",
    "wilson",
]
