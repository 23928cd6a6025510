"""Define `rewardbench analyze NAME`: parse arguments and print; nothing is computed here.

The options of an analysis are the fields of its options dataclass. Its module is imported only if it is named, or for
`rewardbench analyze --help`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, asdict, dataclass, fields, make_dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast, get_args, get_origin, get_type_hints

import typer

from rewardbench.cli import options
from rewardbench.cli.options import MODEL, OUTPUT, ModelOptions, RunOptions, TextOption, flag, model_spec
from rewardbench.console.tables import add_text_row, make_table
from rewardbench.console.terminal import echo, echo_json, make_console, printable
from rewardbench.errors import InputError

if TYPE_CHECKING:
    from typer._click import Command, Context

    from rewardbench.analysis.registry import AnalysisRow
    from rewardbench.analysis.report import Report, ReportTable

ANALYSIS = "Analysis"
"""Panel of the help for the options of one analysis."""
SEEDS = "seeds"
"""Field of options that the shared flag --seeds sets, where an analysis has it."""
MAX_ROWS = 60
"""Maximum number of rows of a printed table; the JSON file has all."""


@dataclass(frozen=True, kw_only=True)
class ReportOptions:
    """Options that all analyses share."""

    selftest: Annotated[
        bool, flag(OUTPUT, "selftest", "Test the method on simulated data with a known answer; exit 1 if it fails")
    ] = False
    seeds: Annotated[
        int | None, flag(OUTPUT, "seeds", "Number of random seeds of --selftest or of a simulation", min=1)
    ] = None
    check: Annotated[
        list[str] | None, flag(OUTPUT, "check", "Exit 1 unless a figure meets this bound: 'ece<=0.05'; repeatable")
    ] = None
    output_dir: Annotated[str, flag(OUTPUT, "output_dir", "Folder for NAME.json and NAME.png")] = "analysis"
    as_json: Annotated[bool, flag(OUTPUT, "json", "Print the report as JSON")] = False


class AnalysisGroup(options.Group):
    """The group of analyses, whose commands are made when they are named."""

    def list_commands(self, ctx: Context) -> list[str]:
        """Return the names of the analyses."""
        from rewardbench.analysis.registry import ANALYSES

        return [row.name for row in ANALYSES]

    def get_command(self, ctx: Context, cmd_name: str) -> Command | None:
        """Return the command of an analysis, or None for an unknown name."""
        from rewardbench.analysis.registry import ANALYSES

        name = cmd_name.replace("_", "-")
        for row in ANALYSES:
            if row.name == name:
                if name not in self.commands:
                    self.add_command(_build_command(row), name)
                return super().get_command(ctx, name)
        return None


analyze = typer.Typer(
    cls=AnalysisGroup,
    help="Answer one question about models, mostly from stored scores: a table, a figure and a conclusion.",
    no_args_is_help=True,
    context_settings={"token_normalize_func": lambda token: token.replace("-", "_")},
)


@analyze.callback()
def analyze_callback() -> None:
    """Answer one question about models, mostly from stored scores: a table, a figure and a conclusion."""


def _build_command(row: AnalysisRow) -> Command:
    """Build the command of an analysis from its options dataclass."""
    parameters = row.options_type()
    group = _as_flags(parameters)

    def command(inputs: list[str] | None, analysis: object, report: ReportOptions) -> None:
        _run(row, inputs or [], partial(_to_options, parameters, analysis, report.seeds), report)

    files = Annotated[list[str] | None, typer.Argument(help=row.inputs or "None", hidden=not row.inputs)]
    command.__annotations__ = {"inputs": files, "analysis": group, "report": ReportOptions}
    command.__defaults__ = (None, None, None)
    single = typer.Typer(add_completion=False)
    single.command(row.name, help=f"{row.summary}.")(options.with_groups(command))
    return typer.main.get_command(single)


def _as_flags(parameters: type) -> type:
    """Return a dataclass like `parameters` whose fields declare flags for typer."""
    from rewardbench.settings import ModelSpec

    declared: list[Any] = []
    hints = get_type_hints(parameters, include_extras=True)
    for item in fields(parameters):
        if item.name == SEEDS:
            continue
        hint = hints[item.name]
        if hint == ModelSpec | None:
            model = Annotated[TextOption, flag(MODEL, item.name, "Hub id or folder of the model, tiny-rm, or tiny-dpo")]
            declared.append((item.name, model, None))
            declared += [("model_options", ModelOptions, MISSING), ("run_options", RunOptions, MISSING)]
            continue
        declared.append((item.name, _flag_of(item, hint), None if _is_repeated(hint) else item.default))
    members = [(name, hint) if default is MISSING else (name, hint, default) for name, hint, default in declared]
    return make_dataclass(f"{parameters.__name__}Flags", members, frozen=True, kw_only=True)


def _is_repeated(hint: object) -> bool:
    """Return True for the type `tuple[str, ...]`, whose flag can be repeated."""
    return get_origin(_bare(hint)) is tuple


def _bare(hint: object) -> object:
    return get_args(hint)[0] if get_origin(hint) is Annotated else hint


def _flag_of(item: Field[Any], hint: object) -> object:
    """Return the annotation for typer of a field of an options dataclass."""
    _, setting = get_args(hint)
    value_type: Any = list[str] | None if _is_repeated(hint) else _bare(hint)
    metavar = f"<{'|'.join(get_args(value_type))}>" if get_origin(value_type) is Literal else None
    option = flag(ANALYSIS, item.name, setting.help, min=setting.min, max=setting.max, metavar=metavar)
    return Annotated[value_type, option]


def _to_options(parameters: Callable[..., object], parsed: object, seeds: int | None) -> object:
    """Return the options of an analysis from the parsed flags; `seeds` is one of them if it has such a field.

    Raises:
        InputError: if seeds are stated, and it has not.
    """
    values = dict(vars(parsed))
    hints = get_type_hints(parameters, include_extras=True)
    if seeds is not None and SEEDS not in hints:
        raise InputError("--seeds is for --selftest: leave it out.")
    if seeds is not None:
        values[SEEDS] = seeds
    if "model_options" in values:
        model, run = values.pop("model_options"), values.pop("run_options")
        values["model"] = model_spec(values["model"], model, run) if values["model"] else None
    for name, value in values.items():
        if _is_repeated(hints[name]):
            values[name] = tuple(value or ())
    return parameters(**values)


def _run(row: AnalysisRow, inputs: list[str], build: Callable[[], object], output: ReportOptions) -> None:
    """Run an analysis or its self-test, write its files, and print its report.

    Raises:
        typer.Exit: with code 1, if a value does not keep a bound.
    """
    from rewardbench.analysis.output import check_folder, write_report
    from rewardbench.analysis.report import parse_bar
    from rewardbench.console.logging import quieten

    module = row.load()
    checks = tuple(map(parse_bar, output.check or ()))
    folder = Path(output.output_dir)
    check_folder(folder)
    if output.selftest:
        if inputs:
            raise InputError(f"--selftest makes its own data: leave out {inputs[0]}.")
        report = module.selftest(output.seeds)
        settings: dict[str, object] = {"selftest": True, "seeds": output.seeds}
    else:
        arguments = build()
        quieten(loads_weights=_loads_weights(arguments))
        report = module.analyze(inputs, arguments)
        settings = {"inputs": inputs, **asdict(cast("Any", arguments))}
    files = write_report(report, folder, settings)
    report = replace(report, bars=(*report.bars, *checks))
    missed = report.missed()
    if output.as_json:
        echo_json({**report.to_json(), "files": files})
    else:
        _print_report(report, files)
    if missed:
        echo(f"Missed: {', '.join(missed)}.", error=True)
        raise typer.Exit(1)


def _loads_weights(arguments: object) -> bool:
    """Return True if an option names a model that runs in this process, or may do so."""
    from rewardbench.settings import ModelSpec

    values = vars(arguments).values()
    return any(isinstance(value, ModelSpec) or str(value).startswith("hf:") for value in values)


def _print_report(report: Report, files: Mapping[str, str]) -> None:
    """Print tables, notes, the sentence and the `key=value` lines of a report."""
    for table in report.tables:
        _print_table(table)
    for note in report.notes:
        echo(f"note: {note}")
    echo(report.sentence)
    from rewardbench.analysis.report import format_value

    for name, value in report.values.items():
        echo(f"{name}={printable(format_value(value))}")
    for kind, path in files.items():
        echo(f"{kind}={path}")


def _print_table(table: ReportTable) -> None:
    from rewardbench.analysis.report import format_value

    echo(f"\n{table.title}")
    printed = make_table(*table.columns)
    for row in table.rows[:MAX_ROWS]:
        add_text_row(printed, *(printable("" if value is None else format_value(value)) for value in row))
    make_console().print(printed)
    if len(table.rows) > MAX_ROWS:
        echo(f"… and {len(table.rows) - MAX_ROWS:,} more rows: see --json")
