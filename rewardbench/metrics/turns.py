"""Turn accuracy: whether a scorer's preference turns towards the right response when the prompt does.

Two items p and q of a group form a turn pair for the responses R and W if R is right and W is wrong for p, and the
other way round for q. Its credit is 1 if (s_p[R] - s_p[W]) + (s_q[W] - s_q[R]) is above 0, .5 if it is 0, and 0 if it
is below 0 or a score is missing. A mirror has one turn pair, a square of four prompts and four responses has six, a
mirror in four styles on each side sixteen.

A scorer that ignores the prompt has the same margin in both items, so that each of its turn pairs has credit .5. In the
2 × 2 table of Winoground (Thrush et al. 2022), whose group score is mirror accuracy, turn compares the diagonal sums.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import nan

from rewardbench.metrics.grading import GradedItem

Margin = tuple[float, bool]
"""Score of the right response minus that of the wrong one, and whether the item is unscored."""


def turn_credits(group: Sequence[GradedItem]) -> list[float]:
    """Return the credit of each turn pair of a group; empty if it has none."""
    margins: dict[tuple[int, int], list[Margin]] = {}
    for item in group:
        for hashes, margin in _margins(item):
            margins.setdefault(hashes, []).append(margin)
    credits: list[float] = []
    for (right, wrong), right_margins in margins.items():
        if right < wrong:  # (wrong, right) has the same turn pairs
            for p_margin in right_margins:
                for q_margin in margins.get((wrong, right), ()):
                    credits.append(_credit(p_margin, q_margin))
    return credits


def _margins(item: GradedItem) -> list[tuple[tuple[int, int], Margin]]:
    """Return the margin of each right response over each wrong one, by their hashes."""
    if not item.is_labelled:
        return []
    margins: list[tuple[tuple[int, int], Margin]] = []
    for right in range(item.num_correct):
        for wrong in range(item.num_correct, len(item.hashes)):
            margin = nan if item.unscored else item.scores[right] - item.scores[wrong]
            margins.append(((item.hashes[right], item.hashes[wrong]), (margin, item.unscored)))
    return margins


def _credit(p_margin: Margin, q_margin: Margin) -> float:
    """Return the credit of a turn pair.

    The margin of p is compared with minus the margin of q. For scores that do not depend on the prompt the two are the
    same number, also if the difference of two scores exceeds the range of a float.

    >>> _credit((2.0, False), (-1.0, False)), _credit((2.0, False), (-2.0, False)), _credit((2.0, True), (1.0, False))
    (1.0, 0.5, 0.0)
    """
    (p, p_unscored), (q, q_unscored) = p_margin, q_margin
    if p_unscored or q_unscored:
        return 0.0
    return 0.5 if p == -q else float(p > -q)
