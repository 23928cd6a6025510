"""Planted biases of judges are recovered, with intervals that cover them; a judge without a bias has none."""

import random

import pytest

from rewardbench.engine.views import collect, expand
from rewardbench.metrics import judge_biases, model_family
from rewardbench.results import assemble
from rewardbench.types import Item, ItemScores, Rule, Suite

JUDGE = "openai/gpt-4o"


def message(text):
    return ({"role": "assistant", "content": text},)


def pairs(n, seed=0, groups=False):
    """Return items whose right response is, by chance, the longer or the shorter, and by one of two families."""
    draw = random.Random(seed)
    items = []
    for index in range(n):
        lengths = draw.sample((20, 80), 2)
        writers = draw.sample(("gpt-4-turbo", "claude-3-opus"), 2)
        items.append(
            Item(
                str(index),
                "pairs",
                (),
                tuple(message("x" * length) for length in lengths),
                group=f"g{index // 2}" if groups else "",
                meta={"chosen_model": writers[0], "rejected_model": writers[1]},
            )
        )
    return Suite("toy", "r1", tuple(items), {"pairs": Rule("Chat")})


def judge(suite, choose, seed=1, view="pairwise", orders=None):
    """Score a suite by a judge that chooses an index of the completions shown; return the biases by name."""
    draw = random.Random(seed)
    scored = []
    for item in suite.items:
        calls = []
        for call in expand(item, view, orders):
            index = choose(item, call.shown, draw)
            choices = [float(index == position) for position in range(len(call.shown))]
            calls.append(choices[0] if view == "pairwise" else tuple(choices))
        collected = collect(item, view, calls, orders=orders)
        scored.append(
            ItemScores(
                item.id,
                collected.scores,
                order_inconsistency=collected.order_inconsistency,
                position_bias=collected.position_bias,
            )
        )
    result = assemble(suite, JUDGE, "Generative RM", scored, {})
    return result, {bias.name: bias for bias in result.biases}


def prefers_first(share):
    """Return a judge that takes the first response of so many items in both orders, and the right one of the others."""

    def choose(item, shown, draw):
        is_biased = random.Random(item.id).random() < share
        return 0 if is_biased else shown.index(0)

    return choose


def test_a_planted_position_bias_is_recovered():
    result, biases = judge(pairs(2_000), prefers_first(0.3))
    assert result.order_inconsistency.value == pytest.approx(0.30, abs=0.03)
    bias = biases["position_bias"]
    assert bias.value == pytest.approx(0.15, abs=0.015)
    assert bias.low < 0.15 < bias.high
    assert bias.high - bias.low < 0.04
    assert bias.n == 2_000


def test_a_judge_that_always_says_a_earns_no_credit():
    result, biases = judge(pairs(200), lambda item, shown, draw: 0)
    assert (result.accuracy.value, result.order_inconsistency.value) == (0.0, 1.0)
    assert biases["position_bias"].value == 0.5
    assert 0.48 < biases["position_bias"].low <= 0.5
    assert biases["verbosity_preference"].value == biases["self_preference"].value == 0


def test_a_listwise_position_bias_is_measured_against_chance():
    completions = tuple(message("x" * length) for length in (10, 20, 30, 40))
    suite = Suite(
        "toy", "r1", tuple(Item(str(n), "s", (), completions) for n in range(50)), {"s": Rule("s", "best_of_n")}
    )
    _, biases = judge(suite, lambda item, shown, draw: 0, view="listwise")
    assert biases["position_bias"].value == pytest.approx(0.75)
    result, biases = judge(suite, lambda item, shown, draw: shown.index(0), view="listwise")
    assert (biases["position_bias"].value, result.order_inconsistency.value) == (0.0, 0.0)


def right_unless(depends):
    """Return a judge that is right with probability .9, or .6 on items for which `depends` is true."""

    def choose(item, shown, draw):
        is_right = draw.random() < (0.6 if depends(item) else 0.9)
        return shown.index(0 if is_right else 1)

    return choose


def is_shorter(item):
    return len(item.completions[0][0]["content"]) < len(item.completions[1][0]["content"])


def is_by_others(item):
    return item.meta["chosen_model"] == "claude-3-opus"


@pytest.mark.parametrize("groups", [False, True])
@pytest.mark.parametrize(
    ("name", "other", "depends"),
    [
        ("verbosity_preference", "self_preference", is_shorter),
        ("self_preference", "verbosity_preference", is_by_others),
    ],
)
def test_a_planted_preference_is_recovered_and_the_other_one_is_none(name, other, depends, groups):
    _, biases = judge(pairs(3_000, groups=groups), right_unless(depends), orders=1)
    planted, absent = biases[name], biases[other]
    assert planted.value == pytest.approx(0.3, abs=0.04)
    assert planted.low < 0.3 < planted.high
    assert absent.low < 0 < absent.high
    assert planted.n == absent.n == 3_000


@pytest.mark.parametrize(
    ("name", "choose", "truth"),
    [
        ("position_bias", lambda item, shown, draw: 0 if draw.random() < 0.2 else shown.index(0), 0.1),
        ("verbosity_preference", right_unless(is_shorter), 0.3),
        ("self_preference", right_unless(is_by_others), 0.3),
    ],
)
def test_intervals_cover(name, choose, truth):
    covered = 0
    for seed in range(100):
        _, biases = judge(pairs(100, seed, groups=True), choose, seed=seed, orders=1)
        covered += biases[name].low <= truth <= biases[name].high
    assert covered >= 88  # 95 of 100 are expected; fewer than 88 come of a nominal interval once in 500


def test_pairs_of_one_length_and_of_unknown_writers_give_no_estimate():
    items = tuple(Item(str(n), "s", (), (message("aa"), message("bb"))) for n in range(50))
    _, biases = judge(Suite("toy", "r1", items, {"s": Rule("s")}), prefers_first(0.5))
    assert list(biases) == ["position_bias"]


def test_too_few_items_on_one_side_give_no_estimate():
    _, biases = judge(pairs(12), prefers_first(0.0))
    assert list(biases) == ["position_bias"]


def test_unscored_items_are_left_out():
    suite = pairs(400)
    scored = [ItemScores(item.id, (float("nan"),) * 2, "no verdict") for item in suite.items[:200]]
    scored += [ItemScores(item.id, (1.0, 0.0), position_bias=0.0) for item in suite.items[200:]]
    biases = {bias.name: bias for bias in judge_biases(suite, scored, JUDGE)}
    assert {bias.n for bias in biases.values()} == {200}
    assert biases["verbosity_preference"].value == 0


def test_results_of_other_models_have_no_biases():
    suite = pairs(50)
    scored = [ItemScores(item.id, (1.0, 0.0)) for item in suite.items]
    assert assemble(suite, JUDGE, "Custom", scored, {}).biases == ()


def test_writers_may_be_listed_per_response():
    completions = tuple(message("x" * length) for length in (10, 20, 30))
    items = []
    for n in range(40):
        writers = ["gpt-4", "llama-2-7b"] if n % 2 else ["llama-2-7b", "llama-3-8b"]
        meta = {"chosen_model": ["Llama-3-8B"] if n % 2 else ["gpt-4o"], "rejected_model": writers}
        items.append(Item(str(n), "s", (), completions, meta=meta))
    suite = Suite("toy", "r1", tuple(items), {"s": Rule("s", "best_of_n")})
    scored = [ItemScores(item.id, (0.5, 0.9 if int(item.id) % 2 else 0.1, 0.1)) for item in items]
    biases = {bias.name: bias.value for bias in judge_biases(suite, scored, JUDGE)}
    assert biases["self_preference"] == 1.0


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("gpt-3.5-turbo-0125", "gpt"),
        ("openai/gpt-oss-120b", "gpt"),
        ("o3-mini", "gpt"),
        ("gpt4o", "gpt"),
        ("EleutherAI/gpt-j-6b", None),
        ("anthropic/claude-sonnet-4", "claude"),
        ("google/gemma-2-27b-it", "gemma"),
        ("gemini-1.5-pro", "gemini"),
        ("Llama-2-70b-chat", "llama"),
        ("meta-llama/Meta-Llama-3.1-70B-Instruct", "llama"),
        ("codellama/CodeLlama-34b-Instruct-hf", "llama"),
        ("Skywork/Skywork-Critic-Llama-3.1-8B", "llama"),
        ("TinyLlama-1.1B-Chat", None),
        ("openlm-research/open_llama_7b", None),
        ("Qwen/Qwen2.5-7B-Instruct", "qwen"),
        ("Qwen/QwQ-32B", "qwen"),
        ("mistralai/Mixtral-8x7B-Instruct-v0.1", "mistral"),
        ("deepseek-ai/DeepSeek-V3", "deepseek"),
        ("deepseek-ai/DeepSeek-R1-Distill-Llama-8B", None),
        ("alpaca-7b", None),
        ("vicuna-33b-v1.3", None),
        ("unknown", None),
        ("", None),
    ],
)
def test_families_are_read_from_names(name, family):
    assert model_family(name) == family
