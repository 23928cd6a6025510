"""A package of two files adds a scorer and a suite by entry points; the command scores the one on the other."""

import json
import os
import subprocess
import sys
import zipfile

import pytest

SCORER = '''
from rewardbench.chat import all_text
from rewardbench.scorers.base import BaseScorer
from rewardbench.types import TextRequest


class Counter(BaseScorer):
    """Score a completion by how often it holds a word."""

    def __init__(self, word):
        self.word = word

    @property
    def fingerprint(self):
        return {"kind": "counter", "word": self.word}

    def prepare(self, prompt, completion, rendered, tools=()):
        return TextRequest(all_text((*prompt, *completion)), (all_text(completion),))

    def run(self, requests):
        return [float(request.completions[0].count(self.word)) for request in requests]


def load(spec):
    return Counter(spec.model.partition(":")[2] or "yes")


def load_nothing(spec):
    return None


def load_badly(spec):
    raise ZeroDivisionError("no word")
'''
SUITE = """
from pathlib import Path

from rewardbench.suites import SuiteSpec
from rewardbench.types import Rule

FOLDER = Path(__file__).with_name("cities_data")
SPEC = SuiteSpec("cities", folder=str(FOLDER), sections={"easy": "Easy"}, rules={"capitals": Rule("Easy")})
"""
POINTS = """[rewardbench.scorers]
counter = cities_scorer:load
nothing = cities_scorer:load_nothing
badly = cities_scorer:load_badly

[rewardbench.suites]
cities = cities_suite:SPEC
"""
ROWS = [
    {"id": str(n), "subset": "capitals", "prompt": "Is it a capital?", "chosen": "yes, " * (n + 1), "rejected": "no"}
    for n in range(4)
]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder into which a wheel of the package was unpacked, as an installer does."""
    folder = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(folder / "cities.whl", "w") as wheel:
        wheel.writestr("cities_scorer.py", SCORER)
        wheel.writestr("cities_suite.py", SUITE)
        wheel.writestr("cities_data/VERSION", "1.0")
        wheel.writestr("cities_data/easy.jsonl", "\n".join(map(json.dumps, ROWS)))
        wheel.writestr("cities-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: cities\nVersion: 1.0\n")
        wheel.writestr("cities-1.0.dist-info/entry_points.txt", POINTS)
        wheel.extractall(folder)
    return folder


def command(site, *arguments):
    own = {"PYTHONPATH": str(site), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    line = [sys.executable, "-m", "rewardbench", "--dataset", "cities", "--output_dir", "results", *arguments]
    return subprocess.run(line, cwd=site, env={**os.environ, **own}, capture_output=True, text=True, timeout=120)


def test_a_package_of_two_files_adds_a_scorer_and_a_suite(site):
    ran = command(site, "--model", "counter:yes", "--num_processes", "2", "--batch_size", "1")
    assert (ran.returncode, ran.stderr) == (0, "")
    (summary,) = [p for p in (site / "results").rglob("*.json") if "fingerprint" in p.read_text()]
    result = json.loads(summary.read_text())
    assert (result["model"], result["suite"], result["accuracy"]) == ("counter:yes", "cities", 1.0)
    assert result["manifest"]["fingerprint"] == {"kind": "counter", "word": "yes"}


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        ("nothing", "The scorer nothing (cities_scorer:load_nothing) is of type NoneType: it must be a subclass of"),
        ("badly", "The scorer badly (cities_scorer:load_badly) cannot be loaded: ZeroDivisionError: no word."),
    ],
)
def test_a_plugin_that_gives_no_scorer_is_one_sentence(model, sentence, site):
    ran = command(site, "--model", model)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert len(ran.stderr.splitlines()) == 1
    assert sentence in ran.stderr
