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
    from rewardbench.scorers.heads.spec import HeadSpec

models = typer.Typer(
    cls=Group,
    help="List the families of reward models, or find the family of a checkpoint.",
    invoke_without_command=True,
    context_settings={"token_normalize_func": lambda token: token.replace("-", "_")},
)


@models.callback()
def list_models_command(context: typer.Context, as_json: JsonOption = False) -> None:
    """List the families whose heads are known: how a checkpoint is recognised, and where the facts come from."""
    if context.invoked_subcommand:
        context.obj = as_json
        return
    from rewardbench.scorers.heads.match import builtin_specs

    specs = list(builtin_specs().values())
    if as_json:
        echo_json({"families": [spec.model_dump(mode="json", exclude_defaults=True) for spec in specs]})
        return
    _print_families(specs)


@models.command("check")
def check_command(
    context: typer.Context,
    path: Annotated[str, Argument(help="Folder or Hub id of the checkpoint")],
    revision: Annotated[str | None, Option("--revision", help="Revision on the Hub")] = None,
    as_json: JsonOption = False,
) -> None:
    """Say which family a checkpoint belongs to, by its configuration and the names of its tensors."""
    from rewardbench.models.locate import locate
    from rewardbench.scorers.heads.load import explain_checkpoint
    from rewardbench.settings import ModelSpec

    explanation = explain_checkpoint(locate(path, revision), ModelSpec(path, revision=revision))
    if as_json or context.obj:
        echo_json(explanation)
    else:
        for key, value in explanation.items():
            echo(f"{key}={value}")
    raise typer.Exit(0 if explanation["scored"] else 1)


def _print_families(specs: Sequence[HeadSpec]) -> None:
    table = make_table("family", "is", "recognised by", "read at", right_from=4)
    for spec in specs:
        position = "not scored" if spec.reject else _position(spec)
        add_text_row(table, spec.name, spec.title, _recognised_by(spec), position)
    make_console().print(table)
    echo("A classifier of transformers with one label needs no family. --json adds checkpoints and evidence.")
    echo(f"families={len(specs)}")


def _recognised_by(spec: HeadSpec) -> str:
    """Return how a checkpoint of a family is recognised, in a few words."""
    match = spec.match
    if match.is_empty:
        return "its Hub id" if spec.checkpoints else "--adapter"
    if match.encoder:
        return "encoder without a chat template"
    return ", ".join([*match.architectures[:1], *match.tensors[:2], *match.config][:3])


def _position(spec: HeadSpec) -> str:
    """Return where the score of a family is read."""
    from rewardbench.scorers.heads.spec import Segments

    if isinstance(spec.pair, Segments):
        return "three prefix tokens"
    return spec.position.at.replace("_", " ") + (f" {spec.position.token}" if spec.position.token else "")
