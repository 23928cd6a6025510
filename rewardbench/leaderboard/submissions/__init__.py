"""Submissions to a leaderboard: read them within limits, check them, score a sample again, and add them to a store."""

from __future__ import annotations

from rewardbench.leaderboard.submissions.checks import Finding, check, verdict_of
from rewardbench.leaderboard.submissions.rerun import Agreement, agreement, draw, items_for
from rewardbench.leaderboard.submissions.similarity import resemblance
from rewardbench.leaderboard.submissions.submission import Submission, read_submission

__all__ = [
    "Agreement",
    "Finding",
    "Submission",
    "agreement",
    "check",
    "draw",
    "items_for",
    "read_submission",
    "resemblance",
    "verdict_of",
]
