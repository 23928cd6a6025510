"""What is done already: the results in the store, by the fingerprint of the model and the revision of the suite.

A fingerprint is known when a model is loaded. To find finished rows without loading it, the fingerprint is remembered
by what it follows from: the options, the commit or the files of the model, the libraries and the device.
"""

from __future__ import annotations

import shlex
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from rewardbench import results
from rewardbench.engine.cache import default_path
from rewardbench.errors import InputError
from rewardbench.manifest import format_command
from rewardbench.models.devices import pick_device
from rewardbench.models.fingerprint import digest, versions
from rewardbench.paths import entry_points, home_path, write_whole
from rewardbench.results.types import SummaryJson
from rewardbench.scorers import load_scorer
from rewardbench.scorers.base import BaseScorer
from rewardbench.scorers.heads.registry import GROUP
from rewardbench.settings import ModelSpec, Settings
from rewardbench.store.base import RunStore
from rewardbench.sweep.sources import RESOLVERS, has_files, source_state, sources_of
from rewardbench.types import Suite

FIGURE_FLAGS = ("--calibration", "--step_threshold", "--fresh")
"""Options that change the figures of a result, but no score."""


class StoredResults:
    """The results of a store, by what was scored."""

    def __init__(self, store: RunStore) -> None:
        self._summaries: dict[str, tuple[str, SummaryJson]] = {}
        for key in store.list():
            with suppress(InputError):  # deleted meanwhile
                self.add(str(store.path(key)), results.read_summary(store.path(key)))

    def add(self, path: str, summary: SummaryJson) -> None:
        """Add a result, with the path of its summary."""
        self._summaries[results.identity(summary)] = (path, summary)

    def find(self, settings: Settings, suite: Suite, fingerprint: str) -> tuple[str, SummaryJson] | None:
        """Return the path and the summary of the result of a row; None if there is none.

        Args:
            settings: settings of the row.
            suite: its suite.
            fingerprint: digest of the fingerprint of its model.
        """
        wanted = {"suite": suite.name, "revision": suite.revision, "model": settings.model.model}
        identity = results.identity({**wanted, "manifest": {"fingerprint_sha256": fingerprint}})  # type: ignore[typeddict-item]
        stored = self._summaries.get(identity)
        if stored is None or _figure_options(str(stored[1]["manifest"].get("command"))) != _figure_options(
            format_command(settings)
        ):
            return None
        return stored


def _figure_options(command: str) -> list[str]:
    """Return the options of a command that change figures, each with its value.

    >>> _figure_options("rewardbench --model m --step_threshold 0.4 --limit 3 --calibration")
    ['--step_threshold 0.4', '--calibration']
    """
    options: list[str] = []
    parts = shlex.split(command)
    for part, value in zip(parts, [*parts[1:], ""], strict=True):
        if part in FIGURE_FLAGS:
            options.append(f"{part} {value}".rstrip() if not value.startswith("--") else part)
    return options


class Fingerprints:
    """Digests of the fingerprints of models that were loaded on this machine, one small file for each."""

    def __init__(self) -> None:
        self._folder: Path = default_path().with_name("fingerprints")
        self._sources: dict[ModelSpec, str] = {}
        self._errors: dict[ModelSpec, InputError] = {}

    def resolve(self, specs: list[ModelSpec]) -> None:
        """Look up what the fingerprints of models follow from; the Hub is asked once for each repository."""
        with ThreadPoolExecutor(RESOLVERS) as executor:
            futures = {spec: executor.submit(describe_sources, spec) for spec in specs}
        for spec, future in futures.items():
            try:
                self._sources[spec] = future.result()
            except InputError as error:
                self._errors[spec] = error

    def read(self, spec: ModelSpec) -> str | None:
        """Return the digest of a model's fingerprint; None if it is known only when the model is loaded.

        Raises:
            InputError: if there is no such baseline, repository or revision.
        """
        if spec in self._errors:
            raise self._errors[spec]
        if spec.model.startswith("baseline/"):
            return digest(dict(load_scorer(spec).fingerprint))
        sources = self._sources.get(spec)
        if not sources:
            return None
        with suppress(OSError):
            return (self._folder / sources).read_text(encoding="utf-8") or None
        return None

    def remember(self, spec: ModelSpec, scorer: BaseScorer) -> str:
        """Keep the digest of a loaded model's fingerprint, and return it.

        That of an adapter is not kept, since its base may change, nor that of a policy whose weights are not loaded.
        """
        fingerprint = dict(scorer.fingerprint)
        value = digest(fingerprint)
        sources = self._sources.get(spec)
        if sources and "weights" in fingerprint and "adapter" not in fingerprint:
            with suppress(InputError):  # a folder that cannot be written: the model is loaded again next time
                write_whole(self._folder / sources, value)
        return value


def describe_sources(spec: ModelSpec) -> str:
    """Return a digest of everything from which a model's fingerprint follows; empty if it is not all known.

    Raises:
        InputError: if a repository or revision does not exist.
    """
    import torch

    if not has_files(spec) or spec.trust_remote_code:  # code may be that of another repository
        return ""
    states: list[str] = []
    for name, revision in sources_of(spec):
        states.append(source_state(name, revision))
    if not all(states):
        return ""
    adapter = home_path(spec.adapter) if spec.adapter else None
    head = adapter.read_text(encoding="utf-8") if adapter and adapter.is_file() else ""
    heads = [(point.name, point.value, point.dist and point.dist.version) for point in entry_points(GROUP)]
    machine = [pick_device(spec.device).type, torch.get_float32_matmul_precision()]
    return digest([asdict(spec), states, head, heads, machine, versions()])
