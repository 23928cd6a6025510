"""Convert preference data in the formats of other projects to rows with the columns that rows.py knows.

Formats: Arena battles, HelpSteer, PKU-SafeRLHF, SHP, AlpacaFarm, UltraFeedback, KTO. A tie becomes an item with two
completions and no right one: it is scored, but counts in no accuracy.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from rewardbench.errors import InputError
from rewardbench.settings import Pairs
from rewardbench.suites.badrows import BadRow
from rewardbench.suites.labels import LABELS, Label
from rewardbench.suites.registry import Row
from rewardbench.suites.spelled import spelled_texts, spelled_value
from rewardbench.suites.turns import Unusable, kind

PAIRS: tuple[Pairs, ...] = ("best-worst", "all", "best-of-n")
"""Which items a prompt with several scored completions makes: the best against the worst, every strictly ordered pair,
or one item in which the best must beat all others."""

SIDES = (
    *(
        tuple(f"{name}_{side}" for side in sides)
        for name in ("response", "answer", "completion", "output", "text")
        for sides in ("ab", "12", "01")
    ),
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

SCORED = "completions with scores"
LISTS = ("completions", "responses", "answers", "candidates", "generations", "outputs")
SCORES = ("scores", "ratings", "rating", "overall_scores", "score", "rank", "ranks", "ranking", "rankings")
OWN_SCORES = ("overall_score", "score", "rating", "overall_rating", "fine-grained_score", "reward", "rank")
OWN_TEXTS = ("response", "text", "content", "completion", "answer", "output", "messages")
KTO = (
    ("completion", "label"),
    ("response", "label"),
    ("completion", "kto_tag"),
    ("messages", "kto_tag"),
    ("conversations", "kto_tag"),
)
"""One response a row, and whether it is desirable."""
STEER = ("helpfulness", "overall_score", "score", "rating", "quality")


@dataclass(frozen=True)
class Format:
    """Converts the rows of one format to rows that rows.py knows."""

    name: str
    columns: tuple[str, ...]
    convert: Callable[[Row, Pairs], Sequence[Row]]


def find_format(columns: AbstractSet[str], sample: Sequence[Row] = ()) -> Format | None:
    """Return the format whose columns a table has; None if no format fits. `sample` are rows to look into."""
    for first, second in SIDES:
        if {first, second} <= columns and (label := find_label(columns)):
            return _two_sides(first, second, label)
    for better, worse in NAMED_PAIRS:
        if {better, worse} <= columns:
            return Format(f"pairs of {better} and {worse}", (better, worse), _renamer(better, worse))
    texts = next((name for name in LISTS if name in columns), None)
    scores = next((name for name in SCORES if name in columns), None)
    if texts and (scores or texts in LISTS[:2] or any(_holds_objects(row.get(texts)) for row in sample)):
        needed = (texts, scores) if scores else (texts,)
        return Format(SCORED, needed, _scored_reader(texts, scores))
    if "output" in columns and any(isinstance(row.get("output"), list) for row in sample):
        return Format("pairs in output, the preferred one first", ("output",), _read_output)
    return None


def _holds_objects(value: Any) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and any(isinstance(entry, dict) for entry in value))


def find_label(columns: AbstractSet[str]) -> Label | None:
    """Return the label format of a table of two responses."""
    return next((label for label in LABELS if set(label.columns) <= columns), None)


def convert_rows(format: Format, rows: Sequence[Row], pairs: Pairs) -> list[Row]:
    """Convert every row; one that cannot be read becomes a BadRow with the reason."""
    converted: list[Row] = []
    for at, row in enumerate(rows):
        converted += _convert(format, row, at, pairs)
    return converted


def _convert(format: Format, row: Row, at: int, pairs: Pairs) -> Sequence[Row]:
    if isinstance(row, BadRow):
        return [row]
    numbered = row if row.get("id") is not None else {**row, "id": at}
    try:
        return format.convert(numbered, pairs)
    except Unusable as reason:
        return [BadRow(row, str(reason))]
    except RecursionError:
        return [BadRow(row, "a value is nested too deep")]


def _item(row: Row, completions: Sequence[Any], num_correct: int, used: Sequence[str], **fields: Any) -> Row:
    """Build a row of completions without the columns that held them; a tie has the label `tie`."""
    others = {name: value for name, value in row.items() if name not in used}
    tie = {"preference_label": "tie"} if num_correct == 0 else {}
    return {**others, **tie, "completions": list(completions), "num_correct": num_correct, **fields}


# Two responses and a label


def _two_sides(first: str, second: str, label: Label) -> Format:
    """Build the format of two responses and a label."""

    def convert(row: Row, pairs: Pairs) -> Sequence[Row]:
        sign = label.read(row)
        sides = {name: row.get(name) for name in (first, second)}
        for name, value in sides.items():
            if value is None or value == "":
                raise Unusable(f"{name} is {'missing' if value is None else 'empty'}")
        texts, prompt = _battle(row, list(sides.values()))
        ordered = texts if sign >= 0 else texts[::-1]
        return [_item({**row, **prompt}, ordered, int(sign != 0), (first, second))]

    name = f"pairs of {first} and {second}, by {' and '.join(label.columns)}"
    return Format(name, (first, second, *label.columns), convert)


def _battle(row: Row, sides: list[Any]) -> tuple[list[Any], Row]:
    """Return the two responses and the prompt; arenas write these as JSON lists with one text per turn."""
    prompt = _spoken(row.get("prompt"))
    spoken = [_spoken(side) for side in sides]
    if prompt is None and None not in spoken and isinstance(row.get("prompt"), str):
        prompt = [row["prompt"]]  # only the responses are lists
    if prompt is None:
        return sides, {}
    answers = [side if isinstance(side, list) else [text] for side, text in zip(spoken, sides, strict=True)]
    turns = [_interleave(prompt, side, name) for side, name in zip(answers, ("first", "second"), strict=True)]
    return turns, {"prompt": None}


def _spoken(value: Any) -> list[Any] | None:
    """Return the texts of a list of turns, or of its JSON; None for anything else."""
    if isinstance(value, str):
        return spelled_texts(value)
    if not isinstance(value, list) or not value:
        return None
    return value if all(turn is None or isinstance(turn, str) for turn in value) else None


def _interleave(prompt: Sequence[Any], answers: Sequence[Any], name: str) -> list[Row]:
    """Build the conversation of a battle: each user turn, and the answer to it."""
    if len(prompt) != len(answers):
        raise Unusable(f"the {name} response has {len(answers)} turns, and the prompt {len(prompt)}")
    if any(text is None for text in answers):
        raise Unusable(f"a turn of the {name} response is missing")
    turns: list[Row] = []
    for question, answer in zip(prompt, answers, strict=True):
        turns += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return turns


def _renamer(better: str, worse: str) -> Callable[[Row, Pairs], Sequence[Row]]:
    def convert(row: Row, pairs: Pairs) -> Sequence[Row]:
        others = {name: value for name, value in row.items() if name not in (better, worse)}
        return [{**others, "chosen": row.get(better), "rejected": row.get(worse)}]

    return convert


def _read_output(row: Row, pairs: Pairs) -> Sequence[Row]:
    """Read a pair in one list, the preferred response first (an early format of LLaMA-Factory)."""
    values = _as_list(row.get("output"), "output")
    if len(values) != 2:
        raise Unusable(f"output has {len(values)} entries, and a pair has 2")
    return [_item(row, values, 1, ("output",))]


# Several responses with scores


def _scored_reader(texts: str, scores: str | None) -> Callable[[Row, Pairs], Sequence[Row]]:
    def convert(row: Row, pairs: Pairs) -> Sequence[Row]:
        values = _as_list(row.get(texts), texts)
        if scores is None:
            scored = [_own_score(value, f"completion {n}") for n, value in enumerate(values, 1)]
        else:
            marks = _as_list(row.get(scores), scores)
            if len(marks) != len(values):
                raise Unusable(f"{texts} has {len(values)} entries, and {scores} {len(marks)}")
            sign = -1 if scores.startswith("rank") else 1
            scored = [(_own_text(value), _number(mark, sign)) for value, mark in zip(values, marks, strict=True)]
        used = (texts, *((scores,) if scores else ()))
        return pair_up(row, scored, pairs, used)

    return convert


def _as_list(value: Any, name: str) -> list[Any]:
    """Return a list, also from text, or from an object of lists (as `datasets` stores a list of objects)."""
    if isinstance(value, str):
        value = spelled_value(value)
    if isinstance(value, dict) and value and all(isinstance(cells, list) for cells in value.values()):
        objects: list[dict[str, Any]] = [{} for _ in range(max(map(len, value.values())))]
        for key, cells in value.items():
            for entry, cell in zip(objects, cells, strict=False):
                entry[key] = cell
        return objects
    if not isinstance(value, list):
        raise Unusable(f"{name} {kind(value, 'a list')}")
    if not value:
        raise Unusable(f"{name} is an empty list")
    return value


def _own_text(value: Any) -> Any:
    """Return the text or messages of a completion that is an object."""
    if not isinstance(value, Mapping) or value.keys() & {"role", "from"}:
        return value
    return next((value[name] for name in OWN_TEXTS if value.get(name) is not None), None)


def _own_score(value: Any, name: str) -> tuple[Any, float | None]:
    """Return the text and the score of a completion that is an object."""
    if not isinstance(value, Mapping):
        raise Unusable(f"{name} {kind(value, 'an object with its text and its score')}")
    key = next((key for key in OWN_SCORES if value.get(key) is not None), None)
    return _own_text(value), None if key is None else _number(value[key], -1 if key == "rank" else 1)


def _number(value: Any, sign: int = 1) -> float | None:
    """Return a finite score, also from text; None if there is none.

    >>> _number("4.5"), _number("N/A"), _number(True), _number(2, -1)
    (4.5, None, None, -2.0)
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = sign * float(value)
    except (ValueError, OverflowError):
        return None
    return number if abs(number) < float("inf") else None


def pair_up(row: Row, scored: Sequence[tuple[Any, float | None]], pairs: Pairs, used: Sequence[str]) -> list[Row]:
    """Build the items of a prompt from its scored completions; completions without a score are left out.

    Equal scores make one item, a tie of the first two.

    Raises:
        Unusable: if fewer than two completions have a score.
    """
    with_score = [(text, score) for text, score in scored if score is not None]
    if len(with_score) < 2:
        raise Unusable(f"{len(with_score)} of {len(scored)} completions have a score, and a preference needs two")
    ranked = sorted(with_score, key=lambda pair: -pair[1])
    texts, scores = [text for text, _ in ranked], [score for _, score in ranked]
    if scores[0] == scores[-1]:
        return [_item(row, texts[:2], 0, used)]
    if pairs == "best-of-n":
        return [_item(row, texts, scores.count(scores[0]), used)]
    if pairs == "best-worst":
        return [_item(row, (texts[0], texts[-1]), 1, used)]
    group = row.get("group") if row.get("group") is not None else f"{row.get('subset', 'all')}/{row.get('id')}"
    items = []
    for i, j in combinations(range(len(ranked)), 2):
        if scores[i] > scores[j]:
            name = f"{row.get('id')}/{i + 1}-{j + 1}"
            items.append(_item(row, (texts[i], texts[j]), 1, used, id=name, group=group))
    return items


# One response a row


def find_single(columns: AbstractSet[str]) -> tuple[str, str] | None:
    """Return the columns of one response and its label or rating, as KTO and HelpSteer have them, or None."""
    for columns_of_kto in KTO:
        if set(columns_of_kto) <= columns:
            return columns_of_kto
    text = next((name for name in ("response", "completion", "answer", "output") if name in columns), None)
    rating = next((name for name in STEER if name in columns), None)
    return (text, rating) if text and rating else None


def join_singles(
    rows: Sequence[Row], columns: tuple[str, str], prompts: Sequence[str], where: str, pairs: Pairs
) -> tuple[list[Row], str]:
    """Pair the responses to each prompt, and count the prompts without two different labels.

    Raises:
        InputError: if no prompt has two responses with different labels.
    """
    text, label = columns
    groups: dict[str, list[Row]] = {}
    for at, row in enumerate(rows):
        prompt, answer = _split_single(row, text, prompts)
        key = json.dumps(prompt, sort_keys=True, default=str)
        numbered = {"id": at, **row} if row.get("id") is not None else {**row, "id": at}
        groups.setdefault(key, []).append({**numbered, **prompt, text: answer})
    items, unpaired = [], 0
    for members in groups.values():
        scored = [(row.get(text), _truth(row.get(label))) for row in members]
        values = {score for _, score in scored if score is not None}
        if len(scored) < 2 or len(values) < 2:
            unpaired += 1
            continue
        items += pair_up(members[0], scored, pairs, (text, label))
    if not items:
        raise InputError(
            f"{where} has one response per row with a {label} (as for KTO), and no prompt has two responses with "
            f"different {label}s: there is no pair to compare; give rows with chosen and rejected."
        )
    note = f"{unpaired} of {len(groups)} prompts have no two responses with different {label}s, and were left out."
    return items, note if unpaired else ""


def _split_single(row: Row, text: str, prompts: Sequence[str]) -> tuple[dict[str, Any], Any]:
    """Return the prompt of a row and its response, which is the last turn of a conversation."""
    turns = row.get(text)
    if text in ("messages", "conversations") and isinstance(turns, list) and len(turns) > 1:
        return {"prompt": turns[:-1]}, turns[-1]
    return {name: row.get(name) for name in prompts}, turns


def _truth(value: Any) -> float | None:
    """Convert a label to a number: a boolean, a word for one, or a rating.

    >>> _truth(True), _truth("false"), _truth(3), _truth(None)
    (1.0, 0.0, 3.0, None)
    """
    if isinstance(value, bool):
        return float(value)
    words = {"true": 1.0, "false": 0.0, "yes": 1.0, "no": 0.0, "desirable": 1.0, "undesirable": 0.0}
    if isinstance(value, str) and value.strip().casefold() in words:
        return words[value.strip().casefold()]
    return _number(value)


def known_columns() -> Iterator[str]:
    """Yield every column name of these formats."""
    for names in (*SIDES, *NAMED_PAIRS, LISTS, SCORES, *KTO, STEER, ("winner",)):
        yield from names
    for label in LABELS:
        yield from label.columns


DESCRIPTIONS = (
    "two responses with a label (response_a, response_b, winner)",
    "completions with scores",
    "conversations",
)
"""What a message about unknown columns says of the formats here."""
