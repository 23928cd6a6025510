"""Select items of a result, lowest margin first, and format them for the terminal or as one HTML file."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import inf, isfinite, isnan

from rewardbench.console.terminal import listed, printable_text
from rewardbench.errors import InputError
from rewardbench.metrics import credit, rule_of
from rewardbench.metrics.credit import margin_by_rule
from rewardbench.results import why_unscored
from rewardbench.results.scored import ModelScores
from rewardbench.types import Item, ItemScores, Rule

LONGEST = 600
"""Maximum number of characters of a text on the terminal."""
_NOT_IN_HTML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters and lone surrogates."""
_TURN_TOKEN = r"(?:<\|[^|<>\n]{1,40}\|>|</?s>|<(?:bos|eos|start_of_turn|end_of_turn)>|\[/?INST\])"
_TURN_START = re.compile(rf"\s*(?:{_TURN_TOKEN}\s*(?:(?:assistant|model)(?=\n|<))?\s*)+")
_TURN_END = re.compile(rf"{_TURN_TOKEN}\s*$")
_LONGEST_TURN_END = 60
"""Characters of one token at the end of a turn, and of the space after it."""


@dataclass(frozen=True)
class ScoredItem:
    """An item with its scores."""

    item: Item
    section: str
    scores: tuple[float, ...]
    margin: float
    """Lowest score of a right completion less the highest of a wrong one; NaN if unscored."""
    credit: float
    reason: str | None = None
    """Why the margin is not finite."""
    order_inconsistency: float | None = None
    """Of pairwise scorers, the share of pairs whose winner depends on the order shown."""
    position_bias: float | None = None
    """Of judges: how often the completion shown first is preferred, minus what chance gives."""
    step_scores: tuple[float, ...] = ()
    """Of a solution with labelled steps, the score of each step."""


def select(
    scored: ModelScores,
    errors: bool = False,
    subset: str | None = None,
    section: str | None = None,
    search: str | None = None,
) -> list[ScoredItem]:
    """Select items with a preference or labelled steps, sorted by margin: the lowest first, unscored ones last.

    Args:
        scored: scores of a model.
        errors: leave out items with full credit.
        subset: select this subset only.
        section: select this section only.
        search: select items that contain this text, in any case.

    Raises:
        InputError: if the subset or section does not exist, or no item is labelled.
    """
    labelled = [
        (item, item_scores)
        for item, item_scores in zip(scored.suite.items, scored.items, strict=True)
        if item.is_labelled
    ]
    if not labelled:
        raise InputError(
            f"{scored.path} has no item to show: none of its {len(scored.items):,} rows has right and wrong "
            "completions. Read the scores in its outputs file."
        )
    rules = {name: rule_of(scored.suite, name) for name in {item.subset for item, _ in labelled}}
    _reject_unknown("subset", subset, set(rules))
    _reject_unknown("section", section, {rule.section for rule in rules.values()})
    selected: list[ScoredItem] = []
    for item, item_scores in labelled:
        rule = rules[item.subset]
        if subset not in (None, item.subset) or section not in (None, rule.section):
            continue
        value = credit(item, item_scores.scores, rule, item_scores.step_scores)
        if not (errors and value == 1) and _contains(item, search):
            selected.append(_scored_item(item, item_scores, rule, value))
    return sorted(selected, key=lambda shown: (isnan(shown.margin), shown.margin))


def _scored_item(item: Item, item_scores: ItemScores, rule: Rule, value: float) -> ScoredItem:
    gap = margin_by_rule(item, item_scores, rule)
    reason = item_scores.reason or why_unscored(item_scores.scores)
    if reason is None and not isfinite(gap):
        reason = "the margin is beyond the range of a float"
    steps = item_scores.step_scores[0] if item.first_error is not None and item_scores.step_scores else ()
    return ScoredItem(
        item,
        rule.section,
        item_scores.scores,
        gap,
        value,
        reason,
        item_scores.order_inconsistency,
        item_scores.position_bias,
        steps,
    )


def _reject_unknown(kind: str, name: str | None, known: set[str]) -> None:
    if name is not None and name not in known:
        raise InputError(f"There is no {kind} {name!r} in this result: there are {listed(sorted(known))}.")


def _contains(item: Item, search: str | None) -> bool:
    """Return True if the id or a text of an item contains the text `search`, in any case."""
    if not search:
        return True
    return search.lower() in " ".join([item.id, prompt_of(item), *completions_of(item)]).lower()


def prompt_of(item: Item) -> str:
    """Return the text of the prompt; empty if the file does not contain it."""
    return "\n\n".join(message["content"] for message in item.prompt)


def completions_of(item: Item) -> list[str]:
    """Return the texts of the completions; one that repeats the prompt from its end, without the chat template."""
    prompt = prompt_of(item).rpartition("\n\nuser: ")[2]  # the last turn of a conversation
    texts: list[str] = []
    for completion in item.completions:
        text = completion[-1]["content"] if completion else ""
        texts.append(_without_template(text.rpartition(prompt)[2]) if prompt and prompt in text else text)
    return texts


def _without_template(text: str) -> str:
    r"""Remove the special tokens that a chat template prints around a completion.

    >>> _without_template("<|im_end|>\n<|im_start|>assistant\nLima.<|im_end|>\n")
    'Lima.'
    >>> _without_template("<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n<b>Lima</b>")
    '<b>Lima</b>'
    """
    opening = _TURN_START.match(text)
    start, end = opening.end() if opening else 0, len(text.rstrip())
    while closing := _TURN_END.search(text, max(start, end - _LONGEST_TURN_END), end):
        end = closing.start()
    return text[start:end] if opening or end < len(text.rstrip()) else text


def excerpt(item: Item, scores: Sequence[float] = ()) -> str:
    """Format an item for the terminal: long texts are cut, control characters are replaced."""
    lines = [f"  prompt    {_short(prompt_of(item))}"] if item.prompt else []
    for n, text in enumerate(completions_of(item)):
        side = f"{side_of(item, n):8}"
        score = f" [{decimal(scores[n])}]" if scores else ""
        lines.append(f"  {side}{score}  {_short(text) or '(text not in the file)'}")
    return "\n".join(lines)


def side_of(item: Item, index: int) -> str:
    """Return what a completion is: `chosen`, `rejected`, or a `solution` whose steps are labelled."""
    if item.first_error is not None:
        return "solution"
    return "chosen" if index < item.num_correct else "rejected"


def describe_steps(shown: ScoredItem) -> str:
    """Describe the scores of labelled steps, and the first wrong one; empty for other items.

    >>> item = Item("a", "s", (), ((),), 0, first_error=1)
    >>> describe_steps(ScoredItem(item, "s", (0.2,), 0.3, 1.0, step_scores=(0.9, 0.2)))
    'first wrong step 2 of 2; scores +0.900 +0.200'
    """
    first_error = shown.item.first_error
    if first_error is None:
        return ""
    label = "no step is wrong" if first_error < 0 else f"first wrong step {first_error + 1} of {len(shown.step_scores)}"
    return f"{label}; scores {' '.join(map(decimal, shown.step_scores))}"


def _short(text: str) -> str:
    clean = printable_text(text.strip()).replace("\n", "\n            ")
    return clean if len(clean) <= LONGEST else clean[:LONGEST] + " …"


def decimal(value: float) -> str:
    """Format a score or a margin with its sign; very large ones in scientific notation.

    >>> decimal(0.25), decimal(-2e308), decimal(1e300)
    ('+0.250', '-inf', '+1.000e+300')
    """
    return f"{value:+.3e}" if 1e9 <= abs(value) < inf else f"{value:+.3f}"


STYLE = """
:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:auto;padding:1rem}
form{display:flex;gap:1rem;flex-wrap:wrap;position:sticky;top:0;background:Canvas;padding:.5rem 0}
article{border-top:1px solid GrayText;padding:.5rem 0}h2{font-size:1rem;margin:.3rem 0}
pre{white-space:pre-wrap;overflow-wrap:anywhere;font:inherit;margin:.3rem 0;padding:.4rem .6rem;border-left:4px solid}
.prompt{border-color:GrayText}.chosen,.solution{border-color:#0072b2}.rejected{border-color:#d55e00}.side{font-weight:600}
"""
SCRIPT = """
const pick=document.querySelector('select'),find=document.querySelector('input'),count=document.querySelector('output');
function show(){let n=0;for(const a of document.querySelectorAll('article')){
const on=(!pick.value||a.dataset.subset===pick.value)&&a.textContent.toLowerCase().includes(find.value.toLowerCase());
a.hidden=!on;n+=on}count.textContent=n+' items'}
pick.onchange=find.oninput=show;show();
"""


def to_html(scored: ModelScores, items: Iterable[ScoredItem]) -> str:
    """Return a page with the texts and scores of items, which can be filtered by subset and by text."""
    items = list(items)
    title = _escaped(f"{scored.model} on {scored.suite.name or 'an unnamed suite'}")
    subsets = map(_escaped, sorted({shown.item.subset for shown in items}))
    options = "".join(f'<option value="{name}">{name}</option>' for name in subsets)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<style>{STYLE}</style><h1>{title}</h1>"
        f'<form onsubmit="return false"><label>Subset <select><option value="">all</option>{options}</select></label>'
        '<label>Search <input type="search"></label><output></output></form>'
        f"{''.join(map(_article, items))}<script>{SCRIPT}</script></html>\n"
    )


def _escaped(text: str) -> str:
    """Escape text for HTML, and replace characters that HTML does not allow."""
    return html.escape(_NOT_IN_HTML.sub("\ufffd", text))


def _article(shown: ScoredItem) -> str:
    item = shown.item
    note = f" ({_escaped(shown.reason)})" if shown.reason else ""
    if shown.order_inconsistency is not None:
        note += f" · order inconsistency {shown.order_inconsistency:.2f}"
    if shown.position_bias is not None:
        note += f" · position bias {shown.position_bias:+.2f}"
    name, subset = _escaped(item.id), _escaped(item.subset)
    parts = [
        f'<article data-subset="{subset}"><h2><bdi>{name}</bdi> · <bdi>{subset}</bdi> · '
        f"margin {decimal(shown.margin)}{note}</h2>"
    ]
    if item.prompt:
        parts.append(f'<pre class="prompt">{_escaped(prompt_of(item))}</pre>')
    for n, text in enumerate(completions_of(item)):
        side = side_of(item, n)
        title = f'<span class="side">{side} {decimal(shown.scores[n])}</span>'
        parts.append(f'<pre class="{side}">{title}\n{_escaped(text.strip())}</pre>')
    if steps := describe_steps(shown):
        parts.append(f"<p>{_escaped(steps)}</p>")
    return "".join(parts) + "</article>"
