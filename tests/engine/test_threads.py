"""Threads of the command sleep while they wait: threads that spin would take cores from those that compute."""

import os
import subprocess
import sys

import pytest
from repository import ROOT

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
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("OMP_")}
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
