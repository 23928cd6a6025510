"""Syllables of lines, and rhymes of their ends."""

import pytest

from rewardbench.verifiers.rhymes import rhyme
from rewardbench.verifiers.syllables import count_line, count_syllables


@pytest.mark.parametrize(
    ("line", "count"),
    [
        ("the whole street goes quiet now", 7),
        ("yellow buses wait", 5),
        ("I am right here, I am near", 7),
        ("", 0),
        ("generation of January", 9),
        ("don't we'll prism", 4),
    ],
)
def test_syllables_of_lines(line, count):
    assert count_line(line) == count


def test_a_word_has_a_syllable():
    assert count_syllables("hmm") == 1


@pytest.mark.parametrize(
    ("first", "second", "rhymes"),
    [
        ("in the night", "a kite", True),
        ("the blue", "for you", True),
        ("all day", "they weigh", True),
        ("the pen", "a pan", False),
        ("a stone", "the rain", False),
        ("Monday tea", "at sea", True),
        ("a square", "the stair", True),
        ("a quill", "the hill", True),
        ("a choir", "the fire", True),
        ("the west", "a guest", True),
        ("all year", "so near", True),
        ("the storm", "is warm", True),
        ("I missed", "a list", True),
        ("quite quiet", "the night", False),
        ("...", "at sea", False),
    ],
)
def test_rhymes_are_those_of_the_spelling_table(first, second, rhymes):
    assert rhyme(first, second) is rhymes
