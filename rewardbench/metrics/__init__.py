"""Metrics: credit of items, aggregation into estimates, and the scores of published leaderboards."""

from __future__ import annotations

from rewardbench.metrics.aggregate import (
    SuiteEstimates,
    SuiteMeans,
    gap,
    measure,
    pairable,
    score_interval,
    summarize,
)
from rewardbench.metrics.credit import credit, is_scored, labels_steps, margin, margin_by_rule, rule_of, with_threshold
from rewardbench.metrics.judge_bias import JUDGE_TYPES, judge_biases, model_family
from rewardbench.metrics.published import (
    LEADERBOARD_WEIGHTS,
    leaderboard_score,
    prior_sets,
    section_means,
)
from rewardbench.metrics.ties import ties_mean, ties_score

__all__ = [
    "JUDGE_TYPES",
    "LEADERBOARD_WEIGHTS",
    "SuiteEstimates",
    "SuiteMeans",
    "credit",
    "gap",
    "is_scored",
    "judge_biases",
    "labels_steps",
    "leaderboard_score",
    "margin",
    "margin_by_rule",
    "measure",
    "model_family",
    "pairable",
    "prior_sets",
    "rule_of",
    "score_interval",
    "section_means",
    "summarize",
    "ties_mean",
    "ties_score",
    "with_threshold",
]
