"""Requests to the Hub that a run of the command line makes, counted by the double: one look-up per model."""

import json
import tempfile
from functools import partial
from pathlib import Path

import hub_server
import pytest
from adapter_models import lora, make_adapter
from random_models import write_pairs

from rewardbench.cli.main import main
from rewardbench.doctor import DoctorSettings, examine
from rewardbench.engine.backends.pool import _serve
from rewardbench.errors import InputError
from rewardbench.models.fingerprint import digest
from rewardbench.scorers import load_scorer
from rewardbench.settings import ModelSpec


def read_files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def server(hub, model_folder):
    """Serve a classifier, a policy and its reference; nothing was requested yet."""
    models = {"org/rm": {}, "org/policy": {"kind": "causal"}, "org/reference": {"kind": "causal", "seed": 1}}
    for name, options in models.items():
        hub.repos[name] = hub_server.Repo()
        hub.repos[name].commit("main", read_files(model_folder(**options)))
    return hub


@pytest.fixture
def rewardbench(server, tmp_path, monkeypatch, capfd):
    """Run the command line with an empty cache of the Hub; return its summary and the requests it made."""
    write_pairs(tmp_path / "pairs.jsonl", 4)
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        output = tempfile.mkdtemp(dir=tmp_path)
        server.requests.clear()
        with pytest.raises(SystemExit) as stop:
            main([*arguments, "--dataset", "pairs.jsonl", "--device", "cpu", "--output_dir", output])
        assert stop.value.code == 0, capfd.readouterr().err
        (summary,) = Path(output).rglob("*.json")
        return json.loads(summary.read_text()), list(server.requests)

    return run


def look_ups(requests):
    """Return the paths that look up a model; others list the files of a commit, or download them."""
    return [path for _, path in requests if path.startswith("/api/models/") and "/tree/" not in path]


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["--model", "org/rm", "--tokenizer", "org/rm"], ["org/rm"]),
        (["--model", "org/policy", "--ref_model", "org/reference"], ["org/policy", "org/reference"]),
    ],
    ids=["classifier", "DPO"],
)
def test_a_run_looks_each_model_up_once(arguments, names, server, rewardbench):
    cold, cold_requests = rewardbench(*arguments)
    assert look_ups(cold_requests) == [f"/api/models/{name}" for name in names]
    assert len(cold_requests) == len(set(cold_requests)), "a file was requested twice"
    warm, warm_requests = rewardbench(*arguments)
    assert warm_requests == [("GET", f"/api/models/{name}") for name in names]
    assert warm["manifest"]["fingerprint"]["weights"] == {"commit": server.repos[names[0]].refs["main"]}
    assert warm["manifest"]["model"]["parameters"] > 10_000

    server.fault = 503
    offline, _ = rewardbench(*arguments)
    assert cold["score"] == warm["score"] == offline["score"]
    assert offline["manifest"]["fingerprint"] == warm["manifest"]["fingerprint"]


def test_a_new_commit_of_main_is_used_and_an_old_one_by_its_revision(server, rewardbench, model_folder):
    old, _ = rewardbench("--model", "org/rm")
    repository = server.repos["org/rm"]
    commit = repository.refs["main"]
    repository.commit("main", read_files(model_folder(seed=7)))
    new, _ = rewardbench("--model", "org/rm")
    assert new["manifest"]["fingerprint"]["weights"] == {"commit": repository.refs["main"]}
    pinned, requests = rewardbench("--model", "org/rm", "--revision", commit)
    assert pinned["manifest"]["fingerprint"] == old["manifest"]["fingerprint"]
    assert requests == [("GET", f"/api/models/org/rm/revision/{commit}")]


class WorkerConnection:
    """The pipe of a worker that gets no batch."""

    def __init__(self):
        self.messages = []

    def send(self, message):
        self.messages.append(message)

    def recv(self):
        raise InputError("The run is over.")


def test_a_worker_process_reads_the_cache_without_a_request(hub, model_folder, monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "0")
    hub.repos["org/rm"] = hub_server.Repo()
    hub.repos["org/rm"].commit("main", read_files(model_folder()))
    spec = ModelSpec("org/rm", device="cpu")
    fingerprint = load_scorer(spec).fingerprint
    hub.requests.clear()
    connection = WorkerConnection()
    _serve(connection, 1, partial(load_scorer, spec), 0, None)
    assert connection.messages[0] == digest(dict(fingerprint))
    assert hub.requests == []


def test_the_doctor_looks_a_model_up_once(hub, model_folder, tmp_path):
    hub.repos["org/rm"] = hub_server.Repo()
    hub.repos["org/rm"].commit("main", read_files(model_folder()))
    write_pairs(tmp_path / "pairs.jsonl", 2)
    settings = DoctorSettings(ModelSpec("org/rm", device="cpu"), str(tmp_path / "pairs.jsonl"), sample=1)
    assert len(examine(settings).deviations) == 2
    assert look_ups(hub.requests) == ["/api/models/org/rm"]


def test_an_adapter_and_its_base_are_looked_up_once_each(hub, tmp_path, model_folder):
    base = model_folder(kind="causal")
    folders = {"org/base": base}
    for task in ("SEQ_CLS", "CAUSAL_LM"):
        folders[f"org/{task}"] = make_adapter(tmp_path / task, base, lora(task), base_name="org/base")
    for name, folder in folders.items():
        hub.repos[name] = hub_server.Repo()
        hub.repos[name].commit("main", read_files(folder))
    for task, model_type in (("SEQ_CLS", "Seq. Classifier"), ("CAUSAL_LM", "DPO")):
        hub.requests.clear()
        scorer = load_scorer(ModelSpec(f"org/{task}", device="cpu"))
        assert scorer.model_type == model_type
        assert look_ups(hub.requests) == [f"/api/models/org/{task}", "/api/models/org/base"]
        assert scorer.fingerprint["adapter"]["weights"].keys() == scorer.fingerprint["weights"].keys() == {"commit"}
