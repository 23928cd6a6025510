"""The core suite: build it from hand-written and generated mirrors; write, read, verify and upload its files.

A data folder has `written/` (the hand-written mirrors, one per line), from which `core/` (one preference pair per line,
one file per section) and `checks/` (edit, check and source of each mirror) are made. The data folder of a fresh draw
has only generated mirrors.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rewardbench.builders.build import Tick, build_mirrors
from rewardbench.builders.check import Verification, verify, verify_cells
from rewardbench.builders.journal import source_hash
from rewardbench.builders.mirrors import EDIT_KEY, Mirror, from_json, read_mirrors
from rewardbench.builders.registry import BUILDERS, CORE_SEED, Builder, fresh_seed
from rewardbench.builders.ties import TiesMirror, read_ties
from rewardbench.errors import InputError
from rewardbench.hub import upload
from rewardbench.paths import cache_dir, data_dir, write_whole
from rewardbench.verifiers import Cell

SPARE = 10
"""Extra mirrors that each builder generates for a fresh draw, to replace those that repeat a prompt of core."""
SECTIONS = ("chat", "safety", "reasoning", "pink_elephant")


@dataclass(frozen=True)
class Core:
    """The mirrors of each section, and the ties."""

    mirrors: Mapping[str, Sequence[Mirror]]
    ties: Sequence[TiesMirror] = ()

    def all_mirrors(self) -> list[Mirror]:
        """Return the mirrors of all sections, without the ties."""
        return [mirror for mirrors in self.mirrors.values() for mirror in mirrors]

    def size(self) -> int:
        """Return the number of rows."""
        return 2 * len(self.all_mirrors()) + 4 * len(self.ties)

    def verify(self, tick: Tick = lambda: None) -> Verification:
        """Run all checks on all cells; `tick` is called once for each kind of verifier."""
        ties_cells: list[Cell] = []
        for mirror in self.ties:
            if mirror.check:
                ties_cells += mirror.cells()
        return verify(self.all_mirrors(), tick) + verify_cells("ties", ties_cells)


def build_core(
    written: Path | None,
    seed: int = CORE_SEED,
    workers: int = 1,
    work_dir: Path | None = None,
    tick: Tick = lambda: None,
) -> Core:
    """Build the core suite, or a fresh draw of its generated part.

    Args:
        written: folder of the hand-written mirrors; None for a fresh draw, which has no hand-written mirrors and
            repeats no prompt of core.
        seed: the seed of every builder.
        workers: number of processes.
        work_dir: folder for unfinished builds, from which the next call resumes; None: a temporary folder.
        tick: called for each generated mirror.
    """
    generated: dict[str, list[Mirror]] = {}
    with TemporaryDirectory() as temporary:
        for name, builder in BUILDERS.items():
            count = builder.core_count + (0 if written else SPARE)
            output = (work_dir or Path(temporary)) / f"{name}-{seed}.jsonl"
            options = {"pool": "suite" if written else "fresh"} if name == "pink" else {}
            generated[name] = build_mirrors(name, seed, count, output, workers, tick, **options)
    mirrors: dict[str, list[Mirror]] = {section: [] for section in SECTIONS}
    if written:
        for section in SECTIONS:
            mirrors[section] += read_mirrors(written / f"{section}.jsonl")
    core_prompts = set() if written else _core_prompts()
    for name, candidates in generated.items():
        builder = BUILDERS[name]
        new = [mirror for mirror in candidates if core_prompts.isdisjoint(map(str, (mirror.a, mirror.b)))]
        mirrors[builder.section] += _numbered(builder, new[: builder.core_count])
    filled = {section: tuple(section_mirrors) for section, section_mirrors in mirrors.items() if section_mirrors}
    return Core(filled, read_ties(written / "ties.jsonl") if written else ())


def _core_prompts() -> set[str]:
    """Return the prompts of the published core, as strings."""
    prompts = set()
    for mirror in read_core(data_dir()).all_mirrors():
        prompts |= {str(mirror.a), str(mirror.b)}
    return prompts


def _numbered(builder: Builder, mirrors: Iterable[Mirror]) -> list[Mirror]:
    """Name generated mirrors; the `b` before the number distinguishes them from hand-written ones."""
    prefix = builder.subset if builder.section.startswith("pink") else f"{builder.section}-{builder.subset}"
    return [replace(mirror, group=f"{prefix}-b{n:03d}") for n, mirror in enumerate(mirrors, 1)]


def write_core(core: Core, folder: Path, version: str) -> None:
    """Write `core/` and `checks/` into a data folder; `core/VERSION` is written last."""
    for section, mirrors in core.mirrors.items():
        rows: list[object] = []
        for mirror in mirrors:
            rows += mirror.rows()
        write_whole(folder / "core" / f"{section}.jsonl", _to_jsonl(rows))
        write_whole(folder / "checks" / f"{section}.jsonl", _to_jsonl(map(_check_row, mirrors)))
    if core.ties:
        rows = []
        for ties_mirror in core.ties:
            rows += ties_mirror.rows()
        write_whole(folder / "core" / "ties.jsonl", _to_jsonl(rows))
        write_whole(folder / "checks" / "ties.jsonl", _to_jsonl(mirror.to_json() for mirror in core.ties))
    write_whole(folder / "core" / "VERSION", f"{version}\n")


def fresh_draw(seed: int) -> Path:
    """Return the `core/` folder of a fresh draw, built at the first call and kept in the user's cache.

    The name of its data folder has all that the draw depends on: the seed, the version of core, and the hash of the
    builders' source.
    """
    version = (data_dir() / "core" / "VERSION").read_text(encoding="utf-8").strip()
    folder = cache_dir() / f"fresh-{version}-{source_hash()}-{seed}"
    if not (folder / "core" / "VERSION").exists():
        write_core(build_core(None, fresh_seed(seed)), folder, f"{version}-fresh{seed}")
    return folder / "core"


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
    read_core(data_folder)
    for name in ("README.md", "LICENSE"):
        if not (data_folder / name).is_file():
            raise InputError(f"{data_folder} has no {name}: a dataset is uploaded only with its card and licence.")
    patterns = ["README.md", "LICENSE", "core/*", "checks/*", "cards/*", "written/*"]
    return upload(data_folder, repo, patterns, private, create_pr)


def read_core(folder: Path) -> Core:
    """Read a data folder: its rows, joined with their checks.

    Raises:
        InputError: if a file is missing or damaged, or rows and checks differ.
    """
    try:
        return _read_core(folder)
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{folder} has damaged rows: {type(error).__name__} {error}.") from error


def _read_core(folder: Path) -> Core:
    mirrors = {}
    for section in SECTIONS:
        if _rows_path(folder, section).exists():
            mirrors[section] = _read_section(folder, section)
    if not mirrors:
        raise InputError(f"{folder} holds no suite with checks: it needs core/*.jsonl and checks/*.jsonl.")
    return Core(mirrors, _read_ties(folder) if _rows_path(folder, "ties").exists() else ())


def _rows_path(folder: Path, section: str) -> Path:
    return folder / "core" / f"{section}.jsonl"


def _read_section(folder: Path, section: str) -> list[Mirror]:
    rows: dict[str, Mapping[str, Any]] = {}
    for row in _read_jsonl(_rows_path(folder, section)):
        if row["id"] in rows:
            raise InputError(f"{folder}/core/{section}.jsonl has the id {row['id']} twice.")
        rows[row["id"]] = row
    mirrors = []
    for check in _read_jsonl(folder / "checks" / f"{section}.jsonl"):
        a, b = (rows.pop(f"{check['group']}-{half}", None) for half in "ab")
        if not a or not b:
            raise InputError(
                f"{folder}/checks/{section}.jsonl names {check['group']}, but core/{section}.jsonl lacks its pair."
            )
        mirrors.append(_join(a, b, check))
    if rows:
        raise InputError(
            f"{folder}/core/{section}.jsonl has the row {next(iter(rows))}, which no line of checks names."
        )
    return mirrors


def _join(a: Mapping[str, object], b: Mapping[str, object], check: Mapping[str, object]) -> Mirror:
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
        }
    )


def _read_ties(folder: Path) -> list[TiesMirror]:
    """Read the ties; `checks/ties.jsonl` has their full content, so the rows must equal what it gives."""
    mirrors = read_ties(folder / "checks" / "ties.jsonl")
    expected: list[object] = []
    for mirror in mirrors:
        expected += mirror.rows()
    if expected != _read_jsonl(_rows_path(folder, "ties")):
        raise InputError(f"{folder}/core/ties.jsonl differs from the rows that checks/ties.jsonl gives.")
    return mirrors


def _check_row(mirror: Mirror) -> dict[str, object]:
    row = {"group": mirror.group, EDIT_KEY: mirror.edit, "check": mirror.check, "source": mirror.source}
    return {name: value for name, value in row.items() if value}


def _read_jsonl(path: Path) -> list[dict[str, Any]]:
    try:
        return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}.") from error


def _to_jsonl(rows: Iterable[object]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
