"""Rows of published benchmarks as their authors write them, to rows with the columns that rows.py knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rewardbench.types import InputError, Rule

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
    if not (isinstance(chosen, list) and isinstance(rejected, list) and len(chosen) == len(rejected) == len(STYLES)):
        raise InputError(f"Row {row.get('id')} of RM-Bench has no three chosen and three rejected completions.")
    kept = {name: value for name, value in row.items() if name not in ("chosen", "rejected", "id", "subset")}
    domain = row.get("domain", "all")
    return [
        {
            **kept,
            "id": f"{row.get('id')}/{STYLES[i]}-{STYLES[j]}",
            "group": str(row.get("id")),
            "subset": f"{LEVELS[(i < j) - (i > j) + 1]}-{domain}",
            "chosen": right,
            "rejected": wrong,
        }
        for i, right in enumerate(chosen)
        for j, wrong in enumerate(rejected)
    ]


JUDGE_BENCH = {"Knowledge": "mmlu-pro", "Reasoning": "livebench-reasoning", "Math": "livebench-math"}
JUDGE_BENCH |= {"Coding": "livecodebench"}
"""JudgeBench: category to how its sources begin."""


def judge_bench_pair(row: Row, split: str) -> Row:
    """Two responses of which the label names the right one: `A>B` or `B>A` (Tan et al. 2024, arXiv 2410.12784)."""
    label = str(row.get("label"))
    if label not in ("A>B", "B>A"):
        raise InputError(f"Row {row.get('pair_id')} of JudgeBench has the label {label!r}: it must be A>B or B>A.")
    right, wrong = (f"response_{side}" for side in label.split(">"))
    source = str(row.get("source"))
    subset = next((name for name, start in JUDGE_BENCH.items() if source.startswith(start)), source)
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
    many = "loser_list" in row
    wrong = [_answer(one) for one in row["loser_list"]] if many else [_answer(row.get("reject"))]
    return {
        "id": row.get("bon_uid") if many else row.get("pair_uid"),
        "subset": f"{goal} {'BoN' if many else 'Pairwise'}",
        "prompt": row.get("conversation_input"),
        "completions": [_answer(row.get("bon_best") if many else row.get("chosen")), *wrong],
        "num_correct": 1,
        "category_path": row.get("category_path"),
    }


def _answer(one: Any) -> Any:
    return one.get("answer") if isinstance(one, Mapping) else one


def both_orders(outcomes: Sequence[int]) -> tuple[bool, bool]:
    """JudgeBench's verdict on a pair that a judge saw in both orders: is it right, and is it consistent?

    Args:
        outcomes: of each order 1 where the judge prefers the right one, -1 the wrong one, 0 neither.

    >>> both_orders([1, 1]), both_orders([1, 0]), both_orders([1, -1]), both_orders([0, 0])
    ((True, True), (True, False), (False, False), (False, True))
    """
    return sum(outcomes) > 0, len(set(outcomes)) == 1
