"""What somebody asked to be built, carried out: which builder, where to, and the figures that are told afterwards."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from shutil import rmtree
from typing import Any

from rewardbench.builders import BUILDERS, CORE_SEED, fresh_seed, training_seed
from rewardbench.builders.build import make
from rewardbench.builders.check import Verified, verify
from rewardbench.builders.core import SPARE, build_core, write_core
from rewardbench.errors import InputError
from rewardbench.paths import data_dir, write_whole

Tick = Callable[[], None]


@dataclass(frozen=True)
class Order:
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
        """How many mirrors will be made."""
        if self.name == "core":
            spare = 0 if self.fresh is None else SPARE
            return sum(builder.core + spare for builder in BUILDERS.values())
        if self.name not in BUILDERS:
            raise InputError(f"There is no builder {self.name!r}: it must be core, {', '.join(BUILDERS)}.")
        return self.count or BUILDERS[self.name].core


def carry_out(order: Order, tick: Tick = lambda: None) -> dict[str, Any]:
    """Build, verify and write; return what to tell. Raises: InputError where the order makes no sense."""
    _refuse_nonsense(order)
    if order.name == "core":
        return _core(order, tick)
    if order.label:
        return _study(order)
    return _mirrors(order, tick)


def _refuse_nonsense(order: Order) -> None:
    order.total()
    if order.name == "core" and (order.count or order.label or order.seed):
        raise InputError("core takes --fresh SEED, --output and --workers: its counts and its own seed are fixed.")
    if order.name != "core" and order.fresh is not None:
        raise InputError(f"--fresh belongs to core: for another draw of {order.name} pass --seed.")
    if order.label and order.name != "knapsack":
        raise InputError(f"--label belongs to knapsack, not to {order.name}.")
    if order.backend != "template" and order.name != "pink":
        raise InputError(f"--backend belongs to pink, not to {order.name}.")


def _core(order: Order, tick: Tick) -> dict[str, Any]:
    written = None if order.fresh is not None else _written()
    seed = CORE_SEED if order.fresh is None else fresh_seed(order.fresh)
    folder = order.output or (data_dir() if written else Path(f"fresh-{order.fresh}"))
    work = folder / ".unfinished"
    core = build_core(written, seed, order.workers, work, tick)
    found = core.verify()
    _insist(found)
    if found.skipped:
        raise InputError(f"core is not written unverified: {found.skipped[0]} ({len(found.skipped)} mirrors).")
    version = (data_dir() / "core" / "VERSION").read_text(encoding="utf-8").strip()
    write_core(core, folder, version if written else f"{version}-fresh{order.fresh}")
    rmtree(work, ignore_errors=True)
    return {
        "folder": str(folder),
        "rows": core.size(),
        "verified": found.pairs,
        "failed": 0,
        "files_sha256": _sha(folder),
    }


def _written() -> Path:
    folder = data_dir() / "written"
    if not folder.is_dir():
        raise InputError("The hand-written part of core is not in an installed package: build it in a checkout.")
    return folder


def _sha(folder: Path) -> str:
    """Of all files of a data folder's core and checks, by name."""
    digest = hashlib.sha256()
    for path in sorted([*(folder / "core").iterdir(), *(folder / "checks").iterdir()]):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def _mirrors(order: Order, tick: Tick) -> dict[str, Any]:
    output = order.output or Path(f"{order.name}-{order.seed}.jsonl")
    seed = training_seed(order.seed)
    mirrors = make(order.name, seed, order.total(), output, order.workers, tick, **_options(order))
    found = verify([replace(mirror, group=f"{order.name}-{n}") for n, mirror in enumerate(mirrors)])
    if found.failed:
        output.unlink()
    _insist(found)
    return {
        "output": str(output),
        "mirrors": len(mirrors),
        "moulds": len({mirror.source.get("mould") for mirror in mirrors}),
        "verified": found.pairs,
        "failed": 0,
        "skipped": len(found.skipped),
        "sha256": hashlib.sha256(output.read_bytes()).hexdigest(),
    }


def _options(order: Order) -> dict[str, Any]:
    """Of pink elephants: the material kept for training, or another backend, which thinks up its own."""
    if order.name != "pink":
        return {}
    if order.backend == "template":
        return {"pool": "train"}
    if not order.llm:
        raise InputError("Which model shall the endpoint use? Pass --llm with its name there.")
    from rewardbench.builders.templates.pink.backends import OpenAIBackend

    return {"backend": OpenAIBackend(order.backend, order.llm)}


def _study(order: Order) -> dict[str, Any]:
    """Sibling states of a tree search as preference rows, labelled by what the search believes, or by the truth."""
    from rewardbench.builders.templates.knapsack.search import label_agreement, study

    rows = study(seed=order.seed, instances=order.count or 200, label=order.label or "exact")
    output = order.output or Path(f"knapsack-{order.label}-{order.seed}.jsonl")
    write_whole(output, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    doubt = {} if order.label == "exact" else {"warning": "labels of a search, not of the exact solver: for study only"}
    return {
        **doubt,
        "output": str(output),
        "rows": len(rows),
        "label": order.label,
        "label_agreement_exact": f"{label_agreement(rows):.4f}",
        "sha256": hashlib.sha256(output.read_bytes()).hexdigest(),
    }


def _insist(found: Verified) -> None:
    """A builder's mirror that its own verifier refuses is our fault, and is never written."""
    if found.failed:
        raise RuntimeError(f"{len(found.failed)} cells fail their check, the first: {found.failed[0]}")
