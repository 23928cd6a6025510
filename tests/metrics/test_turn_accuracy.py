"""Test turn accuracy: prompt-blind rules get exactly one half, and hand-computed cases."""

import random
import zlib
from dataclasses import replace
from math import inf, nan

import pytest
from groups import by_name, mirror, scored, square, styled, suite_of

from rewardbench.engine.loop import score
from rewardbench.metrics import measure, summarize
from rewardbench.metrics.grading import grade
from rewardbench.metrics.turns import turn_credits
from rewardbench.scorers.baselines import Baseline
from rewardbench.suites import load_suite
from rewardbench.types import ItemScores, Rule

GROUPS = {"mirror": mirror("m"), "square": square("s"), "style": styled("t")}
BLIND = {
    "longest": lambda prompt, response: float(len(response)),
    "shortest": lambda prompt, response: -float(len(response)),
    "hash": lambda prompt, response: zlib.crc32(response.encode()) / 7.3e5,
    "bytes": lambda prompt, response: sum(byte / 3.7 for byte in response.encode()),
    "huge": lambda prompt, response: (zlib.crc32(response.encode()) - 2**31) * 8e298,
    "constant": lambda prompt, response: 0.1,
}


def turn_pairs(group, rule=BLIND["constant"]):
    suite = suite_of(group)
    return turn_credits(grade(suite, scored(suite, rule)))


def test_number_of_turn_pairs_of_a_group():
    assert {name: len(turn_pairs(group)) for name, group in GROUPS.items()} == {"mirror": 1, "square": 6, "style": 16}


@pytest.mark.parametrize("rule", BLIND)
@pytest.mark.parametrize("name", GROUPS)
def test_every_turn_pair_of_a_prompt_blind_rule_has_credit_one_half(name, rule):
    assert set(turn_pairs(GROUPS[name], BLIND[rule])) == {0.5}


@pytest.mark.parametrize("name", ["longest", "shortest"])
def test_blind_baselines_have_exactly_one_half_on_core(name):
    suite = load_suite("core")
    turns = summarize(suite, score(suite.items, Baseline(name)).items).turns
    assert turns[0].name == "score"
    assert {turn.value for turn in turns} == {0.5}
    assert not any(turn.section == "Ties" for turn in turns)


def test_random_baseline_is_not_blind_and_has_about_one_half_on_core():
    suite = load_suite("core")
    total = summarize(suite, score(suite.items, Baseline("random")).items).turns[0]
    assert total.value != 0.5
    assert total.low < 0.5 < total.high


def test_a_random_function_of_the_response_has_exactly_one_half_on_core():
    suite = load_suite("core")
    values = random.Random(0)
    drawn = {}
    item_scores = []
    for item in suite.items:
        numbers = [drawn.setdefault(str(completion), values.gauss(0, 10)) for completion in item.completions]
        item_scores.append(ItemScores(item.id, tuple(numbers)))
    assert {turn.value for turn in summarize(suite, item_scores).turns} == {0.5}


# scores of (R, W) for A, then (W, R) for B
@pytest.mark.parametrize(
    ("a", "b", "credit"),
    [
        ((2.0, 0.0), (1.0, 0.0), 1.0),  # right both times
        ((5.0, 0.0), (-1.0, 3.0), 1.0),  # R is preferred both times, less for B: 5 - 4 > 0
        ((1.0, 0.0), (-4.0, 0.0), 0.0),
        ((1.0, 0.0), (0.0, 1.0), 0.5),  # blind
        ((0.0, 0.0), (0.0, 0.0), 0.5),
        ((0.0, 1.0), (0.0, 1.0), 0.0),  # wrong both times
        ((9.0, nan), (1.0, 0.0), 0.0),
        ((9.0, 1.0), (inf, 0.0), 0.0),
        ((1e308, -1e308), (-1e308, 1e308), 0.5),
        ((0.1 + 0.2, 0.1), (0.1, 0.3), 1.0),
    ],
)
def test_credit_of_a_mirror(a, b, credit):
    suite = suite_of(mirror("m"))
    turns = summarize(suite, [ItemScores("m-a", a), ItemScores("m-b", b)]).turns
    assert by_name(turns) == {"score": credit, "facts": credit}
    assert (turns[0].n, turns[0].ties) == (1, int(credit == 0.5))
    assert turns[0].unscored == int(a[1] != a[1] or b[0] == inf)


def test_a_square_has_the_mean_over_its_pairs():
    """The prompt 0 adds 1 to its response, so that the 3 of 6 pairs with it turn."""
    suite = suite_of(square("s"))
    first_response = suite.items[0].completions[0][0]["content"]

    def rule(prompt, response):
        return len(response) + (prompt.startswith("question 0") and response == first_response)

    assert by_name(summarize(suite, scored(suite, rule)).turns)["score"] == (3 + 3 * 0.5) / 6


def test_a_missing_score_takes_the_pairs_of_its_item():
    suite = suite_of(square("s"))
    item_scores = scored(suite, lambda prompt, response: len(response))
    item_scores[2] = replace(item_scores[2], scores=(nan, 1.0, 2.0, 3.0))
    (total, section) = summarize(suite, item_scores).turns
    assert total.value == section.value == 3 * 0.5 / 6
    assert (total.n, total.unscored) == (1, 1)


def test_sections_and_score_of_turns_have_the_weights_of_mirrors():
    rules = {
        "facts": Rule("Chat", weight=1.0),
        "focus": Rule("Chat", weight=1.0),
        "code": Rule("Reasoning"),
        "ties": Rule("Ties", "ties"),
    }
    groups = [mirror(f"f{n}", "facts") for n in range(4)] + [mirror("g", "focus"), mirror("c", "code")]
    suite = suite_of(*groups, rules=rules, section_weights={"Reasoning": 3.0})

    def rule(prompt, response):  # right for the focus mirror and for two of the facts, blind else
        reads = prompt.split()[-1] in ("g", "f0", "f1")
        return float(reads and ("no" in response) == prompt.startswith("isn't"))

    turns = by_name(summarize(suite, scored(suite, rule)).turns)
    assert turns == {
        "score": (0.875 + 3 * 0.5) / 4,
        "Chat": 0.875,
        "Reasoning": 0.5,
        "facts": 0.75,
        "focus": 1,
        "code": 0.5,
    }
    means = measure(suite, scored(suite, rule))
    assert means.total("turn").value == turns["score"]
    assert means.section_means("turn")["Chat"].value == 0.875


def test_groups_without_turn_pairs_have_no_turn_accuracy():
    same = [replace(item, completions=mirror("m")[0].completions) for item in mirror("m")]
    for items in (same, mirror("m")[:1]):
        suite = suite_of(items)
        assert summarize(suite, scored(suite, BLIND["longest"])).turns == ()
    plain = replace(suite_of(mirror("m")), headline="accuracy")
    assert summarize(plain, scored(plain, BLIND["longest"])).turns == ()


def test_a_subset_with_the_name_of_a_section_is_left_out():
    suite = suite_of(mirror("m", "Chat"), mirror("n", "facts"), rules={"facts": Rule("Chat"), "Chat": Rule("Other")})
    names = [(turn.name, turn.section) for turn in summarize(suite, scored(suite, BLIND["longest"])).turns]
    assert names == [("score", ""), ("Chat", "Chat"), ("Other", "Other"), ("facts", "Chat")]
