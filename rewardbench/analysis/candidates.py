"""Read candidates: several completions of each prompt, with their scores by reward models and a gold reward.

A row is `{"prompt_id", "cand_id", "text", "score": {model: number} or number, "gold": number}`, one JSON object a line.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from math import isfinite, nan
from os import PathLike, fspath
from pathlib import Path

import numpy as np

from rewardbench.errors import InputError
from rewardbench.paths import home_path
from rewardbench.suites.data_row import DataRow
from rewardbench.suites.readers import iterate_file

UNNAMED_SCORE = "score"
"""Name of the score column of a file whose scores are plain numbers."""
LARGEST = 1e100
"""Maximum size of a score or reward, whose square must be a float."""
LONGEST_NAME = 200
"""Maximum length of the name of a score column, in characters."""


@dataclass(frozen=True)
class CandidatePool:
    """Candidates in the order of their file; `n` candidates of `prompts` prompts.

    Attributes:
        path: the file that they were read from.
        prompt_ids: the id of each prompt, in the order of its first candidate: [prompts].
        cand_ids: the id of each candidate, which is unique within its prompt: [n].
        prompts: index of each candidate's prompt in `prompt_ids`: [n].
        scores: the scores by each reward model, NaN where there is none: {model: [n]}.
        gold: the gold reward of each candidate, NaN where there is none: [n].
        rows: the row of each candidate in the file, from 0: [n].
        clusters: the cluster of each prompt, such as its mirror; empty if each is one by itself: [prompts].
    """

    path: Path
    prompt_ids: tuple[str, ...]
    cand_ids: tuple[str, ...]
    prompts: np.ndarray
    scores: Mapping[str, np.ndarray]
    gold: np.ndarray
    rows: np.ndarray
    clusters: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.prompts)

    def by_prompt(self) -> list[np.ndarray]:
        """Return the indices of the candidates of each prompt, in the order of `prompt_ids`; none may be empty."""
        order = np.argsort(self.prompts, kind="stable")
        counts = np.bincount(self.prompts, minlength=len(self.prompt_ids))
        return np.split(order, np.cumsum(counts)[:-1]) if len(counts) else []

    def select(self, mask: np.ndarray) -> CandidatePool:
        """Return the candidates where `mask` is True ([n]), without the prompts that have none left."""
        remaining, prompts = np.unique(self.prompts[mask], return_inverse=True)
        scores: dict[str, np.ndarray] = {}
        for name, values in self.scores.items():
            scores[name] = values[mask]
        return replace(
            self,
            prompt_ids=tuple(self.prompt_ids[prompt] for prompt in remaining),
            cand_ids=tuple(self.cand_ids[index] for index in np.flatnonzero(mask)),
            prompts=prompts.astype(np.int64),
            scores=scores,
            gold=self.gold[mask],
            rows=self.rows[mask],
            clusters=tuple(self.clusters[prompt] for prompt in remaining) if self.clusters else (),
        )

    def cluster_indices(self) -> np.ndarray:
        """Return the cluster of each prompt as a number from 0: [prompts]."""
        names = self.clusters or self.prompt_ids
        return np.asarray(np.unique(np.array(names, dtype=object), return_inverse=True)[1])

    def choose_scores(self, names: Collection[str] = ()) -> dict[str, np.ndarray]:
        """Return the score columns of these names, or all of them.

        Raises:
            InputError: if there is no such column.
        """
        for name in names:
            if name not in self.scores:
                columns = ", ".join(sorted(self.scores)[:10])
                raise InputError(f"{self.path} has no score {name!r}: it has {columns}.")
        chosen: dict[str, np.ndarray] = {}
        for name in names or self.scores:
            chosen[name] = self.scores[name]
        return chosen

    def read_texts(self) -> list[str]:
        """Read the text of each candidate from the file: [n]. They are not in memory otherwise.

        Raises:
            InputError: if a candidate has no text, or the file has changed.
        """
        positions = {int(row): index for index, row in enumerate(self.rows)}
        texts: list[str | None] = [None] * len(self)
        for number, row in enumerate(iterate_file(self.path)):
            index = positions.get(number)
            if index is not None and str(row.get("cand_id")) == self.cand_ids[index]:
                texts[index] = _text_of(row, self.path, number)
        if None in texts:
            raise InputError(f"{self.path} has changed since it was read: run the analysis again.")
        return [text for text in texts if text is not None]


def read_candidates(path: str | PathLike[str], gold_column: str = "gold") -> CandidatePool:
    """Read a file of candidates; the format is known by its suffix (.jsonl, .jsonl.gz, .json, .parquet).

    Args:
        path: the file.
        gold_column: the column of the gold reward, a number or true or false; null or missing is NaN.

    Raises:
        InputError: if the file cannot be read, has no candidate, or a row lacks an id or a score, or repeats an id.
    """
    path = home_path(fspath(path))
    reader = _Reader(path, gold_column)
    for number, row in enumerate(iterate_file(path)):
        reader.add(number, row)
    return reader.finish()


class _Reader:
    """Collects columns row by row; numbers are stored in 8 bytes each."""

    def __init__(self, path: Path, gold_column: str) -> None:
        self._path, self._gold_column = path, gold_column
        self._prompt_indices: dict[str, int] = {}
        self._pairs: dict[tuple[int, str], None] = {}
        self._scores: dict[str, array[float]] = {}
        self._gold = array("d")

    def add(self, number: int, row: DataRow) -> None:
        """Add a row; `number` counts from 0."""
        where = f"{self._path}, row {number + 1}"
        prompt_id, cand_id = _id_of(row, "prompt_id", where), _id_of(row, "cand_id", where)
        prompt = self._prompt_indices.setdefault(prompt_id, len(self._prompt_indices))
        if (prompt, cand_id) in self._pairs:
            raise InputError(f"{where}: candidate {cand_id[:60]!r} of prompt {prompt_id[:60]!r} occurs twice.")
        self._add_scores(row, where)
        self._gold.append(_number(row.get(self._gold_column), f"{where}: {self._gold_column}"))
        self._pairs[prompt, cand_id] = None

    def _add_scores(self, row: DataRow, where: str) -> None:
        if "score" not in row:
            raise InputError(f'{where} has no score: add "score", a number or {{"model": number}}.')
        value = row["score"]
        scores = value if isinstance(value, Mapping) else {UNNAMED_SCORE: value}
        if not self._pairs:
            for name in scores:
                _check_name(name, where)
                self._scores[name] = array("d")
        if scores.keys() != self._scores.keys() or not scores:
            names = f"{', '.join(self._scores)[:200] or 'none'}, and row 1 must have at least one"
            raise InputError(f"{where}: its scores must be those of row 1 ({names}); write null for a missing one.")
        for name, score in scores.items():
            self._scores[name].append(_number(score, f"{where}: score {name[:60]!r}"))

    def finish(self) -> CandidatePool:
        """Return the candidates."""
        if not self._pairs:
            raise InputError(f'{self._path} has no candidates: give rows of "prompt_id", "cand_id", "score", "gold".')
        prompts, cand_ids = zip(*self._pairs, strict=True)
        scores: dict[str, np.ndarray] = {}
        for name, values in self._scores.items():
            scores[name] = np.array(values)
        rows = np.arange(len(prompts))
        gold = np.array(self._gold)
        return CandidatePool(self._path, tuple(self._prompt_indices), cand_ids, np.array(prompts), scores, gold, rows)


def _id_of(row: DataRow, column: str, where: str) -> str:
    value = row.get(column)
    if isinstance(value, bool) or not isinstance(value, int | str) or value == "":
        raise InputError(f"{where}: {column} must be a text or an integer, not {_short(value)}.")
    return str(value)


def _check_name(name: object, where: str) -> None:
    if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME:
        raise InputError(f"{where}: the name of a score has 1 to {LONGEST_NAME} characters, not {_short(name)}.")


def _number(value: object, where: str) -> float:
    """Return a number, of JSON or of a text table; NaN if there is none or it is not finite."""
    if value is None or value == "":
        return nan
    try:
        if isinstance(value, int | float | str):
            number = float(value)
            if not isfinite(number):
                return nan
            if abs(number) <= LARGEST:
                return number
    except (ValueError, OverflowError):
        pass
    raise InputError(f"{where} must be a number up to {LARGEST:g}, not {_short(value)}.")


def _text_of(row: DataRow, path: Path, number: int) -> str:
    text = row.get("text")
    if not isinstance(text, str):
        raise InputError(f"{path}, row {number + 1}: text must be a text, not {_short(text)}.")
    return text


def _short(value: object) -> str:
    return "missing" if value is None else repr(value)[:60]
