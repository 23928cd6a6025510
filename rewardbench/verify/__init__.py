"""Is a submission what it says? Every rule that a result must pass before others see it, and the badge it earns."""

from __future__ import annotations

from rewardbench.verify.again import Agreement, agreement, draw, items_for
from rewardbench.verify.copies import resemblance
from rewardbench.verify.rules import Finding, check, refuse_broken, verdict_of

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
