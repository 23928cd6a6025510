"""A run against an unreliable server: every item ends scored or with a reason, and no answer is paid twice.

Of the requests 10 % get an answer without verdict, 5 % status 429, 2 % no answer in time, and 1 % a closed connection.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from fake_judge import Behaviour, FakeJudge, JudgeProcess
from judge_pairs import question_of, write_pairs

from rewardbench.cli.main import main

FAULTS = {"malformed": 0.1, "rate_limited": 0.05, "timeout": 0.02, "dropped": 0.01}
TRANSPORT = ("rate_limited", "timeout", "dropped")
IN_FLIGHT = 50
SIZES = [60, pytest.param(1_000, marks=pytest.mark.slow)]


def command(base_url, data, output, *options):
    limits = ["--max_concurrency", str(IN_FLIGHT), "--timeout", "1.5"]
    return [
        "--judge",
        "fake",
        "--base_url",
        base_url,
        "--dataset",
        data,
        "--output_dir",
        str(output),
        *limits,
        *options,
    ]


def run_in_process(monkeypatch, capsys, folder, arguments):
    """Run the command with an empty ledger; return its JSON."""
    monkeypatch.setenv("REWARDBENCH_CACHE", str(folder / "scores.sqlite"))
    with pytest.raises(SystemExit) as stop:
        main([*arguments, "--json"])
    output = capsys.readouterr()
    assert stop.value.code == 0, output.err
    return json.loads(output.out)


@pytest.mark.parametrize("count", SIZES)
def test_every_item_ends_scored_or_with_a_reason(count, tmp_path, monkeypatch, capsys):
    data = write_pairs(tmp_path / "pairs.jsonl", count)
    behaviour = Behaviour(**FAULTS, timeout_seconds=4.0, key=question_of)
    bodies = []
    for run in ("first", "second"):
        with FakeJudge(behaviour) as server:
            result = run_in_process(
                monkeypatch, capsys, tmp_path / run, command(server.base_url, data, tmp_path / "results")
            )
            planted = server.planted
            bodies.append(Counter(exchange.raw for exchange in server.requests))
        assert result["accuracy_estimate"]["unscored"] == planted["malformed"] > 0
        assert result["accuracy"] == pytest.approx(1 - planted["malformed"] / count)
        judge = result["manifest"]["run"]["judge"]
        assert sum(judge["failures"].values()) == 2 * planted["malformed"]
        assert judge["requests"] == 2 * count
        assert result["sent"] == 2 * count + result["retries"]
    assert bodies[0].keys() == bodies[1].keys()
    assert len(bodies[0]) == 2 * count


@pytest.mark.parametrize("count", SIZES)
def test_a_killed_run_is_continued_without_paying_twice(count, tmp_path):
    data = write_pairs(tmp_path / "pairs.jsonl", count)
    rates = [word for name, rate in FAULTS.items() for word in (f"--{name}", str(rate))]
    environment = {**os.environ, "REWARDBENCH_CACHE": str(tmp_path / "cache" / "scores.sqlite"), "HF_HUB_OFFLINE": "1"}
    moments = random.Random(count)
    kills = 0
    with JudgeProcess(*rates, "--timeout_seconds", "4", "--latency", "0.05", log=tmp_path / "log.jsonl") as server:
        arguments = command(server.base_url, data, tmp_path / "results", "--json")
        while True:
            process = subprocess.Popen(
                [sys.executable, "-m", "rewardbench", *arguments], env=environment, stdout=subprocess.PIPE
            )
            if kills < 3:
                wait_for(process, server, (kills + moments.random()) * 2 * count / 3)
                process.send_signal(signal.SIGKILL)
            output, _ = process.communicate()
            if process.returncode != -signal.SIGKILL:
                break
            kills += 1
        time.sleep(0.2)
        started, ended = server.events("started"), server.events("ended")
    assert (process.returncode, kills) == (0, 3)
    result = json.loads(output)
    answered = Counter(event["digest"] for event in ended if event["outcome"] == "answered")
    faults = sum(event["outcome"] in TRANSPORT for event in ended)
    assert len(answered) == 2 * count
    assert len(started) <= 2 * count + faults + kills * IN_FLIGHT
    assert sum(answered.values()) - len(answered) <= kills * IN_FLIGHT
    assert result["reused"] > 0
    rows = Path(result["results"].replace(".json", "_outputs.jsonl")).read_text().splitlines()
    assert len(rows) == count


def wait_for(process, server, calls):
    """Wait until the server has been called so often, or the process has ended."""
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        if server.log.exists() and len(server.events("started")) >= calls:
            return
        time.sleep(0.05)


@pytest.mark.slow
def test_50_requests_in_flight_are_20_times_as_fast_as_one(tmp_path):
    rates = {}
    for in_flight, count in ((1, 25), (50, 1_000)):
        data = write_pairs(tmp_path / f"{count}.jsonl", count)
        with JudgeProcess("--latency", "0.2", log=tmp_path / f"{in_flight}.jsonl") as server:
            arguments = command(server.base_url, data, tmp_path / "results", "--no_cache")
            arguments[arguments.index("--max_concurrency") + 1] = str(in_flight)
            subprocess.run([sys.executable, "-m", "rewardbench", *arguments], check=True, capture_output=True)
            times = [event["time"] for event in server.events("started")]
        rates[in_flight] = len(times) / (max(times) - min(times))
    print(f"one_in_flight={rates[1]:.1f}/s fifty_in_flight={rates[50]:.1f}/s ratio={rates[50] / rates[1]:.1f}")
    assert rates[50] >= 20 * rates[1]
