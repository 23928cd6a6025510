"""Define `rewardbench ensemble A B [C ...]`: parse arguments and print; nothing is computed here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from rewardbench.cli.compare import RESULT_HELP
from rewardbench.cli.options import OUTPUT, JsonOption, TextOption, flag
from rewardbench.console.tables import add_text_row, make_table
from rewardbench.console.terminal import echo, echo_json, make_console, printable
from rewardbench.errors import InputError

if TYPE_CHECKING:
    from rewardbench.comparison.ensemble import Ensemble
    from rewardbench.types import Estimate

ENSEMBLE = "Ensemble"
SIGNIFICANT = 0.05
"""p-value below which the ensemble differs from its best member."""

# Repeats the names of comparison.ensemble_rules, because that module takes too long to import for --help.
RuleOption = Literal["mean", "min", "mean-variance", "majority", "plurality-rewardbench"]
RULE_NAMES = "<mean|min|mean-variance|majority|plurality-rewardbench>"
"""The rules as the help shows them, with their hyphens."""
RULES = "Of scores: mean, min (worst case), mean-variance. Of votes: majority, plurality-rewardbench (rewardbench 0.1)"
PenaltyOption = Annotated[
    float | None, flag(ENSEMBLE, "penalty", "Weight of the variance in mean-variance; default: 1", min=0)
]
StandardizeOption = Annotated[
    bool, flag(ENSEMBLE, "standardize", "Standardise each model's scores first: mean 0, variance 1")
]


@dataclass(frozen=True, kw_only=True)
class EnsembleOptions:
    """Options that combine several models of one run into an ensemble."""

    ensemble: Annotated[
        RuleOption | None,
        flag(
            ENSEMBLE,
            "ensemble",
            f"Rule that combines several --model or --judge; default for judges: majority. {RULES}",
            metavar=RULE_NAMES,
        ),
    ] = None
    penalty: PenaltyOption = None
    standardize: StandardizeOption = False

    def check_members(self, count: int) -> None:
        """Check, before anything is scored, that this number of members can be combined.

        Raises:
            InputError: if a rule was passed for one model, or an even number of members votes.
        """
        if count == 1 and self.ensemble:
            raise InputError(f"--ensemble {self.ensemble} needs several models: repeat --model or --judge.")
        votes = self.ensemble in (None, "majority", "plurality-rewardbench")
        if votes and count % 2 == 0:
            raise InputError(f"A vote needs an odd number of members, and these are {count}: add or remove one.")


def ensemble_command(
    results: Annotated[list[str], typer.Argument(help=RESULT_HELP)],
    rule: Annotated[RuleOption, flag(ENSEMBLE, "rule", RULES, metavar=RULE_NAMES)] = "mean",
    penalty: PenaltyOption = None,
    standardize: StandardizeOption = False,
    name: Annotated[
        TextOption, flag(ENSEMBLE, "name", "Name of the ensemble; default: ensemble/RULE(model, model, ...)")
    ] = None,
    output_dir: Annotated[
        str, flag(OUTPUT, "output_dir", "Folder or bucket to which the result is written")
    ] = "results/",
    as_json: JsonOption = False,
) -> None:
    """Combine the results of several models on the same data into the result of their ensemble, without any model.

    The result is stored like that of a model, and compared with that of the best member.
    """
    from rewardbench.store import open_run_store

    open_run_store(output_dir)  # report a wrong address before the work
    combine_results(results, rule, penalty, standardize, name, output_dir, as_json)


def combine_results(
    paths: Sequence[str],
    rule: RuleOption,
    penalty: float | None = None,
    standardize: bool = False,
    name: str | None = None,
    output_dir: str = "results/",
    as_json: bool = False,
) -> None:
    """Combine results, store that of the ensemble, and print it; see `comparison.ensemble.ensemble`."""
    from rewardbench.comparison.ensemble import ensemble

    combined = ensemble(paths, rule, penalty=penalty, standardize=standardize, name=name)
    path = combined.save(output_dir)
    if as_json:
        echo_json({**_ensemble_json(combined), "results": path})
    else:
        print_ensemble(combined)
        echo(f"results={path}")


def _ensemble_json(combined: Ensemble) -> dict[str, object]:
    """Return the result as JSON values, with the figures of the members and the comparison with the best one."""
    from rewardbench.results.report import to_json

    members = []
    for member in combined.members:
        members.append({**asdict(member), "path": str(member.path)})
    best = {"model": combined.comparison.first, **asdict(combined.comparison.score)}
    return {**to_json(combined.result), "members": members, "best_member": best}


def print_ensemble(combined: Ensemble) -> None:
    """Print the result, a table of the members, and whether the ensemble differs from the best of them."""
    from rewardbench.results.report import print_result

    print_result(combined.result, make_console())
    table = make_table("members", "score %", "95% CI", "accuracy %", "unscored")
    for member in combined.members:
        add_text_row(table, *_cells(member.model, member.score, member.accuracy))
    table.add_section()
    result = combined.result
    add_text_row(table, *_cells("ensemble", result.score, result.accuracy), style="bold")
    make_console().print(table)
    echo(_difference_sentence(combined))
    for member in combined.members:
        echo(f"member.{printable(member.model)}={_decimal(member.score.value)}")
    contrast = combined.comparison.score
    echo(f"best_member={printable(combined.comparison.first)}")
    echo(f"difference={contrast.difference:.4f}")
    echo(f"difference_low={contrast.low:.4f}\ndifference_high={contrast.high:.4f}")
    echo(f"p={contrast.p:.2g}")


def _cells(name: str, score: Estimate, accuracy: Estimate) -> list[str]:
    """Return the row of a member, or of the ensemble."""
    interval = ""
    if score.low is not None and score.high is not None:
        interval = f"{100 * score.low:.1f}–{100 * score.high:.1f}"
    return [printable(name), _percent(score.value), interval, _percent(accuracy.value), str(accuracy.unscored)]


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f}"


def _decimal(share: float | None) -> str:
    return "nan" if share is None else f"{share:.4f}"


def _difference_sentence(combined: Ensemble) -> str:
    """Say whether the ensemble differs from its best member, which was chosen on the same items."""
    contrast = combined.comparison.score
    best = printable(combined.comparison.first)
    if contrast.p >= SIGNIFICANT:
        return f"The ensemble does not differ significantly from its best member on these items, {best}."
    direction = "better" if contrast.difference > 0 else "worse"
    return f"The ensemble is significantly {direction} than its best member on these items, {best}."
