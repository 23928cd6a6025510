"""Near twins: which mirrors of a subset repeat each other's text, and which of them are left out."""

from dataclasses import replace

import pytest

from rewardbench.builders.mirrors import Mirror, chat
from rewardbench.builders.thinning import NEAR_TWIN, jaccard, mirror_grams, without_near_twins, word_grams

FIRST = Mirror(
    subset="facts",
    edit="capital / largest city",
    a=chat("Please tell me what the capital of Turkey is called these days."),
    b=chat("Please tell me what the largest city of Turkey is called."),
    x="It is Ankara, up on the plateau and far from the sea.",
    y="It is Istanbul, with one foot on each of two continents.",
    group="one",
)
OTHER = Mirror(
    subset="facts",
    edit="who painted it",
    a=chat("Who was it that painted The Scream, and when?"),
    b=chat("Who was it that painted The Starry Night, and when?"),
    x="Edvard Munch did, in the year 1893, and more than once.",
    y="Vincent van Gogh did, in June of 1889, from memory.",
    group="two",
)


def test_jaccard_of_word_grams_by_hand():
    first, second = word_grams("a b c d e f"), word_grams("A, b c d. E g")  # abcd bcde cdef; abcd bcde cdeg
    assert jaccard(first, second) == 2 / 4
    assert jaccard(first, word_grams("a b c")) == jaccard(frozenset(), frozenset()) == 0.0


@pytest.mark.parametrize(
    "change",
    [
        {"a": FIRST.a},
        {"b": FIRST.a},  # the other half of the twin
        {"y": FIRST.x},
        {"x": FIRST.x.replace("sea", "coast")},
        {"a": chat("Hello!", "Yes?", FIRST.a[0]["content"])},
    ],
)
def test_a_mirror_that_repeats_a_prompt_or_a_response_is_left_out(change):
    twin = replace(OTHER, **change)
    assert (
        mirror_grams(FIRST).similarity(mirror_grams(OTHER))
        < NEAR_TWIN
        <= mirror_grams(twin).similarity(mirror_grams(FIRST))
    )
    assert without_near_twins([FIRST, twin, OTHER], 3) == [FIRST, OTHER]
    assert without_near_twins([twin, OTHER], 3, earlier=[FIRST]) == [OTHER]


def test_other_subsets_do_not_count_and_the_count_is_a_limit():
    in_other_subset = replace(FIRST, subset="focus")
    assert without_near_twins([FIRST], 1, earlier=[in_other_subset]) == [FIRST]
    assert without_near_twins([FIRST, OTHER], 1) == [FIRST]
