"""Threads of the command sleep while they wait, and are no more than the container has CPU time for."""

import os
import subprocess
import sys

import pytest
from repository import ROOT

from rewardbench import evaluation
from rewardbench.engine.threads import COUNTS, WAITS, cpu_quota, set_threads, usable_cpus
from rewardbench.processes import COLLECT_AFTER
from rewardbench.settings import ModelSpec, Settings

COMMAND = """
import os, sys
from rewardbench.cli.main import main
sys.argv = ["rewardbench", "--version"]
try:
    main()
except SystemExit:
    pass
"""
SHOW = "import os\nprint(os.environ.get('OMP_WAIT_POLICY'))"


def run(source, **variables):
    inherited = {name: value for name, value in os.environ.items() if name not in (*COUNTS, *WAITS)}
    environment = {**inherited, "PYTHONPATH": str(ROOT), **variables}
    done = subprocess.run([sys.executable, "-c", source], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.skipif(sys.platform != "linux", reason="reads the settings that GNU OpenMP prints")
def test_threads_of_the_command_sleep_while_they_wait():
    done = run(COMMAND + "import torch", OMP_DISPLAY_ENV="true")
    assert "OMP_WAIT_POLICY = 'PASSIVE'" in done.stderr


def test_the_setting_of_the_user_stays_and_imports_change_nothing():
    assert run(COMMAND + SHOW, OMP_WAIT_POLICY="ACTIVE").stdout.splitlines()[-1] == "ACTIVE"
    assert run("import rewardbench, rewardbench.evaluation, rewardbench.cli.main\n" + SHOW).stdout == "None\n"


@pytest.mark.parametrize("name", WAITS)
def test_a_wait_that_the_user_has_set_stays_as_it_is(name, tmp_path):
    variables = {name: "1"}
    set_threads(variables, tmp_path)
    assert variables == {name: "1"}


def limit(folder, files):
    """Write the CPU limit of a container, in the form of cgroup v2 or of v1."""
    for path, content in files.items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(content)
    return folder


V1_QUOTA, V1_PERIOD = "cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({"cpu.max": "150000 100000\n"}, 1.5),
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu.max": "100000 0\n"}, None),
        ({"cpu.max": ""}, None),
        ({V1_QUOTA: "400000\n", V1_PERIOD: "100000\n"}, 4.0),
        ({V1_QUOTA: "-1\n", V1_PERIOD: "100000\n"}, None),
        ({V1_QUOTA: "400000\n"}, None),
        ({}, None),
    ],
)
def test_the_quota_of_a_container_is_read(files, quota, tmp_path):
    assert cpu_quota(limit(tmp_path, files)) == quota


@pytest.mark.parametrize(
    ("quota", "variables", "threads"),
    [
        ("250000 100000", {}, "2"),
        ("50000 100000", {}, "1"),
        ("max 100000", {}, None),
        ("800000 100000", {}, None),
        ("250000 100000", {"OMP_NUM_THREADS": "6"}, "6"),
        ("250000 100000", {"MKL_NUM_THREADS": "6"}, None),
    ],
)
def test_a_container_gets_as_many_threads_as_it_has_time_for(quota, variables, threads, tmp_path, monkeypatch):
    monkeypatch.setattr("rewardbench.engine.threads.usable_cpus", lambda: 8)
    set_threads(variables, limit(tmp_path, {"cpu.max": quota}))
    assert variables.get("OMP_NUM_THREADS") == threads
    assert variables["OMP_WAIT_POLICY"] == "PASSIVE"


def test_the_manifest_records_threads_outside_of_the_fingerprint(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")
    result, _ = evaluation.run(Settings(model=ModelSpec("baseline/longest"), dataset="core", limit=2, cache=False))
    threads = result.manifest["environment"]["thread_settings"]
    assert (threads["OMP_NUM_THREADS"], threads["OMP_WAIT_POLICY"]) == ("3", "PASSIVE")
    assert threads["usable_cpus"] == usable_cpus() >= 1
    assert "thread_settings" not in result.manifest["fingerprint"]


def test_the_command_looks_for_garbage_less_often_and_imports_change_nothing():
    show = "import gc\nprint(gc.get_threshold()[0])"
    at_exit = "import atexit, gc\natexit.register(lambda: print(gc.get_freeze_count() > 0))\n"
    assert run(at_exit + COMMAND + show).stdout.splitlines()[-2:] == [str(COLLECT_AFTER), "True"]
    assert int(run("import rewardbench, rewardbench.evaluation, rewardbench.cli.main\n" + show).stdout) < COLLECT_AFTER
