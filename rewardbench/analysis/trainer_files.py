"""Write data for trainers: pairs with margins for TRL, and completions with rewards for offline reinforcement learning.

- `trl`: prompt, chosen, rejected and margin, for TRL's RewardTrainer, whose loss is -log σ(r_chosen - r_rejected -
  margin) (Touvron et al. 2023, arXiv 2307.09288). The margin is the strength of the label.
- `ilql`: prompt, completion and reward of every scored completion (implicit language Q-learning, Snell et al. 2022,
  arXiv 2206.11871).
- `rest`: those rows whose reward is above a threshold, for the Improve step of ReST (Gulcehre et al. 2023, arXiv
  2308.08998); the threshold is a quantile of all rewards, since scales of reward models differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from rewardbench.comparison.compare import ComparedResult, read_compared
from rewardbench.console.strict_json import dump
from rewardbench.errors import InputError
from rewardbench.metrics import is_scored
from rewardbench.paths import write_whole
from rewardbench.types import Item, ItemScores, Messages, Suite

TrainerFormat = Literal["trl", "ilql", "rest"]
TrainerRow = Mapping[str, object]
INTERNAL = frozenset({"null_content", "steps"})
"""Fields of a message that chat templates do not know."""


@dataclass(frozen=True)
class TrainerData:
    """Rows for a trainer, and counts of what was left out.

    Attributes:
        rows: the rows.
        left_out: number of items (for `rest`: of completions) that are in no row.
        threshold: of `rest`, the reward above which rows were selected.
    """

    rows: Sequence[TrainerRow]
    left_out: int
    threshold: float | None = None


def export(
    suite: Suite, to: TrainerFormat, result: ComparedResult | None = None, quantile: float = 0.9, scale: float = 1.0
) -> TrainerData:
    """Build the rows of a format.

    Args:
        suite: the data.
        to: the format.
        result: for `ilql` and `rest`: a result of the data, whose scores are the rewards.
        quantile: for `rest`: see `select_rewards`.
        scale: for `trl`: factor of the margins.

    Raises:
        InputError: if the data has no strengths, or the result does not fit it.
    """
    if to == "trl":
        if result is not None:
            raise InputError("The margins of trl are the strengths of labels: leave out --result.")
        return margin_rows(suite, scale)
    if result is None:
        raise InputError(f"The rewards of {to} are the scores of a model: pass --result results/NAME.json.")
    data = reward_rows(suite, result)
    return select_rewards(data, quantile) if to == "rest" else data


def margin_rows(suite: Suite, scale: float = 1.0) -> TrainerData:
    """Build the rows of TRL's RewardTrainer from pairs whose labels have a strength.

    Ties, pairs without a strength, unusable rows and items of more than two completions are left out.

    Args:
        suite: the data.
        scale: factor of the margins; strengths are on the scale of the data, rewards are logits.

    Raises:
        InputError: if no pair has a strength, or only some have functions or final texts.
    """
    rows: list[TrainerRow] = []
    for item in suite.items:
        is_pair = item.problem is None and item.has_preference and len(item.completions) == 2
        if is_pair and item.label_strength is not None:
            rows.append({**_pair(item), "margin": scale * item.label_strength})
    if not rows:
        raise InputError(
            f"{suite.name} has no pair whose label has a strength: margins need a Likert scale, scores, soft labels, "
            "or a column margin."
        )
    _check_columns(suite, rows)
    return TrainerData(rows, len(suite.items) - len(rows))


def _pair(item: Item) -> TrainerRow:
    chosen, rejected = item.completions
    if item.rendered:
        return {"chosen": _text(chosen), "rejected": _text(rejected)}
    row: dict[str, object] = {"prompt": _plain(item.prompt), "chosen": _plain(chosen), "rejected": _plain(rejected)}
    return {**row, "tools": list(item.tools)} if item.tools else row


def reward_rows(suite: Suite, result: ComparedResult) -> TrainerData:
    """Build a row for each scored completion: prompt, completion, and its score by a model as the reward.

    Args:
        suite: the data, with its texts.
        result: the result of a model on this data.

    Raises:
        InputError: if the result is not of this data, or has no scored item.
    """
    scores = _scores_by_id(suite, result)
    rows: list[TrainerRow] = []
    left_out = 0
    for item in suite.items:
        item_scores = scores[item.id].scores
        if item.problem is not None or not is_scored(item_scores):
            left_out += 1
            continue
        if len(item_scores) != len(item.completions):
            raise InputError(f"Item {item.id[:60]} of {suite.name} has other completions than the result.")
        rows += _completion_rows(item, item_scores)
    if not rows:
        raise InputError(f"No item of {suite.name} has a score: there is no reward to write.")
    _check_columns(suite, rows)
    return TrainerData(rows, left_out)


def _scores_by_id(suite: Suite, result: ComparedResult) -> dict[str, ItemScores]:
    scored = read_compared(result)
    scores = {item_scores.id: item_scores for item_scores in scored.items}
    missing = [item.id for item in suite.items if item.id not in scores]
    if missing:
        raise InputError(
            f"{scored.path} has no scores of {len(missing):,} of {len(suite.items):,} items of {suite.name}, such as "
            f"{missing[0][:60]!r}: pass the result of this data."
        )
    return scores


def _completion_rows(item: Item, scores: Sequence[float]) -> Iterator[TrainerRow]:
    """Yield a row for each completion; the strings of final texts have an empty prompt."""
    for completion, reward in zip(item.completions, scores, strict=True):
        if item.rendered:
            yield {"prompt": "", "completion": _text(completion), "reward": reward}
        else:
            yield {"prompt": _plain(item.prompt), "completion": _plain(completion), "reward": reward}


def select_rewards(data: TrainerData, quantile: float) -> TrainerData:
    """Select the rows whose reward is above a quantile of all rewards, as ReST's Improve step does.

    Args:
        data: rows with rewards.
        quantile: from 0 to 1; 0.9 keeps the highest tenth if no rewards are equal.

    Raises:
        InputError: if no reward is above the quantile.
    """
    rewards = np.array([row["reward"] for row in data.rows], dtype=np.float64)
    threshold = float(np.quantile(rewards, quantile, method="lower"))
    rows = [row for row, reward in zip(data.rows, rewards.tolist(), strict=True) if reward > threshold]
    if not rows:
        raise InputError(f"No reward is above {threshold:g}, the quantile {quantile:g} of all rewards: lower it.")
    return TrainerData(rows, len(data.rows) - len(rows), threshold)


def _check_columns(suite: Suite, rows: Sequence[TrainerRow]) -> None:
    """Raise InputError if rows have different columns or types, which a table of a trainer cannot have."""
    shapes = {tuple((name, type(value).__name__) for name, value in sorted(row.items())) for row in rows}
    if len(shapes) > 1:
        raise InputError(
            f"{suite.name} mixes rows with and without functions (tools), or messages and final texts: a trainer needs "
            "one kind. Export a --subset of one kind."
        )


def _plain(messages: Messages) -> list[dict[str, object]]:
    return [{name: value for name, value in message.items() if name not in INTERNAL} for message in messages]


def _text(messages: Messages) -> str:
    return "\n\n".join(message["content"] for message in messages)


def check_output(path: Path, dataset: str) -> None:
    """Check the name of a file for rows, before they are built.

    Raises:
        InputError: if it is not a .jsonl file, or the data itself.
    """
    if path.suffix not in (".jsonl", ".ndjson"):
        raise InputError(f"{path} would hold JSON lines: name a file that ends in .jsonl.")
    if path.exists() and Path(dataset).exists() and path.samefile(dataset):
        raise InputError(f"{path} is the data to export, and would be overwritten: name another file.")


def write_rows(data: TrainerData, path: Path) -> None:
    """Write rows as JSON lines.

    Raises:
        InputError: if the file cannot be written.
    """
    write_whole(path, "".join(map(dump, data.rows)).encode("utf-8"))
