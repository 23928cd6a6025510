"""Define `rewardbench score`: one score per row of a file, or of one prompt and response."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from rewardbench.cli import options
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
from rewardbench.console.terminal import echo, echo_json, make_console
from rewardbench.errors import InputError

if TYPE_CHECKING:
    from rewardbench.results.row_files import ScoreRow
    from rewardbench.settings import Settings
    from rewardbench.types import Item, ItemScores, Rule


@dataclass(frozen=True, kw_only=True)
class TextOptions:
    """Options that name what is scored."""

    model: Annotated[TextOption, flag(MODEL, "model", "Hub id, folder, tiny-rm, tiny-dpo, or a baseline")] = None
    dataset: Annotated[TextOption, flag(DATA, "dataset", "File, folder, Hub id, or - for standard input")] = None
    prompt: Annotated[TextOption, flag(DATA, "prompt", "The text of a user, with --response")] = None
    response: Annotated[TextOption, flag(DATA, "response", "One response to score; prints its score")] = None
    limit: Annotated[CountOption, flag(DATA, "limit", "Score only the first rows", min=1)] = None
    output: Annotated[TextOption, flag(OUTPUT, "output", "Write to a .jsonl or .parquet file, not to stdout")] = None
    as_json: Annotated[bool, flag(OUTPUT, "json", "Print one JSON object with all rows")] = False


@options.with_groups
def score_command(
    texts: TextOptions, model: ModelOptions, data: DataOptions, run: RunOptions, batch: BatchOptions
) -> None:
    """Score your own texts: a score per row of [bold]--dataset[/bold], or of [bold]--prompt[/bold] and --response.

    Rows have `messages` that end with the assistant, or a prompt with chosen and rejected. Rows go to stdout as JSON
    lines, in the order of the data. An interrupted run continues from the score cache.
    """
    _check_arguments(texts)
    set_up_scoring(texts.model)
    settings = _settings(texts, model, data, run, batch)
    if texts.response is not None:
        _score_response(settings, texts.prompt or "", texts.response)
        return
    rows: list[ScoreRow] = []
    if texts.output:
        notes = _score_to_file(settings, Path(texts.output))
    elif texts.as_json:
        notes = _score_each(settings, rows.append)
        echo_json({"model": settings.model.model, "items": rows, "notes": notes})
    else:
        notes = _score_each(settings, _print_row)
    for note in notes:
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
    if texts.output and Path(texts.output).suffix not in (".jsonl", ".parquet"):
        raise InputError(f"--output {texts.output} must end with .jsonl or .parquet.")


def _settings(
    texts: TextOptions, model: ModelOptions, data: DataOptions, run: RunOptions, batch: BatchOptions
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
        cache=not batch.no_cache,
    )


def _score_response(settings: Settings, prompt: str, response: str) -> None:
    """Print the score of one response."""
    from rewardbench.evaluation import score_dataset
    from rewardbench.suites import suite_of_rows
    from rewardbench.suites.in_memory import read_in_memory

    messages = [{"role": "user", "content": prompt}, {"role": "assistant", "content": response}]
    rows = read_in_memory([{"messages": messages}])
    suite = suite_of_rows(rows, scores_only=True)

    def print_score(item: Item, item_scores: ItemScores, rule: Rule) -> None:
        if item_scores.reason is not None:
            raise InputError(f"The response cannot be scored: {item_scores.reason}")
        echo(repr(item_scores.scores[0]))

    score_dataset(settings, print_score, make_console(stderr=True), suite)


def _score_each(settings: Settings, write: Callable[[ScoreRow], None]) -> list[str]:
    """Score the dataset, call `write` with each row, and return the notes."""
    from rewardbench.evaluation import score_dataset

    def add(item: Item, item_scores: ItemScores, rule: Rule) -> None:
        write(_row(item_scores))

    scored, report = score_dataset(settings, add, make_console(stderr=True))
    return [*scored.notes, *report.notes]


def _row(item_scores: ItemScores) -> ScoreRow:
    scores = [None if math.isnan(score) else score for score in item_scores.scores]
    row: dict[str, object] = {"id": item_scores.id}
    row |= {"score": scores[0]} if len(scores) == 1 else {"scores": scores}
    if item_scores.order_inconsistency is not None:
        row["order_inconsistency"] = item_scores.order_inconsistency
    if item_scores.step_scores:
        row["step_scores"] = item_scores.step_scores
    return row | {"reason": item_scores.reason, "truncated": item_scores.truncated}


def _print_row(row: ScoreRow) -> None:
    from rewardbench.console.strict_json import dump

    sys.stdout.write(dump(row))


def _score_to_file(settings: Settings, path: Path) -> list[str]:
    """Write the rows to a file, which appears when it is complete; return the notes."""
    from rewardbench.results.row_files import open_row_file

    with open_row_file(path) as file:
        notes = _score_each(settings, file.add)
    echo(f"rows={file.rows}")
    echo(f"output={path}")
    return notes
