"""Points that the rows of a table move between the entries of two columns, for the first verifier of reports.

A rule is a JSON list of the first points of each entry, the order of the rows ("list" or "time"), how often all rows
are gone through, and the steps for each row. A side is a column, `who` or `place`, and stands for the row's entry
there; divisions drop fractions.

    ["grow", side, column]              the side's points go up by as many percent as the figure of the column
    ["percent", side, side2, column]    this percentage of the side's points is added to the other side
    ["part", side, side2, k]            one k-th of the side's points is added to the other side
    ["trade", side, side2]              if the side's points are odd, the two sides trade points
    ["half", side, side2]               if the side's points are even, half of them move to the other side
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import itemgetter

from rewardbench.verifiers.cells import BrokenCheck

PointsRule = tuple[int, str, int, Sequence[Sequence[str | int]]]
LIMIT = 10_000
"""Only the last four digits of a number of points count."""
SIDES = ("who", "place")


def final_points(rows: Sequence[Mapping[str, str | int]], rule: PointsRule) -> dict[str, int]:
    """Return the points of each entry in the end."""
    start, order, passes, steps = rule
    points: dict[str, int] = {}
    for side in SIDES:
        points |= dict.fromkeys(map(str, map(itemgetter(side), rows)), start)
    queue = sorted(rows, key=itemgetter("time")) if order == "time" else list(rows)
    for row in queue * passes:
        for step in steps:
            _apply(points, row, step)
    return points


def leads(rows: Sequence[Mapping[str, str | int]], rule: PointsRule, leader: str, others: Sequence[str]) -> bool:
    """Return True if an entry ends with more points than each of some others."""
    points = final_points(rows, rule)
    return all(points[leader] > points[other] for other in others)


def _apply(points: dict[str, int], row: Mapping[str, str | int], step: Sequence[str | int]) -> None:
    operation, side, *arguments = step
    name = str(row[str(side)])
    if operation == "grow":
        points[name] += points[name] * int(row[str(arguments[0])]) // 100
        points[name] %= LIMIT
        return
    other = str(row[str(arguments[0])])
    before = points[name]
    if operation == "percent":
        points[other] += before * int(row[str(arguments[1])]) // 100
    elif operation == "part":
        points[other] += before // int(arguments[1])
    elif operation == "trade":
        if before % 2:
            points[name], points[other] = points[other], before
    elif operation == "half":
        if before % 2 == 0:
            points[name] -= before // 2
            points[other] += before // 2
    else:
        raise BrokenCheck(f"no step {operation!r}")
    points[other] %= LIMIT
