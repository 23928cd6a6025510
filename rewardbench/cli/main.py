"""The `rewardbench` command: parse arguments into frozen dataclasses, run, and print. Nothing is computed here."""

from __future__ import annotations

import functools
import os
import sys
from typing import TYPE_CHECKING

import typer

from rewardbench.cli import options
from rewardbench.cli.analyze import analyze
from rewardbench.cli.arguments import drop_flag_values, expand_home, repeat_lists
from rewardbench.cli.cache import cache
from rewardbench.cli.compare import compare_command
from rewardbench.cli.config import expand_config
from rewardbench.cli.data import data
from rewardbench.cli.doctor import doctor_command
from rewardbench.cli.ensemble import ensemble_command
from rewardbench.cli.evaluate import Arguments, evaluate_command
from rewardbench.cli.export import export_result_command
from rewardbench.cli.gate import evaluate_and_gate_command, gate_command
from rewardbench.cli.leaderboard import (
    import_command,
    index_command,
    leaderboard_command,
    submit_command,
    verify_result_command,
)
from rewardbench.cli.merge import merge_command
from rewardbench.cli.models import models
from rewardbench.cli.other_names import missing_option
from rewardbench.cli.report import report_command
from rewardbench.cli.reproduce import reproduce_command
from rewardbench.cli.score import score_command
from rewardbench.cli.show import show_command
from rewardbench.cli.sweep import sweep_command
from rewardbench.console.terminal import accept_any_text, echo, printable
from rewardbench.engine.threads import set_threads
from rewardbench.errors import InputError
from rewardbench.processes import collect_rarely, end_on_signals, end_with_parent

if TYPE_CHECKING:
    from typer._click import Command
    from typer.exceptions import TyperException

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

app.add_typer(data, name="data")
app.add_typer(cache, name="cache")
app.add_typer(models, name="models")
app.add_typer(analyze, name="analyze")
app.command("score")(score_command)
app.command("sweep")(sweep_command)
app.command("doctor")(doctor_command)
app.command("reproduce")(reproduce_command)
app.command("compare")(compare_command)
app.command("ensemble")(ensemble_command)
app.command("merge")(merge_command)
app.command("gate")(gate_command)
app.command("evaluate-and-gate")(evaluate_and_gate_command)
app.command("show")(show_command)
app.command("report")(report_command)
app.command("export")(export_result_command)
app.command("leaderboard")(leaderboard_command)
app.command("submit")(submit_command)
app.command("verify")(verify_result_command)
app.command("import")(import_command)
app.command("index")(index_command)


COMPLETION = "_REWARDBENCH_COMPLETE"
"""Variable by which a shell asks for its completion script, and then for completions."""
ENVIRONMENT = (
    "Environment: REWARDBENCH_CACHE (file or bucket of the score cache), OMP_NUM_THREADS (threads on a CPU), HF_HOME, "
    "HF_TOKEN, HF_ENDPOINT and HF_HUB_OFFLINE (Hub). Completion in bash: "
    f'eval "$({COMPLETION}=source_bash rewardbench)"; also source_zsh, source_fish and source_powershell.'
)
"""End of the help."""


@app.callback(invoke_without_command=True, epilog=ENVIRONMENT)
@options.with_groups
def main_command(context: typer.Context, arguments: Arguments) -> None:
    """Score a reward model on preference data: [bold]rewardbench --model MODEL --dataset DATASET[/bold]."""
    if context.invoked_subcommand:
        return
    if arguments.output.version:
        _print_version()
        return
    evaluate_command(arguments)


def _print_version() -> None:
    from importlib.metadata import version

    echo(f"rewardbench {version('rewardbench')}")


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
    if COMPLETION in os.environ:
        from typer._completion_classes import completion_init

        completion_init()
    try:
        argv = sys.argv[1:] if arguments is None else arguments
        command = build_command()
        argv = expand_config(argv, command)
        code = command(expand_home(repeat_lists(drop_flag_values(argv))), standalone_mode=False)
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
        _print_error("Interrupted; no partial result was written. Run the command again: scores in the cache are kept.")
    sys.exit(code or 0)


INTERRUPTED = 130
"""Exit code after Ctrl-C, of typer and by the convention of shells."""


def _set_up_process() -> None:
    """Set what only a command may set for its whole process: signals, garbage collection, and threads."""
    collect_rarely()
    set_threads()
    end_on_signals()
    if "TORCHELASTIC_RUN_ID" in os.environ:  # a rank of torchrun must not outlive it
        end_with_parent()


def _print_error(sentence: str) -> int:
    """Print an error on one line, and return the exit code of bad input."""
    echo("rewardbench:", printable(" ".join(sentence.split())), error=True)
    return 2


def _usage_error(error: TyperException) -> str:
    """Return what is wrong with the arguments, without the validator's prefix."""
    from typer._click.exceptions import NoSuchOption

    message = missing_option(error) if isinstance(error, NoSuchOption) else str(error.format_message())
    return message.replace("Value error, ", "").rstrip(".")


def _command_of(error: TyperException) -> str:
    """Return the command whose arguments are wrong, as it is called."""
    names: list[str] = []
    context = getattr(error, "ctx", None)
    while context is not None and context.parent is not None:
        names.insert(0, context.command.name)
        context = context.parent
    return " ".join(["rewardbench", *names])
