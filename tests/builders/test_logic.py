"""The logic builder: every mould verified at five seeds, same words in both halves, and puzzles solved by hand."""

import re
from dataclasses import replace
from functools import cache

import pytest

from rewardbench.builders.build import draw_mirror
from rewardbench.builders.check import verify
from rewardbench.builders.draw import Resample, Rng
from rewardbench.builders.mirrors import to_json
from rewardbench.builders.templates.logic import TEMPLATES
from rewardbench.builders.templates.logic.puzzles import Claim, Puzzle, claims, half, in_order, one_each, parted, pose

SEEDS = range(5)


@cache
def drawn(seed):
    """One mirror of each mould."""
    found = [draw_mirror("logic", seed, index) for index in range(len(TEMPLATES))]
    return [replace(mirror, group=f"logic-{seed}-{n}") for n, mirror in enumerate(found)]


def words(text):
    return set(re.findall(r"\w+|[^\w\s]", text.lower()))


def text(prompt):
    return "\n".join(turn["content"] for turn in prompt)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_mould_passes_its_verifier(seed):
    mirrors = drawn(seed)
    assert {mirror.source["mould"] for mirror in mirrors} == {template.__name__ for template in TEMPLATES}
    found = verify(mirrors)
    assert found.failed == ()
    assert found.pairs == 2 * len(TEMPLATES)


def test_both_prompts_have_the_same_words_and_both_responses_about_the_same_length():
    mirrors = [mirror for seed in SEEDS for mirror in drawn(seed)]
    assert all(words(text(mirror.a)) == words(text(mirror.b)) and mirror.a != mirror.b for mirror in mirrors)
    lengths = sorted(abs(len(m.x) - len(m.y)) / max(len(m.x), len(m.y)) for m in mirrors)
    assert lengths[len(lengths) // 2] <= 0.1


def test_the_same_seed_draws_the_same_and_another_one_other_names():
    assert [to_json(draw_mirror("logic", 0, n)) for n in range(6)] == [
        to_json(draw_mirror("logic", 0, n)) for n in range(6)
    ]
    assert {text(mirror.a) for mirror in drawn(0)}.isdisjoint(text(mirror.a) for mirror in drawn(1))


def test_no_place_for_a_word_is_left_unfilled():
    for mirror in (mirror for seed in SEEDS for mirror in drawn(seed)):
        assert not re.search(r"[{}]|\[\[|\['", "\n".join((text(mirror.a), text(mirror.b), mirror.x, mirror.y)))


def test_exchanged_responses_are_caught():
    mirror = drawn(0)[0]
    found = verify([replace(mirror, x=mirror.y, y=mirror.x)])
    assert found.pairs == 0
    assert len(found.failed) == 4


def test_a_wrong_list_of_worlds_is_caught():
    mirror = drawn(0)[0]
    broken = {**mirror.check, "a": {**mirror.check["a"], "leaves": []}}
    assert any("its check breaks" in sentence for sentence in verify([replace(mirror, check=broken)]).failed)


def test_a_queue_solved_by_hand():
    """Ama ahead of Bo, Bo touching Cy, Di last. Without the last claim Di may be anywhere but between Bo and Cy."""
    names = ["Ama", "Bo", "Cy", "Di"]
    puzzle = one_each(names, range(1, 5))
    heard = [
        *[
            one
            for one in claims("ahead", "{0} is ahead of {1}", "{0} < {1}", names)
            if one.text == "Ama is ahead of Bo"
        ],
        *[one for one in claims("next", "{0} touches {1}", "{0} + 1 == {1}", names) if one.text == "Bo touches Cy"],
        Claim("last", "Di is last", "Di == 4"),
    ]
    worlds = puzzle.worlds(puzzle.holds(heard))
    assert worlds == [{"Ama": 1, "Bo": 2, "Cy": 3, "Di": 4}]
    assert in_order(worlds) == "Ama, Bo, Cy, Di"
    assert [world["Di"] for world in puzzle.worlds(puzzle.holds(heard[:2]))] == [4, 2, 1]


def test_affirming_the_consequent_leaves_both_worlds():
    puzzle = Puzzle({"fan": [False, True], "vent": [False, True]})
    rule, fact = Claim("rule", "if fan, vent", "not fan or vent"), Claim("fact", "vent", "vent")
    assert half(puzzle, [rule, fact], "may", ["fan"])["leaves"] == [{"fan": False}, {"fan": True}]
    assert half(puzzle, [rule, Claim("fact", "no vent", "not vent")], "is not", ["fan"])["leaves"] == [{"fan": False}]


def test_no_claim_is_idle_in_either_of_two_parted_lists():
    names = ["Ama", "Bo", "Cy", "Di"]
    puzzle = one_each(names, range(1, 5))
    pool = claims("ahead", "{0} < {1}", "{0} < {1}", names)
    pool += claims("next", "{0} + 1 == {1}", "{0} + 1 == {1}", names)
    for key in range(20):
        for heard in parted(Rng(str(key)), puzzle, pool, 3):
            left = [len(puzzle.worlds(puzzle.holds([*heard[:k], *heard[k + 1 :]]))) for k in range(3)]
            assert len(puzzle.worlds(puzzle.holds(heard))) == 1
            assert min(left) > 1


def test_parted_finds_two_lists_that_differ_in_one_claim_and_gives_up_where_there_are_none():
    puzzle = one_each(["a", "b", "c"], range(3))
    pool = claims("before", "{0} before {1}", "{0} < {1}", ["a", "b", "c"])
    one, other = parted(Rng("x"), puzzle, pool, 2)
    assert sum(x != y for x, y in zip(one, other, strict=True)) == 1
    solved = [puzzle.worlds(puzzle.holds(heard)) for heard in (one, other)]
    assert [len(worlds) for worlds in solved] == [1, 1]
    assert solved[0] != solved[1]
    with pytest.raises(Resample):
        parted(Rng("x"), puzzle, pool, 1)


def test_claims_take_the_form_that_the_frame_asks_for():
    heard = [Claim("k", "the cat sits", "True"), Claim("k", "Bo stands", "True")]
    assert pose("{s} Who?", heard)[0]["content"] == "The cat sits. Bo stands. Who?"
    assert pose("{n}", heard)[0]["content"] == "1. The cat sits.\n2. Bo stands."
    assert [turn["role"] for turn in pose(("Be kind.", "{l}"), heard)] == ["system", "user"]
    assert [turn["content"] for turn in pose(("Hi", "Yes?", "{b}"), heard)][2] == "- the cat sits\n- Bo stands"
