"""Define `rewardbench models ...`: the families of reward models, and which of them a checkpoint belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Argument, Option

from rewardbench.cli.options import Group, JsonOption
from rewardbench.console.tables import add_text_row, make_table
from rewardbench.console.terminal import echo, echo_json, make_console

if TYPE_CHECKING:
    from rewardbench.scorers.heads.catalogue import FamilyRow
    from rewardbench.scorers.judge.protocols import JudgeProtocol

COLUMN_WIDTHS = (19, 35, 16, 13, 12)
"""Characters of each column of the table of families."""
PROTOCOL_WIDTHS = (20, 35, 9, 6, 18)
"""Characters of each column of the table of judge protocols."""
TABLE_WIDTH = 100
"""Characters of the table with the gaps between its columns, where no terminal sets its width."""

models = typer.Typer(
    cls=Group,
    help="List the families of reward models and the protocols of judges, or find the family of a checkpoint.",
    invoke_without_command=True,
    context_settings={"token_normalize_func": lambda token: token.replace("-", "_")},
)


@models.callback()
def list_models_command(context: typer.Context, as_json: JsonOption = False) -> None:
    """List the families whose heads are known: how a checkpoint is recognised, and where the facts come from."""
    if context.invoked_subcommand:
        context.obj = as_json
        return
    from rewardbench.scorers.heads.catalogue import list_families

    families = list_families()
    if as_json:
        echo_json({"families": [family.fields() for family in families]})
        return
    _print_families(families)


@models.command("check")
def check_command(
    context: typer.Context,
    path: Annotated[str, Argument(help="Folder or Hub id of the checkpoint")],
    revision: Annotated[str | None, Option("--revision", help="Revision on the Hub")] = None,
    allow_pickle: Annotated[bool, Option("--allow_pickle", help="Read tensors from pickles (.bin, .pt)")] = False,
    as_json: JsonOption = False,
) -> None:
    """Say which family a checkpoint belongs to, by its configuration and the names of its tensors."""
    from rewardbench.scorers.heads.explain import explain_checkpoint
    from rewardbench.settings import ModelSpec

    explanation = explain_checkpoint(ModelSpec(path, revision=revision, allow_pickle=allow_pickle))
    if as_json or context.obj:
        echo_json(explanation)
    else:
        for key, value in explanation.items():
            echo(f"{key}={value}")
    raise typer.Exit(0 if explanation["scored"] else 1)


@models.command("protocols")
def protocols_command(context: typer.Context, as_json: JsonOption = False) -> None:
    """List the protocols of judges: what they show, how answers are read, and where the prompts come from."""
    from rewardbench.scorers.judge.protocols import protocol_names, read_protocol

    protocols = list(map(read_protocol, protocol_names()))
    if as_json or context.obj:
        echo_json({"protocols": list(map(_protocol_fields, protocols))})
    else:
        _print_protocols(protocols)


def _protocol_fields(protocol: JudgeProtocol) -> dict[str, object]:
    """Return what the list of protocols says of one, as JSON values."""
    official = protocol.official
    return {
        "name": protocol.name,
        "version": protocol.version,
        "title": protocol.title,
        "view": protocol.view,
        "orders": protocol.orders,
        "answer": protocol.answer.kind,
        "sees": list(protocol.context),
        "max_turns": protocol.max_turns,
        "needs_logprobs": protocol.sampling.top_logprobs is not None,
        "prompts": official.path if official else None,
        "obtain": official.obtain if official else None,
        "source": protocol.source,
        "license": protocol.license,
        "evidence": protocol.evidence,
    }


def _print_protocols(protocols: Sequence[JudgeProtocol]) -> None:
    """Print a table of this package's protocols, and one of those whose prompts are published elsewhere."""
    console = make_console()
    if not console.is_terminal:
        console.width = TABLE_WIDTH
    for is_official, heading in ((False, "protocol"), (True, "official (--prompts)")):
        table = make_table(heading, "question", "view", "orders", "answer; sees", right_from=5)
        for column, width in zip(table.columns, PROTOCOL_WIDTHS, strict=True):
            column.width = width
        for protocol in protocols:
            if bool(protocol.official) == is_official:
                orders = "-" if protocol.view == "pointwise" else str(protocol.orders or "all")
                answer = "; ".join([protocol.answer.kind, *protocol.context])
                add_text_row(table, protocol.name, protocol.title, protocol.view, orders, answer)
        console.print(table)
    echo("The prompts of official protocols are read from the file in which they are published: pass --prompts PATH.")
    echo("--json adds the file and how to get it, licenses, and the evidence.")
    echo(f"protocols={len(protocols)}")


def _print_families(families: Sequence[FamilyRow]) -> None:
    """Print a table of the families, with a heading for each kind."""
    from rewardbench.scorers.heads.catalogue import KINDS

    console = make_console()
    if not console.is_terminal:
        console.width = TABLE_WIDTH
    for kind, heading in KINDS.items():
        table = make_table(heading, "recognised by", "read at", "needs", "source", right_from=5)
        for column, width in zip(table.columns, COLUMN_WIDTHS, strict=True):
            column.width = width
        rows = [family for family in families if family.kind == kind]
        for family in rows:
            add_text_row(
                table, family.name, family.recognised, family.position, family.needs or "-", family.source or "-"
            )
        if rows:
            console.print(table)
    echo("A head of no family is read if it is the only layer beside its backbone; else pass --adapter FILE.")
    echo("--json adds titles, checkpoints, evidence in full, and why a family is not scored.")
    echo(f"families={len(families)}")
