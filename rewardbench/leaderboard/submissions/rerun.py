"""Decide whether submitted scores and those of a re-run are from the same model, and how many items that takes.

Scores of the same model differ by numerical noise only: not at all in float32, by thousandths in bfloat16, so that
decisions differ only at margins near 0. Manipulated decisions have margins that are wrong by more than any noise.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, comb, log

import numpy as np

from rewardbench.metrics import rule_of
from rewardbench.metrics.credit import margin
from rewardbench.types import Item, Suite

WIDE = 6.0
"""Maximum difference of a margin, as a multiple of the noise."""
MOST_NOISE = 0.03
"""Maximum noise that is accepted, as a share of the standard deviation of the margins."""
LEAST_NOISE = 1e-5
"""Minimum noise, as a share of the standard deviation: that of float32."""
LEAST_CHANCE = 1e-3
"""Minimum probability that noise favors the submission in as many decisions as it did."""


@dataclass(frozen=True)
class Agreement:
    """Comparison of submitted margins with those of a re-run."""

    items: int
    typical: float
    """Median difference of the margins, as a share of their standard deviation."""
    tolerance: float
    """Maximum difference of a margin that noise explains, as a share of their standard deviation."""
    beyond: int
    """Number of items whose margin differs by more than the tolerance."""
    flips: int
    """Number of items beyond the tolerance that are decided differently."""
    near: int
    """Number of items within the tolerance that are decided differently."""
    gained: int
    """Number of those items that the submission has right and the re-run has wrong."""
    agrees: bool


def draw_sample(suite: Suite, per_section: int, seed: int) -> Suite:
    """Return a random sample of the items of each section.

    Args:
        suite: the suite.
        per_section: number of items of each section; a smaller section is taken completely.
        seed: seed of the sample, which must be unknown when results are submitted.
    """
    sections: dict[str, list[Item]] = {}
    for item in suite.items:
        if item.has_preference and item.problem is None:
            sections.setdefault(rule_of(suite, item.subset).section, []).append(item)
    drawn: set[str] = set()
    for name, items in sections.items():
        generator = random.Random(f"{seed} {name}")
        drawn.update(item.id for item in generator.sample(items, min(per_section, len(items))))
    return replace(suite, items=tuple(item for item in suite.items if item.id in drawn))


def compare_rerun(
    items: Sequence[Item],
    stated: Mapping[str, Sequence[float]],
    rescored: Mapping[str, Sequence[float]],
    noise: float = 0.0,
) -> Agreement:
    """Compare submitted scores with those of a re-run.

    Args:
        items: the items that were scored again.
        stated: scores of the submission by item id.
        rescored: scores of the re-run by item id.
        noise: how much batching changes a score in the dtype of the re-run; 0 in full precision.
    """
    pairs = [(margin(item, stated[item.id]), margin(item, rescored[item.id])) for item in items]
    margins = np.array(pairs, dtype=np.float64).reshape(-1, 2)
    margins = margins[np.isfinite(margins).all(1)]
    if not len(margins):
        return Agreement(0, 0.0, 0.0, 0, 0, 0, 0, agrees=False)
    spread = float(margins[:, 1].std()) or 1.0
    differences = np.abs(margins[:, 0] - margins[:, 1]) / spread
    accepted_noise = min(max(noise / spread, LEAST_NOISE), MOST_NOISE)
    beyond, right = differences > WIDE * accepted_noise, margins > 0
    flipped = right[:, 0] != right[:, 1]
    near, gained = int((flipped & ~beyond).sum()), int((flipped & ~beyond & right[:, 0]).sum())
    typical, flips = float(np.median(differences)), int((beyond & flipped).sum())
    same_model = typical <= 2 * accepted_noise and flips == 0 and int(beyond.sum()) <= len(margins) // 100
    return Agreement(
        items=len(margins),
        typical=typical,
        tolerance=WIDE * accepted_noise,
        beyond=int(beyond.sum()),
        flips=flips,
        near=near,
        gained=gained,
        agrees=same_model and _chance(gained, near) >= LEAST_CHANCE,
    )


def _chance(gained: int, near: int) -> float:
    """Return the probability that at least `gained` of `near` fair coin flips come up heads.

    >>> _chance(2, 2), _chance(0, 0)
    (0.25, 1.0)
    """
    return float(sum(comb(near, k) for k in range(gained, near + 1)) / 2**near)


def items_for(share: float, certainty: float = 0.95) -> int:
    """Return the size of a sample that contains a manipulated item, if this share of all items is manipulated.

    Args:
        share: share of manipulated items.
        certainty: probability that the sample contains one of them.

    >>> items_for(0.03), items_for(0.01, 0.99)
    (99, 459)
    """
    return ceil(log(1 - certainty) / log(1 - share))
