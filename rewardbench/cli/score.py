"""Define `rewardbench score`: one score per row of a file, or of one prompt and response."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from rewardbench.cli import options
from rewardbench.cli.config import ConfigOptions
from rewardbench.cli.options import (
    DATA,
    MODEL,
    OUTPUT,
    BatchOptions,
    CountOption,
    DataOptions,
    ModelOptions,
    RunOptions,
    TextOption,
    flag,
)
from rewardbench.cli.process import set_up_scoring
from rewardbench.cli.ray import TextEngineOptions
from rewardbench.console.terminal import echo, echo_json, make_console
from rewardbench.errors import InputError

if TYPE_CHECKING:
    from rewardbench.results.row_files import ScoreRow
    from rewardbench.settings import Settings
    from rewardbench.types import Item, ItemScores, Rule, Suite


@dataclass(frozen=True, kw_only=True)
class TextOptions:
    """Options that name what is scored."""

    model: Annotated[TextOption, flag(MODEL, "model", "Hub id, folder, tiny-rm, tiny-dpo, or a baseline")] = None
    dataset: Annotated[TextOption, flag(DATA, "dataset", "File, folder, Hub id, or - for standard input")] = None
    prompt: Annotated[TextOption, flag(DATA, "prompt", "The text of a user, with --response")] = None
    response: Annotated[TextOption, flag(DATA, "response", "One response to score; prints its score")] = None
    limit: Annotated[CountOption, flag(DATA, "limit", "Score only the first rows", min=1)] = None
    shard: Annotated[
        TextOption,
        flag(DATA, "shard", "Score only part i of n of the rows, such as 0/3; cat joins the parts"),
    ] = None
    output: Annotated[TextOption, flag(OUTPUT, "output", "Write to a .jsonl or .parquet file, not to stdout")] = None
    as_json: Annotated[bool, flag(OUTPUT, "json", "Print one JSON object with all rows")] = False
    per_token: Annotated[
        bool, flag(OUTPUT, "per_token", "Score each token of one response, or each step by a process reward model")
    ] = False
    plot: Annotated[
        TextOption, flag(OUTPUT, "plot", "With --per_token: save a heat map of the text: .png, .svg or .pdf")
    ] = None


@options.with_groups
def score_command(
    texts: TextOptions,
    model: ModelOptions,
    data: DataOptions,
    run: RunOptions,
    batch: BatchOptions,
    engine: TextEngineOptions,
    config: ConfigOptions,
) -> None:
    """Score your own texts: a score per row of [bold]--dataset[/bold], or of [bold]--prompt[/bold] and --response.

    Rows have `messages` that end with the assistant, or a prompt with a response, a list of responses, or chosen and
    rejected. Rows go to stdout as JSON lines, in the order of the data, with their other columns. An interrupted run
    continues from the score cache.
    """
    _check_arguments(texts)
    set_up_scoring(texts.model)
    settings = _settings(texts, model, data, run, batch, engine)
    suite = _select_rows(_suite(settings, texts), texts.shard)
    if texts.per_token:
        from rewardbench.cli.token_scores import print_token_scores

        print_token_scores(settings, suite, texts.as_json, texts.plot)
        return
    rows: list[ScoreRow] = []
    if texts.output:
        notes = _score_to_file(settings, suite, Path(texts.output))
    elif texts.as_json:
        notes = _score_each(settings, suite, rows.append)
        echo_json({"model": settings.model.model, "items": rows, "notes": notes})
    else:
        notes = _score_each(settings, suite, _print_row if texts.response is None else _print_score)
    for note in notes if texts.response is None else ():
        echo(f"note: {note}", error=True)


def _check_arguments(texts: TextOptions) -> None:
    """Check what is to be scored.

    Raises:
        InputError: if there is no model, or not either a dataset or a prompt with its response.
    """
    if not texts.model:
        raise InputError("No model was given: pass --model NAME, for example --model tiny-rm.")
    if (texts.dataset is None) == (texts.response is None):
        raise InputError("Pass either --dataset (a file, or - for standard input) or --response.")
    if (texts.prompt is None) != (texts.response is None):
        raise InputError("--prompt and --response need each other: the text of a user, and the response to score.")
    if texts.plot and not texts.per_token:
        raise InputError("--plot draws the scores of tokens or steps: pass --per_token too.")
    if texts.per_token and texts.output:
        raise InputError("--per_token prints the scores of one response: use --json, or --plot, in place of --output.")
    if texts.output and texts.response is not None:
        raise InputError("--output is for --dataset: --response prints its score.")
    if texts.shard and texts.response is not None:
        raise InputError("--shard divides the rows of --dataset: leave it out.")
    if texts.output and texts.as_json:
        raise InputError("--json prints to stdout, and --output writes to a file: pass one of them.")
    if texts.output and Path(texts.output).suffix not in (".jsonl", ".parquet"):
        raise InputError(f"--output {texts.output} must end with .jsonl or .parquet.")


def _settings(
    texts: TextOptions,
    model: ModelOptions,
    data: DataOptions,
    run: RunOptions,
    batch: BatchOptions,
    engine: TextEngineOptions,
) -> Settings:
    from rewardbench.settings import Settings

    return Settings(
        model=options.model_spec(texts.model or "", model, run),
        dataset=texts.dataset or "memory",
        **asdict(data),
        limit=texts.limit,
        batch_size=batch.batch_size,
        batch_tokens=batch.batch_tokens,
        num_processes=batch.num_processes,
        **asdict(engine),
        cache=not batch.no_cache,
    )


def _suite(settings: Settings, texts: TextOptions) -> Suite:
    """Return what is scored, with an item for each row."""
    from rewardbench.suites import load_inputs, suite_of_rows
    from rewardbench.suites.in_memory import read_in_memory

    if texts.response is None:
        return load_inputs(settings, limit=settings.limit, by_row=True)
    messages = [{"role": "user", "content": texts.prompt}, {"role": "assistant", "content": texts.response}]
    return suite_of_rows(read_in_memory([{"messages": messages}]), scores_only=True)


def _select_rows(suite: Suite, shard: str | None) -> Suite:
    """Return the rows of a shard, all if there is none.

    Raises:
        InputError: if the shard does not exist, or has no rows.
    """
    from rewardbench.evaluation.shards import Shard
    from rewardbench.suites.lazy import LazySequence

    if shard is None:
        return suite
    items, rows = suite.items, Shard.parse(shard).rows(len(suite.items))
    if not rows:
        raise InputError(f"--shard {shard} has no rows: the data has {len(items)}, so pass at most that many parts.")
    part = items.part(rows.start, rows.stop) if isinstance(items, LazySequence) else items[rows.start : rows.stop]
    return replace(suite, items=part)


def _score_each(settings: Settings, suite: Suite, write: Callable[[ScoreRow], None]) -> list[str]:
    """Score a dataset, call `write` with each row, and return the notes."""
    from rewardbench.evaluation import score_dataset

    def add(item: Item, item_scores: ItemScores, rule: Rule) -> None:
        write(_row(item, item_scores))

    return score_dataset(settings, add, suite, make_console(stderr=True))


def _row(item: Item, item_scores: ItemScores) -> ScoreRow:
    """Return the scores of an item, then the other columns of its row."""
    from rewardbench.results.row_files import name_columns

    scores = [score if math.isfinite(score) else None for score in item_scores.scores]
    row: dict[str, object] = {"id": item_scores.id}
    row |= {"score": scores[0]} if len(scores) == 1 else {"scores": scores}
    if item_scores.order_inconsistency is not None:
        row["order_inconsistency"] = item_scores.order_inconsistency
    if item_scores.step_scores:
        row["step_scores"] = item_scores.step_scores
    return {**row, "reason": item_scores.reason, "truncated": item_scores.truncated, **name_columns(item)}


def _print_score(row: ScoreRow) -> None:
    """Print the score of one response.

    Raises:
        InputError: if it has none, with the reason.
    """
    if row["reason"] is not None:
        raise InputError(f"The response cannot be scored: {row['reason']}")
    echo(repr(row["score"]))


def _print_row(row: ScoreRow) -> None:
    from rewardbench.console.strict_json import dump

    sys.stdout.write(dump(row))


def _score_to_file(settings: Settings, suite: Suite, path: Path) -> list[str]:
    """Write the rows to a file, which appears when it is complete; return the notes."""
    from rewardbench.engine.backends.torchrun import is_first
    from rewardbench.results.row_files import open_row_file

    if not is_first():  # only rank 0 of torchrun writes
        return _score_each(settings, suite, _print_row)
    with open_row_file(path, suite.items) as file:
        notes = _score_each(settings, suite, file.add)
    echo(f"rows={file.rows}")
    echo(f"output={path}")
    return notes
