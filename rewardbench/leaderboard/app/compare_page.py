"""Build the page that compares two models, paired by item and clustered by mirror."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from markupsafe import Markup

from rewardbench.comparison.compare import Comparison, Flip, compare, power_sentence
from rewardbench.errors import InputError
from rewardbench.leaderboard.app.frame import ItemCard, Page, make_card
from rewardbench.leaderboard.app.library import Library
from rewardbench.leaderboard.app.markup import render
from rewardbench.leaderboard.types import LeaderboardRow

EXAMPLES = 10
TITLE = "Compare two models"
TOTALS_ONLY = "Comparing needs per-item scores, and this suite has published totals only."
TOO_FEW = "Comparing needs two models with per-item scores. This suite has only one so far."


def build_page(library: Library, suite: str, query: Mapping[str, str]) -> Page:
    """Build the page that compares two models of a suite.

    Args:
        library: results to read.
        suite: suite that both models were scored on.
        query: `a` and `b` are the keys of the two rows.
    """
    board = library.rows()
    names = {row.key: row.model for row in board.of(suite) if row.ids}
    selected = {"a": query.get("a", ""), "b": query.get("b", "")}
    first, second = library.row(selected["a"]), library.row(selected["b"])
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


def _comparison(library: Library, first: LeaderboardRow, second: LeaderboardRow) -> Markup:
    comparison = compare(library.items(first), library.items(second))
    score = comparison.score
    better, worse = (second, first) if score.difference > 0 else (first, second)
    flips = Counter(flip.better for flip in comparison.flips)
    return render(
        "compare.html",
        comparison=comparison,
        first=first,
        second=second,
        better=better if score.p < 0.05 else None,
        worse=worse,
        power=power_sentence(score),
        flips_to_first=flips["first"],
        flips_to_second=flips["second"],
        cards=[_card(flip, comparison) for flip in comparison.flips[:EXAMPLES]],
    )


def _card(flip: Flip, comparison: Comparison) -> ItemCard:
    better = comparison.first if flip.better == "first" else comparison.second
    first, second = flip.margins
    title = f"{flip.item.id} · {flip.section} · only {better} is correct"
    note = f"Margins: {comparison.first} {first:+.3f}, {comparison.second} {second:+.3f}"
    return make_card(flip.item, title, note=note)
