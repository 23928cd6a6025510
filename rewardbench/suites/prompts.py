"""Find the prompt columns of a table, and columns that may hold the prompt under another name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from rewardbench.errors import InputError
from rewardbench.suites.data_row import DataRow, first_column
from rewardbench.suites.turns import transcript
from rewardbench.types import Message

FIRST_NAMES = ("prompt", "question")
OTHER_NAMES = (
    *("query", "conversations", "conversation", "conversation_input", "context", "history", "dialogue", "dialog"),
    *("messages", "input_text", "input_prompt", "prompt_text", "user_prompt", "user_query", "user_message"),
    *("user_input", "instructions", "problem", "user", "human", "task", "request", "post", "article"),
)
"""Other names of the prompt column; the first that contains text is read."""

SYSTEM_NAMES = ("system", "system_prompt", "system_message")

_METADATA = re.compile(
    r"(chosen|rejected|meta|annotat|label|score|rating)|"
    r"(^|_)(id|ids|uid|uuid|hash|source|sources|dataset|origin|model|models|category|subject|topic|domain|tags?|type|"
    r"reason|reasons|reasoning|explanation|rationale|feedback|critique|comments?|notes?|url|license|licence|language|"
    r"lang|date|time|timestamp|created|name|names|title|split|version|preference|tie|critiques|statement)$"
)
"""Names of metadata columns, which are not prompts."""
SAMPLE = 200
"""Number of rows to inspect to decide what a column holds."""


def find_prompt(columns: AbstractSet[str], sample: Sequence[DataRow] = ()) -> tuple[str, ...]:
    """Return the prompt columns; empty if no column is known as one. `sample` are rows to inspect.

    `instruction` and `input` belong together, as in Alpaca.

    >>> find_prompt({"prompt", "input", "chosen"}), find_prompt({"input", "instruction"})
    (('prompt',), ('instruction', 'input'))
    >>> find_prompt({"query", "chosen"}, [{"query": "Name a river."}]), find_prompt({"user"}, [{"user": "u7"}])
    (('query',), ())
    """
    first = first_column(FIRST_NAMES, columns)
    if first is not None:
        return (first,)
    alpaca_names = tuple(name for name in ("instruction", "input") if name in columns)
    if alpaca_names:
        return alpaca_names
    for name in OTHER_NAMES:
        if name in columns and _holds_prompts(name, sample):
            return (name,)
    return ()


def find_unused_prompts(columns: AbstractSet[str], used: Sequence[str], sample: Sequence[DataRow]) -> list[str]:
    """Return the columns that look like a prompt but are not read as one."""
    skipped = {*used, "messages", "conversations", "conversation"}
    if "instruction" in used:
        skipped.add("history")
    names: list[str] = []
    for name in (*FIRST_NAMES, "instruction", "input", *OTHER_NAMES):
        if name in columns and name not in skipped and _holds_prompts(name, sample):
            names.append(name)
    return names


def reject_unread_prompt(columns: AbstractSet[str], sample: Sequence[DataRow], where: str) -> None:
    """Raise InputError if the table has texts without a prompt and a column that may be the prompt."""
    suspects: list[str] = []
    for name in sorted(columns):
        if not _METADATA.search(name.casefold()) and _holds_prompts(name, sample, strict=True):
            suspects.append(name)
    if suspects:
        listed = ", ".join(map(repr, suspects))[:200]
        raise InputError(
            f"{where} has no column that is known as the prompt, and {listed} may be it: call it prompt, or map it in "
            f"a suite file (columns: {{prompt: {suspects[0][:60]}}}); if chosen and rejected are final texts, call "
            "them text_chosen and text_rejected."
        )


def _holds_prompts(name: str, sample: Sequence[DataRow], strict: bool = False) -> bool:
    """Return True if most values of a column may be prompts; `strict` excludes values that the completion repeats."""
    filled = likely = 0
    for row in sample:
        value = row.get(name)
        if value in (None, "", []):
            continue
        filled += 1
        likely += _may_be_prompt(value) and not (strict and _is_in_chosen(value, row))
    return filled > 0 and likely * 2 >= filled


def _may_be_prompt(value: object) -> bool:
    """Return True for messages, and for text of two words, a sentence, or in a script without blanks.

    >>> [_may_be_prompt(value) for value in ("Name a river.", "Why?", "gpt-4", "你好吗", [{"role": "user"}], 3)]
    [True, True, False, True, True, False]
    """
    if isinstance(value, str):
        return len(value.split()) > 1 or not value.isascii() or value.rstrip().endswith(("?", "!", ".", ":"))
    return isinstance(value, list) and any(isinstance(turn, dict) for turn in value)


def _is_in_chosen(value: object, row: DataRow) -> bool:
    chosen = row.get("chosen")
    return isinstance(value, str) and isinstance(chosen, str) and value in chosen


def prompt_turns(text: str) -> list[Message] | None:
    r"""Return the turns of a prompt that is a transcript, an open last turn of the assistant left out; else None.

    >>> len(prompt_turns("\n\nHuman: Hi\n\nAssistant:"))
    1
    >>> prompt_turns("Why?") is prompt_turns("Human: Hi\n\nAssistant: Hello\n\nWhich is longer?") is None
    True
    """
    turns = transcript(text)
    if turns and turns[-1]["role"] == "assistant":
        return None if turns[-1]["content"] else list(turns[:-1])
    return list(turns) or None
