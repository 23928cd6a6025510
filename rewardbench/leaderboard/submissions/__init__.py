"""Submissions to a leaderboard: read them within limits, check them, re-score a sample, and add them to a store."""

from __future__ import annotations

from rewardbench.leaderboard.submissions.checks import ReviewFinding, check, verdict_of
from rewardbench.leaderboard.submissions.rerun import Agreement, compare_rerun, draw_sample, items_for
from rewardbench.leaderboard.submissions.similarity import resemblance
from rewardbench.leaderboard.submissions.submission import Submission, read_submission

__all__ = [
    "Agreement",
    "ReviewFinding",
    "Submission",
    "check",
    "compare_rerun",
    "draw_sample",
    "items_for",
    "read_submission",
    "resemblance",
    "verdict_of",
]
