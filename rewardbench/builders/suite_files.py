"""Embedded suites: build them from written and generated mirrors; write, read, verify and upload their files.

A data folder has, for each suite NAME, `NAME/` (one preference pair per line, one file per section) and `checks/NAME/`
(edit, check and source of each mirror). `written/` has the written mirrors of core, one per line. The data folder
of a fresh draw has only generated mirrors.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rewardbench.builders.build import Tick, build_mirrors, draw_square
from rewardbench.builders.check import Verification, verify, verify_cells
from rewardbench.builders.journal import source_hash
from rewardbench.builders.mirrors import EDIT_KEY, Mirror, from_json, read_mirrors
from rewardbench.builders.registry import CORE_SEED, Builder, builders_of, fresh_seed
from rewardbench.builders.squares import Square, join_square
from rewardbench.builders.thinning import without_near_twins
from rewardbench.builders.ties import TiesMirror, read_ties
from rewardbench.errors import InputError
from rewardbench.hub import upload
from rewardbench.paths import cache_dir, data_dir, write_whole
from rewardbench.suites import SUITES, suite_folder
from rewardbench.verifiers import Cell

SPARE = 10
"""Extra mirrors that each builder generates for a fresh draw, to replace those that repeat a prompt of the suite."""
SQUARES, TIES = "squares", "ties"
"""Files with other rows than mirrors; for ties, `checks/` has the full content."""


@dataclass(frozen=True)
class MirrorSuite:
    """The mirrors of each section of a suite, by file, its squares and its ties."""

    name: str
    mirrors: Mapping[str, Sequence[Mirror]]
    ties: Sequence[TiesMirror] = ()
    squares: Sequence[Square] = ()

    def all_mirrors(self) -> list[Mirror]:
        """Return the mirrors of all sections, without squares and ties."""
        return [mirror for mirrors in self.mirrors.values() for mirror in mirrors]

    def size(self) -> int:
        """Return the number of rows."""
        return 2 * len(self.all_mirrors()) + 4 * len(self.ties) + 4 * len(self.squares)

    def verify(self, tick: Tick = lambda: None) -> Verification:
        """Run all checks on all cells; `tick` is called once for each kind of verifier."""
        ties_cells: list[Cell] = []
        for mirror in self.ties:
            if mirror.check:
                ties_cells += mirror.cells()
        return verify([*self.all_mirrors(), *self.squares], tick) + verify_cells("ties", ties_cells)


def data_folder_of(name: str) -> Path:
    """Return the data folder of a suite of this package; a suite that is not stored is built first."""
    return suite_folder(SUITES[name]).parent


def section_files(name: str) -> list[str]:
    """Return the files of a suite that hold mirrors, without `.jsonl`."""
    return [stem for stem in SUITES[name].sections if stem not in (SQUARES, TIES)]


def build_suite(
    name: str,
    written: Path | None,
    seed: int = CORE_SEED,
    workers: int = 1,
    work_dir: Path | None = None,
    tick: Tick = lambda: None,
) -> MirrorSuite:
    """Build a suite, or a fresh draw of its generated part.

    Args:
        name: the suite.
        written: data folder with `written/`; None for a fresh draw, which has no written mirrors and repeats no
            prompt of the suite.
        seed: the seed of every builder.
        workers: number of processes.
        work_dir: folder for unfinished builds, from which the next call resumes; None: a temporary folder.
        tick: called for each generated mirror.
    """
    is_fresh = written is None
    mirrors: dict[str, list[Mirror]] = {section: [] for section in section_files(name)}
    hand_written = written if name == "core" else None
    if hand_written:
        for section in mirrors:
            mirrors[section] += read_mirrors(hand_written / f"{section}.jsonl")
    old_prompts = _prompts(read_suite(data_folder_of(name), name)) if is_fresh else set()
    squares: list[Square] = []
    with TemporaryDirectory() as temporary:
        for builder in builders_of(name).values():
            count = candidate_count(builder, is_fresh)
            output = (work_dir or Path(temporary)) / f"{builder.name}-{seed}.jsonl"
            options = {"pool": "fresh" if is_fresh else "suite"} if builder.name == "pink" else {}
            candidates = build_mirrors(builder.name, seed, count, output, workers, tick, **options)
            new = [mirror for mirror in candidates if old_prompts.isdisjoint(map(str, (mirror.a, mirror.b)))]
            if builder.candidates:
                new = without_near_twins(new, builder.count, mirrors[builder.section])
            mirrors[builder.section] += _numbered(builder, new[: builder.count])
            for index in range(builder.squares):
                square = draw_square(builder.name, seed, index)
                squares.append(replace(square, group=f"{square.subset}-{index + 1:03d}"))
    filled = {section: tuple(section_mirrors) for section, section_mirrors in mirrors.items() if section_mirrors}
    return MirrorSuite(name, filled, read_ties(hand_written / "ties.jsonl") if hand_written else (), squares)


def _prompts(suite: MirrorSuite) -> set[str]:
    """Return the prompts of the mirrors of a suite, as strings."""
    prompts = set()
    for mirror in suite.all_mirrors():
        prompts |= {str(mirror.a), str(mirror.b)}
    return prompts


def _numbered(builder: Builder, mirrors: Iterable[Mirror]) -> list[Mirror]:
    """Name generated mirrors by their position in the build, from 1.

    The `b` before the number distinguishes them from written ones.
    """
    named = []
    for mirror in mirrors:
        named.append(replace(mirror, group=f"{builder.name_prefix}-b{mirror.source['index'] + 1:03d}"))
    return named


def candidate_count(builder: Builder, is_fresh: bool) -> int:
    """Return the number of mirrors that a builder generates, of which its suite takes `builder.count`."""
    count = builder.candidates or builder.count
    return count + SPARE if is_fresh else count


def write_suite(suite: MirrorSuite, folder: Path, version: str) -> None:
    """Write a suite and its checks into a data folder; its VERSION is written last."""
    rows_folder, checks_folder = folder / suite.name, folder / "checks" / suite.name
    for section, mirrors in suite.mirrors.items():
        rows: list[object] = []
        for mirror in mirrors:
            rows += mirror.rows()
        write_whole(rows_folder / f"{section}.jsonl", to_jsonl(rows))
        write_whole(checks_folder / f"{section}.jsonl", to_jsonl(map(_check_row, mirrors)))
    for file, groups in ((TIES, suite.ties), (SQUARES, suite.squares)):
        if groups:
            write_whole(rows_folder / f"{file}.jsonl", to_jsonl(_all_rows(groups)))
    if suite.ties:
        write_whole(checks_folder / f"{TIES}.jsonl", to_jsonl(mirror.to_json() for mirror in suite.ties))
    if suite.squares:
        write_whole(checks_folder / f"{SQUARES}.jsonl", to_jsonl(map(_check_row, suite.squares)))
    write_whole(rows_folder / "VERSION", f"{version}\n")


def _all_rows(groups: Sequence[TiesMirror] | Sequence[Square]) -> list[object]:
    rows: list[object] = []
    for group in groups:
        rows += group.rows()
    return rows


def version_of(folder: Path, name: str) -> str:
    """Return the version of a suite in a data folder."""
    return (folder / name / "VERSION").read_text(encoding="utf-8").strip()


def hash_files(folder: Path, name: str) -> str:
    """Return the SHA-256 of the names and contents of all files of a suite and of its checks."""
    digest = hashlib.sha256()
    for path in sorted([*(folder / name).glob("*"), *(folder / "checks" / name).glob("*")]):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def fresh_draw(name: str, seed: int) -> Path:
    """Return the folder of the rows of a fresh draw, built at the first call and kept in the user's cache.

    The name of its data folder has all that the draw depends on: the seed, the version of the suite, and the hash of
    the builders' source.

    Args:
        name: the suite.
        seed: the user's seed.
    """
    version = version_of(data_dir(), name)
    folder = cache_dir() / f"fresh-{name}-{version}-{source_hash()}-{seed}"
    if not (folder / name / "VERSION").exists():
        write_suite(build_suite(name, None, fresh_seed(seed)), folder, f"{version}-fresh{seed}")
    return folder / name


def push(folder: Path | None, repo: str, private: bool, create_pr: bool) -> str:
    """Upload a data folder with its card and licence to the Hub, and return the address.

    Args:
        folder: the data folder; None: the one in this package.
        repo: dataset on the Hub, org/name.
        private: create a new dataset as private.
        create_pr: open a pull request instead of committing.

    Raises:
        InputError: if a file is missing, rows and checks differ, or the Hub refuses.
    """
    data_folder = folder or data_dir()
    read_suite(data_folder, "core")
    for name in ("README.md", "LICENSE"):
        if not (data_folder / name).is_file():
            raise InputError(f"{data_folder} has no {name}: a dataset is uploaded only with its card and licence.")
    patterns = ["README.md", "LICENSE", "eval.yaml", "core*/*", "checks/*/*", "cards/*", "written/*"]
    return upload(data_folder, repo, patterns, private, create_pr)


def read_suite(folder: Path, name: str = "core") -> MirrorSuite:
    """Read a suite from a data folder: its rows, joined with their checks.

    Raises:
        InputError: if a file is missing or damaged, or rows and checks differ.
    """
    try:
        return _read_suite(folder, name)
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{folder} has damaged rows: {type(error).__name__} {error}.") from error


def _read_suite(folder: Path, name: str) -> MirrorSuite:
    mirrors = {}
    for section in section_files(name):
        if (folder / name / f"{section}.jsonl").exists():
            mirrors[section] = _read_section(folder, name, section)
    if not mirrors:
        raise InputError(f"{folder} holds no suite with checks: it needs {name}/*.jsonl and checks/{name}/*.jsonl.")
    checks_folder = folder / "checks" / name
    ties: list[TiesMirror] = []
    squares: list[Square] = []
    if (folder / name / f"{TIES}.jsonl").exists():
        ties = read_ties(checks_folder / f"{TIES}.jsonl")
        _compare_rows(folder, name, TIES, _all_rows(ties))
    if (folder / name / f"{SQUARES}.jsonl").exists():
        rows: dict[str, list[dict[str, Any]]] = {}
        for row in read_jsonl(folder / name / f"{SQUARES}.jsonl"):
            rows.setdefault(row["group"], []).append(row)
        for check in read_jsonl(checks_folder / f"{SQUARES}.jsonl"):
            squares.append(join_square(rows.get(check["group"], []), check))
        _compare_rows(folder, name, SQUARES, _all_rows(squares))
    return MirrorSuite(name, mirrors, ties, squares)


def _compare_rows(folder: Path, name: str, file: str, expected: list[object]) -> None:
    """Check that a file has the rows that its checks give.

    Raises:
        InputError: if it has others.
    """
    if json.loads(json.dumps(expected)) != read_jsonl(folder / name / f"{file}.jsonl"):
        raise InputError(f"{folder}/{name}/{file}.jsonl differs from the rows that checks/{name}/{file}.jsonl gives.")


def _read_section(folder: Path, name: str, section: str) -> list[Mirror]:
    file = f"{name}/{section}.jsonl"
    rows: dict[str, Mapping[str, Any]] = {}
    for row in read_jsonl(folder / file):
        if row["id"] in rows:
            raise InputError(f"{folder}/{file} has the id {row['id']} twice.")
        rows[row["id"]] = row
    mirrors = []
    for check in read_jsonl(folder / "checks" / file):
        a, b = (rows.pop(f"{check['group']}-{half}", None) for half in "ab")
        if not a or not b:
            raise InputError(f"{folder}/checks/{file} names {check['group']}, but {file} lacks its pair.")
        mirrors.append(_join(a, b, check))
    if rows:
        raise InputError(f"{folder}/{file} has the row {next(iter(rows))}, which no line of checks names.")
    return mirrors


def _join(a: Mapping[str, Any], b: Mapping[str, object], check: Mapping[str, object]) -> Mirror:
    """Return the mirror of two rows and the line of `checks/` that describes them."""
    if (a["chosen"], a["rejected"]) != (b["rejected"], b["chosen"]):
        raise InputError(f"{a['group']} is no mirror: what is chosen in one half must be rejected in the other.")
    return from_json(
        {
            "group": check["group"],
            "subset": a["subset"],
            EDIT_KEY: check[EDIT_KEY],
            "a": a["prompt"],
            "b": b["prompt"],
            "x": a["chosen"],
            "y": b["chosen"],
            "check": check.get("check", {}),
            "source": check.get("source", {}),
            "tools": a.get("tools", ()),
        }
    )


def _check_row(group: Mirror | Square) -> dict[str, object]:
    row = {"group": group.group, EDIT_KEY: group.edit, "check": group.check, "source": group.source}
    return {name: value for name, value in row.items() if value}


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """Read the rows of a file, one JSON object per line.

    Raises:
        InputError: if the file cannot be read.
    """
    try:
        return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}.") from error


def to_jsonl(rows: Iterable[object]) -> str:
    """Return the content of a file of rows, one JSON object per line."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
