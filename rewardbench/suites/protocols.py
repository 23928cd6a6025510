"""Convert the rows of published benchmarks to the columns that rows.py knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import TypeGuard

from rewardbench.suites.data_row import BadRow, DataRow
from rewardbench.suites.turns import kind
from rewardbench.types import Rule

STYLES = ("concise", "plain", "markdown")
LEVELS = ("easy", "normal", "hard")
DOMAINS = ("chat", "code", "math", "safety", "safety-refuse", "safety-response")

RM_BENCH_RULES = {f"{level}-{domain}": Rule(level.title()) for level, domain in product(LEVELS, DOMAINS)}
"""RM-Bench: the score is the mean of three accuracies."""


def rm_bench_pairs(row: DataRow) -> list[DataRow]:
    """Build the nine pairs of a prompt with three right and three wrong completions, each in three styles.

    The styles are ordered from plain to rich. A pair is hard if the wrong completion has the richer style, and easy if
    the right one has it (Liu et al. 2024, arXiv 2410.16184).
    """
    right, wrong = row.get("chosen"), row.get("rejected")
    others = {name: value for name, value in row.items() if name not in ("chosen", "rejected", "id", "subset")}
    problem = None
    if not (_has_length(right, len(STYLES)) and _has_length(wrong, len(STYLES))):
        problem = "it has no three chosen and three rejected completions"
    pairs: list[DataRow] = []
    for i, j in product(range(len(STYLES)), repeat=2):
        fields = {
            **others,
            "id": f"{row.get('id')}/{STYLES[i]}-{STYLES[j]}",
            "group": str(row.get("id")),
            "subset": f"{_level(i, j)}-{row.get('domain', 'all')}",
        }
        if problem is not None:
            pairs.append(BadRow(fields, problem))
        elif isinstance(right, list) and isinstance(wrong, list):
            pairs.append({**fields, "chosen": right[i], "rejected": wrong[j]})
    return pairs


CORE_STYLES = ("plain", "framed", "long", "bullets")
"""The styles of core-style, from plain to rich: as in core; after a frame of confidence or doubt; with padding before
and after; as bullets with bold words."""


def style_pairs(row: DataRow) -> list[DataRow]:
    """Build the sixteen pairs of a prompt of core-style; all are of the row's subset and group.

    The levels are those of RM-Bench: a pair is hard if the wrong completion has the richer style, easy if the right
    one has it, and normal if both have the same.
    """
    right, wrong = row.get("chosen"), row.get("rejected")
    if not (_has_length(right, len(CORE_STYLES)) and _has_length(wrong, len(CORE_STYLES))):
        names = {name: row[name] for name in ("id", "subset", "group") if name in row}
        return [BadRow(names, f"it has no {len(CORE_STYLES)} chosen and {len(CORE_STYLES)} rejected completions")]
    pairs: list[DataRow] = []
    for (i, style_chosen), (j, style_rejected) in product(enumerate(CORE_STYLES), repeat=2):
        pair = {
            **row,
            "id": f"{row.get('id')}/{style_chosen}-{style_rejected}",
            "chosen": right[i],
            "rejected": wrong[j],
            "style_chosen": style_chosen,
            "style_rejected": style_rejected,
            "level": _level(i, j),
        }
        pairs.append(pair)
    return pairs


def _level(style_chosen: int, style_rejected: int) -> str:
    """Return the level of a pair by the richness of the styles of its completions."""
    return LEVELS[(style_chosen < style_rejected) - (style_chosen > style_rejected) + 1]


def _has_length(value: object, length: int) -> TypeGuard[list[object]]:
    return isinstance(value, list) and len(value) == length


JUDGE_BENCH = {"Knowledge": "mmlu-pro", "Reasoning": "livebench-reasoning", "Math": "livebench-math"}
JUDGE_BENCH |= {"Coding": "livecodebench"}
"""JudgeBench: category to the prefix of its sources."""


def judge_bench_pair(row: DataRow, split: str) -> DataRow:
    """Convert two responses with a label of the right one, `A>B` or `B>A` (Tan et al. 2024, arXiv 2410.12784)."""
    label = row.get("label")
    source = str(row.get("source"))
    subset = _judge_bench_category(source)
    if label not in ("A>B", "B>A"):
        fields = {"id": row.get("pair_id"), "subset": subset}
        return BadRow(fields, f"its label is {repr(label)[:40]}: it must be A>B or B>A")
    chosen, rejected = ("response_A", "response_B") if label == "A>B" else ("response_B", "response_A")
    return {
        "id": row.get("pair_id"),
        "subset": subset,
        "prompt": row.get("question"),
        "chosen": row.get(chosen),
        "rejected": row.get(rejected),
        "source": source,
        "original_id": row.get("original_id"),
    }


def _judge_bench_category(source: str) -> str:
    for category, prefix in JUDGE_BENCH.items():
        if source.startswith(prefix):
            return category
    return source


RMB_SUBSETS = ("Helpfulness Pairwise", "Helpfulness BoN", "Harmlessness Pairwise", "Harmlessness BoN")
RMB_RULES = {name: Rule(name) for name in RMB_SUBSETS}


def rmb_row(row: DataRow, split: str) -> DataRow:
    """Convert a pair, or a best answer with the answers that it must beat (Zhou et al. 2024, arXiv 2410.09893)."""
    goal = "Harmlessness" if str(row.get("category_path", "")).startswith("Harmless") else "Helpfulness"
    is_best_of_n = "loser_list" in row and not (row["loser_list"] is None and row.get("reject") is not None)
    fields = {
        "id": row.get("bon_uid") if is_best_of_n else row.get("pair_uid"),
        "subset": f"{goal} {'BoN' if is_best_of_n else 'Pairwise'}",
    }
    losers = row["loser_list"] if is_best_of_n else [row.get("reject")]
    if not isinstance(losers, list) or not losers:
        return BadRow(fields, "loser_list is an empty list" if losers == [] else f"loser_list {kind(losers, 'a list')}")
    best = row.get("bon_best") if is_best_of_n else row.get("chosen")
    return {
        **fields,
        "prompt": row.get("conversation_input"),
        "completions": [_answer(best), *map(_answer, losers)],
        "num_correct": 1,
        "category_path": row.get("category_path"),
    }


def _answer(completion: object) -> object:
    return completion.get("answer") if isinstance(completion, Mapping) else completion


def both_orders(outcomes: Sequence[int]) -> tuple[bool, bool]:
    """Return JudgeBench's verdict on a pair judged in both orders: is it right, and is it consistent?

    >>> both_orders([1, 1]), both_orders([1, 0]), both_orders([1, -1]), both_orders([0, 0])
    ((True, True), (True, False), (False, False), (False, True))

    Args:
        outcomes: for each order, 1 if the judge prefers the right completion, -1 the wrong one, 0 neither.
    """
    return sum(outcomes) > 0, len(set(outcomes)) == 1
