"""Calibration of margins: hand-computed errors, temperatures, and noise floors against simulation."""

from math import log

import numpy as np
import pytest

from rewardbench.metrics import calibration as metrics
from rewardbench.metrics.temperature import fit_temperature, log_loss, sigmoid, temperature_interval
from rewardbench.types import Item, ItemScores, Rule, Suite

RANDOM = np.random.default_rng


def margins_of(n, temperature, random, spread=3.5):
    sizes = np.abs(spread * random.standard_normal(n))
    return np.where(random.random(n) < sigmoid(sizes / temperature), sizes, -sizes)


def test_errors_of_four_pairs_by_hand():
    """Two pairs of confidence .9, one right; two of confidence .6, both right: gaps .4 and -.4."""
    logit = {0.9: log(9), 0.6: log(1.5)}
    margins = np.array([logit[0.9], -logit[0.9], logit[0.6], logit[0.6]])
    errors = metrics.measure_errors(margins, np.arange(4))
    assert errors.ece == pytest.approx(0.4)
    assert errors.brier == pytest.approx((0.1**2 + 0.9**2 + 2 * 0.4**2) / 4)
    assert log_loss(margins) == pytest.approx(-(log(0.9) + log(0.1) + 2 * log(0.6)) / 4)


def test_equal_scores_are_half_right_at_confidence_one_half():
    errors = metrics.measure_errors(np.zeros(30), np.arange(30))
    assert (errors.ece, errors.smooth_ece, errors.brier) == (0, pytest.approx(0, abs=1e-6), 0.25)


@pytest.mark.parametrize("temperature", [0.3, 1.0, 7.0])
def test_the_temperature_is_the_minimum_of_the_log_loss(temperature):
    margins = margins_of(4_000, temperature, RANDOM(0))
    fitted = fit_temperature(margins)
    losses = [log_loss(margins / value) for value in (0.99 * fitted, fitted, 1.01 * fitted)]
    assert losses[1] < min(losses[0], losses[2])
    low, high = temperature_interval(margins, np.arange(4_000), fitted)
    assert low < temperature < high


def test_the_interval_of_the_temperature_is_wider_if_every_pair_is_repeated():
    margins = margins_of(500, 2.0, RANDOM(1))
    repeated, clusters = np.repeat(margins, 4), np.repeat(np.arange(500), 4)
    low, high = temperature_interval(repeated, clusters, 2.0)
    assert (low, high) == pytest.approx(temperature_interval(margins, np.arange(500), 2.0))
    assert high - low > 1.9 * np.ptp(temperature_interval(repeated, np.arange(2_000), 2.0))


@pytest.mark.parametrize(
    ("margins", "temperature"), [([1, 2, 3], 0.02), ([1, -2, 1, -3], 50), ([0, 0], 50), ([1e300, -1e300], 50)]
)
def test_the_temperature_has_bounds(margins, temperature):
    assert fit_temperature(np.array(margins, dtype=float)) == temperature


def test_bins_of_equal_mass_have_equal_numbers_and_share_equal_confidences():
    confidence = RANDOM(0).uniform(0.5, 1, 150)
    assert set(np.bincount(metrics.mass_bins(confidence))) == {10}
    assert len(set(metrics.mass_bins(np.full(150, 0.7)))) == 1


def test_smooth_ece_equals_the_integral_over_the_kernel():
    """Compare the cosine transform with the reflected Gaussian kernel, summed directly."""
    random = RANDOM(2)
    confidence = random.uniform(0.5, 1, 200)
    outcome = (random.random(200) < confidence - 0.1).astype(float)
    width = metrics.smooth_ece(confidence, outcome)
    grid = (np.arange(4_000) + 0.5) / 4_000
    smoothed = np.zeros(4_000)
    for centre in (confidence, -confidence, 2 - confidence):
        kernel = np.exp(-(((grid[:, None] - centre) / width) ** 2) / 2) / (width * np.sqrt(2 * np.pi))
        smoothed += kernel @ (outcome - confidence) / 200
    assert np.abs(smoothed).mean() == pytest.approx(width, rel=2e-3)


@pytest.mark.parametrize("size", [300, 3_000])
def test_noise_floor_equals_simulation(size):
    random = RANDOM(3)
    confidence = metrics.confidences(random.standard_normal(size))
    index = metrics.width_bins(confidence)
    errors = []
    for _ in range(400):
        outcome = (random.random(size) < confidence).astype(float)
        errors.append(metrics.calibration_error(confidence, outcome, index))
    simulated = (np.mean(errors), np.quantile(errors, 0.95))
    assert metrics.noise_floor(confidence, index) == pytest.approx(simulated, rel=0.1)
    assert metrics.clustered_floor(confidence, outcome, index, np.arange(size)) == pytest.approx(simulated, rel=0.12)


def test_clusters_raise_the_floor_and_mirrors_lower_it():
    confidence = np.repeat(RANDOM(4).uniform(0.5, 0.9, 300), 2)
    clusters = np.repeat(np.arange(300), 2)
    index = metrics.width_bins(confidence)
    both_alike = np.repeat((RANDOM(5).random(300) < confidence[::2]).astype(float), 2)
    one_of_two = np.tile([1.0, 0.0], 300)
    free, _ = metrics.noise_floor(confidence, index)
    assert metrics.clustered_floor(confidence, both_alike, index, clusters)[0] == pytest.approx(free * 2**0.5, rel=0.12)
    assert metrics.clustered_floor(confidence, one_of_two, index, clusters)[0] < free / 5


def test_each_half_is_scaled_by_the_temperature_of_the_other():
    margins = np.concatenate([margins_of(1_000, 2.0, RANDOM(6)), margins_of(1_000, 2.0, RANDOM(7))])
    clusters = np.arange(2_000) // 2
    scaled = metrics.scale_out_of_sample(margins, clusters, seed=1)
    temperatures = (margins / scaled).round(9)
    assert len(set(temperatures)) == 2
    assert (temperatures[::2] == temperatures[1::2]).all()
    first = temperatures == temperatures[0]
    assert temperatures[0] == pytest.approx(fit_temperature(margins[~first]))
    assert first.mean() == 0.5


def item(id, subset="pairs", completions=2, num_correct=1, group=""):
    return Item(id, subset, (), ((),) * completions, num_correct, group)


def test_pairs_of_a_suite():
    """Best-of-4 gives three pairs; Ties subsets, ties and unscored items give none."""
    items = (
        item("a", group="g"),
        item("b", group="g"),
        item("c", "four", 4),
        item("d", "ties", 5, 2),
        item("e", num_correct=0),
        item("f"),
        item("g"),
    )
    rules = {"four": Rule("Chat", "best_of_n"), "ties": Rule("Ties", "ties"), "pairs": Rule("Chat")}
    rows = [(2, 1), (0, 3), (1, 0, 2, 4), (1, 1, 0, 0, 0), (1, 1), (float("nan"), 1), (1.7e308, -1.7e308)]
    suite = Suite("s", "r", items, rules)
    pairs = metrics.pair_margins(suite, [ItemScores(i.id, row) for i, row in zip(items, rows, strict=True)])
    assert pairs.margins.tolist() == [1, -3, 1, -1, -3]
    assert pairs.clusters.tolist() == [0, 0, 1, 1, 1]
    assert pairs.section_names == ("Chat",)
    assert [pairs.subset_names[code] for code in pairs.subsets] == ["pairs", "pairs", "four", "four", "four"]
    assert (pairs.unscored, pairs.without_pair) == (1, 2)


def test_too_few_pairs_or_clusters_have_no_calibration():
    assert metrics.calibrate(np.ones(19), np.arange(19)) is None
    assert metrics.calibrate(np.ones(40), np.zeros(40, dtype=int)) is None
    assert metrics.calibrate(np.ones(20), np.arange(20)).at_bound
