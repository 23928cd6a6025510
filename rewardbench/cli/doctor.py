"""Define `rewardbench doctor`: parse arguments and print; nothing is computed here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn

import typer

from rewardbench.cli import options
from rewardbench.cli.options import DATA, MODEL, OUTPUT, RUN, DataOptions, DtypeOption, ModelOptions, RunOptions, flag
from rewardbench.cli.process import set_up_scoring
from rewardbench.cli.servers import ServerOptions
from rewardbench.console.tables import add_text_row, make_table
from rewardbench.console.terminal import echo, echo_json, make_console, printable
from rewardbench.errors import InputError

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from rewardbench.doctor import DoctorReport
    from rewardbench.doctor.model_input import ModelInput
    from rewardbench.doctor.report import Deviation, Explanation
    from rewardbench.settings import ModelSpec

INJECT_HELP = "For tests: inject a fault. drop-mask passes padded batches without mask and positions"
LONGEST_SHOWN = 800
"""Characters up to which the rendered text is printed in full."""


@dataclass(frozen=True, kw_only=True)
class DoctorRun(RunOptions):
    """Options for how the model runs while it is examined."""

    torch_dtype: Annotated[
        DtypeOption, flag(RUN, "torch_dtype", "dtype to examine besides float32; auto: the checkpoint's")
    ] = "auto"
    inject: Annotated[Literal["drop-mask"] | None, flag(RUN, "inject", INJECT_HELP, metavar="<drop-mask>")] = None


@options.with_groups
def doctor_command(
    *,
    model: Annotated[str, flag(MODEL, "model", "Hub id or folder of the model, tiny-rm, or tiny-dpo")],
    dataset: Annotated[str, flag(DATA, "dataset", "core, another suite, a Hub id, a folder, or a file")] = "core",
    sample: Annotated[int, flag(DATA, "sample", "Number of items, spread over the data", min=1)] = 100,
    model_options: ModelOptions,
    data: DataOptions,
    run: DoctorRun,
    server: ServerOptions,
    as_json: Annotated[bool, flag(OUTPUT, "json", "Print the report as JSON")] = False,
) -> None:
    """Check whether batch size, order, padding or dtype changes a model's scores, and show the tokens it reads.

    Exit code 1 if float32 scores change or cannot be trusted; changes in other dtypes are only reported.

    With --engine http: compare the scores of the server with those of the model. Exit code 1 if a preference differs.
    """
    if server.engine == "ray":
        raise InputError("doctor examines a model in this process: leave out --engine ray.")
    set_up_scoring()
    spec = replace(options.model_spec(model, model_options, run), server=server.server_spec())
    if spec.server:
        _compare_with_server(spec, dataset, data, sample, as_json)

    from rewardbench.doctor import DoctorSettings, examine

    settings = DoctorSettings(
        spec,
        dataset=dataset,
        **asdict(data),
        sample=sample,
        inject=run.inject,
    )
    report = examine(settings, make_console(stderr=True))
    if as_json:
        echo_json(report.to_json())
    else:
        _print_report(report)
    raise typer.Exit(report.exit_code)


def _compare_with_server(spec: ModelSpec, dataset: str, data: DataOptions, sample: int, as_json: bool) -> NoReturn:
    """Compare a server with the model, and print `key=value` lines, findings and notes."""
    from rewardbench.doctor.parity import compare_with_server
    from rewardbench.settings import Inputs

    report = compare_with_server(Inputs(spec, dataset, **asdict(data)), sample, make_console(stderr=True))
    if as_json:
        echo_json(report.to_json())
    else:
        for name, value in report.key_values().items():
            echo(f"{name}={value:.6g}" if isinstance(value, float) else f"{name}={printable(value)}")
        for finding in report.findings:
            echo(f"finding: {finding}")
        for note in report.notes:
            echo(f"note: {_one_line(note)}")
    raise typer.Exit(report.exit_code)


def _print_report(report: DoctorReport) -> None:
    """Print the model input, the deviations, `key=value` lines, findings and notes."""
    echo(f"{report.model} ({report.model_type}) on {report.items} items of {report.suite}")
    echo("weights: all loaded, including the head; none is randomly initialized")
    for name, value in _describe_input(report.model_input).items():
        echo(f"{name}: {value}")
    if report.explanation is not None:
        for name, value in _describe_explanation(report.explanation).items():
            echo(f"{name}: {value}")
        make_console().print(_make_sanity_table(report.explanation))
    make_console().print(_make_table(report))
    for name, number in report.key_values().items():
        echo(f"{name}={number:.3g}" if isinstance(number, float) else f"{name}={number}")
    for finding in report.findings:
        echo(f"{'ERROR' if finding.grave else 'finding'}: {_one_line(finding.text)}")
    for note in report.notes:
        echo(f"note: {_one_line(note)}")


def _describe_input(model_input: ModelInput) -> dict[str, str]:
    """Return the model input by name; text is quoted, so that spaces and line breaks are visible."""
    text, bos = model_input.text, "none: the tokenizer has no BOS token"
    if model_input.bos_token:
        bos = f"{model_input.bos} ({model_input.bos_token})"
    scored = model_input.pooling
    if model_input.pooled_token is not None:
        scored += f": {model_input.pooled_token!r}"
    if model_input.completion_start is not None:
        scored += f", from token {model_input.completion_start} on"
    tokens = [f"{number} {token!r}" for number, token in model_input.head]
    if model_input.tail:
        tokens.append("...")
    tokens += [f"{number} {token!r}" for number, token in model_input.tail]
    return {
        "template": f"{model_input.template}, sha256 {model_input.template_sha256}",
        f"text of {model_input.item}": repr(text)
        if len(text) <= LONGEST_SHOWN
        else f"{text[:500]!r} ... {text[-200:]!r}",
        f"{model_input.tokens} tokens": ", ".join(tokens),
        "BOS tokens": bos,
        "ends with EOS": f"{'yes' if model_input.ends_with_eos else 'no'}, with {model_input.last_token!r}",
        "scored": scored,
    }


def _describe_explanation(explanation: Explanation) -> dict[str, str]:
    """Return how the model scores a short conversation, by name; the tokens that are read are marked."""
    tokens = []
    for index, (number, token) in enumerate(explanation.tokens):
        mark = " <-- read" if index in explanation.read else ""
        tokens.append(f"{number} {token!r}{mark}")
    limit = "none" if explanation.max_length is None else f"{explanation.max_length} tokens"
    sign = "higher is better" if explanation.higher_is_better else "negated, since lower is better"
    return {
        "short conversation": repr(explanation.text),
        f"its {len(tokens)} tokens": ", ".join(tokens),
        "special tokens": f"{explanation.bos} BOS, {explanation.eos} EOS",
        "read at": _ranges(explanation.read),
        "chat template": explanation.template,
        "truncation": f"{limit}, on the {explanation.truncation_side}",
        "head": "; ".join(explanation.head or ("none",)),
        "score": f"{explanation.output}, {sign}",
        "normalization": explanation.normalization,
    }


def _ranges(indices: Sequence[int]) -> str:
    """Format token indices; consecutive ones as a range.

    >>> _ranges((3, 4, 5, 9))
    'tokens 3-5, 9'
    """
    ranges: list[tuple[int, int]] = []
    for index in sorted(set(indices)):
        if ranges and index == ranges[-1][1] + 1:
            ranges[-1] = (ranges[-1][0], index)
        else:
            ranges.append((index, index))
    words = [str(first) if first == last else f"{first}-{last}" for first, last in ranges]
    return f"token{'s' if len(set(indices)) > 1 else ''} {', '.join(words)}"


def _make_sanity_table(explanation: Explanation) -> Table:
    """Return the table of sanity pairs; a pair is red if the bad response has the higher score."""
    table = make_table("sanity pair", "good response", "bad response", "good", "bad", right_from=3)
    for pair in explanation.sanity_pairs:
        style = "bold red" if pair.bad_score > pair.good_score else None
        texts = [" ".join(text.split()) for text in (pair.prompt, pair.good, pair.bad)]
        add_text_row(table, *texts, f"{pair.good_score:.4g}", f"{pair.bad_score:.4g}", style=style)
    return table


def _make_table(report: DoctorReport) -> Table:
    """Return the table of deviations: a row for each cause and value, two columns for each dtype, and a last row."""
    from rich.text import Text

    headers = ["cause", "value"]
    for deviations in report.deviations:
        headers += [f"{deviations.dtype}\nmax |Δ|", "\nflips"]
    rows: dict[tuple[str, str], list[Text]] = {}
    for column, deviations in enumerate(report.deviations):
        for deviation in (*deviations.causes, deviations.overall):
            key = ("dtype", "") if deviation is deviations.overall else (deviation.cause, deviation.value)
            cells = rows.setdefault(key, [Text("–")] * 2 * len(report.deviations))
            cells[2 * column : 2 * column + 2] = _deviation_cells(deviation, is_exact=column == 0)
    overall = rows.pop(("dtype", ""))
    table = make_table(*headers, right_from=2)
    previous = ""
    for (cause, value), cells in rows.items():
        add_text_row(table, "" if cause == previous else cause, value, *cells)
        previous = cause
    table.add_section()
    add_text_row(table, "dtype", "", *overall)
    return table


def _deviation_cells(deviation: Deviation, is_exact: bool) -> list[Text]:
    """Return the largest difference and the flips; red if they are too large in an exact dtype (float32)."""
    from rich.text import Text

    style = "bold red" if is_exact and deviation.exceeds_float32 else ""
    difference = f"{deviation.max_abs_diff:.2g}" if math.isfinite(deviation.max_abs_diff) else "inf"
    return [Text(difference, style), Text(str(deviation.flips), style)]


def _one_line(text: str) -> str:
    return " ".join(text.split())
