"""Ensembles of stored results: rules, members that cannot be combined, and the stored result of an ensemble."""

import json
import re
from dataclasses import replace
from itertools import permutations, product
from math import isnan, nan
from pathlib import Path
from statistics import multimode

import numpy as np
import pytest
import synthetic
from hypothesis import given, settings
from hypothesis import strategies as st
from pages import write_pairs
from terminal import run

import rewardbench
from rewardbench import evaluate
from rewardbench.comparison.ensemble import ensemble
from rewardbench.comparison.ensemble_rules import EnsembleRule, plurality_verdict, verdict_scores
from rewardbench.errors import InputError
from rewardbench.leaderboard.refresh import refresh
from rewardbench.leaderboard.submissions.checks import check, verdict_of
from rewardbench.leaderboard.submissions.submission import read_submission
from rewardbench.results import assemble, outputs_path, read_result
from rewardbench.results.scored import ModelScores, read_scored
from rewardbench.store import LocalStore
from rewardbench.types import Item, ItemScores, Rule, Suite

JUDGE = "Generative RM"


def suite_of(items, completions=2, credit="strict"):
    """Return a suite of `items` items, each with one right completion."""
    rows = [Item(f"i{number}", "all", (), ((),) * completions) for number in range(items)]
    return Suite("toy", "r1", tuple(rows), {"all": Rule("all", credit)})


def member(name, suite, table, reasons=(), model_type="Seq. Classifier"):
    """Return a result in memory from its scores: [items, completions]."""
    items = []
    for number, (item, row) in enumerate(zip(suite.items, table, strict=True)):
        reason = reasons[number] if reasons else None
        items.append(ItemScores(item.id, tuple(map(float, row)), reason))
    return ModelScores(name, suite, tuple(items), Path(f"{name}.json"), f"of-{name}", model_type=model_type)


def members_of(tables, suite):
    return [member(f"m{number}", suite, table) for number, table in enumerate(tables)]


def table_of(result):
    return np.array([item.scores for item in result.items])


# Scalar rules


@st.composite
def tables(draw):
    """Draw scores: [members, items, completions]; no member's scores are all the same."""
    shape = draw(st.tuples(st.integers(2, 5), st.integers(2, 6), st.integers(2, 4)))
    seed, scale = draw(st.integers(0, 2**32 - 1)), draw(st.sampled_from([1e-3, 1.0, 1e4]))
    generator = np.random.default_rng(seed)
    return generator.normal(size=shape) * scale * generator.uniform(0.1, 10, (shape[0], 1, 1))


@given(tables(), st.booleans(), st.floats(0, 10))
@settings(max_examples=15, deadline=None)
def test_scalar_rules_equal_numpy(scores, standardize, penalty):
    suite = suite_of(*scores.shape[1:])
    members = members_of(scores, suite)
    if standardize:
        scores = (scores - scores.mean((1, 2), keepdims=True)) / scores.std((1, 2), keepdims=True)
    expected = {
        "mean": scores.mean(0),
        "min": scores.min(0),
        "mean-variance": scores.mean(0) - penalty * scores.var(0),
    }
    for name, table in expected.items():
        rule = EnsembleRule(name, penalty if name == "mean-variance" else None, standardize)
        np.testing.assert_allclose(table_of(ensemble(members, rule).result), table, rtol=1e-12, atol=1e-12)


def test_the_default_penalty_is_1_and_the_variance_that_of_the_population():
    suite = suite_of(1)
    members = members_of([[[1.0, 5.0]], [[3.0, 5.0]]], suite)
    combined = ensemble(members, "mean-variance")
    assert combined.result.items[0].scores == (1.0, 5.0), "2 - 1 * 1; the sample variance would be 2"
    assert combined.result.manifest["fingerprint"]["penalty"] == 1.0
    assert ensemble(members, "mean-variance", penalty=0.5).result.items[0].scores == (1.5, 5.0)


def test_scores_are_standardised_over_the_completions_of_the_items_that_a_member_scored():
    suite = suite_of(4)
    first = [[1, 0], [2, 5], [0, 3], [4, 4]]
    second = [[10, 30], [nan, 50], [20, 20], [70, 0]]
    reasons = (None, "too long", None, None)
    combined = ensemble(
        [member("a", suite, first), member("b", suite, second, reasons)], "mean", standardize=True
    ).result
    a, b = np.array(first), np.array(second)[[0, 2, 3]]
    a, b = (a - a.mean()) / a.std(), (b - b.mean()) / b.std()
    np.testing.assert_allclose(table_of(combined)[[0, 2, 3]], (a[[0, 2, 3]] + b) / 2)
    assert all(map(isnan, combined.items[1].scores))


def test_an_item_is_unscored_if_a_member_has_no_score():
    suite = suite_of(3)
    members = [
        member("org/a", suite, [[nan, nan], [1, 0], [1, nan]], ("too long.", None, "broken")),
        member("b", suite, [[1, 0], [1, 0], [np.inf, 0]]),
    ]
    combined = ensemble(members, "min").result
    reasons = [item.reason for item in combined.items]
    assert reasons == [
        "org/a has no score: too long",
        None,
        "b has no score: score is infinite; org/a has no score: broken",
    ]
    assert combined.accuracy.unscored == 2
    assert combined.score.value == pytest.approx(1 / 3), "no credit without a score"
    assert any("Unscored: 1 × org/a has no score: too long" in note for note in combined.manifest["notes"])


def test_scores_beyond_the_range_of_a_float_are_unscored():
    suite = suite_of(2)
    members = members_of([[[1e308, 0], [1, 0]], [[1.5e308, 0], [1, 0]]], suite)
    combined = ensemble(members).result
    assert [item.reason for item in combined.items] == ["score is infinite", None]


def test_a_note_recommends_to_standardise_if_scales_differ():
    suite = suite_of(3)
    small = [[0.1, 0.2], [0.3, 0.1], [0.2, 0.2]]
    wide = [[10, -20], [30, 1], [-20, 5]]
    members = [member("small", suite, small), member("wide", suite, wide)]

    def recommends(**options):
        return any("pass --standardize" in note for note in ensemble(members, **options).result.manifest["notes"])

    assert recommends()
    assert not recommends(standardize=True)


# Votes

R, W, E = (1.0, 0.0), (0.0, 1.0), (nan, nan)
"""Verdicts of a judge on a pair: right, wrong, and an answer that could not be parsed."""
T = (0.5, 0.5)
"""The verdict of a judge that prefers another response in each order."""

POLL = {
    "all are right": ((R, R, R), 1, 1),
    "two are right": ((R, W, R), 1, 1),
    "two are wrong": ((W, R, W), 0, 0),
    "two are right, one fails": ((R, E, R), 1, 1),
    "two are wrong, one fails": ((E, W, W), 0, 0),
    "one is right, two fail": ((R, E, E), 0.5, 0),
    "one is wrong, two fail": ((E, E, W), 0.5, 0),
    "all fail": ((E, E, E), 0.5, 0),
    "one of each": ((R, W, E), 0.5, 0),
    "two depend on the order": ((T, R, T), 0.5, 0),
    "a tie against a failure": ((T, E, W), 0.5, 0),
}
"""Verdicts of three judges; the credit by rewardbench 0.1 (of `one of each`: see plurality_verdict), and ours."""


def judges(columns, suite):
    """Return judges from their verdicts: [items, judges]."""
    results = []
    for number, verdicts in enumerate(zip(*columns, strict=True)):
        reasons = ["no verdict in the answer" if isnan(verdict[0]) else None for verdict in verdicts]
        results.append(member(f"judge-{number}", suite, verdicts, reasons, JUDGE))
    return results


@pytest.mark.parametrize(("rule", "column"), [("plurality-rewardbench", 1), ("majority", 2)])
def test_votes_equal_the_rule_on_a_hand_made_table(rule, column):
    suite = suite_of(len(POLL))
    combined = ensemble(judges([row[0] for row in POLL.values()], suite), rule)
    for item, single in zip(combined.result.items, combined.suite.items, strict=True):
        verdicts = list(POLL)[int(item.id[1:])]
        subset = replace(combined.suite, items=(single,))
        value = assemble(subset, "m", "", [item], {}).accuracy.value
        assert value == POLL[verdicts][column], verdicts
    assert combined.result.accuracy.value == pytest.approx(np.mean([row[column] for row in POLL.values()]))
    assert combined.result.model_type == "Generative RM PoLL"
    assert combined.result.model == f"ensemble/{rule}(judge-0, judge-1, judge-2)"


def test_a_majority_leaves_items_unscored_only_where_a_failure_prevents_it():
    suite = suite_of(len(POLL))
    combined = ensemble(judges([row[0] for row in POLL.values()], suite), "majority").result
    scores = dict(zip(POLL, combined.items, strict=True))
    assert scores["two are right"].scores == (2 / 3, 1 / 3)
    assert scores["two are right, one fails"].scores == (2 / 3, 0)
    assert scores["two depend on the order"].scores == (0.5, 0.5)
    assert scores["one of each"].reason == "no majority: judge-2 has no score: no verdict in the answer"
    unscored = {name for name, item in scores.items() if item.reason}
    fails = {name for name, row in POLL.items() if any(verdict is E for verdict in row[0])}
    assert unscored == fails - {"two are right, one fails", "two are wrong, one fails"}
    assert (combined.accuracy.ties, combined.accuracy.unscored) == (1, len(unscored))
    notes = " ".join(combined.manifest["notes"])
    assert "judge-1 casts no vote on 5 items" in notes
    assert f"no winner on {1 + len(unscored)} of {len(POLL)} items" in notes


@pytest.mark.parametrize("count", [3, 5])
def test_plurality_equals_the_vote_of_rewardbench_wherever_that_is_defined(count):
    """rewardbench 0.1: the most frequent of the texts A, B and error, in a set whose order is random by process."""
    for votes in product(("A", "B", "error"), repeat=count):
        verdict, is_defined = plurality_verdict([{"A": 0, "B": 1, "error": None}[vote] for vote in votes])
        winners = multimode(votes)
        assert is_defined == (len(winners) == 1)
        expected = {"A": 1.0, "B": 0.0, "error": 0.5}[winners[0] if is_defined else "error"]
        assert verdict_scores(verdict, 2)[0] == expected
        if is_defined:
            assert max(set(votes), key=votes.count) == winners[0]


def test_a_failure_never_raises_the_credit_of_a_majority():
    suite = suite_of(1, 4, "best_of_n")
    picks = [tuple(float(index == pick) for index in range(4)) for pick in range(3)] + [(nan,) * 4]
    for votes in product(range(3), repeat=3):
        before = ensemble(judges([[picks[vote] for vote in votes]], suite), "majority").result.score.value
        for failing in range(3):
            verdicts = [picks[3 if number == failing else vote] for number, vote in enumerate(votes)]
            if all(isnan(verdict[0]) for verdict in verdicts):
                continue
            try:
                after = ensemble(judges([verdicts], suite), "majority").result.score.value
            except InputError:  # nothing is scored
                after = 0.0
            assert after <= before


def test_one_of_four_is_decided_by_votes():
    suite = suite_of(3, 4, "best_of_n")
    a, b, c, d = np.eye(4)
    table = [[a, a, b], [a, b, c], [d, d, a]]
    members = judges(table, suite)
    majority = ensemble(members, "majority").result
    assert [item.scores for item in majority.items] == [(2 / 3, 1 / 3, 0, 0), (0.25,) * 4, (1 / 3, 0, 0, 2 / 3)]
    plurality = ensemble(members, "plurality-rewardbench").result
    assert [item.scores for item in plurality.items] == [(1, 0, 0, 0), (0.25,) * 4, (0, 0, 0, 1)]
    assert plurality.accuracy.value == pytest.approx(1.25 / 3)


def test_votes_of_reward_models_are_no_panel_of_judges():
    suite = synthetic.singles(10)
    members = [member(name, suite, [s.scores for s in synthetic.scores(suite, 0.6, n)]) for n, name in enumerate("abc")]
    assert ensemble(members, "majority").result.model_type == "Ensemble"


def test_plurality_counts_by_accuracy_since_rewardbench_has_no_mirrors():
    suite = synthetic.mirrors(10)
    members = [member(name, suite, [s.scores for s in synthetic.scores(suite, 0.7, n)]) for n, name in enumerate("abc")]
    assert ensemble(members, "majority").result.mirrors
    combined = ensemble(members, "plurality-rewardbench")
    assert not combined.result.mirrors
    assert combined.result.score.value == pytest.approx(combined.result.accuracy.value)


# Which results can be members


def stored(folder, suite, name, seed=0):
    return synthetic.store(folder, suite, synthetic.scores(suite, 0.7, seed), name)


def change_rows(path, change):
    """Store a result again with other rows."""
    rows = [json.loads(line) for line in outputs_path(path).read_text().splitlines()]
    target = path.with_name(f"changed-{path.stem}_outputs.jsonl")
    target.write_text("".join(json.dumps(row) + "\n" for row in change(rows)))
    return target


SUITE = synthetic.singles(10)
REJECTED = {
    "one result": (lambda a, b: [a], {}, r"at least 2 members, but there is .*a\.json"),
    "the same result twice": (lambda a, b: [a, b, a], {}, r"a\.json and .*a\.json are results of the same model"),
    "an even number of votes": (lambda a, b: [a, b], {"rule": "majority"}, r"odd number .*a\.json, .*b\.json are 2"),
    "an even number of rewardbench votes": (lambda a, b: [a, b], {"rule": "plurality-rewardbench"}, "odd number"),
    "a penalty of another rule": (lambda a, b: [a, b], {"penalty": 1.0}, "pass --rule mean-variance"),
    "a negative penalty": (lambda a, b: [a, b], {"rule": "mean-variance", "penalty": -1.0}, "of at least 0"),
    "a penalty that is no number": (lambda a, b: [a, b], {"rule": "mean-variance", "penalty": nan}, "of at least 0"),
    "standardised votes": (lambda a, b: [a, b], {"rule": "majority", "standardize": True}, "counts votes: leave it"),
    "an empty name": (lambda a, b: [a, b], {"name": " "}, "--name is empty"),
    "a reserved name": (lambda a, b: [a, b], {"name": "verdicts/x"}, "uses that name"),
    "a missing file": (lambda a, b: [a, "none.json"], {}, "none.json"),
    "an item less": (
        lambda a, b: [a, change_rows(b, lambda rows: rows[1:])],
        {},
        r"a\.json and .*changed-b.*1 items are in only one",
    ),
    "another number of completions": (
        lambda a, b: [a, change_rows(b, lambda rows: [rows[0] | {"scores": [1, 0, 0]}, *rows[1:]])],
        {},
        r"a\.json and .*changed-b.* their completions differ",
    ),
    "another revision": (
        lambda a, b: [a, stored(a.parent, synthetic.singles(10, "r2"), "c", 3)],
        {},
        r"a\.json is of toy@r1 and .*c\.json of toy@r2",
    ),
    "constant scores": (
        lambda a, b: [a, synthetic.store(a.parent, SUITE, [ItemScores(i.id, (2.0, 2.0)) for i in SUITE.items], "c")],
        {"standardize": True},
        r"c\.json cannot be standardised: all its scores are the same",
    ),
    "no item with every score": (
        lambda a, b: [
            a,
            synthetic.store(a.parent, SUITE, [ItemScores(i.id, (nan, nan), "x") for i in SUITE.items], "c"),
        ],
        {},
        "None of the 10 items of .* has a score of the ensemble; the first, chat-0a: c has no score: x",
    ),
}


@pytest.mark.parametrize("case", REJECTED)
def test_results_that_cannot_be_combined_are_rejected(tmp_path, case):
    choose, options, message = REJECTED[case]
    a, b = stored(tmp_path, SUITE, "a", 1), stored(tmp_path, SUITE, "b", 2)
    with pytest.raises(InputError, match=message):
        ensemble(choose(a, b), **options)


def test_items_with_several_right_completions_have_no_votes():
    items = (Item("tied:1", "ties", (), ((),) * 3, num_correct=2), Item("ref:1", "ties", (), ((),) * 3))
    suite = Suite("toy", "r1", items, {"ties": Rule("Ties", "ties")})
    members = members_of([[[3, 2, 1], [2, 1, 1]], [[3, 1, 2], [2, 1, 1]], [[1, 2, 3], [2, 1, 1]]], suite)
    with pytest.raises(InputError, match=r"m0\.json, item 'tied:1', has 2 right completions of 3.*use --rule mean"):
        ensemble(members, "majority")
    assert ensemble(members, "mean").result.items[0].scores == pytest.approx((7 / 3, 5 / 3, 2))


def test_labelled_steps_are_not_combined():
    items = (Item("s", "all", (), ((),), num_correct=0, first_error=1),)
    suite = Suite("steps", "r1", items, {"all": Rule("all", "first_error")})
    with pytest.raises(InputError, match=r"m0\.json is of steps, which labels steps"):
        ensemble(members_of([[[0.5]], [[0.4]]], suite))


def test_files_of_rewardbench_0_1_are_members_by_their_scores(tmp_path):
    """Files without a suite and a fingerprint: items are paired by id, and the same scores count once."""

    def write(name, shares):
        path = tmp_path / name
        rows = {"id": [f"i{n}" for n in range(len(shares))], "subset": ["x"] * len(shares), "results": shares}
        path.write_text(json.dumps({"model": name.removesuffix(".json"), "model_type": JUDGE, **rows}))
        return path

    paths = [write("j1.json", [1, 0, 1, 0.5]), write("j2.json", [1, 1, 0, 0]), write("j3.json", [0, 1, 0, 1])]
    combined = ensemble(paths, "majority")
    assert [item.scores[0] for item in combined.result.items] == [2 / 3, 2 / 3, 1 / 3, 0.5]
    assert combined.result.model_type == "Generative RM PoLL"
    with pytest.raises(InputError, match="results of the same model"):
        ensemble([*paths, write("j4.json", [1, 0, 1, 0.5]), write("j5.json", [0, 0, 0, 0])], "majority")


# The stored result


@pytest.mark.parametrize("rule", ["mean", "min", "mean-variance", "majority", "plurality-rewardbench"])
def test_the_order_of_the_members_does_not_matter(tmp_path, rule):
    suite = synthetic.mirrors(6)
    paths = [stored(tmp_path, suite, name, seed) for seed, name in enumerate(("org/b", "c", "a"))]
    contents = set()
    for number, ordered in enumerate(permutations(paths)):
        written = Path(ensemble(ordered, rule).save(tmp_path / f"{number}"))
        contents.add((written.name, written.read_bytes(), outputs_path(written).read_bytes()))
    assert len(contents) == 1
    assert read_result(written).model == f"ensemble/{rule}(a, c, org--b)"


def test_the_fingerprint_holds_rule_parameters_and_members(tmp_path):
    suite = synthetic.singles(10)
    a, b, c = (stored(tmp_path, suite, name, seed) for seed, name in enumerate("abc"))
    combined = [
        ensemble([a, b]),
        ensemble([a, c]),
        ensemble([a, b, c]),
        ensemble([a, b], "min"),
        ensemble([a, b], standardize=True),
        ensemble([a, b], "mean-variance"),
        ensemble([a, b], "mean-variance", penalty=2.0),
    ]
    assert len({each.result.manifest["fingerprint_sha256"] for each in combined}) == len(combined)
    assert combined[0].result.manifest["fingerprint"] == {
        "kind": "Ensemble",
        "rule": "mean",
        "standardize": False,
        "members": ["a", "b"],
    }
    renamed = ensemble([a, b], name="mine").result.manifest
    assert renamed["fingerprint_sha256"] == combined[0].result.manifest["fingerprint_sha256"]


def test_a_stored_ensemble_is_read_back(tmp_path, capsys):
    suite = synthetic.mirrors(20)
    paths = [stored(tmp_path, suite, name, seed) for seed, name in enumerate("abc")]
    combined = ensemble(paths, "majority", name="org/panel")
    path = Path(combined.save(tmp_path))
    assert path == tmp_path / "org" / "panel.json"
    assert read_result(path).score == combined.result.score
    scored = read_scored(path)
    assert [item.scores for item in scored.items] == [item.scores for item in combined.result.items]
    assert scored.suite.items[0].completions[0][0]["content"] == "<user>Question 0a of Chat?<bot>right 0"
    code, out, _ = run(capsys, "show", path, "--errors", "--limit", 1, "--json")
    (shown,) = json.loads(out)["shown"]
    assert (code, [text[:11] for text in shown["completions"]]) == (0, ["<bot>right ", "<bot>wrong "])
    code, out, _ = run(capsys, "compare", paths[0], path, "--json")
    assert (code, json.loads(out)["score"]["second"]) == (0, combined.result.score.value)
    (row,) = (row for row in refresh(LocalStore(tmp_path)).rows if row.model == "org/panel")
    assert (row.score.value, row.badge, row.note) == (combined.result.score.value, "recomputed", "")
    assert row.model_type == "Ensemble"
    assert verdict_of(check(read_submission(path), suite)) == "passed"


def test_a_mean_is_noted_as_a_mixture_of_its_stated_members(tmp_path):
    suite = synthetic.singles(300)
    paths = [stored(tmp_path, suite, name, seed) for seed, name in enumerate("abc")]
    path = ensemble(paths, name="org/mean").save(tmp_path)
    (finding,) = check(read_submission(Path(path)), suite, list(map(read_scored, paths)))
    assert finding.kind == "noted"
    assert finding.message.endswith("which its manifest states as members: it has no rank of its own")
    shares = r"are a mixture of 3\d% . and 3\d% . and 3\d% . plus noise \(typical correlation 1\.0"
    assert re.search(shares, finding.message)


def test_members_are_measured_beside_the_ensemble(tmp_path):
    suite = synthetic.mirrors(30)
    paths = [
        synthetic.store(tmp_path, suite, synthetic.scores(suite, share, 5), name)
        for name, share in (("a", 0.6), ("b", 0.9), ("c", 0.7))
    ]
    combined = ensemble(paths)
    for path, figures in zip(paths, combined.members, strict=True):
        result = read_result(path)
        assert (figures.path, figures.score, figures.accuracy) == (path, result.score, result.accuracy)
    comparison = combined.comparison
    assert (comparison.first, comparison.second) == ("b", "ensemble/mean(a, b, c)")
    stored_path = combined.save(tmp_path)
    assert rewardbench.compare(paths[1], stored_path).score == comparison.score


def test_results_in_memory_are_members():
    rows = [{"id": str(n), "prompt": f"{n}?", "chosen": "a" * n, "rejected": "b" * (6 - n)} for n in range(1, 6)]
    results = [evaluate(f"baseline/{name}", rows) for name in ("longest", "shortest", "random")]
    combined = rewardbench.ensemble(results, "mean")
    scores = [table_of(result) for result in results]
    np.testing.assert_allclose(table_of(combined.result), np.mean(scores, 0))


# The command


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with 40 pairs and the results of three models on them."""
    place = tmp_path_factory.mktemp("members")
    write_pairs(place / "pairs.jsonl")
    for model in ("tiny-rm", "baseline/longest", "baseline/random"):
        evaluate(model, str(place / "pairs.jsonl"), cache=False).save(place / "results")
    return place / "results"


NAMES = ("tiny-rm.json", "baseline/longest.json", "baseline/random.json")


@pytest.mark.parametrize(
    ("rule", "options"),
    [("mean", ["--standardize"]), ("min", []), ("mean-variance", ["--penalty", "0.5"]), ("majority", [])],
)
def test_the_command_combines_results_of_real_models(folder, tmp_path, capsys, rule, options):
    paths = [folder / name for name in NAMES]
    arguments = ["ensemble", *paths, "--rule", rule, *options, "--output_dir", tmp_path]
    code, out, err = run(capsys, *arguments)
    assert (code, err) == (0, "")
    values = dict(line.split("=", 1) for line in out.splitlines() if "=" in line and not line.startswith("note"))
    name = f"ensemble/{rule}(baseline--longest, baseline--random, tiny-rm)"
    assert out.startswith(f"{name} (Ensemble) on pairs.jsonl@")
    result = read_result(values["results"])
    assert values["results"] == str(tmp_path / f"{name}.json")
    assert values["score"] == f"{result.score.value:.4f}"
    scores = np.array([table_of(read_result(path)) for path in paths])
    if rule == "majority":
        shares = (scores[..., 0] > scores[..., 1]).mean(0)
        np.testing.assert_allclose(table_of(result)[:, 0], shares)
    else:
        if options == ["--standardize"]:
            scores = (scores - scores.mean((1, 2), keepdims=True)) / scores.std((1, 2), keepdims=True)
        expected = {"mean": scores.mean(0), "min": scores.min(0), "mean-variance": scores.mean(0) - 0.5 * scores.var(0)}
        np.testing.assert_allclose(table_of(result), expected[rule], rtol=1e-12)
    for path in paths:
        member_result = read_result(path)
        assert values[f"member.{member_result.model}"] == f"{member_result.score.value:.4f}"
    best = max(map(read_result, paths), key=lambda each: each.score.value)
    assert values["best_member"] == best.model
    difference = result.score.value - best.score.value
    assert float(values["difference"]) == pytest.approx(difference, abs=1e-4)
    assert "than its best member" in out or "from its best member" in out


def test_json_has_the_figures_of_the_table(folder, tmp_path, capsys):
    paths = [folder / name for name in NAMES]
    arguments = ["ensemble", *paths, "--name", "org/mean", "--output_dir", tmp_path]
    _, out, _ = run(capsys, *arguments)
    code, printed, err = run(capsys, *arguments, "--json")
    assert (code, err) == (0, "")
    answer = json.loads(printed)
    values = dict(line.split("=", 1) for line in out.splitlines() if "=" in line)
    assert answer["results"] == values["results"] == str(tmp_path / "org" / "mean.json")
    assert f"{answer['score']['value']:.4f}" == values["score"]
    for figures in answer["members"]:
        assert f"{figures['score']['value']:.4f}" == values[f"member.{figures['model']}"]
    best = answer["best_member"]
    assert (best["model"], f"{best['difference']:.4f}") == (values["best_member"], values["difference"])
    assert f"{best['low']:.4f}" == values["difference_low"]


def test_nothing_is_written_for_results_that_cannot_be_combined(folder, tmp_path, capsys):
    place = tmp_path / "new"
    paths = [folder / name for name in NAMES[:2]]
    for options, message in (
        (["--rule", "majority"], "needs an odd number of members"),
        (["--penalty", "2"], "pass --rule mean-variance"),
        (["--output_dir", "hf://datasets/org/x"], "pass a local --output_dir"),
    ):
        code, out, err = run(capsys, "ensemble", *paths, "--output_dir", place, *options)
        assert (code, out, message in err, err.count("\n")) == (2, "", True, 1)
    assert not place.exists()


def test_a_stored_ensemble_of_real_models_is_verified(folder, tmp_path, capsys):
    data = ["--dataset", folder.parent / "pairs.jsonl"]
    path = ensemble([folder / name for name in NAMES], standardize=True, name="org/mean").save(tmp_path)
    code, out, _ = run(capsys, "verify", path, *data)
    assert (code, "verdict=passed" in out) == (0, True)
    code, out, _ = run(capsys, "index", tmp_path)
    assert (code, "org/mean" in out) == (0, True)
