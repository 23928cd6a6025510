"""The `rewardbench` command: parse arguments into frozen dataclasses, run, and print. Nothing is computed here."""

from __future__ import annotations

import functools
import os
import sys
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Annotated

import typer

from rewardbench.cli import options
from rewardbench.cli.arguments import drop_flag_values, expand_home
from rewardbench.cli.cache import cache
from rewardbench.cli.compare import compare_command
from rewardbench.cli.data import data
from rewardbench.cli.doctor import doctor_command
from rewardbench.cli.ensemble import ensemble_command
from rewardbench.cli.gate import evaluate_and_gate_command, gate_command
from rewardbench.cli.judges import JudgeOptions
from rewardbench.cli.leaderboard import (
    import_command,
    index_command,
    leaderboard_command,
    submit_command,
    verify_result_command,
)
from rewardbench.cli.models import models
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
    RunOptions,
    TextOption,
    flag,
)
from rewardbench.cli.process import set_up_scoring
from rewardbench.cli.reproduce import reproduce_command
from rewardbench.cli.score import score_command
from rewardbench.cli.servers import ServerOptions
from rewardbench.cli.show import show_command
from rewardbench.console.terminal import accept_any_text, echo, echo_json, make_console, printable
from rewardbench.errors import InputError
from rewardbench.processes import end_on_signals, end_with_parent

if TYPE_CHECKING:
    from pathlib import Path

    from typer._click import Command
    from typer.exceptions import TyperException

    from rewardbench.settings import ModelSpec, Settings
    from rewardbench.types import Result

app = typer.Typer(
    cls=options.Group,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={
        "token_normalize_func": lambda token: token.replace("-", "_"),
        "help_option_names": ["--help", "-h"],
    },
)

NO_EFFECT = {
    "wandb_run": "rewardbench has no W&B logging; pass the output of --json to wandb.log()",
    "not_quantized": "weights are quantised only by --load_in_8bit or --load_in_4bit",
    "force_truncation": "texts over the length limit are always truncated",
    "save_all": "{model}_outputs.jsonl always contains the scores of every item",
}
"""Options of earlier versions that have no effect, with the reason."""

DEFAULT_DATASET_NOTE = (
    "Scoring on core, the embedded suite. For RewardBench, the default of earlier versions, pass "
    "--dataset allenai/reward-bench."
)

app.add_typer(data, name="data")
app.add_typer(cache, name="cache")
app.add_typer(models, name="models")
app.command("score")(score_command)
app.command("doctor")(doctor_command)
app.command("reproduce")(reproduce_command)
app.command("compare")(compare_command)
app.command("ensemble")(ensemble_command)
app.command("gate")(gate_command)
app.command("evaluate-and-gate")(evaluate_and_gate_command)
app.command("show")(show_command)
app.command("leaderboard")(leaderboard_command)
app.command("submit")(submit_command)
app.command("verify")(verify_result_command)
app.command("import")(import_command)
app.command("index")(index_command)

MODEL_HELP = "Hub id, folder, tiny-rm, tiny-dpo, or baseline/longest, baseline/shortest, baseline/random"
DATASET_HELP = (
    "core, allenai/reward-bench, allenai/reward-bench-2, allenai/preference-test-sets, or any Hub id, folder, jsonl, "
    "json, parquet or csv with preferences, or - for standard input"
)


@dataclass(frozen=True, kw_only=True)
class NameOptions:
    """Options that name the model."""

    model: Annotated[TextOption, flag(MODEL, "model", MODEL_HELP)] = None
    seed: Annotated[int, flag(MODEL, "seed", "Random seed of baseline/random")] = 0


@dataclass(frozen=True, kw_only=True)
class ItemOptions:
    """Options that name the data and select items."""

    dataset: Annotated[TextOption, flag(DATA, "dataset", DATASET_HELP)] = None
    limit: Annotated[CountOption, flag(DATA, "limit", "Score only the first items", min=1)] = None
    load_json: Annotated[bool, flag(DATA, "load_json", "Read --dataset as JSON, whatever its file name")] = False
    prioritize_scoring: Annotated[
        bool, flag(DATA, "prioritize_scoring", "Score the column `messages`, without preferences")
    ] = False
    fresh: Annotated[
        CountOption,
        flag(DATA, "fresh", "core: also score newly generated mirrors with this seed, and report the difference"),
    ] = None
    step_threshold: Annotated[
        float | None,
        flag(DATA, "step_threshold", "Score below which a labelled step counts as wrong; default: 0.5"),
    ] = None
    debug: Annotated[bool, flag(DATA, "debug", "Score only the first 10 items")] = False


@dataclass(frozen=True, kw_only=True)
class OutputOptions:
    """Options for what is written and printed."""

    output_dir: Annotated[str, flag(OUTPUT, "output_dir", "Folder to which results are written")] = "results/"
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
    batch: BatchOptions
    output: OutputOptions
    hub: HubOptions
    earlier: EarlierOptions
    judge: JudgeOptions
    server: ServerOptions
    model: ModelOptions
    data: DataOptions
    run: RunOptions

    def model_specs(self) -> list[ModelSpec]:
        """Return the model to be scored, or every judge.

        Raises:
            InputError: if there is none, or a value is wrong.
        """
        judges = self.judge.names()
        if judges and self.name.model:
            raise InputError("--model and --judge exclude each other: pass one of them.")
        if not judges and not self.name.model:
            raise InputError("No model was given: pass --model NAME, for example --model tiny-rm.")
        specs: list[ModelSpec] = []
        for name in judges:
            spec = options.model_spec(name, self.model, self.run, self.name.seed)
            judge = self.judge.judge_spec(name, self.data.protocol, self.server.endpoint())
            specs.append(replace(spec, judge=judge))
        if not judges:
            spec = options.model_spec(self.name.model or "", self.model, self.run, self.name.seed)
            specs.append(replace(spec, server=self.server.server_spec()))
        return specs

    def settings(self, model: ModelSpec) -> Settings:
        """Build the settings of the run of a model.

        Raises:
            InputError: if a value is wrong.
        """
        from rewardbench.settings import Settings

        data = replace(self.data, protocol=self.judge.data_protocol) if model.judge else self.data
        return Settings(
            model=model,
            dataset="core" if self.items.dataset is None else self.items.dataset,
            **asdict(data),
            scores_only=self.items.prioritize_scoring,
            load_json=self.items.load_json,
            fresh=self.items.fresh,
            step_threshold=self.items.step_threshold,
            limit=self.items.limit or (10 if self.items.debug else None),
            batch_size=self.batch.batch_size,
            batch_tokens=self.batch.batch_tokens,
            num_processes=self.batch.num_processes,
            cache=not self.batch.no_cache,
        )


@app.callback(invoke_without_command=True)
@options.with_groups
def main_command(context: typer.Context, arguments: Arguments) -> None:
    """Score a reward model on preference data: [bold]rewardbench --model MODEL --dataset DATASET[/bold]."""
    if context.invoked_subcommand:
        return
    if arguments.output.version:
        _print_version()
        return
    for name, reason in NO_EFFECT.items():
        if getattr(arguments.earlier, name):
            echo(f"--{name} has no effect: {reason}.", error=True)
    specs = arguments.model_specs()
    if arguments.items.dataset is None:
        echo(DEFAULT_DATASET_NOTE, error=True)
    for spec in specs:
        _score(arguments, spec)


def _print_version() -> None:
    from importlib.metadata import version

    echo(f"rewardbench {version('rewardbench')}")


def _score(arguments: Arguments, model: ModelSpec) -> None:
    """Score, store and print. Heavy libraries are first imported here."""
    set_up_scoring(model.model)

    from rewardbench.evaluation import run_and_store
    from rewardbench.results.report import print_result, to_json

    settings = arguments.settings(model)
    user = _hub_user(settings.model.model, arguments.hub)
    fresh = None if settings.fresh is None else _draw_fresh(settings.fresh)
    stored = run_and_store(settings, arguments.output.output_dir, make_console(stderr=True), fresh)
    if stored is None:
        return
    result, path = stored
    as_json = arguments.output.as_json
    if not as_json:  # before anything is pushed, which may fail
        print_result(result, make_console())
        echo(f"results={path}")
    pushed = _push(arguments.hub, result, path, user)
    if as_json:
        echo_json({**to_json(result), "results": path, **pushed})
        return
    for name, value in pushed.items():
        echo(f"{name}={value}")


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
    from pathlib import Path

    from rewardbench.results import export

    pushed = {}
    if hub.push_results_to_hub:
        pushed["pushed"] = export.push_results(Path(path), hub.hf_entity or user, hub.hf_name)
    if hub.upload_model_metadata_to_hf:
        pushed["card"] = export.write_card(result)
    return pushed


def _draw_fresh(seed: int) -> Path:
    from rewardbench.builders.core import fresh_draw

    return fresh_draw(seed)


@functools.cache
def build_command() -> Command:
    """Build the command tree; once per process, because reading the signatures takes a tenth of a second."""
    return typer.main.get_command(app)


def main(arguments: list[str] | None = None) -> None:
    """Run the `rewardbench` command. Exit codes: 0 done, 2 bad input, 130 Ctrl-C, 143 SIGTERM, 129 SIGHUP."""
    from typer.exceptions import Exit, TyperException

    if arguments is None:  # called as the command, not from Python
        _set_up_process()
    accept_any_text()
    try:
        argv = sys.argv[1:] if arguments is None else arguments
        code = build_command()(expand_home(drop_flag_values(argv)), standalone_mode=False)
        echo(end="")
    except InputError as error:
        code = _print_error(str(error))
    except TyperException as error:
        code = _print_error(f"{_usage_error(error)}: see {_command_of(error)} --help.")
    except Exit as stop:
        code = stop.exit_code
    except OSError as error:
        code = _print_error(f"Reading or writing failed: {error}.")
        sys.stdout = None  # else Python fails again when it flushes at exit
    except KeyboardInterrupt:
        code = INTERRUPTED
    if code == INTERRUPTED:
        _print_error("Interrupted; no partial result was written.")
    sys.exit(code or 0)


INTERRUPTED = 130
"""Exit code after Ctrl-C, of typer and by the convention of shells."""


def _set_up_process() -> None:
    """Set what only a command may set for its whole process: signals, and how OpenMP threads wait."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    end_on_signals()
    if "TORCHELASTIC_RUN_ID" in os.environ:  # a rank of torchrun must not outlive it
        end_with_parent()


def _print_error(sentence: str) -> int:
    """Print an error on one line, and return the exit code of bad input."""
    echo("rewardbench:", printable(" ".join(sentence.split())), error=True)
    return 2


def _usage_error(error: TyperException) -> str:
    """Return what is wrong with the arguments, without the validator's prefix."""
    return str(error.format_message()).replace("Value error, ", "").rstrip(".")


def _command_of(error: TyperException) -> str:
    """Return the command whose arguments are wrong, as it is called."""
    names: list[str] = []
    context = getattr(error, "ctx", None)
    while context is not None and context.parent is not None:
        names.insert(0, context.command.name)
        context = context.parent
    return " ".join(["rewardbench", *names])
