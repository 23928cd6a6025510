"""Test that a submission is verified against a thousand results within seconds."""

import copy
import hashlib
import json
import os
import resource
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from repository import ROOT

from rewardbench import results
from rewardbench.leaderboard.refresh import refresh
from rewardbench.leaderboard.sketches import update_sketches
from rewardbench.models.fingerprint import digest
from rewardbench.store import LocalStore

DEMO = ROOT / "leaderboard" / "demo"
ROWS = 1000
MOST_SECONDS = 5.0
"""CPU time on a quiet core, without the time to import the packages of the command."""


def write_variant(folder, name, table, summary, scores):
    """Write a result with other scores, and return the path of its summary."""
    path = folder / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    column = table.schema.get_field_index("scores")
    values = pa.array(scores, type=table.schema.field("scores").type)
    pq.write_table(table.set_column(column, table.schema.field("scores"), values), results.table_path(path))
    record = copy.deepcopy(summary)
    fingerprint = {
        **record["manifest"]["fingerprint"],
        "weights": {"sha256": hashlib.sha256(name.encode()).hexdigest()},
    }
    record["manifest"] |= {"fingerprint": fingerprint, "fingerprint_sha256": digest(fingerprint)}
    record |= {"model": name, results.OUTPUTS_HASH: results.sha256_of(results.table_path(path))}
    record["manifest"]["model"]["model"] = name
    path.write_text(json.dumps(record))
    return path


@pytest.mark.slow
def test_one_result_is_verified_against_a_thousand_in_five_seconds(tmp_path, capsys):
    models = [path for path in sorted((DEMO / "demo").glob("*.json")) if ".core-" not in path.name]
    summary = json.loads(models[0].read_bytes())
    table = pq.read_table(results.table_path(models[0]))
    scores = [pq.read_table(results.table_path(path))["scores"].to_pylist() for path in models]
    flat = [np.concatenate(rows) for rows in scores]
    ends = np.cumsum([len(row) for row in scores[0]])[:-1]
    chance = np.random.default_rng(0)
    store = LocalStore(tmp_path / "store")
    for n in range(ROWS):
        weights = chance.dirichlet(np.ones(len(flat)))
        mixed = sum(w * (values / values.std()) for w, values in zip(weights, flat, strict=True))
        values = mixed + 0.5 * chance.standard_normal(len(mixed))
        write_variant(store.root, f"org/m{n}", table, summary, [part.tolist() for part in np.split(values, ends)])
    board = refresh(store)
    assert len(board.rows) == ROWS
    update_sketches(store, board.rows)
    path = write_variant(tmp_path, "thief/copy", table, summary, [part.tolist() for part in np.split(values**3, ends)])
    seconds = verify(path, store.root) - startup()
    with capsys.disabled():
        size = store.machine_path("sketches.parquet").stat().st_size
        print(f"\nrows={ROWS} verify_cpu_seconds={seconds:.1f} sketches_bytes={size}")
    assert seconds < MOST_SECONDS


def cpu_seconds(*command):
    """Run a command, and return its output and its CPU time."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    run = subprocess.run([sys.executable, *command], capture_output=True, text=True, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return run, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def startup():
    """Return the CPU time of a command that does nothing."""
    return cpu_seconds("-m", "rewardbench", "verify", "missing.json")[1]


def verify(path, store):
    """Verify a copy, and return the CPU time."""
    run, seconds = cpu_seconds("-m", "rewardbench", "verify", str(path), "--store", str(store))
    assert "its scores are those of org/m999 plus noise" in run.stdout, run.stdout + run.stderr
    return seconds
