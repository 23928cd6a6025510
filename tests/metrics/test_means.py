"""Test section means over subsets, clusters by template, and strata of the interval of the score."""

from dataclasses import replace

import pytest
from groups import by_name, mirror, rung_suite, scored, square, suite_of

from rewardbench import stats
from rewardbench.metrics import measure, score_interval, summarize
from rewardbench.types import Rule


def right_on(*names):
    """Return a rule that is right on the mirrors whose names start so, and blind on the others."""

    def rule(prompt, response):
        reads = prompt.split()[-1].startswith(names)
        return float(reads and ("no" in response) == prompt.startswith("isn't"))

    return rule


def two_subsets(**rules):
    groups = [mirror(f"f{n}", "facts") for n in range(8)] + [mirror(f"g{n}", "focus") for n in range(2)]
    return suite_of(*groups, rules=rules)


def test_a_section_pools_its_mirrors_if_no_subset_has_a_weight():
    suite = two_subsets(facts=Rule("Chat"), focus=Rule("Chat"))
    estimates = summarize(suite, scored(suite, right_on("f")))
    assert by_name(estimates.mirrors) == {"Chat": 0.8}
    assert by_name(estimates.mirror_subsets) == {"facts": 1.0, "focus": 0.0}
    assert (estimates.mirrors[0].low, estimates.mirrors[0].high) == stats.wilson(8, 10)


def test_a_section_is_the_mean_of_its_weighted_subsets():
    suite = two_subsets(facts=Rule("Chat", weight=1.0), focus=Rule("Chat", weight=1.0))
    estimates = summarize(suite, scored(suite, right_on("f")))
    assert by_name(estimates.mirrors) == {"Chat": 0.5}
    assert estimates.score.value == 0.5
    assert by_name(estimates.sections) == {"Chat": 0.5}
    assert estimates.mirrors[0].n == 10
    uneven = two_subsets(facts=Rule("Chat", weight=1.0), focus=Rule("Chat", weight=3.0))
    assert summarize(uneven, scored(uneven, right_on("f"))).score.value == 0.25


def test_a_weight_of_only_one_subset_counts_against_the_mirrors_of_the_other():
    suite = two_subsets(facts=Rule("Chat", weight=2.0), focus=Rule("Chat"))
    assert summarize(suite, scored(suite, right_on("f"))).score.value == 0.5


def test_clusters_are_resampled_within_each_weighted_subset():
    suite = two_subsets(facts=Rule("Chat", weight=1.0), focus=Rule("Chat", weight=1.0))
    means = measure(suite, scored(suite, right_on("f0", "f1", "f2", "g0")))
    subsets = means.subset_means("mirror")
    expected = stats.bootstrap([subsets["facts"], subsets["focus"]], [0.5, 0.5])
    assert score_interval(means) == pytest.approx(expected)
    assert means.total("mirror").value == (3 / 8 + 1 / 2) / 2


def test_sections_of_weight_0_are_not_in_the_score():
    suite = suite_of(mirror("f", "facts"), square("s"), section_weights={"squares": 0.0})
    estimates = summarize(suite, scored(suite, right_on("f")))
    assert (estimates.score.value, estimates.score.n) == (1.0, 1)
    assert (estimates.accuracy.value, estimates.accuracy.n) == (1.0, 2)
    assert by_name(estimates.mirrors) == {"facts": 1.0, "squares": 0.0}


def test_mirrors_of_one_template_are_one_cluster():
    """All mirrors of a template are right or wrong together: 4 clusters, not 16."""
    suite = rung_suite(4)
    by_template = measure(suite, scored(suite, right_on("rules-1-0", "rules-1-2")))
    assert len(by_template.total("mirror").weights) == 4
    assert len(by_template.total("pair").weights) == 4
    by_group = measure(replace(suite, cluster_by=""), scored(suite, right_on("rules-1-0", "rules-1-2")))
    assert len(by_group.total("mirror").weights) == 32
    together = [f"{subset}-{rung}-{n}" for subset in ("rules", "scopes") for rung in "1234" for n in (0, 2)]
    item_scores = scored(suite, right_on(*together))
    wide, narrow = summarize(suite, item_scores), summarize(replace(suite, cluster_by=""), item_scores)
    assert wide.score.value == narrow.score.value == 0.5
    assert wide.score.high - wide.score.low > 1.5 * (narrow.score.high - narrow.score.low)


def test_mirrors_without_a_template_are_clusters_of_their_own():
    groups = [mirror("a", template="t"), mirror("b", template="t"), mirror("c", template=""), mirror("d")]
    suite = suite_of(*groups, cluster_by="template")
    total = measure(suite, scored(suite, right_on("a"))).total("mirror")
    assert sorted(map(str, total.weights)) == ["('group', 'c')", "('group', 'd')", "('template', 't')"]
    assert total.weights["template", "t"] == 0.5
