"""Preference labels of two responses: which is better, and how strongly if the label says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import log2
from typing import Final, NamedTuple

from rewardbench.suites.data_row import DataRow
from rewardbench.suites.strengths import parse_number, probability_strength, subtract_scores
from rewardbench.suites.turns import Unusable

FIRST = {"a", "model_a", "response_a", "assistant_a", "left", "first", "response_1", "model_1", "1st"}
SECOND = {"b", "model_b", "response_b", "assistant_b", "right", "second", "response_2", "model_2", "2nd"}
TIE = {"tie", "tie (bothbad)", "tie (both bad)", "bothbad", "both_bad", "both bad", "both good", "both_good", "a=b"}
TIE |= {"b=a", "draw", "same", "equal", "neither", "none", "both", "tied"}
DEGREES = {"a>b": 1, "a>>b": 2, "b>a": -1, "b>>a": -2, "a-is-slightly-better": 1, "a-is-clearly-better": 2}
DEGREES |= {"b-is-slightly-better": -1, "b-is-clearly-better": -2}
"""Lower-case words for an outcome and its degree, negative if the second is better (Arena-Hard, MultiPref)."""
SIGN_OF_WORD = dict.fromkeys(FIRST, 1) | dict.fromkeys(SECOND, -1) | dict.fromkeys(TIE, 0)
"""Lower-case words for an outcome, to its sign."""

FLAGS = {"winner_model_a": 1, "winner_model_b": -1, "winner_tie": 0}
"""Columns of which one is 1, to the sign of that outcome."""
LIKERT_POINTS: Final = range(3, 12)
"""Numbers of points of the scales that `likert_N` may have."""


class PairLabel(NamedTuple):
    """A label of two responses.

    Attributes:
        sign: 1 if the first is better, -1 if the second is, 0 for a tie.
        strength: how strongly the better one is preferred, at least 0; None if the label does not say.
    """

    sign: int
    strength: float | None = None


def _signed(preference: float) -> PairLabel:
    """Return a label from a preference that is positive if the first response is better."""
    return PairLabel((preference > 0) - (preference < 0), abs(preference))


@dataclass(frozen=True)
class LabelReader:
    """The columns of a label, and their reader, which raises Unusable for an invalid value."""

    columns: tuple[str, ...]
    read: Callable[[DataRow], PairLabel]


def _read_flags(row: DataRow) -> PairLabel:
    """Read one column per outcome, of which one is set."""
    signs: list[int] = []
    are_flags = True
    for column, sign in FLAGS.items():
        flag = parse_number(row.get(column))
        are_flags = are_flags and flag in (0, 1, None)
        if flag == 1:
            signs.append(sign)
    if len(signs) != 1 or not are_flags:
        raise Unusable("of winner_model_a, winner_model_b and winner_tie not exactly one is 1")
    return PairLabel(signs[0])


def _winner_reader(column: str) -> Callable[[DataRow], PairLabel]:
    """Return a reader of a column that names the winner: a side, a tie, or one of the two models."""

    def read(row: DataRow) -> PairLabel:
        value = row.get(column)
        if isinstance(value, str):
            models = [row.get("model_a"), row.get("model_b")]
            if models.count(value) == 1:
                return PairLabel(1 if models[0] == value else -1)
            word = value.strip().casefold()
            if word in DEGREES:
                return _signed(float(DEGREES[word]))
            if word in SIGN_OF_WORD:
                return PairLabel(SIGN_OF_WORD[word])
        raise Unusable(f"{column} is {_short(value)}, which names neither of the two responses, nor a tie")

    return read


def _strength_reader(column: str) -> Callable[[DataRow], PairLabel]:
    """Return a reader of a strength from -3 (the first is much better) over 0 (a tie) to 3."""

    def read(row: DataRow) -> PairLabel:
        return _signed(-_read_number(row, column, -3, 3))

    return read


def _likert_reader(column: str, points: int) -> Callable[[DataRow], PairLabel]:
    """Return a reader of a scale from 1 (the first is much better) to `points`; the middle of an odd one is a tie."""

    def read(row: DataRow) -> PairLabel:
        return _signed((points + 1) / 2 - _read_number(row, column, 1, points))

    return read


def _probability_reader(column: str) -> Callable[[DataRow], PairLabel]:
    """Return a reader of the probability that the first is better."""

    def read(row: DataRow) -> PairLabel:
        return _signed(probability_strength(_read_number(row, column, 0, 1)))

    return read


def _read_number(row: DataRow, column: str, low: int, high: int) -> float:
    """Return a number within limits.

    Raises:
        Unusable: if it is none, or beyond a limit.
    """
    number = parse_number(row.get(column))
    if number is None or not low <= number <= high:
        raise Unusable(f"{column} is {_short(row.get(column))}, not a number from {low} to {high}")
    return number


def _choice_reader(column: str, first: int, second: int) -> Callable[[DataRow], PairLabel]:
    """Return a reader of the number of the better response, or of its name."""

    def read(row: DataRow) -> PairLabel:
        choice = parse_number(row.get(column))
        if choice is None:
            return _winner_reader(column)(row)
        if choice not in (first, second):
            raise Unusable(f"{column} is {_short(row.get(column))}, neither {first} nor {second}")
        return PairLabel(1 if choice == first else -1)

    return read


def _read_votes(row: DataRow) -> PairLabel:
    """Read the preferred of two comments, whose strength is the binary logarithm of the ratio of their votes (SHP)."""
    label = _choice_reader("labels", 1, 0)(row)
    ratio = parse_number(row.get("score_ratio"))
    return label if ratio is None or ratio < 1 else label._replace(strength=log2(ratio))


def _score_reader(first: str, second: str) -> Callable[[DataRow], PairLabel]:
    """Return a reader that compares the scores of both responses."""

    def read(row: DataRow) -> PairLabel:
        first_score, second_score = parse_number(row.get(first)), parse_number(row.get(second))
        if first_score is None or second_score is None:
            name = first if first_score is None else second
            raise Unusable(f"{name} is {_short(row.get(name))}, not a number")
        return _signed(subtract_scores(first_score, second_score))

    return read


def _short(value: object) -> str:
    return "missing" if value is None else repr(value)[:60]


LABEL_READERS = (
    LabelReader(("winner_model_a", "winner_model_b"), _read_flags),
    LabelReader(("winner",), _winner_reader("winner")),
    LabelReader(("overall_preference",), _strength_reader("overall_preference")),
    LabelReader(("preference_strength",), _strength_reader("preference_strength")),
    *(LabelReader((f"likert_{points}",), _likert_reader(f"likert_{points}", points)) for points in LIKERT_POINTS),
    *(LabelReader((name,), _probability_reader(name)) for name in ("soft_label", "probability_a")),
    LabelReader(("better_response_id",), _choice_reader("better_response_id", 0, 1)),
    LabelReader(("human_ref_a", "human_ref_b", "labels"), _read_votes),
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
