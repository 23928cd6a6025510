"""Define `rewardbench show RESULT`: parse arguments and print items."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from rewardbench.cli.compare import RESULT_HELP
from rewardbench.cli.options import DATA, OUTPUT, JsonOption, TextOption, flag
from rewardbench.console.terminal import echo, echo_json, printable
from rewardbench.paths import write_whole

if TYPE_CHECKING:
    from rewardbench.results.browse import ScoredItem


def show_command(
    result: Annotated[str, typer.Argument(help=RESULT_HELP)],
    errors: Annotated[bool, flag(DATA, "errors", "Only items that the model gets wrong")] = False,
    subset: Annotated[TextOption, flag(DATA, "subset", "Only this subset")] = None,
    section: Annotated[TextOption, flag(DATA, "section", "Only this section")] = None,
    search: Annotated[TextOption, flag(DATA, "search", "Only items that contain this text")] = None,
    limit: Annotated[int, flag(OUTPUT, "limit", "Items per page", min=1)] = 10,
    page: Annotated[int, flag(OUTPUT, "page", "Page number", min=1)] = 1,
    html: Annotated[TextOption, flag(OUTPUT, "html", "Write all matching items to this HTML file")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show the items of a result, lowest margin first: prompt, completions and scores."""
    from rewardbench.metrics import measure
    from rewardbench.results.browse import select, to_html
    from rewardbench.results.scored import read_scored

    scored = read_scored(result)
    order = measure(scored.suite, scored.items).order_inconsistency
    items = select(scored, errors, subset, section, search)
    items_of_page = items[(page - 1) * limit : page * limit]
    if html:
        write_whole(html, to_html(scored, items))
    if as_json:
        figures = {"order_inconsistency": order.value} if order else {}
        echo_json({"items": len(items), **figures, "shown": list(map(_item_json, items_of_page))})
        return
    for item in items_of_page:
        _print_item(item)
    pages = -(-len(items) // limit)
    if not items:
        echo("note: no item matches these filters")
    elif not items_of_page:
        echo(f"note: there are only {pages} pages: page {page} does not exist")
    echo(f"items={len(items)}\npage={page}\npages={pages}")
    if order:
        echo(f"order_inconsistency={order.value:.4f}")
    if html:
        echo(f"html={html}")


def _print_item(scored: ScoredItem) -> None:
    from rewardbench.results.browse import decimal, describe_steps, excerpt

    item = scored.item
    reason = f" ({printable(scored.reason)})" if scored.reason else ""
    if scored.order_inconsistency is not None:
        reason += f", order inconsistency {scored.order_inconsistency:.2f}"
    if scored.position_bias is not None:
        reason += f", position bias {scored.position_bias:+.2f}"
    echo(
        f"{printable(item.id)} ({printable(scored.section)}, {printable(item.subset)}): margin "
        f"{decimal(scored.margin)}{reason}"
    )
    echo(excerpt(item, scored.scores))
    steps = describe_steps(scored)
    echo(f"  steps     {steps}\n" if steps else "")


def _item_json(scored: ScoredItem) -> dict[str, object]:
    """Return an item as JSON values; if a score or the margin is null, `reason` says why."""
    from rewardbench.results.browse import completions_of, prompt_of

    figures = {"order_inconsistency": scored.order_inconsistency, "position_bias": scored.position_bias}
    steps: dict[str, object] = {}
    if scored.item.first_error is not None:
        steps = {"first_error": scored.item.first_error, "step_scores": scored.step_scores}
    return {
        "id": scored.item.id,
        "subset": scored.item.subset,
        "section": scored.section,
        "margin": scored.margin,
        "scores": scored.scores,
        "reason": scored.reason,
        **{name: value for name, value in figures.items() if value is not None},
        "num_correct": scored.item.num_correct,
        "prompt": prompt_of(scored.item),
        "completions": completions_of(scored.item),
        **steps,
    }
