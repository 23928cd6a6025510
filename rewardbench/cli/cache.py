"""Define `rewardbench cache ...`: parse arguments and print; nothing is computed here."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer
from typer import Option

from rewardbench.cli.options import Group
from rewardbench.console.terminal import echo, echo_json, make_console
from rewardbench.errors import InputError

cache = typer.Typer(
    cls=Group,
    help="Show or prune the score cache.",
    invoke_without_command=True,
    context_settings={"token_normalize_func": lambda token: token.replace("-", "_")},
)

Json = Annotated[bool, Option("--json", help="Print as JSON")]


@cache.callback()
def show_command(context: typer.Context, as_json: Json = False) -> None:
    """Show the score cache: scorers, number of scores, path and size."""
    if context.invoked_subcommand:
        context.obj = as_json
        return
    from rewardbench.engine.cache import Cache, default_path

    path, entries, size = default_path(), [], 0
    if path.exists():
        with Cache(path) as opened:
            entries, size = opened.entries(), opened.size()
    figures = {
        "path": str(path),
        "scores": sum(entry.scores for entry in entries),
        "models": len({entry.model for entry in entries}),
        "bytes": size,
    }
    rows = [asdict(entry) for entry in entries]
    echo_json(figures | {"entries": rows}) if as_json else _print(figures, rows)


@cache.command("prune")
def prune_command(
    context: typer.Context,
    model: Annotated[str | None, Option("--model", help="Delete scores of this model (name as in the table)")] = None,
    older_than: Annotated[
        float | None, Option("--older_than", help="Delete scores not used for this many days", min=0)
    ] = None,
    everything: Annotated[bool, Option("--all", help="Delete all scores")] = False,
    as_json: Json = False,
) -> None:
    """Delete scores and shrink the file. --model and --older_than together delete what matches both."""
    from rewardbench.engine.cache import Cache, default_path

    narrowed = model is not None or older_than is not None
    if narrowed == everything:
        raise InputError(
            "Which scores to delete is not clear: pass --model NAME, --older_than DAYS or both, or only --all."
        )
    pruned, path = 0, default_path()
    if path.exists():
        with Cache(path) as opened:
            pruned = opened.prune(model=model, older_than=older_than)
    echo_json({"pruned": pruned}) if as_json or context.obj else echo(f"pruned={pruned}")


def _print(figures: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    """Print a table of scorers with shortened digests, then `key=value` lines."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    out = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    out.add_column("model", overflow="fold")
    out.add_column("scores", justify="right")
    for header in ("used", "weights", "dtype", "template"):
        out.add_column(header, no_wrap=True)
    for row in rows:
        facts = (row["facts"].get(name, "")[:8] for name in ("weights", "dtype", "template"))
        out.add_row(*map(Text, (row["model"], str(row["scores"]), row["used"][:10], *facts)))
    if rows:
        make_console().print(out)
    for name, value in figures.items():
        echo(f"{name}={value}")
