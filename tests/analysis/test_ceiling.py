"""`rewardbench analyze ceiling`: published figures, planted error rates and drift, and unfit annotations."""

import csv
import resource
import time
from dataclasses import replace
from math import nan

import numpy as np
import pandas as pd
import pytest
import synthetic
from scipy.stats import ttest_ind

from rewardbench.analysis import ceiling
from rewardbench.analysis.ceiling.selftest import UNEQUAL, majority_accuracy, simulate
from rewardbench.analysis.output import draw_report
from rewardbench.errors import InputError

RELIABILITY = {
    "A": [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
    "B": [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
    "C": [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
    "D": [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
}
"""The reliability data of Krippendorff (2011): 4 observers, 12 units, nominal alpha .743."""


def counts_of(table: dict[str, list[int | None]]) -> np.ndarray:
    counts = np.zeros((12, 5))
    for row in table.values():
        for unit, label in enumerate(row):
            if label is not None:
                counts[unit, label - 1] += 1
    return counts


def write(path, rows, header=("item", "annotator", "label")) -> str:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return str(path)


def preferences(suite, flips, seed=0) -> list[tuple[str, str, str]]:
    """Return labels of all items of a suite by annotators with these error rates."""
    random = np.random.default_rng(seed)
    rows = []
    for item in suite.items:
        for number, flip in enumerate(flips):
            rows.append((item.id, f"annotator {number}", "rejected" if random.random() < flip else "chosen"))
    return rows


def test_the_flip_rate_follows_from_the_agreement():
    report = ceiling.analyze([], ceiling.CeilingOptions(agreement=0.70))
    assert report.values["flip"] == pytest.approx(0.1838, abs=5e-5)
    assert report.values["ceiling"] == pytest.approx(0.8162, abs=5e-5)
    flips = [1 - ceiling.flip_rate(agreement) for agreement in (0.65, 0.70, 0.75)]
    assert flips == pytest.approx([0.774, 0.816, 0.854], abs=5e-4)


@pytest.mark.parametrize("labels", [2, 3, 5])
@pytest.mark.parametrize("flip", [0.0, 0.1, 0.3])
def test_the_flip_rate_inverts_the_agreement(labels, flip):
    agreement = (1 - flip) ** 2 + flip**2 / (labels - 1)
    assert ceiling.flip_rate(agreement, labels) == pytest.approx(flip, abs=1e-7)


@pytest.mark.parametrize("labels", [2, 3])
def test_the_majority_of_three_by_enumeration(labels):
    flip, random = 0.3, np.random.default_rng(0)
    votes = np.where(random.random((200_000, 3)) < flip, random.integers(1, labels, (200_000, 3)), 0)
    counts = (votes[:, :, None] == np.arange(labels)).sum(axis=1)
    top = counts == counts.max(axis=1, keepdims=True)
    right = (top[:, 0] / top.sum(axis=1)).mean()
    assert ceiling.majority_ceiling(flip, labels) == pytest.approx(right, abs=0.004)


def test_alpha_of_the_published_example():
    assert ceiling.krippendorff_alpha(counts_of(RELIABILITY)) == pytest.approx(0.743, abs=5e-4)
    assert np.isnan(ceiling.krippendorff_alpha(np.array([[2.0, 0.0], [3.0, 0.0]])))
    assert ceiling.krippendorff_alpha(np.array([[2.0, 0.0], [0.0, 3.0]])) == 1


def test_agreement_counts_pairs_of_annotators():
    agreeing, pairs = ceiling.pair_agreement(np.array([[2.0, 1.0], [1.0, 0.0], [0.0, 4.0]]))
    assert agreeing.tolist() == [1, 0, 6]
    assert pairs.tolist() == [3, 0, 6]


def test_the_ceiling_of_simulated_annotators():
    annotations, truth = simulate(1, np.full((5, 1), 0.2))
    agreeing, pairs = ceiling.pair_agreement(annotations.counts())
    flip = ceiling.flip_rate(agreeing.sum() / pairs.sum())
    assert flip == pytest.approx(0.2, abs=0.015)
    assert ceiling.krippendorff_alpha(annotations.counts()) == pytest.approx(0.36, abs=0.03)
    assert (annotations.label == truth[annotations.item]).mean() == pytest.approx(1 - flip, abs=0.015)


def test_dawid_skene_beats_the_majority_and_finds_the_accuracies():
    annotations, truth = simulate(2, np.array(UNEQUAL)[:, None], share=0.7)
    estimate = ceiling.dawid_skene(annotations)
    assert (estimate.labels == truth).mean() > majority_accuracy(annotations, truth)
    assert estimate.accuracies == pytest.approx(1 - np.array(UNEQUAL), abs=0.04)
    assert estimate.posterior.sum(axis=1) == pytest.approx(1)


def test_symmetric_dawid_skene_works_where_one_label_is_always_right():
    annotations, truth = simulate(0, np.array([0.1, 0.2, 0.4])[:, None], items=3000)
    same = ceiling.Annotations(
        annotations.items,
        annotations.annotators,
        ["wrong", "right"],
        annotations.item,
        annotations.annotator,
        (annotations.label == truth[annotations.item]).astype(int),
    )
    estimate = ceiling.dawid_skene(same, symmetric=True)
    assert estimate.accuracies == pytest.approx([0.9, 0.8, 0.6], abs=0.03)
    assert estimate.prior[1] > 0.97


def test_drift_is_attributed_to_the_annotator_who_changes():
    flips = np.full((5, 2000), 0.15)
    flips[3] = np.linspace(0.05, 0.45, 2000)
    first, *_ = ceiling.find_drift(simulate(0, flips, 2000)[0])
    assert (first.kind, first.name, first.flagged) == ("trend", "annotator 3", True)
    assert first.difference < -0.1
    flips = np.full((5, 1), 0.15)
    flips[1] = 0.4
    first, *_ = ceiling.find_drift(simulate(0, flips, 2000)[0])
    assert (first.kind, first.name, first.flagged) == ("annotator", "annotator 1", True)
    assert not any(test.flagged for test in ceiling.find_drift(simulate(0, np.full((5, 1), 0.15), 2000)[0]))


def test_a_careless_session_is_flagged(tmp_path):
    random = np.random.default_rng(0)
    rows = []
    for item in range(400):
        for annotator in "abc":
            flip = 0.45 if item % 4 == 2 else 0.1
            rows.append((item, annotator, int(random.random() < flip), f"day {item % 4}"))
    annotations = ceiling.read_annotations(write(tmp_path / "a.csv", rows, ("item", "annotator", "label", "session")))
    first, *_ = ceiling.find_drift(annotations)
    assert (first.kind, first.name, first.flagged) == ("session", "day 2", True)


def test_the_accuracy_of_a_result_is_a_share_of_the_ceiling(tmp_path):
    suite = synthetic.mirrors(100)
    path = synthetic.store(tmp_path, suite, synthetic.scores(suite, 0.8), "model")
    annotations = write(tmp_path / "labels.csv", preferences(suite, (0.1, 0.2, 0.3)))
    report = ceiling.analyze([path], ceiling.CeilingOptions(annotations=annotations))
    values = report.values
    assert values["items"] == values["annotated_items"] == 400
    assert values["ceiling_low"] < values["ceiling"] < values["ceiling_high"]
    assert values["share_of_ceiling"] == pytest.approx(values["accuracy"] / values["ceiling"])
    assert values["share_of_ceiling_low"] < values["share_of_ceiling"] < values["share_of_ceiling_high"]
    assert values["corrected_accuracy"] == 1.0  # the model scores above the ceiling
    assert values["share_of_majority3"] == pytest.approx(values["accuracy"] / ceiling.majority_ceiling(values["flip"]))
    assert report.details["models"][0]["dawid_skene"] == pytest.approx(0.8, abs=0.06)
    assert "which is" in report.sentence
    draw_report(report, tmp_path / "ceiling.png")


def test_an_agreement_and_a_result_are_enough(tmp_path):
    suite = synthetic.singles(100)
    path = synthetic.store(tmp_path, suite, synthetic.scores(suite, 0.7), "model")
    report = ceiling.analyze([path], ceiling.CeilingOptions(agreement=0.7))
    assert report.values["share_of_ceiling"] == pytest.approx(report.values["accuracy"] / report.values["ceiling"])
    flip, accuracy = report.values["flip"], report.values["accuracy"]
    assert report.values["corrected_accuracy"] == pytest.approx((accuracy - flip) / (1 - 2 * flip))
    draw_report(report, tmp_path / "ceiling.png")


def test_labels_that_annotators_reject_are_contested_and_a_tie_agrees_with_no_label(tmp_path):
    suite = synthetic.singles(20)
    rejected = {item.id for item in suite.items[:3]}
    rows = []
    for item in suite.items:
        rows += [(item.id, annotator, "rejected" if item.id in rejected else "chosen") for annotator in "abc"]
    scores = [replace(entry, scores=(0.0, 0.0)) for entry in synthetic.scores(suite, 1.0)]
    path = synthetic.store(tmp_path, suite, scores, "ties")
    report = ceiling.analyze([path], ceiling.CeilingOptions(annotations=write(tmp_path / "a.csv", rows)))
    assert report.values["contested_labels"] == 3
    assert report.details["models"][0]["dawid_skene"] == 0.0


def test_a_choice_that_no_annotator_made_is_wrong(tmp_path):
    suite = synthetic.singles(40)
    path = synthetic.store(tmp_path, suite, synthetic.scores(suite, 0.7), "model")
    labels = write(tmp_path / "a.csv", preferences(suite, (0.0, 0.0)))
    report = ceiling.analyze([path], ceiling.CeilingOptions(annotations=labels))
    assert report.details["models"][0]["dawid_skene"] == pytest.approx(report.values["accuracy"])


def test_drift_is_that_of_welchs_test_on_item_means():
    annotations, _ = simulate(4, np.array([0.1, 0.2, 0.4])[:, None], items=200, share=0.7)
    counts = annotations.counts()
    sizes = counts.sum(axis=1)[annotations.item]
    values = (counts[annotations.item, annotations.label] - 1) / np.maximum(sizes - 1, 1)
    tests = {test.name: test for test in ceiling.find_drift(annotations) if test.kind == "annotator"}
    for number, name in enumerate(annotations.annotators):
        means = []
        for members in (annotations.annotator == number, annotations.annotator != number):
            by_item = {}
            for place in np.flatnonzero(members & (sizes >= 2)):
                by_item.setdefault(annotations.item[place], []).append(values[place])
            means.append(list(map(np.mean, by_item.values())))
        assert tests[name].items == len(means[0])
        assert tests[name].difference == pytest.approx(np.mean(means[0]) - np.mean(means[1]))
        assert tests[name].p == pytest.approx(ttest_ind(*means, equal_var=False).pvalue)


def test_times_are_numbers_or_dates(tmp_path):
    header = ("item", "annotator", "label", "time")
    dates = [("i", "a", "x", "2026-01-31"), ("i", "b", "y", "2026-02-01T10:00:00+09:00")]
    annotations = ceiling.read_annotations(write(tmp_path / "dates.csv", dates, header))
    assert annotations.time[0] < annotations.time[1]
    numbers = [("i", "a", "x", "3"), ("i", "b", "y", "-1.5")]
    assert ceiling.read_annotations(write(tmp_path / "n.csv", numbers, header)).time.tolist() == [3, -1.5]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "has no rows"),
        ([("i", "a", "x"), ("i", "", "x")], "has no annotator in row 2"),
        ([("i", "a", "x"), ("i", "b", " ")], "has one annotator for each item"),
        ([("i", "a", " ")], "has one annotator for each item"),
        ([("i", "a", "x"), ("i", "a", "y")], "has item 'i' twice by annotator 'a': keep one row"),
        ([("i", "a", "x"), ("j", "b", "y")], "has one annotator for each item"),
        ([(n, a, n) for n in range(60) for a in "ab"], "has 60 different labels"),
    ],
)
def test_unfit_annotations_are_rejected(tmp_path, rows, message):
    with pytest.raises(InputError, match=message):
        ceiling.analyze([], ceiling.CeilingOptions(annotations=write(tmp_path / "a.csv", rows)))


@pytest.mark.parametrize("time", ["noon", "nan", ""])
def test_unfit_times_are_rejected(tmp_path, time):
    rows = [("i", "a", "x", "1"), ("i", "b", "y", time)]
    with pytest.raises(InputError, match=r"row 2"):
        ceiling.read_annotations(write(tmp_path / "a.csv", rows, ("item", "annotator", "label", "time")))


def test_a_missing_column_is_named(tmp_path):
    with pytest.raises(InputError, match="has no column 'annotator'"):
        ceiling.read_annotations(write(tmp_path / "a.csv", [("i", "x")], ("item", "label")))


@pytest.mark.parametrize(
    "options",
    [
        ceiling.CeilingOptions(),
        ceiling.CeilingOptions(agreement=0.7, annotations="a.csv"),
        ceiling.CeilingOptions(agreement=0.4),
        ceiling.CeilingOptions(agreement=nan),
    ],
)
def test_unfit_options_are_rejected(options):
    with pytest.raises(InputError, match=r"either --agreement|has no flip rate"):
        ceiling.analyze([], options)


def test_a_result_without_annotated_items_is_rejected(tmp_path):
    suite = synthetic.singles(20)
    path = synthetic.store(tmp_path, suite, synthetic.scores(suite, 0.7), "model")
    annotations = write(tmp_path / "a.csv", [("i", "a", "x"), ("i", "b", "y")])
    with pytest.raises(InputError, match="has none of the annotated items"):
        ceiling.analyze([path], ceiling.CeilingOptions(annotations=annotations))


def test_missing_ratings_are_left_out(tmp_path):
    rows = [(n, a, "" if (n, a) in {(0, "a"), (3, "b"), (4, "c")} else n % 2) for n in range(20) for a in "abc"]
    report = ceiling.analyze([], ceiling.CeilingOptions(annotations=write(tmp_path / "a.csv", rows)))
    assert report.values["missing_labels"] == 3
    assert report.values["annotations"] == 57
    assert report.values["agreement"] == 1.0
    assert "3 rows without a label were left out." in report.notes
    frame = pd.DataFrame(rows, columns=["item", "annotator", "label"]).replace("", nan)
    frame.astype({"item": str, "label": float}).to_parquet(tmp_path / "a.parquet")
    stored = ceiling.read_annotations(str(tmp_path / "a.parquet"))
    assert (stored.missing, list(stored.labels)) == (3, ["0.0", "1.0"])


def test_annotators_who_guess_give_no_ceiling(tmp_path):
    suite = synthetic.singles(60)
    path = synthetic.store(tmp_path, suite, synthetic.scores(suite, 0.8), "model")
    rows = []
    for n, item in enumerate(suite.items):  # two annotators who never agree
        rows += [(item.id, "a", ("chosen", "rejected")[n % 2]), (item.id, "b", ("rejected", "chosen")[n % 2])]
    labels = write(tmp_path / "labels.csv", rows)
    report = ceiling.analyze([path], ceiling.CeilingOptions(annotations=labels))
    assert (report.values["flip"], report.values["ceiling"]) == (0.5, 0.5)
    assert report.sentence.startswith("Labels of annotators agree in 0% of comparisons, no more often than by chance")
    assert "mislabel" not in report.sentence
    assert "which is" not in report.sentence
    draw_report(report, tmp_path / "ceiling.png")


def test_an_adversarial_annotator_is_named(tmp_path):
    """All annotators differ significantly from the others; the one who falls below them is named."""
    annotations, truth = simulate(0, np.array([0.1, 0.1, 0.1, 0.1, 0.9])[:, None])
    rows = zip(annotations.item, annotations.annotator, np.where(annotations.label, "chosen", "rejected"), strict=True)
    report = ceiling.analyze([], ceiling.CeilingOptions(annotations=write(tmp_path / "a.csv", rows)))
    assert report.values["flagged_annotators"] == 5
    assert "look at annotator 4 first" in report.sentence
    assert "Right less often than chance, so perhaps with reversed labels: 4." in report.notes
    assert report.values["labels_against_majority"] < 200
    assert len(truth) == report.values["annotated_items"]


def test_drift_of_two_annotators_is_of_either(tmp_path):
    flips = np.full((2, 1000), 0.05)
    flips[1] = np.linspace(0.0, 0.6, 1000)
    annotations, _ = simulate(0, flips, 1000)
    columns = (annotations.item, annotations.annotator, annotations.label, annotations.item)
    path = write(tmp_path / "a.csv", zip(*columns, strict=True), ("item", "annotator", "label", "time"))
    report = ceiling.analyze([], ceiling.CeilingOptions(annotations=path))
    assert report.sentence.endswith("or at the other annotator: of two, both have the same agreement.")


def test_one_label_only_is_no_noise(tmp_path):
    rows = [(n, a, "chosen") for n in range(20) for a in "ab"]
    report = ceiling.analyze([], ceiling.CeilingOptions(annotations=write(tmp_path / "a.csv", rows)))
    assert report.values["ceiling"] == 1
    assert np.isnan(report.values["alpha"])
    draw_report(report, tmp_path / "ceiling.png")


def test_one_annotated_item_is_enough(tmp_path):
    path = write(tmp_path / "a.csv", [("i", "é", "x"), ("i", "ü", "x")])
    report = ceiling.analyze([], ceiling.CeilingOptions(annotations=path))
    assert report.values["ceiling"] == 1
    draw_report(report, tmp_path / "ceiling.png")


@pytest.mark.slow
def test_100000_items_take_less_than_a_minute_and_2_gb(tmp_path):
    annotations, _ = simulate(0, np.full((5, 1), 0.2), items=100_000)
    columns = (annotations.item, annotations.annotator, annotations.label, annotations.item)
    path = write(tmp_path / "a.csv", zip(*columns, strict=True), ("item", "annotator", "label", "time"))
    start = time.process_time()
    assert ceiling.analyze([], ceiling.CeilingOptions(annotations=path)).values["annotated_items"] == 100_000
    assert time.process_time() - start < 60
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 2e6


@pytest.mark.slow
def test_the_selftest_reaches_its_bars():
    assert ceiling.selftest().missed() == []
