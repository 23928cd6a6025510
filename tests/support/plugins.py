"""A third-party package with scorers, head specs and a suite, and a fresh environment into which it is installed."""

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

from repository import ROOT

PYPROJECT = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "cities"
version = "1.0"

[tool.setuptools]
packages = ["cities"]

[tool.setuptools.package-data]
cities = ["data/*"]

[project.entry-points."rewardbench.scorers"]
counter = "cities.scorer:load"
nothing = "cities.scorer:load_nothing"
broken = "cities.scorer:load_broken"
viewer = "cities.viewers:load_plugin"

[project.entry-points."rewardbench.heads"]
towns = "cities.heads:list_specs"

[project.entry-points."rewardbench.suites"]
cities = "cities.suite:SPEC"
"""
SCORER = '''
from rewardbench.chat import all_text
from rewardbench.scorers import BaseScorer
from rewardbench.types import TextRequest


class Counter(BaseScorer):
    """Score a completion by how often it contains a word."""

    def __init__(self, word):
        self.word = word

    def prepare(self, prompt, completion, rendered, tools=()):
        return TextRequest(all_text((*prompt, *completion)), (all_text(completion),))

    def run(self, requests):
        return [float(request.completions[0].count(self.word)) for request in requests]


def load(spec):
    return Counter(spec.model.partition(":")[2] or "yes")


def load_nothing(spec):
    return None


def load_broken(spec):
    raise ZeroDivisionError("no word")
'''
HEADS = """
from pathlib import Path

from rewardbench.scorers.heads.spec import HeadSpec, Match, Network


def list_specs():
    towns = HeadSpec(name="towns", title="Towns", match=Match(tensors=("towns.weight",)), head=Network(tensors="towns"))
    return [towns, Path(__file__).with_name("data") / "villages.yaml"]
"""
SUITE = """
from pathlib import Path

from rewardbench.suites import SuiteSpec
from rewardbench.types import Rule

FOLDER = Path(__file__).with_name("data")
SPEC = SuiteSpec("cities", folder=str(FOLDER), sections={"easy": "Easy"}, rules={"capitals": Rule("Easy")})
"""
ROWS = [
    {"id": str(n), "subset": "capitals", "prompt": "Is it a capital?", "chosen": "yes, " * (n + 1), "rejected": "no"}
    for n in range(4)
]


def write_package(folder: Path) -> None:
    """Write the source of the package: two modules, the viewers of these tests, and the data of the suite."""
    package = folder / "cities"
    (package / "data").mkdir(parents=True)
    (folder / "pyproject.toml").write_text(PYPROJECT)
    (package / "__init__.py").touch()
    (package / "scorer.py").write_text(SCORER)
    (package / "suite.py").write_text(SUITE)
    (package / "heads.py").write_text(HEADS)
    (package / "data" / "villages.yaml").write_text("title: Villages\nhead: {tensors: villages}\n")
    (package / "viewers.py").write_text((ROOT / "tests" / "support" / "viewers.py").read_text())
    (package / "data" / "VERSION").write_text("1.0")
    (package / "data" / "easy.jsonl").write_text("\n".join(map(json.dumps, ROWS)))


class Environment:
    """A fresh virtual environment that also sees the packages of the running one, since there is no network."""

    def __init__(self, folder: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
        self.python = folder / "bin" / "python"
        (site_packages,) = folder.glob("lib/python*/site-packages")
        running = sysconfig.get_paths()["purelib"]
        (site_packages / "running.pth").write_text(f"import site; site.addsitedir({running!r})\n")

    def install(self, package: Path) -> None:
        """Install a package from its source, with pip."""
        pip = [sys.executable, "-m", "pip", "--isolated", "--python", self.python]
        options = ["--no-deps", "--no-build-isolation", "--no-index", "--no-cache-dir", "--quiet"]
        subprocess.run([*pip, "install", *options, package], check=True, timeout=120)

    def run(self, folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run `rewardbench` in a folder, with the Python of this environment."""
        offline = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
        return subprocess.run(
            [self.python, "-m", "rewardbench", *arguments],
            cwd=folder,
            env={**os.environ, **offline, **variables},
            capture_output=True,
            text=True,
            timeout=120,
        )
