"""Actors on a Ray cluster of two nodes give the scores of one process; a lost node or driver costs its batches only."""

import os
import re
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time
from functools import partial

import pytest
import recording_scorer
from random_models import write_pairs
from recording_scorer import DeadlyScorer, RecordingScorer, die, distinct_pairs, recorded, recorded_keys, reject

from rewardbench.engine.backends import ray_cluster
from rewardbench.engine.backends.ray import Ray
from rewardbench.engine.backends.ray_cluster import ActorNeeds, Cluster
from rewardbench.engine.cache import Cache
from rewardbench.engine.loop import score
from rewardbench.errors import InputError
from rewardbench.evaluation.workers import choose_workers
from rewardbench.scorers import load_scorer
from rewardbench.settings import Endpoint, JudgeSpec, ModelSpec, Settings

SUPPORT = os.path.dirname(recording_scorer.__file__)
NODE = {"num_cpus": 1, "object_store_memory": 80 * 2**20}


@pytest.fixture(scope="module")
def nodes():
    """Start a Ray cluster of two nodes on this machine, whose actors can import test modules, and connect to it."""
    pytest.importorskip("ray", reason="needs the extra ray")
    for name, value in ray_cluster.QUIET.items():
        os.environ.setdefault(name, value)
    import ray
    from ray.cluster_utils import Cluster as LocalCluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", SUPPORT, prepend=os.pathsep)
        cluster = LocalCluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
        cluster.add_node(**NODE)
        Cluster(cluster.address)
        yield cluster
        ray.shutdown()
        cluster.shutdown()


def scored_by(scorer, count=60, **options):
    """Return the scores of items by their id, each of which the run must return once."""
    run = score(distinct_pairs(count), scorer, **options)
    scores = {item.id: item.scores for item in run.items}
    assert len(scores) == len(run.items) == count
    return scores


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["classifier", "dpo"])
def test_two_nodes_give_the_scores_of_one_process(kind, nodes, model_folder):
    spec = ModelSpec(str(model_folder("llama")), device="cpu")
    if kind == "dpo":
        policy, reference = (str(model_folder("llama", "causal", seed=n)) for n in (1, 2))
        spec = ModelSpec(policy, ref_model=reference, device="cpu")
    single = scored_by(load_scorer(spec), batch_size=4)
    workers = Ray(Cluster(nodes.address), partial(load_scorer, spec))
    pooled = scored_by(load_scorer(spec), batch_size=4, workers=workers)
    for item, scores in single.items():
        assert pooled[item] == pytest.approx(scores, abs=1e-5, rel=0)
        assert (pooled[item][0] > pooled[item][1]) == (scores[0] > scores[1])


def test_each_request_runs_once_and_actors_keep_the_model(nodes, tmp_path):
    load = partial(RecordingScorer, tmp_path, seconds=0.02)
    workers = Ray(Cluster(nodes.address), load)
    assert scored_by(load(), 60, workers=workers) == scored_by(RecordingScorer(tmp_path.parent), 60)
    first = recorded(tmp_path)
    assert os.getpid() not in first
    assert len(first) == 2
    keys = recorded_keys(tmp_path)
    assert len(keys) == len(set(keys)) == 120
    scored_by(load(), 80, workers=workers)
    assert recorded(tmp_path).keys() == first.keys()


@pytest.mark.slow
def test_the_pool_grows_with_the_cluster(nodes, tmp_path, monkeypatch):
    monkeypatch.setattr("rewardbench.engine.backends.ray.GROW_SECONDS", 0.1)
    load, cluster = partial(RecordingScorer, tmp_path, seconds=0.05), Cluster(nodes.address)
    room = cluster.room(ActorNeeds(1, 0))
    monkeypatch.setattr(cluster, "room", lambda needs: room if recorded(tmp_path) else 1)
    scored_by(load(), 400, workers=Ray(cluster, load))  # a second actor takes seconds to start, on a busy machine more
    assert len(recorded(tmp_path)) == room == 2


def call_when(condition, call):
    """Start a thread that calls a function once the condition is true."""

    def watch():
        while not condition():
            time.sleep(0.01)
        call()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    return thread


def test_a_lost_node_costs_its_unfinished_batches(nodes, tmp_path):
    expected = scored_by(RecordingScorer(tmp_path.parent), 100)
    node = nodes.add_node(**NODE)
    load = partial(RecordingScorer, tmp_path, seconds=0.05)
    thread = call_when(
        lambda: len(recorded(tmp_path)) == 3 and min(map(len, recorded(tmp_path).values())) >= 8,
        lambda: nodes.remove_node(node, allow_graceful=False),
    )
    with Cache(tmp_path / "scores.sqlite") as cache:
        assert scored_by(load(), 100, workers=Ray(Cluster(nodes.address), load), cache=cache) == expected
        assert sum(entry.scores for entry in cache.entries()) == 200
    thread.join(10)
    assert not thread.is_alive()
    keys = recorded_keys(tmp_path)
    assert len(set(keys)) == 200
    assert len(keys) <= 200 + 2 * 4, "only the batches that the lost actor had not returned ran again"


DRIVER = """
import sys
from functools import partial
from recording_scorer import RecordingScorer, distinct_pairs
from rewardbench.engine.backends.ray import Ray
from rewardbench.engine.backends.ray_cluster import Cluster
from rewardbench.engine.cache import Cache
from rewardbench.engine.loop import score
address, folder = sys.argv[1:]
load = partial(RecordingScorer, folder, seconds=0.02)
with Cache() as cache:
    print(score(distinct_pairs(200), load(), workers=Ray(Cluster(address), load), cache=cache).computed)
"""


@pytest.mark.slow
def test_a_killed_driver_resumes(nodes, tmp_path):
    command = [sys.executable, "-c", DRIVER, nodes.address, str(tmp_path)]
    first = subprocess.Popen(command, stdout=subprocess.PIPE)
    while len(recorded_keys(tmp_path)) < 100:
        assert first.poll() is None
        time.sleep(0.01)
    first.kill()
    first.wait()
    with Cache() as cache:
        (entry,) = cache.entries()
    printed = subprocess.run(command, stdout=subprocess.PIPE, timeout=60, check=True).stdout
    assert int(printed) == 400 - entry.scores
    keys = recorded_keys(tmp_path)
    assert len(set(keys)) == 400
    assert len(keys) <= 400 + 2 * 2 * 4, "only the batches in flight ran again"


class Absent:
    """A function of a module that no node has."""

    def __reduce__(self):
        return __import__, ("absent_module",)


@pytest.mark.parametrize(
    ("load", "message"),
    [
        (Absent(), "lacks the module absent_module: install the same packages"),
        (reject, r"Node [\d.]+: There is no such model"),
        pytest.param(die, "3 actors ended while they loaded the model, the last on node", marks=pytest.mark.slow),
        (partial(load_scorer, ModelSpec("baseline/longest")), "loaded another model than this process"),
    ],
)
def test_an_actor_that_cannot_load_the_model_is_a_one_line_error(load, message, nodes, tmp_path):
    with pytest.raises(InputError, match=message):
        scored_by(RecordingScorer(tmp_path), workers=Ray(Cluster(nodes.address), load))


@pytest.mark.slow
def test_a_batch_that_ends_its_actors_is_a_one_line_error(nodes, tmp_path):
    load = partial(DeadlyScorer, tmp_path)
    with pytest.raises(InputError, match="3 actors ended while they ran the same batch of 4 texts"):
        scored_by(load(), 600, workers=Ray(Cluster(nodes.address), load))


def test_actors_that_no_node_has_room_for_are_a_one_line_error(nodes, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("REWARDBENCH_RAY_SECONDS", "2")
    monkeypatch.setattr(ray_cluster, "SILENT_SECONDS", 0.5)
    load = partial(RecordingScorer, tmp_path)
    with pytest.raises(InputError, match=r"After 2 s no node has room .* 1 CPU and 4 GPU.*0 of 0 GPU free"):
        scored_by(load(), workers=Ray(Cluster(nodes.address), load, gpus=4))
    assert "rewardbench: waiting: no node has room" in capsys.readouterr().err


@pytest.mark.slow
def test_actors_share_the_gpus_of_nodes(nodes, tmp_path):
    """The nodes claim to have GPUs, and actors see those that Ray assigns."""
    added = [nodes.add_node(**{**NODE, "num_cpus": 2}, num_gpus=1) for _ in range(2)]
    try:
        for gpus, count in ((1, 2), (0.5, 4)):
            folder = tmp_path / str(gpus)
            folder.mkdir()
            load = partial(RecordingScorer, folder, seconds=0.1)
            scored_by(load(), 200, workers=Ray(Cluster(nodes.address), load, gpus=gpus))
            assert len(recorded(folder)) == count
    finally:
        for node in added:
            nodes.remove_node(node)


@pytest.mark.slow
def test_on_a_gpu_this_process_scores_too(nodes, tmp_path, monkeypatch):
    monkeypatch.setattr("rewardbench.engine.backends.ray.gpu_devices", lambda model: ["cuda:0"])
    load = partial(RecordingScorer, tmp_path, seconds=0.3)
    scorer = load()
    scorer.model = "on a GPU"
    scored_by(scorer, 100, workers=Ray(Cluster(nodes.address), load, gpus=0))
    assert len(recorded(tmp_path)) == 3
    assert len(recorded_keys(tmp_path)) == len(set(recorded_keys(tmp_path))) == 200
    assert 0 < len(recorded(tmp_path)[os.getpid()]) < 200


def run_command(nodes, folder, **options):
    """Start `rewardbench --engine ray` on the pairs of a folder, with its cache and its results there."""
    command = [sys.executable, "-m", "rewardbench", "--model", "tiny-rm", "--dataset", str(folder / "pairs.jsonl")]
    command += ["--engine", "ray", "--ray_address", nodes.address, "--batch_size", "4"]
    environment = {**os.environ, "REWARDBENCH_CACHE": str(folder / "scores.sqlite")}
    return subprocess.Popen([*command, "--output_dir", str(folder)], env=environment, stdout=subprocess.PIPE, **options)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_command_and_its_actors(number, nodes, tmp_path):
    write_pairs(tmp_path / "pairs.jsonl", 2000)
    child = run_command(nodes, tmp_path, stderr=subprocess.PIPE, text=True)
    while child.poll() is None and not count_scores(tmp_path):
        time.sleep(0.05)
    child.send_signal(number)
    output, errors = child.communicate(timeout=30)
    assert (child.returncode, output) == (128 + number, "")
    assert "Traceback" not in errors


def count_scores(folder):
    """Return the number of scores in the cache of a folder."""
    if not (folder / "scores.sqlite").is_file():
        return 0
    with Cache(folder / "scores.sqlite") as cache:
        return sum(entry.scores for entry in cache.entries())


@pytest.mark.slow
def test_the_command_resumes_from_its_cache(nodes, tmp_path):
    write_pairs(tmp_path / "pairs.jsonl", 60)
    first, second = (run_command(nodes, tmp_path, text=True).communicate(timeout=120)[0] for _ in range(2))
    assert int(re.search(r"^computed=(\d+)$", first, re.MULTILINE)[1]) > 100
    assert "\ncomputed=0\n" in second
    assert re.search("^score=.*", first, re.MULTILINE)[0] in second


def test_other_versions_on_a_node_are_a_one_line_error(nodes, tmp_path, monkeypatch):
    monkeypatch.setattr(ray_cluster, "PACKAGES", ("rewardbench", "pytest"))
    load = partial(RecordingScorer, tmp_path)
    with pytest.raises(InputError, match=r"Node [\d.]+ has pytest None, and this process has [\d.]+: install"):
        scored_by(load(), workers=Ray(Cluster(nodes.address), load))


def test_ray_that_is_missing_or_unreachable_is_a_one_line_error(monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with monkeypatch.context() as patch:
        patch.setattr(ray_cluster, "find_spec", lambda name: None)
        with pytest.raises(InputError, match=r"pip install 'rewardbench\[ray\]'"):
            Cluster()
    pytest.importorskip("ray", reason="needs the extra ray")
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(InputError, match=f"No Ray cluster answers at {address} "):
            Cluster(address)
    with socketserver.TCPServer(("127.0.0.1", 0), socketserver.StreamRequestHandler) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        with pytest.raises(InputError, match="is not the head node of a Ray cluster"):
            Cluster(f"127.0.0.1:{server.server_address[1]}")
    with pytest.raises(InputError, match="must be HOST:PORT"):
        Cluster("ray://head:10001")


def test_an_actor_shares_a_gpu():
    assert ActorNeeds(1, 0.1).room({"CPU": 16, "GPU": 1}) == 10
    assert ActorNeeds(1, 4).room({"CPU": 16, "GPU": 6}) == 1


MODEL = ModelSpec("baseline/longest")
JUDGE = ModelSpec("judge", judge=JudgeSpec(endpoint=Endpoint("http://127.0.0.1:8000/v1")))


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        (MODEL, {"ray_actors": 2}, "--ray_actors needs --engine ray"),
        (MODEL, {"engine": "ray", "num_processes": 2}, "exclude each other: pass --ray_actors"),
        (MODEL, {"engine": "ray", "gpus_per_actor": 1.5}, "must be a whole number, or a share"),
        (ModelSpec("tiny-rm", device="cuda:1"), {"engine": "ray"}, "--device cuda:1 names a GPU"),
        (JUDGE, {"engine": "ray"}, "--engine ray scores reward models"),
    ],
)
def test_options_that_contradict_each_other_are_rejected(model, options, message):
    with pytest.raises(InputError, match=message):
        choose_workers(Settings(model, **options))


def test_ranks_of_torchrun_are_rejected(monkeypatch):
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(InputError, match="torchrun and --engine ray exclude each other"):
        choose_workers(Settings(MODEL, engine="ray"))
