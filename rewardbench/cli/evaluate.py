"""Options of `rewardbench` without a command, and the run: score, store, push, print. Nothing is computed here."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Annotated

from rewardbench.cli import options
from rewardbench.cli.config import ConfigOptions
from rewardbench.cli.ensemble import EnsembleOptions, combine_results
from rewardbench.cli.judges import JudgeOptions
from rewardbench.cli.options import (
    DATA,
    DEPRECATED,
    HUB,
    MODEL,
    OUTPUT,
    BatchOptions,
    CountOption,
    DataOptions,
    ModelOptions,
    NameOption,
    RunOptions,
    SampleOptions,
    TextOption,
    flag,
)
from rewardbench.cli.process import set_up_scoring
from rewardbench.cli.ray import RayOptions
from rewardbench.cli.servers import ServerOptions
from rewardbench.console.terminal import echo, echo_json, make_console
from rewardbench.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rewardbench.settings import ModelSpec, Settings
    from rewardbench.types import Result

NO_EFFECT = {
    "wandb_run": "--report_to wandb logs the figures, to the project that WANDB_PROJECT names",
    "not_quantized": "weights are quantised only by --load_in_8bit or --load_in_4bit",
    "force_truncation": "texts over the length limit are always truncated",
    "save_all": "{model}_outputs.jsonl always contains the scores of every item",
}
"""Options of earlier versions that have no effect, with the reason."""

DEFAULT_DATASET_NOTE = (
    "Scoring on core, the embedded suite. For RewardBench, the default of earlier versions, pass "
    "--dataset allenai/reward-bench."
)

MODEL_HELP = "Hub id, folder, tiny-rm, tiny-dpo, or baseline/longest, baseline/shortest, baseline/random"
DATASET_HELP = (
    "core, core-style, core-hard, allenai/reward-bench, allenai/reward-bench-2, allenai/preference-test-sets, several "
    "separated by commas, or any Hub id, folder, jsonl, json, parquet or csv with preferences, or - for standard input"
)


@dataclass(frozen=True, kw_only=True)
class NameOptions:
    """Options that name the model."""

    model: Annotated[list[str] | None, flag(MODEL, "model", MODEL_HELP, metavar="<str>")] = None
    seed: Annotated[int, flag(MODEL, "seed", "Random seed of baseline/random")] = 0


@dataclass(frozen=True, kw_only=True)
class ItemOptions:
    """Options that name the data and select items."""

    dataset: Annotated[TextOption, flag(DATA, "dataset", DATASET_HELP)] = None
    load_json: Annotated[bool, flag(DATA, "load_json", "Read --dataset as JSON, whatever its file name")] = False
    prioritize_scoring: Annotated[
        bool, flag(DATA, "prioritize_scoring", "Only score the column `messages`, without preferences")
    ] = False
    fresh: Annotated[
        CountOption,
        flag(
            DATA,
            "fresh",
            "Also score newly generated mirrors with this seed, and report the difference (core suites)",
        ),
    ] = None
    step_threshold: Annotated[
        float | None,
        flag(DATA, "step_threshold", "Score below which a labelled step counts as wrong; default: 0.5"),
    ] = None
    calibration: Annotated[
        bool, flag(OUTPUT, "calibration", "Also measure the calibration of the margins, and store it")
    ] = False
    debug: Annotated[bool, flag(DATA, "debug", "Score only the first 10 items")] = False
    shard: Annotated[
        TextOption,
        flag(DATA, "shard", "Score only part i of n, such as 0/3 (or 0-1/3); rewardbench merge joins all parts"),
    ] = None

    def datasets(self) -> list[str]:
        """Return the datasets to score: one, or several suites whose names are separated by commas."""
        from rewardbench.suites.registry import find_spec

        dataset = "core" if self.dataset is None else self.dataset
        names = dataset.split(",")
        if len(names) == 1 or not all(map(find_spec, names)):
            return [dataset]
        if len(set(names)) < len(names):
            raise InputError(f"--dataset {dataset} names a suite twice.")
        return names


@dataclass(frozen=True, kw_only=True)
class OutputOptions:
    """Options for what is written and printed."""

    output_dir: Annotated[
        str, flag(OUTPUT, "output_dir", "Folder or bucket (s3://bucket/prefix) to which results are written")
    ] = "results/"
    name: NameOption = None
    report_to: Annotated[
        TextOption,
        flag(
            OUTPUT,
            "report_to",
            "Log the figures to wandb, tensorboard, trackio, mlflow, several separated by commas, or all (installed)",
        ),
    ] = None
    as_json: Annotated[bool, flag(OUTPUT, "json", "Print the result as JSON instead of a table")] = False
    version: Annotated[bool, flag(OUTPUT, "version", "Print the version")] = False


@dataclass(frozen=True, kw_only=True)
class HubOptions:
    """Options that push a result to the Hub."""

    push_results_to_hub: Annotated[
        bool, flag(HUB, "push_results_to_hub", "Push the scores to a dataset on the Hub")
    ] = False
    upload_model_metadata_to_hf: Annotated[
        bool, flag(HUB, "upload_model_metadata_to_hf", "Write the scores to the model card on the Hub")
    ] = False
    hf_entity: Annotated[
        TextOption, flag(HUB, "hf_entity", "User or organization of the dataset; default: your user name")
    ] = None
    hf_name: Annotated[TextOption, flag(HUB, "hf_name", "Name of the dataset; default: rewardbench-MODEL")] = None


@dataclass(frozen=True, kw_only=True)
class EarlierOptions:
    """Options of earlier versions, which have no effect."""

    not_quantized: Annotated[bool, flag(DEPRECATED, "not_quantized", NO_EFFECT["not_quantized"])] = False
    force_truncation: Annotated[bool, flag(DEPRECATED, "force_truncation", NO_EFFECT["force_truncation"])] = False
    save_all: Annotated[bool, flag(DEPRECATED, "save_all", NO_EFFECT["save_all"])] = False
    wandb_run: Annotated[TextOption, flag(DEPRECATED, "wandb_run", NO_EFFECT["wandb_run"])] = None


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """All options of `rewardbench` without a command."""

    name: NameOptions
    items: ItemOptions
    sample: SampleOptions
    batch: BatchOptions
    output: OutputOptions
    hub: HubOptions
    earlier: EarlierOptions
    judge: JudgeOptions
    ensemble: EnsembleOptions
    server: ServerOptions
    ray: RayOptions
    model: ModelOptions
    data: DataOptions
    run: RunOptions
    config: ConfigOptions

    def model_specs(self) -> list[ModelSpec]:
        """Return the model or the judge to be scored, or the members of an ensemble.

        Raises:
            InputError: if there is none, or a value is wrong.
        """
        judges, names = self.judge.names(), self.name.model or []
        if judges and names:
            raise InputError("--model and --judge exclude each other: pass one of them.")
        if not judges and not any(names):
            raise InputError("No model was given: pass --model NAME, for example --model tiny-rm.")
        if len(names) > 1 and not self.ensemble.ensemble:
            echo(f"Only the last of {len(names)} --model is scored: to combine them, pass --ensemble mean.", error=True)
            names = names[-1:]
        if judges:
            self.server.reject_for_judge()
        else:
            self.judge.reject_without_judge()
        self.ensemble.check_members(len(names) + len(judges))
        server = self.server.endpoint()
        specs: list[ModelSpec] = []
        for name in names or judges:
            spec = options.model_spec(name, self.model, self.run, self.name.seed)
            if judges:
                spec = replace(spec, judge=self.judge.judge_spec(name, self.data.protocol, server))
            else:
                spec = replace(spec, server=self.server.server_spec())
            specs.append(spec)
        return specs

    def settings(self, model: ModelSpec, dataset: str) -> Settings:
        """Build the settings of the run of a model on a dataset.

        Raises:
            InputError: if a value is wrong.
        """
        from rewardbench.settings import Settings

        data = replace(self.data, protocol=self.judge.data_protocol) if model.judge else self.data
        return Settings(
            model=model,
            dataset=dataset,
            **asdict(data),
            scores_only=self.items.prioritize_scoring,
            load_json=self.items.load_json,
            fresh=self.items.fresh,
            step_threshold=self.items.step_threshold,
            calibration=self.items.calibration,
            limit=self.sample.limit or (10 if self.items.debug else None),
            sample=self.sample.sample,
            sample_seed=self.sample.sample_seed,
            shard=self.items.shard,
            batch_size=self.batch.batch_size,
            batch_tokens=self.batch.batch_tokens,
            num_processes=self.batch.num_processes,
            engine="ray" if self.server.engine == "ray" else "local",
            **asdict(self.ray),
            cache=not self.batch.no_cache,
        )

    def runs(self, model: ModelSpec) -> list[Settings]:
        """Build the settings of the run on each dataset.

        Raises:
            InputError: if a value is wrong.
        """
        return [self.settings(model, dataset) for dataset in self.items.datasets()]


def evaluate_command(arguments: Arguments) -> None:
    """Score a model, a judge or an ensemble, and print the result.

    Raises:
        InputError: for options that are missing or wrong, and as `evaluation.run_and_store`.
    """
    for name, reason in NO_EFFECT.items():
        if getattr(arguments.earlier, name):
            echo(f"--{name} has no effect: {reason}.", error=True)
    specs = arguments.model_specs()
    if arguments.items.dataset is None:
        echo(DEFAULT_DATASET_NOTE, error=True)
    if arguments.items.shard is not None:
        _score_shards(arguments, specs)
    elif len(specs) == 1:
        _score(arguments, specs[0])
    else:
        _score_ensemble(arguments, specs)


def _score(arguments: Arguments, model: ModelSpec, is_member: bool = False) -> list[str]:
    """Score, store and print. Heavy libraries are first imported here.

    Args:
        arguments: of the command.
        model: the model.
        is_member: True for a member of an ensemble, whose result is not printed as JSON.

    Returns:
        The path of the result on each suite; none in a process of torchrun other than rank 0.
    """
    runs = arguments.runs(model)
    set_up_scoring(model.model)

    from rewardbench.evaluation import run_suites
    from rewardbench.results.report import print_result, to_json
    from rewardbench.results.trackers import log_results, parse_trackers

    trackers = parse_trackers(arguments.output.report_to)

    user = _hub_user(model.model, arguments.hub)
    as_json = arguments.output.as_json
    results: list[Result] = []
    paths: list[str] = []
    values: list[dict[str, object]] = []
    output = arguments.output
    for result, path in run_suites(runs, output.output_dir, make_console(stderr=True), draw_fresh, output.name):
        if not as_json and len(runs) == 1:  # before anything is pushed, which may fail
            print_result(result, make_console())
        if not as_json:
            echo(f"results={path}")
        pushed = _push(arguments.hub, result, path, user)
        if not as_json:
            for name, value in pushed.items():
                echo(f"{name}={value}")
        results.append(result)
        paths.append(path)
        values.append({**to_json(result), "results": path, **pushed})
    if results and not is_member:
        _print_together(results, values, as_json)
        log_results(trackers, results, output.output_dir, output.name and PurePath(paths[0]).stem)
    return paths


def _print_together(results: Sequence[Result], values: Sequence[dict[str, object]], as_json: bool) -> None:
    """Print the results as JSON, or those on several suites as one table."""
    from rewardbench.results.suites_report import print_suites

    if as_json:
        echo_json(values[0] if len(values) == 1 else {"suites": values})
    elif len(results) > 1:
        print_suites(results, make_console())


def _score_ensemble(arguments: Arguments, members: Sequence[ModelSpec]) -> None:
    """Score each model in turn and store its result; then store and print the result of their ensemble."""
    if arguments.hub.push_results_to_hub or arguments.hub.upload_model_metadata_to_hf:
        raise InputError("The results of several models are not pushed by one run: score and push each in its own run.")
    output, rule = arguments.output, arguments.ensemble
    if output.name or output.report_to:
        raise InputError("--name and --report_to are for one result, and an ensemble has one per member: leave it out.")
    if len(arguments.items.datasets()) > 1:
        raise InputError("An ensemble is scored on one suite at a time: pass a single --dataset.")
    paths: list[str] = []
    for member in members:
        paths += _score(arguments, member, is_member=True)
    if not paths:
        return
    combine_results(
        paths, rule.ensemble or "majority", rule.penalty, rule.standardize, None, output.output_dir, output.as_json
    )


def _score_shards(arguments: Arguments, models: Sequence[ModelSpec]) -> None:
    """Score a shard of each dataset, store it, and print what it has.

    Raises:
        InputError: if the options need a complete result.
    """
    if arguments.output.name or arguments.output.report_to:
        raise InputError("A shard has no result: pass --name to rewardbench merge, and log that result.")
    if len(models) > 1 or arguments.hub.push_results_to_hub or arguments.hub.upload_model_metadata_to_hf:
        raise InputError("A shard has no result: score one model, merge its shards, then combine or push the result.")
    runs = arguments.runs(models[0])
    set_up_scoring(models[0].model)

    from rewardbench.evaluation import score_shards

    shards: list[dict[str, object]] = []
    for file in score_shards(runs, arguments.output.output_dir, make_console(stderr=True), draw_fresh):
        header = file.header
        figures: dict[str, object] = {"suite": f"{header.suite}@{header.revision}", "shard": header.shard}
        figures |= {"items": header.items, "unscored": header.unscored, "tokens": header.counts.tokens}
        shards.append({**figures, "shard_file": str(file.path)})
        if not arguments.output.as_json:
            for name, value in shards[-1].items():
                echo(f"{name}={value}")
    if shards and arguments.output.as_json:
        echo_json(shards[0] if len(shards) == 1 else {"shards": shards})


def _hub_user(model: str, hub: HubOptions) -> str:
    """Return the user's name on the Hub if something is to be pushed, and check it before hours of scoring.

    Raises:
        InputError: if the user is not logged in, or may not write.
    """
    if not (hub.push_results_to_hub or hub.upload_model_metadata_to_hf):
        return ""
    from rewardbench.results.export import check_login

    return check_login(model, with_card=hub.upload_model_metadata_to_hf)


def _push(hub: HubOptions, result: Result, path: str, user: str) -> dict[str, str]:
    """Push the result as requested; return the addresses by name."""
    from rewardbench.results import export
    from rewardbench.results.remote import local_result

    pushed = {}
    if hub.push_results_to_hub:
        pushed["pushed"] = export.push_results(local_result(path), hub.hf_entity or user, hub.hf_name)
    if hub.upload_model_metadata_to_hf:
        pushed["card"] = export.write_card(result)
    return pushed


def draw_fresh(suite: str, seed: int) -> Path:
    """Return the folder of a fresh draw, built if needed."""
    from rewardbench.builders.style import fresh_draw_of_any

    return fresh_draw_of_any(suite, seed)
