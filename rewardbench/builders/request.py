"""Requests of `rewardbench data build`: validate one, run it, and return the figures to print."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from shutil import rmtree

from rewardbench.builders import style
from rewardbench.builders.build import Tick, build_mirrors
from rewardbench.builders.check import Verification, verify
from rewardbench.builders.mirrors import TEMPLATE_KEY
from rewardbench.builders.registry import BUILDERS, CORE_SEED, builders_of, fresh_seed, training_seed
from rewardbench.builders.suite_files import (
    build_suite,
    candidate_count,
    hash_files,
    read_suite,
    version_of,
    write_suite,
)
from rewardbench.errors import InputError
from rewardbench.paths import data_dir, write_whole
from rewardbench.suites import SUITES

SUITE_NAMES = ("core", "core-style", "core-hard", "core-long")


@dataclass(frozen=True)
class BuildRequest:
    """The arguments of `rewardbench data build`."""

    name: str
    seed: int = 0
    fresh: int | None = None
    count: int | None = None
    output: Path | None = None
    workers: int = 1
    label: str | None = None
    backend: str = "template"
    llm: str = ""

    def total(self) -> int:
        """Return the number of mirrors to build.

        Raises:
            InputError: if there is no such builder.
        """
        if self.is_suite:
            is_fresh = self.fresh is not None
            return sum(candidate_count(builder, is_fresh) for builder in builders_of(self.name).values())
        if self.name not in BUILDERS:
            names = ", ".join([*SUITE_NAMES, *BUILDERS])
            raise InputError(f"There is no builder {self.name!r}: it must be one of {names}.")
        return self.count or BUILDERS[self.name].count

    @property
    def is_suite(self) -> bool:
        """Whether a suite is built, rather than the mirrors of one builder."""
        return self.name in SUITE_NAMES

    def validate(self) -> None:
        """Check that the arguments go together.

        Raises:
            InputError: if they do not.
        """
        self.total()
        if self.is_suite and (self.count or self.label or self.seed):
            raise InputError(
                f"{self.name} takes --fresh SEED, --output and --workers: its counts and its own seed are fixed."
            )
        if not self.is_suite and self.fresh is not None:
            raise InputError(f"--fresh belongs to suites: for other mirrors of {self.name} pass --seed.")
        if self.label and self.name != "knapsack":
            raise InputError(f"--label belongs to knapsack, not to {self.name}.")
        if self.backend != "template" and self.name != "pink":
            raise InputError(f"--backend belongs to pink, not to {self.name}.")


def run_request(request: BuildRequest, tick: Tick = lambda: None) -> dict[str, object]:
    """Build, verify and write.

    Args:
        request: what to build.
        tick: called for each mirror.

    Returns:
        The figures to print, by name.

    Raises:
        InputError: if the request is invalid, or a file cannot be written.
    """
    request.validate()
    if request.name == style.NAME:
        return _build_style_suite(request, tick)
    if request.is_suite:
        return _build_suite(request, tick)
    if request.label:
        return _build_search_study(request)
    return _build_training_data(request, tick)


def _build_suite(request: BuildRequest, tick: Tick) -> dict[str, object]:
    name, version = request.name, version_of(data_dir(), request.name)
    if request.fresh is None:
        written, seed, folder = _written_dir(name), CORE_SEED, request.output or _default_folder(name, version)
    else:
        written, seed, folder = None, fresh_seed(request.fresh), request.output or Path(f"fresh-{request.fresh}")
        version += f"-fresh{request.fresh}"
    work_dir = folder / ".unfinished"
    suite = build_suite(name, written, seed, request.workers, work_dir, tick)
    verification = suite.verify()
    _require_no_failure(verification)
    if verification.skipped:
        count = len(verification.skipped)
        raise InputError(f"{name} is not written unverified: {verification.skipped[0]} ({count} mirrors).")
    write_suite(suite, folder, version)
    rmtree(work_dir, ignore_errors=True)
    return {
        "folder": str(folder),
        "rows": suite.size(),
        "verified": verification.pairs,
        "confirmed": verification.confirmed,
        "failed": 0,
        "files_sha256": hash_files(folder, name),
    }


def _build_style_suite(request: BuildRequest, tick: Tick) -> dict[str, object]:
    """Restyle the responses of core, or of a fresh draw of core, which is written beside them."""
    folder, core_folder = request.output or data_dir(), data_dir()
    if request.fresh is not None:
        core_folder = folder = Path(str(_build_suite(replace(request, name="core"), tick)["folder"]))
    suite = style.build_style_suite(read_suite(core_folder))
    verification = suite.verify()
    _require_no_failure(verification)
    style.write_style_suite(suite, folder, version_of(core_folder, "core"))
    return {
        "folder": str(folder),
        "rows": suite.size(),
        "verified": verification.pairs,
        "failed": 0,
        "files_sha256": hash_files(folder, style.NAME),
    }


def _default_folder(name: str, version: str) -> Path:
    """Return where a suite is written: the data folder, or a new one for a suite that is not stored there."""
    return Path(f"{name}-{version}") if SUITES[name].build else data_dir()


def _written_dir(name: str) -> Path:
    folder = data_dir() / "written"
    if not folder.is_dir() and not SUITES[name].build:
        raise InputError("The written part of the suites is not in an installed package: build it in a checkout.")
    return folder


def _build_training_data(request: BuildRequest, tick: Tick) -> dict[str, object]:
    output = request.output or Path(f"{request.name}-{request.seed}.jsonl")
    seed = training_seed(request.seed)
    mirrors = build_mirrors(
        request.name, seed, request.total(), output, request.workers, tick, **_pink_options(request)
    )
    named = [replace(mirror, group=f"{request.name}-{n}") for n, mirror in enumerate(mirrors)]
    verification = verify(named)
    if verification.failed:
        output.unlink()
    _require_no_failure(verification)
    return {
        "output": str(output),
        "mirrors": len(mirrors),
        "templates": len({mirror.source.get(TEMPLATE_KEY) for mirror in mirrors}),
        "verified": verification.pairs,
        "failed": 0,
        "skipped": len(verification.skipped),
        "sha256": hashlib.sha256(output.read_bytes()).hexdigest(),
    }


def _pink_options(request: BuildRequest) -> dict[str, object]:
    """Return the options of the builder `pink`: the pool reserved for training, or another backend."""
    if request.name != "pink":
        return {}
    if request.backend == "template":
        return {"pool": "train"}
    if not request.llm:
        raise InputError("Which model shall the endpoint use? Pass --llm with its name there.")
    from rewardbench.builders.templates.pink.backends import OpenAIBackend

    return {"backend": OpenAIBackend(request.backend, request.llm)}


def _build_search_study(request: BuildRequest) -> dict[str, object]:
    """Write sibling states of a tree search as preference rows, labelled by the search or by the exact solver."""
    from rewardbench.builders.templates.knapsack.search import label_agreement, study

    label = request.label or "exact"
    rows = study(seed=request.seed, instances=request.count or 200, label=label)
    output = request.output or Path(f"knapsack-{label}-{request.seed}.jsonl")
    write_whole(output, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    figures: dict[str, object] = {}
    if label != "exact":
        figures["warning"] = "labels of a search, not of the exact solver: for study only"
    return figures | {
        "output": str(output),
        "rows": len(rows),
        "label": label,
        "label_agreement_exact": f"{label_agreement(rows):.4f}",
        "sha256": hashlib.sha256(output.read_bytes()).hexdigest(),
    }


def _require_no_failure(verification: Verification) -> None:
    """Raise RuntimeError if a generated mirror fails its own check: that is an error of the builder."""
    if verification.failed:
        count = len(verification.failed)
        raise RuntimeError(f"{count} cells fail their check, the first: {verification.failed[0]}")
