"""Runs of the command with --judge against a server on 127.0.0.1: scores, reasons, costs, limits and resumed runs."""

import json
from contextlib import ExitStack
from pathlib import Path

import pytest
from fake_judge import Behaviour, FakeJudge
from judge_answers import always, choose, rate
from judge_pairs import write_pairs

from rewardbench import evaluate
from rewardbench.cli.main import main
from rewardbench.scorers import load_scorer
from rewardbench.settings import Endpoint, JudgeSpec, ModelSpec

PRICES = ("--input_price", "1.0", "--output_price", "10.0")


def read_files(path):
    """Return the rows and the answers of the result whose summary is at `path`."""
    return [Path(path.replace(".json", suffix)).read_text() for suffix in ("_outputs.jsonl", "_answers.jsonl")]


@pytest.fixture
def run_judge(tmp_path, monkeypatch, capsys):
    """Return a function that runs the command and returns its exit code, its JSON, and what it printed to stderr."""
    monkeypatch.setenv("REWARDBENCH_CACHE", str(tmp_path / "cache" / "scores.sqlite"))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-secret-0123456789")

    def run(server, data, *arguments, judges=("fake",)):
        command = [*(f"--judge={name}" for name in judges), "--dataset", data]
        if server:
            command += ["--base_url", server.base_url]
        with pytest.raises(SystemExit) as stop:
            main([*command, "--output_dir", str(tmp_path / "results"), "--json", *arguments])
        output = capsys.readouterr()
        values = json.loads(output.out) if stop.value.code == 0 else None
        return stop.value.code, values, output.err

    return run


def test_a_perfect_judge_scores_1_with_two_requests_per_pair(run_judge, tmp_path):
    with FakeJudge(Behaviour()) as server:
        code, result, _ = run_judge(server, write_pairs(tmp_path / "pairs.jsonl", 20), *PRICES)
        assert (code, len(server.requests)) == (0, 40)
        cost = server.cost(1.0, 10.0)
    assert result["model_type"] == "Generative RM"
    assert result["accuracy"] == 1.0
    assert result["order_inconsistency"]["value"] == 0.0
    judge = result["manifest"]["run"]["judge"]
    assert (judge["requests"], judge["protocol"], result["sent"]) == (40, "choice", 40)
    assert judge["cost"] == pytest.approx(cost, abs=1e-9)


def test_a_judge_that_always_says_a_gets_no_credit(run_judge, tmp_path):
    with FakeJudge(Behaviour(decide=always("[[A]]"))) as server:
        _, result, _ = run_judge(server, write_pairs(tmp_path / "pairs.jsonl", 10))
    assert result["accuracy"] == 0.0
    assert result["order_inconsistency"]["value"] == 1.0


def test_every_item_is_scored_or_has_a_reason(run_judge, tmp_path):
    behaviour = Behaviour(malformed=0.1, both_verdicts=0.05, length=0.05, refusal=0.05, empty=0.05)
    with FakeJudge(behaviour) as server:
        _, result, _ = run_judge(server, write_pairs(tmp_path / "pairs.jsonl", 100))
        bodies = {exchange.digest: exchange for exchange in server.requests}
        assert len(bodies) == len(server.requests) == 200
        planted = sum(server.planted[kind] for kind in ("malformed", "both_verdicts", "length", "refusal", "empty"))
    failures = result["manifest"]["run"]["judge"]["failures"]
    assert sum(failures.values()) == planted
    rows = list(map(json.loads, read_files(result["results"])[0].splitlines()))
    unscored = [row for row in rows if None in row["scores"]]
    assert all(row["reason"] for row in unscored)
    assert result["accuracy_estimate"]["unscored"] == len(unscored) > 0
    assert all(row["results"] == 0 for row in unscored)


def test_a_second_run_asks_nothing_and_writes_the_same_files(run_judge, tmp_path):
    data = write_pairs(tmp_path / "pairs.jsonl", 10)
    with FakeJudge(Behaviour(malformed=0.2)) as server:
        _, first, _ = run_judge(server, data, *PRICES)
        path = first["results"]
        files = read_files(path)
        sent = len(server.requests)
        _, second, _ = run_judge(server, data, *PRICES)
        assert len(server.requests) == sent
    assert read_files(path) == files
    assert (second["sent"], second["reused"]) == (0, 20)
    for result in (first, second):
        for name in ("sent", "retries", "reused", "cost_of_this_run"):
            result.pop(name, None)
    assert second == first, "tokens, cost and failures are those of the answers, whichever run paid for them"
    assert len(files[1].splitlines()) == 20


@pytest.mark.parametrize("limit", [["--max_requests", "15"], ["--max_cost", "0.1", "--input_price", "50"]])
def test_limits_end_a_run_that_can_be_continued(run_judge, tmp_path, limit):
    data = write_pairs(tmp_path / "pairs.jsonl", 40)
    with FakeJudge(Behaviour()) as server:
        code, result, _ = run_judge(server, data, *limit, "--max_concurrency", "2")
        judge = result["manifest"]["run"]["judge"]
        assert code == 0
        assert judge["stopped"] == limit[0].removeprefix("--")
        scored = 40 - result["accuracy_estimate"]["unscored"]
        assert judge["requests"] // 2 - 2 <= scored < 40, "both orders of an item are asked one after the other"
        sent = len(server.requests)
        assert sent == judge["requests"] == result["sent"] < 80
        _, result, _ = run_judge(server, data)
        assert len(server.requests) == 80, "what was answered is not sent again"
    assert result["accuracy"] == 1.0


@pytest.mark.parametrize("behaviour", [{"rate_limited": 0.3}, {"latency": 0.01}], ids=["retries", "max_cost"])
def test_a_judge_in_memory_can_be_evaluated_again(behaviour, tmp_path, monkeypatch):
    """Each run has an event loop of its own, and counts of its own; the limits are those of both."""
    monkeypatch.setenv("OPENAI_API_KEY", "any")
    monkeypatch.setenv("REWARDBENCH_CACHE", str(tmp_path / "scores.sqlite"))
    with FakeJudge(Behaviour(**behaviour)) as server:
        endpoint = Endpoint(server.base_url, input_price=1.0, output_price=10.0, max_cost=5.0)
        scorer = load_scorer(ModelSpec("fake", judge=JudgeSpec(endpoint=endpoint)))
        for count in (20, 30):
            result = evaluate(scorer, write_pairs(tmp_path / f"{count}.jsonl", count))
            assert result.score.value == 1.0
            judge, session = result.manifest["run"]["judge"], result.manifest["session"]["judge"]
            assert judge["requests"] == 2 * count
        assert session["reused"] == 40


def test_a_request_of_two_windows_is_asked_and_counted_once(run_judge, tmp_path, monkeypatch):
    monkeypatch.setattr("rewardbench.engine.loop.FIRST_WINDOW", 2)
    row = {"prompt": "Question?", "chosen": "quality=0.9", "rejected": "quality=0.1"}
    data = tmp_path / "pairs.jsonl"
    data.write_text("\n".join(json.dumps({"id": str(n), **row}) for n in range(5)))
    with FakeJudge(Behaviour()) as server:
        _, result, _ = run_judge(server, str(data), *PRICES)
        cost = server.cost(1.0, 10.0)
    assert (result["requests"], result["sent"], result["reused"]) == (2, 2, 0)
    assert result["cost"] == pytest.approx(cost)
    assert result["accuracy"] == 1.0


def test_a_judge_with_the_name_of_a_baseline_is_asked(run_judge, tmp_path):
    data = write_pairs(tmp_path / "pairs.jsonl", 2)
    with FakeJudge(Behaviour()) as server:
        _, result, _ = run_judge(server, data, judges=("baseline/longest",))
        assert server.calls == 4
    assert result["model_type"] == "Generative RM"


def test_a_judge_behind_a_server_is_called_by_one_process(run_judge, tmp_path, monkeypatch):
    """Others would pay without being counted."""
    data = write_pairs(tmp_path / "pairs.jsonl", 2)
    with FakeJudge(Behaviour()) as server:
        outcomes = [run_judge(server, data, "--num_processes", "2")]
        monkeypatch.setenv("RANK", "0")
        monkeypatch.setenv("WORLD_SIZE", "2")
        outcomes.append(run_judge(server, data))
        assert server.calls == 0
    for code, _, error in outcomes:
        assert code == 2
        assert "fake is behind a server, which one process calls: leave out --num_processes" in error


def test_ratings_are_asked_for_each_response(run_judge, tmp_path):
    with FakeJudge(Behaviour(decide=rate())) as server:
        _, result, _ = run_judge(server, write_pairs(tmp_path / "pairs.jsonl", 20), "--protocol", "rating")
        assert len(server.requests) <= 40
    assert result["accuracy"] > 0.8
    assert "order_inconsistency" not in result


def test_a_planted_position_bias_is_measured(run_judge, tmp_path):
    with FakeJudge(Behaviour(decide=choose(position_bias=0.3))) as server:
        _, result, _ = run_judge(server, write_pairs(tmp_path / "pairs.jsonl", 400))
    assert result["order_inconsistency"]["value"] == pytest.approx(0.3, abs=0.07)


def test_the_key_is_in_no_file_and_in_no_output(run_judge, tmp_path):
    with FakeJudge(Behaviour(malformed=0.1, api_key="another-key", echo_key=True)) as server:
        code, _, error = run_judge(server, write_pairs(tmp_path / "pairs.jsonl", 5))
    assert code == 2
    assert "sk-test-secret" not in error
    assert len(error.strip().splitlines()) == 1
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or b"sk-test-secret" not in path.read_bytes()


def test_three_judges_decide_by_majority(run_judge, tmp_path):
    """Two of three judges are right, the third always names the first response."""
    data = write_pairs(tmp_path / "pairs.jsonl", 10)
    config = tmp_path / "judges.yaml"
    behaviours = {"good": choose(), "fair": choose(), "poor": always("[[A]]")}
    with ExitStack() as stack:
        servers = {
            name: stack.enter_context(FakeJudge(Behaviour(decide=decide))) for name, decide in behaviours.items()
        }
        lines = [f"{name}: {{base_url: '{server.base_url}', input_price: 1.0}}" for name, server in servers.items()]
        config.write_text("\n".join(lines))
        code, result, _ = run_judge(None, data, "--judge_config", str(config), judges=behaviours)
    assert code == 0
    assert result["model_type"] == "Generative RM PoLL"
    assert result["accuracy"] == 1.0
    assert {member["accuracy"]["value"] for member in result["members"]} == {1.0, 0.0}
    assert len(list((tmp_path / "results").glob("*_answers.jsonl"))) == 3


def test_an_even_number_of_judges_is_rejected_before_a_request(run_judge, tmp_path):
    data = write_pairs(tmp_path / "pairs.jsonl", 2)
    with FakeJudge(Behaviour()) as server:
        code, _, error = run_judge(server, data, judges=("a", "b"))
        assert not server.requests
    assert (code, error) == (
        2,
        "rewardbench: A vote needs an odd number of members, and these are 2: add or remove one.\n",
    )


def test_repeats_are_asked_with_other_seeds_and_their_spread_is_reported(run_judge, tmp_path):
    """A judge that answers at random: the verdicts of 5 repeats of a request differ."""
    data = write_pairs(tmp_path / "pairs.jsonl", 20)
    with FakeJudge(Behaviour(decide=choose(lambda prompt: (0.5, 0.4), position_bias=0.0))) as server:
        _, result, _ = run_judge(server, data, "--repeats", "5")
        seeds = [json.loads(exchange.raw)["seed"] for exchange in server.requests]
    assert sorted(set(seeds)) == [0, 1, 2, 3, 4]
    assert len(seeds) == 20 * 2 * 5
    assert result["manifest"]["run"]["judge"]["mean_spread"] == 0.0
    with FakeJudge(Behaviour(decide=lambda question: "[[A]]" if question.draw("coin") < 0.5 else "[[B]]")) as server:
        _, result, _ = run_judge(server, data, "--repeats", "5", "--no_cache")
    assert 0.3 < result["manifest"]["run"]["judge"]["mean_spread"] < 0.6


@pytest.mark.parametrize("name", ["", " ", "judge\udcff"])
def test_a_name_that_no_judge_has_is_rejected(run_judge, tmp_path, name):
    code, _, error = run_judge(None, write_pairs(tmp_path / "pairs.jsonl", 2), judges=(name,))
    assert (code, error) == (2, f"rewardbench: --judge is {name!r}: pass the name of a judge.\n")


def test_a_judge_that_is_not_in_the_configuration_is_rejected(run_judge, tmp_path):
    config = tmp_path / "judges.yaml"
    config.write_text("good: {base_url: 'http://127.0.0.1:1/v1'}")
    data = write_pairs(tmp_path / "pairs.jsonl", 2)
    code, _, error = run_judge(None, data, "--judge_config", str(config), judges=("goof",))
    assert (code, error) == (2, f"rewardbench: {config} has no judge goof: it has good.\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--chat_template", "raw"], "--chat_template has no effect on a model behind a server"),
        (["--torch_dtype", "float16"], "--torch_dtype has no effect on a model behind a server"),
        (["--max_length", "10"], "--max_length has no effect on a model behind a server"),
        (["--dialect", "vllm"], "--dialect applies to reward models"),
        (["--engine", "http"], "--engine applies to reward models"),
        (["--parity", "x"], "--parity applies to reward models"),
    ],
)
def test_options_that_a_judge_behind_a_server_does_not_have_are_rejected(run_judge, tmp_path, arguments, message):
    with FakeJudge(Behaviour()) as server:
        code, _, error = run_judge(server, write_pairs(tmp_path / "pairs.jsonl", 2), *arguments)
        assert not server.requests
    assert code == 2
    assert message in error


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--repeats=3", "--repeats needs a judge: pass --judge NAME, not --model"),
        ("--temperature=0", "--temperature needs a judge"),
        ("--data_protocol=core", "--data_protocol needs a judge"),
        ("--timeout=3", "--timeout needs a server"),
        ("--max_retries=0", "--max_retries needs a server"),
    ],
)
def test_options_of_judges_and_servers_are_rejected_for_other_models(option, message, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--model", "baseline/longest", option])
    assert stop.value.code == 2
    assert message in capsys.readouterr().err
