"""Suites that are not stored: built at first use into the user's cache, and compared with a pinned hash."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from shutil import rmtree

from filelock import FileLock

from rewardbench.builders.registry import builders_of
from rewardbench.builders.suite_files import build_suite, hash_files, version_of, write_suite
from rewardbench.console.progress import StepBar
from rewardbench.console.terminal import make_console
from rewardbench.errors import InputError
from rewardbench.paths import cache_dir, data_dir


def built_folder(name: str) -> Path:
    """Return the folder of the rows of a suite, built at the first call and kept in the user's cache.

    The name of its data folder has the version and the pinned hash. An interrupted build resumes.

    Args:
        name: the suite; the package's data folder has its VERSION, and the hash of all its files in SHA256.

    Raises:
        InputError: if the cache cannot be written, or the content differs from the pinned one.
    """
    version, pinned = version_of(data_dir(), name), _pinned_hash(name)
    folder = cache_dir() / f"{name}-{version}-{pinned[:12]}"
    if (folder / name / "VERSION").exists():
        return folder / name
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            if not folder.exists():
                _build(name, version, pinned, folder)
    except OSError as error:
        raise InputError(f"{name} cannot be built in {folder.parent}: {error}.") from error
    with suppress(OSError):
        Path(f"{folder}.lock").unlink()
    return folder / name


def _pinned_hash(name: str) -> str:
    return (data_dir() / name / "SHA256").read_text(encoding="utf-8").strip()


def _build(name: str, version: str, pinned: str, folder: Path) -> None:
    """Build a suite next to its folder, check it, and move it there."""
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    work_dir = folder.with_name(f"{folder.name}.work")
    total = sum(builder.count for builder in builders_of(name).values())
    with StepBar(f"building {name}", total, make_console(stderr=True)) as tick:
        suite = build_suite(name, data_dir(), work_dir=work_dir, tick=tick)
    write_suite(suite, unfinished, version)
    rmtree(work_dir, ignore_errors=True)
    digest = hash_files(unfinished, name)
    if digest != pinned:
        rmtree(unfinished, ignore_errors=True)
        raise InputError(
            f"{name} {version}, as built here, has the SHA-256 {digest[:12]} instead of {pinned[:12]}: install "
            "rewardbench again, and report it if the difference remains."
        )
    unfinished.rename(folder)
