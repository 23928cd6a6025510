"""Run the programs of core in the sandbox, and programs that crash, hang or do not compile."""

import shutil
import time
from dataclasses import replace

import pytest

from rewardbench.builders.check import verify
from rewardbench.builders.suite_files import read_suite
from rewardbench.paths import data_dir
from rewardbench.verifiers import Cell, faults
from rewardbench.verifiers.cells import FAIL, PASS
from rewardbench.verifiers.programs import LANGUAGES, verify_code
from rewardbench.verifiers.sandbox import run_limited, temporary_folder

MIRRORS = [mirror for mirrors in read_suite(data_dir()).mirrors.values() for mirror in mirrors]
WRITTEN = {mirror.group: mirror for mirror in MIRRORS if mirror.check and not mirror.source}


def python_cells():
    mirrors = [mirror for mirror in WRITTEN.values() if mirror.check["a"].get("language") == "python"]
    return [cell for mirror in mirrors[:3] for cell in mirror.cells()]


@pytest.mark.parametrize("language", ["python", "javascript", "java", "cpp"])
def test_a_program_passes_its_tests_and_fails_those_of_the_other_prompt(language):
    missing_tools = [tool for tool in LANGUAGES[language].needs if shutil.which(tool) is None]
    if missing_tools:
        pytest.skip(f"{', '.join(missing_tools)} not installed")
    mirrors = [m for m in MIRRORS if m.check.get("kind") == "code" and m.check["a"]["language"] == language]
    report = verify(mirrors[:6])
    assert (report.pairs, report.failed) == (12, ())


def test_swapped_programs_are_detected():
    swapped = [replace(cell, right=not cell.right) for cell in python_cells()]
    assert len(faults(swapped, verify_code(swapped))) == len(swapped) == 12


def test_a_crashing_program_is_reported_and_not_counted_as_wrong():
    good = python_cells()[0]
    broken = replace(good, response=good.response.replace("):", ":", 1))
    crash = replace(good, response="```python\nraise KeyError('x')\n```")
    none = replace(good, response="No code today.")
    outcomes = verify_code([good, broken, crash, none])
    assert outcomes[0] == PASS
    assert "SyntaxError" in outcomes[1]
    assert "KeyError" in outcomes[2]
    assert "0 code blocks" in outcomes[3]


@pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")
def test_one_program_that_does_not_compile_leaves_the_other_outcomes_unchanged():
    tests = "int main() { return twice(2) == 4 ? 0 : 1; }\n"
    bodies = ("return 2 * n;", "return n + 3;", "return 2 * m;", "return n + n;")
    program_cells = [
        Cell(str(n), {"language": "cpp", "tests": tests}, f"```cpp\nint twice(int n) {{ {body} }}\n```", True)
        for n, body in enumerate(bodies)
    ]
    outcomes = verify_code(program_cells)
    assert [outcomes[n] for n in (0, 1, 3)] == [PASS, FAIL, PASS]
    assert "does not build" in outcomes[2]


def test_the_sandbox_enforces_its_limits(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "secret")
    python = shutil.which("python3")
    with temporary_folder() as folder:
        result = run_limited([python, "-c", "import os; print(os.environ.get('HF_TOKEN'), os.getcwd())"], folder)
        assert result.out.split() == ["None", str(folder.resolve())]
        assert run_limited([python, "-c", "x = bytearray(2 * 10**9)"], folder).code == 1
        assert run_limited([python, "-c", "open('big', 'wb').write(b'x' * 10**8)"], folder).code != 0
        assert (folder / "big").stat().st_size <= 16 * 2**20
    assert not folder.exists()


def test_an_endless_program_is_stopped(monkeypatch):
    monkeypatch.setattr("rewardbench.verifiers.sandbox.SECONDS", 1)
    started = time.monotonic()
    with temporary_folder() as folder:
        assert run_limited([shutil.which("python3"), "-c", "while True: pass"], folder).code != 0
        assert run_limited(["sleep", "60"], folder).code is None
    assert time.monotonic() - started < 15
