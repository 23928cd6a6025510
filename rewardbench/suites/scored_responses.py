"""Convert rows with several responses and their scores: UltraFeedback, rankings, and lists of a pair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

from rewardbench.settings import Pairs
from rewardbench.suites.data_row import DataRow, completions_row
from rewardbench.suites.encoded_text import decode_value
from rewardbench.suites.strengths import subtract_scores
from rewardbench.suites.turns import Unusable, kind
from rewardbench.suites.two_responses import RowConverter

LISTS = ("completions", "responses", "answers", "candidates", "generations", "outputs")
SCORES = ("scores", "ratings", "rating", "overall_scores", "score", "rank", "ranks", "ranking", "rankings")
SCORE_KEYS = ("overall_score", "score", "rating", "overall_rating", "fine-grained_score", "reward", "rank")
"""Keys of the score of a completion that is an object."""
TEXT_KEYS = ("response", "text", "content", "completion", "answer", "output", "messages")
"""Keys of the text of a completion that is an object."""

ScoredText = tuple[object, float | None]
"""A completion (a text or messages) and its score; None if it has no score."""


def scored_converter(texts: str, scores: str | None) -> RowConverter:
    """Return a converter of a list of completions, with a list of scores or as objects with their score."""

    def convert(row: DataRow, pairs: Pairs) -> Sequence[DataRow]:
        completions = read_list(row.get(texts), texts)
        if scores is None:
            return pair_by_score(row, _read_objects(completions), pairs, (texts,))
        marks = read_list(row.get(scores), scores)
        if len(marks) != len(completions):
            raise Unusable(f"{texts} has {len(completions)} entries, and {scores} {len(marks)}")
        sign = -1 if scores.startswith("rank") else 1
        scored: list[ScoredText] = []
        for completion, mark in zip(completions, marks, strict=True):
            scored.append((object_text(completion), parse_score(mark, sign)))
        return pair_by_score(row, scored, pairs, (texts, scores))

    return convert


def convert_output(row: DataRow, pairs: Pairs) -> Sequence[DataRow]:
    """Convert a pair in one list, the preferred response first (an early format of LLaMA-Factory)."""
    completions = read_list(row.get("output"), "output")
    if len(completions) != 2:
        raise Unusable(f"output has {len(completions)} entries, and a pair has 2")
    return [completions_row(row, completions, 1, ("output",))]


def read_list(value: object, name: str) -> Sequence[object]:
    """Return a list, also from text, or from an object of lists (as `datasets` stores a list of objects)."""
    if isinstance(value, str):
        value = decode_value(value)
    if isinstance(value, dict) and value and all(isinstance(cells, list) for cells in value.values()):
        return _objects_of_columns(value)
    if not isinstance(value, list):
        raise Unusable(f"{name} {kind(value, 'a list')}")
    if not value:
        raise Unusable(f"{name} is an empty list")
    return value


def _objects_of_columns(columns: Mapping[str, Sequence[object]]) -> list[DataRow]:
    """Convert an object of lists to a list of objects; a key is left out of the objects past the end of its list."""
    objects: list[DataRow] = []
    for n in range(max(map(len, columns.values()))):
        objects.append({key: cells[n] for key, cells in columns.items() if n < len(cells)})
    return objects


def object_text(completion: object) -> object:
    """Return the text or messages of a completion that is an object; any other completion is unchanged."""
    if not isinstance(completion, Mapping) or completion.keys() & {"role", "from"}:
        return completion
    for key in TEXT_KEYS:
        if completion.get(key) is not None:
            return completion[key]
    return None


def _read_objects(completions: Sequence[object]) -> list[ScoredText]:
    """Return the text and the score of completions that are objects."""
    scored: list[ScoredText] = []
    for n, completion in enumerate(completions, 1):
        if not isinstance(completion, Mapping):
            raise Unusable(f"completion {n} {kind(completion, 'an object with its text and its score')}")
        scored.append((object_text(completion), _object_score(completion)))
    return scored


def _object_score(completion: DataRow) -> float | None:
    for key in SCORE_KEYS:
        if completion.get(key) is not None:
            return parse_score(completion[key], -1 if key == "rank" else 1)
    return None


def parse_score(value: object, sign: int = 1) -> float | None:
    """Return a finite score times `sign`, also from text; None if there is none.

    >>> parse_score("4.5"), parse_score("N/A"), parse_score(True), parse_score(2, -1)
    (4.5, None, None, -2.0)
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = sign * float(value)
    except (ValueError, OverflowError):
        return None
    return number if abs(number) < float("inf") else None


def pair_by_score(row: DataRow, scored: Sequence[ScoredText], pairs: Pairs, used: Sequence[str]) -> list[DataRow]:
    """Build the rows of a prompt from its scored completions; completions without a score are left out.

    Equal scores make one row, a tie of the first two. The strength of a label is the difference of scores; with
    `best-of-n` it is that of the best and the next.

    Args:
        row: the row as read.
        scored: its completions with their scores.
        pairs: which rows to build.
        used: the columns that held the completions, which are left out.

    Raises:
        Unusable: if fewer than two completions have a score.
    """
    with_score = [(text, score) for text, score in scored if score is not None]
    if len(with_score) < 2:
        raise Unusable(f"{len(with_score)} of {len(scored)} completions have a score, and a preference needs two")
    with_score.sort(key=lambda completion: -completion[1])
    texts, scores = zip(*with_score, strict=True)
    if scores[0] == scores[-1]:
        return [completions_row(row, texts[:2], 0, used)]
    if pairs == "best-of-n":
        best = scores.count(scores[0])
        return [completions_row(row, texts, best, used, subtract_scores(scores[0], scores[best]))]
    if pairs == "best-worst":
        return [completions_row(row, (texts[0], texts[-1]), 1, used, subtract_scores(scores[0], scores[-1]))]
    group = row.get("group") if row.get("group") is not None else f"{row.get('subset', 'all')}/{row.get('id')}"
    rows: list[DataRow] = []
    for better, worse in combinations(range(len(texts)), 2):
        if scores[better] > scores[worse]:
            id = f"{row.get('id')}/{better + 1}-{worse + 1}"
            strength = subtract_scores(scores[better], scores[worse])
            rows.append(completions_row(row, (texts[better], texts[worse]), 1, used, strength, id=id, group=group))
    return rows
