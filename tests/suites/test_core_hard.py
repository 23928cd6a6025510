"""The suite core-hard: its size, that every row has two programs, and that no shortcut solves it."""

import json
from collections import Counter

import datasets
import numpy as np
import pytest

from rewardbench.builders.check import verify
from rewardbench.builders.draw import RUNGS, Rng
from rewardbench.builders.registry import builders_of
from rewardbench.builders.suite_files import read_suite
from rewardbench.engine.loop import score
from rewardbench.lint.run import lint
from rewardbench.lint.shortcuts import BLIND
from rewardbench.metrics import summarize
from rewardbench.paths import data_dir
from rewardbench.scorers.baselines import Baseline
from rewardbench.suites import load_embedded
from rewardbench.verifiers import SECOND_VERIFIERS, VERIFIERS

SUITE = read_suite(data_dir(), "core-hard")
MIRRORS = SUITE.all_mirrors()
LANGUAGES = ("german", "french", "spanish", "hindi", "chinese")
COMPILED = ("hard-code", "what-prints")
"""Subsets whose verifiers run programs."""


def test_the_ladder_has_four_rungs_of_every_subset():
    counts = Counter((mirror.subset, mirror.source["rung"]) for mirror in MIRRORS)
    subsets = {subset for subset, _ in counts}
    assert len(MIRRORS) >= 1200
    assert subsets == set(builders_of("core-hard"))
    assert len(subsets - {*LANGUAGES, "tools"}) >= 10
    assert set(counts) == {(subset, rung) for subset in subsets for rung in RUNGS}
    totals = Counter(mirror.subset for mirror in MIRRORS)
    assert min(totals[language] for language in LANGUAGES) >= 60
    assert totals["tools"] >= 100


def test_every_row_has_two_programs():
    for group in [*MIRRORS, *SUITE.squares]:
        assert group.check["kind"] in VERIFIERS.keys() & SECOND_VERIFIERS.keys(), group.group


def test_a_sample_passes_both_programs():
    groups = {}
    for mirror in Rng("sample").sample(MIRRORS, len(MIRRORS)):
        if mirror.subset not in COMPILED:
            groups.setdefault((mirror.subset, mirror.source["rung"]), mirror)
    outcome = verify(list(groups.values()))
    assert outcome.failed == ()
    assert outcome.pairs == outcome.confirmed == 2 * len(groups)


@pytest.mark.slow
def test_every_row_passes_both_programs():
    outcome = SUITE.verify()
    assert outcome.failed == ()
    if not outcome.skipped:
        assert outcome.pairs == outcome.confirmed == SUITE.size()


@pytest.mark.parametrize("name", ["core-style", "core-hard"])
def test_a_rule_that_ignores_the_prompt_turns_in_exactly_half_of_the_mirrors(name):
    suite = load_embedded(name)
    estimates = summarize(suite, score(suite.items, Baseline("longest")).items)
    assert estimates.score.value == 0
    assert {estimate.value for estimate in estimates.turns} == {0.5}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["core-style", "core-hard"])
def test_no_shortcut_solves_it(name):
    result = lint(load_embedded(name))
    for subset, figures in result.subsets.items():
        if subset.endswith("-squares"):
            continue
        assert [getattr(figures, rule) for rule in (*BLIND, "tfidf")] == [0.5] * 6, subset
        assert figures.overlap_low <= 0.57, subset
        assert figures.interaction_low <= 0.60, subset
        assert figures.interaction <= 0.65, subset
    assert np.mean([figures.interaction for figures in result.subsets.values()]) <= 0.60
    assert (result.duplicates.empty, result.duplicates.identical, result.duplicates.duplicates) == (0, 0, 0)
    assert result.duplicates.near_duplicates_80 <= 0.01
    assert result.duplicates.masked_50 <= 0.25


@pytest.mark.parametrize("name", ["core-hard", "core-hard-squares", "core-hard-tools"])
def test_datasets_loads_each_configuration(name, tmp_path):
    loaded = datasets.load_dataset(str(data_dir()), name, split="test", cache_dir=str(tmp_path))
    stems = {"core-hard-squares": ["squares"], "core-hard-tools": ["tools"]}
    rows = []
    for stem in stems.get(name, ["chat", "instructions", "safety", "reasoning", "languages"]):
        path = data_dir() / "core-hard" / f"{stem}.jsonl"
        rows += map(json.loads, path.read_text(encoding="utf-8").splitlines())
    assert loaded["id"] == [row["id"] for row in rows]
