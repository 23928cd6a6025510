"""Score many checkpoints on many suites in one process: `rewardbench sweep`."""

from __future__ import annotations

from rewardbench.sweep.plan import PlanLists, SweepPlan, SweepRow, build_plan, read_lists, read_plan
from rewardbench.sweep.run import RowOutcome, Sweep

__all__ = ["PlanLists", "RowOutcome", "Sweep", "SweepPlan", "SweepRow", "build_plan", "read_lists", "read_plan"]
