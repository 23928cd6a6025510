"""What an examination found, as values: how far each cause moves scores, how many winners change, what is amiss."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rewardbench.doctor.grid import Cell, Heard, Values
from rewardbench.doctor.reading import Reading

CAUSES: Mapping[str, Callable[[Cell], object]] = {
    "batch size": lambda cell: cell.size,
    "order": lambda cell: cell.order,
    "padding side": lambda cell: cell.side,
    "layout": lambda cell: cell.layout,
}
SATURATED = 1e-6


@dataclass(frozen=True)
class Pair:
    """An item with a preference: where its scores are, the right ones first. It is won by all right ones or none."""

    places: tuple[int, ...]
    num_correct: int

    def margin(self, values: Values) -> float:
        """The lowest right score less the highest wrong one; NaN where one is not finite.

        >>> Pair((0, 2, 1), 1).margin([3.0, 1.0, 2.0])
        1.0
        """
        scores = [values[place] for place in self.places]
        if not all(map(math.isfinite, scores)):
            return math.nan
        return min(scores[: self.num_correct]) - max(scores[self.num_correct :])

    def outcome(self, values: Values) -> str:
        """A tie is an outcome of its own, and so is the lack of one."""
        margin = self.margin(values)
        return "none" if math.isnan(margin) else "tie" if margin == 0 else "right" if margin > 0 else "wrong"


@dataclass(frozen=True)
class Moved:
    """How far all cells with one value of one cause are from the definition."""

    cause: str
    value: str
    cells: int
    max_abs_diff: float
    flips: int
    """Pairs whose outcome changes in at least one of the cells."""
    share_of_allowed: float
    """The largest difference as a multiple of what is allowed in float32."""

    @property
    def bad(self) -> bool:
        """Whether scores moved, were this float32."""
        return self.flips > 0 or self.share_of_allowed > 1


@dataclass(frozen=True)
class Figures:
    """All cells of one number format against the definition, which is float32."""

    dtype: str
    whole: Moved
    causes: tuple[Moved, ...]
    flips_below_margin: float
    """The largest float32 margin of a pair that flips; 0 where none does."""
    spread: float
    """The largest difference between two cells: what the batch does, without what the number format does."""


@dataclass(frozen=True)
class Finding:
    """One sentence; a grave one means that the scores cannot be trusted."""

    text: str
    grave: bool = False


@dataclass(frozen=True)
class Checkup:
    """What an examination found."""

    model: str
    model_type: str
    suite: str
    revision: str
    items: int
    pairs: int
    requests: int
    truncated: int
    score_sd: float
    figures: tuple[Figures, ...]
    """Of float32, then of the other number format."""
    reading: Reading
    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """1 where float32 scores move, or something grave was found."""
        return int(self.figures[0].whole.bad or any(finding.grave for finding in self.findings))

    def key_values(self) -> dict[str, int | float]:
        """The figures by name."""
        counts = ("items", "pairs", "requests", "truncated", "score_sd")
        found: dict[str, int | float] = {name: getattr(self, name) for name in counts}
        for figures in self.figures:
            name = "fp32" if figures.dtype == "float32" else figures.dtype
            found[f"{name}_max_abs_diff"] = figures.whole.max_abs_diff
            found[f"{name}_flips"] = figures.whole.flips
            found[f"{name}_flips_below_margin"] = figures.flips_below_margin
            found[f"{name}_spread"] = figures.spread
        return found | {"fp32_share_of_allowed": self.figures[0].whole.share_of_allowed}

    def to_json(self) -> dict[str, Any]:
        """Everything as plain JSON values; None where a number is not finite."""
        whole = asdict(self)
        causes = {figures["dtype"]: figures["causes"] for figures in whole["figures"]}
        names = ("model", "model_type", "suite", "revision", "reading", "findings", "notes")
        told = {name: whole[name] for name in names}
        found: dict[str, Any] = _finite({**self.key_values(), "exit_code": self.exit_code, "causes": causes, **told})
        return found


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def distance(a: float, b: float) -> float:
    """How far apart two scores are; infinitely, where one is a number and the other is not.

    >>> distance(1.0, 1.5), distance(math.nan, math.nan), distance(math.nan, 1.0)
    (0.5, 0.0, inf)
    """
    if a == b or (math.isnan(a) and math.isnan(b)):
        return 0.0
    apart = abs(a - b)
    return apart if math.isfinite(apart) else math.inf


def compare(dtype: str, cells: Mapping[Cell, Values], truth: Heard, pairs: Sequence[Pair]) -> Figures:
    """Cells in one number format against what float32 says of each text alone."""

    def moved(cause: str, value: str, some: Sequence[Cell]) -> Moved:
        return _moved(cause, value, [cells[cell] for cell in some], truth, pairs)

    causes = [
        moved(cause, value, [cell for cell in cells if str(of(cell)) == value])
        for cause, of in CAUSES.items()
        for value in dict.fromkeys(str(of(cell)) for cell in cells if of(cell) is not None)
    ]
    margins = [abs(pair.margin(truth.alone)) for pair in _flipped(list(cells.values()), truth.alone, pairs)]
    return Figures(
        dtype,
        moved("dtype", dtype, list(cells)),
        tuple(causes),
        max([0.0, *(margin for margin in margins if not math.isnan(margin))]),
        max((distance(max(said), min(said)) for said in zip(*cells.values(), strict=True)), default=0.0),
    )


def _moved(cause: str, value: str, cells: Sequence[Values], truth: Heard, pairs: Sequence[Pair]) -> Moved:
    """Over no cells at all nothing has moved."""
    apart = [[distance(*both) for both in zip(values, truth.alone, strict=True)] for values in cells]
    shares = [_share(*both) for row in apart for both in zip(row, truth.allowed, strict=True)]
    most = max((x for row in apart for x in row), default=0.0)
    flips = len(_flipped(cells, truth.alone, pairs))
    return Moved(cause, value, len(cells), most, flips, max(shares, default=0.0))


def _share(apart: float, allowed: float) -> float:
    return apart / allowed if math.isfinite(allowed) else apart and math.inf


def _flipped(cells: Sequence[Values], truth: Values, pairs: Sequence[Pair]) -> list[Pair]:
    return [pair for pair in pairs if any(pair.outcome(values) != pair.outcome(truth) for values in cells)]


def findings(figures: Figures, truth: Heard, pairs: Sequence[Pair], reading: Reading) -> Iterator[Finding]:
    """What the reader must know of float32 scores, the worst first."""
    yield from _of_moving(figures)
    yield from failures("float32", truth)
    yield from _of_scores(truth.alone, pairs)
    yield from _of_bos(reading)


def _of_moving(figures: Figures) -> Iterator[Finding]:
    """Which values of which causes move scores, where others of that cause do not."""
    whole = figures.whole
    if not whole.bad:
        return
    guilty = []
    for cause in CAUSES:
        mine = [moved for moved in figures.causes if moved.cause == cause]
        bad = [moved.value for moved in mine if moved.bad]
        guilty += [f"{cause} {', '.join(bad)}"] if 0 < len(bad) < len(mine) else []
    tied = (
        f" That is no more than rounding; the pairs that change lie within {figures.flips_below_margin:.2g}: call them "
        "ties."
    )
    yield Finding(
        f"Float32 scores move by up to {whole.max_abs_diff:.2g}, and {whole.flips} winners change: "
        f"{'; '.join(guilty) or 'everywhere'}.{tied if whole.share_of_allowed <= 1 else ''}",
        grave=True,
    )
    if "padding side left" in guilty:
        yield Finding("This package pads on the right; a program that pads on the left gives this model other scores.")


def failures(dtype: str, heard: Heard) -> Iterator[Finding]:
    """Cells that could not be computed, a sentence a reason; grave where none could."""
    for why in dict.fromkeys(heard.failed.values()):
        cells = [cell for cell, said in heard.failed.items() if said == why]
        sizes = ", ".join(str(size) for size in sorted({cell.size for cell in cells}))
        ways = f"{len(cells)} of the {len(heard.cells) + len(heard.failed)} ways to compute a score in {dtype}"
        grave = not heard.cells and dtype == "float32"
        yield Finding(f"{ways} could not be tried (batch size {sizes}): {why}.", grave)


def _of_scores(scores: Values, pairs: Sequence[Pair]) -> Iterator[Finding]:
    finite = [score for score in scores if math.isfinite(score)]
    if len(finite) < len(scores):
        yield Finding(f"{len(scores) - len(finite)} of {len(scores)} scores are not finite.", grave=True)
    if len(scores) > 1 and len(set(finite)) == 1:
        yield Finding(f"All {len(finite)} scores are {finite[0]:g}: the head tells nothing apart.", grave=True)
    elif finite and all(min(abs(score - end) for end in (-1, 0, 1)) <= SATURATED for score in finite):
        yield Finding("All scores lie at -1, 0 or 1, as a saturated sigmoid or tanh gives: they hold no margins.")
    ties = sum(pair.outcome(scores) == "tie" for pair in pairs)
    if ties:
        yield Finding(f"{ties} of {len(pairs)} pairs ({ties / len(pairs):.1%}) are exact ties.")


def _of_bos(reading: Reading) -> Iterator[Finding]:
    """Compare the BOS tokens that are read with those that the template prints; where it prints none, one is right."""
    if reading.bos_token is not None and reading.bos == 0:
        yield Finding(f"The model reads no BOS, though its tokenizer has one ({reading.bos_token}).")
    elif reading.bos > max(1, reading.bos_printed):
        yield Finding(
            f"The model reads {reading.bos} BOS tokens ({reading.bos_token}), and its template prints "
            f"{reading.bos_printed}.",
            grave=True,
        )
    elif reading.bos > 1:
        yield Finding(f"The template prints {reading.bos} BOS tokens ({reading.bos_token}), as at the start of turns.")
