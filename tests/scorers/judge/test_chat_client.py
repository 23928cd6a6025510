"""The client of chat completions against a server that misbehaves: every request is answered, or has a reason."""

import asyncio
import dataclasses
import json
import time
import traceback
from email.utils import formatdate

import pytest
from chat_requests import KEY, answers_of, body_of, client_of, complete_all
from fake_judge import OPENAI_ROLES, Behaviour, FakeJudge
from judge_answers import always, yes_no
from ports import free_port

from rewardbench.errors import InputError
from rewardbench.scorers.judge.answers import Answer
from rewardbench.scorers.judge.ledger import Ledger
from rewardbench.scorers.judge.transport.completions import (
    LEAST_LOGPROB,
    encode_body,
    is_same_model,
    read_completion,
    read_error,
)
from rewardbench.scorers.judge.transport.throttle import LONGEST_WAIT, retry_after


@pytest.fixture(autouse=True)
def _key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def test_an_answer_has_text_model_and_tokens():
    with FakeJudge() as judge:
        client = client_of(judge)
        (answer,) = answers_of(client)
    assert answer.text.endswith("[[B]]")
    assert (answer.finish_reason, answer.model, answer.failure) == ("stop", "judge", None)
    assert (answer.prompt_tokens, answer.completion_tokens) == (judge.prompt_tokens, judge.completion_tokens)
    assert judge.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert (client.usage.requests, client.usage.answered, client.notes) == (1, 1, [])


# --- faults that pass


@pytest.mark.parametrize(
    "fault", ["rate_limited", "unavailable", "server_error", "dropped", "cut", "truncated_json", "timeout"]
)
def test_a_fault_of_the_transport_is_retried(fault):
    with FakeJudge(Behaviour(**{fault: 1.0})) as judge:
        client = client_of(judge, timeout=0.4)
        answers = answers_of(client, body_of(1), body_of(2))
    assert [answer.failure for answer in answers] == [None, None]
    assert (client.usage.requests, client.usage.retries, client.usage.failed, judge.calls) == (4, 2, 0, 4)


@pytest.mark.parametrize(
    ("fault", "failure", "detail"),
    [
        ("rate_limited", "server_error", "status 429: Rate limit reached for requests."),
        ("unavailable", "server_error", "status 503: The engine is currently overloaded, please try again later."),
        ("dropped", "server_error", "the connection failed (RemoteProtocolError|ReadError)"),
        ("cut", "server_error", "the connection failed (RemoteProtocolError|ReadError)"),
        ("truncated_json", "server_error", "the response is not JSON"),
        ("timeout", "timeout", "no answer within 0.2 seconds"),
    ],
)
def test_a_fault_that_lasts_becomes_a_failure_with_its_reason(fault, failure, detail):
    with FakeJudge(Behaviour(**{fault: 1.0}, lasting=(fault,))) as judge:
        client = client_of(judge, timeout=0.2, max_retries=2)
        (answer,) = answers_of(client)
    assert answer.failure == failure
    assert answer.detail in {
        detail.replace("RemoteProtocolError|ReadError", e) for e in ("RemoteProtocolError", "ReadError")
    }
    assert (judge.calls, client.usage.retries, client.usage.failed) == (3, 2, 1)
    assert client.usage.failures == {failure: 1}


def test_a_response_that_trickles_in_is_cut_at_the_deadline_of_the_whole_request():
    async def ask():
        async def trickle(reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            while not writer.is_closing():
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.05)

        server = await asyncio.start_server(trickle, "127.0.0.1")
        port = server.sockets[0].getsockname()[1]
        answers = await complete_all(client_of(f"http://127.0.0.1:{port}/v1", timeout=0.3, max_retries=0), [body_of()])
        server.close()
        return answers

    assert asyncio.run(ask())[0].failure == "timeout"


@pytest.mark.parametrize("count", [100, pytest.param(1000, marks=pytest.mark.slow)])
def test_requests_to_a_server_with_every_fault_are_counted_as_planted(count):
    faults = {"rate_limited": 0.05, "timeout": 0.02, "dropped": 0.01}
    with FakeJudge(Behaviour(seed=3, malformed=0.1, **faults)) as judge:
        client = client_of(judge, timeout=1.0, max_concurrency=50)
        answers = answers_of(client, *map(body_of, range(count)))
    planted = sum(judge.planted[fault] for fault in faults)
    assert planted > 0
    assert [answer.failure for answer in answers] == [None] * count
    unparsed = [answer for answer in answers if "[[A]]" not in answer.text and "[[B]]" not in answer.text]
    assert len(unparsed) == judge.planted["malformed"] > 0
    assert (client.usage.retries, client.usage.requests, judge.repeats) == (planted, count + planted, 0)
    assert client.usage.answered == count


# --- how long to wait


def test_the_pause_that_a_server_asks_for_is_read_and_bounded():
    assert retry_after({"retry-after-ms": "250", "retry-after": "7"}) == 0.25
    assert retry_after({"retry-after": formatdate(0, usegmt=True)}) == 0.0
    assert 8 <= retry_after({"retry-after": formatdate(time.time() + 10, usegmt=True)}) <= 10
    assert retry_after({"retry-after": "86400"}) == LONGEST_WAIT
    assert retry_after({"retry-after": "-3"}) == 0.0
    assert [retry_after({"retry-after": text}) for text in ("soon", "nan", "")] == [None] * 3


@pytest.mark.parametrize("form", ["seconds", "milliseconds"])
def test_all_requests_pause_after_a_429(form):
    behaviour = Behaviour(rate_limited=0.3, retry_after=0.4, retry_after_form=form, seed=1)
    with FakeJudge(behaviour) as judge:
        answers = answers_of(client_of(judge, pause=0.0001, max_concurrency=2), *map(body_of, range(6)))
    assert {answer.failure for answer in answers} == {None}
    refused = [exchange for exchange in judge.requests if exchange.outcome == "rate_limited"]
    assert refused
    for exchange in refused:
        later = [other.started - exchange.ended for other in judge.requests if other.started > exchange.ended + 0.02]
        assert min(later) >= 0.37


def test_a_server_with_a_rate_limit_answers_everything_in_the_end():
    with FakeJudge(Behaviour(requests_per_window=10, window_seconds=0.3)) as judge:
        answers = answers_of(client_of(judge, max_concurrency=20), *map(body_of, range(40)))
    assert {answer.failure for answer in answers} == {None}


def test_requests_per_minute_space_the_requests():
    with FakeJudge() as judge:
        answers_of(client_of(judge, requests_per_minute=1200), *map(body_of, range(11)))
    starts = sorted(exchange.started for exchange in judge.requests)
    assert starts[-1] - starts[0] >= 10 * 0.05 - 0.06


def test_tokens_per_minute_space_the_requests():
    with FakeJudge() as judge:
        answers_of(client_of(judge, tokens_per_minute=18 * 1200), *map(body_of, range(11)))  # 18 tokens a request
    starts = sorted(exchange.started for exchange in judge.requests)
    assert 0.3 < starts[-1] - starts[0] < 3.0


def test_no_more_requests_are_in_flight_than_allowed():
    with FakeJudge(Behaviour(latency=0.05)) as judge:
        answers_of(client_of(judge, max_concurrency=4), *map(body_of, range(16)))
    assert judge.max_in_flight == 4


# --- errors that end the run


@pytest.mark.parametrize(
    ("behaviour", "message"),
    [
        (Behaviour(api_key="another", echo_key=True), r"refuses: status 401; check the key in OPENAI_API_KEY"),
        (Behaviour(models=("other",)), r"does not know the model judge: status 404: The model `judge` does not exist"),
        (Behaviour(out_of_quota=1.0), r"has no credit left: status 429: You exceeded your current quota"),
        (Behaviour(roles=("user",)), r"rejects the role principle, which this judge protocol needs"),
    ],
)
def test_an_error_of_every_request_ends_the_run_after_the_first(behaviour, message):
    principle = [{"role": "principle", "content": "Be fair."}]
    with FakeJudge(behaviour) as judge:
        client = client_of(judge)
        bodies = [body_of(item, messages=body_of(item)["messages"] + principle) for item in range(20)]
        with pytest.raises(InputError, match=message) as error:
            answers_of(client, *bodies)
        assert judge.calls == 1
    assert KEY not in "".join(traceback.format_exception(error.value))
    assert error.value.__cause__ is error.value.__context__ is None


def test_an_unreachable_server_ends_the_run():
    with pytest.raises(InputError, match=r"cannot be reached \(ConnectError\): is it running"):
        answers_of(client_of(f"http://127.0.0.1:{free_port()}/v1"))


def test_an_address_without_chat_completions_ends_the_run():
    with FakeJudge() as judge, pytest.raises(InputError, match=r"no chat completions at .* does base_url lack /v1"):
        answers_of(client_of(judge.base_url.removesuffix("/v1")))


def test_a_missing_key_is_named_unless_the_server_is_local(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(InputError, match="set the environment variable OPENAI_API_KEY"):
        client_of("https://judge.example/v1")
    with FakeJudge() as judge:
        answers_of(client_of(judge))
    assert judge.requests[0].headers["authorization"] == "Bearer none"


@pytest.mark.parametrize("url", ["https://user:KEY@host/v1", "https://host/v1?api-key=KEY", "https://host/v1#KEY"])
def test_an_address_with_a_key_in_it_is_rejected_without_repeating_it(url):
    with pytest.raises(InputError, match="base_url has a key in it") as error:
        client_of(url.replace("KEY", KEY))
    assert KEY not in str(error.value)


def test_a_key_in_place_of_its_variable_is_rejected_without_repeating_it():
    with pytest.raises(InputError, match="api_key_env is not the name of an environment variable") as error:
        client_of("https://host/v1", api_key_env=KEY)
    assert KEY not in str(error.value)


@pytest.mark.parametrize("limit", [{"input_price": -1.0}, {"output_price": float("nan")}, {"max_retries": -1}])
def test_a_negative_price_or_number_of_retries_is_rejected(limit):
    with pytest.raises(InputError, match="must be at least 0"):
        client_of("https://host/v1", **limit)


@pytest.mark.parametrize(
    "url", ["http://", "http://:80/v1", "http://host:port/v1", "http://[::1/v1", "http://a:99999/v1"]
)
def test_an_address_without_a_host_is_a_one_line_error(url):
    with pytest.raises(InputError, match=r"base_url is .* it must begin with http:// or https://, and name a host"):
        client_of(url)


def test_a_redirect_ends_the_run_and_sends_nothing_elsewhere():
    async def ask():
        async def redirect(reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 307 Moved\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()

        async with await asyncio.start_server(redirect, "127.0.0.1") as server:
            port = server.sockets[0].getsockname()[1]
            await complete_all(client_of(f"http://127.0.0.1:{port}/v1"), [body_of()])

    with pytest.raises(InputError, match=r"redirects to http://127.0.0.1:9/: pass its address as base_url"):
        asyncio.run(ask())


def test_a_proxy_is_not_asked_for_a_server_of_this_machine(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    with FakeJudge() as judge:
        assert answers_of(client_of(judge))[0].failure is None


def test_a_key_that_no_header_can_have_is_rejected_without_repeating_it(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-é\nX")
    with pytest.raises(InputError, match="The key in OPENAI_API_KEY cannot be sent") as error:
        client_of("https://host/v1")
    assert "sk-" not in str(error.value)


# --- parameters that a server rejects


@pytest.mark.parametrize("name", ["temperature", "seed", "response_format"])
def test_a_parameter_that_the_server_rejects_is_dropped_for_the_whole_run(name):
    fields = {"seed": 0, "response_format": {"type": "json_object"}}
    ledger = Ledger(":memory:")
    with FakeJudge(Behaviour(refuses=(name,))) as judge:
        client = client_of(judge, ledger)
        answers = answers_of(client, *(body_of(item, **fields) for item in range(5)))
        assert [answer.failure for answer in answers] == [None] * 5
        assert judge.calls == 6
        assert name not in json.loads(judge.requests[-1].raw)
        note = [f"The server rejects {name}: requests are sent without it."]
        assert client.notes == note
        again = client_of(judge, ledger)
        answers_of(again, body_of(0, **fields))
        assert (again.usage.reused, again.notes) == (1, note)


def test_max_tokens_is_renamed():
    with FakeJudge(Behaviour(refuses=("max_tokens", "temperature"))) as judge:
        client = client_of(judge)
        answers_of(client, body_of(1, max_tokens=9), body_of(2, max_tokens=9))
        last = json.loads(judge.requests[-1].raw)
    assert (last["max_completion_tokens"], "max_tokens" in last, "temperature" in last) == (9, False, False)
    assert client.notes[0] == "The server rejects max_tokens: max_completion_tokens is sent instead."


def test_a_system_message_that_the_server_rejects_begins_the_message_of_the_user():
    messages = [{"role": "system", "content": "Judge."}, *body_of()["messages"]]
    with FakeJudge(Behaviour(roles=("user", "assistant"))) as judge:
        client = client_of(judge)
        (answer,) = answers_of(client, body_of(messages=messages))
        sent = json.loads(judge.requests[-1].raw)["messages"]
    assert answer.failure is None
    assert sent == [{"role": "user", "content": "Judge.\n\n" + messages[1]["content"]}]
    assert client.notes == ["The server rejects the role system: it is sent at the beginning of the user's message."]


def test_a_role_of_the_protocol_reaches_a_server_that_takes_it():
    messages = [*body_of()["messages"], {"role": "principle", "content": "Be fair."}]
    with FakeJudge(Behaviour(roles=(*OPENAI_ROLES, "principle"))) as judge:
        (answer,) = answers_of(client_of(judge), body_of(messages=messages))
    assert answer.failure is None


@pytest.mark.parametrize("name", ["logprobs", "top_logprobs"])
def test_logprobs_that_the_server_rejects_are_a_failure_and_not_sent_again(name):
    with FakeJudge(Behaviour(refuses=(name,))) as judge:
        client = client_of(judge)
        answers = answers_of(client, *(body_of(item, logprobs=True, top_logprobs=5) for item in range(5)))
    assert [answer.failure for answer in answers] == ["no_logprobs"] * 5
    assert judge.calls == 1


def test_a_request_that_the_server_rejects_fails_alone():
    long = body_of(messages=[{"role": "user", "content": "word " * 50}])
    with FakeJudge(Behaviour(context_length=20)) as judge:
        answers = answers_of(client_of(judge), body_of(1), long, body_of(2))
    assert [answer.failure for answer in answers] == [None, "server_error", None]
    assert answers[1].detail.startswith("status 400: This model's maximum context length is 20 tokens")
    assert judge.calls == 3


def test_a_server_that_rejects_everything_for_one_reason_ends_the_run():
    with FakeJudge(Behaviour(context_length=2)) as judge:
        client = client_of(judge, max_concurrency=2)
        with pytest.raises(
            InputError, match="rejected each of the first 20 requests: status 400: This model's maximum"
        ):
            answers_of(client, *map(body_of, range(100)))
    assert judge.calls <= 21


def test_a_request_without_a_form_in_json_is_a_one_line_error():
    with FakeJudge() as judge, pytest.raises(InputError, match="cannot be written as JSON: Out of range float values"):
        answers_of(client_of(judge), body_of(temperature=float("nan")))


@pytest.mark.parametrize(
    ("text", "message", "param"),
    [
        ('{"error": {"message": "m", "param": "seed", "code": null}}', "m", "seed"),
        ('{"object": "error", "message": "m", "code": 400}', "m", ""),
        (
            '{"detail": [{"loc": ["body", "seed"], "msg": "Extra inputs", "type": "extra_forbidden"}]}',
            "seed: Extra inputs",
            "seed",
        ),
        ('{"detail": "m"}', "m", ""),
        ('{"error": "m"}', "m", ""),
        ('[{"error": {"message": "m"}}]', "m", ""),
        ("<html>Bad gateway</html>\n", "<html>Bad gateway</html>", ""),
        ("null", "null", ""),
    ],
)
def test_errors_are_read_in_the_formats_of_several_servers(text, message, param):
    error = read_error(text)
    assert (error.message, error.param) == (message, param)


# --- what an answer has


def test_logprobs_and_thoughts_are_kept():
    with FakeJudge(Behaviour(decide=yes_no(), reasoning=1.0)) as judge:
        (answer,) = answers_of(client_of(judge), body_of(logprobs=True, top_logprobs=5))
    assert answer.reasoning.startswith("At first sight")
    assert len(answer.logprobs) == 1
    assert [token for token, _ in answer.logprobs[0].top][:2] == ["No", "Yes"]
    assert Answer.from_json(json.loads(json.dumps(answer.to_json()))) == answer


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the response is not JSON"),
        ("[" * 200_000, "the response is not JSON"),
        ("[]", "the response has no choices"),
        ('{"choices": []}', "the response has no choices"),
        ('{"error": {"message": "busy"}}', "busy"),
    ],
)
def test_a_response_without_an_answer_is_an_error(text, message):
    with pytest.raises(ValueError, match=message):
        read_completion(text)


@pytest.mark.parametrize(
    "message", [None, 7, {}, {"content": 3}, {"content": [{"text": "a"}, 4, {"type": "image"}]}, {"reasoning": None}]
)
@pytest.mark.parametrize("extra", [{}, {"usage": {"prompt_tokens": "x"}}, {"model": 5, "usage": 3}])
def test_a_malformed_message_is_read_without_an_exception(message, extra):
    choice = {"message": message, "logprobs": {"content": [{}, 3, {"top_logprobs": [None, {"logprob": "x"}]}]}}
    answer = read_completion(json.dumps({"choices": [choice], **extra}))
    assert answer.text in ("", "a")
    assert len(answer.logprobs) == 3


@pytest.mark.parametrize("count", [True, -3, 10**400, 2**63, "5", None, [1]])
def test_a_count_of_tokens_that_cannot_be_is_none(count):
    usage = {"prompt_tokens": count, "completion_tokens": 7}
    answer = read_completion(json.dumps({"choices": [{"message": {"content": "a"}}], "usage": usage}))
    assert (answer.prompt_tokens, answer.completion_tokens) == (0, 7)


@pytest.mark.parametrize("logprob", ["NaN", "Infinity", "-Infinity", "9" * 400, "true", '"-1"', "null"])
def test_a_logprob_that_cannot_be_is_the_least_one(logprob):
    token = f'{{"token": "A", "logprob": {logprob}, "top_logprobs": [{{"token": "A", "logprob": {logprob}}}]}}'
    answer = read_completion(f'{{"choices": [{{"message": {{}}, "logprobs": {{"content": [{token}]}}}}]}}')
    (read,) = answer.logprobs
    assert (read.logprob, read.top) == (LEAST_LOGPROB, (("A", LEAST_LOGPROB),))


def test_another_model_in_the_response_is_noted():
    with FakeJudge(Behaviour(wrong_model=1.0)) as judge:
        client = client_of(judge)
        answers = answers_of(client, body_of(1), body_of(2))
    assert {answer.model for answer in answers} == {"another-judge"}
    assert client.notes == ["The server answers as model another-judge to requests for judge."]


@pytest.mark.parametrize(
    ("requested", "answered", "is_same"),
    [
        ("gpt-4o", "gpt-4o-2024-08-06", True),
        ("gpt-4", "gpt-4-0613", True),
        ("gpt-4o", "gpt-4o-mini", False),
        ("gpt-4o", "gpt-4", False),
        ("gpt-4", "gpt-4o", False),
        ("claude-3-5-sonnet-latest", "claude-3-5-sonnet-20241022", True),
        ("openai/gpt-4o", "gpt-4o", True),
        ("Qwen/Qwen3-8B", "qwen3-8b", True),
        ("deepseek/deepseek-r1:free", "deepseek/deepseek-r1", True),
        ("qwen", "", True),
        ("qwen-7b", "llama-7b", False),
        ("llama-3", "llama-3-70b", False),
        ("llama-3", "llama-3.1", False),
    ],
)
def test_a_dated_version_is_the_same_model(requested, answered, is_same):
    assert is_same_model(requested, answered) == is_same


# --- what is sent


def test_two_runs_send_the_same_bytes():
    bodies = [body_of(item, stop=["é", "\ud83d"], response_format={"b": 1, "a": 2}) for item in range(5)]
    sent = []
    with FakeJudge() as judge:
        for ordered in (bodies, [dict(reversed(body.items())) for body in bodies]):
            judge.requests.clear()
            answers_of(client_of(judge), *ordered)
            sent.append({exchange.raw for exchange in judge.requests})
    assert sent[0] == sent[1]
    assert encode_body(bodies[0]) in sent[0]
    assert b'{"b":1,"a":2}' in encode_body(bodies[0])  # a JSON schema gives the order of an answer


def test_retries_send_the_same_bytes():
    with FakeJudge(Behaviour(unavailable=1.0, failing_attempts=3)) as judge:
        answers_of(client_of(judge))
    assert len({exchange.raw for exchange in judge.requests}) == 1
    assert len(judge.requests) == 4


def test_the_same_request_is_sent_once_and_each_repeat_once():
    async def ask(client):
        same = [client.complete(body_of()) for _ in range(3)]
        repeats = [client.complete(body_of(), repeat) for repeat in (1, 2)]
        answers = await asyncio.gather(*same, *repeats)
        await client.close()
        return answers

    with FakeJudge(Behaviour(latency=0.05)) as judge:
        client = client_of(judge)
        answers = asyncio.run(ask(client))
    assert len(answers) == 5
    assert (judge.calls, client.usage.reused) == (3, 2)


def test_a_cancelled_call_closes_its_request():
    async def cancel(client, judge):
        call = asyncio.create_task(client.complete(body_of()))
        while not judge.in_flight:
            await asyncio.sleep(0.01)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        while judge.in_flight:
            await asyncio.sleep(0.01)
        judge.behaviour = Behaviour()
        answer = await client.complete(body_of(2))
        await client.close()
        return answer

    with FakeJudge(Behaviour(timeout=1.0)) as judge:
        assert asyncio.run(cancel(client_of(judge, max_concurrency=1), judge)).failure is None


# --- secrets


def test_no_key_is_in_answers_notes_representations_logs_or_files(tmp_path, capsys, caplog, monkeypatch):
    monkeypatch.setenv("OPENAI_LOG", "debug")
    caplog.set_level("DEBUG")
    behaviour = Behaviour(decide=always(f"[[A]] Bearer {KEY}"), unavailable=0.3, dropped=0.3, wrong_model=1.0)
    with FakeJudge(behaviour) as judge:
        client = client_of(judge, Ledger(tmp_path / "answers.sqlite"))
        answers = answers_of(client, *map(body_of, range(6)), body_of(model=f"judge-{KEY}"))
    shown = [client, client._connection, client.notes, dataclasses.asdict(client.usage), answers]
    output = capsys.readouterr()
    assert KEY not in f"{shown!r}{output.out}{output.err}{caplog.text}"
    files = [path.read_bytes() for path in tmp_path.iterdir()]
    assert len(files) > 0
    assert not any(KEY.encode() in content.replace(f"judge-{KEY}".encode(), b"") for content in files)


def test_a_key_in_an_error_of_the_server_is_replaced():
    messages = [{"role": f"{KEY} or Bearer abc.def", "content": "a"}]
    with FakeJudge(Behaviour(roles=OPENAI_ROLES)) as judge:
        (answer,) = answers_of(client_of(judge), body_of(messages=[*messages, {"role": "x", "content": "b"}]))
    assert answer.detail.startswith("status 400: Invalid value: '[key] or [key]")
