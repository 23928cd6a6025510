"""Define `rewardbench show RESULT`: parse arguments and print items."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from rewardbench.cli.compare import RESULTS_HELP, Json
from rewardbench.cli.options import DATA, OUTPUT, Text, flag
from rewardbench.console.terminal import echo, echo_json, printable
from rewardbench.paths import write_whole


def show_command(
    result: Annotated[str, typer.Argument(help=RESULTS_HELP)],
    errors: Annotated[bool, flag(DATA, "errors", "Only items that the model gets wrong")] = False,
    subset: Annotated[Text, flag(DATA, "subset", "Only this subset")] = None,
    section: Annotated[Text, flag(DATA, "section", "Only this section")] = None,
    search: Annotated[Text, flag(DATA, "search", "Only items that contain this text")] = None,
    limit: Annotated[int, flag(OUTPUT, "limit", "Items per page", min=1)] = 10,
    page: Annotated[int, flag(OUTPUT, "page", "Page number", min=1)] = 1,
    html: Annotated[Text, flag(OUTPUT, "html", "Write all matching items to this HTML file")] = None,
    as_json: Json = False,
) -> None:
    """Show the items of a result, lowest margin first: prompt, completions and scores."""
    from rewardbench.results.browse import select, to_html
    from rewardbench.results.scored import read_scored

    scored = read_scored(result)
    shown = select(scored, errors, subset, section, search)
    some = shown[(page - 1) * limit : page * limit]
    if html:
        write_whole(html, to_html(scored, shown))
    if as_json:
        echo_json({"items": len(shown), "shown": [_plain(one) for one in some]})
        return
    for one in some:
        _print_item(one)
    pages = -(-len(shown) // limit)
    if not some:
        why = f"there are only {pages} pages: page {page} does not exist" if shown else "no item matches these filters"
        echo(f"note: {why}")
    echo(f"items={len(shown)}\npage={page}\npages={pages}")
    if html:
        echo(f"html={html}")


def _print_item(one: Any) -> None:
    from rewardbench.results.browse import decimal, excerpt

    item = one.item
    where = f"{printable(item.id)} ({printable(one.section)}, {printable(item.subset)})"
    reason = f" ({printable(one.reason)})" if one.reason else ""
    echo(f"{where}: margin {decimal(one.margin)}{reason}")
    echo(f"{excerpt(item, one.scores)}\n")


def _plain(one: Any) -> dict[str, Any]:
    """Return an item as JSON values; for a score or margin that is null, `reason` says why."""
    from rewardbench.results.browse import completions_of, prompt_of

    return {
        "id": one.item.id,
        "subset": one.item.subset,
        "section": one.section,
        "margin": one.margin,
        "scores": one.scores,
        "reason": one.reason,
        "num_correct": one.item.num_correct,
        "prompt": prompt_of(one.item),
        "completions": completions_of(one.item),
    }
