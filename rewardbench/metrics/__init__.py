"""Metrics: credit of items, aggregation into estimates, and the scores of published leaderboards."""

from __future__ import annotations

from rewardbench.metrics.aggregate import SuiteEstimates, gap, summarize
from rewardbench.metrics.breakdowns import LADDER, break_down, reaches
from rewardbench.metrics.credit import credit, is_scored, labels_steps, margin, margin_by_rule, rule_of, with_threshold
from rewardbench.metrics.grading import GradedItem, ItemFacts, column_value, completion_hashes, facts_of, grade
from rewardbench.metrics.judge_bias import JUDGE_TYPES, judge_biases, model_family, writer
from rewardbench.metrics.means import GradedSuite, SuiteMeans, measure, pairable, score_interval
from rewardbench.metrics.published import (
    LEADERBOARD_WEIGHTS,
    leaderboard_score,
    prior_sets,
    section_means,
)
from rewardbench.metrics.ties import ties_mean, ties_score
from rewardbench.metrics.units import MEANINGS

__all__ = [
    "JUDGE_TYPES",
    "LADDER",
    "LEADERBOARD_WEIGHTS",
    "MEANINGS",
    "GradedItem",
    "GradedSuite",
    "ItemFacts",
    "SuiteEstimates",
    "SuiteMeans",
    "break_down",
    "column_value",
    "completion_hashes",
    "credit",
    "facts_of",
    "gap",
    "grade",
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
    "reaches",
    "rule_of",
    "score_interval",
    "section_means",
    "summarize",
    "ties_mean",
    "ties_score",
    "with_threshold",
    "writer",
]
