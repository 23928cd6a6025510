"""A long sweep that is killed twice: nothing is scored twice or lost, and it is faster than single commands."""

import re
import signal
import subprocess
import time

import pytest
from random_models import make_model
from sweeps import BROKEN, COMMAND, cached_scores, hub_environment, serve_checkpoints, values, write_suites

from rewardbench.store import LocalStore

CHECKPOINTS, PAIRS = 12, 400
SUITES = ("a", "b", "c")
COMMANDS = 3
"""Single commands that are timed, of the 36."""

pytestmark = pytest.mark.slow


@pytest.fixture
def served(hub, tmp_path):
    """Serve the checkpoints; return the revisions, and the environment and folder of commands."""
    model = make_model(tmp_path / "model", hidden_size=64, num_hidden_layers=4)
    revisions = serve_checkpoints(hub, model, tmp_path, CHECKPOINTS)
    write_suites(tmp_path, dict.fromkeys(SUITES, PAIRS))
    return revisions, hub_environment(hub, tmp_path), tmp_path


def start(served, *arguments, output="results"):
    revisions, environment, folder = served
    lists = ["--models", "org/rm", "--revisions", *revisions[:6], BROKEN, *revisions[6:]]
    lists += ["--datasets", *(f"{name}.jsonl" for name in SUITES)]
    return subprocess.Popen(
        [*COMMAND, "sweep", *lists, "--device", "cpu", "--output_dir", output, *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def kill_after(process, rows):
    """Kill a sweep in the middle of a row, once it has finished some rows in this process; return the logged lines."""
    lines = []
    while sum(line.startswith("scored") for line in lines) < rows:
        lines.append(process.stderr.readline())
        assert lines[-1], "".join(lines)
    time.sleep(0.3)
    process.send_signal(signal.SIGKILL)
    lines += process.stderr.read().splitlines()
    assert process.wait() == -signal.SIGKILL
    return lines


def computed(lines):
    return sum(int(count) for line in lines for count in re.findall(r"^scored .* computed=(\d+)", line))


def test_a_sweep_that_is_killed_twice_scores_every_row_once(served):
    folder, distinct = served[2], 2 * PAIRS * len(SUITES)
    logged, cached = [], [0]
    for rows in (8, 12):
        logged.append(kill_after(start(served, "--batch_size", "8"), rows))
        cached.append(cached_scores(folder))
    process = start(served, "--batch_size", "8")
    output, errors = process.communicate()
    print(output, errors)
    assert process.returncode == 1
    totals = values(output)
    assert totals.items() >= {"rows": "39", "failed": "3", "renderings": "3"}.items()
    assert int(totals["scored"]) + int(totals["stored"]) == 3 * CHECKPOINTS

    for number, lines in enumerate(logged):
        finished = computed(lines)
        print(f"process={number + 1} computed_in_finished_rows={finished} cached={cached[number + 1]}")
        assert finished <= cached[number + 1] - cached[number], "a finished row computed what was in the cache"
    assert cached[-1] + int(totals["computed"]) == cached_scores(folder) == CHECKPOINTS * distinct
    assert int(totals["stored"]) >= 20

    assert sum(line.startswith("failed ") for line in errors.splitlines()) == 1
    store = LocalStore(folder / "results")
    assert len(store.list()) == 3 * CHECKPOINTS
    for key in store.list():
        result = store.get(key)
        assert len(result.items) == PAIRS
        assert result.accuracy.unscored == 0


def test_a_sweep_is_faster_than_single_commands(served):
    revisions, environment, folder = served
    start_time = time.perf_counter()
    process = start(served)
    output, _ = process.communicate()
    sweep_seconds = time.perf_counter() - start_time
    assert values(output)["scored"] == "36"

    start_time = time.perf_counter()
    for number in range(COMMANDS):
        options = ["--revision", revisions[number // len(SUITES)], "--dataset", f"{SUITES[number % len(SUITES)]}.jsonl"]
        subprocess.run(
            [*COMMAND, "--model", "org/rm", *options, "--device", "cpu", "--output_dir", "single"],
            cwd=folder,
            env={**environment, "REWARDBENCH_CACHE": str(folder / "other.sqlite")},
            check=True,
            capture_output=True,
        )
    command_seconds = (time.perf_counter() - start_time) * 3 * CHECKPOINTS / COMMANDS
    print(f"sweep_seconds={sweep_seconds:.1f} commands_seconds={command_seconds:.1f}")
    print(f"ratio={command_seconds / sweep_seconds:.2f}")
    assert command_seconds >= 1.5 * sweep_seconds
