"""One row in, its page out: sections and subsets with intervals, the items it misses, what made it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rewardbench.errors import InputError
from rewardbench.leaderboard.app import tables
from rewardbench.leaderboard.app.frame import Page, badge, bar, figures_table, share
from rewardbench.leaderboard.app.library import Library
from rewardbench.leaderboard.app.markup import esc, href, options
from rewardbench.leaderboard.refresh import Figure, Row
from rewardbench.results.browse import Shown, completions_of, prompt_of, select

STEP = 10
"""Items a page."""
LONGEST_MANIFEST = 50_000
"""Characters of a manifest that are shown."""


def show(library: Library, row: Row, query: Mapping[str, str]) -> Page:
    """The page of a model."""
    return Page(row.model, _facts(row) + _figures(row) + _items(library, row, query) + _manifest(library, row), "model")


def _facts(row: Row) -> str:
    facts = {
        "Suite": f"{row.suite}@{tables.short(row.revision)}",
        "Rank": f"{row.rank} ({_ahead(row)})" if row.rank else "none: of other items than most rows here",
        "Kind": row.model_type,
        "Size": tables.size(row.parameters) or "unknown",
        "License": row.license or "unknown",
        "Date": row.date or "unknown",
    }
    listed = "".join(f"<div><dt>{name}</dt><dd>{esc(value)}</dd></div>" for name, value in facts.items())
    note = f'<p class="rb-note">{esc(row.note)}</p>' if row.note else ""
    compare = href(view="compare", suite=row.suite, a=row.key)
    back = href(view="board", suite=row.suite, row=row.key)
    return (
        f'<p>{share(row.score)} {badge(row.badge)}</p><dl class="rb-facts">{listed}</dl>{note}'
        f'<p><a href="{compare}">Compare with another model</a> · <a href="{back}">Its row in the leaderboard</a></p>'
    )


def _ahead(row: Row) -> str:
    if not row.ids:
        return f"{row.better} have a higher score; published without items, so without an interval"
    return "no model is significantly better" if row.better == 0 else f"{row.better} are significantly better"


def _figures(row: Row) -> str:
    parts = [
        _table(
            "Sections" + (" (share of mirrors with both halves right)" if row.metric == "mirror" else ""), row.sections
        )
    ]
    if row.gap:
        parts.append(
            _table("Against a fresh draw of the suite (mirrors of its builders), as its author states", row.gap)
        )
    subsets = [one for one in row.subsets if one.name not in {section.name for section in row.sections}]
    if subsets:
        parts.append(f"<details><summary>All {len(subsets)} subsets</summary>{_table('', subsets)}</details>")
    return "".join(parts)


def _table(title: str, figures: Any) -> str:
    head = f"<h2>{esc(title)}</h2>" if title else ""
    lines = "".join(
        f'<tr><th scope="row">{esc(one.name)}</th><td class="num">{share(one)}</td><td>{bar(one)}</td>'
        f'<td class="num rb-dim">{_n(one)}</td></tr>'
        for one in figures
    )
    columns = '<th scope="col"></th><th scope="col">% and 95 %</th><th scope="col">0 to 100</th><th scope="col">n</th>'
    return head + figures_table(f"<tr>{columns}</tr>", lines)


def _n(figure: Figure) -> str:
    return "" if not figure.n else f"{figure.n:,}"


def _items(library: Library, row: Row, query: Mapping[str, str]) -> str:
    """The items that it misses, the worst first; filtered by subset and by words."""
    try:
        scored = library.items(row)
        subset = query.get("subset") or None
        found = select(scored, errors=query.get("all") != "1", subset=subset, search=query.get("search") or None)
    except InputError as error:
        return f"<h2>Items</h2><p>{esc(error)}</p>"
    start = _start(query, len(found))
    here = {"view": "model", "suite": row.suite, "model": row.key, "all": query.get("all", "")}
    here |= {"search": query.get("search", ""), "subset": query.get("subset", "")}
    subsets = sorted({item.subset for item in scored.suite.items})
    form = (
        f'<form class="rb-tools" data-form="{href(view="model", suite=row.suite, model=row.key)}#items">'
        f'<label>Subset <select name="subset">{options(subsets, subset or "", "all")}</select></label>'
        f'<label>Words <input type="search" name="search" value="{esc(query.get("search", ""))}"></label>'
        f'<label><input type="checkbox" name="all" value="1"{" checked" if query.get("all") == "1" else ""}>'
        "also those it has right</label><button>Show</button></form>"
    )
    first, last = (start + 1 if found else 0), min(start + STEP, len(found))
    words = f"<p>{len(found)} items, by margin, the lowest first; {first} to {last}.</p>"
    pages = _pager(here, start, len(found))
    return f'<h2 id="items">Items</h2>{form}{words}{"".join(map(_item, found[start : start + STEP]))}{pages}'


def _start(query: Mapping[str, str], count: int) -> int:
    raw = query.get("from", "0")
    asked = int(raw) if raw.isdecimal() and len(raw) < 8 else 0
    return min(asked, max(0, count - 1)) // STEP * STEP


def _pager(here: Mapping[str, str], start: int, count: int) -> str:
    parts = []
    if start:
        parts.append(f'<a href="{href(**here, **{"from": start - STEP})}#items">Earlier</a>')
    if start + STEP < count:
        parts.append(f'<a href="{href(**here, **{"from": start + STEP})}#items">Later</a>')
    return f"<p>{' · '.join(parts)}</p>"


def _item(one: Shown) -> str:
    item = one.item
    parts = [f'<article class="rb-item"><h3>{esc(item.id)} · {esc(item.subset)} · margin {one.margin:+.3f}</h3>']
    if item.prompt:
        parts.append(f'<pre class="prompt">{esc(prompt_of(item))}</pre>')
    for n, text in enumerate(completions_of(item)):
        side = "chosen" if n < item.num_correct else "rejected"
        words = esc(text.strip()) or "(its text is not kept here)"
        parts.append(f'<pre class="{side}"><b>{side} {one.scores[n]:+.3f}</b>\n{words}</pre>')
    return "".join(parts) + "</article>"


def _manifest(library: Library, row: Row) -> str:
    try:
        told = library.summary(row)["manifest"]
    except InputError as error:
        return f"<h2>Manifest</h2><p>{esc(error)}</p>"
    command = f"<p>The command that gives these figures:</p><pre>{esc(row.command)}</pre>" if row.command else ""
    more = f"<details><summary>Everything that decided them</summary><pre>{esc(_cut_json(told))}</pre></details>"
    return f"<h2>Manifest</h2>{command}{more}"


def _cut_json(value: Any) -> str:
    """Return indented JSON, cut where it is longer than a page should be; nesting multiplies its length."""
    text = ""
    for part in json.JSONEncoder(indent=2, ensure_ascii=False).iterencode(value):
        text += part
        if len(text) > LONGEST_MANIFEST:
            return f"{text[:LONGEST_MANIFEST]}\n… (cut: the file of the result holds the rest)"
    return text
