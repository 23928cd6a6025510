from types import SimpleNamespace

import pytest

from rewardbench.suites import registry
from rewardbench.suites.registry import SUITES, SuiteSpec, find_spec, list_suites
from rewardbench.types import Rule


def weights(name):
    sections = {}
    for rule in SUITES[name].rules.values():
        sections[rule.section] = sections.get(rule.section, 0) + (rule.weight or 0)
    return sections


def test_names_and_hub_ids_find_the_same_suite():
    published = [
        "reward-bench",
        "reward-bench-2",
        "preference-test-sets",
        "rm-bench",
        "judge-bench",
        "rmb",
        "processbench",
    ]
    assert list_suites() == ["core", "core-style", "core-hard", "core-long", *published]
    for name in ("reward-bench", "reward-bench-2", "preference-test-sets"):
        assert find_spec(name) is find_spec(f"allenai/{name}") is SUITES[name]
    assert find_spec("core") is SUITES["core"]
    assert find_spec("") is find_spec("reward") is None


def test_reward_bench_has_the_published_weights():
    assert weights("reward-bench") == {"Chat": 358, "Chat Hard": 456, "Safety": 740, "Reasoning": 1968}
    assert SUITES["reward-bench"].rules["math-prm"] == Rule("Reasoning", "strict", 984)
    assert (SUITES["reward-bench"].splits, SUITES["reward-bench"].section_weights) == (("filtered",), {})


def test_reward_bench_2_has_six_sections_of_equal_weight():
    spec = SUITES["reward-bench-2"]
    assert [rule.section for rule in spec.rules.values()] == list(spec.rules)
    assert {name: rule.credit for name, rule in spec.rules.items()} == {
        "Factuality": "best_of_n",
        "Precise IF": "best_of_n",
        "Math": "best_of_n",
        "Safety": "best_of_n",
        "Focus": "best_of_n",
        "Ties": "ties",
    }
    assert spec.section_weights == {}


def test_prior_sets_are_an_unweighted_mean_and_other_sets_have_weight_0():
    spec = SUITES["preference-test-sets"]
    prior = [name for name, rule in spec.rules.items() if rule == Rule("Prior Sets", "strict", 1)]
    assert prior == ["anthropic_helpful", "anthropic_hhh", "shp", "summarize"]
    others = {name: rule.section for name, rule in spec.rules.items() if name not in prior}
    assert others == {name: name for name in ("anthropic_harmless", "mtbench_gpt4", "mtbench_human")}
    assert spec.section_weights == dict.fromkeys(others, 0)
    assert set(spec.splits) == {*prior, *others}


def test_entry_point_of_another_package_adds_a_suite(monkeypatch):
    spec = SuiteSpec(name="mine", hub="me/mine")
    points = [
        SimpleNamespace(name="mine", value="pkg:mine", load=lambda: spec),
        SimpleNamespace(name="odd", value="pkg:odd", load=dict),
    ]
    monkeypatch.setattr(registry, "entry_points", lambda group: points if group == "rewardbench.suites" else [])
    assert find_spec("mine") is spec
    assert list_suites()[-2:] == ["mine", "odd"]
    assert find_spec("core") is SUITES["core"]
    with pytest.raises(TypeError, match="pkg:odd"):
        find_spec("odd")
