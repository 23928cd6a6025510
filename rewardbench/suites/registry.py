"""The registered suites: where their data is, what is pinned, and the credit rules of their subsets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from rewardbench.metrics.published import PRIOR_SETS
from rewardbench.paths import entry_points
from rewardbench.suites.data_row import DataRow
from rewardbench.suites.labelled_steps import PROCESS_BENCH, process_bench_row
from rewardbench.suites.protocols import (
    JUDGE_BENCH,
    RM_BENCH_RULES,
    RMB_RULES,
    judge_bench_pair,
    rm_bench_pairs,
    rmb_row,
    style_pairs,
)
from rewardbench.types import Metric, Rule


def as_is(row: DataRow, split: str) -> DataRow:
    """Return a row unchanged."""
    return row


@dataclass(frozen=True)
class SuiteSpec:
    """The definition of a suite. Other packages register theirs by the entry point `rewardbench.suites`."""

    name: str
    hub: str = ""
    """Id of the Hub dataset; empty for a suite embedded in this package, whose folder under data has its name."""
    folder: str = ""
    """Of another package's embedded suite: the folder of its data."""
    build: str = ""
    """Of a suite that is built at first use: `module:function`, which returns the folder of its data."""
    revision: str | None = None
    """The pinned commit; None resolves the Hub's main at load time, and records it."""
    splits: tuple[str, ...] = ()
    """The splits of the suite; by default test, else validation, else the only one."""
    parse: Callable[[DataRow, str], DataRow] = as_is
    """Converts a row and its split to a row with the columns that rows.py knows."""
    expand: Callable[[DataRow], Sequence[DataRow]] | None = None
    """Converts a row to several, before `parse`."""
    local: bool = False
    """Whether it is not on the Hub: a local copy is read with `--protocol`."""
    rules: Mapping[str, Rule] = field(default_factory=dict)
    section_weights: Mapping[str, float] = field(default_factory=dict)
    equal_subsets: bool = False
    """For an embedded suite: whether a section is the mean of its subsets, rather than of all its items or mirrors."""
    headline: Literal["accuracy", "mirror"] = "accuracy"
    cluster_by: str = ""
    """Column whose value is the cluster of an item in intervals; where it is empty, the cluster is the group."""
    breakdowns: Mapping[str, Metric] = field(default_factory=dict)
    """Columns by whose values the score is broken down, each with the metric to report."""
    sections: Mapping[str, str] = field(default_factory=dict)
    """For an embedded suite: the section of each file, by its stem."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """For a suite file: known column names to those of the data, all of which must exist."""
    checked: bool = False
    """For a suite file: all subsets and sections of its rules must exist, and the rules are part of its revision."""

    @property
    def embedded(self) -> bool:
        """Whether its data is part of a package."""
        return not self.hub and not self.local and not self.build


def _tie_pair(row: DataRow, split: str) -> DataRow:
    """Group the two rows of a Ties question, `ref:N` and `tied:N`, into one cluster."""
    _, colon, number = str(row.get("id")).partition(":")
    return {**row, "group": f"ties/{number}"} if row.get("subset") == "Ties" and colon else row


def _subset_is_split(row: DataRow, split: str) -> DataRow:
    """Use the split as the subset, since the test sets name their source there; a finer subset becomes `subsubset`."""
    if not split:
        return row
    finer = {"subsubset": row["subset"]} if row.get("subset") is not None else {}
    return {**row, **finer, "subset": split}


REWARD_BENCH = {
    "Chat": {
        "alpacaeval-easy": 100,
        "alpacaeval-length": 95,
        "alpacaeval-hard": 95,
        "mt-bench-easy": 28,
        "mt-bench-med": 40,
    },
    "Chat Hard": {
        "mt-bench-hard": 37,
        "llmbar-natural": 100,
        "llmbar-adver-neighbor": 134,
        "llmbar-adver-GPTInst": 92,
        "llmbar-adver-GPTOut": 47,
        "llmbar-adver-manual": 46,
    },
    "Safety": {
        "refusals-dangerous": 100,
        "refusals-offensive": 100,
        "xstest-should-refuse": 154,
        "xstest-should-respond": 250,
        "donotanswer": 136,
    },
    # math-prm has 447 rows; its weight equals that of the six languages together.
    "Reasoning": {"math-prm": 984} | {f"hep-{code}": 164 for code in ("cpp", "go", "java", "js", "python", "rust")},
}
"""RewardBench 1: section to subset to its weight there."""

REWARD_BENCH_2 = ("Factuality", "Precise IF", "Math", "Safety", "Focus", "Ties")

UNWEIGHED_SETS = ("anthropic_harmless", "mtbench_gpt4", "mtbench_human")

SUITES: Mapping[str, SuiteSpec] = {
    spec.name: spec
    for spec in (
        SuiteSpec(
            name="core",
            headline="mirror",
            equal_subsets=True,
            cluster_by="template",
            sections={
                "chat": "Chat",
                "instructions": "Instructions",
                "safety": "Safety",
                "reasoning": "Reasoning",
                "ties": "Ties",
            },
            rules={"ties": Rule("Ties", "ties")},
            section_weights={"Ties": 0.0},  # reported, but not part of the score
        ),
        SuiteSpec(
            name="core-style",
            headline="mirror",
            equal_subsets=True,
            cluster_by="template",
            breakdowns={"level": "pair"},
            expand=style_pairs,
            sections={
                "chat": "Chat",
                "instructions": "Instructions",
                "safety": "Safety",
                "reasoning": "Reasoning",
            },
        ),
        SuiteSpec(
            name="core-hard",
            headline="mirror",
            equal_subsets=True,  # clusters are mirrors: a subset has one template, so it has no others to draw from
            breakdowns={"rung": "mirror"},
            sections={
                "chat": "Chat",
                "instructions": "Instructions",
                "safety": "Safety",
                "reasoning": "Reasoning",
                "languages": "Languages",
                "tools": "Tools",
                "squares": "Squares",
            },
            section_weights={"Squares": 0.0},  # best of 4: reported, but not part of the score
        ),
        SuiteSpec(
            name="core-long",
            build="rewardbench.builders.long:built_folder",
            headline="mirror",
            equal_subsets=True,
            breakdowns={"rung": "mirror"},
            sections={"long_context": "Long context"},
        ),
        SuiteSpec(
            name="reward-bench",
            hub="allenai/reward-bench",
            # Cited as https://huggingface.co/datasets/allenai/reward-bench/tree/<revision> by several audits of the
            # set in 2026, with 2,985 filtered rows and the subset counts above.
            revision="168d848cdbbea9764fae4a544dc9ca1e6cca4931",
            splits=("filtered",),
            rules={
                subset: Rule(section, weight=weight)
                for section, subsets in REWARD_BENCH.items()
                for subset, weight in subsets.items()
            },
        ),
        SuiteSpec(
            name="reward-bench-2",
            hub="allenai/reward-bench-2",
            # The card at this revision names one test split of 1,865 rows:
            # https://huggingface.co/datasets/allenai/reward-bench-2/blob/<revision>/README.md
            revision="7ff08853b0d5686e79b13fda8677024f566a104a",
            splits=("test",),
            parse=_tie_pair,
            rules={name: Rule(name, "ties" if name == "Ties" else "best_of_n") for name in REWARD_BENCH_2},
        ),
        SuiteSpec(
            name="preference-test-sets",
            hub="allenai/preference-test-sets",
            # Not pinned: no source at hand gives the full hash of its main (0d1fa41 in the page of its files).
            # The commit is resolved at load time and recorded in the suite's revision.
            revision=None,
            # pku_better and pku_safer are in the dataset, but no longer in the benchmark: --split still takes them.
            splits=(*PRIOR_SETS, *UNWEIGHED_SETS),
            parse=_subset_is_split,
            rules={
                # Equal weights make the section the unweighted mean of its sets.
                **{name: Rule("Prior Sets", weight=1.0) for name in PRIOR_SETS},
                **{name: Rule(name) for name in UNWEIGHED_SETS},
            },
            section_weights=dict.fromkeys(UNWEIGHED_SETS, 0.0),
        ),
        # Those below are not pinned either: no source at hand gives a commit. It is resolved and recorded.
        SuiteSpec(name="rm-bench", hub="THU-KEG/RM-Bench", expand=rm_bench_pairs, rules=RM_BENCH_RULES),
        SuiteSpec(
            name="judge-bench",
            hub="ScalerLab/JudgeBench",
            splits=("gpt",),
            parse=judge_bench_pair,
            rules={category: Rule(category) for category in JUDGE_BENCH},
            # Its overall accuracy is that of all pairs; these are the pairs of the gpt split.
            section_weights={"Knowledge": 154.0, "Reasoning": 98.0, "Math": 56.0, "Coding": 42.0},
        ),
        SuiteSpec(name="rmb", local=True, parse=rmb_row, rules=RMB_RULES),
        # Solutions with labelled steps, for process reward models; the reader of rows derives its rules.
        SuiteSpec(name="processbench", hub="Qwen/ProcessBench", splits=PROCESS_BENCH, parse=process_bench_row),
    )
}


def find_spec(name: str) -> SuiteSpec | None:
    """Return the suite of that name or Hub id, here or in an installed package; None if there is none.

    >>> find_spec("allenai/reward-bench-2").name
    'reward-bench-2'
    >>> find_spec("my/data") is None
    True
    """
    for spec in SUITES.values():
        if name and name in (spec.name, spec.hub):
            return spec
    for point in entry_points(group="rewardbench.suites"):
        if point.name == name:
            spec = point.load()
            if not isinstance(spec, SuiteSpec):
                raise TypeError(f"entry point {point.value} of rewardbench.suites is not a SuiteSpec")
            return spec
    return None


def list_suites() -> list[str]:
    """List the names of the suites; those of other packages come last."""
    return [*SUITES, *sorted(point.name for point in entry_points(group="rewardbench.suites"))]
