"""Ranks write the files of one process, wait for each other for a limited time, and end together."""

import json
import re
import signal
import socket
from pathlib import Path

import pytest
from launched import start, torchrun, wait
from ports import free_port
from random_models import write_pairs

from rewardbench.cli.main import main
from rewardbench.engine.backends.torchrun import Launch, is_first, launch

BASELINE = ["--model", "baseline/longest"]


def ranks(folder, *arguments, outputs=("out", "out"), port=None, **variables):
    """Start one process per rank, as a user would by hand."""
    launcher = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port or free_port()), "WORLD_SIZE": str(len(outputs))}
    launcher |= variables
    return [
        start(folder, *arguments, "--output_dir", output, RANK=str(rank), **launcher)
        for rank, output in enumerate(outputs)
    ]


@pytest.fixture
def folder(tmp_path):
    write_pairs(tmp_path / "pairs.jsonl", 60)
    return tmp_path


@pytest.fixture
def models(model_folder):
    """Arguments for a model of each kind, by name."""

    def make(kind):
        if kind.startswith("baseline/"):
            return ["--model", kind, "--seed", "3", "--batch_size", "5"]
        if kind == "classifier":
            return ["--model", model_folder(), "--device", "cpu", "--batch_tokens", "100"]
        policy, reference = (str(model_folder("llama", "causal", seed=n)) for n in (1, 2))
        options = ["--ref_model", reference] if kind == "dpo" else ["--ref_free_type", kind]
        return ["--model", policy, *options, "--device", "cpu", "--batch_tokens", "100"]

    return make


def files(folder):
    """Return the contents of the files of a result by name, without the command in the summary."""
    contents = {}
    for path in Path(folder).rglob("*.json*"):
        contents[path.name] = path.read_bytes()
        if path.suffix == ".json":
            summary = json.loads(contents[path.name])
            summary["manifest"].pop("command")
            contents[path.name] = summary
    return contents


KINDS = ["baseline/random", *(pytest.param(k, marks=pytest.mark.slow) for k in ("classifier", "dpo", "avg"))]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", ["pool", "ranks", pytest.param("torchrun", marks=pytest.mark.slow)])
def test_several_processes_write_the_files_of_one(kind, way, models, folder):
    arguments = models(kind)
    if way == "ranks":
        done = wait(ranks(folder, *arguments, "--no_cache", outputs=("several", "several")))
    elif way == "pool":
        done = wait([start(folder, *arguments, "--no_cache", "--num_processes", 2, "--output_dir", "several")])
    else:
        done = wait([torchrun(folder, *arguments, "--no_cache", "--output_dir", "several")])
    assert [code for code, _, _ in done] == [0] * len(done), done
    assert "".join(out for _, out, _ in done).count("results=") == 1
    if way != "torchrun":
        assert [err for _, _, err in done] == [""] * len(done)
    assert wait([start(folder, *arguments, "--no_cache", "--output_dir", "single")])[0][0] == 0
    assert files(folder / "several") == files(folder / "single")
    assert len(files(folder / "single")) == 2


SINGLE = [{}, {"RANK": "0"}, {"WORLD_SIZE": "2"}, {"WORLD_SIZE": "x"}, {"RANK": "0", "WORLD_SIZE": ""}]
SINGLE += [{"RANK": " ", "WORLD_SIZE": "2"}, {"RANK": "0", "WORLD_SIZE": "1"}, {"WORLD_SIZE": "-3"}]
ERRORS = {
    "RANK in the environment is 'x'": {"RANK": "x", "WORLD_SIZE": "2"},
    "WORLD_SIZE in the environment is '2.0'": {"RANK": "0", "WORLD_SIZE": "2.0"},
    "RANK is -1, but WORLD_SIZE is 2: RANK must be from 0 to 1": {"RANK": "-1", "WORLD_SIZE": "2"},
    "RANK is 2, but WORLD_SIZE is 2": {"RANK": "2", "WORLD_SIZE": "2"},
    "RANK is 0, but WORLD_SIZE is -3": {"RANK": "0", "WORLD_SIZE": "-3"},
    "RANK is 0, but WORLD_SIZE is 0": {"RANK": "0", "WORLD_SIZE": "0"},
    "are set, but MASTER_ADDR is not: start": {"RANK": "0", "WORLD_SIZE": "2", "MASTER_PORT": "1"},
    "are set, but MASTER_PORT is not": {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1"},
    "MASTER_PORT in the environment is 'http'": {
        "RANK": "0",
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "a",
        "MASTER_PORT": "http",
    },
    "MASTER_PORT is 70000": {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "a", "MASTER_PORT": "70000"},
    "REWARDBENCH_JOIN_SECONDS in the environment is 'soon'": {
        "RANK": "0",
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": "29500",
        "REWARDBENCH_JOIN_SECONDS": "soon",
    },
}
NAMES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "REWARDBENCH_JOIN_SECONDS")


@pytest.fixture
def environment(monkeypatch):
    def put(values):
        for name in NAMES:
            monkeypatch.delenv(name, raising=False)
        for name, value in values.items():
            monkeypatch.setenv(name, value)

    return put


@pytest.mark.parametrize("values", SINGLE)
def test_a_single_process_is_not_a_launch(values, environment):
    environment(values)
    assert launch() is None
    assert is_first()


def test_a_rank_reads_its_number_and_address(environment):
    environment({"RANK": "1", "WORLD_SIZE": "4", "MASTER_ADDR": "host", "MASTER_PORT": "29500"})
    assert launch() == Launch(1, 4)
    assert launch().address == ("host", 29500)
    assert not is_first()


@pytest.mark.parametrize("message", ERRORS)
def test_an_invalid_environment_is_a_one_line_error(message, environment, folder, monkeypatch, capfd):
    environment(ERRORS[message])
    monkeypatch.chdir(folder)
    with pytest.raises(SystemExit) as stop:
        main([*BASELINE, "--dataset", "pairs.jsonl"])
    out, err = capfd.readouterr()
    assert (stop.value.code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert message in err


@pytest.mark.parametrize("rank", [0, 1])
def test_a_rank_prints_which_ranks_are_missing_and_ends_after_the_limit(rank, folder):
    port = free_port()
    environment = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    ((code, out, err),) = wait([start(folder, *BASELINE, RANK=str(rank), REWARDBENCH_JOIN_SECONDS="4", **environment)])
    waiting, error = err.splitlines()
    status = ["1 of 2 ranks have joined", "rank 0 of 2 cannot be reached"][rank] + f" at 127.0.0.1:{port}"
    assert (code, out) == (2, "")
    assert waiting == f"rewardbench: rank {rank} is waiting: {status} (limit 4 s)"
    assert re.match(rf"rewardbench: Rank {rank} has waited 4 s: {status}\. Start the others", error)


@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGINT", 130)])
def test_a_rank_that_waits_ends_on_a_signal(name, code, folder):
    launcher = {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    process = start(folder, *BASELINE, **launcher)
    assert "is waiting" in process.stderr.readline()
    process.send_signal(getattr(signal, name))
    ((ended, out, err),) = wait([process], 10)
    assert (ended, out) == (code, "")
    assert "Traceback" not in err


def test_a_rank_that_fails_ends_the_others_with_a_one_line_error(folder):
    (folder / "file").touch()
    first, second = wait(ranks(folder, *BASELINE, outputs=("file", "out")))
    assert first[0] == second[0] == 2
    assert re.fullmatch(r"rewardbench: The result cannot be written to file .*\n", first[2])
    assert re.fullmatch(r"rewardbench: Rank 1 stopped: another rank has ended, .*\n", second[2])


def test_a_taken_port_is_a_one_line_error(folder):
    with socket.create_server(("0.0.0.0", 0)) as server:
        first, *_ = ranks(folder, *BASELINE, port=server.getsockname()[1], REWARDBENCH_JOIN_SECONDS="3")
        ((code, out, err),) = wait([first])
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert "the port is taken; set another MASTER_PORT for all" in err


@pytest.mark.parametrize("limits", [(20, 10), (10, 20)])
def test_ranks_that_read_different_data_are_rejected(limits, folder):
    launcher = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    processes = [start(folder, *BASELINE, "--limit", limits[rank], RANK=str(rank), **launcher) for rank in (0, 1)]
    first, second = wait(processes)
    assert (first[0], second[0]) == (2, 2), (first, second)
    assert re.fullmatch(r"rewardbench: This rank reads other data than rank 0: give all .*\n", second[2])
    assert re.fullmatch(r"rewardbench: Rank 0 stopped: another rank has ended, .*\n", first[2])


def test_ranks_that_load_different_models_are_rejected(folder):
    launcher = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    models = ["baseline/longest", "baseline/random"]
    processes = [start(folder, "--model", models[rank], RANK=str(rank), **launcher) for rank in (0, 1)]
    done = wait(processes)
    assert [code for code, _, _ in done] == [2, 2]
    assert all("Rank 1 loaded another model than rank 0" in err for _, _, err in done)
