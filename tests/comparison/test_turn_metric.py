"""Test that compare and gate know turn accuracy."""

import json
import random

import pytest
from groups import mirror, scored, suite_of
from synthetic import mirrors, scores, store, two
from typer.testing import CliRunner

from rewardbench import stats
from rewardbench.cli.main import app
from rewardbench.comparison.compare import compare
from rewardbench.comparison.gate import Limits, decide
from rewardbench.comparison.rank import rank
from rewardbench.errors import InputError
from rewardbench.metrics import measure
from rewardbench.results.scored import read_scored
from rewardbench.types import Rule

RULES = {"facts": Rule("Chat", weight=1.0), "focus": Rule("Chat", weight=1.0), "code": Rule("Reasoning")}


def made_suite(count=30):
    groups = []
    for subset in RULES:
        for n in range(count):
            template = f"{subset}/{n % 10}" if subset == "code" else ""
            groups.append(mirror(f"{subset}-{n}", subset, template=template))
    return suite_of(*groups, rules=RULES, cluster_by="template")


SUITE = made_suite()


def model(share, bias, seed):
    """Return the scores of a model that reads a share of the prompts, and prefers short responses by `bias`."""
    chance = random.Random(seed)
    reads = {}

    def rule(prompt, response):
        name = prompt.split()[-1]
        if name not in reads:
            reads[name] = chance.random() < share
        right = ("no" in response) == prompt.startswith("isn't")
        return float(right and reads[name]) - bias * len(response) / 100

    return scored(SUITE, rule)


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    weak, strong = model(0.1, 0.0, 1), model(0.7, 50.0, 2)
    return [store(folder, SUITE, item_scores, name) for name, item_scores in (("weak", weak), ("strong", strong))]


def test_turn_accuracy_shows_what_a_biased_model_reads(paths):
    """By mirrors the biased model has 0; by turns it reads more prompts than the other."""
    weak, strong = map(read_scored, paths)
    by_mirror, by_turn = compare(weak, strong), compare(weak, strong, "turn")
    assert (by_mirror.metric, by_mirror.score.second) == ("mirror", 0.0)
    assert by_turn.score.low > 0.15
    means = [measure(result.suite, result.items) for result in (weak, strong)]
    assert by_turn.score.difference == pytest.approx(means[1].total("turn").value - means[0].total("turn").value)
    assert [section.name for section in by_turn.sections] == ["Chat", "Reasoning"]
    for section in by_turn.sections:
        assert section.low < section.difference < section.high
        assert section.first == means[0].section_means("turn")[section.name].value


def test_the_cluster_is_the_template_where_there_is_one(paths):
    by_turn = compare(*paths, "turn")
    chat, reasoning = by_turn.sections
    assert (chat.clusters, reasoning.clusters, by_turn.score.clusters) == (60, 10, 70)
    assert reasoning.wins + reasoning.losses <= 10


def test_the_interval_of_the_score_resamples_within_weighted_subsets(paths):
    means = [measure(scored_model.suite, scored_model.items) for scored_model in map(read_scored, paths)]
    subsets = [each.subset_means("turn") for each in means]
    strata = [stats.paired(subsets[1][name], subsets[0][name]) for name in ("facts", "focus", "code")]
    score = compare(*paths, "turn").score
    assert (score.low, score.high) == pytest.approx(stats.bootstrap(strata, [0.5, 0.5, 1.0]))


def test_gate_by_turn_accuracy(paths):
    weak, strong = map(read_scored, paths)
    limits = Limits(0.05, sections={"Reasoning": 0.05}, floors={"Chat": 0.7})
    worse = decide(strong, weak, limits, "turn")
    assert [check.verdict for check in worse.checks] == ["regression"] * 3
    assert decide(weak, strong, limits, "turn").verdict == "pass"
    assert worse.checks[0].metric == "turn"
    assert worse.sections["turn"].keys() == {"Chat", "Reasoning"}


def test_commands_take_the_metric_turn(paths):
    weak, strong = map(str, paths)
    compared = CliRunner().invoke(app, ["compare", weak, strong, "--metric", "turn"])
    assert compared.exit_code == 0
    assert "by turn accuracy" in compared.output
    assert "metric=turn" in compared.output
    gated = CliRunner().invoke(
        app, ["gate", "--baseline", strong, "--candidate", weak, "--metric", "turn", "--floor", "Chat=0.6", "--json"]
    )
    decision = json.loads(gated.output)
    assert (gated.exit_code, decision["metric"], decision["verdict"]) == (1, "turn", "regression")
    lines = CliRunner().invoke(
        app, ["gate", "--baseline", strong, "--candidate", weak, "--metric", "turn", "--floor", "Chat=0.6"]
    )
    chat = measure(SUITE, model(0.1, 0.0, 1)).section_means("turn")["Chat"].value
    assert f"turn.chat={chat:.4f}" in lines.output.splitlines()


def test_several_models_are_ranked_by_turn_accuracy(paths):
    third = store(paths[0].parent.parent / "third", SUITE, model(0.7, 0.0, 3), "third")
    ranked = rank(list(map(read_scored, (*paths, third))), "turn")
    assert {each.model: each.rank_range for each in ranked} == {"strong": (1, 2), "third": (1, 2), "weak": (3, 3)}


def test_a_suite_without_turn_pairs_is_an_error(tmp_path, paths):
    first, second = two(tmp_path, mirrors(4))
    with pytest.raises(InputError, match=r"There is no turn accuracy: .* Pass --metric mirror"):
        compare(first, second, "turn")
    with pytest.raises(InputError, match="There is no turn accuracy"):
        decide(first, second, metric="turn")
    with pytest.raises(InputError, match="There is no turn accuracy"):
        rank([first, second, first], "turn")


def test_results_of_two_revisions_are_not_compared(tmp_path, paths):
    old = mirrors(4, revision="1.0.1+abc")
    new = mirrors(4, revision="2.0.0+abc")
    first, second = (store(tmp_path, suite, scores(suite, 0.5), suite.revision[0]) for suite in (old, new))
    with pytest.raises(InputError, match=r"toy@1\.0\.1\+abc .* toy@2\.0\.0\+abc: scores of different data cannot be"):
        compare(first, second)
