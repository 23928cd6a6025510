"""Define `rewardbench cache ...`: parse arguments and print; nothing is computed here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Option

from rewardbench.cli.options import Group, JsonOption
from rewardbench.console.tables import add_text_row, make_table
from rewardbench.console.terminal import echo, echo_json, make_console
from rewardbench.errors import InputError

if TYPE_CHECKING:
    from rewardbench.engine.cache import Cache, CachedScorer

cache = typer.Typer(
    cls=Group,
    help="Show or prune the score cache, and the answers of judges.",
    invoke_without_command=True,
    context_settings={"token_normalize_func": lambda token: token.replace("-", "_")},
)


@cache.callback()
def show_cache_command(context: typer.Context, as_json: JsonOption = False) -> None:
    """Show the score cache: models, number of scores, path and size; and the answers of judges, if there are any."""
    if context.invoked_subcommand:
        context.obj = as_json
        return
    from rewardbench.engine.cache import default_path

    path = default_path()
    entries: Sequence[CachedScorer] = []
    size = 0
    location: dict[str, object] = {"path": str(path)}
    with _open_existing() as opened:
        if opened:
            entries, size = opened.entries(), opened.size()
            location |= opened.shared()
    totals = {
        **location,
        "scores": sum(entry.scores for entry in entries),
        "models": len({entry.model for entry in entries}),
        "bytes": size,
    }
    answers = _count_answers()
    if as_json:
        echo_json({**totals, "entries": list(map(asdict, entries)), **answers})
    else:
        _print_entries(totals, entries)
        _print_answers(answers)


@cache.command("prune")
def prune_command(
    context: typer.Context,
    model: Annotated[str | None, Option("--model", help="Delete those of this model (name as in the table)")] = None,
    older_than: Annotated[
        float | None,
        Option("--older_than", help="Delete scores not used, and answers stored, before this many days", min=0),
    ] = None,
    everything: Annotated[bool, Option("--all", help="Delete everything")] = False,
    as_json: JsonOption = False,
) -> None:
    """Delete scores and answers of judges. With both --model and --older_than, only those that match both."""
    from rewardbench.scorers.judge.ledger import Ledger, default_ledger_path

    has_filter = model is not None or older_than is not None
    if has_filter == everything:
        raise InputError(
            "Which scores to delete is not clear: pass --model NAME, --older_than DAYS or both, or only --all."
        )
    pruned = {"pruned": 0}
    with _open_existing() as opened:
        if opened:
            pruned["pruned"] = opened.prune(model=model, older_than=older_than)
    if (path := default_ledger_path()).exists():
        with Ledger(path) as ledger:
            pruned["pruned_answers"] = ledger.prune(model=model, older_than=older_than)
    if as_json or context.obj:
        echo_json(pruned)
    else:
        for name, count in pruned.items():
            echo(f"{name}={count}")


def _open_existing() -> AbstractContextManager[Cache | None]:
    """Open the score cache; return a context manager of None if there is none yet."""
    from rewardbench.engine.cache import default_path
    from rewardbench.engine.shared_cache import is_shared, open_cache

    return open_cache() if is_shared() or default_path().exists() else nullcontext()


def _count_answers() -> dict[str, object]:
    """Return path, size and numbers of the answers of judges; empty if there is no file of them."""
    from rewardbench.scorers.judge.ledger import Ledger, default_ledger_path

    path = default_ledger_path()
    if not path.exists():
        return {}
    with Ledger(path) as ledger:
        counts, size = ledger.counts(), ledger.size()
    return {
        "answers_path": str(path),
        "answers": sum(count.answers for count in counts),
        "answers_bytes": size,
        "judges": list(map(asdict, counts)),
    }


def _print_answers(answers: Mapping[str, object]) -> None:
    """Print a table of judges, then `key=value` lines."""
    judges = answers.get("judges")
    if isinstance(judges, list) and judges:
        table = make_table(
            "judge", "endpoint", "answers", "unfinished", "prompt tokens", "completion tokens", right_from=2
        )
        for count in judges:
            names = ("model", "endpoint", "answers", "unfinished", "prompt_tokens", "completion_tokens")
            add_text_row(table, *(count[name] for name in names))
        make_console().print(table)
    for name, value in answers.items():
        if name != "judges":
            echo(f"{name}={value}")


def _print_entries(totals: Mapping[str, object], entries: Sequence[CachedScorer]) -> None:
    """Print a table of models with shortened digests, then `key=value` lines."""
    table = make_table("model", "scores", "used", "weights", "dtype", "template", right_from=6)
    table.columns[1].justify = "right"
    for entry in entries:
        digests = [str(entry.facts.get(name, ""))[:8] for name in ("weights", "dtype", "template")]
        add_text_row(table, entry.model, entry.scores, entry.used[:10], *digests)
    if entries:
        make_console().print(table)
    for name, value in totals.items():
        echo(f"{name}={value}")
