"""MAP-Elites over two categorical attributes (Mouret and Clune, arXiv 1504.04909), and two controls of equal budget.

Each cell of the map keeps the text with the highest reward. The first texts are asked for one cell each. A child is a
changed elite of a random cell: it is rewritten within its cell, or moved to another one, as in Quality-Diversity
through AI Feedback (Bradley et al., arXiv 2310.13032). A move goes to an empty cell as long as there is one, else to a
cell of the same row or column, where more of the text can stay as it is.
The controls never change a text: free sampling lets the generator choose the cell, a uniform target asks for a random
one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import TYPE_CHECKING, Literal

import numpy as np

from rewardbench.analysis.map.cells import CellClassifier
from rewardbench.analysis.map.domains import Domain, MapCell
from rewardbench.analysis.map.fitness import Fitness
from rewardbench.analysis.map.generators import GeneratedText, MapRequest, TextGenerator
from rewardbench.analysis.map.journal import EvaluatedText, MapJournal
from rewardbench.errors import InputError

if TYPE_CHECKING:
    from ribs.archives import CategoricalArchive

Strategy = Literal["map-elites", "random", "uniform"]
STRATEGIES: tuple[Strategy, ...] = ("map-elites", "random", "uniform")


@dataclass(frozen=True)
class MapProblem:
    """What a search needs: the domain, the generator, the classifier of cells, and the fitness."""

    domain: Domain
    generator: TextGenerator
    classifier: CellClassifier
    fitness: Fitness


@dataclass(frozen=True)
class SearchBudget:
    """Size of a search.

    Attributes:
        iterations: number of texts.
        step_size: number of texts that are generated and scored together, from the map as it was before.
        explore: share of children that are moved to another cell.
    """

    iterations: int
    step_size: int
    explore: float


@dataclass
class SearchResult:
    """What one search reached.

    Attributes:
        elites: the text with the highest reward of each cell.
        counts: number of scored texts of each cell.
        sums: sum of the rewards of these texts.
        squares: sum of their squares.
        filled: [steps], number of cells with a text after each step.
        totals: [steps], sum of the rewards of the elites after each step.
        unknown: texts whose cell the classifier did not know.
        unscored: texts that are empty or got no finite reward.
        targeted: texts with a target whose cell is known.
        hits: such texts that are in their target.
        lowest: lowest reward of a text.
    """

    elites: dict[MapCell, EvaluatedText] = field(default_factory=dict)
    counts: Counter[MapCell] = field(default_factory=Counter)
    sums: dict[MapCell, float] = field(default_factory=dict)
    squares: dict[MapCell, float] = field(default_factory=dict)
    filled: list[int] = field(default_factory=list)
    totals: list[float] = field(default_factory=list)
    unknown: int = 0
    unscored: int = 0
    targeted: int = 0
    hits: int = 0
    lowest: float = float("inf")

    def qd_score(self, offset: float) -> float:
        """Return the sum over all cells of the elite's reward minus the offset; an empty cell adds 0."""
        return self.totals[-1] - offset * self.filled[-1]

    def qd_curve(self, offset: float) -> list[float]:
        """Return the QD score after each step."""
        return [total - offset * count for total, count in zip(self.totals, self.filled, strict=True)]


def make_archive(domain: Domain) -> CategoricalArchive:
    """Return an empty archive of pyribs; the solution of a cell is its text, with its iteration.

    Raises:
        InputError: if pyribs is not installed.
    """
    try:
        from ribs.archives import CategoricalArchive
    except ModuleNotFoundError as error:
        raise InputError("A map needs pyribs: pip install 'rewardbench[map]'.") from error
    return CategoricalArchive(
        solution_dim=(),
        solution_dtype=object,
        categories=[domain.rows.names, domain.columns.names],
        extra_fields={"iteration": ((), np.int64)},
    )


class MapSearch:
    """One search: a strategy with its budget and seeds.

    Args:
        problem: what is searched.
        strategy: how texts are requested.
        budget: number of texts.
        seeds: of the random choices; searches with other seeds are independent.
        journal: where finished steps are looked up and kept.
    """

    def __init__(
        self, problem: MapProblem, strategy: Strategy, budget: SearchBudget, seeds: tuple[int, int], journal: MapJournal
    ) -> None:
        self._problem, self._strategy, self._budget, self._journal = problem, strategy, budget, journal
        self._seeds = (*seeds, STRATEGIES.index(strategy))
        self._name = f"{strategy} {seeds[1]}"
        self._archive = make_archive(problem.domain)
        self._result = SearchResult()

    def run(self, done: Callable[[], None]) -> SearchResult:
        """Run all steps; `done` is called after each text."""
        for start in range(0, self._budget.iterations, self._budget.step_size):
            count = min(self._budget.step_size, self._budget.iterations - start)
            evaluations = self._journal.lookup(self._name, start, count)
            if evaluations is None:
                evaluations = self._evaluate(start, count)
                self._journal.add(self._name, evaluations)
            self._add(evaluations)
            for _ in evaluations:
                done()
        return self._result

    def _evaluate(self, start: int, count: int) -> list[EvaluatedText]:
        """Generate texts, read their cells, and score those with a cell."""
        requests, parents = self._requests(start, count)
        drafts = self._problem.generator.generate(requests)
        cells = self._cells(drafts)
        known = [index for index, cell in enumerate(cells) if cell is not None]
        rewards: list[float | None] = [None] * count
        if known:
            scores = self._problem.fitness.score([drafts[index].text for index in known])
            for index, score in zip(known, scores, strict=True):
                rewards[index] = float(score) if isfinite(score) else None
        evaluations: list[EvaluatedText] = []
        for index, request in enumerate(requests):
            evaluations.append(
                EvaluatedText(
                    start + index, drafts[index], cells[index], rewards[index], parents[index], request.target
                )
            )
        return evaluations

    def _cells(self, drafts: Sequence[GeneratedText]) -> list[MapCell | None]:
        """Return the cell of each text; None for an empty one, and for a cell that the domain does not have."""
        filled = [index for index, draft in enumerate(drafts) if draft.text.strip()]
        cells: list[MapCell | None] = [None] * len(drafts)
        known = set(self._problem.domain.cells)
        classified = self._problem.classifier.classify([drafts[index].text for index in filled])
        for index, cell in zip(filled, classified, strict=True):
            cells[index] = cell if cell in known else None
        return cells

    def _requests(self, start: int, count: int) -> tuple[list[MapRequest], list[int | None]]:
        """Return the requests of a step, and the iterations of the parents."""
        rng = np.random.default_rng([*self._seeds, start])
        cells = self._problem.domain.cells
        requests: list[MapRequest] = []
        parents: list[int | None] = []
        for iteration in range(start, start + count):
            seed = int(rng.integers(2**31))
            parent: int | None = None
            if self._strategy == "random":
                request = MapRequest(seed)
            elif self._strategy == "uniform":
                request = MapRequest(seed, cells[int(rng.integers(len(cells)))])
            elif iteration < len(cells) or not self._result.elites:
                request = MapRequest(seed, cells[iteration % len(cells)])
            else:
                request, parent = self._child(seed, rng)
            requests.append(request)
            parents.append(parent)
        return requests, parents

    def _child(self, seed: int, rng: np.random.Generator) -> tuple[MapRequest, int]:
        """Return the request for a child of a random elite, and the iteration of the elite."""
        elites = self._result.elites
        filled = sorted(elites)
        source = filled[int(rng.integers(len(filled)))]
        target = source
        if rng.random() < self._budget.explore:
            cells = self._problem.domain.cells
            nearby = [cell for cell in cells if (cell[0] == source[0]) != (cell[1] == source[1])]
            candidates = [cell for cell in cells if cell not in elites] or nearby
            target = candidates[int(rng.integers(len(candidates)))]
        elite = elites[source]
        return MapRequest(seed, target, elite.draft, source), elite.iteration

    def _add(self, evaluations: Sequence[EvaluatedText]) -> None:
        """Add a step to the archive and to the counts."""
        result = self._result
        scored: list[EvaluatedText] = []
        for evaluation in evaluations:
            cell, reward = evaluation.cell, evaluation.reward
            if cell is None:
                result.unscored += not evaluation.draft.text.strip()
                result.unknown += bool(evaluation.draft.text.strip())
                continue
            result.targeted += evaluation.target is not None
            result.hits += evaluation.target == cell
            if reward is None:
                result.unscored += 1
                continue
            scored.append(evaluation)
            result.counts[cell] += 1
            result.sums[cell] = result.sums.get(cell, 0.0) + reward
            result.squares[cell] = result.squares.get(cell, 0.0) + reward**2
            result.lowest = min(result.lowest, reward)
        if scored:
            self._add_elites(scored)
        stats = self._archive.stats
        result.filled.append(int(stats.num_elites))
        result.totals.append(float(stats.qd_score))

    def _add_elites(self, scored: Sequence[EvaluatedText]) -> None:
        """Add scored texts to the archive of pyribs, and read the new elites from it."""
        texts = np.empty(len(scored), dtype=object)
        measures = np.empty((len(scored), 2), dtype=object)
        rewards = np.empty(len(scored))
        for row, evaluation in enumerate(scored):
            assert evaluation.cell is not None
            assert evaluation.reward is not None
            texts[row], measures[row], rewards[row] = evaluation.draft.text, evaluation.cell, evaluation.reward
        iterations = np.array([evaluation.iteration for evaluation in scored])
        self._archive.add(texts, rewards, measures, iteration=iterations)
        by_iteration = {evaluation.iteration: evaluation for evaluation in scored}
        for iteration in self._archive.data("iteration"):
            if (elite := by_iteration.get(int(iteration))) is not None:
                assert elite.cell is not None
                self._result.elites[elite.cell] = elite
