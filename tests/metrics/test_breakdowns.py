"""Test breakdowns by rung and level, and the reach of a subset."""

import pytest
from groups import by_name, mirror, rung_suite, scored, square, styled, suite_of

from rewardbench.metrics import reaches, summarize
from rewardbench.suites.registry import SUITES
from rewardbench.types import Estimate, Rule


def up_to(limits):
    """Return a rule that is right on the rungs of a subset up to its limit, and blind above."""

    def rule(prompt, response):
        subset, rung, _ = prompt.split()[-1].split("-")
        return float(int(rung) <= limits[subset] and ("no" in response) == prompt.startswith("isn't"))

    return rule


def test_mirror_accuracy_by_rung_and_the_reach_of_each_subset():
    suite = rung_suite()
    breakdowns = summarize(suite, scored(suite, up_to({"rules": 3, "scopes": 1}))).breakdowns
    shares = by_name(breakdowns)
    assert {name: shares[name] for name in ("rung.1", "rung.2", "rung.3", "rung.4")} == {
        "rung.1": 1.0,
        "rung.2": 0.5,
        "rung.3": 0.5,
        "rung.4": 0.0,
    }
    assert (shares["rules/rung.3"], shares["scopes/rung.3"]) == (1.0, 0.0)
    assert [estimate.name for estimate in breakdowns[:4]] == ["rung.1", "rung.2", "rung.3", "rung.4"]
    first = breakdowns[0]
    assert (first.n, first.section) == (8, "")
    assert next(estimate.section for estimate in breakdowns if estimate.name == "rules/rung.1") == "Instructions"
    assert reaches(breakdowns) == {"rules": 3, "scopes": 1}


@pytest.mark.parametrize(
    ("shares", "reach"),
    [
        ((0.4, 0.9, 0.9, 0.9), 0),
        ((0.5, 0.5, 0.49, 0.9), 2),
        ((1.0, 1.0, 1.0, 1.0), 4),
        ((0.0, 0.0, 0.0, 0.0), 0),
        ((None, 0.9, 0.9, 0.9), 0),
    ],
)
def test_reach_is_the_highest_rung_with_no_rung_below_one_half(shares, reach):
    estimates = [Estimate(f"rules/rung.{rung}", 25, share) for rung, share in enumerate(shares, 1)]
    assert reaches(estimates) == {"rules": reach}


def test_a_missing_rung_ends_the_reach():
    names = ("a/rung.1", "a/rung.3", "a/level.2")
    assert reaches(Estimate(name, 1, 1.0) for name in names) == {"a": 1}


def test_squares_have_rungs_of_their_own_but_are_not_in_the_rungs_of_the_suite():
    suite = suite_of(
        mirror("m", "rules", rung=1),
        square("s", "rules-squares", rung=1),
        rules={"rules": Rule("Instructions"), "rules-squares": Rule("Squares")},
        section_weights={"Squares": 0.0},
        breakdowns={"rung": "mirror"},
    )
    right = scored(suite, lambda prompt, response: float(("no" in response) == prompt.startswith("isn't")))
    assert by_name(summarize(suite, right).breakdowns) == {
        "rung.1": 1.0,
        "rules/rung.1": 1.0,
        "rules-squares/rung.1": 0.0,
    }


def test_levels_of_style_count_pairs():
    """A rule that prefers length is right on the pairs whose right response is the longer one."""
    suite = suite_of(styled("t"), breakdowns={"level": "pair"})
    longest = scored(suite, lambda prompt, response: float(len(response)))
    shares = by_name(summarize(suite, longest).breakdowns)
    expected = {}
    for item in suite.items:
        right, wrong = (len(completion[0]["content"]) for completion in item.completions)
        expected.setdefault(item.meta["level"], []).append(right > wrong)
    for level, rights in expected.items():
        assert shares[f"level.{level}"] == shares[f"style/level.{level}"] == sum(rights) / len(rights)
    breakdowns = summarize(suite, longest).breakdowns
    assert [estimate.name for estimate in breakdowns[:3]] == ["level.easy", "level.normal", "level.hard"]
    assert reaches(breakdowns) == {}


@pytest.mark.parametrize(
    ("name", "cluster_by", "breakdowns"),
    [("core", "template", {}), ("core-style", "template", {"level": "pair"}), ("core-hard", "", {"rung": "mirror"})],
)
def test_suites_declare_clusters_and_breakdowns(name, cluster_by, breakdowns):
    assert (SUITES[name].cluster_by, SUITES[name].breakdowns) == (cluster_by, breakdowns)


def test_items_without_the_column_are_in_no_breakdown():
    suite = suite_of(mirror("m"), mirror("n", rung=1), breakdowns={"rung": "mirror", "level": "pair"})
    breakdowns = summarize(suite, scored(suite, lambda prompt, response: 0.0)).breakdowns
    assert [(estimate.name, estimate.n) for estimate in breakdowns] == [("rung.1", 1), ("facts/rung.1", 1)]
