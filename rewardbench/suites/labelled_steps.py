"""Read solutions that are divided into steps, with a label of each step or the index of the first wrong one."""

from __future__ import annotations

from collections.abc import Sequence

from rewardbench.suites.data_row import DataRow
from rewardbench.suites.encoded_text import decode_value
from rewardbench.suites.turns import Unusable, kind, read_text
from rewardbench.types import Message, Messages

STEPS = "steps"
JOIN = "\n\n"
"""Text between the steps of a solution."""
LABEL, LABELS = "label", "labels"
"""Columns of the index of the first wrong step (-1 if all are right), and of a label for each step."""
_RIGHT, _WRONG = (1, "+"), (0, "-")
"""Labels of a step; true and false are 1 and 0."""


def read_solution(row: DataRow) -> Messages:
    """Return the assistant turn that holds the steps of a row.

    Raises:
        Unusable: if the steps are not a list of texts.
    """
    steps = _decoded(row.get(STEPS))
    if not isinstance(steps, list):
        raise Unusable(f"{STEPS} {kind(steps, 'a list of texts')}")
    if not steps:
        raise Unusable(f"{STEPS} is an empty list")
    texts = [read_text(step, f"step {n}") for n, step in enumerate(steps, 1)]
    return (Message(role="assistant", content=JOIN.join(texts), steps=texts),)


def name_steps(completion: Messages, row: DataRow) -> Messages:
    """Return a completion with the steps of its row, if these joined by blank lines are its text."""
    steps, last = row.get(STEPS), completion[-1]
    if not isinstance(steps, list) or not all(isinstance(step, str) for step in steps):
        return completion
    if not steps or JOIN.join(steps) != last["content"]:
        return completion
    return (*completion[:-1], Message(**{**last, "steps": steps}))


def read_first_error(row: DataRow, count: int) -> int | None:
    """Return the index of the first wrong step of a row, -1 if all steps are right, None if it has no labels.

    Args:
        row: the row.
        count: number of its steps.

    Raises:
        Unusable: if its labels do not fit its steps.
    """
    if row.get(LABELS) is not None:
        return _first_wrong(_decoded(row[LABELS]), count)
    label = row.get(LABEL)
    if label is None:
        return None
    index = _to_index(label)
    if index is None:
        raise Unusable(f"{LABEL} is {repr(label)[:40]}, not the index of the first wrong step (-1: all are right)")
    if not -1 <= index < count:
        raise Unusable(f"{LABEL} is {index}, but the {count} steps have the indices 0 to {count - 1}")
    return index


def _decoded(value: object) -> object:
    """Return the list that a text encodes, as CSV files have it, or the value unchanged."""
    decoded = decode_value(value) if isinstance(value, str) else None
    return value if decoded is None else decoded


def _to_index(label: object) -> int | None:
    """Return an index, also from a float (2.0, Parquet) or text ("2", CSV); None for other values.

    >>> _to_index("2"), _to_index(-1.0), _to_index(True), _to_index("two")
    (2, -1, None, None)
    """
    if isinstance(label, bool) or not isinstance(label, int | float | str):
        return None
    try:
        index = int(label)
        return index if index == float(label) else None
    except (ValueError, OverflowError):
        return None


def _first_wrong(labels: object, count: int) -> int:
    if not isinstance(labels, list) or len(labels) != count:
        problem = f"has {len(labels)} values" if isinstance(labels, list) else kind(labels, "a list")
        raise Unusable(f"{LABELS} {problem}, but there are {count} steps")
    are_right = [_is_right(label, n) for n, label in enumerate(labels, 1)]
    return -1 if all(are_right) else are_right.index(False)


def _is_right(label: object, n: int) -> bool:
    if label in (*_RIGHT, *_WRONG):
        return label in _RIGHT
    raise Unusable(f"the label of step {n} is {repr(label)[:40]}: it must be true or false, 1 or 0, + or -")


PROCESS_BENCH = ("gsm8k", "math", "olympiadbench", "omnimath")
"""The splits of ProcessBench; its score is the mean of their F1."""


def process_bench_row(row: DataRow, split: str) -> DataRow:
    """Use the split, which the id names too, as the subset (Zheng et al. 2024, arXiv 2412.06559)."""
    named = str(row.get("id")).rpartition("-")[0]
    subset = split if split in PROCESS_BENCH or named not in PROCESS_BENCH else named
    others = {name: value for name, value in row.items() if name != "problem"}
    return {**others, "prompt": row.get("problem"), "subset": subset or row.get("subset")}


def step_count(completion: Messages) -> int:
    """Return the number of steps of a completion."""
    steps: Sequence[str] = completion[-1].get("steps", ())
    return len(steps)
