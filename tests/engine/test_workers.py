"""A pool of processes gives the scores of one process, and runs each batch once."""

import os
from dataclasses import fields
from functools import partial
from multiprocessing.connection import wait

import pytest
from head_families import FAMILIES
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
    """Use one thread: sums of floats depend on the number of threads, which a pool shares among processes."""
    import torch  # not at the top, since workers import this file

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def specs(model_folder, family_spec):
    """Return the options of a scorer by its kind: a baseline, a classifier, a family of heads or a rule of DPO."""

    def make(kind):
        if kind in FAMILIES:
            return family_spec(kind)
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
    """Wait until the workers have loaded the scorer, or ended; else this process would run all batches."""

    class Patient(pool_module._PoolStage):
        def _start(self, count):
            super()._start(count)
            assert not self._workers or wait([worker.connection for worker in self._workers], 120)

    monkeypatch.setattr(pool_module, "_PoolStage", Patient)


def count_requests(scorer, counts):
    """Count the requests that a scorer runs in this process."""
    for stage in scorer.stages:
        with stage as inner:
            inner.run = partial(count_and_run, inner.run, counts)
    return scorer


def count_and_run(run, counts, batch):
    counts.append(len(batch))
    return run(batch)


TEXT = ["baseline/longest", "baseline/shortest", "baseline/random"]
QUICK = [*TEXT, "classifier", "qwen_prm"]
"""Kinds that the normal tests cover; steps are the scores with most parts."""
SLOW = ["dpo", "avg", "norm", *(FAMILIES.keys() - {"qwen_prm"})]


@pytest.mark.parametrize("kind", [*QUICK, *(pytest.param(kind, marks=pytest.mark.slow) for kind in sorted(SLOW))])
def test_a_pool_gives_the_scores_of_one_process(kind, specs, one_thread):
    spec, items, counts = specs(kind), pairs(60, 20), []
    single = score(items, load_scorer(spec), batch_tokens=60, batch_size=2)
    pool = Pool(2, partial(load_scorer, spec))
    scorer = count_requests(load_scorer(spec), counts)
    pooled = score(items, scorer, batch_tokens=60, batch_size=2, workers=pool)
    assert sum(counts) < pooled.computed, "the other process ran batches too"
    assert pooled.items == single.items
    assert (pooled.computed, pooled.requests, pooled.layout) == (single.computed, single.requests, single.layout)
    assert len({score for item in single.items for score in item.scores}) > 10


def die():
    os._exit(9)


def test_a_worker_that_dies_is_a_one_line_error(specs):
    scorer = load_scorer(specs("baseline/longest"))
    with pytest.raises(InputError, match=r"A worker process ended early \(exit code 9"):
        score(pairs(100, 20), scorer, batch_size=1, workers=Pool(2, die))


def reject():
    raise InputError("There is no such model.")


def test_an_error_of_a_worker_is_raised(specs):
    scorer = load_scorer(specs("baseline/longest"))
    with pytest.raises(InputError, match="There is no such model"):
        score(pairs(100, 20), scorer, batch_size=1, workers=Pool(2, reject))


def test_a_worker_that_loads_another_model_is_rejected(specs):
    scorer = load_scorer(specs("baseline/longest"))
    other = partial(load_scorer, specs("baseline/random"))
    with pytest.raises(InputError, match="loaded another model than this one"):
        score(pairs(100, 20), scorer, batch_size=1, workers=Pool(2, other))


def test_a_worker_copies_the_torch_settings_of_its_parent(specs):
    """TF32 is part of the fingerprint, and may be enabled by a script."""
    import torch

    torch.set_float32_matmul_precision("high")
    try:
        counts, scorer = [], load_scorer(specs("classifier"))
        pool = Pool(2, partial(load_scorer, specs("classifier")))
        run = score(pairs(60, 20), count_requests(scorer, counts), batch_size=2, workers=pool)
    finally:
        torch.set_float32_matmul_precision("highest")
    assert sum(counts) < run.computed


def never():
    raise AssertionError("no process is needed")


def test_no_process_starts_for_one_batch_or_cached_scores(specs, tmp_path, monkeypatch):
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
def test_a_request_is_decoded_as_it_was_encoded(request_):
    copy = decode_request(request_.encode())
    assert type(copy) is type(request_)
    assert all(getattr(copy, field.name) == getattr(request_, field.name) for field in fields(request_))


def test_a_batch_size_that_did_not_fit_is_not_tried_again():
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
