"""Preference labels of two responses: 1 prefers the first, -1 the second, 0 is a tie."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rewardbench.suites.registry import Row
from rewardbench.suites.turns import Unusable

FIRST = {"a", "model_a", "response_a", "assistant_a", "a>b", "a>>b", "left", "first", "response_1", "model_1", "1st"}
SECOND = {"b", "model_b", "response_b", "assistant_b", "b>a", "b>>a", "right", "second", "response_2", "model_2", "2nd"}
TIE = {"tie", "tie (bothbad)", "tie (both bad)", "bothbad", "both_bad", "both bad", "both good", "both_good", "a=b"}
TIE |= {"b=a", "draw", "same", "equal", "neither", "none", "both", "tied"}


@dataclass(frozen=True)
class Label:
    """The columns of a label, and their reader, which raises Unusable for an invalid value."""

    columns: tuple[str, ...]
    read: Callable[[Row], int]


def _flags(row: Row) -> int:
    """Read one column per outcome, of which one is set."""
    outcomes = {1: "winner_model_a", -1: "winner_model_b", 0: "winner_tie"}
    marks = {sign: _as_number(row.get(name)) for sign, name in outcomes.items()}
    signs = [sign for sign, mark in marks.items() if mark == 1]
    if len(signs) != 1 or any(mark not in (0, 1, None) for mark in marks.values()):
        raise Unusable("of winner_model_a, winner_model_b and winner_tie not exactly one is 1")
    return signs[0]


def _named(column: str) -> Callable[[Row], int]:
    """Read a column that names the winner: a side, a tie, or one of the two models."""

    def read(row: Row) -> int:
        value = row.get(column)
        word = value.strip().casefold() if isinstance(value, str) else None
        models = [row.get("model_a"), row.get("model_b")]
        if isinstance(value, str) and models.count(value) == 1:
            return 1 if models[0] == value else -1
        for sign, words in ((1, FIRST), (-1, SECOND), (0, TIE)):
            if word in words:
                return sign
        raise Unusable(f"{column} is {_short(value)}, which names neither of the two responses, nor a tie")

    return read


def _signed(column: str) -> Callable[[Row], int]:
    """Read a strength from -3 (the first is much better) over 0 (a tie) to 3."""

    def read(row: Row) -> int:
        number = _as_number(row.get(column))
        if number is None or abs(number) > 3:
            raise Unusable(f"{column} is {_short(row.get(column))}, not a number from -3 to 3")
        return (number < 0) - (number > 0)

    return read


def _choice(column: str, first: int, second: int) -> Callable[[Row], int]:
    """Read the number of the better response, or its name."""

    def read(row: Row) -> int:
        number = _as_number(row.get(column))
        if number is None:
            return _named(column)(row)
        if number not in (first, second):
            raise Unusable(f"{column} is {_short(row.get(column))}, neither {first} nor {second}")
        return 1 if number == first else -1

    return read


def _compared(first: str, second: str) -> Callable[[Row], int]:
    """Compare the scores of both responses."""

    def read(row: Row) -> int:
        first_score, second_score = _as_number(row.get(first)), _as_number(row.get(second))
        if first_score is None or second_score is None:
            name = first if first_score is None else second
            raise Unusable(f"{name} is {_short(row.get(name))}, not a number")
        return (first_score > second_score) - (first_score < second_score)

    return read


def _as_number(value: Any) -> float | None:
    """Return a finite number, also one that is written as text; None for anything else.

    >>> _as_number("-2"), _as_number(True), _as_number("x"), _as_number([1])
    (-2.0, 1.0, None, None)
    """
    if not isinstance(value, bool | int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return {"true": 1.0, "false": 0.0}.get(value.strip().casefold()) if isinstance(value, str) else None
    return number if abs(number) < float("inf") else None


def _short(value: Any) -> str:
    return "missing" if value is None else repr(value)[:60]


LABELS = (
    Label(("winner_model_a", "winner_model_b"), _flags),
    Label(("winner",), _named("winner")),
    Label(("overall_preference",), _signed("overall_preference")),
    Label(("preference_strength",), _signed("preference_strength")),
    Label(("better_response_id",), _choice("better_response_id", 0, 1)),
    Label(("human_ref_a", "human_ref_b", "labels"), _choice("labels", 1, 0)),
    Label(("output_1", "output_2", "preference"), _choice("preference", 1, 2)),
    Label(("score_a", "score_b"), _compared("score_a", "score_b")),
    Label(("score_0", "score_1"), _compared("score_0", "score_1")),
    Label(("score_1", "score_2"), _compared("score_1", "score_2")),
    Label(("rating_a", "rating_b"), _compared("rating_a", "rating_b")),
    Label(("preference",), _named("preference")),
    Label(("preferred",), _named("preferred")),
    Label(("chosen",), _named("chosen")),
    Label(("choice",), _named("choice")),
    Label(("verdict",), _named("verdict")),
    Label(("label",), _named("label")),
)
"""Label formats, tried in this order."""
