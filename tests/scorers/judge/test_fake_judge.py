"""The fake judge, as the openai client and httpx see it."""

import asyncio
import gc
import json
import math
import subprocess
import sys
import time
import tracemalloc
from collections import Counter
from contextlib import nullcontext
from itertools import pairwise

import aiohttp
import fake_judge
import httpx
import openai
import pytest
from fake_judge import Behaviour, FakeJudge, JudgeProcess, Question, always, choose, rank, rate, yes_no

LETTER = "{}"
CLIENT = openai.OpenAI(base_url="http://127.0.0.1:1/v1", api_key="sk-secret-key-1", max_retries=0, timeout=5.0)


def messages(item=0, first=0.2, second=0.7):
    return [{"role": "user", "content": f"Item {item}. A: quality={first} B: quality={second}"}]


def ask(judge, item=0, retries=0, timeout=5.0, **options):
    client = CLIENT.with_options(base_url=judge.base_url, max_retries=retries, timeout=timeout)
    return client.chat.completions.create(**{"model": "judge", "messages": messages(item), **options})


def content_of(judge, item=0, **options):
    return ask(judge, item, **options).choices[0].message.content


async def post_all(judge, bodies, in_flight):
    """Send bodies by aiohttp, of whose pool 50 connections take little time; return statuses and contents.

    A lost connection has the status 0.
    """
    slots = asyncio.Semaphore(in_flight)

    async def post(client, body):
        async with slots:
            try:
                async with client.post(f"{judge.base_url}/chat/completions", data=body) as response:
                    return response.status, await response.read()
            except aiohttp.ClientError:
                return 0, b""

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=in_flight)) as client:
        return await asyncio.gather(*(post(client, body) for body in bodies))


def bodies(count, **options):
    return [json.dumps({"model": "judge", "messages": messages(item), **options}).encode() for item in range(count)]


def test_the_better_response_is_chosen_and_tokens_are_counted():
    with FakeJudge() as judge:
        answer = ask(judge)
        assert CLIENT.with_options(base_url=judge.base_url).models.list().data[0].id == "judge"
        assert httpx.get(judge.base_url.replace("/v1", "/health"), verify=False).json() == {"status": "ok"}
    assert answer.choices[0].message.content.endswith("[[B]]")
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (6, 12)
    assert judge.cost(prompt_price=2.0, completion_price=10.0) == (6 * 2 + 12 * 10) / 1e6
    assert (judge.calls, judge.answered, judge.repeats, judge.in_flight) == (1, 1, 0, 0)
    (exchange,) = judge.requests
    assert json.loads(exchange.raw)["messages"] == messages()
    assert exchange.headers["authorization"] == "Bearer sk-secret-key-1"
    assert exchange.started < exchange.ended
    assert exchange.answer["id"] == answer.id


@pytest.mark.parametrize(
    ("decide", "content"),
    [
        (choose(form=LETTER), "C"),
        (choose(form="[[{}]]", tie_margin=0.3), "[[D]]"),
        (choose(form="[[{}]]", position_bias=1.0), "[[A]]"),
        (always("[[C]]"), "[[C]]"),
        (rate(form=LETTER), "5"),
        (rate(form=LETTER, low=1, high=5), "3"),
        (yes_no(), "No"),
        (rank(form=LETTER), "C > A > B"),
        (rank(form="[{}]", separator=", ", label='"{}"'), '["C", "A", "B"]'),
        (lambda question: f"{len(question.prompt)} characters", "35 characters"),
    ],
)
def test_each_judge_answers_by_the_qualities(decide, content):
    body = {"messages": [{"role": "user", "content": "quality=0.4 quality=.3 quality=0.60"}]}
    reply = decide(Question(body, b"key"))
    assert (reply if isinstance(reply, str) else reply.content) == content


def test_responses_between_marks_have_the_same_quality_in_both_orders():
    decide = choose(fake_judge.delimited_qualities(("<a>", "</a>"), ("<b>", "</b>")), form=LETTER)
    letters = []
    for first, second in (("two", "four"), ("four", "two")):
        prompt = [{"type": "text", "text": f"<a>{first}</a>"}, {"type": "text", "text": f"<b>{second}</b>"}]
        letters.append(decide(Question({"messages": [{"role": "user", "content": prompt}]}, b"")).content)
    assert sorted(letters) == ["A", "B"]


def test_a_position_bias_has_its_rate():
    decide = choose(position_bias=0.3, form=LETTER)
    letters = Counter(decide(Question({"messages": messages()}, str(item).encode())).content for item in range(4000))
    assert letters["A"] / 4000 == pytest.approx(0.3, abs=0.03)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("rate_limited", openai.RateLimitError),
        ("unavailable", openai.InternalServerError),
        ("server_error", openai.InternalServerError),
        ("bad_gateway", openai.InternalServerError),
        ("out_of_quota", openai.RateLimitError),
        ("timeout", openai.APITimeoutError),
        ("stalled", openai.APITimeoutError),
        ("dropped", openai.APIConnectionError),
        ("cut", openai.APIConnectionError),
        ("truncated_json", ValueError),
    ],
)
def test_a_transport_fault_occurs_in_the_first_attempts(fault, error):
    with FakeJudge(Behaviour(**{fault: 1.0}, failing_attempts=2)) as judge:
        for item in (0, 1, 0):
            with pytest.raises(error):
                ask(judge, item, timeout=0.15 if error is openai.APITimeoutError else 5.0)
        if fault == "out_of_quota":
            with pytest.raises(error, match="quota"):
                ask(judge)
        else:
            assert content_of(judge).endswith("[[B]]")
    assert judge.planted == {fault: 2}
    assert [exchange.attempt for exchange in judge.requests] == [1, 1, 2, 3]
    assert judge.answered == (fault != "out_of_quota")
    outcome = "gone" if fault in ("timeout", "stalled") else fault
    assert judge.requests[0].outcome == outcome


def test_an_error_object_comes_with_status_200():
    with FakeJudge(Behaviour(error_body=1.0)) as judge:
        assert ask(judge).choices is None
        assert content_of(judge).endswith("[[B]]")


def test_drops_are_closed_sockets_and_resets():
    with FakeJudge(Behaviour(dropped=1.0)) as judge:
        errors = Counter()
        for body in bodies(20):
            try:
                httpx.post(f"{judge.base_url}/chat/completions", content=body, verify=False)
            except (httpx.RemoteProtocolError, httpx.ReadError) as error:
                errors[type(error).__name__] += 1
    assert errors.total() == 20
    assert len(errors) == 2


@pytest.mark.parametrize("fault", fake_judge.CONTENT_FAULTS)
def test_a_content_fault_stays(fault):
    with FakeJudge(Behaviour(**{fault: 1.0})) as judge:
        choices = [ask(judge, item).choices[0] for item in (0, 0, 1, 2, 3, 4, 5)]
    texts = [choice.message.content or "" for choice in choices]
    assert texts[0] == texts[1]
    verdicts = {"malformed": {0}, "both_verdicts": {2}, "length": {0, 1}}.get(fault, {0})
    assert {text.count("[[A]]") + text.count("[[B]]") for text in texts} == verdicts
    finish = fault if fault in ("length", "content_filter") else "stop"
    assert {choice.finish_reason for choice in choices} == {finish}
    assert all(bool(choice.message.refusal) == (fault == "refusal") for choice in choices)
    assert judge.planted == {fault: 6}


def test_servers_differ_in_format():
    options = {"logprobs": True, "top_logprobs": 5}
    with FakeJudge(Behaviour(decide=yes_no(), wrong_model=1.0, no_usage=1.0, no_logprobs=1.0, reasoning=1.0)) as judge:
        answer = ask(judge, **options)
    assert (answer.model, answer.usage, answer.choices[0].logprobs) == ("another-judge", None, None)
    assert answer.choices[0].message.content == "No"
    assert "Yes" in answer.choices[0].message.reasoning_content
    with FakeJudge(Behaviour(decide=yes_no(), think=1.0, missing_token=1.0, end_token="<|im_end|>")) as judge:
        choice = ask(judge, **options).choices[0]
    assert choice.message.content.startswith("<think>\nAt first sight: Yes")
    assert choice.message.content.endswith("</think>\n\nNo")
    verdict, end = choice.logprobs.content[-2:]
    assert (verdict.token, end.token) == ("\n\nNo", "<|im_end|>")
    assert len(verdict.top_logprobs) == 5
    assert "\n\nYes" not in {entry.token for entry in verdict.top_logprobs}


def test_logprobs_are_those_of_the_quality():
    with FakeJudge(Behaviour(decide=yes_no(leftover=0.1))) as judge:
        (entry,) = ask(judge, logprobs=True, top_logprobs=3).choices[0].logprobs.content
        lacking = ask(judge, messages=messages(first=0.001), logprobs=True, top_logprobs=2).choices[0]
    likely = {alternative.token: math.exp(alternative.logprob) for alternative in entry.top_logprobs}
    assert likely == pytest.approx({"No": 0.72, "Yes": 0.18, "The": 0.05})
    assert entry.logprob == entry.top_logprobs[0].logprob
    assert [alternative.token for alternative in lacking.logprobs.content[0].top_logprobs] == ["No", "The"]


def test_the_verdict_token_in_a_text_has_its_probabilities():
    with FakeJudge(Behaviour(decide=choose(form="Of A and B, I choose [[{}]]."))) as judge:
        entries = ask(judge, logprobs=True, top_logprobs=2).choices[0].logprobs.content
    assert [entry.token for entry in entries[-3:]] == [" [[", "B", "]]."]
    likely = [(alternative.token, math.exp(alternative.logprob)) for alternative in entries[-2].top_logprobs]
    assert likely == [("B", pytest.approx(0.9776, abs=1e-3)), ("The", pytest.approx(0.01, abs=1e-3))]
    assert math.exp(entries[1].logprob) == pytest.approx(0.999)


def test_rating_tokens_have_the_rating_as_expectation():
    with FakeJudge(Behaviour(decide=rate(low=1, high=5, form=LETTER))) as judge:
        (entry,) = ask(judge, messages=messages(first=0.5), logprobs=True, top_logprobs=20).choices[0].logprobs.content
    digits = {alternative.token: math.exp(alternative.logprob) for alternative in entry.top_logprobs}
    weights = {int(token): weight for token, weight in digits.items() if token.isdigit()}
    assert sum(level * weight for level, weight in weights.items()) / sum(weights.values()) == pytest.approx(3)


def test_answers_and_faults_do_not_depend_on_the_order_of_arrival():
    behaviour = Behaviour(choose(position_bias=0.3), 5, malformed=0.2, rate_limited=0.2, cut=0.1, jitter=0.005)
    sent = bodies(60)
    answers, judges = [], []
    for in_flight, order in ((1, 1), (40, -1)):
        with FakeJudge(behaviour) as judge:
            for _ in range(2):
                contents = asyncio.run(post_all(judge, sent[::order], in_flight))[::order]
            answers.append(contents)
        judges.append(judge)
    assert answers[0] == answers[1]
    assert {status for status, _ in answers[0]} == {200}
    planted = Counter()
    for body in sent:
        fields = json.loads(body)
        planted.update(behaviour.faults_of(behaviour.key_of(body, fields), fields))
    assert judges[0].planted == judges[1].planted == planted
    assert planted["malformed"] == pytest.approx(12, abs=8)
    assert judges[1].calls == 120
    assert judges[1].repeats == 60 - planted["rate_limited"] - planted["cut"]
    assert judges[1].outcomes == {"answered": 60 + judges[1].repeats, **(planted - Counter(malformed=999))}


def test_faults_can_be_drawn_by_item():
    behaviour = Behaviour(always("[[A]]"), key=lambda body: body["messages"][0]["content"][:7], malformed=0.5)
    with FakeJudge(behaviour) as judge:
        failures = 0
        for item in range(1, 9):
            pair = [content_of(judge, messages=messages(item, *order)) for order in ((0.1, 0.9), (0.9, 0.1))]
            assert pair[0] == pair[1]
            failures += pair[0] != "[[A]]"
    assert 0 < failures < 8
    assert judge.planted == {"malformed": failures}


def test_repeats_and_choices_can_vary():
    decide = choose(position_bias=0.5, form=LETTER)
    with FakeJudge(Behaviour(decide)) as judge:
        assert len({content_of(judge) for _ in range(10)}) == 1
        assert {choice.message.content for choice in ask(judge, n=20).choices} == {"A", "B"}
    with FakeJudge(Behaviour(decide, vary_repeats=True)) as judge:
        assert {content_of(judge) for _ in range(20)} == {"A", "B"}
    with FakeJudge(Behaviour(choose(noise=0.6, form=LETTER))) as judge:
        assert {content_of(judge, seed=seed) for seed in range(20)} == {"A", "B"}


def test_an_answer_ends_at_max_tokens():
    with FakeJudge() as judge:
        choice = ask(judge, max_tokens=3, logprobs=True).choices[0]
        assert ask(judge, max_completion_tokens=15).choices[0].finish_reason == "stop"
    assert (choice.message.content, choice.finish_reason) == ("Both the content", "length")
    assert [entry.token for entry in choice.logprobs.content] == ["Both", " the", " content"]


@pytest.mark.parametrize(
    ("settings", "options", "code", "words"),
    [
        ({"refuses": ("temperature",)}, {"temperature": 0}, "unsupported_value", "does not support 0"),
        ({"refuses": ("seed",)}, {"seed": 1}, "unsupported_parameter", "'seed' is not supported"),
        ({"refuses": ("logprobs",)}, {"logprobs": True}, "unsupported_parameter", "'logprobs'"),
        ({"roles": fake_judge.OPENAI_ROLES}, {"messages": [{"role": "principle"}]}, "invalid_value", "'principle'"),
        ({"max_top_logprobs": 5}, {"logprobs": True, "top_logprobs": 6}, "integer_above_max_value", "at most 5"),
        ({"context_length": 5}, {}, "context_length_exceeded", "have 6 tokens"),
        ({"models": ("a", "b")}, {}, "model_not_found", "`judge` does not exist"),
        ({"api_key": "sk-other"}, {}, "invalid_api_key", r"sk-\*+ey-1"),
        ({"api_key": "sk-other", "echo_key": True}, {}, "invalid_api_key", "sk-secret-key-1"),
    ],
)
def test_a_server_refuses_what_it_does_not_support(settings, options, code, words):
    with FakeJudge(Behaviour(**settings)) as judge, pytest.raises(openai.APIStatusError, match=words) as error:
        ask(judge, **options)
    assert error.value.status_code == {"invalid_api_key": 401, "model_not_found": 404}.get(code, 400)
    assert error.value.code == code
    assert judge.outcomes == {code: 1}


def test_what_a_server_does_not_refuse_passes():
    with FakeJudge(Behaviour(refuses=("temperature", "seed"), api_key="sk-secret-key-1", models=("judge",))) as judge:
        assert content_of(judge, temperature=1).endswith("[[B]]")
        assert ask(judge, messages=[{"role": "principle", "content": "be kind"}]).choices[0].finish_reason == "stop"
        assert httpx.post(f"{judge.base_url}/chat/completions", content=b"{", verify=False).status_code == 401
        headers = {"authorization": "Bearer sk-secret-key-1"}
        for body in (b"{", b"[]", b'{"messages": 3}', b'{"model": "judge", "messages": ["hi"]}'):
            response = httpx.post(f"{judge.base_url}/chat/completions", content=body, headers=headers, verify=False)
            assert response.status_code == 400


@pytest.mark.parametrize("form", ["seconds", "date", "milliseconds"])
def test_a_client_that_waits_as_told_is_not_too_early(form):
    with FakeJudge(Behaviour(rate_limited=1.0, retry_after=0.2, retry_after_form=form)) as judge:
        ask(judge, retries=1)
    first, second = judge.requests
    assert second.started - first.ended > 0.19
    assert (judge.too_early, judge.calls) == (0, 2)
    with FakeJudge(Behaviour(rate_limited=1.0, retry_after=0.2, retry_after_form=form)) as judge:
        asyncio.run(post_all(judge, bodies(1) * 2, 1))
    assert judge.too_early == 1


def test_a_rate_limit_is_enforced():
    with FakeJudge(Behaviour(requests_per_window=5, window_seconds=0.3)) as judge:
        statuses = [status for status, _ in asyncio.run(post_all(judge, bodies(7), 7))]
        time.sleep(0.3)
        statuses += [status for status, _ in asyncio.run(post_all(judge, bodies(5), 5))]
    assert Counter(statuses) == {200: 10, 429: 2}
    assert judge.outcomes == {"answered": 10, "rate_limit_exceeded": 2}


def test_a_stream_holds_what_an_answer_holds():
    options = {"logprobs": True, "top_logprobs": 2, "n": 2}
    with FakeJudge(Behaviour(reasoning=1.0, end_token="<eos>")) as judge:
        answer = ask(judge, **options)
        chunks = list(ask(judge, stream=True, stream_options={"include_usage": True}, **options))
    assert chunks[-1].usage == answer.usage
    for index, choice in enumerate(answer.choices):
        parts = [part for chunk in chunks for part in chunk.choices if part.index == index]
        assert "".join(part.delta.content or "" for part in parts) == choice.message.content
        assert parts[1].delta.reasoning_content == choice.message.reasoning_content
        assert parts[-1].finish_reason == "stop"
        entries = [entry for part in parts if part.logprobs for entry in part.logprobs.content]
        assert [entry.token for entry in entries] == [entry.token for entry in choice.logprobs.content]


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("cut", httpx.RemoteProtocolError),
        ("stalled", httpx.ReadTimeout),
        ("unfinished_stream", None),
        ("truncated_json", None),
        ("error_body", None),
    ],
)
def test_a_stream_breaks_in_the_middle(fault, error):
    (body,) = bodies(1, stream=True)
    with FakeJudge(Behaviour(**{fault: 1.0})) as judge:
        with pytest.raises(error) if error else nullcontext():
            received = bytearray()
            read_stream(judge, body, received, timeout=0.15 if fault == "stalled" else 5.0)
        assert received.startswith(b"data: {")
        assert b"[DONE]" not in received
        assert (b'"error"' in received) == (fault == "error_body")
        assert received.endswith(b"\n\n") == (fault != "truncated_json")
        received = bytearray()
        read_stream(judge, body, received)
        assert received.endswith(b"data: [DONE]\n\n")
    assert (judge.planted, judge.answered) == ({fault: 1}, 1)


def read_stream(judge, body, received, timeout=5.0):
    url = f"{judge.base_url}/chat/completions"
    with httpx.Client(verify=False, timeout=timeout) as client, client.stream("POST", url, content=body) as response:
        for part in response.iter_raw():
            received += part


def test_slow_answers_are_complete():
    with FakeJudge(Behaviour(stalled=1.0, timeout_seconds=0.05)) as judge:
        assert content_of(judge) == content_of(judge)
        assert list(ask(judge, stream=True))[-1].choices[0].finish_reason == "stop"
    assert judge.outcomes == {"answered": 3}
    assert judge.requests[0].ended - judge.requests[0].started > 0.05


def test_an_error_of_a_decide_function_is_raised():
    with pytest.raises(RuntimeError, match="failed") as error, FakeJudge(Behaviour(lambda question: 1 / 0)) as judge:
        assert asyncio.run(post_all(judge, bodies(1), 1))[0][0] == 500
    assert isinstance(error.value.__cause__, ZeroDivisionError)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"cut": 0.6, "dropped": 0.5}, "more than 1"),
        ({"retry_after_form": "minutes"}, "use one of seconds"),
        ({"lasting": ("empty",)}, "not transport faults"),
    ],
)
def test_impossible_settings_are_rejected(settings, words):
    with pytest.raises(ValueError, match=words):
        Behaviour(**settings)


def test_fifty_in_flight_are_twenty_times_as_fast(tmp_path):
    with JudgeProcess("--latency", "0.2", "--malformed", "0.1", log=tmp_path / "log.jsonl") as judge:
        started = time.perf_counter()
        asyncio.run(post_all(judge, bodies(3), 1))
        serial = (time.perf_counter() - started) / 3
        ratio = 0.0
        for _ in range(3):  # other programs may use the processors at times
            started = time.perf_counter()
            asyncio.run(post_all(judge, bodies(100), 50))
            ratio = max(ratio, 100 * serial / (time.perf_counter() - started))
            if ratio >= 20:
                break
        assert ratio >= 20
        assert {event["status"] for event in judge.events("ended")} == {200}


def test_memory_is_flat_without_the_requests():
    with FakeJudge(keep_requests=False) as judge:
        sizes = []
        tracemalloc.start()
        for padding in range(10_000, 10_006):
            asyncio.run(post_all(judge, [body + b" " * padding for body in bodies(30)], 10))
            gc.collect()
            sizes.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()
    assert judge.answered == 180
    assert min(after - before for before, after in pairwise(sizes)) < 60_000  # of 300 kB sent in each round
    assert sizes[-1] < 900_000  # of 1.8 MB sent


CALLS = """
import sys, httpx, threading
def post(item):
    body = '{"messages": [{"role": "user", "content": "%d"}]}' % item
    httpx.post(sys.argv[1] + "/chat/completions", content=body, verify=False, timeout=60)
for item in range(4):
    post(item)
print("answered", flush=True)  # then five at once
for item in range(4, 9):
    threading.Thread(target=post, args=(item,)).start()
"""


def test_the_log_survives_the_kill_of_a_client(tmp_path):
    with JudgeProcess("--answer", "[[A]]", "--latency", "0.1", "--refusal", "1", log=tmp_path / "log.jsonl") as judge:
        client = subprocess.Popen([sys.executable, "-c", CALLS, judge.base_url], stdout=subprocess.PIPE)
        assert client.stdout.readline() == b"answered\n"
        assert [event["outcome"] for event in judge.events("ended")] == ["answered"] * 4
        wait_until(lambda: len(judge.events("started")) == 9)
        client.kill()
        client.communicate()
        wait_until(lambda: len(judge.events("ended")) == 9)
        assert {event["outcome"] for event in judge.events("ended")} <= {"answered", "gone"}
        assert {tuple(event["faults"]) for event in judge.events("ended")} == {("refusal",)}
        for name in ("started", "ended"):
            assert len({event["digest"] for event in judge.events(name)}) == 9


def wait_until(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_command_line_has_every_simple_setting():
    words = "--answer rate --seed 3 --malformed 0.1 --refuses temperature seed --echo_key --retry_after_form date"
    _, behaviour = fake_judge.parse_arguments(words.split())
    expected = Behaviour(behaviour.decide, 3, malformed=0.1, refuses=("temperature", "seed"), echo_key=True)
    assert behaviour == fake_judge.dataclasses.replace(expected, retry_after_form="date")
    assert fake_judge.parse_arguments(["--answer", "[[A]]"])[1].decide(Question({}, b"")).content == "[[A]]"
