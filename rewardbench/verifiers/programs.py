"""Verifier for code: build and run the program of a response with the check's tests."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rewardbench.verifiers.cells import FAIL, PASS, BrokenCheck, Cell
from rewardbench.verifiers.sandbox import MEGABYTES, ProgramResult, run_limited, temporary_folder

BLOCK = re.compile(r"```\w+\n(.*?)```", re.DOTALL)
BATCH_SIZE = 64
"""Largest number of programs per compiler call."""


@dataclass(frozen=True)
class Language:
    """Build and run commands of a language; each program has a folder, and commands start in its parent."""

    file: str
    needs: tuple[str, ...]
    """The tools that must be installed."""
    run: Callable[[str], Sequence[str]]
    """Returns the command that runs the program in a folder."""
    failed: str = "^$"
    """Pattern of stderr for a program that fails its tests; any other stderr is a crash."""
    build: Callable[[Sequence[str]], Sequence[Sequence[str]]] = lambda folders: ()
    """Returns the commands that build the programs in these folders."""
    head: str = ""
    """First line of every program; `{folder}` is its folder."""
    memory: int | None = MEGABYTES
    """Limit in megabytes for a running program."""


LANGUAGES = {
    "python": Language(
        file="main.py",
        needs=(),
        run=lambda folder: (sys.executable, "-I", f"{folder}/main.py"),
        failed=r"^$|\n(AssertionError|ValueError)",
    ),
    "javascript": Language(
        file="main.js",
        needs=("node",),
        run=lambda folder: ("node", f"--max-old-space-size={MEGABYTES}", f"{folder}/main.js"),
        failed=r"\bAssertionError\b",
        memory=None,
    ),
    "java": Language(  # one package each, so that one compiler call builds them all
        file="Main.java",
        needs=("javac", "java"),
        head="package {folder};",
        build=lambda folders: [("javac", f"-J-Xmx{MEGABYTES}m", *(f"{folder}/Main.java" for folder in folders))],
        run=lambda folder: (
            "java",
            f"-Xmx{MEGABYTES // 4}m",
            "-XX:TieredStopAtLevel=1",
            "-XX:+UseSerialGC",
            "-Xshare:auto",
            "-cp",
            ".",
            f"{folder}.Main",
        ),
        memory=None,
    ),
    "cpp": Language(
        file="main.cpp",
        needs=("g++",),
        build=lambda folders: [
            ("g++", "-std=c++17", "-O0", "-o", f"{folder}/main", f"{folder}/main.cpp") for folder in folders
        ],
        run=lambda folder: (f"./{folder}/main",),
    ),
}


def missing_tools(check: Mapping[str, object]) -> list[str]:
    """List the compilers that a check needs and this machine lacks."""
    language = LANGUAGES.get(str(check.get("language", "")))
    if language is None:
        return []
    return [tool for tool in language.needs if shutil.which(tool) is None]


def verify_code(cells: Sequence[Cell]) -> list[str]:
    """Run the tests of each program; a program that does not build, or crashes, is described."""
    indices: dict[str, list[int]] = {name: [] for name in LANGUAGES}
    outcomes = [""] * len(cells)
    for index, cell in enumerate(cells):
        name = cell.check.get("language")
        if isinstance(name, str) and name in LANGUAGES:
            indices[name].append(index)
        else:
            outcomes[index] = f"no language {name!r}"
    for name, language in LANGUAGES.items():
        for start in range(0, len(indices[name]), BATCH_SIZE):
            batch = indices[name][start : start + BATCH_SIZE]
            batch_outcomes = _run_batch([cells[index] for index in batch], language)
            for index, outcome in zip(batch, batch_outcomes, strict=True):
                outcomes[index] = outcome
    return outcomes


def _run_batch(cells: Sequence[Cell], language: Language) -> list[str]:
    """Build and run a batch of programs; if one does not build, find it by halving."""
    names = [f"cell{n}" for n in range(len(cells))]
    with temporary_folder() as parent, ThreadPoolExecutor(2) as pool:
        try:
            for cell, name in zip(cells, names, strict=True):
                _write_program(cell, language, parent / name)
        except BrokenCheck as error:
            return _run_halves(cells, language, str(error))
        for build in pool.map(lambda command: run_limited(command, parent, memory=None), language.build(names)):
            if build.code != 0:
                return _run_halves(cells, language, _error_line(build))
        results = pool.map(lambda name: run_limited(language.run(name), parent, memory=language.memory), names)
        return [_judge(result, language) for result in results]


def _run_halves(cells: Sequence[Cell], language: Language, error: str) -> list[str]:
    """Run both halves of a batch separately; a single program is the one that does not build."""
    if len(cells) == 1:
        return [f"does not build: {error}"]
    middle = len(cells) // 2
    return _run_batch(cells[:middle], language) + _run_batch(cells[middle:], language)


def _write_program(cell: Cell, language: Language, folder: Path) -> None:
    """Write the code of a response and the check's tests into a new folder."""
    blocks = BLOCK.findall(cell.response)
    if len(blocks) != 1:
        raise BrokenCheck(f"{len(blocks)} code blocks in {cell.row}")
    folder.mkdir()
    source = "\n".join([language.head.format(folder=folder.name), blocks[0], cell.check["tests"]])
    (folder / language.file).write_text(source, encoding="utf-8", errors="replace")


def _judge(result: ProgramResult, language: Language) -> str:
    """Return PASS, FAIL if the tests failed, or a description of the crash."""
    if result.code == 0:
        return PASS
    if result.code == 1 and re.search(language.failed, result.err):
        return FAIL
    return f"breaks: {_error_line(result)}"


def _error_line(result: ProgramResult) -> str:
    """Return the first line of stderr with an error, else the last line, else the exit code."""
    lines = list(filter(str.strip, result.err.splitlines()))
    for line in lines:
        if "rror" in line:
            return line.strip()
    return lines[-1].strip() if lines else f"exit code {result.code}"
