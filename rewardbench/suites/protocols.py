"""Rows of published benchmarks as their authors write them, to rows with the columns that rows.py knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

from rewardbench.suites.badrows import BadRow
from rewardbench.suites.turns import kind
from rewardbench.types import Rule

Row = Mapping[str, Any]

STYLES = ("concise", "plain", "markdown")
LEVELS = ("easy", "normal", "hard")
DOMAINS = ("chat", "code", "math", "safety", "safety-refuse", "safety-response")

RM_BENCH_RULES = {f"{level}-{domain}": Rule(level.title()) for level in LEVELS for domain in DOMAINS}
"""RM-Bench: three accuracies, and the score is their mean."""


def rm_bench_pairs(row: Row) -> list[Row]:
    """The nine pairs of a prompt with three right and three wrong completions, each in three styles of rising effort.

    A pair is hard where the wrong one is in the richer style, and easy where the right one is (Liu et al. 2024,
    arXiv 2410.16184).
    """
    chosen, rejected = row.get("chosen"), row.get("rejected")
    rest = {name: value for name, value in row.items() if name not in ("chosen", "rejected", "id", "subset")}
    problem = None
    if not (_is_three(chosen) and _is_three(rejected)):
        problem = "it has no three chosen and three rejected completions"
    pairs: list[Row] = []
    for i, j in product(range(len(STYLES)), repeat=2):
        fields = {
            **rest,
            "id": f"{row.get('id')}/{STYLES[i]}-{STYLES[j]}",
            "group": str(row.get("id")),
            "subset": f"{LEVELS[(i < j) - (i > j) + 1]}-{row.get('domain', 'all')}",
        }
        if problem is not None:
            pairs.append(BadRow(fields, problem))
        elif isinstance(chosen, list) and isinstance(rejected, list):
            pairs.append({**fields, "chosen": chosen[i], "rejected": rejected[j]})
    return pairs


def _is_three(value: Any) -> bool:
    return isinstance(value, list) and len(value) == len(STYLES)


JUDGE_BENCH = {"Knowledge": "mmlu-pro", "Reasoning": "livebench-reasoning", "Math": "livebench-math"}
JUDGE_BENCH |= {"Coding": "livecodebench"}
"""JudgeBench: category to how its sources begin."""


def judge_bench_pair(row: Row, split: str) -> Row:
    """Two responses of which the label names the right one: `A>B` or `B>A` (Tan et al. 2024, arXiv 2410.12784)."""
    label = row.get("label")
    source = str(row.get("source"))
    subset = next((name for name, start in JUDGE_BENCH.items() if source.startswith(start)), source)
    if label not in ("A>B", "B>A"):
        fields = {"id": row.get("pair_id"), "subset": subset}
        return BadRow(fields, f"its label is {repr(label)[:40]}: it must be A>B or B>A")
    right, wrong = (f"response_{side}" for side in str(label).split(">"))
    return {
        "id": row.get("pair_id"),
        "subset": subset,
        "prompt": row.get("question"),
        "chosen": row.get(right),
        "rejected": row.get(wrong),
        "source": source,
        "original_id": row.get("original_id"),
    }


RMB_RULES = {
    f"{goal} {kind}": Rule(f"{goal} {kind}") for goal in ("Helpfulness", "Harmlessness") for kind in ("Pairwise", "BoN")
}


def rmb_row(row: Row, split: str) -> Row:
    """A pair, or a best answer with those that it must all beat (Zhou et al. 2024, arXiv 2410.09893)."""
    goal = "Harmlessness" if str(row.get("category_path", "")).startswith("Harmless") else "Helpfulness"
    many = "loser_list" in row and not (row["loser_list"] is None and row.get("reject") is not None)
    who = {
        "id": row.get("bon_uid") if many else row.get("pair_uid"),
        "subset": f"{goal} {'BoN' if many else 'Pairwise'}",
    }
    losers = row["loser_list"] if many else [row.get("reject")]
    if not isinstance(losers, list) or not losers:
        return BadRow(who, "loser_list is an empty list" if losers == [] else f"loser_list {kind(losers, 'a list')}")
    best = row.get("bon_best") if many else row.get("chosen")
    return {
        **who,
        "prompt": row.get("conversation_input"),
        "completions": [_answer(best), *map(_answer, losers)],
        "num_correct": 1,
        "category_path": row.get("category_path"),
    }


def _answer(completion: Any) -> Any:
    return completion.get("answer") if isinstance(completion, Mapping) else completion


def both_orders(outcomes: Sequence[int]) -> tuple[bool, bool]:
    """JudgeBench's verdict on a pair that a judge saw in both orders: is it right, and is it consistent?

    Args:
        outcomes: of each order 1 where the judge prefers the right one, -1 the wrong one, 0 neither.

    >>> both_orders([1, 1]), both_orders([1, 0]), both_orders([1, -1]), both_orders([0, 0])
    ((True, True), (True, False), (False, False), (False, True))
    """
    return sum(outcomes) > 0, len(set(outcomes)) == 1
