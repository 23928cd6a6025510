"""Build the page that compares two to five models, paired by item and clustered by mirror."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

from rewardbench.comparison.compare import (
    Comparison,
    Contrast,
    Flip,
    compare,
    compare_means,
    power_sentence,
)
from rewardbench.comparison.several import compare_all, contrast_all
from rewardbench.console.html_text import escaped
from rewardbench.errors import InputError
from rewardbench.leaderboard.app.chance import guessing_on
from rewardbench.leaderboard.app.credits import CreditArrays
from rewardbench.leaderboard.app.dot_plot import SHAPES, DotGroup, draw
from rewardbench.leaderboard.app.frame import ItemCard, Page, make_card
from rewardbench.leaderboard.app.library import Library
from rewardbench.leaderboard.app.markup import render
from rewardbench.leaderboard.app.pairing import SharedMeans
from rewardbench.leaderboard.types import Figure, LeaderboardRow
from rewardbench.types import Metric

EXAMPLES = 10
MOST = len(SHAPES)
"""Maximum number of models on the page."""
MOST_SUGGESTIONS = 5
LEVEL = 0.05
"""Below this p-value a difference is called significant."""
TITLE = "Compare models"
TOTALS_ONLY = "Comparing needs per-item scores, and this suite has published totals only."
TOO_FEW = "Comparing needs two models with per-item scores. This suite has only one so far."
MEASURES: Mapping[Metric, str] = {
    "pair": "accuracy (items right)",
    "mirror": "mirror accuracy (mirrors with all items right)",
    "turn": "turn accuracy (mirrors whose preference turns with the prompt)",
}
UNITS: Mapping[Metric, str] = {
    "pair": "items",
    "mirror": "mirrors with both halves right",
    "turn": "mirrors whose preference turns with the prompt",
}


@dataclass(frozen=True)
class _Choice:
    """The models that an address selects."""

    rows: tuple[LeaderboardRow, ...]
    texts: tuple[str, ...]
    """What the form shows: names, or keys where a name has several rows."""
    message: str = ""
    suggestions: tuple[LeaderboardRow, ...] = ()


@dataclass(frozen=True)
class _Verdict:
    """A model, and those that it is significantly better than."""

    row: LeaderboardRow
    worse: tuple[LeaderboardRow, ...]


def build_page(library: Library, suite: str, query: Mapping[str, str]) -> Page:
    """Build the page that compares models of a suite.

    Args:
        library: results to read.
        suite: suite that the models were scored on.
        query: `m` are the keys or names of the rows, one per line, of which `a` and `b` are the earlier form; `metric`
            is that of the comparison, by default the one by which the table is ranked; `markdown=1` renders texts.
    """
    board = library.rows()
    texts = selected_models(query)
    suite = _suite_of(library, texts, suite, query)
    rows = [row for row in library.of(suite) if row.ids]
    choice = _choose(library, texts, rows, suite)
    metrics = _metrics(choice.rows or rows[:1])
    metric = next((name for name in metrics if name == query.get("metric")), metrics[0])
    comparison, message = Markup(), choice.message
    if len(rows) < 2:
        message = TOO_FEW if rows else TOTALS_ONLY
    elif len(choice.rows) > 1:
        try:
            comparison = _compare(library, choice.rows, metric, query.get("markdown") == "1")
        except InputError as error:
            message = str(error)
    body = render(
        "compare_form.html",
        suites=board.suites,
        suite=suite,
        rows=rows,
        options=library.cached(("options", suite), lambda: _options(rows)),
        chosen=[row.key for row in choice.rows],
        texts=[*choice.texts, *[""] * MOST][:MOST],
        metrics=metrics,
        metric=metric,
        measures=MEASURES,
        message=message,
        suggestions=choice.suggestions,
        comparison=comparison,
    )
    return Page(TITLE, body, "compare")


def selected_models(query: Mapping[str, str]) -> list[str]:
    r"""Return the keys or names of the models that an address selects.

    >>> selected_models({"m": "org/a\norg/b"}), selected_models({"a": "org/a", "b": ""})
    (['org/a', 'org/b'], ['org/a'])
    """
    texts = query["m"].split("\n") if query.get("m") else [query.get("a", ""), query.get("b", "")]
    return list(filter(None, map(str.strip, texts)))


def _suite_of(library: Library, texts: Sequence[str], suite: str, query: Mapping[str, str]) -> str:
    """Return the suite to compare on: the one that an address names, else that of the first key in it."""
    if query.get("suite") == suite:
        return suite
    first = next(filter(None, map(library.row, texts)), None)
    return first.suite if first else suite


def _names(rows: Sequence[LeaderboardRow]) -> dict[str, str]:
    """Return what the form shows for each key: the name, or the key if several rows have the name."""
    counts = Counter(row.model for row in rows)
    return {row.key: row.model if counts[row.model] == 1 else row.key for row in rows}


def _options(rows: Sequence[LeaderboardRow]) -> Markup:
    """Return the names of all rows as options of the form."""
    option = Markup('<option value="{}"></option>')
    return Markup("").join(option.format(escaped(name)) for name in _names(rows).values())


def _choose(library: Library, texts: Sequence[str], rows: Sequence[LeaderboardRow], suite: str) -> _Choice:
    """Find the rows of keys or names, with a message about those that cannot be compared."""
    names = _names(rows)
    by_text: dict[str, LeaderboardRow] = {}
    for row in rows:
        by_text[names[row.key]] = row
    for row in rows:
        by_text[row.key] = row
    chosen: dict[str, LeaderboardRow] = {}
    messages: list[str] = []
    unknown: list[str] = []
    for text in texts:
        match = by_text.get(text)
        if match is None and (other := library.row(text)):
            match = by_text.get(other.model)  # the same model on another suite
        if match is None:
            unknown.append(text)
            messages.append(f"{suite} has no model named {text} with per-item scores.")
        elif match.key in chosen:
            messages.append(f"{match.model} is chosen twice: choose another model.")
        else:
            chosen[match.key] = match
    if len(chosen) > MOST:
        messages.append(f"Up to {MOST} models can be compared: these are the first {MOST}.")
    selected = tuple(chosen.values())[:MOST]
    if not messages and len(selected) < 2:
        first = selected[0].model if selected else ""
        messages.append(f"Choose a model to compare {first} with." if first else f"Choose two to {MOST} models.")
    shown = tuple(names[key] for key in list(chosen)[:MOST])
    return _Choice(selected, shown, " ".join(messages), _similar(unknown, rows, chosen))


def _similar(
    texts: Sequence[str], rows: Sequence[LeaderboardRow], chosen: Mapping[str, LeaderboardRow]
) -> tuple[LeaderboardRow, ...]:
    """Return rows whose names contain one of the texts, in any case, and that are not chosen."""
    similar: list[LeaderboardRow] = []
    for row in rows:
        name = row.model.lower()
        if row.key not in chosen and any(text.lower() in name for text in texts):
            similar.append(row)
    return tuple(similar[:MOST_SUGGESTIONS])


def _metrics(rows: Sequence[LeaderboardRow]) -> list[Metric]:
    """Return the metrics by which rows can be compared, the one by which their table is ranked first."""
    headline: Metric = "mirror" if rows and rows[0].metric == "mirror" else "pair"
    return ["turn", headline] if rows and all(row.turn for row in rows) else [headline]


def _compare(library: Library, rows: Sequence[LeaderboardRow], metric: Metric, with_markdown: bool) -> Markup:
    """Return the comparison of models, from a cache."""
    _reject_unpaired(rows)
    keys = tuple(row.key for row in rows)
    return library.cached(
        ("compare", keys, metric, with_markdown),
        lambda: (
            _compare_two(library, rows[0], rows[1], metric, with_markdown)
            if len(rows) == 2
            else _compare_several(library, rows, metric)
        ),
    )


def _reject_unpaired(rows: Sequence[LeaderboardRow]) -> None:
    """Check that all rows are of the same items, and three or more judges of one protocol.

    Raises:
        InputError: if they are not.
    """
    first = rows[0]
    for row in rows:
        if row.ids != first.ids:
            raise InputError(
                f"{first.model} and {row.model} were scored on different items (revisions "
                f"{first.revision} and {row.revision}), so they cannot be paired. Choose models of the same items."
            )
    protocols = {row.protocol for row in rows} - {""}
    if len(rows) > 2 and len(protocols) > 1:
        raise InputError("These judges are of different protocols, which are compared two at a time: choose two.")


def _figures(row: LeaderboardRow, metric: Metric) -> tuple[Figure, ...]:
    """Return the sections of a row by a metric, and the score last."""
    if metric == "turn":
        return (*row.turns[1:], *row.turns[:1])
    return (*row.sections, row.score)


def _plot(rows: Sequence[LeaderboardRow], metric: Metric) -> Markup:
    guessing = guessing_on(rows[0].suite)
    groups: list[DotGroup] = []
    *sections, score = _figures(rows[0], metric)
    for section in (score, *sections):
        figures = tuple(_figure(row, metric, section.name) for row in rows)
        title = "Score" if section.name == "score" else section.name
        groups.append(DotGroup(title, figures, guessing.of(metric, section.name)))
    names = [row.model for row in rows]
    return draw(names, groups, f"Scores of {len(rows)} models by section, with 95% confidence intervals")


def _figure(row: LeaderboardRow, metric: Metric, name: str) -> Figure | None:
    for figure in _figures(row, metric):
        if figure.name == name:
            return figure
    return None


def _compare_several(library: Library, rows: Sequence[LeaderboardRow], metric: Metric) -> Markup:
    """Return the comparison of each pair of models, best model first."""
    rows = sorted(rows, key=lambda row: -(_figures(row, metric)[-1].value or 0.0))
    paired = _paired(library, rows, metric)
    if paired:
        pairs = contrast_all(list(map(paired.pairing.means, paired.credits)), metric)
    else:
        pairs = compare_all(list(map(library.items, rows)), metric)
    matrix: dict[tuple[int, int], Contrast] = {}
    worse: dict[int, list[LeaderboardRow]] = {}
    for pair in pairs:
        matrix[pair.first, pair.second] = pair.score
        if pair.score.adjusted < LEVEL:
            is_better = pair.score.difference > 0
            best, worst = (pair.second, pair.first) if is_better else (pair.first, pair.second)
            worse.setdefault(best, []).append(rows[worst])
    return render(
        "compare_several.html",
        rows=rows,
        plot=_plot(rows, metric),
        shapes=SHAPES,
        sections=[figure.name for figure in _figures(rows[0], metric)],
        figure=lambda row, name: _figure(row, metric, name),
        matrix=matrix,
        level=LEVEL,
        num_pairs=len(pairs),
        verdicts=[_Verdict(rows[index], tuple(worse[index])) for index in sorted(worse)],
        units=UNITS[metric],
        metric=metric,
    )


def _compare_two(
    library: Library, first: LeaderboardRow, second: LeaderboardRow, metric: Metric, with_markdown: bool
) -> Markup:
    """Return the comparison of two models with their largest disagreements."""
    comparison = _compare_rows(library, first, second, metric)
    score = comparison.score
    better, worse = (second, first) if score.difference > 0 else (first, second)
    flips = Counter(flip.better for flip in comparison.flips)
    return render(
        "compare.html",
        comparison=comparison,
        first=first,
        second=second,
        rows=(first, second),
        plot=_plot((first, second), metric),
        shapes=SHAPES,
        better=better if score.p < LEVEL else None,
        worse=worse,
        power=power_sentence(score),
        units=UNITS[metric],
        flips_to_first=flips["first"],
        flips_to_second=flips["second"],
        cards=[_card(flip, comparison, with_markdown) for flip in comparison.flips[:EXAMPLES]],
        query={"view": "compare", "suite": first.suite, "m": [first.key, second.key], "metric": metric},
        is_markdown=with_markdown,
    )


@dataclass(frozen=True)
class _Paired:
    """Models whose comparison needs their credits only, and what they share."""

    pairing: SharedMeans
    credits: tuple[CreditArrays, ...]


def _paired(library: Library, rows: Sequence[LeaderboardRow], metric: Metric) -> _Paired | None:
    """Return the credits of models from the index; None if their scores have to be read, to compare or to say why not.

    Rows with equal `ids` have the same items with the same weights; those with equal counts, in the same sections.
    """
    counts = {tuple((figure.name, figure.n) for figure in (*row.sections, *row.subsets)) for row in rows}
    credits = library.credits(rows)
    if len(counts) > 1 or len(credits) < len(rows):
        return None
    first = next(row for row in library.rows().rows if row.ids == rows[0].ids)
    pairing = library.pairing(first.key, first.mark, metric)
    return _Paired(pairing, tuple(credits)) if pairing else None


def _compare_rows(library: Library, first: LeaderboardRow, second: LeaderboardRow, metric: Metric) -> Comparison:
    scores, other_scores = library.items(first), library.items(second)
    paired = _paired(library, (first, second), metric)
    if paired is None:
        return compare(scores, other_scores, metric)
    means, other_means = map(paired.pairing.means, paired.credits, (scores, other_scores))
    flips = paired.pairing.flips(scores, other_scores, *paired.credits)
    comparison = compare_means((scores, other_scores), (means, other_means), metric, flips)
    # The means from the index lack the order inconsistency; the rows have it.
    orders = [row.order_inconsistency.value if row.order_inconsistency else None for row in (first, second)]
    return replace(comparison, order_inconsistency=(orders[0], orders[1]))


def _card(flip: Flip, comparison: Comparison, with_markdown: bool) -> ItemCard:
    better = comparison.first if flip.better == "first" else comparison.second
    first, second = flip.margins
    title = f"{flip.item.id} · {flip.section} · only {better} is correct"
    note = f"Margins: {comparison.first} {first:+.3f}, {comparison.second} {second:+.3f}"
    return make_card(flip.item, title, note=note, with_markdown=with_markdown)
