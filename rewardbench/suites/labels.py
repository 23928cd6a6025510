"""Preference labels of two responses: 1 prefers the first, -1 the second, 0 is a tie."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rewardbench.suites.data_row import DataRow
from rewardbench.suites.turns import Unusable

FIRST = {"a", "model_a", "response_a", "assistant_a", "a>b", "a>>b", "left", "first", "response_1", "model_1", "1st"}
SECOND = {"b", "model_b", "response_b", "assistant_b", "b>a", "b>>a", "right", "second", "response_2", "model_2", "2nd"}
TIE = {"tie", "tie (bothbad)", "tie (both bad)", "bothbad", "both_bad", "both bad", "both good", "both_good", "a=b"}
TIE |= {"b=a", "draw", "same", "equal", "neither", "none", "both", "tied"}
SIGN_OF_WORD = dict.fromkeys(FIRST, 1) | dict.fromkeys(SECOND, -1) | dict.fromkeys(TIE, 0)
"""Lower-case words for an outcome, to its sign."""

FLAGS = {"winner_model_a": 1, "winner_model_b": -1, "winner_tie": 0}
"""Columns of which one is 1, to the sign of that outcome."""


@dataclass(frozen=True)
class LabelReader:
    """The columns of a label, and their reader, which raises Unusable for an invalid value."""

    columns: tuple[str, ...]
    read: Callable[[DataRow], int]


def _read_flags(row: DataRow) -> int:
    """Read one column per outcome, of which one is set."""
    signs: list[int] = []
    are_flags = True
    for column, sign in FLAGS.items():
        flag = _parse_number(row.get(column))
        are_flags = are_flags and flag in (0, 1, None)
        if flag == 1:
            signs.append(sign)
    if len(signs) != 1 or not are_flags:
        raise Unusable("of winner_model_a, winner_model_b and winner_tie not exactly one is 1")
    return signs[0]


def _winner_reader(column: str) -> Callable[[DataRow], int]:
    """Return a reader of a column that names the winner: a side, a tie, or one of the two models."""

    def read(row: DataRow) -> int:
        value = row.get(column)
        if isinstance(value, str):
            models = [row.get("model_a"), row.get("model_b")]
            if models.count(value) == 1:
                return 1 if models[0] == value else -1
            word = value.strip().casefold()
            if word in SIGN_OF_WORD:
                return SIGN_OF_WORD[word]
        raise Unusable(f"{column} is {_short(value)}, which names neither of the two responses, nor a tie")

    return read


def _strength_reader(column: str) -> Callable[[DataRow], int]:
    """Return a reader of a strength from -3 (the first is much better) over 0 (a tie) to 3."""

    def read(row: DataRow) -> int:
        strength = _parse_number(row.get(column))
        if strength is None or abs(strength) > 3:
            raise Unusable(f"{column} is {_short(row.get(column))}, not a number from -3 to 3")
        return (strength < 0) - (strength > 0)

    return read


def _choice_reader(column: str, first: int, second: int) -> Callable[[DataRow], int]:
    """Return a reader of the number of the better response, or of its name."""

    def read(row: DataRow) -> int:
        choice = _parse_number(row.get(column))
        if choice is None:
            return _winner_reader(column)(row)
        if choice not in (first, second):
            raise Unusable(f"{column} is {_short(row.get(column))}, neither {first} nor {second}")
        return 1 if choice == first else -1

    return read


def _score_reader(first: str, second: str) -> Callable[[DataRow], int]:
    """Return a reader that compares the scores of both responses."""

    def read(row: DataRow) -> int:
        first_score, second_score = _parse_number(row.get(first)), _parse_number(row.get(second))
        if first_score is None or second_score is None:
            name = first if first_score is None else second
            raise Unusable(f"{name} is {_short(row.get(name))}, not a number")
        return (first_score > second_score) - (first_score < second_score)

    return read


def _parse_number(value: object) -> float | None:
    """Return a finite number, also one that is written as text; None for anything else.

    >>> _parse_number("-2"), _parse_number(True), _parse_number("x"), _parse_number([1])
    (-2.0, 1.0, None, None)
    """
    if not isinstance(value, bool | int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return {"true": 1.0, "false": 0.0}.get(value.strip().casefold()) if isinstance(value, str) else None
    return number if abs(number) < float("inf") else None


def _short(value: object) -> str:
    return "missing" if value is None else repr(value)[:60]


LABEL_READERS = (
    LabelReader(("winner_model_a", "winner_model_b"), _read_flags),
    LabelReader(("winner",), _winner_reader("winner")),
    LabelReader(("overall_preference",), _strength_reader("overall_preference")),
    LabelReader(("preference_strength",), _strength_reader("preference_strength")),
    LabelReader(("better_response_id",), _choice_reader("better_response_id", 0, 1)),
    LabelReader(("human_ref_a", "human_ref_b", "labels"), _choice_reader("labels", 1, 0)),
    LabelReader(("output_1", "output_2", "preference"), _choice_reader("preference", 1, 2)),
    LabelReader(("score_a", "score_b"), _score_reader("score_a", "score_b")),
    LabelReader(("score_0", "score_1"), _score_reader("score_0", "score_1")),
    LabelReader(("score_1", "score_2"), _score_reader("score_1", "score_2")),
    LabelReader(("rating_a", "rating_b"), _score_reader("rating_a", "rating_b")),
    LabelReader(("preference",), _winner_reader("preference")),
    LabelReader(("preferred",), _winner_reader("preferred")),
    LabelReader(("chosen",), _winner_reader("chosen")),
    LabelReader(("choice",), _winner_reader("choice")),
    LabelReader(("verdict",), _winner_reader("verdict")),
    LabelReader(("label",), _winner_reader("label")),
)
"""Label formats, tried in this order."""
