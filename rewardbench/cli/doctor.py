"""Define `rewardbench doctor`: parse arguments and print; nothing is computed here."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from rewardbench.cli import options
from rewardbench.cli.options import DATA, MODEL, OUTPUT, RUN, DataOptions, Dtype, ModelOptions, RunOptions, flag
from rewardbench.console.logging import quieten
from rewardbench.console.terminal import echo, echo_json, make_console

if TYPE_CHECKING:
    from rewardbench.doctor import Checkup
    from rewardbench.doctor.reading import Reading

Fault = Literal["drop-mask"] | None
INJECT_HELP = "For tests: inject a fault. drop-mask passes padded batches without mask and positions"


@dataclass(frozen=True, kw_only=True)
class DoctorRun(RunOptions):
    """Options that say how the model runs while it is examined."""

    torch_dtype: Annotated[
        Dtype, flag(RUN, "torch_dtype", "dtype to examine besides float32; auto: the checkpoint's")
    ] = "auto"
    inject: Annotated[Fault, flag(RUN, "inject", INJECT_HELP)] = None


@options.with_groups
def doctor_command(
    *,
    model: Annotated[str, flag(MODEL, "model", "Hub id, folder, tiny-rm or tiny-dpo")],
    dataset: Annotated[str, flag(DATA, "dataset", "core, a suite, a Hub id, a folder, or a file")] = "core",
    sample: Annotated[int, flag(DATA, "sample", "Number of items, spread over the data", min=1)] = 100,
    model_options: ModelOptions,
    data: DataOptions,
    run: DoctorRun,
    as_json: Annotated[bool, flag(OUTPUT, "json", "Print the figures as JSON")] = False,
) -> None:
    """Check what the model reads, and whether batch, order, padding or dtype changes its scores.

    Exit code 1 if float32 scores change or cannot be trusted; changes in other dtypes are only reported.
    """
    quieten()

    from rewardbench.doctor import Settings, examine

    settings = Settings(
        options.model_spec(model, model_options, run),
        dataset=dataset,
        **asdict(data),
        sample=sample,
        inject=run.inject,
    )
    checkup = examine(settings, make_console(stderr=True))
    if as_json:
        echo_json(checkup.to_json())
    else:
        _print(checkup)
    raise typer.Exit(checkup.exit_code)


def _print(found: Checkup) -> None:
    """Print the model input, what changes the scores, `key=value` lines, findings and notes."""

    echo(f"{found.model} ({found.model_type}) on {found.items} items of {found.suite}")
    echo("weights: all loaded, including the head; none is randomly initialized")
    for name, value in _facts(found.reading).items():
        echo(f"{name}: {value}")
    make_console().print(_table(found))
    for name, value in found.key_values().items():
        echo(f"{name}={value:.3g}" if isinstance(value, float) else f"{name}={value}")
    for finding in found.findings:
        echo(f"{'WRONG' if finding.grave else 'finding'}: {_line(finding.text)}")
    for note in found.notes:
        echo(f"note: {_line(note)}")


def _facts(reading: Reading) -> dict[str, object]:
    """Return the model input by name; text is quoted, so that spaces and line breaks are visible."""
    head, tail = ([f"{number} {token!r}" for number, token in part] for part in (reading.head, reading.tail))
    text = reading.text
    bos = f"{reading.bos} ({reading.bos_token})" if reading.bos_token else "none: the tokenizer has no BOS token"
    return {
        "template": f"{reading.template}, sha256 {reading.template_sha256}",
        f"text of {reading.item}": repr(text) if len(text) <= 800 else f"{text[:500]!r} ... {text[-200:]!r}",
        f"{reading.tokens} tokens": ", ".join([*head, *(["..."] if tail else []), *tail]),
        "BOS tokens": bos,
        "ends with EOS": f"{'yes' if reading.ends_with_eos else 'no'}, with {reading.last_token!r}",
        "scored": reading.pooling
        + (f": {reading.pooled_token!r}" if reading.pooled_token is not None else "")
        + (f", from token {reading.completion_start} on" if reading.completion_start is not None else ""),
    }


def _table(found: Checkup) -> Any:
    """Build the table: a row for each cause and value, two columns for each dtype; the last row sums up."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text as Cell

    out = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    for header in ("cause", "value"):
        out.add_column(header)
    for figures in found.figures:
        out.add_column(f"{figures.dtype}\nmax |Δ|", justify="right")
        out.add_column("\nflips", justify="right")
    rows: dict[tuple[str, str], list[Cell]] = {}
    told = [(n, moved) for n, figures in enumerate(found.figures) for moved in figures.causes]
    for n, moved in told + [(n, figures.whole) for n, figures in enumerate(found.figures)]:
        key = (moved.cause, moved.value if moved.cause != "dtype" else "")
        cells = rows.setdefault(key, [Cell("–")] * 2 * len(found.figures))
        style = "bold red" if moved.bad and n == 0 else ""
        apart = f"{moved.max_abs_diff:.2g}" if math.isfinite(moved.max_abs_diff) else "inf"
        cells[2 * n : 2 * n + 2] = Cell(apart, style), Cell(str(moved.flips), style)
    before = ""
    for (cause, value), cells in rows.items():
        if before and cause == "dtype":
            out.add_section()
        out.add_row("" if cause == before else cause, value, *cells)
        before = cause
    return out


def _line(text: str) -> str:
    return " ".join(text.split())
