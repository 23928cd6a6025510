"""mt: questions of two turns, a chat model and a judge behind real servers, means by hand, and paired runs."""

import json
import math
from math import inf, isnan, nan
from pathlib import Path

import numpy as np
import pytest
from fake_judge import Behaviour, FakeJudge
from judge_answers import messages_of, yes_no

from rewardbench.analysis import mt
from rewardbench.analysis.chatbench.chains import hash_of_chains
from rewardbench.analysis.chatbench.judging import ScoredReplies
from rewardbench.analysis.chatbench.play import ChatRun
from rewardbench.analysis.mt.ratings import mean_rating, question_means, questions_needed
from rewardbench.analysis.mt.report import RatedRun, load_questions, report_ratings
from rewardbench.analysis.output import write_report
from rewardbench.errors import InputError
from rewardbench.scorers.judge.protocols import load_protocol

QUESTIONS = """
- {id: sea, turns: [{user: "Why is the sea salty?"}, {user: "And lakes?"}]}
- {id: bread, turns: [{user: "Why does bread rise?"}, {user: "And flatbread?"}]}
- {id: rust, turns: [{user: "Why does iron rust?"}, {user: "And copper?"}]}
"""
RATINGS = {"sea": "8", "lakes": "6", "bread": "9", "flatbread": "5", "iron": "7", "copper": "oops"}


@pytest.fixture
def questions_file(tmp_path):
    path = tmp_path / "questions.yaml"
    path.write_text(QUESTIONS, encoding="utf-8")
    return str(path)


@pytest.fixture
def server(monkeypatch):
    """Serve a chat model that repeats the last message, and a judge with a rating for each reply."""

    def answer(question):
        turns = messages_of(question.body)
        if question.body["model"] == "chat":
            return f"Echo: {turns[-1][1]}"
        reply = turns[-1][1].rpartition("Echo: ")[2].split()[-1].strip("?")
        subject = reply if reply in RATINGS else turns[-1][1].rpartition("Echo: ")[2].split()[2]
        subject = "sea" if subject == "the" else subject
        return f"It is brief.\nRating: {RATINGS[subject]}"

    monkeypatch.setenv("OPENAI_API_KEY", "any")
    with FakeJudge(Behaviour(decide=answer)) as fake:
        yield fake


def options(questions_file, server, **values):
    return mt.MtOptions(questions=questions_file, judge="judge", judge_url=server.base_url, **values)


def test_each_reply_is_rated_in_its_conversation(questions_file, server, tmp_path):
    chat = f"openai:{server.base_url}#chat"
    report = mt.analyze([], options(questions_file, server, chat_model=chat, run=str(tmp_path / "mt.jsonl")))
    assert report.details["ratings"][0]["ratings"][:2] == [[8.0, 6.0], [9.0, 5.0]]
    assert isnan(report.details["ratings"][0]["ratings"][2][1])
    values = report.values
    assert (values["rating"], values["questions"], values["unrated"]) == (7.0, 2, 1)
    assert (values["first_turn"], values["second_turn"]) == (8.0, 5.5)
    assert values["protocol"] == f"turn_rating@1#{load_protocol('turn_rating').digest}"
    judged = [json.loads(exchange.raw) for exchange in server.requests if b'"judge"' in exchange.raw]
    (second,) = [
        body["messages"][1]["content"] for body in judged if "And lakes?\n\n# Last" in body["messages"][1]["content"]
    ]
    assert "Why is the sea salty?" in second
    assert second.count("Echo: ") == 2
    assert Path(write_report(report, tmp_path / "out", {})["figure"]).stat().st_size > 10_000


def test_two_runs_are_paired_by_question(questions_file, server, tmp_path):
    questions = load_questions(questions_file)
    replies = {"first": ["sea", "lakes", "bread", "flatbread"], "second": ["bread", "iron", "bread", "bread"]}
    paths = []
    for name, words in replies.items():
        rows = [{"chat_model": name, "chains": hash_of_chains(questions)}]
        for number, word in enumerate(words):
            chain = questions[number // 2].id
            rows.append({"chain": chain, "turn": number % 2, "reply": f"Echo: about {word}"})
        paths.append(tmp_path / f"{name}.jsonl")
        paths[-1].write_text("".join(json.dumps(row) + "\n" for row in rows))
    report = mt.analyze(paths, options(questions_file, server))
    values = report.values
    assert (values["rating"], values["second_rating"]) == (7.0, 8.5)
    assert (values["difference"], values["paired_questions"]) == (1.5, 2)
    assert values["questions_for_half_a_point"] == math.ceil(2 * (2.8016 * 0.5 / 0.5) ** 2)  # the error is 0.5
    assert report.notes[-2:] == [f"{name} has no reply to 2 turns, which are unrated." for name in replies]


def test_a_protocol_without_ratings_is_rejected(questions_file, monkeypatch, tmp_path):
    monkeypatch.setenv("OPENAI_API_KEY", "any")
    questions = load_questions(questions_file)
    run = tmp_path / "run.jsonl"
    rows = [{"chat_model": "m", "chains": hash_of_chains(questions)}, {"chain": "sea", "turn": 0, "reply": "Salt."}]
    run.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with FakeJudge(Behaviour(decide=yes_no(lambda prompt: [0.1]))) as fake:
        arguments = options(questions_file, fake, judge_protocol="yes_no")
        with pytest.raises(InputError, match="not ratings from 1 to 10"):
            mt.analyze([run], arguments)


def test_means_by_hand():
    ratings = np.array([[8.0, 6.0], [9.0, 3.0], [nan, 5.0]])
    means = question_means(ratings)
    assert means[:2].tolist() == [7.0, 6.0]
    mean = mean_rating(means)
    assert (mean.value, mean.questions, mean.error) == (6.5, 2, pytest.approx(0.5))
    assert mean.high - mean.value == pytest.approx(12.706 * 0.5, rel=1e-4)
    assert mean.detectable == pytest.approx(2.8016 * 2**0.5 * 0.5, rel=1e-4)
    assert isnan(mean_rating([5.0]).low)
    assert isnan(mean_rating([]).value)
    assert questions_needed(0.5, 10, mean_rating([6.0, 7.0]).detectable) == 10
    assert questions_needed(0.5, 10, mean_rating([6.0, 7.0]).detectable / 2) == 40
    assert questions_needed(0.5, 10, 0.0) == inf


def test_the_questions_of_the_package_have_two_turns():
    questions = load_questions()
    assert len(questions) >= 10
    assert {len(question.turns) for question in questions} == {2}


def test_equal_ratings_have_an_interval_of_width_0_and_no_error():
    mean = mean_rating([7.0] * 5)
    assert (mean.low, mean.high, mean.detectable) == (7.0, 7.0, 0.0)


@pytest.mark.parametrize(
    ("steps", "end"),
    [
        ((), "; all ratings are equal, so nothing is known of the difference that can be detected."),
        ((0.0,), "is not distinguishably different, at +0.00 points (0.00 to 0.00), the same for every question."),
        ((1.0,), "is higher, at +1.00 points (1.00 to 1.00), the same for every question."),
    ],
)
def test_equal_ratings_detect_no_difference(steps, end):
    rated = []
    for step in (0.0, *steps):
        run = ChatRun("same name", {}, {})
        rated.append(RatedRun(run, np.full((3, 2), 7.0 + step), ScoredReplies(np.zeros(6), (), "p")))
    report = report_ratings(rated, load_questions()[:3], "judge")
    assert report.sentence.endswith(end)
    assert report.values["questions_for_half_a_point"] is None
    assert len(report.details["ratings"]) == len(rated)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- {id: a, turns: [{user: x}]}", "a must have 2 turns"),
        (QUESTIONS + QUESTIONS, "Two questions have the id 'sea'"),
        ("3", "is not a list of chains"),
    ],
)
def test_questions_that_are_not_valid_are_rejected(tmp_path, text, message):
    path = tmp_path / "questions.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        load_questions(path)


def test_unfit_options_of_mt_are_rejected(questions_file, server, tmp_path):
    with pytest.raises(InputError, match="mt needs a judge: pass --judge"):
        mt.analyze([], mt.MtOptions())
    with pytest.raises(InputError, match="There are no replies to rate"):
        mt.analyze([], options(questions_file, server))
    run = tmp_path / "run.jsonl"
    run.write_text('{"chat_model": "m", "chains": "other"}\n')
    with pytest.raises(InputError, match="replies to other questions"):
        mt.analyze([run], options(questions_file, server))


def test_selftest_reads_ratings_and_knows_the_half_widths():
    report = mt.selftest(5)
    assert report.values["rating_read_errors"] == 0
    assert round(100 * report.values["half_width_160"], 1) == 6.2


@pytest.mark.slow
def test_the_selftest_of_mt_keeps_its_bars():
    assert mt.selftest().missed() == []
