"""Limits of requests and money, and what a run reports of its use."""

import pytest
from chat_requests import PRICES, answers_of, body_of, client_of
from fake_judge import Behaviour, FakeJudge
from judge_answers import Reply

from rewardbench.scorers.judge.transport.budget import Budget, Reservation, Usage
from rewardbench.settings import Endpoint


def rambling(question):
    """Return an answer of 1 to 120 words, by hash."""
    return Reply("word " * (1 + int(120 * question.draw("length"))) + "[[A]]")


@pytest.mark.parametrize("width", [1, 8, 50])
@pytest.mark.parametrize("fields", [{}, {"max_tokens": 4000}])
def test_max_cost_stops_within_the_price_of_one_request(width, fields):
    bodies = [body_of(item, **fields) for item in range(120)]
    with FakeJudge(Behaviour(decide=rambling, latency=0.005, rate_limited=0.05)) as judge:
        client = client_of(judge, max_concurrency=width, max_cost=0.03, **PRICES)
        answers = answers_of(client, *bodies)
        dearest = max(client._budget.price(answer.prompt_tokens, answer.completion_tokens) for answer in answers)
        calls = judge.calls
    cost = judge.cost(1.0, 10.0)
    assert client.usage.cost == pytest.approx(cost)
    assert abs(cost - 0.03) <= dearest
    assert client.usage.stopped == "max_cost"
    stopped = [answer.failure for answer in answers if answer.failure]
    assert set(stopped) == {"max_cost"}
    assert len(stopped) == client.usage.failed == 120 - client.usage.answered
    assert calls == client.usage.requests < 120


def test_max_cost_below_the_price_of_a_request_stops_after_the_first():
    with FakeJudge() as judge:
        client = client_of(judge, max_cost=1e-6, **PRICES)
        answers = answers_of(client, *map(body_of, range(20)))
    assert judge.calls == 1
    assert [answer.failure for answer in answers].count("max_cost") == 19


def test_max_cost_that_suffices_changes_nothing():
    with FakeJudge() as judge:
        client = client_of(judge, max_cost=1.0, **PRICES)
        answers = answers_of(client, *map(body_of, range(20)))
    assert {answer.failure for answer in answers} == {None}
    assert client.usage.stopped == ""


def test_a_server_without_token_counts_is_charged_by_an_estimate_that_is_noted():
    with FakeJudge(Behaviour(no_usage=1.0)) as judge:
        client = client_of(judge, max_cost=0.002, **PRICES)
        answers_of(client, *map(body_of, range(50)))
    assert 1 < judge.calls < 50
    assert 0.001 < client.usage.cost < 0.003
    assert client.notes == [f"The server reported no tokens for {judge.calls} answers: their cost is an estimate."]


@pytest.mark.parametrize("width", [1, 16])
def test_max_requests_counts_retries_and_cuts_them(width):
    with FakeJudge(Behaviour(unavailable=0.5, failing_attempts=2)) as judge:
        client = client_of(judge, max_concurrency=width, max_requests=25)
        answers = answers_of(client, *map(body_of, range(40)))
    assert judge.calls == client.usage.requests == 25
    assert client.usage.stopped == "max_requests"
    failures = {answer.failure for answer in answers}
    assert failures == {None, "max_requests"}


def test_a_stopped_client_answers_at_once():
    with FakeJudge(Behaviour(latency=0.01)) as judge:
        client = client_of(judge, max_requests=1)
        answers_of(client, body_of(1))
        answers = answers_of(client, *map(body_of, range(2, 2000)))
    assert {answer.failure for answer in answers} == {"max_requests"}
    assert judge.calls == 1


def test_a_long_pause_ends_when_the_run_is_stopped():
    with FakeJudge(Behaviour(unavailable=0.5, seed=2)) as judge:
        client = client_of(judge, max_requests=10, pause=100.0)
        answers = answers_of(client, *map(body_of, range(40)))
    assert {answer.failure for answer in answers} == {None, "max_requests"}


def test_the_most_expensive_request_so_far_sets_what_is_reserved():
    budget = Budget(Endpoint("http://127.0.0.1/v1", max_cost=1.0, **PRICES))
    assert budget.price(1e6, 1e6) == 11.0
    assert budget.usage.cost == 0.0
    assert budget._price_of(Reservation(100, 5)) == budget.price(50, 0)


@pytest.mark.parametrize(
    ("usage", "status"),
    [
        (Usage(), ""),
        (Usage(retries=1), "1 retry"),
        (Usage(cost=0.0), "$0.00"),
        (Usage(cost=12.345, retries=3, failed=2), "$12.35 · 3 retries · 2 failed"),
    ],
)
def test_the_status_names_cost_retries_and_failures(usage, status):
    assert usage.status() == status


@pytest.mark.parametrize("limit", [{"max_cost": 0.002, **PRICES}, {"max_requests": 6}])
def test_limits_hold_for_all_runs_of_a_client(limit):
    """The second run has another event loop, is counted from 0, and stops where the limit of both is reached."""
    with FakeJudge(Behaviour(latency=0.01, rate_limited=0.2)) as judge:
        client = client_of(judge, **limit)
        answers_of(client, *map(body_of, range(5)))
        sent, cost = client.usage.requests, client.usage.cost
        assert client.usage.stopped == ""
        client.start()
        answers = answers_of(client, *map(body_of, range(5, 40)))
        assert judge.calls == sent + client.usage.requests
    assert client.usage.stopped in limit
    assert client.usage.failed == [answer.failure for answer in answers].count(client.usage.stopped) > 0
    if cost is None:
        assert judge.calls == 6
    else:
        assert cost + client.usage.cost == pytest.approx(judge.cost(1.0, 10.0))
        assert abs(judge.cost(1.0, 10.0) - 0.002) < 0.0005
