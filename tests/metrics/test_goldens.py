"""Published figures of RewardBench 1 and 2, recomputed."""

import json
from dataclasses import replace
from math import nan
from pathlib import Path

import pytest

from rewardbench.metrics import credit, leaderboard_score, prior_sets, section_means, ties_score
from rewardbench.suites.registry import SUITES
from rewardbench.types import Item, Rule

PAPER = json.loads((Path(__file__).parent / "goldens" / "rb1_paper.json").read_text())
PAPER_ROWS = {row[0]: dict(zip(PAPER["columns"], row, strict=True)) for row in PAPER["rows"]}
TOLERANCE = 0.11
"""Percentage points: subsets and sections of the paper are both rounded to .1."""

BETTER_PAIRRM = {
    "alpacaeval-easy": 0.99,
    "alpacaeval-hard": 1.0,
    "alpacaeval-length": 0.8631578947368421,
    "donotanswer": 0.5294117647058824,
    "hep-cpp": 0.6463414634146342,
    "hep-go": 0.7195121951219512,
    "hep-java": 0.6951219512195121,
    "hep-js": 0.7195121951219512,
    "hep-python": 0.7134146341463414,
    "hep-rust": 0.7134146341463414,
    "llmbar-adver-GPTInst": 0.14130434782608695,
    "llmbar-adver-GPTOut": 0.425531914893617,
    "llmbar-adver-manual": 0.2608695652173913,
    "llmbar-adver-neighbor": 0.27611940298507465,
    "llmbar-natural": 0.71,
    "math-prm": 0.2953020134228188,
    "mt-bench-easy": 0.9285714285714286,
    "mt-bench-hard": 0.7027027027027027,
    "mt-bench-med": 1.0,
    "refusals-dangerous": 0.73,
    "refusals-offensive": 0.94,
    "xstest-should-refuse": 0.9675324675324676,
    "xstest-should-respond": 0.876,
}

BEAVER_COST = {
    "alpacaeval-easy": 0.5,
    "alpacaeval-hard": 0.7052631578947368,
    "alpacaeval-length": 0.5894736842105263,
    "donotanswer": 0.8235294117647058,
    "hep-cpp": 0.6280487804878049,
    "hep-go": 0.6341463414634146,
    "hep-java": 0.7073170731707317,
    "hep-js": 0.6646341463414634,
    "hep-python": 0.5487804878048781,
    "hep-rust": 0.6463414634146342,
    "llmbar-adver-GPTInst": 0.391304347826087,
    "llmbar-adver-GPTOut": 0.46808510638297873,
    "llmbar-adver-manual": 0.3695652173913043,
    "llmbar-adver-neighbor": 0.43283582089552236,
    "llmbar-natural": 0.52,
    "math-prm": 0.2953020134228188,
    "mt-bench-easy": 0.5714285714285714,
    "mt-bench-hard": 0.5405405405405406,
    "mt-bench-med": 0.725,
    "refusals-dangerous": 0.97,
    "refusals-offensive": 1.0,
    "xstest-should-refuse": 1.0,
    "xstest-should-respond": 0.284,
}


@pytest.fixture
def rules():
    return SUITES["reward-bench"].rules


@pytest.fixture
def swapped(rules):
    """Return the rules with the xstest weights swapped, as until 2024-09-10: the paper's safety table has these."""
    old = {"xstest-should-refuse": 250.0, "xstest-should-respond": 154.0}
    return rules | {name: replace(rules[name], weight=weight) for name, weight in old.items()}


def test_better_pairrm_matches_the_leaderboard_at_full_precision(rules):
    sections = section_means(BETTER_PAIRRM, rules)
    assert sections == pytest.approx(
        {
            "Chat": 0.9553072625698324,
            "Chat Hard": 0.3925438596491228,
            "Safety": 0.8202702702702702,
            "Reasoning": 0.4982607628089704,
        },
        abs=1e-12,
    )
    assert leaderboard_score(sections | {"Prior Sets": 0.724}) == pytest.approx(0.672973812288488, abs=1e-12)


def test_old_weights_change_better_pairrm_in_safety_only(rules, swapped):
    old, new = section_means(BETTER_PAIRRM, swapped), section_means(BETTER_PAIRRM, rules)
    assert old["Safety"] == pytest.approx(0.8321447525447525, abs=1e-12)
    assert {name for name in new if old[name] != new[name]} == {"Safety"}
    assert leaderboard_score(old | {"Prior Sets": 0.724}) == pytest.approx(0.6756125861272618, abs=1e-12)


def test_beaver_cost_matches_the_readme(rules):
    assert section_means(BEAVER_COST, rules) == pytest.approx(
        {
            "Chat": 0.6089385474860335,
            "Chat Hard": 0.44956140350877194,
            "Safety": 0.7216216216216216,
            "Reasoning": 0.46675669776831996,
        },
        abs=1e-12,
    )


def test_the_paper_has_32_models():
    assert len(PAPER_ROWS) == 32


@pytest.mark.parametrize("model", PAPER_ROWS)
def test_section_means_match_the_paper(model, rules, swapped):
    row = PAPER_ROWS[model]
    subsets = dict(zip(PAPER["subsets"], row["subsets"], strict=True))
    published = dict(zip(PAPER["sections"], row["sections"], strict=True))
    ours, old = section_means(subsets, rules), section_means(subsets, swapped)
    for section in ("Chat", "Chat Hard", "Reasoning"):
        assert ours[section] == pytest.approx(published[section], abs=TOLERANCE)
    assert old["Safety"] == pytest.approx(published["Safety"], abs=TOLERANCE)


@pytest.mark.parametrize("model", PAPER_ROWS)
def test_prior_sets_match_the_paper(model):
    row = PAPER_ROWS[model]
    subsets = dict(zip(PAPER["prior_sets"], row["prior_sets"], strict=True))
    assert prior_sets(subsets) == pytest.approx(row["prior_sets_mean"], abs=TOLERANCE)
    rules = SUITES["preference-test-sets"].rules
    assert section_means(subsets, rules)["Prior Sets"] == pytest.approx(prior_sets(subsets))


TIES = {
    "perfect separation": (
        [("ref:0", [5.0, 0.0, -1.0], 1), ("tied:0", [5.0, 4.8, 5.1, 0.0, -1.0], 3)],
        1.0099999999999982,
    ),
    "all inverted": ([("ref:0", [-1.0, 0.0], 1), ("tied:0", [-1.0, -2.0, 0.0], 2)], -0.009950547536867305),
    "all equal": ([("ref:0", [1.0, 1.0], 1), ("tied:0", [1.0, 1.0, 1.0], 2)], 0.0),
    "no spread": ([("ref:0", [3.0, 1.0], 1), ("tied:0", [2.0, 2.0, 1.0], 2)], 1.01),
    "a ref row alone": (
        [("ref:0", [3.0, 1.0], 1), ("tied:1", [2.0, 1.5, 1.0], 2), ("ref:1", [2.0, 1.0], 1)],
        0.6,
    ),
    "narrow spread": ([("ref:0", [3.0, 1.0], 1), ("tied:0", [2.0, 1.9, 1.0], 2)], 1.0099999977492968),
}
THREE_PROMPTS = [
    ("ref:0", [2.0, 0.0, -1.0], 1),
    ("tied:0", [3.0, 2.5, 1.0], 2),
    ("ref:1", [0.5, 0.0, -1.0], 1),
    ("tied:1", [3.0, 2.0, 0.0], 2),
    ("ref:2", [0.0, 1.0, -1.0], 1),
    ("tied:2", [1.0, -1.0, 0.0], 2),
]


@pytest.mark.parametrize("case", TIES)
def test_ties_score_matches_published_vectors(case):
    rows, expected = TIES[case]
    assert ties_score(rows) == pytest.approx(expected, abs=1e-12)


def test_ties_score_of_three_prompts():
    """Published to six decimals."""
    assert ties_score(THREE_PROMPTS) == pytest.approx(0.598656, abs=5e-7)


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([0.9, 0.1, 0.2, 0.3], 1.0),
        ([0.9, 0.9, 0.2, 0.3], 0.5),
        ([0.9, 0.9, 0.9, 0.3], 0.3333333333333333),
        ([1, 1, 1, 1], 0.25),
        ([0.1, 0.9, 0.9, 0], 0.0),
        ([nan, 1, 0, 0], 0.0),
    ],
)
def test_best_of_four_credit(scores, expected):
    answers = tuple(({"role": "assistant", "content": letter},) for letter in "abcd")
    item = Item("1", "Math", ({"role": "user", "content": "q"},), answers)
    assert credit(item, scores, Rule("Math", "best_of_n")) == pytest.approx(expected, abs=1e-12)


def test_sections_of_reward_bench_2_have_equal_weights():
    spec = SUITES["reward-bench-2"]
    assert {rule.section for rule in spec.rules.values()} == set(spec.rules)
    assert len(spec.rules) == 6
    assert not spec.section_weights
