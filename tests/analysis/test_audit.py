"""`rewardbench analyze audit`: planted wrong labels, leaks and conflicts, and results that cannot be audited."""

import resource
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import synthetic

from rewardbench.analysis import audit
from rewardbench.analysis.audit.selftest import PAIRS, WORDS, simulate_margins, simulate_results
from rewardbench.analysis.output import draw_report
from rewardbench.errors import InputError
from rewardbench.results.scored import ModelScores
from rewardbench.types import Item, ItemScores, Message, Suite


def answer(text: str):
    return (Message(role="assistant", content=text),)


def pair(id: str, right: str, wrong: str, prompt: str = "Which?", **columns) -> Item:
    return Item(id, "s", (Message(role="user", content=prompt),), (answer(right), answer(wrong)), meta=columns)


def two_results(items: list[Item], margins=(1.0, 2.0), spread=1):
    """Return the results of two models that prefer every right completion, by margins that grow with the item."""
    suite = Suite("toy", "r1", items, {})
    results = []
    for name, value in zip("ab", margins, strict=True):
        scores = []
        for n, item in enumerate(items):
            scores.append(ItemScores(item.id, (value + spread * n, *[0.0] * (len(item.completions) - 1))))
        results.append(ModelScores(name, suite, tuple(scores), Path(name)))
    return results


def test_planted_wrong_labels_come_first():
    margins, is_wrong = simulate_margins(3)
    misses = audit.find_misses(margins, np.arange(PAIRS), 60)
    precision = is_wrong[misses.order[:60]].mean()
    assert precision >= 0.65
    assert abs(misses.precision - precision) < 0.15
    assert misses.precision_interval[0] < misses.precision < misses.precision_interval[1]
    assert misses.fits
    assert misses.largest_distance == pytest.approx(1.36 / PAIRS**0.5)  # Kolmogorov-Smirnov at 5 %
    assert abs(misses.mixture.share - 0.03) < 0.01


def test_margins_that_the_mixture_does_not_fit_give_no_estimate():
    """Hard pairs that all models miss look like wrong labels; the distance to the mixture notices them."""
    margins, _ = simulate_margins(0, flips=0)
    margins[:, :200] -= 2.5 * np.abs(margins).mean(axis=1, keepdims=True)
    misses = audit.find_misses(margins, np.arange(PAIRS), 60)
    assert not misses.fits


def test_the_mixture_recovers_its_parameters():
    random = np.random.default_rng(0)
    signs = np.where(random.random(50_000) < 0.1, -1, 1)
    mixture = audit.fit_mixture(signs * (1.5 + 0.5 * random.standard_normal(50_000)))
    assert (mixture.share, mixture.mean, mixture.spread) == pytest.approx((0.1, 1.5, 0.5), abs=0.01)
    assert mixture.probabilities(np.array([-1.5, 1.5, np.nan])) == pytest.approx([1, 0, np.nan], abs=1e-4, nan_ok=True)


def test_margins_are_divided_by_their_spread():
    row = np.array([-2.0, 0.0, 2.0, 4.0, np.nan, np.inf])
    flat = np.zeros(6)
    first, second = audit.standardize_margins(np.array([row, flat]))
    assert first[:5] == pytest.approx(row[:5] / (3 / 1.349), nan_ok=True)
    assert first[5] == 4
    assert np.isnan(second).all()


def test_margins_that_are_all_equal_are_standardised():
    report = audit.analyze(two_results([pair(f"i{n}", "yes", "no") for n in range(40)], spread=0), audit.AuditOptions())
    assert report.values["models_used"] == 2
    assert report.values["ensemble_accuracy"] == 1
    assert audit.standardize_margins(np.full((1, 3), -2.0)).tolist() == [[-1, -1, -1]]


def test_items_without_texts_are_no_conflicts():
    items = [pair(f"i{n}", f"right {n}", f"wrong {n}") for n in range(40)]
    items.append(pair("bare", "", ""))
    assert audit.analyze(two_results(items), audit.AuditOptions()).values["identical"] == 0


def test_error_correlation_is_that_of_the_errors():
    margins = np.array([[1, 1, -1, 0], [1, -1, 1, -1], [2, 2, -2, -2]], dtype=float)
    assert audit.error_correlation(margins) == pytest.approx(1 / 3)
    assert np.isnan(audit.error_correlation(margins[:1]))


def test_the_newline_leak_and_the_conflicts_are_reported():
    report = audit.analyze(simulate_results(0, leak=True), audit.AuditOptions())
    assert report.values["largest_feature"] == "newlines in pairs"
    assert report.values["leak_auc"] >= 0.95
    assert report.values["conflicts"] == 10
    assert report.tables[0].rows[0][2].startswith("same pair, other label: ")
    assert "newlines alone predicts the right response (AUC 0.9" in report.sentence
    assert "subset: pairs)" in report.sentence


def test_clean_data_is_not_flagged():
    values = audit.analyze(simulate_results(1, leak=False), audit.AuditOptions()).values
    assert (values["leaks"], values["conflicts"], values["identical"]) == (0, 0, 0)
    assert values["flagged"] / values["items"] <= 0.01


def test_the_source_of_responses_is_a_feature():
    columns = [("strong", "weak") if n % 10 else ("weak", "strong") for n in range(200)]
    items = [
        pair(f"i{n}", f"right {n}", f"wrong {n}", chosen_model=right, rejected_model=wrong)
        for n, (right, wrong) in enumerate(columns)
    ]
    leaks = {leak.feature: leak for leak in audit.find_leaks(items, [item.id for item in items], 0.65)}
    assert leaks["source"].auc == 0.9
    assert leaks["source"].flagged
    assert leaks["length"].auc == 0.5
    assert not leaks["length"].flagged


def test_no_item_predicts_itself_by_its_source():
    items = [
        pair(f"i{n}", f"right {n}", f"wrong {n}", chosen_model=f"strong {n}", rejected_model=f"weak {n}")
        for n in range(50)
    ]
    leaks = {leak.feature: leak for leak in audit.find_leaks(items, [item.id for item in items], 0.65)}
    assert leaks["source"].auc == 0.5


def test_a_leak_is_significant_after_bonferronis_correction():
    items = [pair(f"i{n}", "long " * (1 + (n % 10 < 7)), "long " * (1 + (n % 10 > 6))) for n in range(30)]
    leaks = {leak.feature: leak for leak in audit.find_leaks(items, [item.id for item in items], 0.65)}
    assert leaks["length"].auc == pytest.approx(0.7)
    assert leaks["length"].low > 0.5
    assert not leaks["length"].flagged


def test_a_large_conflict_names_three_other_items():
    items = [pair(f"i{n}", *(("a", "b") if n % 2 else ("b", "a"))) for n in range(6)]
    items += [pair(f"j{n}", f"right {n}", f"wrong {n}", prompt=f"{n}?") for n in range(40)]
    report = audit.analyze(two_results(items), audit.AuditOptions())
    assert report.tables[0].rows[0][2] == "same pair, other label: i1, i2, i3"


LEAKS = {
    "last different character": lambda text: (f"{text}.", text),
    "outer space": lambda text: (text, f"{text} "),
    "capitals": lambda text: (text.upper(), text),
    "one word": lambda text: (f"{text} indeed so", f"so {text}"),
    "first different word": lambda text: (f"Well, {text}", f"But, {text}"),
    "! and ?": lambda text: (text, f"What? {text}"),
}


@pytest.mark.parametrize("feature", LEAKS)
@pytest.mark.parametrize("prefix", ["", "<user>Where is the moor?<bot>"])
def test_a_leak_of_any_kind_is_flagged(feature, prefix):
    """Of four pairs three have the leak; stored results may have the rendered prompt in the text."""
    random = np.random.default_rng(0)
    items = []
    for n in range(200):
        texts = [" ".join(random.permutation(WORDS)[:9]) for _ in range(2)]
        if n % 4:
            texts = [LEAKS[feature](texts[0])[0], LEAKS[feature](texts[1])[1]]
        items.append(pair(f"i{n}", *(prefix + text for text in texts), "" if prefix else "Where is the moor?"))
    leaks = {leak.feature: leak for leak in audit.find_leaks(items, [item.id for item in items], 0.65)}
    assert leaks[feature].flagged
    assert leaks[feature].size == pytest.approx(0.875, abs=0.08)


def test_words_that_a_mirror_exchanges_are_no_leak():
    items = []
    for n in range(200):
        texts = ("take the tram", "take the bus")
        items.append(replace(pair(f"i{n}", *(texts if n % 2 else texts[::-1])), group=f"g{n // 2}"))
    assert not any(leak.flagged for leak in audit.find_leaks(items, [item.group for item in items], 0.65))


def test_a_pair_of_equal_completions_is_reported_even_where_no_model_is_above_chance(tmp_path):
    items = [pair("same", "yes", "yes"), pair("other", "no", "maybe")]
    report = audit.analyze(two_results(items), audit.AuditOptions())
    assert report.values["models_used"] == 0
    assert report.tables[0].rows == [("same", "s", "chosen equals rejected", None, None)]
    assert report.sentence.startswith("Only 0 of 2 models prefer the right response more often than chance")
    draw_report(report, tmp_path / "audit.png")


def test_results_without_texts_take_them_from_the_data(tmp_path):
    items = [pair(f"i{n}", f"right {n}", f"wrong {n}\n") for n in range(40)]
    bare = [replace(item, prompt=(), completions=(answer(""), answer(""))) for item in items]
    report = audit.analyze(two_results(bare), audit.AuditOptions())
    assert "--dataset" in report.sentence
    draw_report(report, tmp_path / "audit.png")
    path = tmp_path / "data.jsonl"
    line = '{"id": "i%d", "subset": "s", "prompt": "Which?", "chosen": "right!", "rejected": "wrong\\n"}'
    path.write_text("\n".join(line % n for n in range(40)))
    report = audit.analyze(two_results(bare), audit.AuditOptions(dataset=str(path)))
    assert report.values["largest_feature"] == "newlines in s"
    path.write_text(line % 0)
    with pytest.raises(InputError, match="has no item 'i1' like that of the results"):
        audit.analyze(two_results(bare), audit.AuditOptions(dataset=str(path)))


def test_stored_results_are_audited(tmp_path):
    suite = synthetic.mirrors(40)
    paths = [synthetic.store(tmp_path, suite, synthetic.scores(suite, 0.9, seed), f"m{seed}") for seed in range(3)]
    report = audit.analyze(paths, audit.AuditOptions(review=5))
    assert report.values["models_used"] == 3
    assert len(report.tables[0].rows) == report.values["review"] == 5
    assert len(report.details["margins"]["ids"]) == 160


def test_the_same_scores_count_once():
    items = [pair(f"i{n}", f"right {n}", f"wrong {n}") for n in range(40)]
    first, second = two_results(items)
    report = audit.analyze([first, second, replace(second, model="copy")], audit.AuditOptions())
    assert report.values["models"] == 2
    assert "Left out, because an earlier result has the same scores: copy." in report.notes


def test_unscored_pairs_and_long_lists_of_completions_are_not_ranked():
    items = [pair(f"i{n}", f"right {n}", f"wrong {n}") for n in range(40)]
    items.append(Item("many", "s", (), tuple(map(answer, "abcd"))))
    results = two_results(items)
    scores = list(results[0].items)
    scores[0] = ItemScores("i0", (float("nan"), float("nan")), reason="too long")
    report = audit.analyze([replace(results[0], items=tuple(scores)), results[1]], audit.AuditOptions())
    assert report.values["items"] == 41
    assert report.values["pairs"] == 40
    assert report.values["review"] == 40
    reasons = {row[0]: row[2] for row in report.tables[0].rows}
    assert (reasons["i0"], reasons["i1"]) == ("missed by 0 of 1 models", "missed by 0 of 2 models")


@pytest.mark.parametrize("count", [0, 1])
def test_one_result_is_not_enough(count):
    results = two_results([pair("i", "a", "b")])[:count]
    with pytest.raises(InputError, match="name the results of at least two models"):
        audit.analyze(results, audit.AuditOptions())


def test_unfit_results_are_rejected():
    results = two_results([pair("i", "a", "b")])
    with pytest.raises(InputError, match="these results have the same scores"):
        audit.analyze([results[0], results[0]], audit.AuditOptions())
    lists = two_results([Item("many", "s", (), tuple(map(answer, "abc")))])
    with pytest.raises(InputError, match="toy has no pair of a right and a wrong completion"):
        audit.analyze(lists, audit.AuditOptions())


@pytest.mark.slow
def test_100000_pairs_take_less_than_a_minute_and_2_gb():
    random = np.random.default_rng(0)
    items = []
    for n in range(100_000):
        right, wrong = ("some words " * int(count) for count in random.integers(5, 60, 2))
        items.append(pair(f"i{n}", f"{n} {right}", f"{n} {wrong}", f"Question {n}?"))
    suite = Suite("big", "r1", items, {})
    results = []
    for model in range(8):
        margins = (1 + random.standard_normal(len(items))).tolist()
        scores = tuple(ItemScores(item.id, (value, 0.0)) for item, value in zip(items, margins, strict=True))
        results.append(ModelScores(f"m{model}", suite, scores, Path("big")))
    start = time.process_time()
    assert audit.analyze(results, audit.AuditOptions()).values["pairs"] == 100_000
    assert time.process_time() - start < 60
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 2e6


@pytest.mark.slow
def test_the_selftest_reaches_its_bars():
    assert audit.selftest().missed() == []
