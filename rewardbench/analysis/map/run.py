"""Run a map: load its parts, search, and write the archive and the elites to read."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from rewardbench.analysis.map.cells import CellClassifier, JudgeClassifier, RewardClassifier, RuleClassifier
from rewardbench.analysis.map.domains import Domain, load_domain
from rewardbench.analysis.map.endpoint import PREFIX, ChatEndpoint
from rewardbench.analysis.map.fitness import PLANTED, Fitness, ModelReward, PlantedReward
from rewardbench.analysis.map.generators import load_generator
from rewardbench.analysis.map.journal import FILE_NAME, MapJournal, source_hash
from rewardbench.analysis.map.search import (
    STRATEGIES,
    MapProblem,
    MapSearch,
    SearchBudget,
    SearchResult,
    Strategy,
    make_archive,
)
from rewardbench.analysis.map.summary import MapRun, MapSummary, elite_rows
from rewardbench.analysis.options import OptionHelp
from rewardbench.console.progress import StepBar
from rewardbench.console.terminal import make_console, printable_text
from rewardbench.errors import InputError
from rewardbench.paths import home_path, write_whole
from rewardbench.scoring import open_scorer
from rewardbench.settings import ModelSpec


@dataclass(frozen=True)
class MapOptions:
    """Options of a map."""

    model: ModelSpec | None = None
    """The reward model; its name `planted` is a reward with known weights."""
    domain: Annotated[str, OptionHelp("poems, answers, or a TOML file with attributes, requests and rules")] = "poems"
    generator: Annotated[
        str, OptionHelp("What writes the texts: template (offline), hf:FOLDER, or openai:URL#MODEL")
    ] = "template"
    cells: Annotated[
        str, OptionHelp("What assigns texts to cells: rules, model (the reward model), or openai:URL#MODEL (a judge)")
    ] = "rules"
    iterations: Annotated[int, OptionHelp("Number of texts per search", min=1)] = 2500
    step_size: Annotated[int, OptionHelp("Number of texts generated and scored per step", min=1)] = 50
    explore: Annotated[float, OptionHelp("Share of mutations that target another cell", min=0, max=1)] = 0.3
    temperature: Annotated[float, OptionHelp("Sampling temperature of a language model", min=0)] = 0.9
    generation_batch: Annotated[int, OptionHelp("Batch size of a local language model", min=1)] = 16
    runs: Annotated[int, OptionHelp("Number of independent runs; 2 or more give an interval", min=1)] = 1
    seed: Annotated[int, OptionHelp("Random seed", min=0)] = 0
    offset: Annotated[
        float | None, OptionHelp("Reward that counts as 0 in QD scores; default: the lowest reward of the run")
    ] = None
    skip_controls: Annotated[bool, OptionHelp("Skip the two control searches, which triple the cost")] = False
    run_dir: Annotated[str, OptionHelp("Folder with a subfolder per run: journal (to resume), archive and elites")] = (
        "analysis/map"
    )
    archive: Annotated[Literal["jsonl", "parquet"], OptionHelp("Format of the archive")] = "jsonl"


@dataclass(frozen=True)
class FinishedMap:
    """A finished map.

    Attributes:
        summary: its figures.
        model: name of the reward model.
        folder: where its files are.
        source: what its texts, cells and rewards depend on.
    """

    summary: MapSummary
    model: str
    folder: Path
    source: Mapping[str, object]


def run_map(options: MapOptions) -> FinishedMap:
    """Run a map, or continue an interrupted one.

    Raises:
        InputError: if an option is not valid, or a part cannot be loaded.
    """
    if options.model is None:
        raise InputError(f"Name a reward model: --model FOLDER, or --model {PLANTED} for a reward with known weights.")
    domain = load_domain(options.domain)
    make_archive(domain)  # pyribs takes seconds to import, and may be missing
    fitness, classifier = _load_scoring(domain, options.model, options.cells, options.seed)
    generator = load_generator(options.generator, domain, options.temperature, options.generation_batch)
    key: dict[str, object] = {
        "domain": domain.digest,
        "generator": generator.identity,
        "cells": classifier.identity,
        "fitness": fitness.identity,
        "code": source_hash(),
        "generation_batch": options.generation_batch,
    }
    for name in ("iterations", "step_size", "explore", "runs", "seed"):
        key[name] = getattr(options, name)
    key = json.loads(json.dumps(key, default=str))  # tuples as lists
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:8]
    folder = home_path(options.run_dir) / digest
    journal = MapJournal(folder / FILE_NAME, key)
    problem = MapProblem(domain, generator, classifier, fitness)
    budget = SearchBudget(options.iterations, options.step_size, options.explore)
    strategies = STRATEGIES[:1] if options.skip_controls else STRATEGIES
    runs = search_all(problem, budget, strategies, (options.seed, options.runs), journal)
    summary = summarise(problem, runs, budget, options.offset)
    _write_files(folder, summary, options.archive)
    name = options.model.model
    label = Path(name).name if home_path(name).is_dir() else name
    return FinishedMap(summary, label, folder, {"model": name, **key})


def _load_scoring(domain: Domain, model: ModelSpec, cells: str, seed: int) -> tuple[Fitness, CellClassifier]:
    """Load the fitness, and the classifier of cells.

    Raises:
        InputError: if there is no such classifier, or the model cannot be loaded.
    """
    is_planted = model.model == PLANTED
    if cells not in ("rules", "model") and not cells.startswith(PREFIX):
        raise InputError(f"There are no cells by {cells!r}: name rules, model or openai:URL#MODEL.")
    if cells == "model" and is_planted:
        raise InputError("The planted reward does not read cells: leave out --cells model.")
    scorer = None if is_planted else open_scorer(model)
    fitness: Fitness = PlantedReward(domain, seed) if scorer is None else ModelReward(domain, scorer)
    if cells == "model" and scorer is not None:
        return fitness, RewardClassifier(domain, scorer)
    if cells.startswith(PREFIX):
        return fitness, JudgeClassifier(domain, ChatEndpoint(cells))
    return fitness, RuleClassifier(domain)


def search_all(
    problem: MapProblem,
    budget: SearchBudget,
    strategies: Sequence[Strategy],
    seeds: tuple[int, int],
    journal: MapJournal,
) -> list[MapRun]:
    """Run all searches, with a progress bar.

    Args:
        problem: what is searched.
        budget: of each search.
        strategies: MAP-Elites first.
        seeds: the seed, and the number of runs.
        journal: where finished steps are looked up and kept.
    """
    seed, count = seeds
    runs: list[MapRun] = []
    with StepBar("map", budget.iterations * len(strategies) * count, make_console(stderr=True)) as bar:
        for number in range(count):
            run: dict[Strategy, SearchResult] = {}
            for strategy in strategies:
                run[strategy] = MapSearch(problem, strategy, budget, (seed, number), journal).run(bar)
            runs.append(run)
    return runs


def summarise(
    problem: MapProblem, runs: Sequence[MapRun], budget: SearchBudget, offset: float | None = None
) -> MapSummary:
    """Return the figures of runs.

    Args:
        problem: what was searched.
        runs: of the same seeds of fitness.
        budget: of each search.
        offset: reward that counts as 0; None: the smallest possible one, or else the lowest of all texts.
    """
    if offset is None:
        offset = problem.fitness.floor
    if offset is None:
        lowest = min(result.lowest for run in runs for result in run.values())
        offset = lowest if lowest < float("inf") else 0.0
    return MapSummary(problem.domain, runs, [offset] * len(runs), budget.step_size)


def _write_files(folder: Path, summary: MapSummary, archive: str) -> None:
    """Write the archive, and the elites as a page to read."""
    rows: list[dict[str, object]] = []
    for number, run in enumerate(summary.runs):
        rows += elite_rows(summary.domain, run["map-elites"], number)
    if archive == "parquet":
        write_whole(folder / "archive.parquet", _to_parquet(rows))
    else:
        lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
        write_whole(folder / "archive.jsonl", "".join(lines))
    write_whole(folder / "elites.md", _to_page(summary.domain, rows))


def _to_parquet(rows: Sequence[Mapping[str, object]]) -> bytes:
    import pyarrow
    from pyarrow import parquet

    buffer = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(rows), buffer)
    return buffer.getvalue()


def _to_page(domain: Domain, rows: Sequence[Mapping[str, object]]) -> str:
    """Return the elites as Markdown; a text is an indented block, in which nothing is markup."""
    parts = [f"# {domain.content.title}: the text with the highest reward of each cell\n"]
    for row in rows:
        heading = f"## {row[domain.rows.name]}, {row[domain.columns.name]}: {row['reward']:.3f} (run {row['run']})\n"
        lines = printable_text(str(row["text"])).splitlines()
        parts += [heading, "\n".join(f"    {line}" for line in lines) + "\n"]
    return "\n".join(parts)
