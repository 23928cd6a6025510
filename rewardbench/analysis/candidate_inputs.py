"""Turn the inputs of an analysis into candidates with a gold reward: a file of candidates, or stored results."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from os import PathLike, fspath
from pathlib import Path
from typing import Annotated

import numpy as np

from rewardbench.analysis.candidates import CandidatePool, read_candidates
from rewardbench.analysis.options import OptionHelp
from rewardbench.analysis.report import source_of
from rewardbench.comparison.compare import ComparedResult, align, read_compared
from rewardbench.errors import InputError
from rewardbench.metrics.credit import is_scored
from rewardbench.metrics.grading import grade
from rewardbench.paths import home_path
from rewardbench.results.scored import ModelScores
from rewardbench.suites.readers import iterate_file, suffix

FEWEST_COMPLETIONS = 3
"""Minimum number of completions of a stored item: the best of 2 is the accuracy on pairs."""
MOST_DIGITS = 100
"""Maximum length of a number in a text, in characters."""
_NUMBER = re.compile(r"(?:(?<![\w.])[-\u2212])?\d(?:[\d,]*\d)?(?:\.\d+)?")


@dataclass(frozen=True)
class CandidateOptions:
    """Options of an analysis that reads candidates with a gold reward."""

    score: Annotated[tuple[str, ...], OptionHelp("Name of a score to analyze; repeat it for more; default: all")] = ()
    gold: Annotated[str, OptionHelp("Column of the gold reward, or the name of a score to use as gold")] = "gold"
    reference: Annotated[
        str, OptionHelp("Column with the correct number: gold is 1 if the last number of the text equals it, else 0")
    ] = ""
    max_n: Annotated[
        int | None, OptionHelp("Largest n; default: the largest that 90 % of prompts have candidates for", min=2)
    ] = None
    seed: Annotated[int, OptionHelp("Random seed of the bootstrap", min=0)] = 0


@dataclass(frozen=True)
class GoldPool:
    """Candidates that all have a gold reward and a finite score by every model.

    Attributes:
        pool: the candidates; each prompt has at least `largest_n`.
        largest_n: the largest n of best-of-n.
        gold_name: what the gold reward is.
        notes: what was left out.
        sources: where the scores come from.
    """

    pool: CandidatePool
    largest_n: int
    gold_name: str
    notes: tuple[str, ...]
    sources: tuple[Mapping[str, object], ...]


def read_gold_pool(
    inputs: Sequence[ComparedResult], gold: str, reference: str, largest_n: int | None, scores: Sequence[str] = ()
) -> GoldPool:
    """Read candidates and their gold rewards.

    Args:
        inputs: one file of candidates, or one or several results of the same items.
        gold: of a file of candidates, the column of the gold reward, or the name of a score that serves as gold.
        reference: a column with the right number; gold is then 1 where the last number of the text equals it.
        largest_n: the largest n; None: the largest that nine of ten prompts have candidates for.
        scores: names of the score columns; empty: all.

    Raises:
        InputError: if the inputs cannot be read, have no gold reward, or no prompt has two candidates.
    """
    if not inputs:
        raise InputError(
            "There is nothing to analyze: pass a file of candidates (.jsonl with prompt_id, cand_id, text, score and "
            "gold), or results (.json) with three completions or more per item."
        )
    path = _candidate_file(inputs[0])
    if path is not None:
        if len(inputs) > 1:
            raise InputError(f"{path} holds candidates: give it alone, with all scores in its column score.")
        pool, gold_name = _with_gold(read_candidates(path, gold), gold, reference)
        sources: list[Mapping[str, object]] = [{"path": path.name, "candidates": len(pool)}]
    else:
        results = _paired(inputs)
        pool, gold_name = pool_of_results(results), "right completion"
        sources = list(map(source_of, results))
    pool = replace(pool, scores=pool.choose_scores(scores))
    pool, notes = _drop_missing(pool, gold)
    pool, largest_n, short = _drop_short(pool, largest_n)
    return GoldPool(pool, largest_n, gold_name, (*notes, *short), tuple(sources))


def _candidate_file(source: ComparedResult) -> Path | None:
    """Return the path of a file of candidates; None for a result."""
    if not isinstance(source, str | PathLike):
        return None
    path = home_path(fspath(source))
    if suffix(path) not in (".jsonl", ".ndjson", ".parquet") or not path.is_file():
        return None
    return path if "prompt_id" in next(iterate_file(path), {}) else None


def _with_gold(pool: CandidatePool, gold: str, reference: str) -> tuple[CandidatePool, str]:
    """Return the candidates with their gold reward, and its name."""
    if reference:
        return replace(pool, gold=verify_numbers(pool, reference)), f"last number equals {reference}"
    if gold not in pool.scores:
        return pool, gold
    others = {name: values for name, values in pool.scores.items() if name != gold}
    if not others:
        raise InputError(f"{pool.path} has the score {gold!r} only: it cannot be both the score and the gold reward.")
    return replace(pool, gold=pool.scores[gold], scores=others), f"score of {gold}"


def _paired(inputs: Sequence[ComparedResult]) -> list[ModelScores]:
    """Read results, aligned with the first one whose suite is known."""
    results = list(map(read_compared, inputs))
    reference = next((scored for scored in results if scored.knows_suite), results[0])
    return [align(reference, scored)[1] for scored in results]


def pool_of_results(results: Sequence[ModelScores]) -> CandidatePool:
    """Return the completions of stored items as candidates; the gold reward is 1 if right, else 0.

    Items need right and wrong completions, three in all, and a score by every model. Scores are named by model.

    Args:
        results: results of the same items in one order.

    Raises:
        InputError: if there is no such item, or two results are of one model.
    """
    first = results[0]
    names = [scored.model for scored in results]
    if len(set(names)) < len(names):
        raise InputError(f"Two results are of the model {names[0]}: give each model once.")
    graded = grade(first.suite, first.items)
    rows: list[int] = []
    for row, item in enumerate(first.suite.items):
        has_scores = all(is_scored(scored.items[row].scores) for scored in results)
        if item.has_preference and len(item.completions) >= FEWEST_COMPLETIONS and has_scores:
            rows.append(row)
    if not rows:
        raise InputError(
            f"{first.path} has no scored item with {FEWEST_COMPLETIONS} completions or more, right and wrong: give a "
            "best-of-n suite such as RewardBench 2, or a file of candidates."
        )
    ids: list[str] = []
    counts: list[int] = []
    num_correct: list[int] = []
    clusters: list[str] = []
    for row in rows:
        item = first.suite.items[row]
        ids.append(item.id)
        counts.append(len(item.completions))
        num_correct.append(item.num_correct)
        clusters.append(str(graded[row].cluster))
    positions = np.concatenate(list(map(np.arange, counts)))
    scores: dict[str, np.ndarray] = {}
    for scored in results:
        scores[scored.model] = np.concatenate([np.array(scored.items[row].scores) for row in rows])
    return CandidatePool(
        path=first.path,
        prompt_ids=tuple(ids),
        cand_ids=tuple(map(str, positions)),
        prompts=np.repeat(np.arange(len(rows)), counts),
        scores=scores,
        gold=(positions < np.repeat(num_correct, counts)).astype(float),
        rows=np.arange(len(positions)),
        clusters=tuple(clusters),
    )


def _drop_missing(pool: CandidatePool, gold: str) -> tuple[CandidatePool, list[str]]:
    """Drop candidates without a gold reward or with a score missing, with a note."""
    has_gold = np.isfinite(pool.gold)
    if not has_gold.any():
        raise InputError(
            f"{pool.path} has no gold reward in {gold!r}: add the column, name another by --gold, or the right numbers "
            "by --reference."
        )
    complete = has_gold.copy()
    for values in pool.scores.values():
        complete &= np.isfinite(values)
    missing = len(pool) - int(complete.sum())
    if not complete.any():
        raise InputError(f"{pool.path} has no candidate with both a gold reward and every score.")
    note = f"{missing:,} of {len(pool):,} candidates lack a gold reward or a score, and are left out."
    return pool.select(complete), [note] if missing else []


def _drop_short(pool: CandidatePool, largest_n: int | None) -> tuple[CandidatePool, int, list[str]]:
    """Drop the prompts that have fewer candidates than the largest n, with a note; return that n too."""
    sizes = np.bincount(pool.prompts)
    if largest_n is None:
        largest_n = max(2, int(np.sort(sizes)[len(sizes) // 10]))
    if sizes.max() < largest_n:
        raise InputError(
            f"{pool.path} has at most {sizes.max()} candidates per prompt, and the largest n is {largest_n}: give more "
            "candidates, at least 2 per prompt, or a lower --max_n."
        )
    short = int((sizes < largest_n).sum())
    note = f"{short:,} of {len(sizes):,} prompts have fewer than {largest_n} candidates, and are left out."
    return pool.select(sizes[pool.prompts] >= largest_n), largest_n, [note] if short else []


def verify_numbers(pool: CandidatePool, column: str) -> np.ndarray:
    """Compare the last number of each text with the right one, exactly: 1 if they are equal, else 0: [n].

    Args:
        pool: candidates with texts.
        column: the column of the file with the right number, or a text that ends with it.

    Raises:
        InputError: if a row has no text or no right number.
    """
    gold = np.zeros(len(pool))
    texts = pool.read_texts()
    positions = {int(row): index for index, row in enumerate(pool.rows)}
    for number, row in enumerate(iterate_file(pool.path)):
        index = positions.get(number)
        if index is None:
            continue
        right = last_number(str(row.get(column)))
        if right is None:
            raise InputError(
                f"{pool.path}, row {number + 1}: {column} must hold a number, not {row.get(column)!r:.60}."
            )
        gold[index] = last_number(texts[index]) == right
    return gold


def last_number(text: str) -> Fraction | None:
    """Return the last number of a text, exactly; None if there is none.

    >>> last_number("3 boxes of 400 g make 1,200.50 g.")
    Fraction(2401, 2)
    """
    numbers = _NUMBER.findall(text)
    if not numbers or len(numbers[-1]) > MOST_DIGITS:
        return None
    return Fraction(numbers[-1].replace(",", "").replace("\u2212", "-"))
