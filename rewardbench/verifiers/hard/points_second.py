"""Points of the second verifier of reports: reads the rule out of the prompt, and plays it on the rows.

Accounts are strings of digits, as on paper: a result loses all digits but its last four.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from rewardbench.verifiers.cells import BrokenCheck

Accounts = dict[str, str]
Play = Callable[[Accounts, str, str, dict[str, str]], None]

HEADING = r"\"(?P<c>[^\"]+)\""
FRACTIONS = {"third": 3, "quarter": 4, "sixth": 6, "seventh": 7, "eighth": 8, "ninth": 9}
STEPS: tuple[tuple[str, str], ...] = (
    ("grow", rf"(?P<x>[AB])'s points go up by as many percent as the figure under {HEADING}"),
    ("grow", rf"(?P<x>[AB]) gains as many percent of its points as {HEADING} says"),
    ("percent", rf"[AB] gets as many percent of (?P<x>[AB])'s points on top as {HEADING} says, and (?P=x) keeps"),
    ("percent", rf"take as many percent of (?P<x>[AB])'s points as the figure under {HEADING} and add the result"),
    ("part", r"[AB] gets an? (?P<k>\w+) of (?P<x>[AB])'s points on top, and (?P=x) keeps"),
    ("part", r"add an? (?P<k>\w+) of (?P<x>[AB])'s points to [AB]'s; (?P=x) loses nothing"),
    ("trade", r"if (?P<x>[AB])'s points are an odd number now, A and B trade points"),
    ("trade", r"A and B trade points if (?P<x>[AB])'s are odd at this moment"),
    ("half", r"if (?P<x>[AB])'s points are an even number now, half of them move from (?P=x) to [AB]"),
    ("half", r"(?P<x>[AB]) hands half of its points to [AB], but only if (?P=x)'s points are even at this moment"),
)
START = re.compile(
    r"Every entry under \"(.+?)\" and every entry under \"(.+?)\" starts with (\d+) points"
    r"|each entry under \"(.+?)\" and each entry under \"(.+?)\" has points, (\d+) to begin with"
    r"|Whatever occurs under \"(.+?)\" or \"(.+?)\" starts out with (\d+) points"
    r"|All entries under \"(.+?)\" and all entries under \"(.+?)\" begin with (\d+) points"
)
PASSES = re.compile(r"(\d+) times (?:over|in all)")
BY_TIME = re.compile(r"in the order of \"(.+?)\", the earliest first|go by \"(.+?)\", from the earliest")
LEADS = (
    r"Of (?P<names>.+), it is (?P<leader>.+) that ends with the most points",
    r"As for the points, (?P<leader>.+) ends ahead if (?P<names>.+) are compared",
    r"Of (?P<names>.+), (?P<leader>.+) has the most points in the end",
    r"With the points of (?P<names>.+) side by side, (?P<leader>.+) has the most",
)
"""Sentences about the outcome, without their full stop."""


def _is_odd(digits: str) -> bool:
    return digits[-1] in "13579"


def _sum(left: str, right: int) -> str:
    return str(int(left) + right)[-4:]


def _step(match: re.Match[str], operation: str) -> Play:
    """Return a step as a function of the accounts, the names of the row and the row."""
    fields = match.groupdict()
    column, part, is_first = fields.get("c") or "", FRACTIONS.get(fields.get("k") or "", 0), fields["x"] == "A"

    def play(accounts: Accounts, first: str, second: str, row: dict[str, str]) -> None:
        name, other = (first, second) if is_first else (second, first)
        points = int(accounts[name])
        if operation == "grow":
            accounts[name] = _sum(accounts[name], _percent(points, row[column]))
        elif operation == "percent":
            accounts[other] = _sum(accounts[other], _percent(points, row[column]))
        elif operation == "part":
            accounts[other] = _sum(accounts[other], (points - points % part) // part)
        elif operation == "trade" and _is_odd(accounts[name]):
            accounts[name], accounts[other] = accounts[other], accounts[name]
        elif operation == "half" and not _is_odd(accounts[name]):
            half = points // 2
            accounts[name], accounts[other] = str(half), _sum(accounts[other], half)

    return play


def _percent(points: int, figure: str) -> int:
    """Return a percentage without its two decimals."""
    hundredths = str(points * int(figure))
    return int(hundredths[:-2] or "0")


def read_steps(prompt: str) -> list[Play]:
    """Return the steps of the rule in a prompt, in their order."""
    steps: list[tuple[int, Play]] = []
    for operation, pattern in STEPS:
        initial, remainder = (
            (f"[{pattern[0].upper()}{pattern[0]}]", pattern[1:]) if pattern[0].islower() else ("", pattern)
        )
        for match in re.finditer(initial + remainder, prompt):
            steps.append((match.start(), _step(match, operation)))
    return [play for _, play in sorted(steps, key=lambda pair: pair[0])]


def play_points(prompt: str, rows: Sequence[dict[str, str]], minutes: Callable[[str], tuple[int, ...]]) -> Accounts:
    """Return the points of each entry in the end.

    Args:
        prompt: has the rule.
        rows: the rows of its table.
        minutes: turns a time of the table into something that sorts.

    Raises:
        BrokenCheck: if the prompt has no rule.
    """
    start = START.search(prompt)
    steps = read_steps(prompt)
    if not start or not steps:
        raise BrokenCheck("the prompt has no rule of points")
    left, right, points = filter(None, start.groups())
    accounts: Accounts = {}
    for row in rows:
        accounts[row[left]] = accounts[row[right]] = points
    by_time = BY_TIME.search(prompt)
    queue = list(rows)
    if by_time:
        column = by_time[1] or by_time[2]
        queue.sort(key=lambda row: minutes(row[column]))
    passes = PASSES.search(prompt)
    for _ in range(int(passes[1]) if passes else 1):
        for row in queue:
            for play in steps:
                play(accounts, row[left], row[right], row)
    return accounts


def has_most(accounts: Accounts, names: Iterable[str], leader: str) -> bool:
    """Return True if the leader has more points than each other of the names."""
    totals = {name: int(accounts[name]) for name in names}
    best = totals.pop(leader)
    return bool(totals) and best > max(totals.values())
