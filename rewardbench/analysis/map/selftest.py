"""Self-test of the map: poems from templates, with a planted reward whose lowest genre and tone are known."""

from __future__ import annotations

from functools import partial

from rewardbench.analysis.map.cells import RuleClassifier
from rewardbench.analysis.map.domains import load_domain
from rewardbench.analysis.map.fitness import PlantedReward
from rewardbench.analysis.map.generators import TemplateGenerator
from rewardbench.analysis.map.journal import MapJournal
from rewardbench.analysis.map.picture import draw_map
from rewardbench.analysis.map.run import search_all
from rewardbench.analysis.map.search import STRATEGIES, MapProblem, SearchBudget, make_archive
from rewardbench.analysis.map.summary import MapRun, MapSummary
from rewardbench.analysis.report import Report, Value, parse_bars

SEEDS = 5
BUDGET = SearchBudget(iterations=2500, step_size=50, explore=0.3)
PLANTED_LOWEST = ("sonnet", "reflective")
BARS = parse_bars(
    "coverage>=1 qd_ratio_vs_random>=1.10 qd_ratio_vs_uniform>=1.05 "
    "lowest_genre_is_planted==1 lowest_tone_is_planted==1"
)


def selftest(seeds: int | None = None, budget: SearchBudget = BUDGET) -> Report:
    """Map the planted reward with each seed, which also draws the weights of the words.

    Args:
        seeds: number of seeds; None: 5, for which the bounds are stated.
        budget: of each search.
    """
    domain = load_domain("poems")
    make_archive(domain)
    runs: list[MapRun] = []
    offsets: list[float] = []
    for seed in range(seeds or SEEDS):
        reward = PlantedReward(domain, seed)
        problem = MapProblem(domain, TemplateGenerator(domain), RuleClassifier(domain), reward)
        runs += search_all(problem, budget, STRATEGIES, (seed, 1), MapJournal(None, {}))
        offsets.append(reward.floor or 0.0)
    summary = MapSummary(domain, runs, offsets, budget.step_size)
    values = {**summary.values(), **_agreement(summary)}
    title = f"Poems with a planted reward, {len(runs)} seeds"
    return Report(
        "map",
        values,
        f"The map names {values['lowest_genre']} and {values['lowest_tone']} as lowest (planted: "
        f"{' and '.join(PLANTED_LOWEST)}), with {values['qd_ratio_vs_uniform']:.2f} times the QD score of a uniform "
        "target at the same budget.",
        summary.tables(),
        partial(draw_map, summary=summary, title=title),
        size=(11.0, 4.6),
        details=summary.details(),
        bars=BARS,
    )


def _agreement(summary: MapSummary) -> dict[str, Value]:
    """Return what must hold for every seed: coverage, ratios, and the planted lowest categories."""
    singles: list[MapSummary] = []
    for run, offset in zip(summary.runs, summary.offsets, strict=True):
        singles.append(MapSummary(summary.domain, [run], [offset], summary.step_size))
    values: dict[str, Value] = {"coverage": min(single.coverage("map-elites") for single in singles)}
    for strategy in summary.strategies[1:]:
        values[f"qd_ratio_vs_{strategy}_min"] = min(single.ratio(strategy) for single in singles)
    for axis, attribute in enumerate(summary.domain.content.attribute):
        lowest = {single.extreme(axis) for single in singles}
        values[f"lowest_{attribute.name}_is_planted"] = lowest == {PLANTED_LOWEST[axis]}
    return values
