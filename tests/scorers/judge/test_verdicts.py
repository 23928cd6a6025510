"""The answers to one call become one score, by mean or majority; rows of answers are read back, also untrusted ones."""

import json
from math import isnan

import pytest

from rewardbench.scorers.judge.answers import Answer, TokenLogprob
from rewardbench.scorers.judge.protocols import AnswerRule, load_protocol
from rewardbench.scorers.judge.verdicts import AnswerRow, answers_row, call_score, call_spread, read_answers_rows

CHOICE = load_protocol("choice")
MAJORITY = CHOICE.model_copy(update={"combine": "majority"})
RATING = load_protocol("rating")
TEXTS = {"A": "[[A]]", "B": "[[B]]", "x": "Both have merits.", "r": "9", "-": ""}


def answers(letters):
    return [Answer(TEXTS.get(letter, letter)) for letter in letters]


@pytest.mark.parametrize(
    ("letters", "mean", "majority"),
    [
        ("A", 1.0, 1.0),
        ("B", 0.0, 0.0),
        ("AAB", 2 / 3, 1.0),
        ("AAx", 1.0, 1.0),
        ("ABx", 0.5, "no_majority"),
        ("AB", 0.5, "no_majority"),
        ("Ax", "no_verdict", "no_verdict"),
        ("Axx", "no_verdict", "no_verdict"),
        ("x", "no_verdict", "no_verdict"),
        ("-", "empty", "empty"),
        ("A--", "empty", "empty"),
        ("", "empty", "empty"),
    ],
)
def test_repeats_are_combined(letters, mean, majority):
    for protocol, expected in ((CHOICE, mean), (MAJORITY, majority)):
        score, failure = call_score(protocol, "pairwise", answers(letters), 2)
        if isinstance(expected, str):
            assert isnan(score)
            assert failure == expected
        else:
            assert (score, failure) == (pytest.approx(expected), None)


@pytest.mark.parametrize("failure", ["max_cost", "max_requests"])
def test_a_repeat_that_was_not_sent_fails_the_call(failure):
    score, reason = call_score(CHOICE, "pairwise", [*answers("AAAA"), Answer(failure=failure)], 2)
    assert isnan(score)
    assert reason == failure


def test_a_repeat_that_the_server_failed_is_no_vote():
    assert call_score(CHOICE, "pairwise", [*answers("AA"), Answer("[[B]]", failure="timeout")], 2) == (1.0, None)


def test_the_mean_does_not_depend_on_the_order_of_repeats():
    first = call_score(RATING, "pointwise", [Answer(f"Rating: [[{n}]]") for n in (1, 7, 9)], 1)
    assert first == call_score(RATING, "pointwise", [Answer(f"Rating: [[{n}]]") for n in (9, 1, 7)], 1)
    assert first[0] == pytest.approx(17 / 3)


def test_a_listwise_call_has_a_score_per_completion():
    protocol = load_protocol("best_of_n")
    scores, failure = call_score(protocol, "listwise", [Answer("[[C]]")], 4)
    assert failure is None
    assert scores.index(max(scores)) == 2
    scores, failure = call_score(protocol, "listwise", [Answer("none of them")], 4)
    assert failure == "no_verdict"
    assert len(scores) == 4
    assert all(map(isnan, scores))
    majority = protocol.model_copy(update={"combine": "majority"})
    assert call_score(majority, "listwise", answers(["[[C]]", "[[C]]", "[[A]]"]), 4) == ((0.0, 0.0, 1.0, 0.0), None)


def test_a_probability_is_the_score_of_a_pair():
    rule = AnswerRule(kind="tokens", tokens={"A": ("A",), "B": ("B",)}, read="probability")
    protocol = CHOICE.model_copy(update={"answer": rule})
    token = TokenLogprob("A", -0.2231435513142097, (("A", -0.2231435513142097), ("B", -1.6094379124341003)))
    score, failure = call_score(protocol, "pairwise", [Answer("A", logprobs=(token,))], 2)
    assert (score, failure) == (pytest.approx(0.8), None)


def test_the_spread_is_the_deviation_of_repeats():
    assert call_spread(CHOICE, "pairwise", answers("AAB"), 2) == pytest.approx(0.57735, abs=1e-5)
    assert call_spread(CHOICE, "pairwise", answers("AAx"), 2) == 0
    assert call_spread(CHOICE, "pairwise", answers("Ax"), 2) is None


def test_rows_are_read_back():
    token = TokenLogprob("x", -1.0, (("y", -2.0),))
    answer = Answer("[[A]]", "thought", "stop", "", (token,), "m", "fp", 3, 4, None, "")
    lines = [json.dumps({**answers_row("i", (1, 0), 2, answer), "more": 1}).encode()]
    assert list(read_answers_rows(lines)) == [AnswerRow("i", (1, 0), 2, answer)]


@pytest.mark.parametrize(
    "change",
    [
        {"id": 7},
        {"shown": [0.5]},
        {"shown": "01"},
        {"repeat": "1"},
        {"answer": None},
        {"answer": {"text": None}},
        {"answer": {"failure": "odd"}},
        {"answer": {"logprobs": [{"token": "x"}]}},
        {"answer": {"logprobs": [["x", 1]]}},
        {"answer": {"prompt_tokens": 1.5}},
    ],
)
def test_untrusted_rows_are_checked(change):
    row = {**answers_row("i", (0, 1), 0, Answer("[[A]]")), **change}
    with pytest.raises(ValueError, match="validation error"):
        list(read_answers_rows([json.dumps(row).encode()]))
