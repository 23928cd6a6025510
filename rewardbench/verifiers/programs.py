"""Verifier for code: build and run the program of a response with the check's tests."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
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
    "sql": Language(file="main.py", needs=(), run=lambda folder: (sys.executable, "-I", f"{folder}/main.py")),
    "go": Language(
        file="main.go",
        needs=("go",),
        build=lambda folders: [("go", "build", "-o", f"{folder}/main", f"{folder}/main.go") for folder in folders],
        run=lambda folder: (f"./{folder}/main",),
        memory=None,
    ),
}


def missing_tools(check: Mapping[str, object]) -> list[str]:
    """List the compilers that a check needs and this machine lacks."""
    language = LANGUAGES.get(str(check.get("language", "")))
    if language is None:
        return []
    return [tool for tool in language.needs if shutil.which(tool) is None]


def verify_code(cells: Sequence[Cell]) -> list[str]:
    """Run the tests of each program, equal ones once; a program that does not build, or crashes, is described."""
    outcomes = [""] * len(cells)
    indices: dict[tuple[str, str], list[int]] = {}
    for index, cell in enumerate(cells):
        name = cell.check.get("language")
        if not isinstance(name, str) or name not in LANGUAGES:
            outcomes[index] = f"no language {name!r}"
            continue
        try:
            source = f"{only_block(cell)}\n{cell.check['tests']}"
        except BrokenCheck as error:
            outcomes[index] = str(error)
            continue
        indices.setdefault((name, source), []).append(index)
    for name, language in LANGUAGES.items():
        sources = [source for language_name, source in indices if language_name == name]
        for start in range(0, len(sources), BATCH_SIZE):
            batch = sources[start : start + BATCH_SIZE]
            for source, result in zip(batch, run_sources(language, batch), strict=True):
                for index in indices[name, source]:
                    outcomes[index] = _judge(result, language)
    return outcomes


def only_block(cell: Cell) -> str:
    """Return the code of a response.

    Raises:
        BrokenCheck: unless it has exactly one code block.
    """
    blocks = BLOCK.findall(cell.response)
    if len(blocks) != 1:
        raise BrokenCheck(f"{len(blocks)} code blocks in {cell.row}")
    return str(blocks[0])


def run_sources(language: Language, sources: Sequence[str], stdins: Sequence[str] = ()) -> list[ProgramResult]:
    """Build and run programs; a program that does not build is reported as out of time, with the reason.

    Args:
        language: the language of all programs.
        sources: complete programs.
        stdins: text for the standard input of each; none if empty.
    """
    stdins = stdins or [""] * len(sources)
    names = [f"cell{n}" for n in range(len(sources))]
    with temporary_folder() as parent, ThreadPoolExecutor(2) as pool:
        for name, source in zip(names, sources, strict=True):
            (parent / name).mkdir()
            text = f"{language.head.format(folder=name)}\n{source}"
            (parent / name / language.file).write_text(text, encoding="utf-8", errors="replace")
        for build in pool.map(lambda command: run_limited(command, parent, memory=None), language.build(names)):
            if build.code != 0:
                return _run_halves(language, sources, stdins, build)
        run = partial(_run_program, language, parent)
        return list(pool.map(run, names, stdins))


def _run_program(language: Language, parent: Path, name: str, stdin: str) -> ProgramResult:
    """Run a program that has been built."""
    return run_limited(language.run(name), parent, stdin, language.memory)


def _run_halves(
    language: Language, sources: Sequence[str], stdins: Sequence[str], build: ProgramResult
) -> list[ProgramResult]:
    """Run both halves of a batch separately; a single program is the one that does not build."""
    if len(sources) == 1:
        return [ProgramResult(None, "", f"does not build: {_error_line(build)}")]
    middle = len(sources) // 2
    first = run_sources(language, sources[:middle], stdins[:middle])
    return first + run_sources(language, sources[middle:], stdins[middle:])


def _judge(result: ProgramResult, language: Language) -> str:
    """Return PASS, FAIL if the tests failed, or a description of the crash."""
    if result.code == 0:
        return PASS
    if result.code == 1 and re.search(language.failed, result.err):
        return FAIL
    return _error_line(result) if result.err.startswith("does not build") else f"breaks: {_error_line(result)}"


def _error_line(result: ProgramResult) -> str:
    """Return the first line of stderr with an error, else the last line, else the exit code."""
    lines = list(filter(str.strip, result.err.splitlines()))
    for line in lines:
        if "rror" in line:
            return line.strip()
    return lines[-1].strip() if lines else f"exit code {result.code}"
