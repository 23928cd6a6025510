"""Comparison of two models on the same items, and ranking of several."""

import json
import shutil
from dataclasses import asdict, replace
from math import inf, nan

import pytest
import synthetic
from synthetic import two
from terminal import run

from rewardbench import stats
from rewardbench.comparison.compare import compare
from rewardbench.comparison.gate import decide
from rewardbench.comparison.rank import rank
from rewardbench.errors import InputError
from rewardbench.metrics import measure
from rewardbench.results import outputs_path
from rewardbench.results.scored import read_scored
from rewardbench.types import ItemScores, Rule


def test_compare_tests_sections_by_cluster_and_adjusts_p_values(tmp_path):
    suite = synthetic.mirrors(80)
    first, second = two(tmp_path, suite)
    comparison = compare(first, second)
    assert (comparison.metric, comparison.items) == ("mirror", 320)
    assert [contrast.name for contrast in comparison.sections] == ["Chat", "Safety"]
    p_values = [contrast.p for contrast in comparison.sections]
    assert [contrast.adjusted for contrast in comparison.sections] == stats.holm(p_values)
    for contrast in (*comparison.sections, comparison.score):
        assert contrast.difference == pytest.approx(contrast.second - contrast.first)
        assert contrast.low < contrast.difference < contrast.high
    assert comparison.score.clusters == 160
    assert comparison.score.difference == pytest.approx(
        sum(contrast.difference for contrast in comparison.sections) / 2
    )
    means = [measure(scored.suite, scored.items).section_means("mirror") for scored in (first, second)]
    strata = [stats.paired(means[1][name], means[0][name]) for name in ("Chat", "Safety")]
    limits = (comparison.score.low, comparison.score.high)
    assert limits == pytest.approx(stats.bootstrap(strata, [1.0, 1.0]), abs=0.007), "one step is .00625"
    by_pair = compare(first, second, "pair")
    assert by_pair.score.first > comparison.score.first
    assert by_pair.score.clusters == 160, "halves of a mirror stay one cluster"


def test_flips_are_the_items_only_one_model_gets_right(tmp_path):
    first, second = two(tmp_path, synthetic.singles(100))
    comparison = compare(first, second)
    first_right, second_right = right_ids(first), right_ids(second)
    assert {flip.item.id for flip in comparison.flips if flip.better == "first"} == first_right - second_right
    assert {flip.item.id for flip in comparison.flips if flip.better == "second"} == second_right - first_right
    changes = [abs(flip.margins[0] - flip.margins[1]) for flip in comparison.flips]
    assert changes == sorted(changes, reverse=True)
    assert comparison.score.wins == len(second_right - first_right)
    assert comparison.score.losses == len(first_right - second_right)


def right_ids(scored):
    return {item_scores.id for item_scores in scored.items if item_scores.scores[0] > item_scores.scores[1]}


def test_comparing_a_model_with_itself_finds_no_difference(tmp_path):
    first, _ = two(tmp_path, synthetic.mirrors(40))
    comparison = compare(first, first)
    assert (comparison.score.difference, comparison.score.p, comparison.flips) == (0, 1, ())
    assert comparison.score.low < 0 < comparison.score.high, "elsewhere they might"


def test_results_of_two_suite_revisions_are_rejected(tmp_path):
    suite, later = synthetic.mirrors(10), synthetic.mirrors(10, revision="r2")
    a = read_scored(synthetic.store(tmp_path, suite, synthetic.scores(suite, 0.5), "a"))
    b = read_scored(synthetic.store(tmp_path, later, synthetic.scores(later, 0.5), "b"))
    with pytest.raises(InputError, match=r"toy@r1 and .* toy@r2: scores of different data cannot be paired"):
        compare(a, b)


def test_the_error_about_two_revisions_shows_the_options_in_which_they_differ(tmp_path):
    files = []
    for limit in ("20", "40"):
        suite = synthetic.mirrors(10, revision=f"2.0.0+e4e4d2ac7964+limit={limit}")
        files.append(read_scored(synthetic.store(tmp_path, suite, synthetic.scores(suite, 0.5), limit)))
    with pytest.raises(InputError, match=r"limit=20 and .*limit=40: scores of different data"):
        compare(*files)


def test_score_files_without_a_suite_are_paired_by_id(tmp_path):
    def write(name, *ids):
        path = tmp_path / name
        path.write_text("".join(json.dumps({"id": id, "scores_chosen": 1, "scores_rejected": 0}) + "\n" for id in ids))
        return read_scored(path)

    assert compare(write("a.jsonl", "1", "2"), write("b.jsonl", "1", "2")).items == 2
    with pytest.raises(InputError, match="1 items are in only one of them, such as '3'"):
        compare(write("a.jsonl", "1", "2"), write("b.jsonl", "1", "2", "3"))


def test_scores_without_a_suite_use_the_rules_of_the_other_result(tmp_path):
    first, second = two(tmp_path, synthetic.mirrors(30))
    rows = shutil.copy(outputs_path(second.path), tmp_path / "bare.jsonl")
    bare = replace(read_scored(rows), model="b", items=read_scored(rows).items[::-1])
    bare = replace(bare, suite=replace(bare.suite, items=bare.suite.items[::-1]))
    expected = compare(first, second)
    assert expected.metric == "mirror"
    assert figures(compare(first, bare)) == figures(expected)
    assert figures(compare(bare, second).score) == figures(compare(second, second).score)
    assert decide(bare, first) == decide(second, first)
    assert rank([bare, first]) == rank([second, first])


def figures(result):
    """Return all fields, of the flips only id and margins: a scores file holds no texts."""
    fields = asdict(result)
    return fields | {"flips": [(flip["item"]["id"], flip["margins"]) for flip in fields.get("flips", ())]}


@pytest.mark.parametrize(
    ("change", "term"),
    [
        ({"rules": {"chat-sub": Rule("Chat"), "safety-sub": Rule("Chat")}}, "rules"),
        ({"section_weights": {"Chat": 2.0}}, "section weights"),
        ({"headline": "accuracy"}, "headline"),
        ({"items": "group"}, "groups"),
        ({"items": "subset"}, "subsets"),
    ],
)
def test_results_with_different_credit_rules_are_rejected(tmp_path, change, term):
    suite = synthetic.mirrors(10)
    if "items" in change:
        change = {"items": tuple(replace(item, **{change["items"]: "chat-sub"}) for item in suite.items)}
    other = replace(suite, **change)
    a, b = (
        read_scored(synthetic.store(tmp_path, kind, synthetic.scores(suite, 0.5), name))
        for kind, name in ((suite, "a"), (other, "b"))
    )
    for call in (lambda: compare(a, b), lambda: decide(a, b), lambda: rank([a, b])):
        with pytest.raises(InputError, match=f"cannot be paired: they do not agree on the {term} of their items"):
            call()


def test_results_without_preferences_are_rejected(tmp_path):
    suite = synthetic.singles(4)
    items = tuple(replace(item, completions=item.completions[:1], num_correct=0) for item in suite.items)
    plain_suite = replace(suite, items=items)
    item_scores = [ItemScores(item.id, (1.0,)) for item in plain_suite.items]
    scored = read_scored(synthetic.store(tmp_path, plain_suite, item_scores, "a"))
    for call in (lambda: compare(scored, scored), lambda: decide(scored, scored), lambda: rank([scored, scored])):
        with pytest.raises(InputError, match="no item with a preference, so there is nothing to compare"):
            call()


def test_metric_mirror_needs_a_suite_with_mirrors(tmp_path):
    first, second = two(tmp_path, synthetic.singles())
    with pytest.raises(InputError, match="no mirrors: pass --metric pair"):
        compare(first, second, "mirror")


def test_models_without_a_significant_difference_share_a_rank(tmp_path):
    suite = synthetic.singles(400)
    strong = synthetic.scores(suite, 0.9, 1)
    scores_by_model = {
        "strong": strong,
        "as strong": synthetic.scores(suite, 0.9, 2, strong, 0.9),
        "weak": synthetic.scores(suite, 0.5, 3),
    }
    models = [
        read_scored(synthetic.store(tmp_path, suite, item_scores, name))
        for name, item_scores in scores_by_model.items()
    ]
    ranked = rank([models[2], *models[:2]])
    assert {model.model: model.rank_range for model in ranked} == {
        "strong": (1, 2),
        "as strong": (1, 2),
        "weak": (3, 3),
    }
    assert ranked[-1].better == ("strong", "as strong")


def test_compare_command_prints_table_examples_and_figures(tmp_path, capsys):
    first, second = two(tmp_path, synthetic.mirrors(40))
    code, out, _ = run(capsys, "compare", first.path, second.path, "--examples", 1)
    assert code == 0
    assert "b (second) against a (first) on toy, by mirror" in out
    lines = dict(line.split("=", 1) for line in out.splitlines() if "=" in line and " " not in line)
    comparison = compare(first, second)
    assert float(lines["difference"]) == pytest.approx(comparison.score.difference, abs=5e-5)
    assert int(lines["n"]) == 160
    assert out.count("is correct; margins") == 1
    assert "right " in out
    assert "<user>" not in out, "the prompt is not shown again"
    code, out, _ = run(capsys, "compare", first.path, second.path, "--json")
    assert json.loads(out)["score"]["difference"] == comparison.score.difference
    code, out, _ = run(capsys, "compare", first.path, second.path, first.path)
    assert (code, "rank.a=1-3" in out) == (0, True)


def test_equal_results_report_no_minimum_detectable_effect(tmp_path, capsys):
    first, second = two(tmp_path, synthetic.singles(400), 0.5, 0.95)
    code, out, _ = run(capsys, "compare", first.path, first.path)
    assert code == 0
    assert "The two models have the same credit on every cluster: there is no difference to test." in out
    assert {"p=1.0000", "detectable=nan"} <= set(out.splitlines())
    assert "would usually go undetected" not in out
    assert json.loads(run(capsys, "compare", first.path, first.path, "--json")[1])["score"]["detectable"] is None
    out = run(capsys, "compare", first.path, second.path)[1]
    (line,) = (line for line in out.splitlines() if line.startswith("p="))
    assert 0 < float(line.removeprefix("p=")) < 1e-4, "no p is 0"


def test_flips_without_a_margin_come_last(tmp_path):
    suite = synthetic.singles(4)
    right = [ItemScores(item.id, (1.0, 0.0)) for item in suite.items]
    odd_scores = [(nan, nan), (-1e308, 1e308), (0.0, 5.0), (inf, 0.0)]
    wrong = [ItemScores(item.id, scores) for item, scores in zip(suite.items, odd_scores, strict=True)]
    first, second = (
        read_scored(synthetic.store(tmp_path, suite, item_scores, name))
        for item_scores, name in ((right, "a"), (wrong, "b"))
    )
    assert [flip.margins[1] for flip in compare(first, second).flips][:2] == [-inf, -5]
    assert all(flip.margins[1] != flip.margins[1] for flip in compare(first, second).flips[2:])


def test_compare_command_rejects_a_single_result(tmp_path, capsys):
    first, _ = two(tmp_path, synthetic.mirrors(4))
    code, _, err = run(capsys, "compare", first.path)
    assert (code, err.count("\n")) == (2, 1)
    assert "pass two or more" in err
