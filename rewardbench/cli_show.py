"""`rewardbench show RESULT`: stored scores in, items to read out."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from rewardbench.cli_compare import RESULTS_HELP, Json
from rewardbench.flags import DATA, OUTPUT, Text, flag, say_json
from rewardbench.paths import write_whole


def show_command(
    result: Annotated[str, typer.Argument(help=RESULTS_HELP)],
    errors: Annotated[bool, flag(DATA, "errors", "Only what the model has wrong")] = False,
    subset: Annotated[Text, flag(DATA, "subset", "Only this subset")] = None,
    section: Annotated[Text, flag(DATA, "section", "Only this section")] = None,
    search: Annotated[Text, flag(DATA, "search", "Only items with these words")] = None,
    limit: Annotated[int, flag(OUTPUT, "limit", "Items to show as text", min=1)] = 10,
    page: Annotated[int, flag(OUTPUT, "page", "Which so many of them", min=1)] = 1,
    html: Annotated[Text, flag(OUTPUT, "html", "Write all of them to this HTML file")] = None,
    as_json: Json = False,
) -> None:
    """The items of a result to read, the worst first: prompt, completions and scores."""
    from rewardbench.scored import read_scored
    from rewardbench.show import excerpt, select, to_html

    scored = read_scored(result)
    shown = select(scored, errors, subset, section, search)
    some = shown[(page - 1) * limit : page * limit]
    if html:
        write_whole(html, to_html(scored, shown).encode("utf-8", "replace"))
    if as_json:
        say_json({"items": len(shown), "shown": [_plain(one) for one in some]})
        return
    for one in some:
        print(f"{one.item.id} ({one.section}, {one.item.subset}): margin {one.margin:+.3f}")
        print(excerpt(one.item, one.scores), end="\n\n")
    print(f"items={len(shown)}\npage={page}\npages={-(-len(shown) // limit)}")
    if html:
        print(f"html={html}")


def _plain(one: Any) -> dict[str, Any]:
    from rewardbench.show import completions_of, prompt_of

    return {
        "id": one.item.id,
        "subset": one.item.subset,
        "section": one.section,
        "margin": None if one.margin != one.margin else one.margin,
        "scores": [None if score != score else score for score in one.scores],
        "num_correct": one.item.num_correct,
        "prompt": prompt_of(one.item),
        "completions": completions_of(one.item),
    }
