"""Resample the scores of several models, with the same clusters for all of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rewardbench import stats
from rewardbench.metrics import SuiteMeans
from rewardbench.stats.joint import resample_means
from rewardbench.types import Metric


def resample_scores(suite_means: Sequence[SuiteMeans], metric: Metric) -> np.ndarray | None:
    """Resample the scores of models jointly: [models, resamples]; None if sections share clusters."""
    strata = suite_means[0].metrics[metric].strata
    weights: list[float] = []
    num_clusters = 0
    for stratum in strata.values():
        weights.append(stratum.weight)
        num_clusters += len(stratum.mean.weights)
    if num_clusters != len(suite_means[0].total(metric).weights):
        return None
    models: list[list[stats.Mean]] = []
    for means in suite_means:
        by_name = means.metrics[metric].strata
        models.append([by_name[name].mean for name in strata])
    return resample_means(models, weights)
