"""Convert rows with two responses: a label of the better one, or columns that name it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet

from rewardbench.settings import Pairs
from rewardbench.suites.data_row import DataRow, completions_row
from rewardbench.suites.encoded_text import decode_texts
from rewardbench.suites.labels import LABEL_READERS, LabelReader
from rewardbench.suites.turns import Unusable

RowConverter = Callable[[DataRow, Pairs], Sequence[DataRow]]
"""Converts a row of another format to rows with completions or a pair; raises Unusable if it cannot be read."""

SIDES = (
    ("response_a", "response_b"),
    ("response_1", "response_2"),
    ("response_0", "response_1"),
    ("answer_a", "answer_b"),
    ("answer_1", "answer_2"),
    ("answer_0", "answer_1"),
    ("completion_a", "completion_b"),
    ("completion_1", "completion_2"),
    ("completion_0", "completion_1"),
    ("output_a", "output_b"),
    ("output_1", "output_2"),
    ("output_0", "output_1"),
    ("text_a", "text_b"),
    ("text_1", "text_2"),
    ("text_0", "text_1"),
    ("response1", "response2"),
    ("answer1", "answer2"),
    ("output1", "output2"),
    ("conversation_a", "conversation_b"),
    ("human_ref_a", "human_ref_b"),
)
"""The columns of two responses, first and second."""

NAMED_PAIRS = (
    ("preferred", "dispreferred"),
    ("preferred_output", "non_preferred_output"),
    ("chosen_response", "rejected_response"),
    ("response_chosen", "response_rejected"),
    ("chosen_text", "rejected_text"),
    ("better", "worse"),
    ("better_response", "worse_response"),
    ("positive", "negative"),
    ("pos", "neg"),
    ("accepted", "rejected"),
    ("winner_response", "loser_response"),
)
"""Columns that are chosen and rejected under other names."""


def find_label(columns: AbstractSet[str]) -> LabelReader | None:
    """Return the reader of the label of a table of two responses; None if it has no label."""
    for label in LABEL_READERS:
        if set(label.columns) <= columns:
            return label
    return None


def labelled_converter(first: str, second: str, label: LabelReader) -> RowConverter:
    """Return a converter of two responses and a label."""

    def convert(row: DataRow, pairs: Pairs) -> Sequence[DataRow]:
        sign, strength = label.read(row)
        for name in (first, second):
            value = row.get(name)
            if value is None or value == "":
                raise Unusable(f"{name} is {'missing' if value is None else 'empty'}")
        conversations = _read_conversations(row, first, second)
        responses = conversations or (row[first], row[second])
        better_first = responses if sign >= 0 else responses[::-1]
        fields = {**row, "prompt": None} if conversations else row
        return [completions_row(fields, better_first, int(sign != 0), (first, second), strength)]

    return convert


def _read_conversations(row: DataRow, first: str, second: str) -> tuple[Sequence[DataRow], Sequence[DataRow]] | None:
    """Return both conversations of a battle whose prompt or responses are lists of one text per turn; else None."""
    prompt = row.get("prompt")
    questions = _turn_texts(prompt)
    first_answers, second_answers = _turn_texts(row[first]), _turn_texts(row[second])
    if questions is None and isinstance(prompt, str) and first_answers and second_answers:
        questions = [prompt]  # only the responses are lists
    if questions is None:
        return None
    return (
        _interleave(questions, first_answers or [row[first]], "first"),
        _interleave(questions, second_answers or [row[second]], "second"),
    )


def _turn_texts(value: object) -> Sequence[object] | None:
    """Return the texts of a list of turns, or of its JSON; None for anything else."""
    if isinstance(value, str):
        return decode_texts(value)
    if not isinstance(value, list) or not value:
        return None
    are_texts = all(turn is None or isinstance(turn, str) for turn in value)
    return value if are_texts else None


def _interleave(questions: Sequence[object], answers: Sequence[object], name: str) -> list[DataRow]:
    """Build the conversation of a battle: each user turn, and the answer to it."""
    if len(questions) != len(answers):
        raise Unusable(f"the {name} response has {len(answers)} turns, and the prompt {len(questions)}")
    if None in answers:
        raise Unusable(f"a turn of the {name} response is missing")
    turns: list[DataRow] = []
    for question, answer in zip(questions, answers, strict=True):
        turns.append({"role": "user", "content": question})
        turns.append({"role": "assistant", "content": answer})
    return turns


def named_converter(better: str, worse: str) -> RowConverter:
    """Return a converter of a pair whose columns are chosen and rejected under other names."""

    def convert(row: DataRow, pairs: Pairs) -> Sequence[DataRow]:
        others = {name: value for name, value in row.items() if name not in (better, worse)}
        return [{**others, "chosen": row.get(better), "rejected": row.get(worse)}]

    return convert
