"""The suite itself: what is written by hand and what the builders make, to the files that are published.

A data folder holds `written/` (one mirror a line, the source), and what is made from it: `core/` (one preference
pair a line, a file a section) and `checks/` (hinge, check and origin of each mirror). A fresh draw is a data folder
with built mirrors only.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rewardbench.builders import BUILDERS, CORE_SEED, Builder, fresh_seed
from rewardbench.builders.build import Tick, make, recipe
from rewardbench.builders.check import Verified, verify, verify_cells
from rewardbench.builders.mirrors import Mirror, read_mirrors
from rewardbench.builders.ties import TieTwin, read_ties
from rewardbench.errors import InputError
from rewardbench.hub import upload
from rewardbench.paths import cache_dir, data_dir, write_whole

SPARE = 10
"""Mirrors that a fresh draw of a builder makes beyond its number, for those that turn out to be core's."""
SECTIONS = ("chat", "safety", "reasoning", "pink_elephant")


@dataclass(frozen=True)
class Core:
    """The mirrors of each section, and the ties."""

    mirrors: Mapping[str, Sequence[Mirror]]
    ties: Sequence[TieTwin] = ()

    def size(self) -> int:
        """How many rows it has."""
        return sum(2 * len(mirrors) for mirrors in self.mirrors.values()) + 4 * len(self.ties)

    def verify(self, tick: Tick = lambda: None) -> Verified:
        """Run every check there is, on all cells; `tick` is called for each kind of check."""
        found = verify([mirror for mirrors in self.mirrors.values() for mirror in mirrors], tick)
        return found + verify_cells("ties", [cell for twin in self.ties if twin.check for cell in twin.cells()])


def build_core(
    written: Path | None, seed: int = CORE_SEED, workers: int = 1, work: Path | None = None, tick: Tick = lambda: None
) -> Core:
    """The hand-written mirrors of a folder (None: none of them) with those of every builder at a seed.

    `work` is where unfinished draws wait for the next call.
    """
    spare = 0 if written else SPARE
    with TemporaryDirectory() as temporary:
        at = work or Path(temporary)
        built = {  # a draw that is whole is made again: only an unfinished one waits
            name: make(
                name, seed, builder.core + spare, at / f"{name}-{seed}.jsonl", workers, tick, **_pool(name, written)
            )
            for name, builder in BUILDERS.items()
        }
    mirrors: dict[str, list[Mirror]] = {section: [] for section in SECTIONS}
    for section in SECTIONS if written else ():
        mirrors[section] += read_mirrors(written / f"{section}.jsonl") if written else []
    known = set() if written else _published()
    for name, drawn in built.items():
        new = [mirror for mirror in drawn if not known & {str(mirror.a), str(mirror.b)}]
        mirrors[BUILDERS[name].section] += _numbered(BUILDERS[name], new[: BUILDERS[name].core])
    return Core(
        {section: tuple(made) for section, made in mirrors.items() if made},
        read_ties(written / "ties.jsonl") if written else (),
    )


def _published() -> set[str]:
    """The prompts of core, which a fresh draw passes over where it meets one."""
    mirrors = [mirror for mirrors in read_core(data_dir()).mirrors.values() for mirror in mirrors]
    return {str(prompt) for mirror in mirrors for prompt in (mirror.a, mirror.b)}


def _pool(name: str, written: Path | None) -> dict[str, str]:
    """Fresh pink elephants go under names that nobody has heard."""
    return {"pool": "suite" if written else "fresh"} if name == "pink" else {}


def _numbered(builder: Builder, drawn: Iterable[Mirror]) -> list[Mirror]:
    """Built mirrors carry a b in their names, so that nobody takes one for a written one."""
    head = builder.subset if builder.section.startswith("pink") else f"{builder.section}-{builder.subset}"
    return [replace(mirror, group=f"{head}-b{n:03d}") for n, mirror in enumerate(drawn, 1)]


def write_core(core: Core, folder: Path, version: str) -> None:
    """Write `core/` and `checks/` into a data folder."""
    for section, mirrors in core.mirrors.items():
        write_whole(folder / "core" / f"{section}.jsonl", _lines(row for mirror in mirrors for row in mirror.rows()))
        write_whole(folder / "checks" / f"{section}.jsonl", _lines(map(_check_row, mirrors)))
    if core.ties:
        write_whole(folder / "core" / "ties.jsonl", _lines(row for twin in core.ties for row in twin.rows()))
        write_whole(folder / "checks" / "ties.jsonl", _lines(map(_check_row, core.ties)))
    write_whole(folder / "core" / "VERSION", f"{version}\n")


def fresh_draw(seed: int) -> Path:
    """The folder with the pairs of a fresh draw, made once and kept in the user's cache.

    Its name holds what the draw depends on: the seed, the version of core and the builders themselves.
    """
    version = (data_dir() / "core" / "VERSION").read_text(encoding="utf-8").strip()
    folder = cache_dir() / f"fresh-{version}-{recipe()}-{seed}"
    if not (folder / "core" / "VERSION").exists():  # written last
        write_core(build_core(None, fresh_seed(seed)), folder, f"{version}-fresh{seed}")
    return folder / "core"


def push(folder: Path | None, repo: str, private: bool, create_pr: bool) -> str:
    """Upload the cards, the licence, and what they speak of, of a data folder that is whole; return where.

    Raises: InputError where they are not, or the Hub refuses.
    """
    at = folder or data_dir()
    read_core(at)
    if not all((at / name).is_file() for name in ("README.md", "LICENSE")):
        raise InputError(f"{at} has no README.md or no LICENSE: a dataset without its card is not pushed.")
    return upload(at, repo, ["README.md", "LICENSE", "core/*", "checks/*", "cards/*", "written/*"], private, create_pr)


def read_core(folder: Path) -> Core:
    """The published rows of a data folder, joined with their checks.

    Raises: InputError where a file is missing, or the rows and the checks do not belong together.
    """
    try:
        return _read_core(folder)
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{folder} is not a whole data folder: {type(error).__name__} {error} in its rows.") from error


def _read_core(folder: Path) -> Core:
    mirrors = {section: _joined(folder, section) for section in SECTIONS if _rows_path(folder, section).exists()}
    if not mirrors:
        raise InputError(f"{folder} holds no suite with checks: it needs core/*.jsonl and checks/*.jsonl.")
    return Core(mirrors, _joined_ties(folder) if _rows_path(folder, "ties").exists() else ())


def _rows_path(folder: Path, section: str) -> Path:
    return folder / "core" / f"{section}.jsonl"


def _joined(folder: Path, section: str) -> list[Mirror]:
    every = _read(_rows_path(folder, section))
    rows = {row["id"]: row for row in every}
    if len(rows) < len(every):
        raise InputError(f"{folder}/core/{section}.jsonl has an id twice: each row must have its own.")
    mirrors = []
    for check in _read(folder / "checks" / f"{section}.jsonl"):
        pair = [rows.pop(f"{check['group']}-{half}", None) for half in "ab"]
        if not pair[0] or not pair[1]:
            raise InputError(f"{folder}/checks/{section}.jsonl speaks of {check['group']}, of which core has no pair.")
        mirrors.append(_mirror(pair[0], pair[1], check))
    if rows:
        raise InputError(
            f"{folder}/core/{section}.jsonl has the row {next(iter(rows))}, which no line of checks names."
        )
    return mirrors


def _mirror(a: Mapping[str, Any], b: Mapping[str, Any], check: Mapping[str, Any]) -> Mirror:
    if (a["chosen"], a["rejected"]) != (b["rejected"], b["chosen"]):
        raise InputError(f"{a['group']} is no mirror: what is chosen in one half must be rejected in the other.")
    asked = check.get("check", {})
    source = check.get("source", {})
    prompts = tuple(a["prompt"]), tuple(b["prompt"])
    return Mirror(a["subset"], check["hinge"], *prompts, a["chosen"], b["chosen"], asked, source, check["group"])


def _joined_ties(folder: Path) -> list[TieTwin]:
    """Ties keep their whole source beside the check, so that the rows can be held against it."""
    rows = list(_read(_rows_path(folder, "ties")))
    twins = read_ties(folder / "checks" / "ties.jsonl")
    if [row for twin in twins for row in twin.rows()] != rows:
        raise InputError(f"{folder}/core/ties.jsonl is not what checks/ties.jsonl says.")
    return twins


def _check_row(made: Mirror | TieTwin) -> dict[str, Any]:
    if isinstance(made, TieTwin):
        return made.to_json()
    row = {"group": made.group, "hinge": made.edit, "check": made.check, "source": made.source}
    return {name: value for name, value in row.items() if value}


def _read(path: Path) -> list[dict[str, Any]]:
    try:
        return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}.") from error


def _lines(rows: Iterable[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
