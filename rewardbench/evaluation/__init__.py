"""Evaluate a model on a suite: `evaluate` for Python users, `run` and `run_suites` for commands."""

from __future__ import annotations

from rewardbench.evaluation.api import Evaluation, evaluate
from rewardbench.evaluation.merge import merge_shards
from rewardbench.evaluation.runs import run, run_and_store, run_suites, score_dataset
from rewardbench.evaluation.shard_run import score_shards

__all__ = [
    "Evaluation",
    "evaluate",
    "merge_shards",
    "run",
    "run_and_store",
    "run_suites",
    "score_dataset",
    "score_shards",
]
