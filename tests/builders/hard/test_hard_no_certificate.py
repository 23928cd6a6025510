"""Test the decision problems: exact answers by hand and by brute force, labels, and near misses."""

import random
import re
from collections import Counter
from dataclasses import replace
from itertools import chain, combinations, permutations, product

import pytest
from hard_mirrors import assert_both_programs_agree, cell_outcomes, cells_of, draw_mirrors

from rewardbench.builders.templates.hard.no_certificate.problems import FAMILIES
from rewardbench.verifiers.hard.no_certificate import COMPLETE, DecisionProblem, is_solvable, left_over, violations

NAMES = ("ash", "birch", "cedar", "elm", "fir", "gum")
SUM = DecisionProblem("sum", NAMES[:3], (5, 8, 12), 17)
BINS = DecisionProblem("bins", NAMES[:4], (6, 5, 4, 3), 9, 2)
TRIANGLE = DecisionProblem(
    "colour", NAMES[:3], groups=2, pairs=(("ash", "birch"), ("cedar", "birch"), ("ash", "cedar"))
)
STAR = DecisionProblem("path", NAMES[:4], pairs=(("ash", "birch"), ("ash", "cedar"), ("elm", "ash")))
TEAM = DecisionProblem("cover", NAMES[:3], groups=2, skills=(("a", "b"), ("b", "c"), ("d",)))


@pytest.mark.parametrize(
    ("decision", "answer"),
    [
        (SUM, True),
        (replace(SUM, target=16), False),
        (BINS, True),
        (replace(BINS, target=8), False),
        (replace(BINS, weights=(5, 5, 3, 3), target=8), True),
        (TRIANGLE, False),
        (replace(TRIANGLE, groups=3), True),
        (STAR, False),
        (replace(STAR, pairs=(("ash", "birch"), ("ash", "cedar"), ("elm", "cedar"))), True),
        (TEAM, False),
        (replace(TEAM, groups=3), True),
        (replace(TEAM, skills=(("a", "b"), ("b", "c"), ("c",))), True),
    ],
)
def test_decisions_by_hand(decision, answer):
    assert is_solvable(decision) is answer


def brute_force(decision):
    """Try every arrangement."""
    names = decision.names
    if decision.family == "path":
        arrangements = [[list(order)] for order in permutations(names)]
    elif decision.family in ("sum", "cover"):
        most = decision.groups if decision.family == "cover" else len(names)
        arrangements = [[list(team)] for size in range(1, most + 1) for team in combinations(names, size)]
    else:
        arrangements = []
        for places in product(range(decision.groups), repeat=len(names)):
            groups = [[name for name, at in zip(names, places, strict=True) if at == n] for n in range(decision.groups)]
            arrangements.append(groups)
    return any(not violations(decision, groups) and left_over(decision, groups) in COMPLETE for groups in arrangements)


def random_decision(rng, family):
    names = NAMES[: rng.randint(4, 6)]
    weights = tuple(rng.randint(1, 30) for _ in names)
    pairs = tuple(pair for pair in combinations(names, 2) if rng.random() < 0.55)
    skills = tuple(tuple(rng.sample("abcdef", 2)) for _ in names)
    target = max(max(weights), sum(weights) // 2)
    return DecisionProblem(family, names, weights, target, 1 if family in ("sum", "path") else 2, pairs, skills)


@pytest.mark.parametrize("family", FAMILIES)
def test_decisions_equal_brute_force(family):
    rng = random.Random(family)
    answers = []
    for _ in range(40):
        decision = random_decision(rng, family)
        answers.append(is_solvable(decision))
        assert answers[-1] == brute_force(decision), decision
    assert {True, False} == set(answers)


def test_both_programs_agree_at_all_rungs():
    assert_both_programs_agree("no-certificate", 12)


def test_the_programs_do_not_share_their_source():
    """A check of the other prompt deceives the first program only: the second reads the prompt."""
    for mirror in draw_mirrors("no-certificate", range(4)):
        right, wrong, *_ = cells_of(mirror)
        other = {**mirror.check["b"], "kind": "no-certificate"}
        assert cell_outcomes(right) == ("pass", "pass")
        assert cell_outcomes(replace(wrong, check=other)) == ("pass", "fail")


def test_a_planted_slip_fails_both_programs():
    """The last attempt of a solution without its first name; a near miss with another outcome."""
    for mirror in draw_mirrors("no-certificate", range(8)):
        for cell in cells_of(mirror):
            if not cell.right:
                continue
            lines = re.findall(r"^\d+\) .*$", cell.response, re.MULTILINE)
            arrangement = lines[-1].split(") ", 1)[1]
            slip = lines[-1].replace(arrangement, arrangement.partition(", ")[2])
            assert cell_outcomes(replace(cell, response=cell.response.replace(lines[-1], slip))) == ("fail", "fail")


def test_nothing_that_can_be_counted_decides_at_the_upper_rungs():
    """Both packings have the same total, all people the same number of skills, and no solution is shown."""
    families = set()
    for mirror in draw_mirrors("no-certificate", (2, 3, 6, 7, 10, 11, 14, 15, 18, 19)):
        left, right = mirror.check["a"], mirror.check["b"]
        families.add(left["family"])
        if left["family"] == "bins":
            assert sum(left["weights"]) == sum(right["weights"])
            assert left["target"] == right["target"]
        if left["family"] == "cover":
            assert {len(skills) for skills in left["skills"] + right["skills"]} == {4}
        if left["family"] == "colour":
            assert len(left["pairs"]) == len(right["pairs"])
            assert min(Counter(chain(*left["pairs"])).values()) >= 3
        assert not any(f"- {outcome}" in mirror.x + mirror.y for outcome in COMPLETE)
    assert len(families) > 3


def test_what_is_not_an_answer_is_an_error():
    (cell, *_) = cells_of(draw_mirrors("no-certificate", [0])[0])
    for response in ("Hard to say.", "Yes, it is."):
        assert all("breaks" in outcome for outcome in cell_outcomes(replace(cell, response=response)))


def test_size_grows_with_the_rung():
    sizes = {}
    for mirror in draw_mirrors("no-certificate", range(16)):
        sizes.setdefault(mirror.source["rung"], []).append(len(mirror.check["a"]["names"]))
    means = [sum(counts) / len(counts) for _, counts in sorted(sizes.items())]
    assert means == sorted(means)
    assert means[-1] > 1.8 * means[0]
