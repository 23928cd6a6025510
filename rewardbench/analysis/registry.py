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


CANDIDATES = "Candidates (.jsonl with prompt_id, cand_id, text, score and gold), or results (.json)"
"""Help for the files of analyses that read candidates."""

ANALYSES: tuple[AnalysisRow, ...] = (
    AnalysisRow(
        "ties",
        "A result on data with ties (.json), or battles (.csv with score_a, score_b and winner)",
        "Test whether small score differences predict ties",
    ),
    AnalysisRow("calibration", "Results (.json)", "Measure the calibration errors and the temperature of margins"),
    AnalysisRow(
        "graded",
        "Results (.json) of data whose labels have a strength",
        "Correlate margins with the preference strength of graded labels",
    ),
    AnalysisRow(
        "best-of-n",
        CANDIDATES,
        "Estimate the gold reward of best-of-n against n",
    ),
    AnalysisRow(
        "overoptimization",
        CANDIDATES,
        "Measure gold reward against KL divergence, for single scores and ensembles",
    ),
    AnalysisRow(
        "correlate",
        "Tables with a row per model (.csv, .tsv, .parquet, .json), or results and a table",
        "Correlate benchmark scores with the downstream performance of policies",
    ),
    AnalysisRow("bias", "Results (.json)", "Measure the effects of length, style and position on preferences"),
    AnalysisRow("robustness", "", "Count decisions that change where a text changes but its meaning does not"),
    AnalysisRow("word-pairs", "", "Compare the rewards of a plain term and its euphemism in the same sentence"),
    AnalysisRow(
        "audit",
        "Results of two or more models on one suite",
        "Rank labels to review, and find conflicting labels and features that leak the label",
    ),
    AnalysisRow("ceiling", "Results (.json), optional", "Compute the highest accuracy that noisy labels allow"),
    AnalysisRow(
        "scaling",
        "Results of one suite (.json), or a table with model, parameters, family, accuracy and n",
        "Fit accuracy against the number of parameters, by family",
    ),
    AnalysisRow("map", "", "Search for the highest-reward text of each kind, such as genre and tone (MAP-Elites)"),
    AnalysisRow(
        "features", "Results (.json) with texts", "Rank sparse-autoencoder features by how ablation changes the reward"
    ),
    AnalysisRow(
        "iterate",
        "Candidates (.jsonl with prompt_id, cand_id, text, score and gold); none with --toy",
        "Measure the gain of k rounds of labelling and training over one",
    ),
    AnalysisRow(
        "judge-cost",
        "Two or more results on one suite (.json)",
        "Compare accuracy, agreement and cost of reward models and judges",
    ),
    AnalysisRow(
        "chatbench", "Replies of earlier runs (.jsonl)", "Check multi-turn replies of chat models by verifiers"
    ),
    AnalysisRow("mt", "Replies of earlier runs (.jsonl)", "Rate two-turn replies of chat models by a judge"),
)
