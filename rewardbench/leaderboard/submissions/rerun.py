"""Decide whether stated scores and those of a re-run are one model's, and how many items that takes.

Honest re-runs differ by noise: nothing in float32, thousandths in bfloat16, so that decisions turn only near a margin
of 0. Who has turned decisions has margins that are wrong by more than any noise.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, comb, log

import numpy as np

from rewardbench.metrics import rule_of
from rewardbench.metrics.credit import margin
from rewardbench.types import Item, Suite

WIDE = 6.0
"""How many times its noise a score may be off."""
MOST_NOISE = 0.03
"""Noise that is believed, at most, as a share of the margins' spread."""
LEAST_NOISE = 1e-5
"""The same, at least: what float32 leaves."""
LOPSIDED = 1e-3
"""Decisions that differ within noise fall to either side alike; with less than this chance, somebody helped."""


@dataclass(frozen=True)
class Agreement:
    """`beyond` counts items whose margin is off by more than noise, `flips` those of them that are decided anew."""

    items: int
    typical: float
    """Median difference of margins, as a share of their spread."""
    tolerance: float
    beyond: int
    flips: int
    near: int
    """Decisions that differ within noise."""
    gained: int
    """Those of them that were stated as right and came out wrong."""
    agrees: bool


def draw(suite: Suite, per_section: int, seed: int) -> Suite:
    """So many items of each section, or all of a smaller one, drawn by a seed that nobody knew at the submission."""
    from dataclasses import replace

    sections: dict[str, list[Item]] = {}
    for item in suite.items:
        if item.has_preference and item.problem is None:
            sections.setdefault(rule_of(suite, item.subset).section, []).append(item)
    drawn: set[str] = set()
    for name, items in sections.items():
        chance = random.Random(f"{seed} {name}")
        drawn.update(item.id for item in chance.sample(items, min(per_section, len(items))))
    return replace(suite, items=tuple(item for item in suite.items if item.id in drawn))


def agreement(
    items: Sequence[Item],
    stated: Mapping[str, Sequence[float]],
    rescored: Mapping[str, Sequence[float]],
    noise: float = 0.0,
) -> Agreement:
    """Compare stated scores with those of a re-run.

    Args:
        items: those that were scored again.
        stated: scores of the submission by item id.
        rescored: scores of the re-run by item id.
        noise: by how much the batch moves a score of the re-run's number format; 0 in full precision.
    """
    margins = np.array([(margin(i, stated[i.id]), margin(i, rescored[i.id])) for i in items], dtype=np.float64)
    margins = margins.reshape(-1, 2)
    margins = margins[np.isfinite(margins).all(1)]
    if not len(margins):
        return Agreement(0, 0.0, 0.0, 0, 0, 0, 0, agrees=False)
    spread = float(margins[:, 1].std()) or 1.0
    off = np.abs(margins[:, 0] - margins[:, 1]) / spread
    believed = min(max(noise / spread, LEAST_NOISE), MOST_NOISE)
    beyond, right = off > WIDE * believed, margins > 0
    turned = right[:, 0] != right[:, 1]
    near, gained = int((turned & ~beyond).sum()), int((turned & ~beyond & right[:, 0]).sum())
    typical, flips = float(np.median(off)), int((beyond & turned).sum())
    honest = typical <= 2 * believed and flips == 0 and int(beyond.sum()) <= len(margins) // 100
    return Agreement(
        items=len(margins),
        typical=typical,
        tolerance=WIDE * believed,
        beyond=int(beyond.sum()),
        flips=flips,
        near=near,
        gained=gained,
        agrees=honest and _chance(gained, near) >= LOPSIDED,
    )


def _chance(gained: int, near: int) -> float:
    """Return the probability that of `near` fair decisions at least `gained` fall to one side.

    >>> _chance(2, 2), _chance(0, 0)
    (0.25, 1.0)
    """
    return float(sum(comb(near, k) for k in range(gained, near + 1)) / 2**near)


def items_for(share: float, certainty: float = 0.95) -> int:
    """How many items hold one of those tampered with, if `share` of all are, with this certainty.

    >>> items_for(0.03), items_for(0.01, 0.99)
    (99, 459)
    """
    return ceil(log(1 - certainty) / log(1 - share))
