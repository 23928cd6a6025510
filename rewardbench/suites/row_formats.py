"""Row formats: the columns that each format needs, and how its rows become a prompt and completions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from rewardbench.suites.data_row import DataRow
from rewardbench.suites.encoded_text import decode_messages, decode_texts, decode_value
from rewardbench.suites.labelled_steps import (
    LABEL,
    LABELS,
    STEPS,
    name_steps,
    read_first_error,
    read_solution,
    step_count,
)
from rewardbench.suites.prompts import SYSTEM_NAMES, prompt_turns
from rewardbench.suites.scored_responses import object_text, read_list
from rewardbench.suites.survey import Survey
from rewardbench.suites.turns import Unusable, kind, read_text, read_turns, say, split_prompt, transcript
from rewardbench.types import Message, Messages

DECODED = "Texts that encode messages or lists (as JSON, Python or numpy) were decoded."
TRANSCRIPTS = "Texts that are Human/Assistant transcripts were read as their turns."


@dataclass(frozen=True)
class ParsedRow:
    """The content of a row."""

    prompt: Messages
    completions: tuple[Messages, ...]
    num_correct: int
    rendered: bool = False
    first_error: int | None = None


@dataclass(frozen=True)
class ReadOptions:
    """How to read the rows of one table."""

    prompt: tuple[str, ...]
    """The columns of the prompt."""
    survey: Survey
    lists: bool = False
    """Whether chosen and rejected encode lists of texts in every row."""
    exact: bool = False
    """Whether prompts are plain text even if they look like messages (published suites)."""


@dataclass(frozen=True)
class RowFormat:
    """A row format: the columns it needs, and how to read it."""

    needs: tuple[str, ...]
    read: Callable[[DataRow, ReadOptions], ParsedRow]
    blank: ParsedRow
    """Placeholder for an unreadable row: the usual number of completions, without text."""
    prompted: bool = True
    also: tuple[str, ...] = ()
    """Columns that it reads where they exist."""


def _read_prompt(row: DataRow, options: ReadOptions) -> Messages:
    """Return the prompt's turns; empty if its columns are."""
    names = [name for name in options.prompt if row.get(name) not in (None, "", [])]
    prompt: Messages = ()
    if len(names) == 1:
        prompt = _read_prompt_column(names[0], row[names[0]], options)
    elif names:
        texts = [read_text(row[name], name) for name in names]
        prompt = say("user", "\n\n".join(texts))
    earlier = row.get("history") if "instruction" in options.prompt else None
    return (*_read_history(earlier), *prompt) if earlier else prompt


def _read_prompt_column(name: str, value: object, options: ReadOptions) -> Messages:
    messages = _decode(value, options)
    if isinstance(messages, dict) and isinstance(messages.get("messages"), list):  # OpenAI's preference format
        messages = messages["messages"]
    if isinstance(messages, str) and not options.exact and (turns := prompt_turns(messages)):
        options.survey.remark(TRANSCRIPTS)
        messages = turns
    if isinstance(messages, list) and messages and all(isinstance(turn, str) for turn in messages):
        messages = _alternate(messages)
    return read_turns(messages, name, "user")


def _alternate(texts: Sequence[str]) -> list[Message]:
    """Return the turns of texts by the user and the assistant in turn; the user begins."""
    turns: list[Message] = []
    for n, text in enumerate(texts):
        turns.append(Message(role="assistant" if n % 2 else "user", content=text))
    return turns


def _read_history(value: object) -> list[Message]:
    """Read Alpaca's history: a list of pairs of a user text and an assistant text."""
    pairs = decode_value(value) if isinstance(value, str) else value
    if not isinstance(pairs, list):
        raise Unusable(f"history {kind(value, 'a list of pairs')}")
    turns: list[Message] = []
    for pair in pairs:
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise Unusable("history is not a list of pairs of a question and its answer")
        turns += _alternate([read_text(text, "a turn of history") for text in pair])
    return turns


def _decode(value: object, options: ReadOptions) -> object:
    """Return the messages that a text encodes, or the value unchanged."""
    messages = decode_messages(value) if isinstance(value, str) else None
    if messages is None:
        return value
    options.survey.remark(DECODED)
    return messages


def _add_system(prompt: Messages, row: DataRow) -> Messages:
    """Add the system message of a row, unless it is blank or the prompt has one."""
    for name in SYSTEM_NAMES:
        if row.get(name) is not None:
            system = read_text(row[name], "system")
            has_system = bool(prompt) and prompt[0]["role"] == "system"
            return (Message(role="system", content=system), *prompt) if system.strip() and not has_system else prompt
    return prompt


def _read_preference(row: DataRow, options: ReadOptions) -> ParsedRow:
    """Read `chosen` and `rejected`: each a text, a conversation, or a list of either."""
    chosen = _named_completions("chosen", row.get("chosen"), options)
    rejected = _named_completions("rejected", row.get("rejected"), options)
    count = row.get("num_correct")
    num_correct = len(chosen) if count is None else _read_count(count)
    return _read_completions(row, options, chosen + rejected, num_correct)


def _list_reader(name: str) -> Callable[[DataRow, ReadOptions], ParsedRow]:
    """Return a reader of a list of completions whose first `num_correct` are right."""

    def read(row: DataRow, options: ReadOptions) -> ParsedRow:
        entries = row.get(name)
        if isinstance(entries, str) and (value := decode_value(entries)) is not None:
            options.survey.remark(DECODED)
            entries = value
        if not isinstance(entries, list) or not entries:
            raise Unusable(f"{name} is an empty list" if entries == [] else f"{name} {kind(entries, 'a list')}")
        completions = [(f"completion {n}", value) for n, value in enumerate(entries, 1)]
        return _read_completions(row, options, completions, _read_count(row.get("num_correct")))

    return read


def _responses_reader(name: str) -> Callable[[DataRow, ReadOptions], ParsedRow]:
    """Return a reader of a list of completions without a preference, in the order of the row."""

    def read(row: DataRow, options: ReadOptions) -> ParsedRow:
        completions = list(map(object_text, read_list(row.get(name), name)))
        named = [(f"completion {n}", value) for n, value in enumerate(completions, 1)]
        return _read_completions(row, options, named, 0)

    return read


def _response_reader(name: str) -> Callable[[DataRow, ReadOptions], ParsedRow]:
    """Return a reader of a single completion without a preference; a list of texts is several."""
    read_all = _responses_reader(name)

    def read(row: DataRow, options: ReadOptions) -> ParsedRow:
        value = row.get(name)
        if isinstance(value, list) and value and all(isinstance(text, str) for text in value):
            return read_all(row, options)
        return _read_completions(row, options, [("completion 1", value)], 0)

    return read


def _read_completions(
    row: DataRow, options: ReadOptions, named_values: Sequence[tuple[str, object]], num_correct: int
) -> ParsedRow:
    """Read the prompt and the completions, given each completion with its name in messages, the right ones first."""
    if num_correct > len(named_values):
        raise Unusable(f"num_correct is {num_correct}, but there are {len(named_values)} completions")
    prompt = _read_prompt(row, options)
    decoded = [(name, _decode(value, options)) for name, value in named_values]
    conversations = [read_turns(value, name, "assistant") for name, value in decoded]
    texts = [value for _, value in decoded if isinstance(value, str)]
    if len(texts) == len(decoded):
        transcripts = list(filter(None, map(transcript, texts)))
        if len(transcripts) == len(texts):
            conversations = transcripts
            if options.prompt:
                options.survey.remark(TRANSCRIPTS)
        elif not options.prompt:
            return ParsedRow((), tuple(conversations), num_correct, rendered=True)
    prompt, completions = split_prompt(prompt, conversations)
    if options.prompt:
        prompt = _add_system(prompt, row)
    return ParsedRow(prompt, completions, num_correct)


def _read_rendered(row: DataRow, options: ReadOptions) -> ParsedRow:
    """Read `text_chosen` and `text_rejected`: final texts, without a template."""
    chosen = read_text(row.get("text_chosen"), "text_chosen")
    rejected = read_text(row.get("text_rejected"), "text_rejected")
    return ParsedRow((), (say("assistant", chosen), say("assistant", rejected)), 1, rendered=True)


def _conversation_reader(name: str) -> Callable[[DataRow, ReadOptions], ParsedRow]:
    """Return a reader of a conversation without a preference: its last turn is scored."""

    def read(row: DataRow, options: ReadOptions) -> ParsedRow:
        turns = read_turns(_decode(row.get(name), options), name, "assistant")
        completion = name_steps(turns[-1:], row)
        steps = step_count(completion)
        return ParsedRow(turns[:-1], (completion,), 0, first_error=read_first_error(row, steps) if steps else None)

    return read


def _read_steps(row: DataRow, options: ReadOptions) -> ParsedRow:
    """Read a prompt and the steps of a solution, with their labels if there are any."""
    completion = read_solution(row)
    first_error = read_first_error(row, step_count(completion))
    return ParsedRow(_add_system(_read_prompt(row, options), row), (completion,), 0, first_error=first_error)


def _named_completions(name: str, value: object, options: ReadOptions) -> list[tuple[str, object]]:
    """Return one completion, or each of a list, with its name in messages."""
    if options.lists and isinstance(value, str):
        value = decode_texts(value) or value
    if not isinstance(value, list) or (value and isinstance(value[0], dict)):
        return [(name, value)]
    if not value:
        raise Unusable(f"{name} is an empty list")
    if len(value) == 1:
        return [(name, value[0])]
    return [(f"{name} {n}", entry) for n, entry in enumerate(value, 1)]


def _read_count(value: object) -> int:
    """Return a count, also from a float (2.0, Parquet) or text ("2", CSV).

    >>> _read_count("2"), _read_count(2.0)
    (2, 2)
    """
    if isinstance(value, int | float | str | Decimal) and not isinstance(value, bool):
        try:
            count = int(value)
            if count >= 0 and count == float(value):
                return count
        except (ValueError, OverflowError):
            pass
    raise Unusable(f"num_correct is {value!r}, not a count")


def encodes_lists(sample: Sequence[DataRow]) -> bool:
    """Return True if chosen and rejected are texts that encode lists of texts in every row of a sample."""
    for row in sample:
        for name in ("chosen", "rejected"):
            value = row.get(name)
            if not isinstance(value, str) or not decode_texts(value):
                return False
    return bool(sample)


_BLANK = say("assistant", "")
_PAIR = ParsedRow((), (_BLANK, _BLANK), 1)
_SINGLE = ParsedRow((), (_BLANK,), 0)

PREFERENCES = (
    RowFormat(("chosen", "rejected"), _read_preference, _PAIR),
    RowFormat(("text_chosen", "text_rejected"), _read_rendered, replace(_PAIR, rendered=True), prompted=False),
    RowFormat(("completions", "num_correct"), _list_reader("completions"), _PAIR),
    RowFormat(("responses", "num_correct"), _list_reader("responses"), _PAIR),
)
"""The formats of a row with a preference, tried in this order against the columns of the whole table."""
CONVERSATIONS = (
    RowFormat(("messages",), _conversation_reader("messages"), _SINGLE, prompted=False),
    RowFormat(("conversations",), _conversation_reader("conversations"), _SINGLE, prompted=False),
    RowFormat((STEPS,), _read_steps, _SINGLE, also=(LABEL, LABELS)),
)
"""The formats without a preference: scores, and the first wrong step where steps are labelled."""
RESPONSES = (
    RowFormat(("responses",), _responses_reader("responses"), _SINGLE),
    RowFormat(("completions",), _responses_reader("completions"), _SINGLE),
    RowFormat(("response",), _response_reader("response"), _SINGLE),
    RowFormat(("completion",), _response_reader("completion"), _SINGLE),
    RowFormat(("answer",), _response_reader("answer"), _SINGLE),
    RowFormat(("output",), _response_reader("output"), _SINGLE),
)
"""The formats of a prompt with completions that are scored row by row, whatever labels the row has."""
