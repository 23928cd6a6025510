"""Heat maps of tokens and steps: what is drawn where, and what is left out."""

import re

import pytest

from rewardbench.console import heat_map
from rewardbench.console.heat_map import COLUMNS, MOST_LINES, Caption, draw_steps, draw_tokens

CAPTION = Caption("org/model: score +0.5", "score of the token", 0.0)


def words(path):
    """Return the texts of an svg picture."""
    return re.findall(r"<!-- (.*?) -->", path.read_text())


def test_tokens_stay_in_one_piece_unless_they_are_longer_than_a_line():
    pieces = list(heat_map._place(["a" * (COLUMNS - 2), " word", "\n", "b" * (COLUMNS + 3), "c"]))
    assert pieces == [
        (0, 0, 0, "a" * (COLUMNS - 2)),
        (1, 1, 0, " word"),
        (2, 1, 5, "⏎"),
        (3, 2, 0, "b" * COLUMNS),
        (3, 3, 0, "bbb"),
        (4, 3, 3, "c"),
    ]


def test_wide_and_invisible_characters_have_their_place():
    assert [piece[2:] for piece in heat_map._place(["你好", "", "a\tb", "\x1b"])] == [
        (0, "你好"),
        (4, "·"),
        (5, "a→b"),
        (8, "\\x1b"),
    ]


def test_what_exceeds_the_picture_is_counted(tmp_path):
    left_out = draw_tokens(["line\n"] * (MOST_LINES + 7), [0.1] * (MOST_LINES + 7), CAPTION, str(tmp_path / "a.svg"))
    assert left_out == 7
    assert draw_steps(["a", "b"], [0.1, 0.2], CAPTION, str(tmp_path / "b.svg")) == 0


def test_scores_without_a_value_and_texts_with_markup_are_drawn(tmp_path):
    path = tmp_path / "a.svg"
    scores = [float("nan"), float("inf"), 1.0]
    assert draw_tokens(["$x$", "\\frac", "<b>"], scores, CAPTION, str(path)) == 0
    assert {"org/model: score +0.5", "score of the token", "$x$", "\\frac"} <= set(words(path))
    draw_steps(["one", "two", "three"], scores, CAPTION, str(path))
    assert {"1", "one", "none", "1.000"} <= set(words(path))


@pytest.mark.parametrize("neutral", [None, 0.0])
def test_equal_scores_have_a_colour(tmp_path, neutral):
    path = str(tmp_path / "a.png")
    assert draw_tokens(["a", "b"], [0.0, 0.0], Caption("t", "l", neutral), path) == 0


def test_colours_are_neutral_at_the_neutral_score():
    colours = heat_map._colours([-1.0, 3.0], 0.0)
    red, green, blue, _ = colours.to_rgba(0.0)
    assert min(red, green, blue) > 0.95
    low, high = colours.to_rgba(-3.0), colours.to_rgba(3.0)
    assert low[0] > low[2], "orange is bad"
    assert high[2] > high[1], "purple is good"
