"""Submissions to a leaderboard: read them within limits, check them, re-score a sample, and add them to a store."""

from __future__ import annotations

from rewardbench.leaderboard.submissions.checks import ReviewFinding, check, verdict_of
from rewardbench.leaderboard.submissions.copies import Likeness, find_likeness
from rewardbench.leaderboard.submissions.rerun import Agreement, compare_rerun, draw_sample, items_for
from rewardbench.leaderboard.submissions.submission import Submission, read_submission

__all__ = [
    "Agreement",
    "Likeness",
    "ReviewFinding",
    "Submission",
    "check",
    "compare_rerun",
    "draw_sample",
    "find_likeness",
    "items_for",
    "read_submission",
    "verdict_of",
]
