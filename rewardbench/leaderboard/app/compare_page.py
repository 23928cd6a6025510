"""Build the page that compares two models, paired by item and clustered by mirror."""

from __future__ import annotations

from collections.abc import Mapping

from markupsafe import Markup

from rewardbench.comparison.compare import Comparison, Flip, compare, power_sentence
from rewardbench.errors import InputError
from rewardbench.leaderboard.app.frame import Card, Page, card
from rewardbench.leaderboard.app.library import Library
from rewardbench.leaderboard.app.markup import render
from rewardbench.leaderboard.refresh import Row

EXAMPLES = 10
TITLE = "Compare two models"
TOTALS_ONLY = "Comparing needs per-item scores, and this suite has published totals only."
TOO_FEW = "Comparing needs two models with per-item scores. This suite has only one so far."


def show(library: Library, suite: str, query: Mapping[str, str]) -> Page:
    """Build the page that compares two models of a suite.

    Args:
        library: results to read.
        suite: suite that both models were scored on.
        query: `a` and `b` are the keys of the two rows.
    """
    board = library.rows()
    names = {row.key: row.model for row in board.of(suite) if row.ids}
    selected = {side: query.get(side, "") for side in "ab"}
    first, second = (library.row(selected[side]) for side in "ab")
    comparison = Markup()
    message = ""
    if len(names) < 2:
        message = TOO_FEW if names else TOTALS_ONLY
    elif first is None or second is None:
        message = "Choose two models to compare." if first or second else ""
    elif first.key == second.key:
        message = "Choose two different models."
    else:
        try:
            comparison = _comparison(library, first, second)
        except InputError as error:
            message = str(error)
    body = render(
        "compare_form.html",
        suites=board.suites,
        suite=suite,
        names=names,
        selected=selected,
        message=message,
        comparison=comparison,
    )
    return Page(TITLE, body, "compare")


def _comparison(library: Library, first: Row, second: Row) -> Markup:
    comparison = compare(library.items(first), library.items(second))
    score = comparison.score
    better, worse = (second, first) if score.difference > 0 else (first, second)
    return render(
        "compare.html",
        comparison=comparison,
        first=first,
        second=second,
        better=better if score.p < 0.05 else None,
        worse=worse,
        power=power_sentence(score),
        flips_to_first=sum(flip.better == "first" for flip in comparison.flips),
        flips_to_second=sum(flip.better == "second" for flip in comparison.flips),
        cards=[_card(flip, comparison) for flip in comparison.flips[:EXAMPLES]],
    )


def _card(flip: Flip, comparison: Comparison) -> Card:
    better = comparison.first if flip.better == "first" else comparison.second
    margins = [
        f"{model} {margin:+.3f}"
        for model, margin in zip((comparison.first, comparison.second), flip.margins, strict=True)
    ]
    title = f"{flip.item.id} · {flip.section} · only {better} is correct"
    return card(flip.item, title, note=f"Margins: {', '.join(margins)}")
