"""Test that a submission is verified against ten thousand results within seconds."""

import copy
import hashlib
import json
import os
import resource
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from repository import ROOT

from rewardbench import results
from rewardbench.leaderboard.index import encode_index
from rewardbench.leaderboard.profiles import Profile, layout_of
from rewardbench.leaderboard.refresh import read_board
from rewardbench.leaderboard.sketches import FILE, StoredSketch, encode_sketches, sketch_of, update_sketches
from rewardbench.leaderboard.types import Board
from rewardbench.models.fingerprint import digest
from rewardbench.paths import write_whole
from rewardbench.store import LocalStore
from rewardbench.suites import load_embedded

DEMO = ROOT / "leaderboard" / "demo"
SCORED = 40
"""Results with scores of their own; the others have the tables of these, and other sketches."""
ROWS = 10_000
MOST_SECONDS = 5.0
"""CPU time on a quiet core, without the time to import the packages of the command."""
MOST_COLD = 0.02
"""CPU time to compute a sketch."""


def write_variant(folder, name, table, summary, scores):
    """Write a result with other scores, and return the path of its summary."""
    path = folder / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    column = table.schema.get_field_index("scores")
    values = pa.array(scores, type=table.schema.field("scores").type)
    pq.write_table(table.set_column(column, table.schema.field("scores"), values), results.table_path(path))
    record = copy.deepcopy(summary)
    record[results.OUTPUTS_HASH] = results.sha256_of(results.table_path(path))
    return write_summary(path, name, record)


def write_summary(path, name, record):
    """Write a summary under another name, and return its path."""
    weights = {"sha256": hashlib.sha256(name.encode()).hexdigest()}
    fingerprint = {**record["manifest"]["fingerprint"], "weights": weights}
    record["manifest"] |= {"fingerprint": fingerprint, "fingerprint_sha256": digest(fingerprint)}
    record["model"] = record["manifest"]["model"]["model"] = name
    path.write_text(json.dumps(record))
    return path


def draw_scores(table, count):
    """Draw the scores of each model: those of the table, then mixtures of the models of the demo, with noise."""
    yield np.concatenate(table["scores"].to_pylist())
    paths = [path for path in sorted((DEMO / "demo").glob("*.json")) if ".core-" not in path.name]
    flat = [np.concatenate(pq.read_table(results.table_path(path))["scores"].to_pylist()) for path in paths]
    chance = np.random.default_rng(0)
    for _ in range(count - 1):
        weights = chance.dirichlet(np.ones(len(flat)))
        mixed = sum(w * (values / values.std()) for w, values in zip(weights, flat, strict=True))
        yield mixed + 0.5 * chance.standard_normal(len(mixed))


def fill(store, count):
    """Fill a store with results, an index and sketches; return its rows, and a table with its summary and scores."""
    path = DEMO / "demo" / "bert-64.json"
    summary, table = json.loads(path.read_bytes()), pq.read_table(results.table_path(path))
    counts = [len(scores) for scores in table["scores"].to_pylist()]
    ends = np.cumsum(counts)
    drawn = list(draw_scores(table, SCORED))
    for n, scores in enumerate(drawn):
        parts = [part.tolist() for part in np.split(scores, ends[:-1])]
        write_variant(store.root, f"org/m{n}", table, summary, parts)
    board, credits = read_board(store)
    started = time.process_time()
    update_sketches(store, board.rows)
    cold = (time.process_time() - started) / SCORED
    for n in range(SCORED, count):
        source, target = (store.root / f"org/m{number}.json" for number in (n % SCORED, n))
        os.link(results.table_path(source), results.table_path(target))
        write_summary(target, f"org/m{n}", json.loads(source.read_bytes()))
    layout = layout_of(load_embedded("core"))
    ids = table["id"].to_pylist()
    order = np.concatenate(
        [np.arange(ends[n] - counts[n], ends[n]) for n in sorted(range(len(ids)), key=ids.__getitem__)]
    )
    rows, sketches = [], []
    marks, chance, by_key = store.versions(), np.random.default_rng(1), {row.key: row for row in board.rows}
    for n in range(count):
        key = f"org/m{n}"
        fingerprint = json.loads(store.path(key).read_bytes())["manifest"]["fingerprint_sha256"]
        row = by_key[f"org/m{n % SCORED}"]
        rows.append(replace(row, key=key, model=key, mark=marks[key], fingerprint=fingerprint))
        noise = 0.0 if n < SCORED else 0.6 * drawn[n % SCORED].std()
        values = (drawn[n % SCORED] + noise * chance.standard_normal(len(order)))[order]
        sketches.append(StoredSketch(key, marks[key], layout.digest, sketch_of(Profile(key, layout, values))))
    known = credits(by_key)
    store.remember(
        encode_index(
            Board(tuple(rows), time.time()), {row.key: known[f"org/m{n % SCORED}"] for n, row in enumerate(rows)}
        )
    )
    write_whole(store.machine_path(FILE), encode_sketches(sketches))
    thief = [part.tolist() for part in np.split(2 * drawn[0], ends[:-1])]
    return cold, write_variant(store.root.parent, "thief/copy", table, summary, thief)


@pytest.mark.slow
def test_one_result_is_verified_against_ten_thousand_in_five_seconds(tmp_path, capsys):
    store = LocalStore(tmp_path / "store")
    cold, path = fill(store, ROWS)
    seconds = verify(path, store.root) - startup()
    with capsys.disabled():
        size = store.machine_path(FILE).stat().st_size
        print(f"\nrows={ROWS} verify_cpu_seconds={seconds:.1f} sketch_cpu_seconds={cold:.4f} sketches_bytes={size}")
    assert seconds < MOST_SECONDS
    assert cold < MOST_COLD


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
    assert "its scores are those of org/m0 plus noise" in run.stdout, run.stdout + run.stderr
    return seconds
