from dataclasses import replace
from math import inf, isnan, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardbench.errors import InputError
from rewardbench.metrics import (
    credit,
    gap,
    leaderboard_score,
    prior_sets,
    section_means,
    summarize,
    ties_mean,
    ties_score,
)
from rewardbench.stats import wilson
from rewardbench.types import Item, ItemScores, Rule, Suite

STRICT, BEST, TIES = Rule("s"), Rule("s", "best_of_n"), Rule("s", "ties")


def item(id="1", subset="a", n=2, num_correct=1, group=""):
    completions = tuple(({"role": "assistant", "content": f"answer {k}"},) for k in range(n))
    return Item(id, subset, ({"role": "user", "content": "q"},), completions, num_correct, group)


def suite_of(*items, rules=None, **more):
    return Suite("toy", "r1", tuple(items), rules or {}, **more)


def scored(suite, scores, **more):
    return [ItemScores(i.id, tuple(s), **more) for i, s in zip(suite.items, scores, strict=True)]


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ((1, 0), 1.0),
        ((0, 1), 0.0),
        ((1, 1), 0.0),
        ((-2.0, -2.1), 1.0),
        ((nan, 0), 0.0),
        ((inf, 0), 0.0),
        ((0, -inf), 0),
    ],
)
def test_a_pair_is_right_only_if_chosen_scores_higher(scores, expected):
    assert credit(item(), scores, STRICT) == expected


@pytest.mark.parametrize(
    ("scores", "expected"),
    [((3, 2, 1, 0), 1.0), ((2, 3, 1, 0), 1.0), ((3, 1, 2, 0), 0.0), ((3, 1, 1, 0), 0.0), ((3, 2, nan, 0), 0.0)],
)
@pytest.mark.parametrize("rule", [STRICT, TIES])
def test_every_right_one_must_beat_every_wrong_one(rule, scores, expected):
    assert credit(item(n=4, num_correct=2), scores, rule) == expected


def test_best_of_n_shares_the_top():
    assert credit(item(n=4), (2, 2, 2, 0), BEST) == pytest.approx(1 / 3)
    assert credit(item(n=4), (1, 2, 2, 0), BEST) == 0
    assert credit(item(n=3, num_correct=2), (2, 2, 2), BEST) == pytest.approx(2 / 3)
    assert credit(item(n=4), (2, 1, 1, -inf), BEST) == 0


@pytest.mark.parametrize(("n", "num_correct"), [(1, 0), (2, 0), (2, 2)])
def test_without_a_preference_there_is_no_credit(n, num_correct):
    assert isnan(credit(item(n=n, num_correct=num_correct), (1.0,) * n, STRICT))


def test_scores_must_match_the_completions():
    with pytest.raises(ValueError, match="2 completions but 3 scores"):
        credit(item(), (1, 2, 3), STRICT)


def test_sections_weigh_subsets_and_the_score_weighs_sections():
    rules = {"a": Rule("S", weight=3), "b": Rule("S"), "c": Rule("T")}
    suite = suite_of(
        *(item(f"a{k}", "a") for k in range(2)),
        *(item(f"b{k}", "b") for k in range(1)),
        *(item(f"c{k}", "c") for k in range(4)),
        rules=rules,
        section_weights={"T": 2},
    )
    # a: 1/2 with weight 3; b: 0/1 with weight 1 (its items); c: 3/4
    found = summarize(suite, scored(suite, [(1, 0), (0, 1), (0, 1), (1, 0), (1, 0), (1, 0), (0, 0)]))
    assert [(e.name, e.n, e.value, e.section) for e in found.subsets] == [
        ("a", 2, 0.5, "S"),
        ("b", 1, 0.0, "S"),
        ("c", 4, 0.75, "T"),
    ]
    assert [(e.name, e.n, e.value) for e in found.sections] == [("S", 3, 1.5 / 4), ("T", 4, 0.75)]
    assert found.score.value == pytest.approx((0.375 + 2 * 0.75) / 3)
    assert (found.accuracy.value, found.accuracy.n) == (pytest.approx(4 / 7), 7)
    assert (found.subsets[2].low, found.subsets[2].high) == wilson(3, 4)
    assert (found.accuracy.low, found.accuracy.high) == pytest.approx(wilson(4, 7))
    assert found.score.low < found.score.value < found.score.high
    assert found.mirrors == ()


def test_an_empty_subset_has_no_accuracy_and_no_say():
    suite = suite_of(item("1", "b"), rules={"gone": Rule("S", weight=9), "b": Rule("S"), "lost": Rule("T")})
    found = summarize(suite, scored(suite, [(1, 0)]))
    gone, b, lost = found.subsets
    assert (gone.value, gone.low, gone.high, gone.n) == (None, None, None, 0)
    assert (b.value, lost.value) == (1.0, None)
    assert [e.value for e in found.sections] == [1.0, None]
    assert found.score.value == 1.0


def test_subsets_come_as_in_the_rules_then_as_they_appear():
    suite = suite_of(item("1", "z"), item("2", "b"), item("3", "y"), item("4", "a"), rules={"a": STRICT, "b": STRICT})
    found = summarize(suite, scored(suite, [(1, 0)] * 4))
    assert [e.name for e in found.subsets] == ["a", "b", "z", "y"]
    assert [e.name for e in found.sections] == ["s", "z", "y"]


def test_ties_unscored_and_truncated_are_counted_at_every_level():
    suite = suite_of(item("1"), item("2"), item("3"), item("4", "b", n=3, num_correct=2))
    scores = [
        ItemScores("3", (nan, nan), reason="empty response"),
        ItemScores("1", (1, 1), truncated=True),
        ItemScores("4", (2, 1, 1)),
        ItemScores("2", (1, 0), truncated=True),
    ]
    found = summarize(suite, scores)
    counts = {e.name: (e.n, e.value, e.ties, e.unscored, e.truncated) for e in (*found.subsets, found.score)}
    assert counts["a"] == (3, pytest.approx(1 / 3), 1, 1, 2)
    assert counts["b"] == (1, 0.0, 1, 0, 0)
    assert counts["score"] == (4, pytest.approx(1 / 6), 2, 1, 2)
    assert (found.accuracy.value, found.accuracy.ties) == (0.25, 2)
    assert [e.ties for e in found.sections] == [1, 1]


def test_a_tie_in_best_of_n_is_at_the_top():
    suite = suite_of(item("1", n=4), item("2", n=4), item("3", n=4), rules={"a": BEST})
    found = summarize(suite, scored(suite, [(2, 2, 1, 0), (2, 1, 1, 1), (1, 2, 2, 0)]))
    assert (found.subsets[0].value, found.subsets[0].ties) == (0.5, 1)


def test_items_without_a_preference_are_not_in_n_but_their_gaps_are_counted():
    suite = suite_of(item("1", n=1, num_correct=0), item("2", n=1, num_correct=0))
    found = summarize(suite, scored(suite, [(0.5,), (nan,)]))
    assert (found.score.n, found.score.value, found.score.unscored) == (0, None, 1)
    assert (found.accuracy.value, found.subsets[0].value) == (None, None)


def test_a_mirror_is_right_if_every_item_of_it_is():
    suite = suite_of(
        item("1", "a", group="m1"),
        item("2", "a", group="m1"),
        item("3", "a", group="m2"),
        item("4", "b", group="m2"),
        item("5", "c", group="m3"),
        item("6", "c", group="m3"),
        rules={"a": Rule("S"), "b": Rule("S"), "c": Rule("T")},
        headline="mirror",
    )
    found = summarize(suite, scored(suite, [(1, 0), (1, 0), (1, 0), (1, 1), (1, 0), (nan, 0)]))
    assert [(e.name, e.n, e.value, e.ties, e.unscored) for e in found.mirrors] == [
        ("S", 2, 0.5, 1, 0),
        ("T", 1, 0.0, 0, 1),
    ]
    assert (found.score.value, found.score.n, found.score.ties, found.score.unscored) == (0.25, 3, 1, 1)
    assert (found.accuracy.value, found.accuracy.n) == (pytest.approx(4 / 6), 6)
    assert [e.value for e in found.sections] == [0.75, 0.5]
    assert (found.mirrors[0].low, found.mirrors[0].high) == wilson(1, 2)


def test_a_scorer_that_gets_one_half_of_each_mirror_is_at_half_with_mirrors_as_sample():
    items = [item(f"{m}{half}", "a", group=f"m{m}") for m in range(20) for half in "xy"]
    suite = suite_of(*items, headline="mirror")
    found = summarize(suite, scored(suite, [(1, 0), (0, 1)] * 20))
    assert (found.accuracy.value, found.accuracy.low, found.accuracy.high) == (0.5, *wilson(10, 20))
    assert (found.score.value, found.score.low) == (0.0, 0.0)
    assert found.score.high == pytest.approx(wilson(0, 20)[1])


def test_scores_of_other_items_are_refused():
    suite = suite_of(item("1"), item("2"))
    for scores in ([ItemScores("1", (1, 0))], [ItemScores("1", (1, 0))] * 2, [ItemScores(i, (1, 0)) for i in "123"]):
        with pytest.raises(ValueError, match="every item must have its scores once"):
            summarize(suite, scores)


@given(
    st.lists(st.lists(st.integers(-2, 2), min_size=3, max_size=3), min_size=1, max_size=8),
    st.sampled_from([nan, inf, -inf]),
    st.data(),
)
def test_failing_never_raises_a_number(table, bad, data):
    suite = suite_of(
        *(item(str(k), "ab"[k % 2], n=3, group=f"g{k // 2}") for k in range(len(table))), rules={"b": BEST}
    )
    whole = summarize(suite, scored(suite, table))
    k = data.draw(st.integers(0, len(table) - 1))
    broken = [[*row[:2], bad] if at == k else row for at, row in enumerate(table)]
    failed = summarize(suite, scored(suite, broken))
    assert failed.score.value <= whole.score.value + 1e-12
    assert failed.accuracy.value <= whole.accuracy.value + 1e-12
    assert failed.accuracy.unscored == 1
    assert failed.accuracy.low <= failed.accuracy.value <= failed.accuracy.high


def test_the_ties_subset_of_a_suite_has_the_ties_score():
    items = [item("ref:0", "Ties", n=3, group="0"), item("tied:0", "Ties", n=5, num_correct=3, group="0")]
    suite = suite_of(
        *items, item("1", "Math", n=4), rules={"Math": Rule("Math", "best_of_n"), "Ties": Rule("Ties", "ties")}
    )
    found = summarize(suite, scored(suite, [(5, 0, -1), (5, 4.8, 5.1, 0, -1), (1, 1, 0, 0)]))
    math, ties = found.sections
    assert (math.value, ties.value, ties.n) == (0.5, pytest.approx(1.01), 2)
    assert found.score.value == pytest.approx((0.5 + 1.01) / 2)
    assert found.accuracy.value == pytest.approx(2.5 / 3)
    assert ties.low < ties.value == ties.high


def test_an_unscored_row_of_ties_earns_nothing():
    rows = [("ref:0", (3.0, 1.0), 1), ("tied:0", (2.0, nan, 1.0), 2)]
    assert ties_score(rows) == pytest.approx(0.3)  # the ref row is accurate; of the tied one nothing is known
    assert ties_score([("ref:0", (inf, 1.0), 1), ("tied:0", (2.0, 2.0, 1.0), 2)]) == pytest.approx(0.3 + 0.2)


def test_ties_ids_may_carry_their_subset_and_nothing_else():
    assert ties_score([("Ties/tied:7", (2.0, 1.0), 1)]) == pytest.approx(0.3)
    for id in ("7", "other:7", "tied:"):
        with pytest.raises(InputError, match="must be ref:N or tied:N"):
            ties_score([(id, (2.0, 1.0), 1)])


def test_the_ties_interval_is_over_prompts():
    rows = []
    for n in range(20):
        right = n % 4 > 0
        rows += [(f"ref:{n}", (1.0, 0.0) if right else (0.0, 1.0), 1)]
        rows += [(f"tied:{n}", (1.0, 1.0, 0.0) if right else (0.0, 0.0, 1.0), 2)]
    found = ties_mean(rows)
    # a prompt earns .3 + .3 + .2 + .2 + .01 or -.01: 15 times 1.01 and 5 times -.01, so p = .755, and the
    # variance is that of 20 single values, 1.02² * .1875 / 19; t(19) = 2.093024
    size = 0.755 * 0.245 / (1.02**2 * 0.1875 / 19)
    assert found.value == pytest.approx(0.755)
    assert (found.low, found.high) == pytest.approx(wilson(0.755 * size, size, z=2.093024), abs=1e-6)


def test_section_means_over_those_present():
    rules = {"a": Rule("S", weight=1), "b": Rule("S", weight=3), "c": Rule("T"), "d": Rule("T")}
    values = {"a": 1.0, "b": 0.6, "c": 0.2, "other": 0.9}
    assert section_means(values, rules, {"c": 10}) == {"S": pytest.approx(0.7), "T": 0.2}
    assert section_means({"b": None, "a": 1.0}, rules) == {"S": 1.0, "T": None}


def test_the_overall_weighs_what_there_is():
    sections = {"Chat": 0.9, "Chat Hard": 0.5, "Safety": 0.7, "Reasoning": 0.6}
    assert leaderboard_score(sections) == pytest.approx(0.675)
    assert leaderboard_score(sections | {"Prior Sets": None}) == pytest.approx(0.675)
    assert leaderboard_score(sections | {"Prior Sets": 0.5}) == pytest.approx((2 * 2.7 + 0.5) / 9)
    assert leaderboard_score({}) is None


def test_prior_sets_are_four():
    assert prior_sets({"anthropic_helpful": 0.5, "anthropic_hhh": 0.7, "mtbench_gpt4": 0.0}) == pytest.approx(0.6)
    assert prior_sets({"mtbench_gpt4": 0.9}) is None


def test_ties_stand_beside_the_headline_and_outside_pair_accuracy():
    halves = [item("m-a", "a", group="m"), item("m-b", "a", group="m")]
    tied, ref = (item(f"{kind}:t", "ties", n=3, num_correct=1, group="t") for kind in ("tied", "ref"))
    rules = {"a": Rule("A"), "ties": Rule("Ties", "ties")}
    suite = suite_of(*halves, tied, ref, rules=rules, headline="mirror", section_weights={"Ties": 0.0})
    found = summarize(suite, scored(suite, [(1, 0), (1, 0), (0, 1, 2), (0, 1, 2)]))
    assert (found.score.value, found.score.n) == (1.0, 1)
    assert (found.accuracy.value, found.accuracy.n) == (1.0, 2)
    assert [mirror.name for mirror in found.mirrors] == ["A"]
    ties = next(section for section in found.sections if section.name == "Ties")
    assert ties.n == 2
    assert ties.value < 0.1


def test_the_gap_is_that_of_built_mirrors_alone():
    def halves(group, origin):
        return [replace(item(f"{group}-{half}", group=group), meta={"origin": origin}) for half in "ab"]

    core = suite_of(*halves("w", "written"), *halves("b1", "built"), *halves("b2", "built"), headline="mirror")
    fresh = suite_of(*halves("f1", "built"), *halves("f2", "built"), headline="mirror")
    right, wrong = (1, 0), (0, 1)
    on_core = scored(core, [wrong, wrong, right, right, right, right])
    on_fresh = scored(fresh, [right, right, right, wrong])
    before, after, apart = gap(core, on_core, fresh, on_fresh)
    assert [(one.name, one.n, one.value) for one in (before, after, apart)] == [
        ("core", 2, 1.0),
        ("fresh", 2, 0.5),
        ("gap", 2, 0.5),
    ]
    assert apart.low == pytest.approx(0.5 - ((1 - before.low) ** 2 + (after.high - 0.5) ** 2) ** 0.5)
