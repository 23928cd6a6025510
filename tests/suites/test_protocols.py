"""RM-Bench, JudgeBench and RMB in their published formats, on hand-made tables."""

import json

import pytest

from rewardbench.errors import InputError
from rewardbench.metrics import measure, summarize
from rewardbench.suites import load_suite
from rewardbench.suites.protocols import both_orders
from rewardbench.types import ItemScores


def write(tmp_path, *rows):
    path = tmp_path / "rows.json"
    path.write_text(json.dumps(rows))
    return str(path)


def rm_bench(id, domain="chat"):
    styles = ("concise", "plain", "markdown")
    chosen, rejected = ([f"{side} {id} {style}" for style in styles] for side in ("right", "wrong"))
    return {"id": id, "prompt": f"Question {id}?", "domain": domain, "chosen": chosen, "rejected": rejected}


def test_rm_bench_levels_are_below_on_and_above_the_diagonal(tmp_path):
    suite = load_suite(write(tmp_path, rm_bench("p")), protocol="rm-bench")
    assert len(suite.items) == 9
    # right: 3, 2, 1 by style; wrong: 0, 2.5, 4. Row by row: 3>0 3>2.5 3<4 | 2>0 2<2.5 2<4 | 1>0 1<2.5 1<4
    score = dict(zip(("right p concise", "right p plain", "right p markdown"), (3, 2, 1), strict=True))
    score |= dict(zip(("wrong p concise", "wrong p plain", "wrong p markdown"), (0, 2.5, 4), strict=True))
    item_scores = [
        ItemScores(item.id, tuple(float(score[completion[0]["content"]]) for completion in item.completions))
        for item in suite.items
    ]
    means = {name: mean.value for name, mean in measure(suite, item_scores).section_means("pair").items()}
    # easy: (plain, concise) 2>0, (markdown, concise) 1>0, (markdown, plain) 1<2.5; normal: 3>0, 2<2.5, 1<4
    # hard: (concise, plain) 3>2.5, (concise, markdown) 3<4, (plain, markdown) 2<4
    assert means == pytest.approx({"Easy": 2 / 3, "Normal": 1 / 3, "Hard": 1 / 3})
    assert summarize(suite, item_scores).score.value == pytest.approx(4 / 9)


def test_rm_bench_sections_pool_domains_and_cluster_prompts(tmp_path):
    suite = load_suite(write(tmp_path, rm_bench("p"), rm_bench("q", "math")), protocol="rm-bench")
    assert {item.group for item in suite.items} == {"p", "q"}
    item_scores = [ItemScores(item.id, (1.0, 0.0) if item.group == "p" else (0.0, 1.0)) for item in suite.items]
    estimates = summarize(suite, item_scores)
    assert {estimate.name: estimate.value for estimate in estimates.sections if estimate.n} == {
        "Easy": 0.5,
        "Normal": 0.5,
        "Hard": 0.5,
    }
    assert {estimate.name: estimate.value for estimate in estimates.subsets if estimate.n}["hard-math"] == 0


def test_rm_bench_rejects_rows_without_three_completions_per_side(tmp_path):
    incomplete = {"id": 7, "domain": "math", "chosen": ["a"], "rejected": ["b"]}
    with pytest.raises(InputError, match="the first of 9 is 7/concise-concise: it has no three chosen and three rej"):
        load_suite(write(tmp_path, incomplete), protocol="rm-bench")
    items = load_suite(write(tmp_path, rm_bench("p"), incomplete), protocol="rm-bench").items
    assert [item.problem is None for item in items] == [True] * 9 + [False] * 9
    assert [item.subset for item in items[9:]] == [item.subset.replace("chat", "math") for item in items[:9]]


def judge_bench(id, label, source):
    responses = {"response_A": f"A {id}", "response_B": f"B {id}"}
    return {"pair_id": id, "question": f"Q {id}?", "label": label, "source": source, **responses}


def test_judge_bench_reads_the_right_response_from_the_label(tmp_path):
    rows = [
        judge_bench("1", "A>B", "mmlu-pro-law"),
        judge_bench("2", "B>A", "livebench-math"),
        judge_bench("3", "B>A", "livecodebench"),
        judge_bench("4", "A>B", "livebench-reasoning"),
    ]
    suite = load_suite(write(tmp_path, *rows), protocol="judge-bench")
    assert [item.subset for item in suite.items] == ["Knowledge", "Math", "Coding", "Reasoning"]
    assert [item.completions[0][0]["content"] for item in suite.items] == ["A 1", "B 2", "B 3", "A 4"]
    right = {"1": True, "2": False, "3": True, "4": False}
    item_scores = [ItemScores(item.id, (float(right[item.id]), 0.5)) for item in suite.items]
    # weighed as the pairs of its gpt split are: (154 + 42) / 350
    assert summarize(suite, item_scores).score.value == pytest.approx((154 + 42) / 350)
    tie = judge_bench("5", "tie", "livecodebench")
    last = load_suite(write(tmp_path, *rows, tie), protocol="judge-bench").items[-1]
    assert (last.id, last.subset, last.problem) == ("5", "Coding", "its label is 'tie': it must be A>B or B>A")


@pytest.mark.parametrize(
    ("outcomes", "right", "consistent"),
    [
        ((1, 1), True, True),
        ((1, 0), True, False),
        ((0, 1), True, False),
        ((1, -1), False, False),
        ((-1, 1), False, False),
        ((0, 0), False, True),
        ((0, -1), False, False),
        ((-1, -1), False, True),
    ],
)
def test_judge_bench_sums_both_orders(outcomes, right, consistent):
    assert both_orders(outcomes) == (right, consistent)


def test_rmb_pairs_and_best_of_n(tmp_path):
    conversation = [{"role": "user", "content": "How?"}]
    pair = {"pair_uid": "p", "conversation_input": conversation, "category_path": "Harmlessness/x"}
    pair |= {"chosen": {"answer": "no"}, "reject": {"answer": "yes"}}
    best = {"bon_uid": "b", "conversation_input": conversation, "category_path": "Helpfulness/x"}
    best |= {"bon_best": {"answer": "best"}, "loser_list": [{"answer": "a"}, {"answer": "b"}]}
    pairs = load_suite(write(tmp_path, pair), protocol="rmb")
    assert (pairs.items[0].subset, len(pairs.items[0].completions)) == ("Harmlessness Pairwise", 2)
    bon = load_suite(write(tmp_path, best), protocol="rmb")
    assert (bon.items[0].subset, len(bon.items[0].completions)) == ("Helpfulness BoN", 3)
    for scores, value in (((3.0, 1.0, 2.0), 1.0), ((2.0, 1.0, 2.0), 0.0), ((2.0, 1.0, 3.0), 0.0)):
        assert summarize(bon, [ItemScores("b", scores)]).score.value == value
    with pytest.raises(InputError, match="pass --dataset FILE --protocol rmb"):
        load_suite("rmb")
