"""A pool of processes gives the scores of one, each batch once, whatever a scorer reads."""

import os
from dataclasses import fields
from functools import partial
from multiprocessing.connection import wait

import pytest
from random_models import pairs

from rewardbench.engine.backends import pool as pool_module
from rewardbench.engine.backends.base import BatchRunner
from rewardbench.engine.backends.pool import Pool
from rewardbench.engine.cache import Cache
from rewardbench.engine.loop import score
from rewardbench.errors import InputError
from rewardbench.scorers import load_scorer
from rewardbench.settings import ModelSpec
from rewardbench.types import BatchTraits, TextRequest, TokenRequest, decode_request


@pytest.fixture
def one_thread():
    """Sums of floats depend on the number of threads; a pool shares those that there are."""
    import torch  # which no worker of these tests need import with this file

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def specs(model_folder):
    """A model of each kind, by name."""

    def make(kind):
        if kind.startswith("baseline/"):
            return ModelSpec(kind, seed=3)
        if kind == "classifier":
            return ModelSpec(str(model_folder()), device="cpu")
        policy, reference = (str(model_folder("llama", "causal", seed=n)) for n in (1, 2))
        options = {"ref_model": reference} if kind == "dpo" else {"ref_free_type": kind}
        return ModelSpec(policy, device="cpu", **options)

    return make


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """Hand out no batch before the workers have loaded, or ended: else this process is done first."""

    class Patient(pool_module._PoolStage):
        def _start(self, count):
            super()._start(count)
            assert not self._workers or wait([worker.connection for worker in self._workers], 120)

    monkeypatch.setattr(pool_module, "_PoolStage", Patient)


def counted(scorer, counts):
    """Count the requests that a scorer is given in this process."""
    for stage in scorer.stages:
        with stage as inner:
            inner.run = partial(count_and_run, inner.run, counts)
    return scorer


def count_and_run(run, counts, batch):
    counts.append(len(batch))
    return run(batch)


TEXT = ["baseline/longest", "baseline/shortest", "baseline/random"]


@pytest.mark.parametrize(
    "kind", [*TEXT, "classifier", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("dpo", "avg", "norm"))]
)
def test_a_pool_gives_the_very_scores_of_one_process(kind, specs, one_thread):
    spec, items, counts = specs(kind), pairs(60, 20), []
    alone = score(items, load_scorer(spec), batch_tokens=60, batch_size=2)
    pool = Pool(2, partial(load_scorer, spec))
    scorer = counted(load_scorer(spec), counts)
    together = score(items, scorer, batch_tokens=60, batch_size=2, workers=pool)
    assert sum(counts) < together.computed, "the other process did its part"
    assert together.items == alone.items
    assert (together.computed, together.requests, together.layout) == (alone.computed, alone.requests, alone.layout)
    assert len({score for item in alone.items for score in item.scores}) > 10


def die():
    os._exit(9)


def test_a_worker_that_dies_is_one_sentence(specs):
    scorer = load_scorer(specs("baseline/longest"))
    with pytest.raises(InputError, match=r"A worker process ended early \(exit code 9"):
        score(pairs(100, 20), scorer, batch_size=1, workers=Pool(2, die))


def refuse():
    raise InputError("There is no such model.")


def test_what_a_worker_refuses_is_said(specs):
    scorer = load_scorer(specs("baseline/longest"))
    with pytest.raises(InputError, match="There is no such model"):
        score(pairs(100, 20), scorer, batch_size=1, workers=Pool(2, refuse))


def test_a_worker_that_has_loaded_another_model_is_refused(specs):
    scorer = load_scorer(specs("baseline/longest"))
    other = partial(load_scorer, specs("baseline/random"))
    with pytest.raises(InputError, match="loaded another model than this one"):
        score(pairs(100, 20), scorer, batch_size=1, workers=Pool(2, other))


def test_a_worker_multiplies_as_its_parent_does(specs):
    """TF32, say, which a script has turned on: it is part of the fingerprint."""
    import torch

    torch.set_float32_matmul_precision("high")
    try:
        counts, scorer = [], load_scorer(specs("classifier"))
        pool = Pool(2, partial(load_scorer, specs("classifier")))
        run = score(pairs(60, 20), counted(scorer, counts), batch_size=2, workers=pool)
    finally:
        torch.set_float32_matmul_precision("highest")
    assert sum(counts) < run.computed


def never():
    raise AssertionError("no process is needed")


def test_no_process_starts_for_what_one_batch_or_the_cache_gives(specs, tmp_path, monkeypatch):
    monkeypatch.setattr("rewardbench.engine.backends.pool.Child", lambda *arguments: never())
    items, pool = pairs(40, 20), Pool(2, never)
    assert score(items, load_scorer(specs("baseline/longest")), workers=pool).batches == 1
    with Cache(tmp_path / "scores.sqlite") as cache:
        score(items, load_scorer(specs("classifier")), batch_tokens=60, cache=cache)
        again = score(items, load_scorer(specs("classifier")), batch_tokens=60, cache=cache, workers=pool)
    assert again.computed == 0


REQUESTS = [
    TokenRequest("text é \ud800\n", "end", (3, 10, 2), 1, 3, 7, "<eos>", ("A note.",)),
    TextRequest("text é \ud800\n", ("end", "\n"), ({"role": "user", "content": "Hi"},), ("A note.", "é")),
]


@pytest.mark.parametrize("request_", REQUESTS)
def test_a_request_travels_whole(request_):
    copy = decode_request(request_.encode())
    assert type(copy) is type(request_)
    assert all(getattr(copy, field.name) == getattr(request_, field.name) for field in fields(request_))


def test_after_a_batch_did_not_fit_none_as_large_is_tried_again():
    class Small:
        model = None
        traits = BatchTraits()
        tried: list[int] = []  # noqa: RUF012

        def run(self, batch):
            self.tried.append(len(batch))
            if len(batch) > 2:
                raise RuntimeError("CUDA out of memory")
            return [float(request.ids[0]) for request in batch]

    runner = BatchRunner(Small())
    batch = [TokenRequest("", "", (n,)) for n in range(8)]
    assert runner(batch) == [float(n) for n in range(8)]
    assert runner(batch) == [float(n) for n in range(8)]
    assert Small.tried.count(8) == 1
