"""Evaluate a model on a suite: `evaluate` for Python users, `run` and `run_suites` for commands."""

from __future__ import annotations

from rewardbench.evaluation.api import Evaluation, evaluate
from rewardbench.evaluation.runs import run, run_and_store, run_suites, score_dataset

__all__ = ["Evaluation", "evaluate", "run", "run_and_store", "run_suites", "score_dataset"]
