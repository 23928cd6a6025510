"""The ledger of answers: nothing that was answered is sent again, by any process, and a killed run is continued."""

import asyncio
import multiprocessing
import os
import random
import sqlite3
import subprocess
import sys
import time

import pytest
from chat_requests import answers_of, body_of, client_of, complete_all
from fake_judge import Behaviour, FakeJudge, JudgeProcess

from rewardbench.errors import InputError
from rewardbench.scorers.judge.answers import Answer, TokenLogprob
from rewardbench.scorers.judge.ledger import Ledger, RequestId, StoredAnswer, default_ledger_path
from rewardbench.scorers.judge.transport.completions import encode_body

REQUEST = RequestId("host/v1", "judge", b"{}")
ANSWER = Answer("[[A]] \ud83d é", logprobs=(TokenLogprob("A", -0.1, (("A", -0.1),)),), prompt_tokens=3)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "answers.sqlite"


# --- rows


def test_an_answer_is_stored_to_the_last_bit(path):
    with Ledger(path) as ledger:
        assert ledger.lookup(REQUEST) is None
        assert ledger.claim(REQUEST, 60) == "new"
        assert ledger.lookup(REQUEST) is None
        ledger.store(REQUEST, ANSWER, ["changed"])
    with Ledger(path) as ledger:
        assert ledger.lookup(REQUEST) == ledger.claim(REQUEST, 60) == StoredAnswer(ANSWER, ("changed",))


def test_a_ledger_that_nothing_uses_is_closed(path):
    ledger = Ledger(path)
    database = ledger._db
    del ledger
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        database.execute("SELECT 1")


def test_a_request_is_identified_by_server_body_and_repeat():
    others = [
        RequestId("other/v1", "judge", b"{}"),
        RequestId("host/v1", "judge", b"[]"),
        RequestId("host/v1", "judge", b"{}", 1),
    ]
    assert len({request.key for request in (REQUEST, *others)}) == 4
    assert RequestId("host/v1", "judge", b"{}").key == REQUEST.key


def test_a_failed_request_leaves_no_row(path):
    with Ledger(path) as ledger:
        ledger.claim(REQUEST, 60)
        ledger.release(REQUEST)
        assert ledger.claim(REQUEST, 60) == "new"
        ledger.store(REQUEST, ANSWER)
        ledger.release(REQUEST)
        assert ledger.lookup(REQUEST) is not None


def test_a_request_in_flight_belongs_to_its_process_while_that_runs_and_the_timeout_has_not_passed(path):
    now = [1000.0]
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with Ledger(path, clock=lambda: now[0]) as ledger:
        ledger.claim(REQUEST, 60)
        assert ledger.claim(REQUEST, 60) == "unfinished"  # of this process, which has one client
        sqlite3.connect(path).execute("UPDATE answers SET process = ?", (other.pid,)).connection.commit()
        assert ledger.claim(REQUEST, 60) == "waiting"
        now[0] += 61
        assert ledger.claim(REQUEST, 60) == "unfinished"
        sqlite3.connect(path).execute("UPDATE answers SET process = ?", (other.pid,)).connection.commit()
        other.communicate(b"\n")
        assert ledger.claim(REQUEST, 60) == "unfinished"


def test_answers_are_counted_and_pruned_by_model_and_age(path):
    now = [0.0]
    with Ledger(path, clock=lambda: now[0]) as ledger:
        for day, model in enumerate(("a", "a", "b")):
            now[0] = day * 86400.0
            ledger.store(RequestId("host/v1", model, str(day).encode()), ANSWER)
        ledger.claim(REQUEST, 60)
        counts = {count.model: (count.answers, count.unfinished, count.prompt_tokens) for count in ledger.counts()}
        assert counts == {"a": (2, 0, 6), "b": (1, 0, 3), "judge": (0, 1, 0)}
        assert ledger.prune(model="a", older_than=1.5) == 1
        assert ledger.prune(model="b") == 1
        assert ledger.prune() == 1
        assert ledger.counts() == []
        assert ledger.size() > 0


def test_the_default_path_is_next_to_the_score_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("REWARDBENCH_CACHE", str(tmp_path / "mine" / "scores.db"))
    assert default_ledger_path() == tmp_path / "mine" / "answers.sqlite"
    monkeypatch.delenv("REWARDBENCH_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert default_ledger_path() == tmp_path / "xdg" / "rewardbench" / "answers.sqlite"


# --- files that cannot be used


def test_a_file_that_is_not_a_ledger_is_left_as_it_is(path):
    path.write_bytes(b"This is not SQLite. " * 100)
    with pytest.raises(
        InputError, match=r"judge answers .*answers.sqlite cannot be used \(file is not a database\): remove"
    ):
        Ledger(path)
    assert path.read_bytes().startswith(b"This is not")


def lookup_all(path):
    with Ledger(path) as ledger:
        for item in range(200):
            ledger.lookup(RequestId("host/v1", "judge", str(item).encode()))


def test_a_damaged_file_is_a_one_line_error(path):
    with Ledger(path) as ledger:
        for item in range(200):
            ledger.store(RequestId("host/v1", "judge", str(item).encode()), ANSWER)
    content = bytearray(path.read_bytes())
    content[4096:] = os.urandom(len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(InputError, match="malformed"):
        lookup_all(path)


def test_a_row_that_is_not_an_answer_is_asked_again(path):
    with Ledger(path) as ledger:
        ledger.store(REQUEST, ANSWER)
        for text in ("{", "3", '{"logprobs": [3]}', '{"logprobs": [{}]}'):
            sqlite3.connect(path).execute("UPDATE answers SET answer = ?", (text,)).connection.commit()
            assert ledger.lookup(REQUEST) is None


# --- runs


def test_a_second_run_sends_nothing_and_returns_the_same_answers(path):
    bodies = list(map(body_of, range(5)))
    with FakeJudge() as judge, Ledger(path) as ledger:
        first = answers_of(client_of(judge, ledger, input_price=1.0), *bodies)
        client = client_of(judge, ledger, input_price=1.0)
        assert answers_of(client, *bodies) == first
        assert judge.calls == 5
    usage = client.usage
    assert (usage.requests, usage.reused, usage.prompt_tokens, usage.cost) == (0, 5, 0, 0.0)
    assert usage.cost_total == pytest.approx(judge.cost(1.0, 0.0))


def test_another_port_of_this_machine_is_the_same_server(path):
    with Ledger(path) as ledger:
        for calls in (1, 0):
            with FakeJudge() as judge:
                answers_of(client_of(judge, ledger))
            assert judge.calls == calls


def test_failures_are_asked_again_and_content_faults_are_not(path):
    with Ledger(path) as ledger:
        with FakeJudge(Behaviour(server_error=1.0, lasting=("server_error",))) as judge:
            (failed,) = answers_of(client_of(judge, ledger, max_retries=0))
            assert failed.failure == "server_error"
        with FakeJudge(Behaviour(refusal=1.0)) as judge:
            (refused,) = answers_of(client_of(judge, ledger))
            assert refused.refusal
        with FakeJudge() as judge:
            assert answers_of(client_of(judge, ledger)) == [refused]
            assert judge.calls == 0


RUN_SETTINGS = {"max_concurrency": 8, "timeout": 2.0}


def ask_in_process(base_url, path, items):
    """Ask the same requests as other processes, in another order."""
    bodies = list(map(body_of, range(items)))
    random.shuffle(bodies)
    with Ledger(path) as ledger:
        answers_of(client_of(base_url, ledger, **RUN_SETTINGS), *bodies)


def start_run(base_url, path, items):
    process = multiprocessing.get_context("fork").Process(target=ask_in_process, args=(base_url, path, items))
    process.start()
    return process


def test_processes_that_ask_the_same_at_the_same_time_send_it_once(path):
    with FakeJudge(Behaviour(latency=0.2)) as judge:
        runs = [start_run(judge.base_url, path, 12) for _ in range(3)]
        for run in runs:
            run.join()
            assert run.exitcode == 0
    assert (judge.calls, judge.repeats) == (12, 0)


def kill_and_resume(tmp_path, kills, items, seed):
    """Kill a run several times at random moments, and finish it; check that no answered request was repeated."""
    moments = random.Random(seed)
    options = ("--latency", "0.1", "--jitter", "0.1", "--rate_limited", "0.05", "--dropped", "0.03")
    with JudgeProcess(*options, log=tmp_path / "log") as judge:
        for _ in range(kills):
            run = start_run(judge.base_url, tmp_path / "answers.sqlite", items)
            target = len(judge.events("ended")) + moments.randrange(1, items // (kills + 1))
            while len(judge.events("ended")) < target and run.is_alive():
                time.sleep(0.02)
            run.kill()
            run.join()
        time.sleep(0.5)  # requests in flight at the kill end
        client = client_of(judge, Ledger(tmp_path / "answers.sqlite"), **RUN_SETTINGS)
        answers = answers_of(client, *map(body_of, range(items)))
        started, ended = judge.events("started"), judge.events("ended")
    assert [answer.failure for answer in answers] == [None] * items
    faults = sum(event["outcome"] in ("rate_limited", "dropped") for event in ended)
    assert client.usage.unfinished <= 8 * kills
    assert items <= len(started) <= items + faults + 8 * kills
    lost = [event for event in ended if event["outcome"] in ("answered", "gone")]
    assert len(lost) <= items + 8 * kills


def test_a_run_killed_at_a_random_moment_repeats_only_what_was_in_flight(tmp_path):
    kill_and_resume(tmp_path, kills=1, items=60, seed=os.getpid())


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_a_run_killed_several_times_repeats_only_what_was_in_flight(tmp_path, seed):
    kill_and_resume(tmp_path, kills=4, items=400, seed=seed)


# --- speed and memory


def seconds_per_request(judge, count, width):
    async def ask():
        client = client_of(judge, max_concurrency=width, timeout=30.0)
        await asyncio.gather(*map(client.complete, map(body_of, range(-width, 0))))  # connections are opened
        start = time.perf_counter()
        await complete_all(client, map(body_of, range(count)))
        return (time.perf_counter() - start) / count

    return asyncio.run(ask())


@pytest.mark.slow
def test_fifty_in_flight_are_twenty_times_as_fast_as_one(tmp_path):
    with JudgeProcess("--latency", "0.2", log=tmp_path / "log") as judge:
        assert seconds_per_request(judge, 10, 1) > 20 * seconds_per_request(judge, 600, 50)


@pytest.mark.slow
def test_memory_is_flat_over_5000_requests(tmp_path):
    import psutil

    async def ask(judge):
        client = client_of(judge, Ledger(tmp_path / "answers.sqlite"), max_concurrency=20, timeout=30.0)
        sizes = []
        for start in range(0, 5000, 1000):
            for first in range(start, start + 1000, 100):
                await asyncio.gather(*(client.complete(body_of(item)) for item in range(first, first + 100)))
            sizes.append(psutil.Process().memory_info().rss)
        await client.close()
        return sizes

    with JudgeProcess(log=tmp_path / "log") as judge:
        sizes = asyncio.run(ask(judge))
    assert max(sizes) - sizes[0] < 4e6


def test_a_run_that_has_stopped_does_not_wait_for_the_answer_to_another_process(path):
    """The parent of this process has sent the second request; the third reaches the limit."""
    with FakeJudge() as judge, Ledger(path) as ledger:
        client = client_of(judge, ledger, max_requests=1, timeout=60.0)
        other = RequestId(client.identity, "judge", encode_body(body_of(2)))
        ledger.claim(other, 60)
        sqlite3.connect(path).execute("UPDATE answers SET process = ?", (os.getppid(),)).connection.commit()
        start = time.monotonic()
        answers = answers_of(client, *map(body_of, (1, 2, 3)))
        assert time.monotonic() - start < 10
        assert [answer.failure for answer in answers] == [None, "max_requests", "max_requests"]
        assert ledger.claim(other, 60) == "waiting", "the row of the other process is still there"
