"""Statistics of credits by cluster: means, intervals and tests. This package knows no item, model or suite."""

from rewardbench.stats.differences import (
    PairedDifference,
    bootstrap,
    bounds,
    dependent_difference,
    detectable,
    holm,
    items_needed,
    paired,
    resample,
    sign_flip,
)
from rewardbench.stats.harmonic import harmonic, pairable
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
    sum_of_squares,
    weighted,
    wilson,
)
from rewardbench.stats.ranking import significantly_worse

__all__ = [
    "COVERAGE",
    "NO_VARIANCE",
    "Interval",
    "Mean",
    "PairedDifference",
    "bootstrap",
    "bounds",
    "combine",
    "dependent_difference",
    "detectable",
    "difference",
    "harmonic",
    "holm",
    "interval",
    "items_needed",
    "mean",
    "normal",
    "pairable",
    "paired",
    "resample",
    "sign_flip",
    "significantly_worse",
    "sum_of_squares",
    "weighted",
    "wilson",
]
