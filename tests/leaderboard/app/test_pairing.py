"""Comparisons by the credits in the index give the figures of `compare`, which reads all scores."""

from dataclasses import replace

import numpy as np
import pytest
from synthetic import mirrors, singles, store

pytest.importorskip("gradio")

from rewardbench import results
from rewardbench.comparison.compare import compare
from rewardbench.comparison.several import compare_all
from rewardbench.leaderboard.app import compare_page
from rewardbench.leaderboard.app.library import Library
from rewardbench.leaderboard.rows import with_known_rules
from rewardbench.results.scored import read_scored
from rewardbench.store import LocalStore
from rewardbench.suites import load_embedded
from rewardbench.types import ItemScores

OTHER_SECTIONS = {"Safety": 0.0}


def random_scores(suite, skill, seed):
    """Return scores of all items, a few of which are missing or equal."""
    random = np.random.default_rng(seed)
    item_scores = []
    for item in suite.items:
        values = np.round(random.normal(0, 1, len(item.completions)), 1)
        values[: item.num_correct] += skill
        is_missing = random.random() < 0.01
        values = [float("nan")] * len(values) if is_missing else values.tolist()
        item_scores.append(ItemScores(item.id, tuple(values), "no answer" if is_missing else None))
    return item_scores


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """Return a store of published results: two or three models on each suite."""
    drafts, folder = tmp_path_factory.mktemp("drafts"), tmp_path_factory.mktemp("results")
    made = [replace(mirrors(60), name="made"), replace(singles(150), name="single"), load_embedded("core")]
    made.append(replace(mirrors(60), name="unweighted", section_weights=OTHER_SECTIONS))
    for suite in made:
        for seed in range(3 if suite.name == "made" else 2):
            path = store(drafts, suite, random_scores(suite, 0.3 + 0.4 * seed, seed), f"org/{suite.name}{seed}")
            summary = results.read_summary(path)
            LocalStore(folder).add([results.pack_result(summary, results.read_rows(path, summary))])
    return Library(str(folder))


def figures(contrast):
    """Return the figures that are exact, and the limits, which are the same but for rounding."""
    return pytest.approx([value for name, value in vars(contrast).items() if name != "name"], abs=1e-9, nan_ok=True)


def values(contrast):
    return [value for name, value in vars(contrast).items() if name != "name"]


@pytest.mark.parametrize("suite", ["core", "made", "single", "unweighted"])
def test_two_models_are_compared_as_their_files_are(library, suite):
    first, second = library.rows().of(suite)[:2]
    for metric in compare_page._metrics([first, second]):
        assert compare_page._paired(library, [first, second], metric), "the index is enough"
        comparison = compare_page._compare_rows(library, first, second, metric)
        expected = compare(library.items(first), library.items(second), metric)
        assert values(comparison.score) == figures(expected.score)
        assert [section.name for section in comparison.sections] == [section.name for section in expected.sections]
        for section, other in zip(comparison.sections, expected.sections, strict=True):
            assert values(section) == figures(other)
        assert [flip.item.id for flip in comparison.flips] == [flip.item.id for flip in expected.flips]
        assert comparison.flips == expected.flips
        assert (comparison.items, comparison.revision) == (expected.items, expected.revision)


def test_several_models_are_compared_as_their_files_are(library):
    rows = library.rows().of("made")
    for metric in compare_page._metrics(rows):
        paired = compare_page._paired(library, rows, metric)
        pairs = compare_page.contrast_all(list(map(paired.pairing.means, paired.credits)), metric)
        expected = compare_all(list(map(library.items, rows)), metric)
        for pair, other in zip(pairs, expected, strict=True):
            assert values(pair.score) == figures(other.score)


def test_credits_that_are_not_those_of_the_scores_are_not_used(library):
    first, second = library.rows().of("made")[:2]
    credits = library.credits([first, second])
    pairing = library.pairing(first.key, first.mark, "mirror")
    assert pairing.agrees(credits[0])
    assert not pairing.agrees(credits[1])
    assert not pairing.agrees(replace(credits[0], by_item=credits[0].by_item[1:]))


def test_rows_whose_subsets_differ_are_compared_by_their_files(library):
    first, second = library.rows().of("made")[:2]
    other = replace(second, subsets=second.subsets[1:])
    assert compare_page._paired(library, [first, other], "mirror") is None


def test_a_reader_of_one_suite_reads_what_read_scored_does(library):
    row = library.rows().of("core")[0]
    path = library.store.path(row.key)
    expected = with_known_rules(read_scored(path), row.suite, row.revision)
    scored = library.scores_reader(row.suite, row.revision).read(path)
    assert repr(tuple(scored.items)) == repr(expected.items), "NaN included"
    assert repr([scored.items.of(item.id) for item in scored.suite.items]) == repr(list(expected.items))
    assert replace(scored, items=()) == replace(expected, items=())
    assert scored.suite.items[0] is library.items(row).suite.items[0], "items are in memory once"


def test_items_of_another_suite_are_not_known(library):
    made, core = library.rows().of("made")[0], library.rows().of("core")[0]
    assert library.scores_reader(core.suite, core.revision).read(library.store.path(made.key)) is None
    assert library.scores_reader("core", "another revision") is None
    assert library.scores_reader("made", "r1") is None
