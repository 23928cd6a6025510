"""Build the page of a model: scores with intervals, the items it misses, and its manifest."""

from __future__ import annotations

import json
from collections.abc import Mapping

from markupsafe import Markup

from rewardbench.errors import InputError
from rewardbench.leaderboard import facts
from rewardbench.leaderboard.app import badge, citations, history, overview_page, runs, tables
from rewardbench.leaderboard.app.frame import ItemCard, Page, make_card
from rewardbench.leaderboard.app.library import Library
from rewardbench.leaderboard.app.markup import address, render
from rewardbench.leaderboard.types import Figure, LeaderboardRow, format_rank
from rewardbench.results.breakdown_table import breakdown_tables
from rewardbench.results.browse import ScoredItem, select
from rewardbench.types import Estimate

STEP = 10
"""Items on a page."""
LONGEST_MANIFEST = 50_000
"""Characters of a manifest that are shown."""
COMMIT_DIGITS = 40


def build_page(library: Library, row: LeaderboardRow, query: Mapping[str, str]) -> Page:
    """Build the page of a model.

    Args:
        library: results to read.
        row: row of the model.
        query: filters of the items: `subset`, `search`, `all=1` for correct items too, and `from`, the first item;
            `analyses=1` shows the analyses, which take seconds.
    """
    manifest = error = ""
    try:
        manifest = _cut_json(library.summary(row)["manifest"])
    except InputError as caught:
        error = str(caught)
    sections = {section.name for section in row.sections}
    board = library.rows()
    run = facts.run_group(library.of(row.suite), row)
    body = render(
        "model.html",
        row=row,
        details=_details(row),
        run=runs.render_run(run, row) if run else "",
        others=history.other_results(board, row),
        has_versions=history.keeps_versions(library),
        citation=citations.cite_with_suite(row, citations.BASE),
        snippet=badge.describe_snippet(row, citations.BASE),
        subsets=[subset for subset in row.subsets if subset.name not in sections],
        other_suites=overview_page.other_results(library, row),
        breakdowns=list(breakdown_tables(list(map(_estimate, row.breakdowns)))),
        items=_items(library, row, query),
        analyses=library.analyses(row.key, row.mark) if query.get("analyses") == "1" else (),
        analyses_address=address(view="model", suite=row.suite, model=row.key, analyses=1) if row.ids else "",
        manifest=manifest,
        error=error,
    )
    return Page(row.model, body, "model")


def _estimate(figure: Figure) -> Estimate:
    return Estimate(figure.name, figure.n or 0, figure.value, figure.low, figure.high)


def _details(row: LeaderboardRow) -> dict[str, str]:
    order = row.order_inconsistency
    pairwise = {tables.ORDER: f"{tables.format_percent(order)}% ({tables.format_interval(order)})"} if order else {}
    return {
        "Suite": f"{row.suite}@{tables.shorten_hashes(row.revision)}",
        "Rank": f"{format_rank(row.rank_range)} among verified models" if row.rank_range else _explain_no_rank(row),
        **pairwise,
        **_judge_details(row),
        "Kind": row.model_type,
        **_facts(row),
        "Date": row.date or "unknown",
    }


def _facts(row: LeaderboardRow) -> dict[str, str]:
    """Return what is known about a model besides its scores, with links."""
    address_on_hub = facts.hub_address(row)
    organization = facts.organization(row)
    values = {
        "On the Hub": _link(address_on_hub, address_on_hub.removeprefix(facts.HUB)) if address_on_hub else "",
        "Organization": _filter_link(row, organization) if organization else "",
        "Size": _describe_size(row),
        "License": _describe_license(row),
        "Weights": _weights(row, address_on_hub),
        "Base model": _base_model(row),
        "Verified by": row.checked_by,
    }
    return {name: value for name, value in values.items() if value}


def _describe_size(row: LeaderboardRow) -> str:
    size = facts.size_of(row)
    if size.source == facts.NAME:
        return f"{size.text}, by its name"
    return f"{tables.format_size(size.parameters)}, as stated" if size.parameters else "unknown"


def _describe_license(row: LeaderboardRow) -> str:
    return f"{row.license} ({facts.classify_license(row.license)}), as stated" if row.license else "unknown"


def _link(target: str, text: str) -> Markup:
    """Return a link to the Hub; in a Space, which is shown in a frame, it has to open a tab of its own."""
    link = '<a href="{}" target="_blank" rel="noopener noreferrer nofollow">{}</a>'
    return Markup(link).format(target, text)


def _filter_link(row: LeaderboardRow, organization: str) -> Markup:
    """Return a link to the models of an organization in the leaderboard."""
    target = address(view="board", suite=row.suite, protocol=row.protocol, organization=organization.casefold())
    return Markup('<a href="{}">{}</a>').format(target, organization)


def _weights(row: LeaderboardRow, address_on_hub: str) -> Markup | str:
    """Return whether the weights are published, and the commit or hash of those that were scored, as stated."""
    is_open = facts.is_open_weights(row)
    text = {True: "open, by the license", False: "served through an API only, by the name", None: "unknown"}[is_open]
    if len(row.weights) == COMMIT_DIGITS and address_on_hub:
        commit = _link(f"{address_on_hub}/tree/{row.weights}", row.weights[:8])
        return Markup("{}, commit {}").format(text, commit)
    return f"{text}, SHA-256 {row.weights[:8]}" if row.weights else text


def _base_model(row: LeaderboardRow) -> Markup | str:
    """Return the base model, as stated, with a link if its name is that of a repository on the Hub."""
    target = facts.address_of(row.base_model)
    name = _link(target, row.base_model) if target else row.base_model
    return Markup("{}, as stated").format(name) if row.base_model else ""


def _judge_details(row: LeaderboardRow) -> dict[str, str]:
    """Return the biases, the protocol and the cost of a judge; empty for other models."""
    details: dict[str, str] = {}
    for figure in row.biases:
        points = tables.format_points([figure], figure.name)
        details[figure.name.replace("_", " ").capitalize()] = f"{points} points ({tables.format_interval(figure)})"
    if row.protocol:
        details["Protocol"] = row.protocol
        details["Requests"] = tables.format_count(row.requests)
        details["Answers without a verdict"] = tables.format_count(row.failures)
        details["Cost"] = "unknown" if row.cost is None else f"${tables.format_cost(row.cost)}"
    return details


def _explain_no_rank(row: LeaderboardRow) -> str:
    """Return why a row has no rank."""
    if row.is_baseline:
        return "none (a baseline)"
    return f"that of {row.alike}" if row.alike else "none (not verified)"


def _items(library: Library, row: LeaderboardRow, query: Mapping[str, str]) -> Markup:
    """Return the items that the model misses, lowest margin first, filtered by subset and text."""
    subset = query.get("subset") or None
    search = query.get("search") or None
    try:
        scored = library.items(row)
        items = select(scored, errors=query.get("all") != "1", subset=subset, search=search)
    except InputError as error:
        return render("message.html", message=error)
    start = _start(query, len(items))
    end = start + STEP
    is_markdown = query.get("markdown") == "1"
    filters = {"subset": subset, "search": search, "all": query.get("all"), "markdown": "1" if is_markdown else None}
    page = {"view": "model", "suite": row.suite, "model": row.key, **filters}
    return render(
        "items.html",
        row=row,
        subsets=sorted({item.subset for item in scored.suite.items}),
        query=filters,
        count=len(items),
        start=start,
        cards=[_card(item, is_markdown) for item in items[start:end]],
        previous=address(**page, **{"from": start - STEP}) if start else "",
        next=address(**page, **{"from": end}) if end < len(items) else "",
    )


def _start(query: Mapping[str, str], count: int) -> int:
    """Return the index of the first item of a page; an odd `from` means 0, one too high the last page."""
    text = query.get("from", "0")
    index = int(text) if text.isdecimal() and len(text) < 8 else 0
    return min(index, max(0, count - 1)) // STEP * STEP


def _card(scored_item: ScoredItem, is_markdown: bool) -> ItemCard:
    item = scored_item.item
    title = f"{item.id} · {item.subset} · margin {scored_item.margin:+.3f}"
    return make_card(item, title, scored_item.scores, with_markdown=is_markdown)


def _cut_json(value: object) -> str:
    """Return indented JSON, cut at `LONGEST_MANIFEST` characters: deep nesting makes it much longer than its file."""
    text = ""
    for part in json.JSONEncoder(indent=2, ensure_ascii=False).iterencode(value):
        text += part
        if len(text) > LONGEST_MANIFEST:
            return f"{text[:LONGEST_MANIFEST]}\n… (truncated: the result file has the full manifest)"
    return text
