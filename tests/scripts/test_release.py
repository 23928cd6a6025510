"""Scripts of the release and version workflows, each copied into a small project and run as a process."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from repository import ROOT

PROJECT = """
[project]
name = "rewardbench"
version = "1.2.0"
dependencies = ["Torch>=2.6,!=2.7", "rich~=13.9", "tomli>=2; python_version < '3.11'"]
[project.optional-dependencies]
plot = ["matplotlib>=3.8"]
all = ["rewardbench[plot]", "gradio==6.31.*,>=6.31"]
loose = ["pandas<3"]
"""

CHANGELOG = """# Changelog

## Unreleased

- Not yet.

## 1.2.0 (2026-12-01)

- **New**: a feature.

### Fixed

- A fault.

## 1.2.0rc1

- A candidate.

## 1.1.0
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with a pyproject.toml, a changelog, constraints and the scripts."""
    (tmp_path / "scripts").mkdir()
    for script in ("lowest_versions", "release_notes", "smoke_test"):
        shutil.copy(ROOT / "scripts" / script, tmp_path / "scripts" / script)
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    (tmp_path / "constraints.txt").write_text("rich==13.9\n")
    return tmp_path


def run(project: Path, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(project / "scripts" / script), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def reject(completed: subprocess.CompletedProcess[str], message: str) -> None:
    """Assert that a script printed one line with the message, and nothing else, and ended with exit code 2."""
    assert (completed.returncode, completed.stdout, completed.stderr.count("\n")) == (2, "", 1)
    assert message in completed.stderr


def test_the_notes_of_a_release_are_its_section_of_the_changelog(project):
    notes = run(project, "release_notes", "v1.2.0")
    assert (notes.returncode, notes.stderr) == (0, "")
    assert notes.stdout == "- **New**: a feature.\n\n### Fixed\n\n- A fault.\n"


@pytest.mark.parametrize(
    ("version", "tag", "message"),
    [
        ("1.2.0", "v1.3.0", "the tag is v1.3.0, but pyproject.toml has version 1.2.0: its tag is v1.2.0."),
        ("1.2.0", "1.2.0", "its tag is v1.2.0."),
        ("1.2", "v1.2", "CHANGELOG.md has no section '## 1.2'"),
        ("1.1.0", "v1.1.0", "the section '## 1.1.0' of CHANGELOG.md is empty"),
    ],
)
def test_a_tag_without_its_version_or_its_section_is_rejected(project, version, tag, message):
    (project / "pyproject.toml").write_text(PROJECT.replace("1.2.0", version))
    reject(run(project, "release_notes", tag), message)


def test_the_lowest_versions_are_the_lower_bounds_of_pyproject(project):
    lowest = run(project, "lowest_versions", "all", "plot")
    assert (lowest.returncode, lowest.stderr) == (0, "")
    assert lowest.stdout.splitlines() == [
        "Torch==2.6",
        "gradio==6.31",
        "matplotlib==3.8",
        "rich==13.9",
        'tomli==2 ; python_version < "3.11"',
    ]


def test_a_missing_lower_bound_and_an_unknown_extra_are_rejected(project):
    reject(run(project, "lowest_versions", "loose"), "pandas<3 in pyproject.toml has no lower bound")
    reject(run(project, "lowest_versions", "plots"), "no extra 'plots': pass one of all, loose, plot.")


def test_every_dependency_of_this_project_has_a_lowest_version():
    lowest = run(ROOT, "lowest_versions", "dev", "plot", "leaderboard")
    assert lowest.returncode == 0, lowest.stderr
    assert len(lowest.stdout.splitlines()) > 25


PYTHON = """#!/bin/sh
# Replaces Python: makes an environment whose commands only record how they are called.
case "$1 $2" in
    "-m venv") mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; cp "$0" "$3/bin/rewardbench" ;;
    "--version ") echo "rewardbench {version}" ;;
    "- ") cat >/dev/null ;;
    *) [ "$(pwd)" != / ] ;;
esac
code=$?
echo "$(basename "$0") $*" >> "{log}"
[ "$1" != "{fails}" ] && exit $code
"""


def smoke(project: Path, file: str, version: str = "1.2.0", fails: str = "") -> subprocess.CompletedProcess[str]:
    python = project / "python"
    python.write_text(PYTHON.format(version=version, log=project / "log", fails=fails))
    python.chmod(0o755)
    environment = os.environ | {"PYTHON": str(python), "TMPDIR": str(project)}
    command = [project / "scripts" / "smoke_test", file]
    return subprocess.run(command, capture_output=True, text=True, cwd=project, env=environment, timeout=60)


@pytest.fixture(params=["rewardbench-1.2.0-py3-none-any.whl", "rewardbench-1.2.0.tar.gz"])
def package(request: pytest.FixtureRequest, project: Path) -> str:
    (project / request.param).touch()
    return request.param


def test_the_smoke_test_installs_the_file_and_runs_the_first_commands(project, package):
    before = set(project.iterdir())
    completed = smoke(project, package)
    assert completed.returncode == 0, completed.stderr
    log = (project / "log").read_text().splitlines()
    assert log[1].endswith(f" {project / package} -c {project / 'constraints.txt'}")
    assert log[2:] == [
        "rewardbench --version",
        "rewardbench --model tiny-rm --limit 20",
        "rewardbench data list",
        "python -",
    ]
    assert {path.name for path in set(project.iterdir()) - before} == {"log", "python"}


def test_the_smoke_test_fails_where_a_command_fails_or_the_version_differs(project, package):
    assert smoke(project, package, fails="data").returncode != 0
    other = smoke(project, package, version="1.2")
    assert (other.returncode, other.stderr.count("\n")) == (1, 1)
    assert "says 'rewardbench 1.2', which is not the version of the file's name" in other.stderr


def test_the_smoke_test_needs_one_file(project):
    reject(smoke(project, "missing.whl"), "usage: scripts/smoke_test FILE")
