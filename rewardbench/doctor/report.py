"""The report of an examination: how far batching and dtype change scores, how many preferences flip, what is wrong."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from rewardbench.console.strict_json import to_plain
from rewardbench.doctor.grid import GridCell, GridScores, ScoreList
from rewardbench.doctor.model_input import ModelInput

CAUSES = ("batch size", "order", "padding side", "layout")


def cause_value(cell: GridCell, cause: str) -> str | None:
    """Return the value of a cause in a grid cell; None for the padding side of a packed layout.

    >>> cause_value(GridCell(8, "original", None, "packed"), "batch size")
    '8'
    """
    values = {"batch size": str(cell.size), "order": cell.order, "padding side": cell.side, "layout": cell.layout}
    return values[cause]


@dataclass(frozen=True)
class PreferencePair:
    """The indices of the scores of an item with a preference, those of correct completions first."""

    indices: tuple[int, ...]
    num_correct: int

    def margin(self, scores: ScoreList) -> float:
        """Return the lowest score of a correct completion minus the highest of a wrong one; NaN if one is not finite.

        >>> PreferencePair((0, 2, 1), 1).margin([3.0, 1.0, 2.0])
        1.0
        """
        completion_scores = [scores[index] for index in self.indices]
        if not all(map(math.isfinite, completion_scores)):
            return math.nan
        return min(completion_scores[: self.num_correct]) - max(completion_scores[self.num_correct :])

    def outcome(self, scores: ScoreList) -> str:
        """Return right, wrong or tie; none if a score is not finite."""
        margin = self.margin(scores)
        if math.isnan(margin):
            return "none"
        if margin == 0:
            return "tie"
        return "right" if margin > 0 else "wrong"


@dataclass(frozen=True)
class Deviation:
    """How far the scores of all grid cells with one value of one cause are from the reference."""

    cause: str
    value: str
    cells: int
    """Number of grid cells."""
    max_abs_diff: float
    flips: int
    """Pairs whose outcome changes in at least one of the cells."""
    share_of_allowed: float
    """Largest difference divided by the float32 tolerance of its score."""

    @property
    def exceeds_float32(self) -> bool:
        """Return True if preferences flip, or a difference is above the float32 tolerance."""
        return self.flips > 0 or self.share_of_allowed > 1


@dataclass(frozen=True)
class DtypeDeviations:
    """Deviations of all grid cells in one dtype from the float32 reference."""

    dtype: str
    overall: Deviation
    causes: tuple[Deviation, ...]
    flips_below_margin: float
    """Largest float32 margin of a pair that flips; 0 if none does."""
    spread: float
    """Largest difference between two cells of this dtype, which excludes the effect of the dtype."""


@dataclass(frozen=True)
class SanityPair:
    """A prompt with a good and a bad response, and their scores; NaN where there are none."""

    prompt: str
    good: str
    bad: str
    good_score: float
    bad_score: float


@dataclass(frozen=True)
class Explanation:
    """How a loaded model scores a short conversation, and its scores of sanity pairs."""

    text: str
    """The rendered conversation."""
    tokens: tuple[tuple[int, str], ...]
    """Each token id with its token."""
    read: tuple[int, ...]
    """Indices of the tokens at which the score is read; of a policy, the tokens of the completion."""
    template: str
    bos: int
    eos: int
    """Numbers of BOS and EOS tokens."""
    max_length: int | None
    truncation_side: str
    head: tuple[str, ...]
    """Tensors of the head with shapes and activations."""
    output: str
    """How the outputs of the head become one score."""
    higher_is_better: bool
    """False if the output is negated."""
    normalization: str
    sanity_pairs: tuple[SanityPair, ...]


@dataclass(frozen=True)
class DoctorFinding:
    """A problem of a model, in a sentence or two; if it is grave, the scores cannot be trusted."""

    text: str
    grave: bool = False


@dataclass(frozen=True)
class DoctorReport:
    """What an examination measured and found."""

    model: str
    model_type: str
    suite: str
    revision: str
    items: int
    pairs: int
    requests: int
    truncated: int
    score_sd: float
    deviations: tuple[DtypeDeviations, ...]
    """In float32, then in the other dtype if one was examined."""
    model_input: ModelInput
    findings: tuple[DoctorFinding, ...]
    notes: tuple[str, ...] = ()
    explanation: Explanation | None = None
    """None if the model renders no short conversation."""

    @property
    def exit_code(self) -> int:
        """Return 1 if float32 scores change or a finding is grave, else 0."""
        has_grave = any(finding.grave for finding in self.findings)
        return int(has_grave or self.deviations[0].overall.exceeds_float32)

    def key_values(self) -> dict[str, int | float]:
        """Return counts and differences by name."""
        values: dict[str, int | float] = {
            "items": self.items,
            "pairs": self.pairs,
            "requests": self.requests,
            "truncated": self.truncated,
            "score_sd": self.score_sd,
        }
        for deviations in self.deviations:
            name = "fp32" if deviations.dtype == "float32" else deviations.dtype
            values[f"{name}_max_abs_diff"] = deviations.overall.max_abs_diff
            values[f"{name}_flips"] = deviations.overall.flips
            values[f"{name}_flips_below_margin"] = deviations.flips_below_margin
            values[f"{name}_spread"] = deviations.spread
        return values | {"fp32_share_of_allowed": self.deviations[0].overall.share_of_allowed}

    def to_json(self) -> object:
        """Return everything as plain JSON values; null for a number that is not finite."""
        causes = {deviations.dtype: list(map(asdict, deviations.causes)) for deviations in self.deviations}
        values = {
            **self.key_values(),
            "exit_code": self.exit_code,
            "causes": causes,
            "model": self.model,
            "model_type": self.model_type,
            "suite": self.suite,
            "revision": self.revision,
            "reading": asdict(self.model_input),
            "explanation": None if self.explanation is None else asdict(self.explanation),
            "findings": list(map(asdict, self.findings)),
            "notes": self.notes,
        }
        return to_plain(values)


def distance(first: float, second: float) -> float:
    """Return the absolute difference of two scores; infinity if only one of them is NaN or they differ infinitely.

    >>> distance(1.0, 1.5), distance(math.nan, math.nan), distance(math.nan, 1.0)
    (0.5, 0.0, inf)
    """
    if first == second or (math.isnan(first) and math.isnan(second)):
        return 0.0
    difference = abs(first - second)
    return difference if math.isfinite(difference) else math.inf


def measure_deviations(
    dtype: str, cells: Mapping[GridCell, ScoreList], truth: GridScores, pairs: Sequence[PreferencePair]
) -> DtypeDeviations:
    """Measure how far the scores of grid cells are from the float32 reference.

    Args:
        dtype: dtype in which the cells were computed.
        cells: scores by grid cell.
        truth: the float32 scores, for reference and tolerances.
        pairs: items with a preference.
    """
    causes = []
    for cause in CAUSES:
        for value, scores_of_cells in _group_by_value(cells, cause).items():
            causes.append(_measure(cause, value, scores_of_cells, truth, pairs))
    all_scores = list(cells.values())
    flips_below_margin = 0.0
    for pair in _flipped_pairs(all_scores, truth.reference, pairs):
        margin = abs(pair.margin(truth.reference))
        if margin > flips_below_margin:  # False for NaN
            flips_below_margin = margin
    spreads = [distance(max(scores), min(scores)) for scores in zip(*all_scores, strict=True)]
    return DtypeDeviations(
        dtype,
        overall=_measure("dtype", dtype, all_scores, truth, pairs),
        causes=tuple(causes),
        flips_below_margin=flips_below_margin,
        spread=max(spreads, default=0.0),
    )


def _group_by_value(cells: Mapping[GridCell, ScoreList], cause: str) -> dict[str, list[ScoreList]]:
    """Group the scores of grid cells by their value of a cause."""
    groups: dict[str, list[ScoreList]] = {}
    for cell, scores in cells.items():
        value = cause_value(cell, cause)
        if value is not None:
            groups.setdefault(value, []).append(scores)
    return groups


def _measure(
    cause: str, value: str, cells: Sequence[ScoreList], truth: GridScores, pairs: Sequence[PreferencePair]
) -> Deviation:
    """Measure how far the scores of some grid cells are from the reference; 0 for no cells."""
    largest, largest_share = 0.0, 0.0
    for scores in cells:
        for score, reference, tolerance in zip(scores, truth.reference, truth.tolerances, strict=True):
            difference = distance(score, reference)
            largest = max(largest, difference)
            largest_share = max(largest_share, _share(difference, tolerance))
    flips = len(_flipped_pairs(cells, truth.reference, pairs))
    return Deviation(cause, value, len(cells), largest, flips, largest_share)


def _share(difference: float, tolerance: float) -> float:
    if math.isfinite(tolerance):
        return difference / tolerance
    return math.inf if difference else 0.0


def _flipped_pairs(
    cells: Sequence[ScoreList], reference: ScoreList, pairs: Sequence[PreferencePair]
) -> list[PreferencePair]:
    """Return the pairs whose outcome differs from the reference in at least one grid cell."""
    flipped = []
    for pair in pairs:
        expected = pair.outcome(reference)
        if any(pair.outcome(scores) != expected for scores in cells):
            flipped.append(pair)
    return flipped
