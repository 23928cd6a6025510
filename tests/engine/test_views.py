"""Pairwise and listwise scorers: positions do not show which completion is right; workers and cache change nothing."""

import math
import os
import random
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import torch
from ports import free_port
from repository import ROOT
from viewers import Viewer, items, load, show

from rewardbench.engine.cache import Cache
from rewardbench.engine.loop import score
from rewardbench.engine.views import collect, expand, shown_order
from rewardbench.errors import InputError
from rewardbench.types import Item

VIEWS = ["pointwise", "pairwise", "listwise", "pairwise tokens"]
SUPPORT = ROOT / "tests" / "support"


def start(view, way="inline", cache="", seconds=0.0, **variables):
    """Start the program of viewers.py."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(SUPPORT), **variables}
    command = [sys.executable, SUPPORT / "viewers.py", view, way, str(cache), str(seconds)]
    return subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def end(*processes):
    """Wait for processes that must succeed; return stdout and stderr of the first."""
    texts = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes), texts
    return texts[0]


def expected(view):
    """Return the output of the program in one process."""
    return show(score(items(), load(view), batch_size=4))


@pytest.mark.parametrize("view", VIEWS)
def test_a_pool_gives_the_bytes_of_one_process(view):
    assert end(start(view, "pool"))[0] == expected(view)


@pytest.mark.parametrize("view", ["pairwise", pytest.param("listwise", marks=pytest.mark.slow)])
def test_two_ranks_give_the_bytes_of_one_process(view):
    variables = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": "2"}
    ranks = [start(view, RANK=str(rank), **variables) for rank in range(2)]
    assert end(*ranks)[0] == expected(view)


@pytest.mark.parametrize("view", VIEWS)
def test_the_cache_gives_the_same_scores_and_notes(view, tmp_path):
    with Cache(tmp_path / "scores.sqlite") as cache:
        first, again = (score(items(), load(view), batch_size=4, cache=cache) for _ in range(2))
    assert (first.computed, again.computed) == (first.requests, 0)
    assert first.items == again.items == score(items(), load(view), batch_size=4).items
    assert first.notes == again.notes


@pytest.mark.parametrize("view", ["pairwise", "listwise"])
def test_a_killed_run_is_resumed_with_the_same_bytes(view, tmp_path):
    path = tmp_path / "scores.sqlite"
    process = start(view, cache=path, seconds=0.2)
    while not has_scores(path):
        assert process.poll() is None
        time.sleep(0.05)
    process.kill()
    process.communicate()
    out, err = end(start(view, cache=path))
    assert out == expected(view)
    assert 0 < int(err.rpartition("computed=")[2]) < score(items(), load(view)).requests


def has_scores(path):
    """Return True if a cache contains scores."""
    if not path.exists():
        return False
    with Cache(path) as cache:
        return any(entry.scores for entry in cache.entries())


def test_a_scorer_that_prefers_what_comes_first_is_at_chance():
    pairwise = score(items(), Viewer("pairwise", first=True)).items
    assert {value for item_scores in pairwise for value in item_scores.scores} == {0.5}
    assert {item_scores.order_inconsistency for item_scores in pairwise} == {1.0}
    listwise = score(items(), Viewer("listwise", first=True)).items
    assert all(len(set(item_scores.scores)) == 1 for item_scores in listwise)


def test_win_rates_and_means_are_those_by_hand():
    (item,) = [item for item in items() if item.id == "1"]
    judge = Viewer("pairwise").judge
    a, b, c = (completion[0]["content"] for completion in item.completions)
    (item_scores,) = score([item], Viewer("pairwise")).items
    wins = judge((a, b)) + 1 - judge((b, a)) + judge((a, c)) + 1 - judge((c, a))
    assert item_scores.scores[0] == pytest.approx(wins / 4)
    assert 0 <= item_scores.order_inconsistency <= 1
    assert item_scores.texts[1].endswith(("City 1 1\nCity 1 0", "City 1 1\nCity 1 2")), "the call that shows it first"


def test_the_right_completion_is_shown_at_every_place():
    places = [shown_order(Item(str(n), "all", (), ((), (), ()))).index(0) for n in range(300)]
    assert all(70 < places.count(place) < 130 for place in range(3))


def test_a_pair_needs_two_completions():
    single = Item("a", "all", (), ((),), num_correct=0)
    with pytest.raises(InputError, match="A pairwise scorer compares completions, and the item has one"):
        expand(single, "pairwise")
    assert "compares completions" in score([single], Viewer("pairwise")).items[0].reason


@pytest.mark.parametrize(("view", "value"), [("pairwise", 3.0), ("pairwise", (0.5, 0.5)), ("listwise", 1.0)])
def test_a_score_of_another_view_is_rejected(view, value):
    scorer = Viewer(view)
    scorer.judge = lambda texts: value
    with pytest.raises(InputError, match=f"The {view} scorer returned"):
        score(items(), scorer)


def collect_pair(ab, ba):
    """Return the collected scores of a pair, given the probability that the first wins in each order of its texts."""
    pair = Item("a", "all", (), ((), ()))
    probabilities = {(0, 1): ab, (1, 0): ba}
    return collect(pair, "pairwise", [probabilities[call.shown] for call in expand(pair, "pairwise")])


def test_pairwise_scores_are_exactly_antisymmetric():
    chance = random.Random(0)
    for _ in range(1000):
        ab, ba = chance.random(), chance.random()
        (first, second), (swapped_second, swapped_first) = collect_pair(ab, ba).scores, collect_pair(ba, ab).scores
        assert (first, second) == (swapped_first, swapped_second)
        assert first - second == -(swapped_second - swapped_first)
        assert first == pytest.approx(1 - second, abs=1e-15)
        assert first - second == pytest.approx(ab - ba, abs=1e-15)


def test_swapping_the_completions_of_an_item_swaps_its_scores_exactly():
    scorer = Viewer("pairwise")
    for item in items():
        reversed_item = replace(item, completions=item.completions[::-1])
        (scored,), (swapped,) = score([item], scorer).items, score([reversed_item], scorer).items
        assert scored.scores == swapped.scores[::-1]
        assert scored.order_inconsistency == swapped.order_inconsistency


@pytest.mark.parametrize(
    ("ab", "ba", "inconsistency"),
    [
        (0.9, 0.1, 0.0),  # the same completion wins in both orders
        (0.9, 0.6, 1.0),  # the one shown first wins
        (0.2, 0.3, 1.0),  # the one shown last wins
        (0.5, 0.5, 0.0),  # a tie in both orders
        (0.5, 0.7, 1.0),  # a tie in one order only
        (0.7, 0.5, 1.0),
        (0.5 - 2**-54, 0.5, 0.0),  # a tie but for rounding
        (1.0, 0.0, 0.0),
        (math.nan, 0.7, None),  # no score, so no figure
        (0.7, math.nan, None),
    ],
)
def test_a_tie_in_one_order_only_is_inconsistent(ab, ba, inconsistency):
    assert collect_pair(ab, ba).order_inconsistency == inconsistency
    assert collect_pair(ba, ab).order_inconsistency == inconsistency


def test_an_unbiased_model_is_never_inconsistent_by_rounding():
    for exponent in range(-70, 3):
        for sign in (1, -1):
            logit = torch.tensor(sign * 2.0**exponent, dtype=torch.float64)
            collected = collect_pair(logit.sigmoid().item(), (-logit).sigmoid().item())
            assert collected.order_inconsistency == 0
