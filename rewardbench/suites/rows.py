"""Rows of any preference data in, Items out: column names, ids, and why a row cannot be scored; never a file."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import islice, pairwise
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
"""The column of the functions that the assistant may call."""


@dataclass(frozen=True)
class Table:
    """The items of a table, and what to tell of it: its notes are whole once the survey has watched all items."""

    items: Sequence[Item]
    survey: Survey


@dataclass(frozen=True)
class _Layout:
    form: Form
    reading: Reading
    used: AbstractSet[str]


def parse_rows(rows: Sequence[Row], where: str, scores_only: bool = False) -> Sequence[Item]:
    """Return every row as an Item with an id of its own; one that cannot be scored has its `problem` set.

    Raises: InputError where there are no rows, no usable columns, or no row that can be scored.
    """
    return read_table(rows, where, scores_only).items


def read_table(
    rows: Sequence[Row], where: str, scores_only: bool = False, pairs: Pairs | None = None, exact: bool = False
) -> Table:
    """Return the items of rows, and a survey of them.

    Args:
        rows: the table.
        where: its name in messages.
        scores_only: read `messages` without a preference, even beside one.
        pairs: which items a prompt with several scored completions makes (default: best against worst).
        exact: a published suite, whose prompts are text whatever they look like.

    Raises: InputError where there are no rows, no usable columns, or no row that can be scored.
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
    """The first 12 hex digits of `full_hash`."""
    return full_hash(items)[:12]


def full_hash(items: Iterable[Item]) -> str:
    """The sha256 of all that decides a score, an item a line; meta is not in it."""
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
    """Id (else its place) and subset of a row."""
    return _label(row.get("id"), str(at)), _label(row.get("subset"), "all")


def _label(value: Any, default: str) -> str:
    """Return a name as text; the default where there is none.

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
    """Return what a row holds, its tools, and why no model can score it, if so."""
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
    """Return rows of a format of other projects with columns that the forms here know; other rows as they are."""
    if pairs not in (None, *PAIRS):
        raise InputError(f"--pairs is {pairs}: it must be one of {', '.join(PAIRS)}.")
    known = any(columns >= set(form.needs) for form in PREFERENCES) or (
        scores_only and any(columns >= set(form.needs) for form in CONVERSATIONS)
    )
    if not known and (format := find_format(columns, list(islice(rows, SAMPLE)))):
        survey.remark(f"The rows were read as {format.name}.")
        if pairs and format.name != SCORED:
            survey.remark(f"--pairs {pairs} has no effect: no prompt has several completions with scores.")
        return convert_rows(format, rows, pairs or "best-worst")
    if not known and (single := find_single(columns)):
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
    """Return how a table is read: by the first form that fits; only where scores are asked for, `messages` first."""
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
    """Say where the prompt is read if that is not plain. Raises: InputError if it may stand where it is not read."""
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
    """Return True if a completion is a text that holds no turns of its own."""
    value = row.get(name)
    first = value[0] if isinstance(value, list) and value else value
    return isinstance(first, str) and not transcript(first) and spelled_messages(first) is None


def _find_problem(row: Parsed) -> str | None:
    """Why no model can score this row, or None."""
    every = [*row.prompt, *(turn for completion in row.completions for turn in completion)]
    if not row.rendered and not any(
        turn["content"].strip() for turn in row.prompt if turn["role"] in ("user", "assistant")
    ):
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
    if not all(map(_is_unicode, every)):
        return "the text holds half a surrogate pair, which no tokenizer reads"
    return None


def _is_unicode(turn: Message) -> bool:
    try:
        for text in (turn["content"], *(str(turn.get(field, "")) for field in TEXT_FIELDS)):
            text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _give_ids(who: Sequence[tuple[str, str]]) -> list[str]:
    """Ids, of rows given by id and subset; those that repeat (RewardBench counts anew in each subset) become
    `subset/id`, and at need `#2`, `#3`.

    >>> _give_ids([("1", "a"), ("1", "b"), ("2", "b"), ("1", "b")])
    ['a/1', 'b/1', '2', 'b/1#2']
    """
    count = Counter(id for id, _ in who)
    named = [f"{subset}/{id}" if count[id] > 1 else id for id, subset in who]
    taken: set[str] = set(named)
    seen: set[str] = set()
    last: dict[str, int] = {}  # the number that each name was given last: counting goes on from there
    for at, base in enumerate(named):
        name, n = base, last.get(base, 1)
        while name in seen or (n > 1 and name in taken):
            n += 1
            name = f"{base}#{n}"
        seen.add(name)
        named[at], last[base] = name, n
    return named
