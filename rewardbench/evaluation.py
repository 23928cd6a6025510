"""Evaluate a model on a suite: what the command line and Python users call."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from rich.console import Console

from rewardbench.console.progress import Bar
from rewardbench.console.terminal import make_console
from rewardbench.engine.backends.pool import Alone, Pool, Workers
from rewardbench.engine.backends.torchrun import Ranks, is_first, launch
from rewardbench.engine.cache import Cache
from rewardbench.engine.loop import Run, score
from rewardbench.errors import InputError
from rewardbench.manifest import manifest
from rewardbench.metrics import credit, gap, margin, rule_of
from rewardbench.paths import home_path
from rewardbench.results import assemble, why_unscored
from rewardbench.scorers import load_scorer
from rewardbench.scorers.in_memory import name_of, scorer_of
from rewardbench.settings import Data, EvaluateOptions, Model, ModelSpec, Settings, read_options, with_options
from rewardbench.store import LocalStore, open_store
from rewardbench.store.local import reject_model_name
from rewardbench.suites import load_inputs, load_suite, suite_of_rows
from rewardbench.suites.in_memory import read_rows
from rewardbench.types import Item, ItemScores, Result, Rule, Scorer, Suite

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True, kw_only=True, repr=False)
class Evaluation(Result):
    """A Result with the data it was computed on, as `evaluate` returns it."""

    data: Suite

    def to_pandas(self) -> pandas.DataFrame:
        """Return a DataFrame with one row per item.

        Its columns: id, subset, section, prompt (messages), completions (a list of messages for each), scores (one per
        completion), margin (lowest score of a right completion less the highest of a wrong one), credit (from 0 to 1;
        NaN without a preference) and reason (why a score is missing; no value otherwise).
        """
        import pandas

        rows = []
        for item, scored in zip(self.data.items, self.items, strict=True):
            rule = rule_of(self.data, item.subset)
            row = {
                "id": item.id,
                "subset": item.subset,
                "section": rule.section,
                "prompt": list(item.prompt),
                "completions": [list(completion) for completion in item.completions],
                "scores": list(scored.scores),
                "margin": margin(item, scored.scores) if item.has_preference else float("nan"),
                "credit": credit(item, scored.scores, rule),
                "reason": scored.reason or why_unscored(scored.scores),
            }
            rows.append(row)
        return pandas.DataFrame(rows)

    def save(self, folder: str | os.PathLike[str] = "results/") -> str:
        """Write the files that the command writes to its --output_dir; return the path of the summary (.json).

        Raises: InputError if nothing can be written there.
        """
        return LocalStore(os.fspath(folder)).put(self, self.data)


def _evaluate(model: Any, dataset: Any, options: Mapping[str, Any]) -> Evaluation:
    model_options, run_options = read_options(options, ModelSpec, Settings)
    model, dataset = map(_path_as_text, (model, dataset))
    spec = ModelSpec(model if isinstance(model, str) else name_of(model), **model_options)
    settings = Settings(spec, dataset if isinstance(dataset, str) else "memory", **run_options)
    suite = None if isinstance(dataset, str) else _suite_in_memory(dataset, settings)
    if isinstance(model, str):
        return _with_data(*run(settings, suite=suite))
    if settings.cache or (settings.num_processes or 1) > 1:
        raise InputError("A model in memory has no cache and one process: leave out cache and num_processes.")
    with scorer_of(model, spec) as scorer:
        return _with_data(*run(settings, suite=suite, scorer=scorer))


def _with_data(result: Result, suite: Suite) -> Evaluation:
    return Evaluation(**vars(result), data=suite)


@with_options(ModelSpec, Settings)
def evaluate(model: Model, dataset: Data = "core", **options: Unpack[EvaluateOptions]) -> Evaluation:
    """Score a reward model on preference data.

    Args:
        model: an embedded name (tiny-rm, tiny-dpo), a baseline (baseline/longest, ...), a folder or a Hub id; or in
            memory: (model, tokenizer) of a classifier with one label, a scorer, or a function of a prompt and a
            completion, both text, that returns a number.
        dataset: core, the name of a published suite, a file, a folder or a Hub id; or in memory: a list of dicts, a
            DataFrame or a `datasets.Dataset`.
        ref_model: reference model of a DPO policy.
        ref_free_type: score a policy by its log-probabilities: their sum, mean per token, or length-normalised.
        revision: revision of the model on the Hub.
        ref_revision: revision of the reference model on the Hub.
        tokenizer: tokenizer, if not the model's own.
        chat_template: a fastchat name, raw, or tokenizer.
        max_length: maximum tokens per text; None is the model's own limit.
        truncation_side: side on which longer texts are cut.
        dtype: dtype of the weights: auto (the checkpoint's; float32 on a CPU), float16, bfloat16, float32 or float64.
        attn_implementation: attention kernel: eager, sdpa or flash_attention_2.
        compile: compile the model's layers (torch.compile).
        device: cpu, cuda, cuda:1, mps; None is the best that there is.
        trust_remote_code: run code of the model's repository.
        beta: scale of the DPO reward.
        seed: random seed of baseline/random.
        split: split of the data.
        subset: one subset, or one configuration of the data.
        dataset_revision: revision of the data on the Hub.
        protocol: the suite as which a local copy is read and counted.
        pairs: items built from a prompt with several scored completions; None is its best against its worst.
        scores_only: score `messages`, without a preference (--prioritize_scoring).
        load_json: read the dataset as JSON, whatever its name.
        limit: score only so many items, the first ones.
        fresh: seed of a fresh draw of core; on the command line only.
        batch_size: maximum texts per batch; does not change scores.
        batch_tokens: maximum padded tokens per batch; None is measured. Does not change scores.
        num_processes: number of worker processes; does not change scores.
        cache: read scores from and write them to the local cache.

    Returns: an Evaluation; `.score` is the headline with its 95 % interval, `.items` the scores, `.to_pandas()` a
        DataFrame, and `.save(folder)` writes what the command writes.

    Raises: InputError, in one sentence, for bad input.
    """
    return _evaluate(model, dataset, options)


def _path_as_text(name: Any) -> Any:
    """Return a path as text, with its `~` expanded; anything else unchanged."""
    is_home = isinstance(name, str) and name.startswith("~")
    return str(home_path(name)) if is_home or isinstance(name, os.PathLike) else name


def _suite_in_memory(data: Any, settings: Settings) -> Suite:
    if settings.dataset_revision or settings.load_json:
        raise InputError("Data in memory has no revision and is no file: leave out dataset_revision and load_json.")
    return suite_of_rows(
        read_rows(data, settings.split),
        subset=settings.subset,
        limit=settings.limit,
        protocol=settings.protocol,
        scores_only=settings.scores_only,
        pairs=settings.pairs,
    )


Sink = Callable[[Item, ItemScores, Rule], None]


def run(
    settings: Settings,
    console: Console | None = None,
    fresh_draw: Path | None = None,
    sink: Sink | None = None,
    *,
    suite: Suite | None = None,
    scorer: Scorer | None = None,
) -> tuple[Result, Suite]:
    """Load, score, and summarise.

    Args:
        settings: the run.
        console: where the progress bar is drawn; stderr by default.
        fresh_draw: folder of the draw whose seed the settings name.
        sink: called with every scored item; it gets the texts that the model read, and the result holds none.
        suite: data in memory, in place of what the settings name.
        scorer: a model in memory, in place of what the settings name.

    Returns: the result, and the suite it was computed on.

    Raises: InputError for bad input, or if no item could be scored.
    """
    workers = _workers(settings)
    in_memory = [name for name, value in (("dataset", suite), ("model", scorer)) if value is not None]
    suite = suite or load_inputs(
        settings, limit=settings.limit, scores_only=settings.scores_only, as_json=settings.load_json
    )
    fresh = _fresh(settings, suite, fresh_draw)
    scorer = scorer or load_scorer(settings.model)
    scored = _score(suite, scorer, settings, workers, console, sink)
    _refuse_nothing(scored, suite, scorer)
    fresh_gap = (
        gap(suite, scored.items, fresh, _score(fresh, scorer, settings, workers, console).items) if fresh else ()
    )
    record = manifest(settings, suite, scorer, scored, in_memory) | ({"fresh": fresh.revision} if fresh else {})
    result = assemble(suite, scorer.name, scorer.model_type, scored.items, record, fresh_gap)
    return result, suite


def run_and_keep(
    settings: Settings, folder: str, console: Console | None = None, fresh_draw: Path | None = None
) -> tuple[Result, str] | None:
    """Run, and store the result in a folder.

    Returns: the result and its path; None in a process that only helps another.

    Raises: InputError for bad input, and before scoring if the folder cannot be written.
    """
    store = open_store(folder)
    if not isinstance(store, LocalStore):
        raise InputError(
            f"A run writes to a folder, not to {folder}: pass a local --output_dir, then rewardbench submit."
        )
    reject_model_name(settings.model.model)
    _workers(settings)
    with store.draft() as draft:
        result, suite = run(settings, console, fresh_draw, draft.add)
        return (result, store.put(result, suite, draft)) if is_first() else None


def _fresh(settings: Settings, suite: Suite, folder: Path | None) -> Suite | None:
    if settings.fresh is None:
        return None
    if folder is None:
        raise InputError("A fresh draw needs its folder: use the command line, or pass run() what fresh_draw() gives.")
    if suite.name != "core" or settings.protocol or "+" in suite.revision.partition("+")[2]:
        raise InputError("A fresh draw is compared with the whole of core: leave out --split, --subset and --limit.")
    return load_suite(str(folder), protocol="core")


def _score(
    suite: Suite,
    scorer: Scorer,
    settings: Settings,
    workers: Workers,
    console: Console | None,
    sink: Sink | None = None,
) -> Run:
    def keep(item: Item, found: ItemScores) -> ItemScores:
        if sink is None:
            return found
        sink(item, found, rule_of(suite, item.subset))
        return replace(found, texts=())

    options: dict[str, Any] = {"batch_tokens": settings.batch_tokens, "batch_size": settings.batch_size}
    with (
        Cache() if settings.cache and is_first() else nullcontext() as cache,
        Bar(console or make_console(stderr=True)) as bar,
    ):
        return score(suite.items, scorer, bar, **options, cache=cache, workers=workers, keep=keep, noise=True)


def _workers(settings: Settings) -> Workers:
    """Return the ranks that torchrun or accelerate has started, a pool that was asked for, or this process alone.

    Ranks meet here, before anything is loaded: where one fails later, the others hear of it.
    """
    launched = launch()
    if launched:
        return Ranks(launched)
    if settings.num_processes and settings.num_processes > 1:
        return Pool(settings.num_processes, partial(load_scorer, settings.model))
    return Alone()


def _refuse_nothing(scored: Run, suite: Suite, scorer: Scorer) -> None:
    if any(item.reason is None for item in scored.items):
        return
    first = scored.items[0]
    hint = f" {scorer.name} has broken weights, or overflows in this dtype: try --torch_dtype float32."
    raise InputError(
        f"None of the {len(scored.items)} items of {suite.name} could be scored; the first, {first.id}: "
        f"{str(first.reason).rstrip('.')}.{hint if any(first.tokens) else ''}"
    )
