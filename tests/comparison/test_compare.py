"""Two models on the same items, and several."""

import json
import shutil
from dataclasses import asdict, replace
from math import inf, nan

import pytest
import synthetic
from synthetic import two
from terminal import run

from rewardbench import stats
from rewardbench.comparison.compare import compare, rank
from rewardbench.comparison.gate import decide
from rewardbench.errors import InputError
from rewardbench.metrics import measure
from rewardbench.results import outputs_path
from rewardbench.results.scored import read_scored
from rewardbench.types import ItemScores, Rule


def test_sections_are_tested_by_clusters_and_adjusted_over_each_other(tmp_path):
    suite = synthetic.mirrors(80)
    first, second = two(tmp_path, suite)
    found = compare(first, second)
    assert (found.metric, found.items) == ("mirror", 320)
    assert [one.name for one in found.sections] == ["Chat", "Safety"]
    assert [one.adjusted for one in found.sections] == stats.holm([one.p for one in found.sections])
    for one in (*found.sections, found.score):
        assert one.difference == pytest.approx(one.second - one.first)
        assert one.low < one.difference < one.high
    assert found.score.clusters == 160
    assert found.score.difference == pytest.approx(sum(one.difference for one in found.sections) / 2)
    means = [measure(one.suite, one.items).mirror for one in (first, second)]
    strata = [stats.paired(means[1][name], means[0][name]) for name in ("Chat", "Safety")]
    assert (found.score.low, found.score.high) == stats.bootstrap(strata, [1.0, 1.0])
    by_pair = compare(first, second, "pair")
    assert by_pair.score.first > found.score.first
    assert by_pair.score.clusters == 160, "halves of a mirror stay one cluster"


def test_flips_are_what_one_model_alone_has_right(tmp_path):
    first, second = two(tmp_path, synthetic.singles(100))
    found = compare(first, second)
    right = [{one.id for one in model.items if one.scores[0] > one.scores[1]} for model in (first, second)]
    assert {flip.item.id for flip in found.flips if flip.better == "first"} == right[0] - right[1]
    assert {flip.item.id for flip in found.flips if flip.better == "second"} == right[1] - right[0]
    apart = [abs(flip.margins[0] - flip.margins[1]) for flip in found.flips]
    assert apart == sorted(apart, reverse=True)
    assert (found.score.wins, found.score.losses) == (len(right[1] - right[0]), len(right[0] - right[1]))


def test_a_model_does_not_differ_from_itself(tmp_path):
    first, _ = two(tmp_path, synthetic.mirrors(40))
    found = compare(first, first)
    assert (found.score.difference, found.score.p, found.flips) == (0, 1, ())
    assert found.score.low < 0 < found.score.high, "elsewhere they might"


def test_other_data_is_refused(tmp_path):
    suite, later = synthetic.mirrors(10), synthetic.mirrors(10, revision="r2")
    a = read_scored(synthetic.store(tmp_path, suite, synthetic.scores(suite, 0.5), "a"))
    b = read_scored(synthetic.store(tmp_path, later, synthetic.scores(later, 0.5), "b"))
    with pytest.raises(InputError, match=r"toy@r1 and .* toy@r2: scores of different data cannot be paired"):
        compare(a, b)


def test_files_that_know_no_suite_are_paired_by_their_ids(tmp_path):
    def write(name, *ids):
        path = tmp_path / name
        path.write_text("".join(json.dumps({"id": id, "scores_chosen": 1, "scores_rejected": 0}) + "\n" for id in ids))
        return read_scored(path)

    assert compare(write("a.jsonl", "1", "2"), write("b.jsonl", "1", "2")).items == 2
    with pytest.raises(InputError, match="1 items are in only one of them, such as '3'"):
        compare(write("a.jsonl", "1", "2"), write("b.jsonl", "1", "2", "3"))


def test_rows_that_know_no_suite_count_by_the_rules_of_those_that_do(tmp_path):
    first, second = two(tmp_path, synthetic.mirrors(30))
    rows = shutil.copy(outputs_path(second.path), tmp_path / "bare.jsonl")
    bare = replace(read_scored(rows), model="b", items=read_scored(rows).items[::-1])
    bare = replace(bare, suite=replace(bare.suite, items=bare.suite.items[::-1]))
    whole = compare(first, second)
    assert whole.metric == "mirror"
    assert figures(compare(first, bare)) == figures(whole)
    assert figures(compare(bare, second).score) == figures(compare(second, second).score)
    assert decide(bare, first) == decide(second, first)
    assert rank([bare, first]) == rank([second, first])


def figures(found):
    """All but the items that flipped, of which bare rows know less."""
    told = asdict(found)
    return told | {"flips": [(flip["item"]["id"], flip["margins"]) for flip in told.get("flips", ())]}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rules": {"chat-sub": Rule("Chat"), "safety-sub": Rule("Chat")}}, "rules"),
        ({"section_weights": {"Chat": 2.0}}, "section weights"),
        ({"headline": "accuracy"}, "headline"),
        ({"items": "group"}, "groups"),
        ({"items": "subset"}, "subsets"),
    ],
)
def test_results_that_count_differently_are_refused(tmp_path, change, words):
    suite = synthetic.mirrors(10)
    if "items" in change:
        change = {"items": tuple(replace(item, **{change["items"]: "chat-sub"}) for item in suite.items)}
    other = replace(suite, **change)
    a, b = (
        read_scored(synthetic.store(tmp_path, kind, synthetic.scores(suite, 0.5), name))
        for kind, name in ((suite, "a"), (other, "b"))
    )
    for ask in (lambda: compare(a, b), lambda: decide(a, b), lambda: rank([a, b])):
        with pytest.raises(InputError, match=f"cannot be paired: they do not agree on the {words} of their items"):
            ask()


def test_scores_without_a_preference_are_nothing_to_compare(tmp_path):
    suite = synthetic.singles(4)
    alone = replace(suite, items=tuple(replace(i, completions=i.completions[:1], num_correct=0) for i in suite.items))
    found = [ItemScores(item.id, (1.0,)) for item in alone.items]
    one = read_scored(synthetic.store(tmp_path, alone, found, "a"))
    for ask in (lambda: compare(one, one), lambda: decide(one, one), lambda: rank([one, one])):
        with pytest.raises(InputError, match="no item with a preference, so there is nothing to compare"):
            ask()


def test_mirrors_are_asked_of_suites_that_have_them(tmp_path):
    first, second = two(tmp_path, synthetic.singles())
    with pytest.raises(InputError, match="no mirrors: pass --metric pair"):
        compare(first, second, "mirror")


def test_models_that_cannot_be_told_apart_share_a_rank(tmp_path):
    suite = synthetic.singles(400)
    strong = synthetic.scores(suite, 0.9, 1)
    given = {
        "strong": strong,
        "as strong": synthetic.scores(suite, 0.9, 2, strong, 0.9),
        "weak": synthetic.scores(suite, 0.5, 3),
    }
    models = [read_scored(synthetic.store(tmp_path, suite, found, name)) for name, found in given.items()]
    standings = rank([models[2], *models[:2]])
    assert {one.model: one.rank for one in standings} == {"strong": 1, "as strong": 1, "weak": 3}
    assert standings[-1].better == ("strong", "as strong")


def test_the_command_prints_a_table_examples_and_figures(tmp_path, capsys):
    first, second = two(tmp_path, synthetic.mirrors(40))
    code, out, _ = run(capsys, "compare", first.path, second.path, "--examples", 1)
    assert code == 0
    assert "b (second) against a (first) on toy, by mirror" in out
    lines = dict(line.split("=", 1) for line in out.splitlines() if "=" in line and " " not in line)
    found = compare(first, second)
    assert float(lines["difference"]) == pytest.approx(found.score.difference, abs=5e-5)
    assert int(lines["n"]) == 160
    assert out.count("is correct; margins") == 1
    assert "right " in out
    assert "<user>" not in out, "the prompt is not shown again"
    code, out, _ = run(capsys, "compare", first.path, second.path, "--json")
    assert json.loads(out)["score"]["difference"] == found.score.difference
    code, out, _ = run(capsys, "compare", first.path, second.path, first.path)
    assert (code, "rank.a=1" in out) == (0, True)


def test_equal_results_are_not_said_to_find_a_difference_of_nothing(tmp_path, capsys):
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
    odd = [(nan, nan), (-1e308, 1e308), (0.0, 5.0), (inf, 0.0)]
    wrong = [ItemScores(item.id, scores) for item, scores in zip(suite.items, odd, strict=True)]
    first, second = (read_scored(synthetic.store(tmp_path, suite, s, n)) for s, n in ((right, "a"), (wrong, "b")))
    assert [flip.margins[1] for flip in compare(first, second).flips][:2] == [-inf, -5]
    assert all(flip.margins[1] != flip.margins[1] for flip in compare(first, second).flips[2:])


def test_one_result_is_nothing_to_compare(tmp_path, capsys):
    first, _ = two(tmp_path, synthetic.mirrors(4))
    code, _, err = run(capsys, "compare", first.path)
    assert (code, err.count("\n")) == (2, 1)
    assert "pass two or more" in err
