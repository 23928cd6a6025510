"""Is a submission what it says? Every rule that a result must pass before others see it, and the badge it earns."""

from __future__ import annotations

from rewardbench.leaderboard.submissions.checks import Finding, check, refuse_broken, verdict_of
from rewardbench.leaderboard.submissions.rerun import Agreement, agreement, draw, items_for
from rewardbench.leaderboard.submissions.similarity import resemblance

__all__ = [
    "Agreement",
    "Finding",
    "agreement",
    "check",
    "draw",
    "items_for",
    "refuse_broken",
    "resemblance",
    "verdict_of",
]
