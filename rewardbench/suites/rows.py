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

from rewardbench.errors import InputError
from rewardbench.metrics.steps import step_subset
from rewardbench.settings import Pairs
from rewardbench.suites.columns import ID_COLUMNS, list_names, nearest_format, rename_columns
from rewardbench.suites.converters import PAIRS, SCORED, convert_rows, find_converter
from rewardbench.suites.data_row import LABEL_STRENGTH, BadRow, DataRow
from rewardbench.suites.encoded_text import decode_messages
from rewardbench.suites.lazy import LazySequence
from rewardbench.suites.prompts import SAMPLE, SYSTEM_NAMES, find_prompt, find_unused_prompts, reject_unread_prompt
from rewardbench.suites.readers import column_names
from rewardbench.suites.row_formats import (
    CONVERSATIONS,
    DECODED,
    PREFERENCES,
    RESPONSES,
    ParsedRow,
    ReadOptions,
    RowFormat,
    encodes_lists,
)
from rewardbench.suites.single_responses import find_single, join_singles
from rewardbench.suites.strengths import NEGATIVE, StrengthReader, find_strengths, read_strength
from rewardbench.suites.survey import Survey
from rewardbench.suites.turns import TEXT_FIELDS, Unusable, read_functions, transcript
from rewardbench.types import Item, Message, Tools

TOOLS = "tools"
"""Column of the functions that the assistant may call."""


@dataclass(frozen=True)
class SurveyedItems:
    """The items of a table, and a survey of them, which is complete once it has counted all items."""

    items: Sequence[Item]
    survey: Survey


@dataclass(frozen=True)
class _TableLayout:
    """How the rows of one table are read."""

    format: RowFormat
    options: ReadOptions
    used: AbstractSet[str]
    """The columns that are read."""
    strengths: tuple[StrengthReader, ...] = ()
    """The readers of the strength of a label."""


def parse_rows(rows: Sequence[DataRow], where: str, scores_only: bool = False) -> Sequence[Item]:
    """Convert every row to an Item with a unique id; a row that cannot be scored has its `problem` set.

    Raises:
        InputError: if there are no rows, no usable columns, or no row that can be scored.
    """
    return read_table(rows, where, scores_only).items


def read_table(
    rows: Sequence[DataRow],
    where: str,
    scores_only: bool = False,
    pairs: Pairs | None = None,
    exact: bool = False,
    by_row: bool = False,
) -> SurveyedItems:
    """Convert rows to items, and survey them.

    Args:
        rows: the table.
        where: its name in messages.
        scores_only: read `messages` without a preference, even if there is one.
        pairs: which items a prompt with several scored completions makes (default: best against worst).
        exact: prompts are plain text even if they look like messages (published suites).
        by_row: each row is an item of its own: its responses are scored, and not paired with those of other rows.

    Raises:
        InputError: if there are no rows, no usable columns, or no row that can be scored.
    """
    if not rows:
        raise InputError(f"{where} is empty: it holds no rows to score.")
    survey = Survey()
    rows, columns = rename_columns(rows, column_names(rows))
    by_row = by_row and pairs is None
    formats = _known_formats(columns, scores_only, by_row)
    converted = _to_known_format(rows, columns, where, formats, pairs, survey, by_row)
    if converted is not rows:
        rows, columns = converted, column_names(converted)
    _reject_all_bad(rows, where)
    layout = _find_layout(rows, columns, where, formats, exact, survey)
    survey.has_labels = layout.format not in RESPONSES
    if scores_only and layout.format in PREFERENCES:
        survey.remark("--prioritize_scoring has no effect: there is no column messages.")
    ids = _repaired_ids(rows)
    items: Sequence[Item]
    if isinstance(rows, LazySequence):
        items = rows.map(lambda at, row: _make_item(row, ids[at] if ids else _id(row, at), layout))
    else:
        items = tuple(_make_item(row, ids[at] if ids else _id(row, at), layout) for at, row in enumerate(rows))
    if all(item.problem for item in items):
        first = items[0]
        raise InputError(f"No item of {where} can be scored; the first of {len(items)} is {first.id}: {first.problem}.")
    return SurveyedItems(items, survey)


def _reject_all_bad(rows: Sequence[DataRow], where: str) -> None:
    first = next(iter(rows))
    if isinstance(first, BadRow) and all(isinstance(row, BadRow) for row in rows):
        id, _ = _id_and_subset(first, 0)
        raise InputError(f"No item of {where} can be scored; the first of {len(rows)} is {id}: {first.reason}.")


def content_hash(items: Iterable[Item]) -> str:
    """Return the first 12 hex digits of `full_hash`."""
    return full_hash(items)[:12]


def full_hash(items: Iterable[Item]) -> str:
    """Compute the sha256 of everything that determines a score, one item per line; meta is left out."""
    digest = hashlib.sha256()
    for item in items:
        scored_content = (
            item.id,
            item.subset,
            item.group,
            item.prompt,
            item.completions,
            item.num_correct,
            item.rendered,
            *([item.tools] if item.tools else []),
            *([] if item.first_error is None else [item.first_error]),
        )
        digest.update(json.dumps(scored_content, sort_keys=True, separators=(",", ":")).encode() + b"\n")
    return digest.hexdigest()


def _id_and_subset(row: DataRow, at: int) -> tuple[str, str]:
    """Return the id (by default its index) and the subset of a row."""
    return _to_name(row.get("id"), str(at)), _to_name(row.get("subset"), "all")


def _to_name(value: object, default: str) -> str:
    """Return a name as text, or the default if there is none.

    >>> _to_name(7, "0"), _to_name(None, "0"), _to_name(float("nan"), "all")
    ('7', '0', 'all')
    """
    if value is None or (isinstance(value, float) and isnan(value)):
        return default
    try:
        return str(value)
    except (RecursionError, ValueError):  # nested too deep, or a number of thousands of digits
        return default


def _make_item(row: DataRow, id: str, layout: _TableLayout) -> Item:
    parsed, tools, problem = _parse_row(row, layout)
    _, subset = _id_and_subset(row, 0)
    if parsed.first_error is not None:
        subset = step_subset(subset, parsed.first_error)
    return Item(
        id=id,
        subset=subset,
        group=_to_name(row.get("group"), ""),
        prompt=parsed.prompt,
        completions=parsed.completions,
        num_correct=parsed.num_correct,
        rendered=parsed.rendered,
        problem=problem,
        meta={name: value for name, value in row.items() if name not in layout.used},
        tools=tuple(tools),
        label_strength=None if problem else _label_strength(row, parsed, layout),
        first_error=parsed.first_error,
    )


def _label_strength(row: DataRow, parsed: ParsedRow, layout: _TableLayout) -> float | None:
    """Return the strength of the label of a row, which is 0 for a tie; None if it is unknown or negative."""
    if layout.format not in PREFERENCES or len(parsed.completions) < 2:
        return None
    if not 0 < parsed.num_correct < len(parsed.completions):
        return 0.0
    strength = read_strength(row, layout.strengths)
    if strength is not None and strength < 0:
        layout.options.survey.remark(NEGATIVE)
        return None
    return strength


def _parse_row(row: DataRow, layout: _TableLayout) -> tuple[ParsedRow, Tools, str | None]:
    """Return the content of a row, its tools, and the reason why it cannot be scored, if any."""
    if isinstance(row, BadRow):
        return layout.format.blank, (), row.reason
    try:
        parsed = layout.format.read(row, layout.options)
        tools = read_functions(row.get(TOOLS), TOOLS)
    except Unusable as reason:
        return layout.format.blank, (), str(reason)
    except RecursionError:
        return layout.format.blank, (), "a value is nested too deep"
    return parsed, tools, _find_problem(parsed)


def _known_formats(columns: AbstractSet[str], scores_only: bool, by_row: bool) -> tuple[RowFormat, ...]:
    """Return the formats that are read as they are, before formats of other projects are tried."""
    if scores_only:
        return (*CONVERSATIONS, *PREFERENCES)
    return (*PREFERENCES, *RESPONSES) if by_row and _has_responses(columns) else PREFERENCES


def _has_responses(columns: AbstractSet[str]) -> bool:
    """Return True if a table has a format of RESPONSES, and no conversations but as its prompt."""
    has_prompt = bool(columns & {"prompt", "question", "instruction"})
    return _find_format(columns, RESPONSES) is not None and (has_prompt or not _find_format(columns, CONVERSATIONS))


def _to_known_format(
    rows: Sequence[DataRow],
    columns: AbstractSet[str],
    where: str,
    formats: Sequence[RowFormat],
    pairs: Pairs | None,
    survey: Survey,
    by_row: bool,
) -> Sequence[DataRow]:
    """Convert rows in a format of another project to the columns of the formats here; other rows are unchanged."""
    if pairs not in (None, *PAIRS):
        raise InputError(f"--pairs is {pairs}: it must be one of {', '.join(PAIRS)}.")
    is_known = _find_format(columns, formats) is not None
    sample = [] if is_known else list(islice(rows, SAMPLE))
    converter = None if is_known else find_converter(columns, sample)
    single = None if is_known or converter or by_row else find_single(columns)
    if converter:
        survey.remark(f"The rows were read as {converter.name}.")
    if pairs and not single and (converter is None or converter.name != SCORED):
        survey.remark(f"--pairs {pairs} has no effect: no prompt has several completions with scores.")
    if converter:
        return convert_rows(converter, rows, pairs or "best-worst")
    if single:
        prompts = find_prompt(columns - set(single), sample)
        joined, note = join_singles(rows, single, (*prompts, *SYSTEM_NAMES), where, pairs or "best-worst")
        survey.remark(f"Responses to the same prompt were paired by {single[1]}.")
        if note:
            survey.remark(note)
        return joined
    return rows


def _find_format(columns: AbstractSet[str], formats: Sequence[RowFormat]) -> RowFormat | None:
    """Return the first format whose columns a table has."""
    for format in formats:
        if columns >= set(format.needs):
            return format
    return None


def _find_layout(
    rows: Sequence[DataRow],
    columns: AbstractSet[str],
    where: str,
    formats: Sequence[RowFormat],
    exact: bool,
    survey: Survey,
) -> _TableLayout:
    """Find the first format that fits a table: of `formats`, else one without a preference."""
    format = _find_format(columns, (*formats, *CONVERSATIONS))
    if format is None:
        raise InputError(nearest_format(columns, where))
    sample = [row for row in islice(rows, SAMPLE) if not isinstance(row, BadRow)]
    free = columns - set(format.needs) - {*ID_COLUMNS, TOOLS, "num_correct", *SYSTEM_NAMES}
    prompt = find_prompt(free, sample) if format.prompted else ()
    survey.explicit = "text_chosen" in format.needs
    lists = format.needs == ("chosen", "rejected") and encodes_lists(sample)
    if lists:
        survey.remark(DECODED)
    if format.prompted:
        _check_prompt(format, prompt, free, sample, where, survey)
    system = SYSTEM_NAMES if prompt else ()
    count = ("num_correct",) if format.prompted else ()
    earlier = ("history",) if "instruction" in prompt else ()
    used = {*format.needs, *format.also, *prompt, *system, *count, *earlier, *ID_COLUMNS, TOOLS, LABEL_STRENGTH}
    strengths = find_strengths(columns) if format in PREFERENCES else ()
    return _TableLayout(format, ReadOptions(prompt, survey, lists, exact), used, strengths)


def _check_prompt(
    format: RowFormat,
    prompt: Sequence[str],
    free: AbstractSet[str],
    sample: Sequence[DataRow],
    where: str,
    survey: Survey,
) -> None:
    """Report where the prompt was read; raise InputError if a column that is not read may hold it."""
    if not prompt:
        if any(_is_rendered(row, format.needs[0]) for row in sample):
            reject_unread_prompt(free, sample, where)
            survey.unread = list_names(free) if free else ""
        return
    if prompt[0] not in ("prompt", "question", "instruction", "input"):
        survey.remark(f"The prompt was read from the column {prompt[0]!r}.")
    for name in find_unused_prompts(free, prompt, sample):
        survey.remark(f"The column {name!r} was not read: the prompt is {' and '.join(map(repr, prompt))}.")


def _is_rendered(row: DataRow, name: str) -> bool:
    """Return True if a completion is a text without turns."""
    value = row.get(name)
    first = value[0] if isinstance(value, list) and value else value
    return isinstance(first, str) and not transcript(first) and decode_messages(first) is None


def _find_problem(parsed: ParsedRow) -> str | None:
    """Return the reason why no model can score this row, or None."""
    if not parsed.rendered and not any(map(_is_spoken, parsed.prompt)):
        return "the prompt is empty"
    roles = [turn["role"] for turn in parsed.prompt]
    if ("assistant", "assistant") in pairwise(roles):
        return "two assistant turns in a row in the prompt"
    if roles and roles[-1] == "assistant":
        return "the prompt ends with an assistant turn"
    is_pair = len(parsed.completions) == 2 and parsed.num_correct == 1
    for n, completion in enumerate(parsed.completions):
        name = ("chosen", "rejected")[n] if is_pair else f"completion {n + 1}"
        if completion[-1]["role"] != "assistant":
            return f"{name} does not end with an assistant turn"
        if not completion[-1]["content"].strip() and "tool_calls" not in completion[-1]:
            return f"{name} is empty"
    if not all(map(_is_unicode, chain(parsed.prompt, *parsed.completions))):
        return "the text has a lone surrogate, which no tokenizer can encode"
    return None


def _is_spoken(turn: Message) -> bool:
    """Return True if a turn is a text of the user or the assistant."""
    return turn["role"] in ("user", "assistant") and bool(turn["content"].strip())


def _is_unicode(turn: Message) -> bool:
    try:
        turn["content"].encode()
        for field in TEXT_FIELDS:
            str(turn.get(field, "")).encode()
    except UnicodeEncodeError:
        return False
    return True


def _repaired_ids(rows: Sequence[DataRow]) -> list[str]:
    """Return a unique id of each row; empty if the ids are unique as they are, so that none stays in memory."""
    hashes = {hash(_id(row, at)) for at, row in enumerate(rows)}
    if len(hashes) == len(rows):
        return []
    return _unique_ids([_id_and_subset(row, at) for at, row in enumerate(rows)])


def _id(row: DataRow, at: int) -> str:
    return _id_and_subset(row, at)[0]


def _unique_ids(ids_and_subsets: Sequence[tuple[str, str]]) -> list[str]:
    """Make ids unique: repeated ids become `subset/id`, and if necessary `subset/id#2`, `#3`.

    RewardBench restarts its ids in each subset.

    >>> _unique_ids([("1", "a"), ("1", "b"), ("2", "b"), ("1", "b")])
    ['a/1', 'b/1', '2', 'b/1#2']
    """
    count = Counter(id for id, _ in ids_and_subsets)
    names = [f"{subset}/{id}" if count[id] > 1 else id for id, subset in ids_and_subsets]
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
