"""The analyses, by name: one row each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol, cast, get_type_hints

from rewardbench.analysis.report import Report
from rewardbench.comparison.compare import ComparedResult


class AnalysisModule(Protocol):
    """A module of this package that answers one question."""

    def analyze(self, inputs: Sequence[ComparedResult], options: Any) -> Report:
        """Analyze stored scores or other files; the annotation of `options` names its dataclass of options."""

    def selftest(self, seeds: int | None = None) -> Report:
        """Run the analysis on data with a planted truth; `Report.bars` are the figures that it must reach.

        Args:
            seeds: number of random seeds; None: as many as the bars are stated for.
        """


@dataclass(frozen=True)
class AnalysisRow:
    """One analysis.

    Attributes:
        name: name on the command line, with hyphens; the module has the same name with underscores.
        inputs: what its files are, for the help; empty if it reads none.
        summary: one line for the list of analyses.
    """

    name: str
    inputs: str
    summary: str

    def load(self) -> AnalysisModule:
        """Import the module of the analysis."""
        return cast("AnalysisModule", import_module(f"rewardbench.analysis.{self.name.replace('-', '_')}"))

    def options_type(self) -> type:
        """Return the dataclass of options of the analysis."""
        options: type = get_type_hints(self.load().analyze)["options"]
        return options


ANALYSES: tuple[AnalysisRow, ...] = (
    AnalysisRow("ties", "A result of data with ties, or a csv of battles", "Davidson and Rao-Kupper models of ties"),
    AnalysisRow("calibration", "Results (.json)", "Temperature and calibration errors of margins"),
    AnalysisRow("graded", "Results (.json) of data whose labels have a strength", "Margin against strength of labels"),
    AnalysisRow("best-of-n", "Candidates (.jsonl), or results (.json)", "Gold reward of the best of n completions"),
    AnalysisRow("overoptimization", "Candidates (.jsonl), or results (.json)", "Gold reward against KL; ensembles"),
    AnalysisRow("correlate", "Tables (.csv, .json), or results and a table", "Score against downstream performance"),
    AnalysisRow("bias", "Results (.json)", "Effects of style and position on the choices of a model"),
    AnalysisRow("robustness", "", "Decisions that change where a text changes but its meaning does not"),
    AnalysisRow("word-pairs", "", "Reward of a plain term against its euphemism in the same sentence"),
    AnalysisRow("audit", "Results of one suite", "Labels to review, leaks of single features, conflicts"),
    AnalysisRow("ceiling", "Results, if any", "Highest accuracy that noisy labels allow"),
    AnalysisRow("scaling", "Results of one suite, or a table", "Accuracy against parameters by family"),
    AnalysisRow("map", "", "Best text of each cell of two attributes, such as poems by genre and tone"),
    AnalysisRow("features", "Results (.json)", "Features of a layer and what their removal does to the reward"),
    AnalysisRow("iterate", "Candidates (.jsonl), or none with --toy", "Gain of k rounds of labels over one round"),
    AnalysisRow("judge-cost", "Results (.json)", "Accuracy, agreement and cost of reward models and judges"),
    AnalysisRow("chatbench", "Replies (.jsonl)", "Replies of chat models in chains of turns, judged by verifiers"),
    AnalysisRow("mt", "Replies (.jsonl)", "Ratings of two turns by a judge, and what difference they detect"),
)
