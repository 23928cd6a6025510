"""Test that the verdicts of the demo apply to its results, and that the script that records them runs the models."""

import json
import shutil
import subprocess
import sys

import pytest
from repository import ROOT

from rewardbench.results import read_summary
from rewardbench.store import LocalStore
from rewardbench.store.verdicts import check_verdict, read_verdict

DEMO = ROOT / "leaderboard" / "demo"


def verified(folder):
    store = LocalStore(folder)
    keys = []
    for key in store.list():
        verdict, summary = read_verdict(store, key), read_summary(store.path(key))
        if verdict:
            assert check_verdict(verdict, summary) == (True, ""), key
            assert verdict["rerun_agrees"] == "yes"
            keys.append(summary["model"])
    return keys


def test_verdicts_of_the_demo_apply_to_its_results():
    assert set(verified(DEMO)) == {"demo/smollm2-135m", "tiny-rm", "tiny-dpo"}
    assert len(list((DEMO / "verdicts").rglob("*.json"))) == len(verified(DEMO))


@pytest.mark.slow
def test_the_script_verifies_what_the_models_reproduce_and_nothing_else(tmp_path):
    """The scores of tiny-dpo are its own; the result of tiny-rm has those of tiny-dpo too."""
    for name in ("tiny-dpo", "tiny-rm"):
        for path in DEMO.glob(f"{name}.*"):
            if path.stem == name:
                shutil.copy(path, tmp_path / path.name)
    other = json.loads((tmp_path / "tiny-rm.json").read_bytes())
    shutil.copy(tmp_path / "tiny-dpo.parquet", tmp_path / "tiny-rm.parquet")
    other["outputs_sha256"] = json.loads((tmp_path / "tiny-dpo.json").read_bytes())["outputs_sha256"]
    (tmp_path / "tiny-rm.json").write_text(json.dumps(other))
    command = [sys.executable, "scripts/leaderboard_demo", "--only_verify", "--rerun", "3", "--output", str(tmp_path)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert "verify=tiny-dpo items=15 verdict=passed" in run.stdout
    assert verified(tmp_path) == ["tiny-dpo"]
