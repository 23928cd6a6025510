"""The logic builder: all templates pass their verifier, prompts share their words, and puzzles are solved by hand."""

import re
from dataclasses import replace
from functools import cache

import pytest

from rewardbench.builders.build import draw_mirror
from rewardbench.builders.check import verify
from rewardbench.builders.draw import Resample, Rng
from rewardbench.builders.mirrors import to_json
from rewardbench.builders.templates.logic import TEMPLATES
from rewardbench.builders.templates.logic.puzzles import (
    Claim,
    Puzzle,
    claims,
    contrasting_claims,
    in_order,
    make_check,
    one_to_one,
    render_prompt,
)

SEEDS = range(5)
NAMES = ["Ama", "Bo", "Cy", "Di"]


@cache
def mirrors_at(seed):
    """One mirror of each template."""
    mirrors = [draw_mirror("logic", seed, index) for index in range(len(TEMPLATES))]
    return [replace(mirror, group=f"logic-{seed}-{n}") for n, mirror in enumerate(mirrors)]


def words(text):
    return set(re.findall(r"\w+|[^\w\s]", text.lower()))


def text(prompt):
    return "\n".join(turn["content"] for turn in prompt)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_template_passes_its_verifier(seed):
    mirrors = mirrors_at(seed)
    assert {mirror.source["mould"] for mirror in mirrors} == {template.__name__ for template in TEMPLATES}
    verification = verify(mirrors)
    assert verification.failed == ()
    assert verification.pairs == 2 * len(TEMPLATES)


def test_prompts_have_the_same_words_and_responses_similar_lengths():
    differences = []
    for seed in SEEDS:
        for mirror in mirrors_at(seed):
            assert words(text(mirror.a)) == words(text(mirror.b))
            assert mirror.a != mirror.b
            lengths = len(mirror.x), len(mirror.y)
            differences.append((max(lengths) - min(lengths)) / max(lengths))
    assert sorted(differences)[len(differences) // 2] <= 0.1


def test_mirrors_depend_on_the_seed():
    first, second = ([to_json(draw_mirror("logic", 0, n)) for n in range(6)] for _ in range(2))
    assert first == second
    assert {text(mirror.a) for mirror in mirrors_at(0)}.isdisjoint(text(mirror.a) for mirror in mirrors_at(1))


@pytest.mark.parametrize("seed", SEEDS)
def test_no_place_of_a_template_is_left_unfilled(seed):
    for mirror in mirrors_at(seed):
        assert not re.search(r"[{}]|\[\[|\['", "\n".join((text(mirror.a), text(mirror.b), mirror.x, mirror.y)))


def test_verify_rejects_swapped_responses():
    mirror = mirrors_at(0)[0]
    verification = verify([replace(mirror, x=mirror.y, y=mirror.x)])
    assert verification.pairs == 0
    assert len(verification.failed) == 4


def test_verify_rejects_a_wrong_list_of_worlds():
    mirror = mirrors_at(0)[0]
    broken = {**mirror.check, "a": {**mirror.check["a"], "leaves": []}}
    assert any("its check breaks" in sentence for sentence in verify([replace(mirror, check=broken)]).failed)


def test_puzzle_has_the_solution_worked_out_by_hand():
    """Ama ahead of Bo, Bo touching Cy, Di last. Without the last claim Di may be anywhere but between Bo and Cy."""
    puzzle = one_to_one(NAMES, range(1, 5))
    claim_of = {claim.text: claim for claim in claims("ahead", "{0} is ahead of {1}", "{0} < {1}", NAMES)}
    claim_of |= {claim.text: claim for claim in claims("next", "{0} touches {1}", "{0} + 1 == {1}", NAMES)}
    premises = [claim_of["Ama is ahead of Bo"], claim_of["Bo touches Cy"], Claim("last", "Di is last", "Di == 4")]
    worlds = puzzle.solve(premises)
    assert worlds == [{"Ama": 1, "Bo": 2, "Cy": 3, "Di": 4}]
    assert in_order(worlds) == "Ama, Bo, Cy, Di"
    assert [world["Di"] for world in puzzle.solve(premises[:2])] == [4, 2, 1]


def test_affirming_the_consequent_leaves_both_worlds():
    puzzle = Puzzle({"fan": [False, True], "vent": [False, True]})
    rule, fact = Claim("rule", "if fan, vent", "not fan or vent"), Claim("fact", "vent", "vent")
    counter_fact = Claim("fact", "no vent", "not vent")
    assert make_check(puzzle, [rule, fact], "may", ["fan"])["leaves"] == [{"fan": False}, {"fan": True}]
    assert make_check(puzzle, [rule, counter_fact], "is not", ["fan"])["leaves"] == [{"fan": False}]


@pytest.mark.parametrize("key", range(20))
def test_contrasting_claims_are_all_needed(key):
    puzzle = one_to_one(NAMES, range(1, 5))
    pool = claims("ahead", "{0} < {1}", "{0} < {1}", NAMES)
    pool += claims("next", "{0} + 1 == {1}", "{0} + 1 == {1}", NAMES)
    for premises in contrasting_claims(Rng(str(key)), puzzle, pool, 3):
        assert len(puzzle.solve(premises)) == 1
        for k in range(3):
            assert len(puzzle.solve([*premises[:k], *premises[k + 1 :]])) > 1


def test_contrasting_claims_differ_in_one_claim_or_raise_resample():
    puzzle = one_to_one(["a", "b", "c"], range(3))
    pool = claims("before", "{0} before {1}", "{0} < {1}", ["a", "b", "c"])
    premises_a, premises_b = contrasting_claims(Rng("x"), puzzle, pool, 2)
    assert sum(x != y for x, y in zip(premises_a, premises_b, strict=True)) == 1
    worlds_a, worlds_b = puzzle.solve(premises_a), puzzle.solve(premises_b)
    assert len(worlds_a) == len(worlds_b) == 1
    assert worlds_a != worlds_b
    with pytest.raises(Resample):
        contrasting_claims(Rng("x"), puzzle, pool, 1)


def test_render_prompt_gives_claims_the_form_of_the_place():
    premises = [Claim("k", "the cat sits", "True"), Claim("k", "Bo stands", "True")]
    assert render_prompt("{s} Who?", premises)[0]["content"] == "The cat sits. Bo stands. Who?"
    assert render_prompt("{n}", premises)[0]["content"] == "1. The cat sits.\n2. Bo stands."
    assert [turn["role"] for turn in render_prompt(("Be kind.", "{l}"), premises)] == ["system", "user"]
    assert render_prompt(("Hi", "Yes?", "{b}"), premises)[2]["content"] == "- the cat sits\n- Bo stands"
