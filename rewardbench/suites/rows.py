"""Convert rows of preference data to Items: column names, ids, and the reason why a row cannot be scored."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import chain, islice, pairwise
from math import isnan
from typing import Any

from rewardbench.errors import InputError
from rewardbench.settings import Pairs
from rewardbench.suites.badrows import BadRow
from rewardbench.suites.columns import list_names, nearest_format, rename_columns
from rewardbench.suites.formats import PAIRS, SCORED, convert_rows, find_format, find_single, join_singles
from rewardbench.suites.forms import CONVERSATIONS, PREFERENCES, SPELLED, Form, Parsed, Reading, spells_lists
from rewardbench.suites.lazy import Lazy
from rewardbench.suites.prompts import SAMPLE, SYSTEM_NAMES, find_beside, find_prompt, refuse_unread_prompt
from rewardbench.suites.readers import column_names
from rewardbench.suites.registry import Row
from rewardbench.suites.spelled import spelled_messages
from rewardbench.suites.survey import Survey
from rewardbench.suites.turns import TEXT_FIELDS, Unusable, read_functions, transcript
from rewardbench.types import Item, Message

WHO = ("id", "subset", "group")
TOOLS = "tools"
"""Column of the functions that the assistant may call."""


@dataclass(frozen=True)
class Table:
    """The items of a table, and a survey of them, which is complete once it has counted all items."""

    items: Sequence[Item]
    survey: Survey


@dataclass(frozen=True)
class _Layout:
    form: Form
    reading: Reading
    used: AbstractSet[str]


def parse_rows(rows: Sequence[Row], where: str, scores_only: bool = False) -> Sequence[Item]:
    """Convert every row to an Item with a unique id; a row that cannot be scored has its `problem` set.

    Raises:
        InputError: if there are no rows, no usable columns, or no row that can be scored.
    """
    return read_table(rows, where, scores_only).items


def read_table(
    rows: Sequence[Row], where: str, scores_only: bool = False, pairs: Pairs | None = None, exact: bool = False
) -> Table:
    """Convert rows to items, and survey them.

    Args:
        rows: the table.
        where: its name in messages.
        scores_only: read `messages` without a preference, even beside one.
        pairs: which items a prompt with several scored completions makes (default: best against worst).
        exact: prompts are plain text even if they look like messages (published suites).

    Raises:
        InputError: if there are no rows, no usable columns, or no row that can be scored.
    """
    if not rows:
        raise InputError(f"{where} is empty: it holds no rows to score.")
    survey = Survey()
    rows, columns = rename_columns(rows, column_names(rows))
    converted = _to_known_format(rows, columns, where, scores_only, pairs, survey)
    if converted is not rows:
        rows, columns = converted, column_names(converted)
    _refuse_all_bad(rows, where)
    layout = _find_layout(rows, columns, where, scores_only, exact, survey)
    ids = _give_ids([_who(row, at) for at, row in enumerate(rows)])
    items: Sequence[Item]
    if isinstance(rows, Lazy):
        items = rows.map(lambda at, row: _parse(row, ids[at], layout))
    else:
        items = tuple(_parse(row, id, layout) for row, id in zip(rows, ids, strict=True))
    if all(item.problem for item in items):
        first = items[0]
        raise InputError(f"No item of {where} can be scored; the first of {len(items)} is {first.id}: {first.problem}.")
    return Table(items, survey)


def _refuse_all_bad(rows: Sequence[Row], where: str) -> None:
    first = next(iter(rows))
    if isinstance(first, BadRow) and all(isinstance(row, BadRow) for row in rows):
        id = _who(first, 0)[0]
        raise InputError(f"No item of {where} can be scored; the first of {len(rows)} is {id}: {first.reason}.")


def content_hash(items: Iterable[Item]) -> str:
    """Return the first 12 hex digits of `full_hash`."""
    return full_hash(items)[:12]


def full_hash(items: Iterable[Item]) -> str:
    """Compute the sha256 of everything that determines a score, one item per line; meta is left out."""
    digest = hashlib.sha256()
    for item in items:
        decides = (
            item.id,
            item.subset,
            item.group,
            item.prompt,
            item.completions,
            item.num_correct,
            item.rendered,
            *([item.tools] if item.tools else []),
        )
        digest.update(json.dumps(decides, sort_keys=True, separators=(",", ":")).encode() + b"\n")
    return digest.hexdigest()


def _who(row: Row, at: int) -> tuple[str, str]:
    """Return the id (by default its index) and the subset of a row."""
    return _label(row.get("id"), str(at)), _label(row.get("subset"), "all")


def _label(value: Any, default: str) -> str:
    """Return a name as text, or the default if there is none.

    >>> _label(7, "0"), _label(None, "0"), _label(float("nan"), "all")
    ('7', '0', 'all')
    """
    if value is None or (isinstance(value, float) and isnan(value)):
        return default
    try:
        return str(value)
    except (RecursionError, ValueError):  # nested too deep, or a number of thousands of digits
        return default


def _parse(row: Row, id: str, layout: _Layout) -> Item:
    parsed, tools, problem = _read(row, layout)
    return Item(
        id=id,
        subset=_who(row, 0)[1],
        group=_label(row.get("group"), ""),
        prompt=parsed.prompt,
        completions=parsed.completions,
        num_correct=parsed.num_correct,
        rendered=parsed.rendered,
        problem=problem,
        meta={name: value for name, value in row.items() if name not in layout.used},
        tools=tuple(tools),
    )


def _read(row: Row, layout: _Layout) -> tuple[Parsed, Sequence[Any], str | None]:
    """Return the content of a row, its tools, and the reason why it cannot be scored, if any."""
    if isinstance(row, BadRow):
        return layout.form.blank, (), row.reason
    try:
        parsed = layout.form.read(row, layout.reading)
        tools = read_functions(row.get(TOOLS), TOOLS)
    except Unusable as reason:
        return layout.form.blank, (), str(reason)
    except RecursionError:
        return layout.form.blank, (), "a value is nested too deep"
    return parsed, tools, _find_problem(parsed)


def _to_known_format(
    rows: Sequence[Row],
    columns: AbstractSet[str],
    where: str,
    scores_only: bool,
    pairs: Pairs | None,
    survey: Survey,
) -> Sequence[Row]:
    """Convert rows in a format of another project to the columns of the forms here; other rows are unchanged."""
    if pairs not in (None, *PAIRS):
        raise InputError(f"--pairs is {pairs}: it must be one of {', '.join(PAIRS)}.")
    has_known_form = any(columns >= set(form.needs) for form in PREFERENCES) or (
        scores_only and any(columns >= set(form.needs) for form in CONVERSATIONS)
    )
    if not has_known_form and (format := find_format(columns, list(islice(rows, SAMPLE)))):
        survey.remark(f"The rows were read as {format.name}.")
        if pairs and format.name != SCORED:
            survey.remark(f"--pairs {pairs} has no effect: no prompt has several completions with scores.")
        return convert_rows(format, rows, pairs or "best-worst")
    if not has_known_form and (single := find_single(columns)):
        prompts = find_prompt(columns - set(single), list(islice(rows, SAMPLE)))
        joined, note = join_singles(rows, single, (*prompts, *SYSTEM_NAMES), where, pairs or "best-worst")
        survey.remark(f"Responses to the same prompt were paired by {single[1]}.")
        if note:
            survey.remark(note)
        return joined
    if pairs:
        survey.remark(f"--pairs {pairs} has no effect: no prompt has several completions with scores.")
    return rows


def _find_layout(
    rows: Sequence[Row], columns: AbstractSet[str], where: str, scores_only: bool, exact: bool, survey: Survey
) -> _Layout:
    """Find the first form that fits a table; with `scores_only`, `messages` comes first."""
    forms = (*CONVERSATIONS, *PREFERENCES) if scores_only else (*PREFERENCES, *CONVERSATIONS)
    form = next((form for form in forms if columns >= set(form.needs)), None)
    if form is None:
        raise InputError(nearest_format(columns, where))
    if scores_only and form in PREFERENCES:
        survey.remark("--prioritize_scoring has no effect: there is no column messages.")
    sample = [row for row in islice(rows, SAMPLE) if not isinstance(row, BadRow)]
    free = columns - set(form.needs) - {*WHO, TOOLS, "num_correct", *SYSTEM_NAMES}
    prompt = find_prompt(free, sample) if form.prompted else ()
    survey.explicit = "text_chosen" in form.needs
    lists = form.needs == ("chosen", "rejected") and spells_lists(sample)
    if lists:
        survey.remark(SPELLED)
    if form.prompted:
        _check_prompt(form, prompt, free, sample, where, survey)
    system = SYSTEM_NAMES if prompt else ()
    count = ("num_correct",) if form.prompted else ()
    earlier = ("history",) if "instruction" in prompt else ()
    used = {*form.needs, *prompt, *system, *count, *earlier, *WHO, TOOLS}
    return _Layout(form, Reading(prompt, survey, lists, exact), used)


def _check_prompt(
    form: Form, prompt: Sequence[str], free: AbstractSet[str], sample: Sequence[Row], where: str, survey: Survey
) -> None:
    """Report where the prompt was read; raise InputError if a column that is not read may hold it."""
    if not prompt:
        if any(_is_rendered(row, form.needs[0]) for row in sample):
            refuse_unread_prompt(free, sample, where)
            survey.unread = list_names(free) if free else ""
        return
    if prompt[0] not in ("prompt", "question", "instruction", "input"):
        survey.remark(f"The prompt was read from the column {prompt[0]!r}.")
    for name in find_beside(free, prompt, sample):
        survey.remark(f"The column {name!r} was not read: the prompt is {' and '.join(map(repr, prompt))}.")


def _is_rendered(row: Row, name: str) -> bool:
    """Return True if a completion is a text without turns."""
    value = row.get(name)
    first = value[0] if isinstance(value, list) and value else value
    return isinstance(first, str) and not transcript(first) and spelled_messages(first) is None


def _find_problem(row: Parsed) -> str | None:
    """Return the reason why no model can score this row, or None."""
    turns = [*row.prompt, *chain.from_iterable(row.completions)]
    spoken_turns = [turn for turn in row.prompt if turn["role"] in ("user", "assistant")]
    if not row.rendered and not any(turn["content"].strip() for turn in spoken_turns):
        return "the prompt is empty"
    roles = [turn["role"] for turn in row.prompt]
    if ("assistant", "assistant") in pairwise(roles):
        return "two assistant turns in a row in the prompt"
    if roles and roles[-1] == "assistant":
        return "the prompt ends with an assistant turn"
    pair = len(row.completions) == 2 and row.num_correct == 1
    for n, completion in enumerate(row.completions):
        name = ("chosen", "rejected")[n] if pair else f"completion {n + 1}"
        if completion[-1]["role"] != "assistant":
            return f"{name} does not end with an assistant turn"
        if not completion[-1]["content"].strip() and "tool_calls" not in completion[-1]:
            return f"{name} is empty"
    if not all(map(_is_unicode, turns)):
        return "the text has a lone surrogate, which no tokenizer can encode"
    return None


def _is_unicode(turn: Message) -> bool:
    try:
        for text in (turn["content"], *(str(turn.get(field, "")) for field in TEXT_FIELDS)):
            text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _give_ids(labels: Sequence[tuple[str, str]]) -> list[str]:
    """Make ids unique: repeated ids become `subset/id`, and if necessary `subset/id#2`, `#3`.

    RewardBench restarts its ids in each subset.

    >>> _give_ids([("1", "a"), ("1", "b"), ("2", "b"), ("1", "b")])
    ['a/1', 'b/1', '2', 'b/1#2']
    """
    count = Counter(id for id, _ in labels)
    names = [f"{subset}/{id}" if count[id] > 1 else id for id, subset in labels]
    base_names: set[str] = set(names)
    used_names: set[str] = set()
    last: dict[str, int] = {}  # the last number of each name
    for at, base in enumerate(names):
        name, n = base, last.get(base, 1)
        while name in used_names or (n > 1 and name in base_names):
            n += 1
            name = f"{base}#{n}"
        used_names.add(name)
        names[at], last[base] = name, n
    return names
