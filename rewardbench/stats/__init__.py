"""Statistics of credits by cluster: means, intervals and tests. This package knows no item, model or suite."""

from rewardbench.stats.differences import (
    PairedDifference,
    bounds,
    dependent_difference,
    detectable,
    holm,
    items_needed,
    paired,
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
from rewardbench.stats.ranking import LEVEL, format_rank, rank_ranges, significantly_worse
from rewardbench.stats.resampling import bootstrap, percentile_interval, resample

__all__ = [
    "COVERAGE",
    "LEVEL",
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
    "format_rank",
    "harmonic",
    "holm",
    "interval",
    "items_needed",
    "mean",
    "normal",
    "pairable",
    "paired",
    "percentile_interval",
    "rank_ranges",
    "resample",
    "sign_flip",
    "significantly_worse",
    "sum_of_squares",
    "weighted",
    "wilson",
]
