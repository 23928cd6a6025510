"""Prefetching: the next batch is collated beside the forward pass, with the same scores and errors."""

import copy
import threading
from dataclasses import replace
from multiprocessing import Pipe

import pytest
from head_models import make_headed, random_layers
from random_models import pairs

from rewardbench.engine.backends.base import BatchRunner
from rewardbench.engine.backends.pool import _serve_batches
from rewardbench.engine.batching import plan_batches
from rewardbench.engine.loop import score
from rewardbench.errors import InputError
from rewardbench.forward.prefetch import IN_FLIGHT
from rewardbench.scorers import load_scorer
from rewardbench.scorers.base import CollatingScorer
from rewardbench.settings import ModelSpec
from rewardbench.types import decode_request

SECONDS = 20
"""Time limit of a wait; nothing takes as long unless batches are not collated in time."""


def make_scorer(kind, model_folder, tmp_path) -> CollatingScorer:
    """Return a scorer of one model."""
    if kind == "head":
        return load_scorer(ModelSpec(str(make_headed(tmp_path, random_layers("v_head.summary", 32, 1))), device="cpu"))
    if kind == "padded":
        return load_scorer(ModelSpec(str(model_folder("bert")), device="cpu"))
    if kind == "policy":
        dpo = load_scorer(ModelSpec(str(model_folder("llama", "causal")), ref_free_type="sum", device="cpu"))
        return dpo.stages[0].__enter__()
    return load_scorer(ModelSpec(str(model_folder("llama")), device="cpu"))


def plan(scorer, count=12):
    """Return small batches of random pairs."""
    groups = []
    for item in pairs(count):
        groups.append([scorer.prepare(item.prompt, completion, rendered=False) for completion in item.completions])
    return plan_batches(groups, scorer.traits, 200)


@pytest.mark.parametrize("kind", ["packed", "padded", "policy", "head"])
def test_prefetched_batches_have_the_same_scores_to_the_bit(kind, model_folder, tmp_path):
    scorer = make_scorer(kind, model_folder, tmp_path)
    batches = plan(scorer)
    assert len(batches) > 3
    expected = [(batch, list(scorer.run(batch))) for batch in batches]
    assert list(BatchRunner(scorer).run(batches)) == expected


def test_a_copy_in_another_layout_collates_its_batches_itself(model_folder, tmp_path):
    scorer = make_scorer("packed", model_folder, tmp_path)
    (batch, *_) = plan(scorer)
    expected = list(scorer.run(batch))
    scorer.prefetch(batch)
    padded = copy.copy(scorer)
    padded.layout = replace(scorer.layout, packed=False)
    assert padded.run(batch) == pytest.approx(expected, abs=1e-5)
    with padded.inputs(batch) as (inputs, _):
        assert isinstance(inputs, dict)


def test_a_batch_is_collated_beside_the_forward_pass_of_the_one_before(model_folder, tmp_path, monkeypatch):
    scorer = make_scorer("packed", model_folder, tmp_path)
    batches = plan(scorer)
    numbers = {id(batch[0]): n for n, batch in enumerate(batches)}
    collated = [threading.Event() for _ in batches]
    collate, forward = type(scorer).collate, type(scorer).forward
    computed = 0

    def record_collate(self, requests):
        number = numbers[id(requests[0])]
        assert number < computed + IN_FLIGHT
        inputs = collate(self, requests)
        collated[number].set()
        return inputs

    def record_forward(self, requests):
        nonlocal computed
        following = numbers[id(requests[0])] + 1
        assert following == len(batches) or collated[following].wait(SECONDS)
        scores = forward(self, requests)
        computed += 1
        return scores

    monkeypatch.setattr(type(scorer), "collate", record_collate)
    monkeypatch.setattr(type(scorer), "forward", record_forward)
    assert len(list(BatchRunner(scorer).run(batches))) == len(batches)


def test_an_item_that_cannot_be_collated_is_named(model_folder, tmp_path, monkeypatch):
    scorer, items = make_scorer("packed", model_folder, tmp_path), pairs(12)
    broken = scorer.prepare(items[7].prompt, items[7].completions[1], rendered=False)
    collate = type(scorer).collate

    def fail(self, requests):
        if broken in requests:
            raise ValueError("no such token. And more")
        return collate(self, requests)

    monkeypatch.setattr(type(scorer), "collate", fail)
    with pytest.raises(InputError, match=r"Item 7: .* with ValueError: no such token\. The data"):
        score(items, scorer, batch_tokens=200)


def test_halves_of_a_prefetched_batch_are_collated_anew(model_folder, tmp_path, monkeypatch):
    scorer = make_scorer("packed", model_folder, tmp_path)
    batches = plan(scorer)
    expected = [list(scorer.run(batch)) for batch in batches]
    largest = max(map(len, batches))
    forward = type(scorer).forward

    def run_out_of_memory(self, requests):
        if len(requests) == largest:
            raise RuntimeError("CUDA out of memory")
        return forward(self, requests)

    monkeypatch.setattr(type(scorer), "forward", run_out_of_memory)
    for (_, scores), values in zip(BatchRunner(scorer).run(batches), expected, strict=True):
        assert scores == pytest.approx(values, abs=1e-5)


def test_a_worker_prefetches_the_batch_that_waits_in_its_connection(model_folder, tmp_path, monkeypatch):
    scorer = make_scorer("packed", model_folder, tmp_path)
    batches = plan(scorer)
    events = []
    run, prefetch = type(scorer).run, type(scorer).prefetch
    monkeypatch.setattr(type(scorer), "run", lambda self, batch: events.append(("run", batch)) or run(self, batch))
    monkeypatch.setattr(
        type(scorer), "prefetch", lambda self, batch: events.append(("prefetch", batch)) or prefetch(self, batch)
    )
    ours, theirs = Pipe()
    for n, batch in enumerate(batches[:2]):
        ours.send((n, [request.encode() for request in batch]))
    thread = threading.Thread(target=serve_until_closed, args=(theirs, scorer))
    thread.start()
    assert [ours.recv()[0] for _ in range(2)] == [0, 1]
    ours.close()
    thread.join(SECONDS)
    first, second = ([decode_request(request.encode()) for request in batch] for batch in batches[:2])
    assert events == [("prefetch", second), ("run", first), ("run", second)]


def serve_until_closed(connection, scorer):
    """Score batches until the other end is closed."""
    with pytest.raises(EOFError):
        _serve_batches(connection, BatchRunner(scorer))
