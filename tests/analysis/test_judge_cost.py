"""judge-cost: closed forms, kappas by hand, usage from results and the ledger, and a judge behind a real server."""

import json
from dataclasses import replace
from math import isnan
from pathlib import Path

import numpy as np
import pytest
from fake_judge import Behaviour, FakeJudge
from judge_answers import choose

from rewardbench import Endpoint, JudgeSpec, evaluate
from rewardbench.analysis import judge_cost
from rewardbench.analysis.judge_cost.agreement import TIE, agreement_kappa, collect_decisions, error_consistency
from rewardbench.analysis.judge_cost.counts import CallLengths, flop_ratio, judge_tokens, ranking_calls
from rewardbench.analysis.judge_cost.figure import pareto_front
from rewardbench.analysis.judge_cost.usage import ledger_seconds, read_usage
from rewardbench.analysis.output import draw_report, write_report
from rewardbench.errors import InputError
from rewardbench.results.scored import ModelScores
from rewardbench.scorers.judge.answers import Answer
from rewardbench.scorers.judge.ledger import Ledger, RequestId
from rewardbench.settings import ModelSpec
from rewardbench.types import Item, ItemScores, Message, Suite

CASE = CallLengths(prompt=200, reply=300, instruction=200, output=150)
ROWS = [
    {"prompt": f"Question {n}?", "chosen": f"quality=0.{n + 4} yes", "rejected": f"quality=0.{n} no"} for n in range(5)
]


def scores_of(name, margins, groups=None):
    """Return the scores of a model on pairs with these margins."""
    items, scores = [], []
    for n, margin in enumerate(margins):
        group = groups[n] if groups else ""
        texts = tuple((Message(role="assistant", content=text),) for text in ("right", "wrong"))
        items.append(Item(f"i{n}", "all", (), texts, group=group))
        scores.append(ItemScores(f"i{n}", (margin, 0.0)))
    return ModelScores(name, Suite("pairs", "1", items, {}), tuple(scores), Path(f"{name}.json"))


def test_the_closed_forms_are_those_of_the_case():
    assert flop_ratio(CASE) == pytest.approx(1.15, abs=1e-9)
    assert flop_ratio(CASE, orders=2) == pytest.approx(2.30, abs=1e-9)
    assert flop_ratio(CASE, 1, judge_parameters=70e9, reward_parameters=7e9) == pytest.approx(11.5)
    assert judge_tokens(CASE, replies=4) == 200 + 200 + 1200 + 150
    assert ranking_calls(3, 10, "pairwise", orders=1) == 30
    assert ranking_calls(2, 1, "pairwise") == 2


def test_kappa_is_that_of_a_table_by_hand():
    first = np.array([0] * 6 + [1] * 4)
    second = np.array([0] * 5 + [1] + [0] + [1] * 3)
    share, kappa = agreement_kappa(first, second, np.full(10, 2), np.arange(10))
    assert share.value == pytest.approx(0.8)
    assert kappa.value == pytest.approx(0.6)
    (consistency,) = error_consistency(first == 0, second == 0, np.arange(10))
    assert consistency.value == pytest.approx((0.8 - 0.52) / 0.48)
    assert kappa.low < kappa.value < kappa.high


def test_ties_are_decisions_that_chance_repeats():
    decisions = np.array([TIE, TIE, 0, 1])
    _, kappa = agreement_kappa(decisions, decisions, np.full(4, 2), np.arange(4))
    assert kappa.value == pytest.approx(1.0)
    _, kappa = agreement_kappa(np.array([TIE, 0, 0, 1]), np.array([0, TIE, 0, 1]), np.full(4, 2), np.arange(4))
    chance = 0.25 * 0.25 + 0.75 * 0.75 / 2
    assert kappa.value == pytest.approx((0.5 - chance) / (1 - chance))
    share, kappa = agreement_kappa(np.full(4, TIE), np.full(4, TIE), np.full(4, 2), np.arange(4))
    assert share.value == 1.0
    assert isnan(kappa.value)


def test_models_that_decide_nothing_have_no_kappa(tmp_path):
    report = judge_cost.analyze([scores_of("a", [0.0] * 4), scores_of("b", [0.0] * 4)], judge_cost.JudgeCostOptions())
    assert "their decisions are all ties, so nothing is known of their agreement" in report.sentence
    assert "at an unknown multiple of its tokens" in report.sentence
    assert "nan" not in report.sentence
    draw_report(report, tmp_path / "cost.png")


def test_clusters_widen_the_interval():
    random = np.random.default_rng(0)
    first = np.repeat(random.integers(0, 2, 60), 5)
    second = np.repeat(random.integers(0, 2, 60), 5)
    counts = np.full(300, 2)
    _, items = agreement_kappa(first, second, counts, np.arange(300))
    _, clusters = agreement_kappa(first, second, counts, np.repeat(np.arange(60), 5))
    assert clusters.high - clusters.low > 1.8 * (items.high - items.low)


def test_items_without_one_right_completion_or_scores_are_skipped():
    models = [scores_of("a", [1.0, -1.0, 0.0, float("nan"), 2.0]), scores_of("b", [1.0, 1.0, 1.0, 1.0, 1.0])]
    decisions = collect_decisions(models)
    assert decisions.chosen.tolist() == [[0, 1, TIE, 0], [0, 0, 0, 0]]
    assert decisions.skipped == 1


def test_the_front_has_no_model_that_another_beats():
    assert pareto_front([1, 1, 5, 3], [0.6, 0.7, 0.9, 0.65]) == [1, 2]
    assert pareto_front([], []) == []


def test_a_judge_behind_a_server_is_compared_with_a_reward_model(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "any")
    monkeypatch.setenv("REWARDBENCH_CACHE", str(tmp_path / "scores.sqlite"))
    with FakeJudge(Behaviour(decide=choose())) as server:
        spec = JudgeSpec(protocol="choice", endpoint=Endpoint(base_url=server.base_url))
        judge = evaluate("judge", ROWS, judge=spec)
    reward = evaluate("baseline/longest", ROWS)
    options = judge_cost.JudgeCostOptions(
        systems=4,
        prompts=3,
        input_price=1.0,
        output_price=2.0,
        parameters=("judge=1e9",),
        seconds=("judge=5", "baseline/longest=2"),
    )
    report = judge_cost.analyze([reward, judge], options)
    values = report.values
    assert values["second"] == "judge (choice)"
    assert values["second_accuracy"] == 1.0
    assert values["second_label_kappa"] == 1.0
    assert values["first_ranking_calls"] == 12
    assert values["second_ranking_calls"] == 36
    row = dict(zip(report.tables[1].columns, report.tables[1].rows[1], strict=True))
    assert row["tokens"] == round(1000 * (server.prompt_tokens + server.completion_tokens) / 5)
    assert row["dollars"] == pytest.approx(1000 * server.cost(1.0, 2.0) / 5)
    assert row["seconds"] == 1000.0
    assert values["seconds_ratio"] == 2.5
    files = write_report(report, tmp_path / "out", {})
    assert Path(files["figure"]).stat().st_size > 10_000
    assert "nan" not in json.dumps(report.to_json()["details"]).lower()


def test_the_ledger_gives_the_time_of_a_run_without_pauses(tmp_path):
    times = iter([0.0, 2.0, 4.0, 1000.0, 1002.0])
    with Ledger(tmp_path / "answers.sqlite", clock=lambda: next(times)) as ledger:
        for number in range(5):
            ledger.store(RequestId("local/v1", "judge", b"%d" % number), Answer("A"))
    assert ledger_seconds(tmp_path / "answers.sqlite", "judge", 10) == pytest.approx(20.0)
    assert ledger_seconds(tmp_path / "answers.sqlite", "other", 10) is None
    assert ledger_seconds(tmp_path / "missing.sqlite", "judge", 10) is None


def test_the_time_of_a_sample_is_scaled_to_the_run(monkeypatch):
    result = evaluate("baseline/longest", ROWS)
    monkeypatch.setattr(judge_cost.report, "measure_seconds", lambda spec, items: float(len(items)))
    options = judge_cost.JudgeCostOptions(model=ModelSpec("baseline/longest"), time_items=2)
    report = judge_cost.analyze([result, scores_with(result, "other")], options)
    row = dict(zip(report.tables[1].columns, report.tables[1].rows[0], strict=True))
    assert row["seconds"] == pytest.approx(1000)  # a second an item


def test_the_time_of_a_model_is_measured_here():
    result = evaluate("baseline/longest", ROWS)
    options = judge_cost.JudgeCostOptions(model=ModelSpec("baseline/longest"), time_items=3, hour_price=2.0)
    report = judge_cost.analyze([result, scores_with(result, "other")], options)
    row = dict(zip(report.tables[1].columns, report.tables[1].rows[0], strict=True))
    assert row["seconds"] > 0
    assert row["dollars"] == pytest.approx(row["seconds"] * 2 / 3600)


def scores_with(result, name):
    return replace(result.to_model_scores(), model=name, path=Path(f"{name}.json"))


def test_a_result_without_a_manifest_has_no_usage():
    scored = scores_of("a", [1.0, 2.0])
    usage = read_usage(scored, scored)
    assert (usage.tokens, usage.flops, usage.kind, usage.decisions) == (None, None, "reward model", 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"parameters": ("a",)}, "--parameters a is not MODEL=NUMBER"),
        ({"seconds": ("a=-1",)}, "--seconds a=-1 is not MODEL=NUMBER"),
        ({"seconds": ("c=1",)}, "No result is of the model 'c': the models are a, b."),
        ({"cost": "dollars"}, "The dollars of a are unknown: pass --input_price"),
    ],
)
def test_unfit_options_are_rejected(options, message):
    models = [scores_of("a", [1.0, 2.0, -1.0]), scores_of("b", [1.0, 1.0, 1.0])]
    with pytest.raises(InputError, match=message):
        judge_cost.analyze(models, judge_cost.JudgeCostOptions(**options))


@pytest.mark.parametrize(
    ("models", "message"),
    [
        ([scores_of("a", [1.0])], "at least two results"),
        ([scores_of("a", [1.0]), scores_of("b", [1.0])], "Fewer than 2 items"),
        ([scores_of("a", [1.0, 2.0]), scores_of("b", [1.0])], "cannot be paired"),
        ([scores_of("a", [float("nan")] * 3), scores_of("b", [1.0] * 3)], "Fewer than 2 items"),
    ],
)
def test_unfit_results_are_rejected(models, message):
    with pytest.raises(InputError, match=message):
        judge_cost.analyze(models, judge_cost.JudgeCostOptions())


def test_selftest_counts_exactly():
    report = judge_cost.selftest(3)
    assert report.values["token_mismatch"] == 0
    assert report.values["flop_ratio_swap"] == pytest.approx(2.30)


@pytest.mark.slow
def test_selftest_keeps_its_bars():
    assert judge_cost.selftest().missed() == []


@pytest.mark.slow
def test_a_hundred_thousand_items_are_quick():
    import time

    random = np.random.default_rng(0)
    groups = [f"g{n // 2}" for n in range(100_000)]
    models = [scores_of(name, random.normal(size=100_000).tolist(), groups) for name in "ab"]
    start = time.perf_counter()
    report = judge_cost.analyze(models, judge_cost.JudgeCostOptions())
    assert time.perf_counter() - start < 60
    assert abs(report.values["kappa"]) < 0.03
