"""Pair rows that hold one response each, as KTO and HelpSteer do, by their label or rating."""

from __future__ import annotations

import json
from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from rewardbench.errors import InputError
from rewardbench.settings import Pairs
from rewardbench.suites.data_row import DataRow, first_column
from rewardbench.suites.scored_responses import ScoredText, pair_by_score, parse_score

KTO = (
    ("completion", "label"),
    ("response", "label"),
    ("completion", "kto_tag"),
    ("messages", "kto_tag"),
    ("conversations", "kto_tag"),
)
"""One response a row, and whether it is desirable."""
RATINGS = ("helpfulness", "overall_score", "score", "rating", "quality")
_TEXTS = ("response", "completion", "answer", "output")
_TRUTH = {"true": 1.0, "false": 0.0, "yes": 1.0, "no": 0.0, "desirable": 1.0, "undesirable": 0.0}


def find_single(columns: AbstractSet[str]) -> tuple[str, str] | None:
    """Return the columns of one response and its label or rating, as KTO and HelpSteer have them, or None."""
    for text_and_label in KTO:
        if set(text_and_label) <= columns:
            return text_and_label
    text, rating = first_column(_TEXTS, columns), first_column(RATINGS, columns)
    return (text, rating) if text and rating else None


def join_singles(
    rows: Sequence[DataRow], columns: tuple[str, str], prompts: Sequence[str], where: str, pairs: Pairs
) -> tuple[list[DataRow], str]:
    """Pair the responses to each prompt; those of equal label or rating are a tie.

    Args:
        rows: the table.
        columns: the columns of the response, and of its label.
        prompts: the columns of the prompt.
        where: name of the table in messages.
        pairs: which rows to build from more than two responses.

    Returns:
        The rows, and a note on the prompts that were left out; empty if there are none.

    Raises:
        InputError: if no prompt has two responses with different labels.
    """
    text, label = columns
    groups = _group_by_prompt(rows, text, prompts)
    joined: list[DataRow] = []
    unpaired, has_preference = 0, False
    for members in groups.values():
        scored: list[ScoredText] = []
        for row in members:
            scored.append((row.get(text), _label_score(row.get(label))))
        scores = [score for _, score in scored if score is not None]
        if len(scores) < 2:
            unpaired += 1
        else:
            joined += pair_by_score(members[0], scored, pairs, (text, label))
            has_preference |= len(set(scores)) > 1
    if not has_preference:
        raise InputError(
            f"{where} has one response per row with a {label} (as for KTO), and no prompt has two responses with "
            f"different {label}s: there is no pair to compare; give rows with chosen and rejected."
        )
    note = f"{unpaired} of {len(groups)} prompts have no two responses with a {label}, and were left out."
    return joined, note if unpaired else ""


def _group_by_prompt(rows: Sequence[DataRow], text: str, prompts: Sequence[str]) -> dict[str, list[DataRow]]:
    """Group rows, each with an id, its prompt and its response, by the JSON of the prompt."""
    groups: dict[str, list[DataRow]] = {}
    for at, row in enumerate(rows):
        prompt, response = _split_prompt(row, text, prompts)
        key = json.dumps(prompt, sort_keys=True, default=str)
        numbered = {"id": at, **row} if row.get("id") is not None else {**row, "id": at}
        groups.setdefault(key, []).append({**numbered, **prompt, text: response})
    return groups


def _split_prompt(row: DataRow, text: str, prompts: Sequence[str]) -> tuple[DataRow, object]:
    """Return the prompt of a row and its response, which is the last turn of a conversation."""
    turns = row.get(text)
    if text in ("messages", "conversations") and isinstance(turns, list) and len(turns) > 1:
        return {"prompt": turns[:-1]}, turns[-1]
    return {name: row.get(name) for name in prompts}, turns


def _label_score(label: object) -> float | None:
    """Convert a label to a number: a boolean, a word for one, or a rating.

    >>> _label_score(True), _label_score("false"), _label_score(3), _label_score(None)
    (1.0, 0.0, 3.0, None)
    """
    if isinstance(label, bool):
        return float(label)
    if isinstance(label, str):
        truth = _TRUTH.get(label.strip().casefold())
        if truth is not None:
            return truth
    return parse_score(label)
