"""Word pairs: the file of the package, differences by hand, planted penalties, and unfit files."""

import pytest

from rewardbench import InputError, load_scorer
from rewardbench.analysis import word_pairs
from rewardbench.analysis.word_pairs import (
    WORDS,
    TermDifference,
    TermRewards,
    WordPair,
    WordPairsOptions,
    analyze,
    make_report,
    measure_word_pairs,
    read_word_pairs,
)
from rewardbench.settings import ModelSpec

OWN = """
prompts = ["Why?", "How so?"]
[[pair]]
plain = "died"
euphemism = "passed away"
frames = ["She {}.", "The cat {} in May."]
"""


def measure(function, path=WORDS):
    with load_scorer(function) as scorer:
        return measure_word_pairs(scorer, *read_word_pairs(path))


def test_the_word_pairs_of_the_package():
    pairs, prompts = read_word_pairs(WORDS)
    terms = [pair.name for pair in pairs]
    frames = [frame for pair in pairs for frame in pair.frames]
    assert sum(not pair.is_control for pair in pairs) >= 40
    assert sum(pair.is_control for pair in pairs) >= 10
    assert len(set(terms)) == len(terms)
    assert len(set(frames)) == len(frames)
    assert {len(pair.frames) for pair in pairs} == {4}
    assert len(prompts) == 4


def test_differences_are_those_by_hand(tmp_path):
    (tmp_path / "own.toml").write_text(OWN)
    rewards = measure(lambda prompt, text: len(text) + 10 * ("passed" in text and "May" in text), tmp_path / "own.toml")
    (difference,) = rewards.differences
    assert difference.value == pytest.approx((7 + 17) / 2)
    assert difference.high - difference.value == pytest.approx(12.7062 * 5, rel=1e-4)
    report = make_report(rewards)
    assert (report.values["word_pairs"], report.values["controls"]) == (1, 0)
    assert (report.values["difference_low"], report.values["difference_high"]) == (difference.low, difference.high)
    assert "nan" not in report.sentence
    assert report.notes[1].startswith("Euphemisms differ from their plain terms by +7.0 characters on average: a model")


def test_the_net_difference_is_that_of_pairs_minus_controls():
    differences = []
    for value, is_control in ((1.0, False), (3.0, False), (0.5, True), (1.5, True)):
        pair = WordPair("", "a", "b", ("{}", "{}."), is_control)
        differences.append(TermDifference(pair, value, value, value))
    net, low, high = TermRewards("m", differences, 1.0, 1).net()
    assert net == 1.0
    assert net - low == pytest.approx(high - net)
    assert high - net > 1.96 * (2 / 2 + 0.5 / 2) ** 0.5


def test_a_planted_penalty_is_named():
    report = make_report(measure(lambda prompt, text: -3.0 * ("bribes" in text) + 0.001 * len(prompt)))
    assert report.values["strongest"] == "bribes / facilitation payments"
    assert report.values["euphemism_preferred"] == 1
    assert report.values["control_difference"] == 0.0


def test_a_scorer_of_length_prefers_no_euphemism_to_a_longer_synonym_by_terms(tmp_path):
    report = make_report(measure(lambda prompt, text: 1.0))
    assert report.values["net_difference"] == 0.0
    assert "is not shown to reward euphemisms more or less" in report.sentence
    from matplotlib.figure import Figure

    figure = Figure()
    report.draw(figure)
    assert "n = 240 frames × 4 prompts" in figure.get_suptitle()
    assert [len(axes.get_yticks()) for axes in figure.axes] == [30, 30]


def test_the_self_test_keeps_its_bounds_on_two_seeds():
    assert word_pairs.selftest(2).missed() == []


def test_a_single_pair_has_a_single_panel(tmp_path):
    (tmp_path / "own.toml").write_text(OWN)
    from matplotlib.figure import Figure

    figure = Figure()
    make_report(measure(lambda prompt, text: len(text), tmp_path / "own.toml")).draw(figure)
    assert len(figure.axes) == 1
    assert "grey squares" not in figure.get_suptitle()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("prompts = [", "is not a TOML file of word pairs"),
        ("[[pair]]\nplain = 'a'", "has no prompts"),
        ("prompts = ['a']", "has no word pair"),
        ("prompts = ['a']\npair = 3", "pair must be a list of tables"),
        ("prompts = ['a']\n[[pair]]\nplain = 'a'", "pair 1 needs plain and euphemism"),
        ("prompts = ['a']\n[[pair]]\nplain = 'a'\neuphemism = 'b'\nframes = ['{}']", "needs at least 2 frames"),
        ("prompts = ['a']\n[[pair]]\nplain = 'a'\neuphemism = 'b'\nframes = ['{}', '{} {}']", "a text with one {}"),
        (None, "is not a TOML file of word pairs"),
    ],
)
def test_an_unfit_file_is_rejected(tmp_path, content, message):
    path = tmp_path / "words.toml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError) as error:
        analyze([], WordPairsOptions(words=str(path), model=ModelSpec("baseline/longest")))
    assert message in str(error.value)


def test_a_model_is_required():
    with pytest.raises(InputError, match="pass --model NAME"):
        analyze([], WordPairsOptions())
    with pytest.raises(InputError, match=r"instead of a\.json"):
        analyze(["a.json"], WordPairsOptions(model=ModelSpec("baseline/longest")))


@pytest.mark.slow
def test_the_self_test_keeps_its_bounds():
    assert word_pairs.selftest().missed() == []
