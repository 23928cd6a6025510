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


def suite_of(*items, rules=None, **fields):
    return Suite("toy", "r1", tuple(items), rules or {}, **fields)


def scored(suite, scores, **fields):
    return [
        ItemScores(item.id, tuple(item_scores), **fields) for item, item_scores in zip(suite.items, scores, strict=True)
    ]


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
def test_credit_of_a_pair_is_1_only_if_chosen_scores_higher(scores, expected):
    assert credit(item(), scores, STRICT) == expected


@pytest.mark.parametrize(
    ("scores", "expected"),
    [((3, 2, 1, 0), 1.0), ((2, 3, 1, 0), 1.0), ((3, 1, 2, 0), 0.0), ((3, 1, 1, 0), 0.0), ((3, 2, nan, 0), 0.0)],
)
@pytest.mark.parametrize("rule", [STRICT, TIES])
def test_strict_credit_needs_every_right_completion_above_every_wrong_one(rule, scores, expected):
    assert credit(item(n=4, num_correct=2), scores, rule) == expected


def test_best_of_n_credit_is_shared_among_top_scores():
    assert credit(item(n=4), (2, 2, 2, 0), BEST) == pytest.approx(1 / 3)
    assert credit(item(n=4), (1, 2, 2, 0), BEST) == 0
    assert credit(item(n=3, num_correct=2), (2, 2, 2), BEST) == pytest.approx(2 / 3)
    assert credit(item(n=4), (2, 1, 1, -inf), BEST) == 0


@pytest.mark.parametrize(("n", "num_correct"), [(1, 0), (2, 0), (2, 2)])
def test_credit_without_a_preference_is_nan(n, num_correct):
    assert isnan(credit(item(n=n, num_correct=num_correct), (1.0,) * n, STRICT))


def test_credit_rejects_a_wrong_number_of_scores():
    with pytest.raises(ValueError, match="2 completions but 3 scores"):
        credit(item(), (1, 2, 3), STRICT)


def test_summarize_weights_subsets_and_sections():
    rules = {"a": Rule("S", weight=3), "b": Rule("S"), "c": Rule("T")}
    suite = suite_of(
        *(item(f"a{k}", "a") for k in range(2)),
        *(item(f"b{k}", "b") for k in range(1)),
        *(item(f"c{k}", "c") for k in range(4)),
        rules=rules,
        section_weights={"T": 2},
    )
    # a: 1/2 with weight 3; b: 0/1 with weight 1 (its items); c: 3/4
    estimates = summarize(suite, scored(suite, [(1, 0), (0, 1), (0, 1), (1, 0), (1, 0), (1, 0), (0, 0)]))
    assert [(estimate.name, estimate.n, estimate.value, estimate.section) for estimate in estimates.subsets] == [
        ("a", 2, 0.5, "S"),
        ("b", 1, 0.0, "S"),
        ("c", 4, 0.75, "T"),
    ]
    assert [(estimate.name, estimate.n, estimate.value) for estimate in estimates.sections] == [
        ("S", 3, 1.5 / 4),
        ("T", 4, 0.75),
    ]
    assert estimates.score.value == pytest.approx((0.375 + 2 * 0.75) / 3)
    assert (estimates.accuracy.value, estimates.accuracy.n) == (pytest.approx(4 / 7), 7)
    assert (estimates.subsets[2].low, estimates.subsets[2].high) == wilson(3, 4)
    assert (estimates.accuracy.low, estimates.accuracy.high) == pytest.approx(wilson(4, 7))
    assert estimates.score.low < estimates.score.value < estimates.score.high
    assert estimates.mirrors == ()


def test_empty_subsets_have_no_accuracy_and_no_weight():
    suite = suite_of(item("1", "b"), rules={"gone": Rule("S", weight=9), "b": Rule("S"), "lost": Rule("T")})
    estimates = summarize(suite, scored(suite, [(1, 0)]))
    gone, b, lost = estimates.subsets
    assert (gone.value, gone.low, gone.high, gone.n) == (None, None, None, 0)
    assert (b.value, lost.value) == (1.0, None)
    assert [estimate.value for estimate in estimates.sections] == [1.0, None]
    assert estimates.score.value == 1.0


def test_subsets_are_in_the_order_of_rules_then_of_items():
    suite = suite_of(item("1", "z"), item("2", "b"), item("3", "y"), item("4", "a"), rules={"a": STRICT, "b": STRICT})
    estimates = summarize(suite, scored(suite, [(1, 0)] * 4))
    assert [estimate.name for estimate in estimates.subsets] == ["a", "b", "z", "y"]
    assert [estimate.name for estimate in estimates.sections] == ["s", "z", "y"]


def test_ties_unscored_and_truncated_are_counted_at_every_level():
    suite = suite_of(item("1"), item("2"), item("3"), item("4", "b", n=3, num_correct=2))
    scores = [
        ItemScores("3", (nan, nan), reason="empty response"),
        ItemScores("1", (1, 1), truncated=True),
        ItemScores("4", (2, 1, 1)),
        ItemScores("2", (1, 0), truncated=True),
    ]
    estimates = summarize(suite, scores)
    counts = {
        estimate.name: (estimate.n, estimate.value, estimate.ties, estimate.unscored, estimate.truncated)
        for estimate in (*estimates.subsets, estimates.score)
    }
    assert counts["a"] == (3, pytest.approx(1 / 3), 1, 1, 2)
    assert counts["b"] == (1, 0.0, 1, 0, 0)
    assert counts["score"] == (4, pytest.approx(1 / 6), 2, 1, 2)
    assert (estimates.accuracy.value, estimates.accuracy.ties) == (0.25, 2)
    assert [estimate.ties for estimate in estimates.sections] == [1, 1]


def test_best_of_n_counts_ties_at_the_top_only():
    suite = suite_of(item("1", n=4), item("2", n=4), item("3", n=4), rules={"a": BEST})
    estimates = summarize(suite, scored(suite, [(2, 2, 1, 0), (2, 1, 1, 1), (1, 2, 2, 0)]))
    assert (estimates.subsets[0].value, estimates.subsets[0].ties) == (0.5, 1)


def test_items_without_a_preference_are_not_in_n_but_count_as_unscored():
    suite = suite_of(item("1", n=1, num_correct=0), item("2", n=1, num_correct=0))
    estimates = summarize(suite, scored(suite, [(0.5,), (nan,)]))
    assert (estimates.score.n, estimates.score.value, estimates.score.unscored) == (0, None, 1)
    assert (estimates.accuracy.value, estimates.subsets[0].value) == (None, None)


def test_a_mirror_is_right_if_all_its_items_are_right():
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
    estimates = summarize(suite, scored(suite, [(1, 0), (1, 0), (1, 0), (1, 1), (1, 0), (nan, 0)]))
    assert [
        (estimate.name, estimate.n, estimate.value, estimate.ties, estimate.unscored) for estimate in estimates.mirrors
    ] == [
        ("S", 2, 0.5, 1, 0),
        ("T", 1, 0.0, 0, 1),
    ]
    assert (estimates.score.value, estimates.score.n, estimates.score.ties, estimates.score.unscored) == (0.25, 3, 1, 1)
    assert (estimates.accuracy.value, estimates.accuracy.n) == (pytest.approx(4 / 6), 6)
    assert [estimate.value for estimate in estimates.sections] == [0.75, 0.5]
    assert (estimates.mirrors[0].low, estimates.mirrors[0].high) == wilson(1, 2)


def test_intervals_count_mirrors_not_items():
    items = [item(f"{m}{half}", "a", group=f"m{m}") for m in range(20) for half in "xy"]
    suite = suite_of(*items, headline="mirror")
    estimates = summarize(suite, scored(suite, [(1, 0), (0, 1)] * 20))
    assert (estimates.accuracy.value, estimates.accuracy.low, estimates.accuracy.high) == (0.5, *wilson(10, 20))
    assert (estimates.score.value, estimates.score.low) == (0.0, 0.0)
    assert estimates.score.high == pytest.approx(wilson(0, 20)[1])


def test_summarize_rejects_scores_of_other_items():
    suite = suite_of(item("1"), item("2"))
    for scores in ([ItemScores("1", (1, 0))], [ItemScores("1", (1, 0))] * 2, [ItemScores(i, (1, 0)) for i in "123"]):
        with pytest.raises(ValueError, match="every item must have its scores once"):
            summarize(suite, scores)


@given(
    st.lists(st.lists(st.integers(-2, 2), min_size=3, max_size=3), min_size=1, max_size=8),
    st.sampled_from([nan, inf, -inf]),
    st.data(),
)
def test_a_failed_item_never_raises_an_estimate(table, bad_score, data):
    suite = suite_of(
        *(item(str(k), "ab"[k % 2], n=3, group=f"g{k // 2}") for k in range(len(table))), rules={"b": BEST}
    )
    complete = summarize(suite, scored(suite, table))
    k = data.draw(st.integers(0, len(table) - 1))
    broken = [[*row[:2], bad_score] if at == k else row for at, row in enumerate(table)]
    failed = summarize(suite, scored(suite, broken))
    assert failed.score.value <= complete.score.value + 1e-12
    assert failed.accuracy.value <= complete.accuracy.value + 1e-12
    assert failed.accuracy.unscored == 1
    assert failed.accuracy.low <= failed.accuracy.value <= failed.accuracy.high


def test_summarize_scores_a_ties_subset_by_the_ties_score():
    items = [item("ref:0", "Ties", n=3, group="0"), item("tied:0", "Ties", n=5, num_correct=3, group="0")]
    suite = suite_of(
        *items, item("1", "Math", n=4), rules={"Math": Rule("Math", "best_of_n"), "Ties": Rule("Ties", "ties")}
    )
    estimates = summarize(suite, scored(suite, [(5, 0, -1), (5, 4.8, 5.1, 0, -1), (1, 1, 0, 0)]))
    math, ties = estimates.sections
    assert (math.value, ties.value, ties.n) == (0.5, pytest.approx(1.01), 2)
    assert estimates.score.value == pytest.approx((0.5 + 1.01) / 2)
    assert estimates.accuracy.value == pytest.approx(2.5 / 3)
    assert ties.low < ties.value == ties.high


def test_ties_score_gives_unscored_rows_no_credit():
    rows = [("ref:0", (3.0, 1.0), 1), ("tied:0", (2.0, nan, 1.0), 2)]
    assert ties_score(rows) == pytest.approx(0.3)  # the ref row is accurate; of the tied one no score is known
    assert ties_score([("ref:0", (inf, 1.0), 1), ("tied:0", (2.0, 2.0, 1.0), 2)]) == pytest.approx(0.3 + 0.2)


def test_ties_score_accepts_a_subset_prefix_and_rejects_other_ids():
    assert ties_score([("Ties/tied:7", (2.0, 1.0), 1)]) == pytest.approx(0.3)
    for id in ("7", "other:7", "tied:"):
        with pytest.raises(InputError, match="must be ref:N or tied:N"):
            ties_score([(id, (2.0, 1.0), 1)])


def test_ties_mean_has_an_interval_over_prompts():
    rows = []
    for n in range(20):
        right = n % 4 > 0
        rows += [(f"ref:{n}", (1.0, 0.0) if right else (0.0, 1.0), 1)]
        rows += [(f"tied:{n}", (1.0, 1.0, 0.0) if right else (0.0, 0.0, 1.0), 2)]
    estimate = ties_mean(rows)
    # a prompt earns .3 + .3 + .2 + .2 + .01 or -.01: 15 times 1.01 and 5 times -.01, so p = .755, and the
    # variance is that of 20 single values, 1.02² * .1875 / 19; t(19) = 2.093024
    size = 0.755 * 0.245 / (1.02**2 * 0.1875 / 19)
    assert estimate.value == pytest.approx(0.755)
    assert (estimate.low, estimate.high) == pytest.approx(wilson(0.755 * size, size, z=2.093024), abs=1e-6)


def test_section_means_average_the_subsets_with_a_value():
    rules = {"a": Rule("S", weight=1), "b": Rule("S", weight=3), "c": Rule("T"), "d": Rule("T")}
    values = {"a": 1.0, "b": 0.6, "c": 0.2, "other": 0.9}
    assert section_means(values, rules, {"c": 10}) == {"S": pytest.approx(0.7), "T": 0.2}
    assert section_means({"b": None, "a": 1.0}, rules) == {"S": 1.0, "T": None}


def test_leaderboard_score_averages_the_sections_with_a_value():
    sections = {"Chat": 0.9, "Chat Hard": 0.5, "Safety": 0.7, "Reasoning": 0.6}
    assert leaderboard_score(sections) == pytest.approx(0.675)
    assert leaderboard_score(sections | {"Prior Sets": None}) == pytest.approx(0.675)
    assert leaderboard_score(sections | {"Prior Sets": 0.5}) == pytest.approx((2 * 2.7 + 0.5) / 9)
    assert leaderboard_score({}) is None


def test_prior_sets_average_four_datasets_only():
    assert prior_sets({"anthropic_helpful": 0.5, "anthropic_hhh": 0.7, "mtbench_gpt4": 0.0}) == pytest.approx(0.6)
    assert prior_sets({"mtbench_gpt4": 0.9}) is None


def test_ties_count_neither_in_the_mirror_headline_nor_in_accuracy():
    halves = [item("m-a", "a", group="m"), item("m-b", "a", group="m")]
    tied, ref = (item(f"{kind}:t", "ties", n=3, num_correct=1, group="t") for kind in ("tied", "ref"))
    rules = {"a": Rule("A"), "ties": Rule("Ties", "ties")}
    suite = suite_of(*halves, tied, ref, rules=rules, headline="mirror", section_weights={"Ties": 0.0})
    estimates = summarize(suite, scored(suite, [(1, 0), (1, 0), (0, 1, 2), (0, 1, 2)]))
    assert (estimates.score.value, estimates.score.n) == (1.0, 1)
    assert (estimates.accuracy.value, estimates.accuracy.n) == (1.0, 2)
    assert [mirror.name for mirror in estimates.mirrors] == ["A"]
    ties = next(section for section in estimates.sections if section.name == "Ties")
    assert ties.n == 2
    assert ties.value < 0.1


def test_gap_counts_built_mirrors_only():
    def halves(group, origin):
        return [replace(item(f"{group}-{half}", group=group), meta={"origin": origin}) for half in "ab"]

    core = suite_of(*halves("w", "written"), *halves("b1", "built"), *halves("b2", "built"), headline="mirror")
    fresh = suite_of(*halves("f1", "built"), *halves("f2", "built"), headline="mirror")
    right, wrong = (1, 0), (0, 1)
    on_core = scored(core, [wrong, wrong, right, right, right, right])
    on_fresh = scored(fresh, [right, right, right, wrong])
    core_estimate, fresh_estimate, difference = gap(core, on_core, fresh, on_fresh)
    assert [
        (estimate.name, estimate.n, estimate.value) for estimate in (core_estimate, fresh_estimate, difference)
    ] == [
        ("core", 2, 1.0),
        ("fresh", 2, 0.5),
        ("gap", 2, 0.5),
    ]
    assert difference.low == pytest.approx(
        0.5 - ((1 - core_estimate.low) ** 2 + (fresh_estimate.high - 0.5) ** 2) ** 0.5
    )
