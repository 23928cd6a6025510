"""Row formats: the columns that each form needs, and how it becomes a prompt and completions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rewardbench.suites.prompts import SYSTEM_NAMES, prompt_turns
from rewardbench.suites.registry import Row
from rewardbench.suites.spelled import spelled_messages, spelled_texts, spelled_value
from rewardbench.suites.survey import Survey
from rewardbench.suites.turns import Unusable, kind, read_text, read_turns, say, split_prompt, transcript
from rewardbench.types import Message, Messages

SPELLED = "Texts that spell messages or lists (JSON, Python or numpy) were read as what they spell."
TRANSCRIPTS = "Texts that are Human/Assistant transcripts were read as their turns."


@dataclass(frozen=True)
class Parsed:
    """The content of a row."""

    prompt: Messages
    completions: tuple[Messages, ...]
    num_correct: int
    rendered: bool = False


@dataclass(frozen=True)
class Reading:
    """How to read the rows of one table."""

    prompt: tuple[str, ...]
    survey: Survey
    lists: bool = False
    """Whether chosen and rejected encode lists of texts in every row."""
    exact: bool = False
    """Whether prompts are plain text even if they look like messages (published suites)."""


@dataclass(frozen=True)
class Form:
    """A row format: the columns it needs, and how to read it."""

    needs: tuple[str, ...]
    read: Callable[[Row, Reading], Parsed]
    blank: Parsed
    """Placeholder for an unreadable row: the usual number of completions, without text."""
    prompted: bool = True


def _read_prompt(row: Row, how: Reading) -> Messages:
    """Return the prompt's turns; empty if its columns are."""
    parts = [(name, row[name]) for name in how.prompt if row.get(name) not in (None, "", [])]
    if len(parts) < 2:
        prompt = _read_one_prompt(*parts[0], how) if parts else ()
    else:
        prompt = say("user", "\n\n".join(read_text(value, name) for name, value in parts))
    earlier = row.get("history") if "instruction" in how.prompt else None
    return (*_read_history(earlier), *prompt) if earlier else prompt


def _read_one_prompt(name: str, value: Any, how: Reading) -> Messages:
    messages = _spelled(value, how)
    if isinstance(messages, dict) and isinstance(messages.get("messages"), list):  # OpenAI's preference format
        messages = messages["messages"]
    if isinstance(messages, str) and not how.exact and (turns := prompt_turns(messages)):
        how.survey.remark(TRANSCRIPTS)
        messages = turns
    if isinstance(messages, list) and messages and all(isinstance(turn, str) for turn in messages):
        messages = [_alternate(n, text) for n, text in enumerate(messages)]
    return read_turns(messages, name, "user")


def _alternate(n: int, text: str) -> Message:
    return Message(role=("user", "assistant")[n % 2], content=text)


def _read_history(value: Any) -> list[Message]:
    """Read Alpaca's history: a list of pairs of a user text and an assistant text."""
    pairs = spelled_value(value) if isinstance(value, str) else value
    if not isinstance(pairs, list):
        raise Unusable(f"history {kind(value, 'a list of pairs')}")
    turns: list[Message] = []
    for pair in pairs:
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise Unusable("history is not a list of pairs of a question and its answer")
        turns += [_alternate(n, read_text(text, "a turn of history")) for n, text in enumerate(pair)]
    return turns


def _spelled(value: Any, how: Reading) -> Any:
    """Return the messages that a text encodes, or the value unchanged."""
    messages = spelled_messages(value) if isinstance(value, str) else None
    if messages is None:
        return value
    how.survey.remark(SPELLED)
    return messages


def _add_system(prompt: Messages, row: Row) -> Messages:
    system = next((row[name] for name in SYSTEM_NAMES if row.get(name) is not None), None)
    if system is None or not read_text(system, "system").strip() or (prompt and prompt[0]["role"] == "system"):
        return prompt
    return (Message(role="system", content=system), *prompt)


def _read_preference(row: Row, how: Reading) -> Parsed:
    """Read `chosen` and `rejected`: each a text, a conversation, or a list of either."""
    chosen, rejected = (_several(row.get(name), name, how) for name in ("chosen", "rejected"))
    count = row.get("num_correct")
    num_correct = len(chosen) if count is None else _count(count)
    return _read_completions(row, how, chosen + rejected, num_correct)


def _read_ranked(name: str) -> Callable[[Row, Reading], Parsed]:
    """Return a reader of a list of completions whose first `num_correct` are right."""

    def read(row: Row, how: Reading) -> Parsed:
        entries = row.get(name)
        if isinstance(entries, str) and (value := spelled_value(entries)) is not None:
            how.survey.remark(SPELLED)
            entries = value
        if not isinstance(entries, list) or not entries:
            raise Unusable(f"{name} is an empty list" if entries == [] else f"{name} {kind(entries, 'a list')}")
        completions = [(f"completion {n}", value) for n, value in enumerate(entries, 1)]
        return _read_completions(row, how, completions, _count(row.get("num_correct")))

    return read


def _read_completions(row: Row, how: Reading, named_values: Sequence[tuple[str, Any]], num_correct: int) -> Parsed:
    if num_correct > len(named_values):
        raise Unusable(f"num_correct is {num_correct}, but there are {len(named_values)} completions")
    prompt = _read_prompt(row, how)
    values = [(name, _spelled(value, how)) for name, value in named_values]
    turns = [read_turns(value, name, "assistant") for name, value in values]
    if all(isinstance(value, str) for _, value in values):
        transcripts = [dialogue for _, value in values if (dialogue := transcript(value))]
        if len(transcripts) == len(values):
            turns = transcripts
            if how.prompt:
                how.survey.remark(TRANSCRIPTS)
        elif not how.prompt:
            return Parsed((), tuple(turns), num_correct, rendered=True)
    prompt, completions = split_prompt(prompt, turns)
    if how.prompt:
        prompt = _add_system(prompt, row)
    return Parsed(prompt, completions, num_correct)


def _read_rendered(row: Row, how: Reading) -> Parsed:
    """Read `text_chosen` and `text_rejected`: final texts, without a template."""
    names = ("text_chosen", "text_rejected")
    texts = tuple(say("assistant", read_text(row.get(name), name)) for name in names)
    return Parsed((), texts, 1, rendered=True)


def _read_conversation(name: str) -> Callable[[Row, Reading], Parsed]:
    """Return a reader of a conversation without a preference: its last turn is scored."""

    def read(row: Row, how: Reading) -> Parsed:
        turns = read_turns(_spelled(row.get(name), how), name, "assistant")
        return Parsed(turns[:-1], (turns[-1:],), 0)

    return read


def _several(value: Any, name: str, how: Reading) -> list[tuple[str, Any]]:
    """Return one completion, or each of a list, with its name in messages."""
    if how.lists and isinstance(value, str):
        value = spelled_texts(value) or value
    if not isinstance(value, list) or (value and isinstance(value[0], dict)):
        return [(name, value)]
    if not value:
        raise Unusable(f"{name} is an empty list")
    return [(name if len(value) == 1 else f"{name} {n}", entry) for n, entry in enumerate(value, 1)]


def _count(value: Any) -> int:
    """Return a count, also from a float (2.0, Parquet) or text ("2", CSV).

    >>> _count("2"), _count(2.0)
    (2, 2)
    """
    try:
        count = int(value)
        if not isinstance(value, bool) and count >= 0 and count == float(value):
            return count
    except (TypeError, ValueError, OverflowError):
        pass
    raise Unusable(f"num_correct is {value!r}, not a count")


def spells_lists(sample: Sequence[Row]) -> bool:
    """Return True if chosen and rejected are texts that encode lists of texts in every row of a sample."""
    values = [row.get(name) for row in sample for name in ("chosen", "rejected")]
    return bool(values) and all(isinstance(value, str) and spelled_texts(value) for value in values)


_BLANK = say("assistant", "")
_PAIR = Parsed((), (_BLANK, _BLANK), 1)
_SINGLE = Parsed((), (_BLANK,), 0)

PREFERENCES = (
    Form(("chosen", "rejected"), _read_preference, _PAIR),
    Form(("text_chosen", "text_rejected"), _read_rendered, replace(_PAIR, rendered=True), prompted=False),
    Form(("completions", "num_correct"), _read_ranked("completions"), _PAIR),
    Form(("responses", "num_correct"), _read_ranked("responses"), _PAIR),
)
"""The forms of a row with a preference, tried in this order against the columns of the whole table."""
CONVERSATIONS = (
    Form(("messages",), _read_conversation("messages"), _SINGLE, prompted=False),
    Form(("conversations",), _read_conversation("conversations"), _SINGLE, prompted=False),
)
"""The forms without a preference: only scores."""
