"""Scores of items, and the result of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from typing import Any


@dataclass(frozen=True)
class ItemScores:
    """The scores of an item's completions, in the item's order; NaN with a reason where there is none."""

    id: str
    scores: tuple[float, ...]
    reason: str | None = None
    truncated: bool = False
    tokens: tuple[int, ...] = ()
    texts: tuple[str, ...] = ()
    """The model input of each completion: its rendered text in its context."""
    order_inconsistency: float | None = None
    """Share of pairs whose winner depends on the order shown; for listwise scorers 1 if the best does. Else None."""
    position_bias: float | None = None
    """Of pairwise and listwise scorers: how often the completion shown first is preferred, minus what chance gives."""
    answers: tuple[Mapping[str, Any], ...] = ()
    """Of judges: a row of the answers file for each answer, as JSON values."""
    step_scores: tuple[tuple[float, ...], ...] = ()
    """Of stepwise scorers: for each completion, the scores of its steps."""


@dataclass(frozen=True)
class Estimate:
    """A share with its 95 % confidence interval; `value` is None if no item was scored."""

    name: str
    n: int
    value: float | None
    low: float | None = None
    high: float | None = None
    ties: int = 0
    unscored: int = 0
    truncated: int = 0
    section: str = ""


@dataclass(frozen=True)
class CalibrationErrors:
    """How far the confidence in pairs, sigmoid(abs(margin)), is from the share that is right."""

    ece: float
    """Expected calibration error over 15 bins of equal width of the unit interval."""
    ece_mass: float
    """The same over 15 bins with equal numbers of pairs."""
    smooth_ece: float
    """Smooth ECE, which has no bins."""
    brier: float
    """Mean squared difference between the probability of the label and 1."""
    floor: float
    """Mean `ece` that chance alone gives a perfectly calibrated model with these confidences and clusters."""
    floor_high: float
    """95 % quantile of that."""


@dataclass(frozen=True)
class Calibration:
    """Temperature of the margins of pairs, and calibration errors without it and with it."""

    n: int
    """Number of pairs."""
    temperature: float
    """Fitted by maximum likelihood on all pairs."""
    temperature_low: float
    temperature_high: float
    at_bound: bool
    """True if the temperature is at its lower or upper bound, so that it means no more than "at most" or "at least"."""
    before: CalibrationErrors
    """Of the margins as they are."""
    after: CalibrationErrors
    """Of the margins divided by a temperature; each half of the clusters by that fitted on the other half."""


@dataclass(frozen=True, repr=False)
class Result:
    """The result of one run: estimates, per-item scores, and the manifest of how they were computed."""

    suite: str
    revision: str
    model: str
    model_type: str
    score: Estimate
    """The headline: the weighted mean of the sections."""
    accuracy: Estimate
    """Mean item credit over the whole suite, as rewardbench 0.1 prints it."""
    sections: tuple[Estimate, ...]
    subsets: tuple[Estimate, ...]
    mirrors: tuple[Estimate, ...] = ()
    """Per section, the share of groups in which every item is right; empty if groups are not mirrors."""
    items: tuple[ItemScores, ...] = ()
    manifest: Mapping[str, Any] = field(default_factory=dict)
    gap: tuple[Estimate, ...] = ()
    """Mirror accuracy on the built mirrors, on a fresh draw of them, and the difference; empty without a draw."""
    order_inconsistency: Estimate | None = None
    """Of pairwise and listwise scorers, the share of items whose preferred completion changes with the order shown."""
    biases: tuple[Estimate, ...] = ()
    """Of judges: differences by which something other than quality moves their choices, such as `position_bias`."""
    mirror_subsets: tuple[Estimate, ...] = ()
    """Per subset, the share of groups in which every item is right."""
    turns: tuple[Estimate, ...] = ()
    """Turn accuracy, whether the preference turns with the prompt: over the suite (named `score`), per section, and per
    subset; empty if no group has turn pairs."""
    breakdowns: tuple[Estimate, ...] = ()
    """The score by the values of a column, named `rung.1`, and `SUBSET/rung.1` of a subset."""
    calibration: Calibration | None = None
    """Temperature and calibration errors of the margins; None if not measured."""

    def __repr__(self) -> str:
        """Format model, suite and headline as one line."""
        return (
            f"{type(self).__name__}({self.model!r} on {self.suite}@{self.revision}: score {_percent(self.score)}, "
            f"accuracy {_percent(self.accuracy)}, {len(self.items)} items)"
        )

    def _repr_html_(self) -> str:
        """Format sections, 95 % intervals and notes as an HTML table, for notebooks."""
        title = escape(f"{self.model} ({self.model_type}) on {self.suite}@{self.revision}")
        estimates = [*self.sections, replace(self.accuracy, name="accuracy"), replace(self.score, name="score")]
        if self.order_inconsistency:
            estimates.append(replace(self.order_inconsistency, name="order inconsistency"))
        for bias in self.biases:
            estimates.append(replace(bias, name=bias.name.replace("_", " ")))
        turns = {turn.name: turn for turn in self.turns}
        rows = ""
        for estimate in estimates:
            rows += _html_row(estimate, turns)
        notes = "".join(f"<li>{escape(str(note))}</li>" for note in self.manifest.get("notes", ()))
        headers = ["section", "n", "%", "95 % interval", *(["turn %"] if turns else []), "ties", "unscored"]
        head = _html_cells("th", headers)
        return f"<table><caption>{title}</caption><thead>{head}</thead><tbody>{rows}</tbody></table><ul>{notes}</ul>"


def _percent(estimate: Estimate) -> str:
    interval = _interval(estimate)
    return f"{_share(estimate)} [{interval}]" if interval else _share(estimate)


def _share(estimate: Estimate) -> str:
    return "–" if estimate.value is None else f"{100 * estimate.value:.1f}"


def _interval(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return ""
    return f"{100 * estimate.low:.1f}–{100 * estimate.high:.1f}"


def _html_row(estimate: Estimate, turns: Mapping[str, Estimate]) -> str:
    """Return the row of an estimate, with its turn accuracy if the result has any."""
    cells = [escape(estimate.name), str(estimate.n), _share(estimate), _interval(estimate)]
    if turns:
        cells.append(_share(turns[estimate.name]) if estimate.name in turns else "")
    cells += [str(estimate.ties), str(estimate.unscored)]
    return _html_cells("td", cells)


def _html_cells(tag: str, cells: Sequence[str]) -> str:
    return f"<tr>{''.join(f'<{tag}>{cell}</{tag}>' for cell in cells)}</tr>"
