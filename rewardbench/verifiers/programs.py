"""Verifier for code: build and run the program of a response with the check's tests."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rewardbench.verifiers.cells import FAIL, PASS, Broken, Cell
from rewardbench.verifiers.sandbox import MEGABYTES, Ran, folder, run

BLOCK = re.compile(r"```\w+\n(.*?)```", re.DOTALL)
AT_ONCE = 64
"""Largest number of programs per compiler call."""


@dataclass(frozen=True)
class Language:
    """How programs, each in its own folder, are built and run; commands start in the parent of those folders."""

    file: str
    needs: tuple[str, ...]
    run: Callable[[str], Sequence[str]]
    failed: str = "^$"
    """Pattern of stderr for a program that fails its tests; any other stderr is a crash."""
    build: Callable[[Sequence[str]], Sequence[Sequence[str]]] = lambda folders: ()
    head: str = ""
    memory: int | None = MEGABYTES


LANGUAGES = {
    "python": Language(
        file="main.py",
        needs=(),
        run=lambda at: (sys.executable, "-I", f"{at}/main.py"),
        failed=r"^$|\n(AssertionError|ValueError)",
    ),
    "javascript": Language(
        file="main.js",
        needs=("node",),
        run=lambda at: ("node", f"--max-old-space-size={MEGABYTES}", f"{at}/main.js"),
        failed=r"\bAssertionError\b",
        memory=None,
    ),
    "java": Language(  # one package each, so that one compiler call builds them all
        file="Main.java",
        needs=("javac", "java"),
        head="package {folder};",
        build=lambda ats: [("javac", f"-J-Xmx{MEGABYTES}m", *(f"{at}/Main.java" for at in ats))],
        run=lambda at: (
            "java",
            f"-Xmx{MEGABYTES // 4}m",
            "-XX:TieredStopAtLevel=1",
            "-XX:+UseSerialGC",
            "-Xshare:auto",
            "-cp",
            ".",
            f"{at}.Main",
        ),
        memory=None,
    ),
    "cpp": Language(
        file="main.cpp",
        needs=("g++",),
        build=lambda ats: [("g++", "-std=c++17", "-O0", "-o", f"{at}/main", f"{at}/main.cpp") for at in ats],
        run=lambda at: (f"./{at}/main",),
    ),
}


def missing_tools(check: Mapping[str, Any]) -> list[str]:
    """List the compilers that a check needs and this machine lacks."""
    language = LANGUAGES.get(check.get("language", ""))
    return [tool for tool in language.needs if shutil.which(tool) is None] if language else []


def verify_code(cells: Sequence[Cell]) -> list[str]:
    """Run the tests of each program; a program that does not build, or crashes, is described."""
    outcomes: dict[int, str] = {}
    for name in LANGUAGES:
        places = [n for n, cell in enumerate(cells) if cell.check.get("language") == name]
        for start in range(0, len(places), AT_ONCE):
            chunk = places[start : start + AT_ONCE]
            outcomes |= zip(chunk, _run_all([cells[n] for n in chunk], LANGUAGES[name]), strict=True)
    return [outcomes.get(n, f"no language {cell.check.get('language')!r}") for n, cell in enumerate(cells)]


def _run_all(cells: Sequence[Cell], language: Language) -> list[str]:
    with folder() as at, ThreadPoolExecutor(2) as pool:
        names = [f"cell{n}" for n in range(len(cells))]
        try:
            for cell, name in zip(cells, names, strict=True):
                _write(cell, language, at / name)
        except Broken as error:
            return _one_by_one(cells, language, str(error))
        commands = language.build(names)
        builds = list(pool.map(lambda command: run(command, at, memory=None), commands))
        failed = next((build for build in builds if build.code), None)
        if failed is not None:
            return _one_by_one(cells, language, _last_line(failed))
        return list(pool.map(lambda name: _judge(run(language.run(name), at, memory=language.memory), language), names))


def _one_by_one(cells: Sequence[Cell], language: Language, error: str) -> list[str]:
    """Find the program that does not build, by halving."""
    if len(cells) == 1:
        return [f"does not build: {error}"]
    middle = len(cells) // 2
    return _run_all(cells[:middle], language) + _run_all(cells[middle:], language)


def _write(cell: Cell, language: Language, at: Path) -> None:
    blocks = BLOCK.findall(cell.response)
    if len(blocks) != 1:
        raise Broken(f"{len(blocks)} code blocks in {cell.row}")
    at.mkdir()
    source = "\n".join([language.head.format(folder=at.name), blocks[0], cell.check["tests"]])
    (at / language.file).write_text(source, encoding="utf-8", errors="replace")


def _judge(ran: Ran, language: Language) -> str:
    if ran.code == 0:
        return PASS
    if ran.code == 1 and re.search(language.failed, ran.err):
        return FAIL
    return f"breaks: {_last_line(ran)}"


def _last_line(ran: Ran) -> str:
    lines = [line for line in ran.err.splitlines() if line.strip()]
    return next((line for line in lines if "rror" in line), lines[-1] if lines else f"exit code {ran.code}").strip()
