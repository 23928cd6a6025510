"""scripts/copy_detection: its rates on the demo and on simulated models, without training."""

import json
import subprocess
import sys

import pytest
from repository import ROOT


@pytest.mark.slow
def test_rates_are_those_of_the_guide(tmp_path):
    command = [str(ROOT / "scripts" / "copy_detection"), "--no-train", "--cache", str(tmp_path / "none")]
    options = ["--trials", "2", "--rows", "100", "--json", str(tmp_path / "figures.json")]
    run = subprocess.run([sys.executable, *command, *options], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    figures = json.loads((tmp_path / "figures.json").read_bytes())
    assert figures["honest_nothing_stated"]["flagged"] == 0
    assert figures["copies"]["rate"] >= 0.95
    assert figures["mixtures"]["rate"] >= 0.95
    assert figures["a fifth corrected"]["rate"] >= 0.9
    assert figures["no model"]["rate"] == 1
    assert "eta=" in run.stderr
