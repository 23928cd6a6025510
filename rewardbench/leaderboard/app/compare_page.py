"""Two rows in, how far they are apart out: paired by item, clustered by mirror."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rewardbench.comparison.compare import Comparison, Contrast, Flip, compare, power_sentence
from rewardbench.errors import InputError
from rewardbench.leaderboard.app.frame import Page, figures_table, model_link, suite_choice
from rewardbench.leaderboard.app.library import Library
from rewardbench.leaderboard.app.markup import esc, href, options
from rewardbench.leaderboard.refresh import Row
from rewardbench.results.browse import completions_of, prompt_of

EXAMPLES = 10


def show(library: Library, suite: str, query: Mapping[str, str]) -> Page:
    """The page that compares two models of a suite."""
    board = library.rows()
    rows = [row for row in board.of(suite) if row.ids]
    names = {row.key: row.model for row in rows}
    form = (
        f'<form class="rb-tools" data-form="{href(view="compare", suite=suite)}">'
        f"{suite_choice(board, suite, 'compare')}"
        f'<label>First <select name="a">{options(names, query.get("a", ""), "choose")}</select></label>'
        f'<label>Second <select name="b">{options(names, query.get("b", ""), "choose")}</select></label>'
        "<button>Compare</button></form>"
    )
    chosen = [library.row(query.get(side, "")) for side in "ab"]
    if len(rows) < 2:
        return Page(
            "Compare two models", "<p>There are not two models here whose scores of items are known.</p>", "compare"
        )
    if None in chosen:
        return Page("Compare two models", form, "compare")
    return Page("Compare two models", form + _comparison(library, *[row for row in chosen if row]), "compare")


def _comparison(library: Library, first: Row, second: Row) -> str:
    try:
        found = compare(library.items(first), library.items(second))
    except InputError as error:
        return f'<p class="rb-note">{esc(error)}</p>'
    return _verdict(found, first, second) + _table(found) + _flips(found)


def _verdict(found: Comparison, first: Row, second: Row) -> str:
    whole = found.score
    ahead, behind = (second, first) if whole.difference > 0 else (first, second)
    if whole.p < 0.05:
        words = f"{model_link(ahead)} is better than {model_link(behind)} by {abs(100 * whole.difference):.1f} points"
    else:
        words = f"Chance may have made the difference between {model_link(first)} and {model_link(second)}"
    return f'<p class="rb-verdict">{words} (p = {whole.p:.2g}). {power_sentence(whole)}</p>'


def _table(found: Comparison) -> str:
    head = "".join(
        f'<th scope="col">{name}</th>'
        for name in ("", "n", "first", "second", "second − first", "95 %", "won", "lost", "p (Holm)")
    )
    lines = "".join(_line(one, one.adjusted) for one in found.sections) + _line(found.score, found.score.p)
    return (
        figures_table(f"<tr>{head}</tr>", lines, "Differences") + '<p class="rb-dim">Percent and points, by '
        f"{'mirrors with both halves right' if found.metric == 'mirror' else 'items'}; won and lost from the second's "
        "side.</p>"
    )


def _line(one: Contrast, p: float) -> str:
    cells: list[Any] = [
        one.clusters,
        f"{100 * one.first:.1f}",
        f"{100 * one.second:.1f}",
        f"{100 * one.difference:+.1f}",
    ]
    cells += [f"{100 * one.low:+.1f} … {100 * one.high:+.1f}", one.wins, one.losses, f"{p:.2g}"]
    return (
        f'<tr><th scope="row">{esc(one.name)}</th>'
        + "".join(f'<td class="num">{esc(cell)}</td>' for cell in cells)
        + "</tr>"
    )


def _flips(found: Comparison) -> str:
    counts = {side: sum(flip.better == side for flip in found.flips) for side in ("first", "second")}
    items = "".join(_flip(flip, found) for flip in found.flips[:EXAMPLES])
    return (
        f"<h2>What flipped</h2><p>{counts['second']} items only the second has right, {counts['first']} only the "
        f"first. The {min(EXAMPLES, len(found.flips))} with the widest gap:</p>{items}"
    )


def _flip(flip: Flip, found: Comparison) -> str:
    better = found.first if flip.better == "first" else found.second
    texts = completions_of(flip.item)
    body = f'<pre class="prompt">{esc(prompt_of(flip.item))}</pre>' if flip.item.prompt else ""
    for n, text in enumerate(texts):
        side = "chosen" if n < flip.item.num_correct else "rejected"
        body += f'<pre class="{side}"><b>{side}</b>\n{esc(text.strip())}</pre>' if text else ""
    margins = ", ".join(f"{margin:+.3f}" for margin in flip.margins)
    return (
        f'<article class="rb-item"><h3>{esc(flip.item.id)} · {esc(flip.section)} · only {esc(better)} has it right</h3>'
        f"<p>Margins {margins}</p>{body}</article>"
    )
