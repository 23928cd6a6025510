"""Evaluate a model on a suite: `evaluate` for Python users, `run` and `run_and_store` for commands."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, Unpack

from rich.console import Console

from rewardbench.console.progress import ScoringBar
from rewardbench.console.terminal import make_console
from rewardbench.engine.backends.base import Workers
from rewardbench.engine.backends.inline import Inline
from rewardbench.engine.backends.pool import Pool
from rewardbench.engine.backends.torchrun import Ranks, is_first, launch
from rewardbench.engine.cache import Cache
from rewardbench.engine.loop import WINDOW, ScoringRun, score
from rewardbench.engine.views import check_any_scored, check_view
from rewardbench.errors import InputError
from rewardbench.manifest import build_manifest
from rewardbench.metrics import credit, gap, margin_by_rule, rule_of, with_threshold
from rewardbench.paths import path_as_text
from rewardbench.results import assemble, why_unscored, with_calibration
from rewardbench.results.judges import protocol_of
from rewardbench.results.scored import ModelScores
from rewardbench.scorers import load_scorer
from rewardbench.scorers.in_memory import name_of, scorer_of
from rewardbench.settings import Data, EvaluateOptions, Model, ModelSpec, Settings, sort_options, with_options
from rewardbench.store import LocalStore, open_store
from rewardbench.store.local import reject_model_name
from rewardbench.suites import load_inputs, suite_of_rows
from rewardbench.suites.fresh import FRESH_SUITES, load_fresh_draw
from rewardbench.suites.in_memory import read_in_memory
from rewardbench.types import Estimate, Item, ItemScores, Result, Rule, Scorer, Suite

if TYPE_CHECKING:
    import pandas

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, repr=False)
class Evaluation(Result):
    """The result of `evaluate`: a Result with the data it was computed on."""

    data: Suite

    def to_pandas(self) -> pandas.DataFrame:
        """Return a DataFrame with one row per item.

        Returns:
            Columns: id, subset, section, prompt (messages), completions (a list of messages for each), scores (one per
            completion), margin (lowest score of a correct completion minus the highest of a wrong one), credit (0 to 1;
            NaN without a preference) and reason (why a score is missing; None if none is). Of pairwise scorers also
            order_inconsistency, of judges also position_bias.
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
                "margin": margin_by_rule(item, scored, rule) if item.is_labelled else float("nan"),
                "credit": credit(item, scored.scores, rule, scored.step_scores),
                "reason": scored.reason or why_unscored(scored.scores),
            }
            optional = {"order_inconsistency": self.order_inconsistency, "position_bias": self.biases}
            row |= {name: getattr(scored, name) for name, estimate in optional.items() if estimate}
            rows.append(row)
        return pandas.DataFrame(rows)

    def to_model_scores(self) -> ModelScores:
        """Return the scores with their items, for `compare`."""
        fingerprint, protocol = str(self.manifest.get("fingerprint_sha256") or ""), protocol_of(self.manifest)
        scores = ModelScores(self.model, self.data, self.items, Path(self.model), fingerprint)
        return replace(scores, model_type=self.model_type, protocol=protocol)

    def save(self, folder: str | os.PathLike[str] = "results/") -> str:
        """Write the files that the command writes to --output_dir.

        Args:
            folder: folder of results, which is created if needed.

        Returns:
            The path of the summary (.json).

        Raises:
            InputError: if the folder cannot be written.
        """
        return LocalStore(os.fspath(folder)).put(self, self.data)


@with_options(ModelSpec, Settings)
def evaluate(model: Model, dataset: Data = "core", **options: Unpack[EvaluateOptions]) -> Evaluation:
    """Score a reward model on preference data.

    Args:
        model: name of an embedded model (tiny-rm, tiny-dpo) or baseline (baseline/longest, ...), a folder or a Hub id;
            or a model in memory: (model, tokenizer) of a sequence classifier, a scorer, or a function that takes
            a prompt and a completion as text and returns a number.
        dataset: core, the name of another suite, a file, a folder or a Hub id; or data in memory: a list of dicts, a
            DataFrame or a `datasets.Dataset`.
        ref_model: reference model of a DPO policy.
        ref_free_type: score a policy without a reference: by sum, avg (mean) or norm (length-normalized) of log-probs.
        revision: revision of the model on the Hub.
        ref_revision: revision of the reference model on the Hub.
        tokenizer: Hub id or folder of the tokenizer; None is the model's.
        chat_template: name of a fastchat template, raw, or tokenizer (its own template).
        max_length: maximum tokens per text; None is the model's limit.
        truncation_side: side on which longer texts are truncated.
        dtype: dtype of the weights: auto (the checkpoint's; float32 on a CPU), float16, bfloat16, float32 or float64.
        attn_implementation: eager, sdpa or flash_attention_2; None is the model's default.
        compile: compile the model's layers (torch.compile).
        device: cpu, cuda, cuda:1 or mps; None is the best available.
        device_map: how a model is spread over several devices: auto, balanced, balanced_low_0 or sequential.
        max_memory: memory limits of devices for `device_map`, such as 0=20GiB,cpu=64GiB.
        load_in_8bit: quantise the weights to 8 bits (bitsandbytes).
        load_in_4bit: quantise the weights to 4 bits (bitsandbytes, NF4).
        trust_remote_code: allow code from the model's repository to run.
        allow_pickle: read pickles (.bin, .pt) where there are no safetensors files, and accept only tensors from them.
        label: output of a classifier with several labels that is the score, by its name or index.
        adapter: head spec of the model, its name or a YAML or Python file; None recognises it by the tensors.
        step_aggregation: how scores of steps become one: min, product, last or mean; None is the head spec's.
        beta: scale of the DPO reward.
        seed: random seed of baseline/random.
        judge: how the model judges, if it is a language model that judges.
        server: server and HTTP dialect of a reward model that runs elsewhere.
        split: split of the dataset.
        subset: only this subset, or this configuration of the dataset.
        dataset_revision: revision of the dataset on the Hub.
        protocol: suite whose columns and rules apply to `dataset`, a copy of its data.
        pairs: how several scored completions of a prompt become items; None is best-worst.
        scores_only: score the column `messages`, without preferences.
        load_json: read `dataset` as JSON, whatever its file name.
        limit: score only the first items.
        fresh: seed of newly generated mirrors; on the command line only.
        batch_size: maximum texts per batch; does not change scores.
        batch_tokens: maximum padded tokens per batch; None is measured. Does not change scores.
        num_processes: number of worker processes; does not change scores.
        cache: read scores from the local cache, and write them to it.
        step_threshold: score below which a labelled step counts as wrong, by a process reward model; None is 0.5.
        calibration: measure the calibration of the margins: temperature, calibration errors and their noise floor.

    Returns:
        An Evaluation: `.score` with its interval, `.items`, `.to_pandas()`, and `.save(folder)` as the command does.

    Raises:
        InputError: for bad input, with a one-line message.

    >>> evaluate("baseline/longest", [{"prompt": "1 + 1?", "chosen": "It is 2.", "rejected": "3"}]).score.value
    1.0
    """
    return _evaluate(model, dataset, options)


def _evaluate(model: Model, dataset: Data, options: Mapping[str, object]) -> Evaluation:
    model_options, run_options = sort_options(options, ModelSpec, Settings)
    model, dataset = path_as_text(model), path_as_text(dataset)
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


def _suite_in_memory(data: object, settings: Settings) -> Suite:
    """Build a suite from rows in memory.

    Raises:
        InputError: if options for files are set, or no row can be scored.
    """
    if settings.dataset_revision or settings.load_json:
        raise InputError("Data in memory has no revision and no file: leave out dataset_revision and load_json.")
    return suite_of_rows(
        read_in_memory(data, settings.split),
        subset=settings.subset,
        limit=settings.limit,
        protocol=settings.protocol,
        scores_only=settings.scores_only,
        pairs=settings.pairs,
    )


WINDOW_OF_TEXTS = 2_000
"""Items of a window of `score_dataset`: fewer than in an evaluation, so that little is in memory at a time."""
SCORED, UNSCORED = ItemScores("", ()), ItemScores("", (), reason="unscored")
"""What `score_dataset` keeps of an item."""

Sink = Callable[[Item, ItemScores, Rule], None]
"""Receives a scored item with the texts that the model read, and the rule of its subset."""


def run(
    settings: Settings,
    console: Console | None = None,
    fresh_draw: Path | None = None,
    sink: Sink | None = None,
    *,
    suite: Suite | None = None,
    scorer: Scorer | None = None,
    loaded: Scorer | None = None,
) -> tuple[Result, Suite]:
    """Load, score, and summarise.

    Args:
        settings: the run.
        console: where the progress bar is drawn; stderr by default.
        fresh_draw: folder of the draw whose seed the settings name.
        sink: called with every scored item, which has its rendered texts; items of the result have none.
        suite: data in memory, instead of the data that the settings name.
        scorer: a model in memory, instead of the model that the settings name.
        loaded: the model that the settings name, if it is loaded already.

    Returns:
        The result, and the suite it was computed on.

    Raises:
        InputError: for bad input, or if no item could be scored.
    """
    workers = _choose_workers(settings)
    in_memory = [name for name, value in (("dataset", suite), ("model", scorer)) if value is not None]
    suite = suite or load_inputs(
        settings, limit=settings.limit, scores_only=settings.scores_only, as_json=settings.load_json
    )
    fresh = load_fresh_draw(settings, suite, fresh_draw)
    suite = with_threshold(suite, settings.step_threshold)
    scorer = scorer or loaded or load_scorer(settings.model, settings.cache)
    check_view(suite, scorer.view, scorer.name)

    def keep(item: Item, item_scores: ItemScores) -> ItemScores:
        if sink is None:
            return item_scores
        sink(item, item_scores, rule_of(suite, item.subset))
        return replace(item_scores, texts=(), answers=())

    scored = _score(suite, scorer, settings, workers, console, keep)
    check_any_scored(suite, scored.items, scorer.name, scorer.report().notes if settings.model.judge else ())
    record = build_manifest(settings, suite, scorer, scored, in_memory)
    fresh_gap: tuple[Estimate, ...] = ()
    if fresh:
        fresh_gap = gap(
            suite,
            scored.items,
            fresh,
            _score(fresh, scorer, settings, workers, console, lambda _, item_scores: item_scores).items,
        )
        record["fresh"] = fresh.revision
    result = assemble(suite, scorer.name, scorer.model_type, scored.items, record, fresh_gap)
    if settings.calibration:
        result = with_calibration(result, suite)
    return result, suite


def score_dataset(settings: Settings, sink: Sink, suite: Suite, console: Console | None = None) -> list[str]:
    """Score the completions of a dataset, without counting preferences.

    Args:
        settings: the model.
        sink: called with every scored item, in the order of the dataset.
        suite: the dataset.
        console: where the progress bar is drawn; stderr by default.

    Returns:
        Notes on the data, the model and the texts, one sentence each.

    Raises:
        InputError: for bad input, or if no item could be scored.
    """
    workers = _choose_workers(settings)
    scorer = load_scorer(settings.model, settings.cache)

    def keep(item: Item, item_scores: ItemScores) -> ItemScores:
        """Pass the scores on; keep those of the first item, and of others only whether there are any."""
        if is_first():
            sink(item, item_scores, rule_of(suite, item.subset))
        if item.id == first_id:
            return replace(item_scores, texts=())
        return SCORED if item_scores.reason is None else UNSCORED

    first_id = suite.items[0].id
    scored = _score(suite, scorer, settings, workers, console, keep, WINDOW_OF_TEXTS)
    check_any_scored(suite, scored.items, scorer.name)
    return [*([suite.note] if suite.note else []), *scored.notes, *scorer.report().notes]


def run_and_store(settings: Settings, folder: str, console: Console | None = None) -> tuple[Result, str] | None:
    """Run on one suite as `run_suites` does; return None in a process of torchrun other than rank 0."""
    return next(run_suites([settings], folder, console), None)


def run_suites(
    runs: Sequence[Settings],
    folder: str,
    console: Console | None = None,
    draw_fresh: Callable[[str, int], Path] | None = None,
) -> Iterator[tuple[Result, str]]:
    """Run one model on one or several suites, and store each result in a folder.

    The model is loaded once; a judge or a model behind a server is connected once per suite, to count its requests.

    Args:
        runs: settings of each run, which differ in the data only.
        folder: folder of results; a Hub dataset is rejected.
        console: where the progress bar is drawn; stderr by default.
        draw_fresh: returns the folder of a fresh draw, by the name of the suite and the seed.

    Yields:
        Each result and the path of its summary; nothing in a process of torchrun other than rank 0.

    Raises:
        InputError: for bad input, and before scoring if the folder cannot be written.
    """
    store = open_store(folder)
    if not isinstance(store, LocalStore):
        raise InputError(
            f"A run writes to a folder, not to {folder}: pass a local --output_dir, then rewardbench submit."
        )
    model, loaded = runs[0].model, None
    reject_model_name(model.model)
    _choose_workers(runs[0])
    if len(runs) > 1 and not (model.judge or model.server):
        loaded = load_scorer(model, runs[0].cache)
    for settings in runs:
        fresh = None
        if draw_fresh and settings.fresh is not None and settings.dataset in FRESH_SUITES:
            fresh = draw_fresh(settings.dataset, settings.fresh)
        with store.draft() as draft:
            result, suite = run(settings, console, fresh, draft.add, loaded=loaded)
            path = store.put(result, suite, draft) if is_first() else ""
        if path:
            yield result, path


def _score(
    suite: Suite,
    scorer: Scorer,
    settings: Settings,
    workers: Workers,
    console: Console | None,
    keep: Callable[[Item, ItemScores], ItemScores],
    window: int = WINDOW,
) -> ScoringRun:
    """Score all items of a suite, with a progress bar; `keep` returns what stays in memory of each."""
    with (
        Cache() if settings.cache and is_first() else nullcontext() as cache,
        ScoringBar(console or make_console(stderr=True), scorer.status) as bar,
    ):
        return score(
            suite.items,
            scorer,
            bar,
            batch_tokens=settings.batch_tokens,
            batch_size=settings.batch_size,
            cache=cache,
            workers=workers,
            keep=keep,
            noise=True,
            window=min(window, WINDOW_OF_TEXTS) if scorer.traits.max_in_flight > 1 else window,
        )


def _choose_workers(settings: Settings) -> Workers:
    """Return the processes that score: the ranks of torchrun or accelerate, a pool, or this process.

    Ranks connect here, before anything is loaded, so that all end if one fails later.

    Raises:
        InputError: for several processes of a model behind a server, or of a judge without a cache.
    """
    launched, model = launch(), settings.model
    count = launched.size if launched else settings.num_processes or 1
    if count == 1:
        return Inline()
    if model.server or (model.judge and model.judge.endpoint):
        raise InputError(
            f"{model.model} is behind a server, which one process calls: leave out --num_processes, and torchrun."
        )
    if model.judge and not settings.cache:
        raise InputError("The processes of a judge share its answers in the cache: enable it, or use one process.")
    return Ranks(launched) if launched else Pool(count, partial(load_scorer, model, settings.cache))
