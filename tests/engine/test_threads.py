"""Threads that wait for each other sleep: those that spin take a busy machine's cores from those that work."""

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


def run(source, **environment):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OMP_")}
    own = {"PYTHONPATH": str(ROOT), **environment}
    done = subprocess.run([sys.executable, "-c", source], env=kept | own, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.skipif(sys.platform != "linux", reason="asks GNU's OpenMP what it has understood")
def test_threads_of_the_command_wait_asleep():
    done = run(COMMAND + "import torch", OMP_DISPLAY_ENV="true")
    assert "OMP_WAIT_POLICY = 'PASSIVE'" in done.stderr


def test_what_the_user_has_chosen_stays_and_a_library_chooses_nothing():
    assert run(COMMAND + SHOW, OMP_WAIT_POLICY="ACTIVE").stdout.splitlines()[-1] == "ACTIVE"
    assert run("import rewardbench, rewardbench.evaluation, rewardbench.cli.main\n" + SHOW).stdout == "None\n"
