"""Select items of a result to read, the worst misses first; show them as text, or as one HTML file without requests."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import inf, isfinite

from rewardbench.console.terminal import listed, printable_text
from rewardbench.errors import InputError
from rewardbench.metrics import credit, rule_of
from rewardbench.metrics.credit import margin
from rewardbench.results import why_unscored
from rewardbench.results.scored import Scored
from rewardbench.types import Item

LONGEST = 600
"""Characters of a text that are shown on a terminal."""
_NOT_IN_HTML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters and halves of surrogate pairs."""


@dataclass(frozen=True)
class Shown:
    """An item with its scores: `margin` is the lowest right one less the highest wrong one, NaN where unscored.

    `reason` says why there is no finite margin.
    """

    item: Item
    section: str
    scores: tuple[float, ...]
    margin: float
    credit: float
    reason: str | None = None


def select(
    scored: Scored,
    errors: bool = False,
    subset: str | None = None,
    section: str | None = None,
    search: str | None = None,
) -> list[Shown]:
    """Items by margin, the lowest first and the unscored last; `errors` keeps those that did not earn all.

    Raises: InputError for a subset or section that is not there, or if no item holds a preference.
    """
    items = [_shown(scored, n) for n in range(len(scored.items)) if scored.suite.items[n].has_preference]
    if not items:
        raise InputError(
            f"{scored.path} holds no item to show: none of its {len(scored.items):,} rows has right and wrong "
            "completions. Read the scores in its outputs file."
        )
    _refuse_unknown("subset", subset, {entry.item.subset for entry in items})
    _refuse_unknown("section", section, {entry.section for entry in items})
    selected = [
        entry
        for entry in items
        if not (errors and entry.credit == 1)
        and subset in (None, entry.item.subset)
        and section in (None, entry.section)
        and (not search or search.lower() in _all_text(entry.item).lower())
    ]
    return sorted(selected, key=lambda entry: (entry.margin != entry.margin, entry.margin))


def _shown(scored: Scored, n: int) -> Shown:
    item, item_scores = scored.suite.items[n], scored.items[n]
    rule = rule_of(scored.suite, item.subset)
    gap = margin(item, item_scores.scores)
    reason = item_scores.reason or why_unscored(item_scores.scores)
    if reason is None and not isfinite(gap):
        reason = "the margin is beyond the range of a float"
    return Shown(item, rule.section, item_scores.scores, gap, credit(item, item_scores.scores, rule), reason)


def _refuse_unknown(what: str, name: str | None, known: set[str]) -> None:
    if name is not None and name not in known:
        raise InputError(f"There is no {what} {name!r} in this result: there are {listed(sorted(known))}.")


def _all_text(item: Item) -> str:
    return " ".join([item.id, prompt_of(item), *completions_of(item)])


def prompt_of(item: Item) -> str:
    """Return the text of the prompt; empty if the file does not hold it."""
    return "\n\n".join(message["content"] for message in item.prompt)


def completions_of(item: Item) -> list[str]:
    """Return the completions, each without the prompt and the template before it if the prompt is found there."""
    prompt = prompt_of(item).rpartition("\n\nuser: ")[2]  # of a conversation its last turn
    texts = [completion[-1]["content"] if completion else "" for completion in item.completions]
    return [text.rpartition(prompt)[2] if prompt and prompt in text else text for text in texts]


def excerpt(item: Item, scores: Sequence[float] = ()) -> str:
    """Format an item for a terminal: long texts are cut, control characters are replaced."""
    lines = [f"  prompt    {_short(prompt_of(item))}"] if item.prompt else []
    for n, text in enumerate(completions_of(item)):
        side = "chosen  " if n < item.num_correct else "rejected"
        score = f" [{decimal(scores[n])}]" if scores else ""
        lines.append(f"  {side}{score}  {_short(text) or '(its text is not in the file)'}")
    return "\n".join(lines)


def _short(text: str) -> str:
    clean = printable_text(text.strip()).replace("\n", "\n            ")
    return clean if len(clean) <= LONGEST else clean[:LONGEST] + " …"


def decimal(value: float) -> str:
    """Write a score or a margin with its sign; a very large one by its power of ten.

    >>> decimal(0.25), decimal(-2e308), decimal(1e300)
    ('+0.250', '-inf', '+1.000e+300')
    """
    return f"{value:+.3e}" if 1e9 <= abs(value) < inf else f"{value:+.3f}"


STYLE = """
:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:auto;padding:1rem}
form{display:flex;gap:1rem;flex-wrap:wrap;position:sticky;top:0;background:Canvas;padding:.5rem 0}
article{border-top:1px solid GrayText;padding:.5rem 0}h2{font-size:1rem;margin:.3rem 0}
pre{white-space:pre-wrap;overflow-wrap:anywhere;font:inherit;margin:.3rem 0;padding:.4rem .6rem;border-left:4px solid}
.prompt{border-color:GrayText}.chosen{border-color:#0072b2}.rejected{border-color:#d55e00}.side{font-weight:600}
"""
SCRIPT = """
const pick=document.querySelector('select'),find=document.querySelector('input'),count=document.querySelector('output');
function show(){let n=0;for(const a of document.querySelectorAll('article')){
const on=(!pick.value||a.dataset.subset===pick.value)&&a.textContent.toLowerCase().includes(find.value.toLowerCase());
a.hidden=!on;n+=on}count.textContent=n+' items'}
pick.onchange=find.oninput=show;show();
"""


def to_html(scored: Scored, shown: Iterable[Shown]) -> str:
    """One page: every item with its texts and scores, to be filtered by subset and by words."""
    shown = list(shown)
    title = _escaped(f"{scored.model} on {scored.suite.name or 'its items'}")
    subsets = sorted({entry.item.subset for entry in shown})
    options = "".join(f'<option value="{_escaped(name)}">{_escaped(name)}</option>' for name in subsets)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<style>{STYLE}</style><h1>{title}</h1>"
        f'<form onsubmit="return false"><label>Subset <select><option value="">all</option>{options}</select></label>'
        '<label>Words <input type="search"></label><output></output></form>'
        + "".join(_article(entry) for entry in shown)
        + f"<script>{SCRIPT}</script></html>\n"
    )


def _escaped(text: str) -> str:
    """Return text for a page: no markup, and no character that HTML cannot hold."""
    return html.escape(_NOT_IN_HTML.sub("\ufffd", text))


def _article(entry: Shown) -> str:
    item = entry.item
    note = f" ({_escaped(entry.reason)})" if entry.reason else ""
    name, subset = _escaped(item.id), _escaped(item.subset)
    parts = [
        f'<article data-subset="{subset}"><h2><bdi>{name}</bdi> · <bdi>{subset}</bdi> · '
        f"margin {decimal(entry.margin)}{note}</h2>"
    ]
    if item.prompt:
        parts.append(f'<pre class="prompt">{_escaped(prompt_of(item))}</pre>')
    for n, text in enumerate(completions_of(item)):
        side = "chosen" if n < item.num_correct else "rejected"
        title = f'<span class="side">{side} {decimal(entry.scores[n])}</span>'
        parts.append(f'<pre class="{side}">{title}\n{_escaped(text.strip())}</pre>')
    return "".join(parts) + "</article>"
