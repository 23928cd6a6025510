"""Two batches at the same time on a CPU: the same scores, one copy of the weights, and a quick end after a failure."""

import threading
from itertools import chain

import pytest
import torch
from random_models import pairs
from reference import DECODERS

from rewardbench.engine.backends import inline
from rewardbench.engine.backends.base import BatchRunner
from rewardbench.engine.backends.streams import Stopped, make_streams
from rewardbench.engine.batching import plan_batches
from rewardbench.engine.loop import prepare, score
from rewardbench.errors import InputError
from rewardbench.models.replicas import may_replicate
from rewardbench.scorers import load_scorer
from rewardbench.scorers.classifier import load_classifier
from rewardbench.settings import ModelSpec


@pytest.fixture(autouse=True)
def two_threads():
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def threads_of_batches(monkeypatch):
    """Return a list of the names of the threads that ran batches."""
    names = []
    run = BatchRunner.__call__

    def record(runner, batch):
        names.append(threading.current_thread().name)
        return run(runner, batch)

    monkeypatch.setattr(BatchRunner, "__call__", record)
    return names


def scores_of(items, spec):
    run = score(items, load_scorer(spec), batch_tokens=128)
    assert run.batches > 4
    return list(chain.from_iterable(item.scores for item in run.items))


def expect_same_scores(spec, names, monkeypatch):
    items = pairs(12)
    scores = scores_of(items, spec)
    assert {name.split("_")[0] for name in names} == {"stream"}
    names.clear()
    monkeypatch.setattr(inline, "make_streams", lambda scorer: None)
    assert scores == pytest.approx(scores_of(items, spec), abs=2e-6)
    assert set(names) == {"MainThread"}


@pytest.mark.parametrize("arch", [*DECODERS, "bert"])
def test_scores_of_classifiers_are_those_of_one_batch_at_a_time(arch, model_folder, threads_of_batches, monkeypatch):
    spec = ModelSpec(str(model_folder(arch)), device="cpu")
    expect_same_scores(spec, threads_of_batches, monkeypatch)


def test_scores_of_policies_are_those_of_one_batch_at_a_time(model_folder, threads_of_batches, monkeypatch):
    policy, reference = (str(model_folder("llama", "causal", seed)) for seed in (0, 1))
    spec = ModelSpec(policy, ref_model=reference, device="cpu")
    expect_same_scores(spec, threads_of_batches, monkeypatch)


def test_copies_share_weights_and_nothing_that_a_forward_pass_changes(model_folder):
    scorer = load_classifier(ModelSpec(str(model_folder("llama")), device="cpu"))
    scorer.run(prepare(pairs(1)[0], scorer).requests)  # which starts a thread that collates
    twin = scorer.replicate()
    for weight, shared in zip(scorer.model.parameters(), twin.model.parameters(), strict=True):
        assert weight is shared
    assert not set(map(id, scorer.model.modules())) & set(map(id, twin.model.modules()))
    assert twin.model.config is not scorer.model.config
    assert twin.layout.last_layer is twin.model.model.layers[-1]
    assert twin.chat is scorer.chat


def test_models_that_a_copy_would_not_equal_are_not_copied(model_folder, monkeypatch):
    model = load_classifier(ModelSpec(str(model_folder("llama")), device="cpu")).model
    assert may_replicate(model)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert not may_replicate(model)
    layer = model.model.layers[0]
    hook = layer.register_forward_hook(lambda *_: None)
    assert not may_replicate(model)
    hook.remove()
    layer.forward = layer.forward
    assert not may_replicate(model)
    del layer.forward
    monkeypatch.setattr(model, "hf_quantizer", object(), raising=False)
    assert not may_replicate(model)


def test_a_model_with_hooks_is_scored_in_one_thread(model_folder, threads_of_batches):
    scorer = load_classifier(ModelSpec(str(model_folder("llama")), device="cpu"))
    scorer.model.model.layers[0].register_forward_hook(lambda *_: None)
    score(pairs(12), scorer, batch_tokens=128)
    assert set(threads_of_batches) == {"MainThread"}


def test_one_thread_is_not_shared(model_folder):
    scorer = load_classifier(ModelSpec(str(model_folder("llama")), device="cpu"))
    assert make_streams(scorer)
    torch.set_num_threads(1)
    assert make_streams(scorer) is None


def batches_of(scorer, count):
    requests = [prepare(item, scorer).requests for item in pairs(count)]
    return plan_batches(requests, scorer.traits, 64)


def test_after_a_failure_no_further_batch_starts(model_folder, monkeypatch):
    scorer = load_classifier(ModelSpec(str(model_folder("llama")), device="cpu"))
    batches = batches_of(scorer, 40)
    started = []

    def fail(runner, batch):
        started.append(batch)
        if len(started) == 3:
            raise InputError("This text has no score.")
        return [0.0] * len(batch)

    monkeypatch.setattr(BatchRunner, "__call__", fail)
    with pytest.raises(InputError, match="This text has no score"):
        for _ in make_streams(scorer).run(batches):
            pass
    assert 3 <= len(started) < len(batches) / 2
    assert torch.get_num_threads() == 2


def test_a_forward_pass_ends_before_its_next_layer_if_the_run_ends(model_folder):
    scorer = load_classifier(ModelSpec(str(model_folder("llama")), device="cpu"))
    stage = make_streams(scorer)
    batches = batches_of(scorer, 40)
    results = stage.run(batches)
    next(results)
    results.close()  # as an interrupted run does
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("stream")]
    stage._stop.set()
    with pytest.raises(Stopped):
        stage._replicas[0](batches[0])
    stage._stop.clear()
    assert len(list(stage.run(batches))) == len(batches), "the stage can be used again"
