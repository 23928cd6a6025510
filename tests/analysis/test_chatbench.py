"""chatbench: chains, hand-written replies, chat models behind a real server and in this process, scores and tests."""

import json
from math import isnan
from pathlib import Path

import numpy as np
import pytest
from fake_judge import Behaviour, FakeJudge, always
from judge_answers import messages_of
from local_judges import make_judge

from rewardbench.analysis import chatbench
from rewardbench.analysis.chatbench.chains import hash_of_chains, load_chains
from rewardbench.analysis.chatbench.comparison import compare_runs, half_width, mcnemar, score_run, survival
from rewardbench.analysis.chatbench.judging import (
    area_under_curve,
    calibrate_threshold,
    judge_by_threshold,
    thresholds_for,
)
from rewardbench.analysis.chatbench.play import read_run
from rewardbench.analysis.chatbench.references import WRONG_REPLY, reference_errors, verify_references
from rewardbench.analysis.chatbench.verify import VerifiedTurn, verify
from rewardbench.analysis.output import draw_report, write_report
from rewardbench.errors import InputError
from rewardbench.settings import ModelSpec

CHAINS = """
- id: tea
  system: Be brief.
  turns:
    - user: Name a tea.
      checks: {words: 1}
      reply: Rooibos
      passes: true
    - user: Another one.
      checks: {words: 1, new: true}
      reply: Rooibos
      passes: false
    - user: And why?
      checks: {holds: "len(r) > 3"}
      reply: It is red.
      passes: true
- id: dates
  turns:
    - {user: "A date?", checks: {matches: '^\\d+$'}, reply: '4', passes: true}
    - {user: "Next?", checks: {number: 5}, reply: '5', passes: true}
    - {user: "Next?", checks: {number: 6}, reply: '7', passes: false}
"""


@pytest.fixture
def chains_file(tmp_path):
    path = tmp_path / "chains.yaml"
    path.write_text(CHAINS, encoding="utf-8")
    return str(path)


@pytest.fixture
def server(monkeypatch):
    """Serve a chat model that answers with the number of messages it was sent, and `tea` first."""

    def answer(question):
        turns = messages_of(question.body)
        return "Assam" if turns[-1][1] == "Name a tea." else str(len(turns))

    monkeypatch.setenv("OPENAI_API_KEY", "any")
    with FakeJudge(Behaviour(decide=answer)) as fake:
        yield fake


def options(chains_file, **values):
    return chatbench.ChatbenchOptions(chains=chains_file, **values)


def verified_of(passes):
    return [VerifiedTurn(chain, n, {"rule": passed}) for chain, row in passes.items() for n, passed in enumerate(row)]


def test_the_verifiers_agree_with_every_hand_written_reply():
    chains = load_chains()
    verified = verify_references(chains)
    assert len(chains) >= 40
    assert {len(chain.turns) for chain in chains} <= set(range(3, 9))
    assert sum(not turn.passes for turn in verified) >= 20
    assert reference_errors(chains, verified) == []


@pytest.mark.parametrize("seed", range(8))
def test_the_example_has_one_wrong_reply(seed):
    report = chatbench.analyze([], chatbench.ChatbenchOptions(seed=seed))
    assert report.values["score"] == "7/8"
    (run,) = report.details["runs"]
    wrong = [turn["turn"] for turn in run["turns"] if turn["reply"] == WRONG_REPLY]
    assert report.values["prefix"] == f"{wrong[0]}/8"
    assert report.values["detectable_difference"] is None


def test_a_served_chat_model_gets_its_own_replies_and_is_asked_once(chains_file, server, tmp_path):
    run = str(tmp_path / "served.jsonl")
    arguments = options(chains_file, chat_model=f"openai:{server.base_url}#tea-model", run=run)
    report = chatbench.analyze([], arguments)
    assert report.values["score"] == "3/6"  # tea: Assam and 4 (system, user, assistant, user); dates: 1
    assert report.values["prefix"] == "3/6"
    assert server.calls == 6
    conversations = [json.loads(exchange.raw)["messages"] for exchange in server.requests]
    (third,) = [messages for messages in conversations if len(messages) == 6]
    assert [message["content"] for message in third] == [
        "Be brief.",
        "Name a tea.",
        "Assam",
        "Another one.",
        "4",
        "And why?",
    ]
    assert chatbench.analyze([], arguments).values == report.values
    assert server.calls == 6


def test_a_run_resumes_from_its_file(chains_file, server, tmp_path):
    path = tmp_path / "served.jsonl"
    arguments = options(chains_file, chat_model=f"openai:{server.base_url}#tea-model", run=str(path))
    chatbench.analyze([], arguments)
    content = path.read_text()
    lines = content.splitlines(keepends=True)
    path.write_text("".join(lines[:4]) + lines[4][:9])
    chatbench.analyze([], arguments)
    assert sorted(path.read_text().splitlines()) == sorted(content.splitlines())
    other = options(chains_file, chat_model=f"openai:{server.base_url}#other", run=str(path))
    with pytest.raises(InputError, match="has replies with another chat_model"):
        chatbench.analyze([], other)


def test_a_model_in_this_process_holds_the_conversations(chains_file, tmp_path):
    folder = make_judge(tmp_path / "model")
    reports = []
    for name in ("one", "two"):
        run = str(tmp_path / f"{name}.jsonl")
        arguments = options(chains_file, chat_model=f"hf:{folder}", run=run, max_tokens=4, limit=1)
        reports.append(chatbench.analyze([], arguments))
    texts = [[turn["reply"] for turn in report.details["runs"][0]["turns"]] for report in reports]
    assert texts[0] == texts[1]
    assert len(texts[0]) == 3
    assert any(texts[0])


def test_two_runs_are_compared(chains_file, server, tmp_path):
    path = tmp_path / "served.jsonl"
    first = options(chains_file, chat_model=f"openai:{server.base_url}#tea-model", run=str(path))
    chatbench.analyze([], first)
    report = chatbench.analyze([path], options(chains_file, transcripts=True))
    values = report.values
    assert values["second_score"] == "4/6"
    assert (values["gains"], values["losses"]) == (2, 1)
    assert values["mcnemar_p"] == 1.0
    assert values["difference"] == pytest.approx(1 / 6)
    assert Path(write_report(report, tmp_path / "out", {})["figure"]).stat().st_size > 10_000


def test_a_reward_model_is_compared_with_the_verifier(chains_file):
    report = chatbench.analyze([], options(chains_file, transcripts=True, model=ModelSpec("baseline/longest")))
    values = report.values
    assert values["verifier_errors"] == 0
    # Characters of passes 7, 10, 1, 1 and of failures 7, 1: of 8 pairs 3 are right, 3 tied and 2 wrong.
    assert values["auc"] == pytest.approx((3 + 1.5) / 8)
    assert (values["auc_low"], values["auc_high"]) == (0.5, 0.75)  # those of dates, and of tea
    assert values["unscored"] == 0


def test_a_judge_behind_a_server_scores_the_replies(chains_file, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "any")
    with FakeJudge(Behaviour(decide=always("Rating: 7"))) as server:
        arguments = options(
            chains_file,
            transcripts=True,
            judge="judge",
            judge_url=server.base_url,
            judge_protocol="rating",
            threshold=7.0,
        )
        report = chatbench.analyze([], arguments)
    assert report.values["judge_score"] == "6/6"
    assert (report.values["sensitivity"], report.values["specificity"]) == (1.0, 0.0)
    assert report.values["auc"] == 0.5
    assert report.values["protocol"].startswith("rating@1#")


def test_thresholds_are_those_of_other_chains():
    scores = np.array([1.0, 2.0, 10.0, 11.0])
    thresholds = thresholds_for(scores, np.ones(4, dtype=bool), ["a", "a", "b", "b"], 1.0)
    assert thresholds.tolist() == [10.0, 10.0, 1.0, 1.0]
    with pytest.raises(InputError, match="No reply with a score passes"):
        calibrate_threshold(np.array([np.nan, 1.0]), np.array([True, False]), 0.9)
    assert isnan(area_under_curve(scores, np.ones(4, dtype=bool)))


def test_replies_without_any_score_have_no_auc():
    passes = np.array([True, False])
    judgement = judge_by_threshold(np.full(2, np.nan), passes, ["a", "b"], np.zeros(2))
    assert isnan(judgement.auc)
    assert isnan(judgement.low)
    assert not judgement.accepts.any()


def test_prefix_and_share_by_hand():
    score = score_run("m", verified_of({"a": [True, True, False], "b": [False, True, True]}))
    assert (score.passed, score.turns, score.share.value) == (4, 6, pytest.approx(4 / 6))
    assert score.prefixes == ((2, 3), (0, 3))
    assert score.prefix.value == pytest.approx(1 / 3)


def test_the_error_of_a_share_is_that_of_chains():
    score = score_run("m", verified_of({"a": [True, True], "b": [False, False], "c": [True, False]}))
    assert score.error == pytest.approx(np.std([1, 0, 0.5], ddof=1) / 3**0.5)


def test_chains_without_a_failure_are_estimated_as_by_statsmodels():
    from statsmodels.duration.survfunc import SurvfuncRight

    prefixes = [(0, 4), (4, 4), (1, 3), (3, 3), (2, 5), (5, 5), (2, 8), (8, 8)]
    times = [reached + (reached < length) for reached, length in prefixes]
    expected = SurvfuncRight(times, [reached < length for reached, length in prefixes])
    shares = survival(prefixes)
    for time, share, error in zip(expected.surv_times, expected.surv_prob, expected.surv_prob_se, strict=True):
        estimated = shares[int(time) - 1]
        assert estimated.value == pytest.approx(share)
        half = 1.959964 * error / (share * np.log(share))
        limits = np.exp(np.log(share) * np.exp([-half, half]))
        assert [estimated.low, estimated.high] == pytest.approx(sorted(limits), rel=1e-5)


def test_a_clear_difference_is_significant_and_none_is_not():
    worse = verified_of({str(n): [n % 3 == 0] * 4 for n in range(30)})
    better = verified_of({str(n): [n % 3 != 1] * 4 for n in range(30)})
    difference = compare_runs(worse, better)
    assert difference.value == pytest.approx(1 / 3)
    assert difference.low > 0
    assert difference.bootstrap[0] > 0
    assert difference.mcnemar_p < difference.chain_p < 0.01  # turns of a chain are not independent
    same = compare_runs(worse, worse)
    assert (same.value, same.mcnemar_p, same.gains) == (0, 1.0, 0)
    assert mcnemar(0, 0) == 1.0
    assert half_width(0.8, 160) == pytest.approx(0.062, abs=5e-4)


def test_missing_replies_fail():
    chains = load_chains()[:2]
    verified = verify(chains, {})
    assert not any(turn.passes for turn in verified)


LENIENT = """
- id: lenient
  turns:
    - {user: "Be brief.", checks: {words: [null, 9], holds: "len(r) < 9"}}
    - {user: "Hi."}
    - {user: "No lists, please.", checks: {items: [null, 0]}}
"""


def test_a_model_that_says_nothing_passes_no_turn(tmp_path, monkeypatch):
    """Rules with an upper limit only would let an empty reply pass."""
    monkeypatch.setenv("OPENAI_API_KEY", "any")
    path = tmp_path / "chains.yaml"
    path.write_text(LENIENT, encoding="utf-8")
    with FakeJudge(Behaviour(decide=always(" \n"))) as fake:
        chat_model = f"openai:{fake.base_url}#silent"
        report = chatbench.analyze([], options(str(path), chat_model=chat_model, run=str(tmp_path / "run.jsonl")))
    assert report.values["score"] == "0/3"
    assert report.tables[2].rows[0][2] == "words, holds"
    assert "difference" not in report.sentence
    draw_report(report, tmp_path / "chatbench.png")


def test_replies_that_all_fail_have_no_auc_and_no_detectable_difference(chains_file, tmp_path):
    path = tmp_path / "run.jsonl"
    lines = [{"chat_model": "m", "chains": hash_of_chains(load_chains(chains_file))}]
    for chain in ("tea", "dates"):
        for turn in range(3):
            lines.append({"chain": chain, "turn": turn, "reply": "no no"[: 5 - turn]})
    path.write_text("\n".join(map(json.dumps, lines)))
    report = chatbench.analyze([path], options(chains_file, model=ModelSpec("baseline/longest")))
    assert isnan(report.values["auc"])
    assert "longest cannot be compared with the verifiers, which judge all replies alike" in report.sentence


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a", "is not a mapping"),
        ("{}", "is not a list of chains"),
        ("- {id: x, turns: [{user: a}]}", "x must have 3 to 8 turns"),
        ("- {id: x, turns: [{user: a}, {user: ''}, {user: c}]}", "turn 2 of x: it has no text"),
        ("- {id: x, turns: [{user: a, check: 1}, {user: b}, {user: c}]}", "unknown field check"),
        ("- {id: x, turns: [{user: a, checks: {lines: x}}, {user: b}, {user: c}]}", "the check lines: write a number"),
        ("- {id: x, turns: [{user: a, checks: {sing: 1}}, {user: b}, {user: c}]}", "there is no such rule"),
        ("- {turns: []}", "it has no id"),
        ("a: [", "cannot be read"),
        (CHAINS + CHAINS, "Two chains have the id 'tea'"),
    ],
)
def test_a_file_of_chains_that_is_not_valid_is_rejected(tmp_path, text, message):
    path = tmp_path / "chains.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        load_chains(path)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"chat_model": "my-model"}, "'my-model' is not a chat model: write hf:FOLDER"),
        ({"chat_model": "openai:http://127.0.0.1:1/v1"}, "is not a chat model"),
        ({"run": "x.jsonl"}, "pass --chat_model"),
        ({"judge_url": "http://127.0.0.1:1/v1"}, "pass --judge with its name"),
        ({"transcripts": True, "judge": "j", "model": ModelSpec("baseline/longest")}, "exclude each other"),
        ({}, "There is nothing to judge"),
    ],
)
def test_unfit_options_of_a_chat_are_rejected(chains_file, values, message):
    with pytest.raises(InputError, match=message):
        chatbench.analyze([], options(chains_file, **values))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("[1]", "line 1, is not a reply"),
        ('{"chat_model": "m"}\n{"chain": "a"}\n{}\n', "line 2, is not a reply"),
        ('{"chat_model": "m"}\n{"chain": "a", "turn": 1, "reply": "x"}\n{}\n', "line 2, is not a reply"),
    ],
)
def test_a_file_that_has_no_replies_is_rejected(tmp_path, text, message):
    path = tmp_path / "run.jsonl"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_run(path)


def test_replies_to_other_chains_are_rejected(chains_file, tmp_path):
    path = tmp_path / "run.jsonl"
    path.write_text('{"chat_model": "m", "chains": "0"}\n')
    with pytest.raises(InputError, match="replies to other chains"):
        chatbench.analyze([path], options(chains_file))
    with pytest.raises(InputError, match="cannot be read"):
        chatbench.analyze([tmp_path / "none.jsonl"], options(chains_file))


@pytest.mark.slow
def test_the_selftest_of_chatbench_keeps_its_bars():
    assert chatbench.selftest().missed() == []
