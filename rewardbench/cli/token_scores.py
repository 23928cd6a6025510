"""Print the scores of the tokens of one response, or of its steps, for `rewardbench score --per_token`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rewardbench.console.tables import add_text_row, make_table
from rewardbench.console.terminal import echo, echo_json, make_console, printable
from rewardbench.errors import InputError

if TYPE_CHECKING:
    from rewardbench.engine.token_scores import TokenScores
    from rewardbench.settings import Settings
    from rewardbench.types import Suite

LABELS = {
    "prefix": "score of the text that ends at the token",
    "log_ratio": "log-ratio of the token",
    "log_probability": "log-probability of the token",
    "step": "score of the step",
}


def print_token_scores(settings: Settings, suite: Suite, as_json: bool, plot: str | None) -> None:
    """Score the tokens or steps of the only response of a suite, and print and draw their scores.

    Raises:
        InputError: if the suite has several responses, or the model has no scores of tokens.
    """
    from rewardbench.console.pictures import check_picture
    from rewardbench.engine.token_scores import token_scores
    from rewardbench.scorers import load_scorer

    if len(suite.items) != 1 or len(suite.items[0].completions) != 1:
        raise InputError(
            f"--per_token scores one response, and {suite.name} has {len(suite.items)} rows: pass --prompt and "
            "--response, or a file with one row of messages."
        )
    if plot:
        check_picture(plot)
    scored = token_scores(suite.items[0], load_scorer(settings.model))
    name = settings.model.model
    if as_json:
        unit = "steps" if scored.kind == "step" else "tokens"
        rows = [{"text": text, "score": score} for text, score in zip(scored.texts, scored.scores, strict=True)]
        report = {"model": name, "score": scored.score, "kind": scored.kind, "meaning": scored.meaning, unit: rows}
        echo_json({**report, **({"plot": plot} if plot else {})})
    else:
        _print_table(scored)
    if plot:
        left_out = _draw(scored, name, plot)
        if not as_json:
            echo(f"plot={plot}")
        if left_out:
            echo(f"note: the picture leaves out the last {left_out} {LABELS[scored.kind].split()[-1]}s", error=True)


def _print_table(scored: TokenScores) -> None:
    table = make_table("#", "step" if scored.kind == "step" else "token", "score", right_from=2)
    for number, (text, score) in enumerate(zip(scored.texts, scored.scores, strict=True), 1):
        shown = text if scored.kind == "step" else repr(text)[1:-1]
        add_text_row(table, number, printable(shown.replace("\n", " ⏎ ")), f"{score:+.4f}")
    make_console().print(table)
    echo(f"{'steps' if scored.kind == 'step' else 'tokens'}={len(scored.texts)}")
    echo(f"score={scored.score!r}")
    echo(f"note: {scored.meaning}")


def _draw(scored: TokenScores, name: str, path: str) -> int:
    """Draw the heat map; return the number of tokens or steps that it leaves out."""
    from rewardbench.console.heat_map import Caption, draw_steps, draw_tokens

    neutral = 0.0 if scored.kind == "log_ratio" else None
    if scored.kind == "step" and all(0 <= score <= 1 for score in scored.scores):
        neutral = 0.5
    caption = Caption(f"{name}: score {scored.score:+.3f}", LABELS[scored.kind], neutral)
    draw = draw_steps if scored.kind == "step" else draw_tokens
    return draw(scored.texts, scored.scores, caption, path)
