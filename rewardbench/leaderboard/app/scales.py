"""Choose the figures of a table: turn accuracy, accuracy, or the distance from guessing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from rewardbench.leaderboard.app.chance import Guessing, guessing_on
from rewardbench.leaderboard.types import Figure, LeaderboardRow

SCORE, TURN, ABOVE = "Score", "Turn", "Above chance"
"""Names of the columns of totals."""
SCALES = ("turn", "mirror", "accuracy", "above")
"""Names of scales in addresses."""
SHADES = 5
"""Number of shades of a cell above guessing, and below it."""


@dataclass(frozen=True)
class Scale:
    """What the numbers of a table are.

    Args:
        name: the name in addresses: turn, mirror, accuracy or above.
        label: name of the scale for visitors.
        metric: what is counted: turn, mirror or pair.
        guessing: expected figures of random scores.
    """

    name: str = "accuracy"
    label: str = "Accuracy"
    metric: str = "pair"
    guessing: Guessing = field(default_factory=Guessing)

    @property
    def column(self) -> str:
        """Name of the column of the total."""
        return ABOVE if self.name == "above" else TURN if self.metric == "turn" else SCORE

    def total(self, row: LeaderboardRow) -> Figure | None:
        """Return the total of a row."""
        return self._scaled(row.turn if self.metric == "turn" else row.score, "score")

    def section(self, row: LeaderboardRow, name: str) -> Figure | None:
        """Return the figure of a row on a section, or its accuracy on a subset; None if it has none."""
        for figure in row.turns[1:] if self.metric == "turn" else row.sections:
            if figure.name == name:
                return self._scaled(figure, name)
        for figure in row.subsets:
            if figure.name == name:
                return self._scaled(figure, name, "pair")
        return None

    def chance(self, name: str, is_subset: bool = False) -> float | None:
        """Return what guessing gets on this scale; `score` is the name of the total."""
        share = self.guessing.of("pair" if is_subset else self.metric, name)
        return None if share is None else 0.0 if self.name == "above" else share

    def _scaled(self, figure: Figure | None, name: str, metric: str = "") -> Figure | None:
        """Return a figure on this scale."""
        if figure is None or self.name != "above":
            return figure
        chance = self.guessing.of(metric or self.metric, name)
        if chance is None or figure.value is None:
            return None
        return replace(
            figure,
            value=_above(figure.value, chance),
            low=None if figure.low is None else _above(figure.low, chance),
            high=None if figure.high is None else _above(figure.high, chance),
        )


def _above(share: float, chance: float) -> float:
    """Return the distance from guessing: 0 is guessing, 1 is all right.

    >>> _above(0.75, 0.5), _above(0.0, 0.5)
    (0.5, -1.0)
    """
    return (share - chance) / (1 - chance)


def scales_of(rows: Iterable[LeaderboardRow], suite: str) -> list[Scale]:
    """Return the scales of a table, the one that ranks its models first."""
    rows = list(rows)
    guessing = guessing_on(suite)
    metric = "mirror" if any(row.metric == "mirror" for row in rows) else "pair"
    accuracy = Scale("mirror", "Mirror accuracy", metric, guessing)
    if metric == "pair":
        accuracy = Scale("accuracy", "Accuracy", metric, guessing)
    scales = [accuracy]
    if any(row.turn for row in rows):
        scales.insert(0, Scale("turn", "Turn accuracy", "turn", guessing))
    ranked = scales[0]
    if ranked.chance("score") is not None:
        scales.append(replace(ranked, name="above", label="Above chance"))
    return scales


def choose_scale(scales: Sequence[Scale], name: str) -> Scale:
    """Return the scale of a name, or the first one."""
    return next((scale for scale in scales if scale.name == name), scales[0])


def shade(figure: Figure | None, chance: float | None) -> str:
    """Return how far a figure is from guessing: u1 to u5 above, d1 to d5 below; empty if guessing explains it.

    Guessing explains a figure whose interval includes chance; without an interval the figure itself is compared.

    >>> shade(Figure("a", 0.7, 0.6, 0.8), 0.5), shade(Figure("a", 0.52, 0.4, 0.6), 0.5), shade(Figure("a", 0.1), 0.5)
    ('u3', '', 'd5')
    """
    if figure is None or figure.value is None or chance is None:
        return ""
    low = figure.value if figure.low is None else figure.low
    high = figure.value if figure.high is None else figure.high
    if low > chance:
        return f"u{_step((figure.value - chance) / (1 - chance))}"
    if high < chance:
        return f"d{_step((chance - figure.value) / (chance or 1))}"
    return ""


def _step(share: float) -> int:
    return min(SHADES, 1 + int(share * SHADES + 1e-9))
