"""Several processes give the scores of one, each batch once."""

import json
import os
import subprocess
import sys
import time
from functools import partial

import pytest
from conftest import pairs
from test_resume import write_pairs

from rewardbench.engine.score import score
from rewardbench.engine.workers import Pool, Runner
from rewardbench.scorers import load_scorer
from rewardbench.scorers.loading import ModelSpec
from rewardbench.types import InputError, Request


def close(one, other):
    return all(
        abs(a - b) <= 1e-5 for x, y in zip(one, other, strict=True) for a, b in zip(x.scores, y.scores, strict=True)
    )


def test_a_pool_gives_the_scores_of_one_process(model_folder):
    spec = ModelSpec(str(model_folder()), device="cpu")
    items, scorer = pairs(40, 20), load_scorer(spec)
    alone = score(items, scorer, batch_tokens=60)
    counted, run = [], scorer.run
    scorer.run = lambda batch: counted.append(len(batch)) or time.sleep(0.5) or run(batch)
    together = score(items, scorer, batch_tokens=60, workers=Pool(2, partial(load_scorer, spec)))
    assert together.computed == alone.computed == 80
    assert sum(counted) < 80, "the other process did its part"
    assert close(together.items, alone.items)


@pytest.mark.slow
def test_a_pool_computes_policy_and_reference(model_folder):
    policy, reference = (str(model_folder("llama", "causal", seed=n)) for n in (1, 2))
    spec = ModelSpec(policy, ref_model=reference, device="cpu")
    items, scorer = pairs(20, 20), load_scorer(spec)
    together = score(items, scorer, batch_tokens=60, workers=Pool(2, partial(load_scorer, spec)))
    assert close(together.items, score(items, scorer, batch_tokens=60).items)


def die():
    os._exit(9)


def test_a_worker_that_dies_is_one_sentence(model_folder):
    scorer = load_scorer(ModelSpec(str(model_folder()), device="cpu"))
    with pytest.raises(InputError, match=r"A worker process ended early \(exit code 9"):
        score(pairs(40, 20), scorer, batch_tokens=60, workers=Pool(2, die))


def refuse():
    raise InputError("There is no such model.")


def test_what_a_worker_refuses_is_said(model_folder):
    scorer = load_scorer(ModelSpec(str(model_folder()), device="cpu"))
    with pytest.raises(InputError, match="There is no such model"):
        score(pairs(40, 20), scorer, batch_tokens=60, workers=Pool(2, refuse))


def test_after_a_batch_did_not_fit_none_as_large_is_tried_again():
    class Small:
        tried: list[int] = []  # noqa: RUF012

        def run(self, batch):
            self.tried.append(len(batch))
            if len(batch) > 2:
                raise RuntimeError("CUDA out of memory")
            return [float(request.ids[0]) for request in batch]

    runner = Runner(Small())
    batch = [Request("", "", (n,)) for n in range(8)]
    assert runner(batch) == [float(n) for n in range(8)]
    assert runner(batch) == [float(n) for n in range(8)]
    assert Small.tried.count(8) == 1


@pytest.mark.slow
def test_torchrun_scores_every_item_once_and_writes_once(model_folder, tmp_path):
    write_pairs(tmp_path / "pairs.jsonl", 60)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command += ["-m", "rewardbench", "--model", str(model_folder()), "--dataset", str(tmp_path / "pairs.jsonl")]
    command += ["--device", "cpu", "--batch_tokens", "100", "--output_dir"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "REWARDBENCH_CACHE": str(tmp_path / "scores.sqlite")}
    done = subprocess.run([*command, str(tmp_path / "two")], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("results=") == 1
    alone = [sys.executable, *command[command.index("-m", 2) :], str(tmp_path / "one"), "--no_cache"]
    assert subprocess.run(alone, env=environment, capture_output=True).returncode == 0
    one, two = (
        [json.loads(line) for line in next((tmp_path / n).glob("*_outputs.jsonl")).open()] for n in ("one", "two")
    )
    assert [row["id"] for row in one] == [row["id"] for row in two]
    assert all(abs(a["scores_chosen"] - b["scores_chosen"]) <= 1e-5 for a, b in zip(one, two, strict=True))
