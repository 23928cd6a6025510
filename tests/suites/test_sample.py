import json
from collections import Counter

import pytest
from terminal import run

from rewardbench import evaluate
from rewardbench.errors import InputError
from rewardbench.results.scored import read_scored
from rewardbench.suites import load_suite
from rewardbench.suites.sample import stratify
from rewardbench.types import Item, Suite


def suite_of(**sizes):
    items = [
        Item(f"{name}{n}", name, (), ((), ()), group=f"{name}{n // 2}") for name, k in sizes.items() for n in range(k)
    ]
    return Suite("toy", "r", tuple(items), {})


def test_stratify_samples_subsets_in_proportion_and_complete_clusters():
    sample = stratify(suite_of(a=400, b=100, c=4), 100)
    counts = Counter(item.subset for item in sample.items)
    assert (counts["a"], counts["b"], counts["c"]) == (80, 20, 2)
    assert set(Counter(item.group for item in sample.items).values()) == {2}
    assert sample.revision == "r+sample=102,seed=0"


def test_stratify_depends_on_seed_and_ids_only():
    suite = suite_of(a=50, b=50)
    reversed_suite = Suite("toy", "r", suite.items[::-1], {})
    ids = [
        {item.id for item in stratify(ordered_suite, 20, seed).items}
        for ordered_suite, seed in ((suite, 1), (reversed_suite, 1), (suite, 2))
    ]
    assert ids[0] == ids[1] != ids[2]


def test_stratify_returns_the_suite_if_it_is_small_enough():
    suite = suite_of(a=4)
    assert stratify(suite, 4) is suite
    with pytest.raises(InputError, match="at least 1"):
        stratify(suite, 0)


def test_stratify_samples_every_subset_of_core():
    core = load_suite("core")
    sample = stratify(core, 256)
    assert {item.subset for item in sample.items} == {item.subset for item in core.items}
    assert 230 <= len(sample.items) <= 290


@pytest.mark.parametrize("dataset", ["core", "core-hard"])
def test_a_sample_of_an_embedded_suite_has_all_subsets_and_complete_groups(dataset):
    """Mirrors have two items, squares of core-hard have four."""
    suite = load_suite(dataset)
    sample = load_suite(dataset, sample=400, sample_seed=3)
    assert 360 <= len(sample.items) <= 440
    assert {item.subset for item in sample.items} == {item.subset for item in suite.items}
    sizes = Counter(item.group for item in suite.items if item.group)
    sampled_sizes = Counter(item.group for item in sample.items if item.group)
    assert all(sizes[group] == size for group, size in sampled_sizes.items())
    assert sample.revision == f"{suite.revision}+sample={len(sample.items)},seed=3"
    assert sample.items != load_suite(dataset, sample=400, sample_seed=4).items


def test_the_command_records_its_sample(capsys, tmp_path):
    arguments = ["--model", "baseline/longest", "--sample", "60", "--sample_seed", "5", "--output_dir", tmp_path]
    code, _, _ = run(capsys, *arguments)
    summary = json.loads((tmp_path / "baseline" / "longest.json").read_text())
    assert code == 0
    assert summary["revision"].endswith(f"+sample={summary['num_prompts']},seed=5")
    assert summary["manifest"]["command"].endswith("--dataset core --sample 60 --sample_seed 5")
    result = evaluate("baseline/longest", sample=60, sample_seed=5)
    assert [item.id for item in result.items] == [
        item.id for item in read_scored(tmp_path / "baseline/longest.json").items
    ]
    code, _, error = run(capsys, "--model", "baseline/longest", "--sample", "60", "--limit", "3")
    assert (code, "--limit and --sample exclude each other" in error) == (2, True)
