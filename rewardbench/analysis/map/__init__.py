"""Map a reward model: search for the highest-reward text in each cell of two attributes by MAP-Elites.

The search mutates texts to raise their reward in every cell of a grid, such as poems by genre and tone
(Quality-Diversity through AI Feedback, Bradley et al., arXiv 2310.13032, with MAP-Elites, Mouret and Clune, arXiv
1504.04909). Two control searches with the same budget show what selection adds to sampling.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from rewardbench.analysis.map.picture import draw_map
from rewardbench.analysis.map.run import FinishedMap, MapOptions, run_map
from rewardbench.analysis.map.selftest import selftest
from rewardbench.analysis.report import Report
from rewardbench.comparison.compare import ComparedResult
from rewardbench.errors import InputError

__all__ = ["MapOptions", "analyze", "selftest"]


def analyze(inputs: Sequence[ComparedResult], options: MapOptions) -> Report:
    """Map a reward model.

    Args:
        inputs: empty; a map reads no stored scores.
        options: the model, the domain, the generator and the budget.

    Raises:
        InputError: if an option is not valid, or a part cannot be loaded.
    """
    if inputs:
        raise InputError("A map reads no files: leave them out, and name the reward model with --model.")
    finished = run_map(options)
    summary = finished.summary
    title = f"{summary.domain.content.title}: rewards by {finished.model}"
    values = {**summary.values(), "archive": str(finished.folder / f"archive.{options.archive}")}
    return Report(
        "map",
        {**values, "elites": str(finished.folder / "elites.md")},
        summary.sentence(finished.model),
        summary.tables(),
        partial(draw_map, summary=summary, title=title),
        size=(11.0, 4.6),
        details=summary.details(),
        notes=_notes(finished, options),
        sources=[finished.source],
    )


def _notes(finished: FinishedMap, options: MapOptions) -> list[str]:
    """Return the limits of a map."""
    summary = finished.summary
    notes = [
        f"The reward of a cell is a lower bound: the best text by the generator {options.generator}, with cells "
        f"assigned by {options.cells}.",
        "The QD scores and their ratios depend on the offset.",
    ]
    if summary.coverage("map-elites") < 1:
        notes.append("Some cells are empty, and the means of rows and columns leave them out.")
    if unknown := summary.total("unknown"):
        notes.append(f"{unknown:,} texts have an unknown cell; they count in the budget, and are in no cell.")
    return notes
