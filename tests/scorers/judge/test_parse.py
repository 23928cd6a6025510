"""Parser of judges' answers: a table as a person reads it, token probabilities, random and hostile answers."""

import math
import re
import time

import numpy as np
import pytest
from answer_table import CHOICE, CHOICES, JSON_CHOICE, OTHERS, RANKING, RATING, SCALE, TAGGED, B, answer_table
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp

from rewardbench.scorers.judge.answers import FAILURES, Answer, TokenLogprob
from rewardbench.scorers.judge.parse import read_answer
from rewardbench.scorers.judge.protocols import AnswerRule

RULES = [CHOICE, RATING, JSON_CHOICE, RANKING, SCALE, TAGGED, *[rule for rule, *_ in OTHERS]]
VERDICTS = AnswerRule(kind="tokens", tokens={"A": ("A", " A"), "B": ("B", " B")})
VERDICTS_LAST = VERDICTS.model_copy(update={"position": "last_verdict"})
YES_OR_NO = AnswerRule(kind="tokens", tokens={"yes": ("Yes", " Yes"), "no": ("No", " No")}, read="difference")
RATINGS = AnswerRule(kind="tokens", tokens={str(n): (str(n), f" {n}") for n in range(1, 6)}, read="expectation")
PIECES = [
    *(
        "[[A]]",
        "[[B]]",
        "[[",
        "]]",
        "A",
        "B",
        "C",
        " > ",
        " = ",
        ", ",
        "\n",
        "\n\n",
        " ",
        ":",
        "：",
        "。",
        ".",
        "*",
        "**",
    ),
    *("Final verdict", "Rating", "[RESULT]", "Winner", "Response ", "Output (a)", "is better", " if ", " or ", "not "),
    *("<think>", "</think>", "<answer>", "</answer>", "\\boxed{", "\\text{", "}", "{", '{"winner": "A"}', '"winner":'),
    *(
        "8",
        "10",
        "/10",
        "-",
        ".5",
        "1e9",
        "NaN",
        "8, 6",
        "1. B\n",
        "| A | 8 |\n",
        "１",
        "А",
        "【",
        "】",
        "\x00",
        "\ud800",
    ),
]
HOSTILE = [
    *("{", '{"a":', '{"a":{"a":[', '{"winner": ', '{"winner": "A"} ', "{'winner': ", "[[", "[[A]] ", "[[A]]\n", "<"),
    *("<answer>", "</answer>", "<think>", "\\boxed{", "\\boxed{{", "verdict: ", "Final verdict: [[A]]\n", "if ", " "),
    *("\n", "\n ", "A > ", "1, ", "8/10 ", "1. A\n", "| A | 8 |\n", "Response A: 8\n", "is better ", "a", "\u200b"),
]
TEXTS = st.lists(st.sampled_from(PIECES) | st.characters(), max_size=25).map("".join)
SPECIAL = [0.0, -0.1, -2.0, -50.0, -9999.0, -math.inf, math.nan, 1e308, -1e308]
TOKENS = st.sampled_from(["A", " B", "Yes", " No", "3", " 5", "\n", "</think>", "<think>", "", "Ġ4"])
LOGPROBS = st.builds(
    TokenLogprob,
    TOKENS,
    st.sampled_from(SPECIAL),
    st.lists(st.tuples(TOKENS, st.sampled_from(SPECIAL)), max_size=5).map(tuple),
)


def read(rule: AnswerRule, text: str, count: int = 2, finish_reason: str = "stop", **fields):
    """Return the scores that are read in a text, or the failure."""
    reading = read_answer(rule, Answer(text=text, finish_reason=finish_reason, **fields), count)
    return reading.failure or reading.scores


@pytest.mark.parametrize(("rule", "count", "text", "expected"), answer_table())
def test_answers_are_read_as_a_person_reads_them(rule, count, text, expected):
    assert read(rule, text, count) == expected


def test_labels_are_read_alike():
    """Exchange the labels A and B in every answer: the scores are exchanged, a failure stays."""
    exchanged = {"A": "B", "B": "A"}
    for text, expected in CHOICES:
        mirrored = re.sub(r"\b[AB]\b", lambda match: exchanged[match[0]], text)
        if mirrored != text:
            assert read(CHOICE, mirrored) == (expected if isinstance(expected, str) else expected[::-1]), mirrored


@pytest.mark.parametrize(
    ("fields", "failure"),
    [
        ({"finish_reason": "length"}, "length"),
        ({"finish_reason": "max_tokens"}, "length"),
        ({"finish_reason": "content_filter"}, "refusal"),
        ({"finish_reason": "SAFETY"}, "refusal"),
        ({"refusal": "I cannot do that."}, "refusal"),
        ({"failure": "server_error"}, "server_error"),
        ({"failure": "max_cost", "finish_reason": "length"}, "max_cost"),
    ],
)
@pytest.mark.parametrize("rule", [CHOICE, JSON_CHOICE, RATING, VERDICTS_LAST])
def test_report_of_the_server_comes_before_the_text(rule, fields, failure):
    logprobs = (TokenLogprob("A", -0.1, (("A", -0.1), ("B", -2.0))),)
    assert read(rule, '[[A]] 8 {"winner": "A"}', logprobs=logprobs, **fields) == failure


def test_reasoning_field_is_not_read():
    assert read(CHOICE, "[[B]]", reasoning="Clearly [[A]].") == B
    assert read(CHOICE, "", reasoning="Clearly [[A]].") == "empty"
    assert read(CHOICE, "", reasoning="Clearly [[A]].", finish_reason="length") == "length"


def test_last_match_of_the_first_pattern_that_matches():
    rule = AnswerRule(kind="rating", low=1, high=10, patterns=(r"final=(\d+)", r"score=(\d+)|rated (\d+)"))
    assert read(rule, "score=3\nfinal=4\nfinal=5\nscore=6", count=1) == "both_verdicts"
    assert read(rule, "final=4\nthen\nfinal=5\nscore=6", count=1) == (5.0,)
    assert read(rule, "score=3, I mean\nrated 7", count=1) == (7.0,)
    assert read(rule, "7", count=1) == "no_verdict"
    assert read(rule, "first: score=3\nsecond: score=7", count=2) == (3.0, 7.0)
    assert read(rule, "score=3", count=2) == "no_verdict"
    assert read(rule, "score=30", count=1) == "out_of_range"


def distribution(*entries: tuple[str, float], token: str | None = None) -> tuple[TokenLogprob, ...]:
    """Return the logprobs of one generated token, the most probable one unless named."""
    alternatives = tuple((text, math.log(probability)) for text, probability in entries)
    return (TokenLogprob(token or alternatives[0][0], alternatives[0][1], alternatives),)


def read_logprobs(rule: AnswerRule, logprobs: tuple[TokenLogprob, ...] | None, count: int = 1, **fields):
    """Return the reading of an answer that is cut after its tokens, as those with max_tokens: 1 are."""
    text = "".join(token.token for token in logprobs or ())
    return read_answer(rule, Answer(text=text, logprobs=logprobs, **{"finish_reason": "length"} | fields), count)


def test_probabilities_of_all_variants_are_summed():
    entries = [("A", 0.5), (" B", 0.2), (" A", 0.1), ("B", 0.05), ("The", 0.05)]
    reading = read_logprobs(VERDICTS, distribution(*entries), count=2)
    first, second = logsumexp(np.log([0.5, 0.1])), logsumexp(np.log([0.2, 0.05]))
    np.testing.assert_allclose(reading.scores, np.exp([first, second] - logsumexp([first, second])), rtol=1e-12)
    assert not reading.has_floor


def test_difference_and_expectation_equal_numpy():
    reading = read_logprobs(YES_OR_NO, distribution(("Yes", 0.6), (" Yes", 0.1), ("No", 0.2), ("Maybe", 0.1)))
    np.testing.assert_allclose(reading.scores, [np.log(0.7) - np.log(0.2)], rtol=1e-12)
    entries = [("4", 0.5), ("3", 0.2), (" 4", 0.1), ("5", 0.1), ("2", 0.05), ("1", 0.01)]
    reading = read_logprobs(RATINGS, distribution(*entries))
    expected = np.average([1, 2, 3, 4, 5], weights=[0.01, 0.05, 0.2, 0.6, 0.1])
    np.testing.assert_allclose(reading.scores, [expected], rtol=1e-12)


def test_absent_outcome_takes_the_floor():
    logprobs = distribution(("Yes", 0.9), ("Maybe", 0.04), ("So", 0.01))
    reading = read_logprobs(YES_OR_NO, logprobs)
    np.testing.assert_allclose(reading.scores, [np.log(0.9) - np.log(0.01)], rtol=1e-12)
    assert reading.has_floor
    clipped = read_logprobs(YES_OR_NO.model_copy(update={"floor": -50.0}), logprobs)
    np.testing.assert_allclose(clipped.scores, [np.log(0.9) + 50], rtol=1e-12)
    assert clipped.has_floor
    sentinel = (TokenLogprob("Yes", -0.1, (("Yes", -0.1), ("Maybe", -3.0), ("No", -9999.0))),)
    assert read_logprobs(YES_OR_NO, sentinel).scores == (-0.1 + 3.0,)


def test_answers_without_probabilities_of_an_outcome():
    assert read_logprobs(YES_OR_NO, None).failure == "empty"
    assert read_answer(YES_OR_NO, Answer(text="Yes"), 1).failure == "no_logprobs"
    assert read_logprobs(YES_OR_NO, ()).failure == "empty"
    assert read_logprobs(YES_OR_NO, (TokenLogprob("Yes", -0.1),)).failure == "no_logprobs"
    assert read_logprobs(YES_OR_NO, distribution(("Maybe", 0.9), ("yes", 0.1))).failure == "no_verdict"
    assert read_logprobs(VERDICTS, distribution(("A", 0.9), ("B", 0.1)), count=3).failure == "no_verdict"


def test_generated_token_outside_the_top_k_counts():
    logprobs = (TokenLogprob("No", math.log(0.1), (("Yes", math.log(0.6)), ("So", math.log(0.2)))),)
    np.testing.assert_allclose(read_logprobs(YES_OR_NO, logprobs).scores, [np.log(6)], rtol=1e-12)


def test_tie_outcome_is_split():
    rule = VERDICTS.model_copy(update={"tokens": {**VERDICTS.tokens, "C": ("C",)}, "tie": ("C",)})
    reading = read_logprobs(rule, distribution(("A", 0.5), ("B", 0.3), ("C", 0.2)), count=2)
    np.testing.assert_allclose(reading.scores, [0.6, 0.4], rtol=1e-12)


def test_positions_of_the_verdict():
    blank = TokenLogprob("\n", -0.1, (("\n", -0.1), ("No", -3.0)))
    yes, no = distribution(("Yes", 0.8), ("No", 0.2)), distribution(("No", 0.7), ("Yes", 0.3))
    thought, end = TokenLogprob("<think>", 0.0), TokenLogprob("</think>", 0.0)
    np.testing.assert_allclose(read_logprobs(YES_OR_NO, (blank, *yes, *no)).scores, [np.log(4)])
    last = YES_OR_NO.model_copy(update={"position": "last_verdict"})
    stop = {"finish_reason": "stop"}
    np.testing.assert_allclose(read_logprobs(last, (*yes, blank, *no, blank), **stop).scores, [np.log(3 / 7)])
    np.testing.assert_allclose(read_logprobs(last, (thought, *no, end, *yes), **stop).scores, [np.log(4)])
    np.testing.assert_allclose(read_logprobs(last, (*no, end, *yes), **stop).scores, [np.log(4)])
    assert read_logprobs(last, (thought, *no), **stop).failure == "no_verdict"
    assert read_logprobs(last, (*no, end, blank), **stop).failure == "no_verdict"
    separate = Answer(text="Yes", reasoning="No", logprobs=(*no, *yes), finish_reason="stop")
    np.testing.assert_allclose(read_answer(last, separate, 1).scores, [np.log(4)])
    thinking = Answer(text="Maybe", reasoning="No", logprobs=(*no, TokenLogprob("Maybe", -0.1)), finish_reason="stop")
    assert read_answer(last, thinking, 1).failure == "no_verdict"


@pytest.mark.parametrize("token", ["▁Yes", "ĠYes", " Yes", "Yes"])
def test_tokens_as_a_tokenizer_stores_them(token):
    logprobs = (TokenLogprob(token, -0.2, ((token, -0.2), ("No", -1.9))),)
    np.testing.assert_allclose(read_logprobs(YES_OR_NO, logprobs).scores, [1.7])


def check(rule: AnswerRule, answer: Answer, count: int) -> None:
    """Check that a reading has finite scores in the right number, or a known failure and no score."""
    reading = read_answer(rule, answer, count)
    if reading.failure:
        assert reading.failure in FAILURES
        assert reading.scores == ()
    else:
        assert len(reading.scores) == (1 if rule.kind == "tokens" and rule.read != "probability" else count)
        assert all(map(math.isfinite, reading.scores))


@settings(max_examples=400, deadline=2000, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(RULES), TEXTS, st.integers(1, 4))
def test_any_text_gives_scores_or_a_failure(rule, text, count):
    count = 2 if rule.kind == "scale" else count
    check(rule, Answer(text=text, finish_reason="stop"), count)


@settings(max_examples=200, deadline=2000, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from([VERDICTS, VERDICTS_LAST, YES_OR_NO, RATINGS]), st.lists(LOGPROBS, max_size=4), st.integers(1, 2)
)
def test_any_logprobs_give_a_score_or_a_failure(rule, logprobs, count):
    check(rule, Answer(text="".join(token.token for token in logprobs), logprobs=tuple(logprobs)), count)


@pytest.mark.parametrize("piece", HOSTILE)
def test_time_is_bounded(piece):
    text = piece * (1_000_000 // len(piece)) + "\n[[A]]"
    for rule in (CHOICE, RATING, JSON_CHOICE, RANKING, TAGGED):
        start = time.process_time()
        read_answer(rule, Answer(text=text, finish_reason="stop"), 2)
        assert time.process_time() - start < 1
