"""Rows of any preference data in, Items out: column names, ids, and why a row cannot be scored; never a file."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from rewardbench.suites.lazy import Lazy
from rewardbench.suites.table import Row
from rewardbench.suites.turns import (
    TEXT_FIELDS,
    Unusable,
    kind,
    read_functions,
    read_text,
    read_turns,
    say,
    split_prompt,
    transcript,
)
from rewardbench.types import InputError, Item, Message, Messages

WHO = ("id", "subset", "group")
TOOLS = "tools"
"""The column of the functions that the assistant may call."""


@dataclass(frozen=True)
class _Parsed:
    prompt: Messages
    completions: tuple[Messages, ...]
    num_correct: int
    rendered: bool = False


@dataclass(frozen=True)
class _Form:
    """One way to write a row: the columns it needs, and how it is read, given the prompt's columns."""

    needs: tuple[str, ...]
    read: Callable[[Row, Sequence[str]], _Parsed]
    blank: _Parsed
    """What stands for a row that cannot be read: the usual number of completions, without text."""
    prompted: bool = True


@dataclass(frozen=True)
class _Layout:
    form: _Form
    prompt: tuple[str, ...]
    used: AbstractSet[str]


def parse_rows(rows: Sequence[Row], where: str, scores_only: bool = False) -> Sequence[Item]:
    """Every row as an Item with an id of its own; one that cannot be scored has its `problem` set.

    Raises: InputError where there are no rows, no usable columns, or no row that can be scored.
    """
    if not rows:
        raise InputError(f"{where} is empty: it holds no rows to score.")
    layout = _find_layout({name for row in rows for name in row}, where, scores_only)
    ids = _give_ids([_who(row, at) for at, row in enumerate(rows)])
    items: Sequence[Item]
    if isinstance(rows, Lazy):
        items = rows.map(lambda at, row: _parse(row, ids[at], layout))
    else:
        items = tuple(_parse(row, id, layout) for row, id in zip(rows, ids, strict=True))
    if all(item.problem for item in items):
        first = items[0]
        raise InputError(f"No item of {where} can be scored; the first of {len(items)} is {first.id}: {first.problem}.")
    return items


def content_hash(items: Sequence[Item]) -> str:
    """The first 12 hex digits of `full_hash`."""
    return full_hash(items)[:12]


def full_hash(items: Sequence[Item]) -> str:
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
    id_, subset = row.get("id"), row.get("subset")
    return str(at if id_ is None else id_), "all" if subset is None else str(subset)


def _parse(row: Row, id: str, layout: _Layout) -> Item:
    try:
        parsed = layout.form.read(row, layout.prompt)
        tools = read_functions(row.get(TOOLS), TOOLS)
        problem = _find_problem(parsed)
    except Unusable as reason:
        parsed, tools, problem = layout.form.blank, [], str(reason)
    group = row.get("group")
    return Item(
        id=id,
        subset=_who(row, 0)[1],
        group="" if group is None else str(group),
        prompt=parsed.prompt,
        completions=parsed.completions,
        num_correct=parsed.num_correct,
        rendered=parsed.rendered,
        problem=problem,
        meta={name: value for name, value in row.items() if name not in layout.used},
        tools=tuple(tools),
    )


def _find_layout(columns: AbstractSet[str], where: str, scores_only: bool = False) -> _Layout:
    """The first form that fits; `messages`, which stands last, comes first where only scores are asked for."""
    for form in reversed(FORMS) if scores_only else FORMS:
        if columns >= set(form.needs):
            prompt = _prompt_columns(columns) if form.prompted else ()
            system = ("system",) if prompt else ()
            count = ("num_correct",) if form.prompted else ()
            return _Layout(form, prompt, {*form.needs, *prompt, *system, *count, *WHO, TOOLS})
    expected = ", or ".join(" and ".join(form.needs) for form in FORMS)
    raise InputError(f"{where} has the columns {', '.join(sorted(columns))}; it needs {expected}.")


def _prompt_columns(columns: AbstractSet[str]) -> tuple[str, ...]:
    """Where the prompt stands. `instruction` and `input` belong together, as in Alpaca.

    >>> _prompt_columns({"prompt", "input", "chosen"})
    ('prompt',)
    >>> _prompt_columns({"input", "instruction"})
    ('instruction', 'input')
    """
    for name in ("prompt", "question"):
        if name in columns:
            return (name,)
    return tuple(name for name in ("instruction", "input") if name in columns)


def _read_prompt(row: Row, names: Sequence[str]) -> Messages:
    """The prompt's turns; none where its columns are empty."""
    found = [(name, row[name]) for name in names if row.get(name) not in (None, "", [])]
    if len(found) < 2:
        return read_turns(found[0][1], found[0][0], "user") if found else ()
    return say("user", "\n\n".join(read_text(value, name) for name, value in found))


def _add_system(prompt: Messages, system: Any) -> Messages:
    if system is None or not read_text(system, "system").strip() or (prompt and prompt[0]["role"] == "system"):
        return prompt
    return (Message(role="system", content=system), *prompt)


def _read_preference(row: Row, prompt_names: Sequence[str]) -> _Parsed:
    """`chosen` and `rejected`: each a text, a conversation, or a list of either."""
    chosen, rejected = _several(row.get("chosen"), "chosen"), _several(row.get("rejected"), "rejected")
    given = row.get("num_correct")
    num_correct = len(chosen) if given is None else _whole(given)
    return _read_completions(row, prompt_names, chosen + rejected, num_correct)


def _read_ranked(name: str) -> Callable[[Row, Sequence[str]], _Parsed]:
    """A list of completions, the first `num_correct` of which are right."""

    def read(row: Row, prompt_names: Sequence[str]) -> _Parsed:
        found = row.get(name)
        if not isinstance(found, list) or not found:
            raise Unusable(f"{name} is an empty list" if found == [] else f"{name} {kind(found, 'a list')}")
        named = [(f"completion {n}", one) for n, one in enumerate(found, 1)]
        return _read_completions(row, prompt_names, named, _whole(row.get("num_correct")))

    return read


def _read_completions(
    row: Row, prompt_names: Sequence[str], named: Sequence[tuple[str, Any]], num_correct: int
) -> _Parsed:
    if num_correct > len(named):
        raise Unusable(f"num_correct is {num_correct}, but there are {len(named)} completions")
    prompt = _read_prompt(row, prompt_names)
    read = [read_turns(value, name, "assistant") for name, value in named]
    if not prompt_names and all(isinstance(value, str) for _, value in named):
        read_as_turns = [transcript(value) for _, value in named]
        if not all(read_as_turns):
            return _Parsed((), tuple(read), num_correct, rendered=True)
        read = read_as_turns
    prompt, completions = split_prompt(prompt, read)
    if prompt_names:
        prompt = _add_system(prompt, row.get("system"))
    return _Parsed(prompt, completions, num_correct)


def _read_rendered(row: Row, prompt_names: Sequence[str]) -> _Parsed:
    """`text_chosen` and `text_rejected`: the final text, to which no template is applied."""
    names = ("text_chosen", "text_rejected")
    return _Parsed((), tuple(say("assistant", read_text(row.get(name), name)) for name in names), 1, rendered=True)


def _read_conversation(row: Row, prompt_names: Sequence[str]) -> _Parsed:
    """`messages`: its last turn is scored, and nothing is preferred to it."""
    turns = read_turns(row.get("messages"), "messages", "assistant")
    return _Parsed(turns[:-1], (turns[-1:],), 0)


def _several(value: Any, name: str) -> list[tuple[str, Any]]:
    """One completion, or each of a list of them, with the name it has in a sentence."""
    if not isinstance(value, list) or (value and isinstance(value[0], dict)):
        return [(name, value)]
    if not value:
        raise Unusable(f"{name} is an empty list")
    return [(name if len(value) == 1 else f"{name} {n}", one) for n, one in enumerate(value, 1)]


def _whole(value: Any) -> int:
    """A count, also as Parquet (2.0) and CSV ("2") give it.

    >>> _whole("2"), _whole(2.0)
    (2, 2)
    """
    try:
        count = int(value)
        if not isinstance(value, bool) and count >= 0 and count == float(value):
            return count
    except (TypeError, ValueError, OverflowError):
        pass
    raise Unusable(f"num_correct is {value!r}, not a count")


def _find_problem(row: _Parsed) -> str | None:
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
    taken = Counter(named)
    seen: set[str] = set()
    for at, name in enumerate(named):
        n = 1
        while name in seen or (n > 1 and name in taken):
            n += 1
            name = f"{named[at]}#{n}"
        seen.add(name)
        named[at] = name
    return named


_BLANK = say("assistant", "")
_PAIR = _Parsed((), (_BLANK, _BLANK), 1)

FORMS = (
    _Form(("chosen", "rejected"), _read_preference, _PAIR),
    _Form(("text_chosen", "text_rejected"), _read_rendered, replace(_PAIR, rendered=True), prompted=False),
    _Form(("completions", "num_correct"), _read_ranked("completions"), _PAIR),
    _Form(("responses", "num_correct"), _read_ranked("responses"), _PAIR),
    _Form(("messages",), _read_conversation, _Parsed((), (_BLANK,), 0), prompted=False),
)
"""The forms of a row, tried in this order against the columns of the whole table."""
