"""scripts/setup with a fake Python: what it installs, when it does nothing, and its error without a Python."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from repository import ROOT

PYTHON = """#!/bin/sh
case "$1 $2" in
    "-c "*) exit {old} ;;
    "--version "*) echo Python 3.12.0 ;;
    "-m venv") mkdir -p "$3/bin"; cp "$0" "$3/bin/python" 2>/dev/null; echo venv >> calls ;;
    "-m pip") echo "$*" >> calls; exit {fails} ;;
esac
"""


@pytest.fixture
def clone(tmp_path):
    """A clone whose path has a space, next to a folder `bin` for Pythons, first on the PATH."""
    root = tmp_path / "my clone"
    (root / "scripts").mkdir(parents=True)
    (tmp_path / "bin").mkdir()
    for name in ("scripts/setup", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, root / name)
    return root


def put_python(path: Path, old: int = 0, fails: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(PYTHON.format(old=old, fails=fails))
    path.chmod(0o755)


def setup(clone: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PATH": f"{clone.parent / 'bin'}:{os.environ['PATH']}"}
    return subprocess.run([clone / "scripts" / "setup"], capture_output=True, text=True, cwd="/", env=environment)


def calls(clone: Path) -> list[str]:
    return [line.split()[-1] for line in (clone / "calls").read_text().splitlines()]


def test_setup_installs_once_and_again_after_a_change_or_a_move(clone):
    put_python(clone.parent / "bin" / "python3")
    first = setup(clone)
    assert (first.returncode, first.stdout) == (0, "")
    assert first.stderr.startswith(f"Installing rewardbench and what it needs into {clone}/.venv")
    assert calls(clone) == ["venv", "constraints.txt"]
    again = setup(clone)
    assert (again.returncode, again.stderr, len(calls(clone))) == (0, "", 2)
    with (clone / "constraints.txt").open("a") as file:
        file.write("extra==1.0\n")
    assert setup(clone).returncode == 0
    assert len(calls(clone)) == 4
    moved = clone.rename(clone.parent / "moved clone")
    assert setup(moved).returncode == 0
    assert len(calls(moved)) == 6


def test_a_failed_installation_is_repeated(clone):
    put_python(clone.parent / "bin" / "python3", fails=7)
    assert setup(clone).returncode == 7
    put_python(clone / ".venv" / "bin" / "python")
    assert setup(clone).returncode == 0
    assert calls(clone) == ["venv", "constraints.txt"] * 2


def test_an_old_python_is_skipped(clone):
    for name in ("python3", "python3.13"):
        put_python(clone.parent / "bin" / name, old=1)
    put_python(clone.parent / "bin" / "python3.12")
    put_python(clone / ".venv" / "bin" / "python", old=1)
    assert setup(clone).returncode == 0
    assert "exit 0" in (clone / ".venv" / "bin" / "python").read_text().splitlines()[2]


def test_without_a_python_setup_prints_a_one_line_error(clone):
    for name in ("python3", "python3.13", "python3.12", "python3.11"):
        put_python(clone.parent / "bin" / name, old=1)
    run = setup(clone)
    assert (run.returncode, run.stdout, run.stderr.count("\n")) == (2, "", 1)
    assert run.stderr.startswith("rewardbench needs Python 3.11 or newer and finds none on the PATH")
    assert not (clone / ".venv").exists()
